"""The whole model of a day: grid, terrain, places, place effects, and the risk terrain model of the police beside it.

A fit is kept as a card, from which every score can be said again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from kc_pipeline.risk.history import PlaceEffects, fit_place_effects
from kc_pipeline.risk.place_model import PlaceModel, fit_place_model
from kc_pipeline.risk.terrain import Grid, Points
from kc_pipeline.risk.terrain_model import Term, TerrainModel, fit_terrain_model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Business places as the model sees them.

    Attributes:
        cell: number of the grid's cell of each; -1 where the place is not in the city or has no position.
        traits: trait -> value at each.
        past: years (newest first) by places: shares of serious events.
    """

    cell: npt.NDArray[np.int64]
    traits: Mapping[str, Floats]
    past: Floats


@dataclass(frozen=True)
class RiskModel:
    """A fit.

    Attributes:
        fitted_as_of: day before which everything was known that it was fitted to.
        terrain: of the cells.
        places: of the business places.
        effects: of the places' own past.
    """

    fitted_as_of: date
    terrain: TerrainModel
    places: PlaceModel
    effects: PlaceEffects

    def to_card(self) -> dict[str, Any]:
        """All parameters, ready for JSON."""
        return {**asdict(self), "fitted_as_of": self.fitted_as_of.isoformat()}

    @staticmethod
    def from_card(card: Mapping[str, Any]) -> "RiskModel":
        """The fit of a card."""
        terrain, places = dict(card["terrain"]), dict(card["places"])
        terms = tuple(Term(**term) for term in terrain.pop("terms"))
        coefficients = tuple(terrain.pop("coefficients"))
        return RiskModel(
            date.fromisoformat(card["fitted_as_of"]),
            TerrainModel(terms=terms, coefficients=coefficients, **terrain),
            PlaceModel(tuple(places["traits"]), tuple(places["coefficients"]), places["constant"]),
            PlaceEffects(**card["effects"]),
        )


@dataclass(frozen=True)
class Risks:
    """What a model says of the places on a day.

    Attributes:
        parts: what adds to the log of the expectation -> its contribution at each place; they sum to log expected.
        expected: expected serious events per year.
        low: lower bound of the 80 % interval.
        high: upper bound.
    """

    parts: dict[str, Floats]
    expected: Floats
    low: Floats
    high: Floats


BASELINE, OWN_HISTORY = "baseline", "own_history"


def fit_risk_model(grid: Grid, features: Mapping[str, Points], past: Floats, places: Places, as_of: date, seed: int = 0) -> RiskModel:
    """Fit terrain, places and place effects.

    Args:
        grid: the city.
        features: factor -> x and y of its features on the day, metres.
        past: years (newest first) by cells: past events.
        places: business places.
        as_of: the day.
        seed: of the divisions into folds.
    """
    terrain = fit_terrain_model(grid, features, past, seed)
    log_terrain = sum(_terrain_parts(terrain, grid, features, past, places).values())
    place_model = fit_place_model(np.asarray(log_terrain), places.traits, places.past, seed)
    expected = np.exp(log_terrain + place_model.constant + sum(place_model.parts(places.traits).values(), np.zeros(len(places.cell))))
    return RiskModel(as_of, terrain, place_model, fit_place_effects(np.asarray(expected), places.past))


def score_risks(model: RiskModel, grid: Grid, features: Mapping[str, Points], past: Floats, places: Places) -> Risks:
    """Expectation of each place, and what it is made of.

    A factor's part is relative to a place that has none of it near; that of past crime nearby is relative to the mean of
    the places, which goes to the baseline.
    """
    parts = _terrain_parts(model.terrain, grid, features, past, places)
    baseline = parts.pop(BASELINE) + model.places.constant
    for part in [name for name in parts if (parts[name] < 0).any()]:
        middle = float(parts[part].mean())
        parts[part], baseline = parts[part] - middle, baseline + middle
    parts |= model.places.parts(places.traits)
    prior = np.exp(baseline + sum(parts.values(), np.zeros(len(places.cell))))
    effect = model.effects.multiplier(prior, places.past)
    low, high = model.effects.interval(prior, places.past)
    return Risks({BASELINE: baseline, **parts, OWN_HISTORY: np.log(effect)}, prior * effect, low, high)


def _terrain_parts(terrain: TerrainModel, grid: Grid, features: Mapping[str, Points], past: Floats, places: Places) -> dict[str, Floats]:
    """Contributions of the terrain at the places; a place outside the grid gets those of the places' mean."""
    inside = places.cell >= 0
    parts = {BASELINE: np.full(len(places.cell), terrain.constant)}
    for factor, values in terrain.parts(grid, features, past).items():
        at_places = values[np.maximum(places.cell, 0)]
        usual = float(at_places[inside].mean()) if inside.any() else float(values.mean())
        parts[factor] = np.where(inside, at_places, usual)
    return parts
