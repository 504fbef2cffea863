"""What of a factor's contribution comes from a place's own premises: that part is its owner's to mend, the rest is not.

The terrain does not ask whose a violation is.  Here its terms are computed for the place's cell once with all observations
and once without the place's own; the contribution is divided in that proportion, so that the parts still sum to the whole.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.places.geometry import project
from kc_pipeline.risk.explain import PREMISES
from kc_pipeline.risk.risk_model import Risks
from kc_pipeline.risk.terrain import Floats, Grid
from kc_pipeline.risk.terrain_model import DENSITY, TerrainModel

_REACH_IN_DEVIATIONS = 4.0
_SQUARE_METRES_PER_KM2 = 1e6


def divide_premises(
    risks: Risks,
    terrain: TerrainModel,
    grid: Grid,
    cell: npt.NDArray[np.int64],
    place_ids: pd.Series,
    observed: Mapping[str, pd.DataFrame],
) -> Risks:
    """Contributions with those of the own premises apart, under 'premises_<factor>'.

    Args:
        risks: contributions of the terrain and of the places' traits.
        terrain: the model of the terrain.
        grid: its cells.
        cell: number of each place's cell; -1 outside.
        place_ids: business_parcel_id of each place.
        observed: factor -> its observations on the day: business_parcel_id, latitude, longitude.
    """
    parts = dict(risks.parts)
    number = pd.Series(np.arange(len(place_ids)), index=place_ids.to_numpy())
    for factor, rows in observed.items():
        if factor not in parts:
            continue
        located = rows.dropna(subset=["latitude", "longitude"])
        owner = located["business_parcel_id"].map(number).fillna(-1).to_numpy(np.int64)
        share = np.zeros(len(cell))
        with_own = np.unique(owner[owner >= 0])
        with_own = with_own[cell[with_own] >= 0]
        if len(with_own):
            centres = grid.centres()[cell[with_own]]
            share[with_own] = _own_shares(terrain, factor, centres, with_own, project(located["longitude"], located["latitude"]), owner)
        own = parts[factor] * share
        parts[factor] = parts[factor] - own
        parts[f"{PREMISES}{factor}"] = parts.get(f"{PREMISES}{factor}", np.zeros(len(cell))) + own
    return replace(risks, parts=parts)


def _own_shares(
    terrain: TerrainModel, factor: str, centres: Floats, places: npt.NDArray[np.int64], points: Floats, owner: npt.NDArray[np.int64]
) -> Floats:
    """Share of a factor's contribution that goes when a place's own observations go, for each of some places."""
    from scipy.spatial import cKDTree

    terms = [(term, b) for term, b in zip(terrain.terms, terrain.coefficients, strict=True) if term.factor == factor]
    reach = max(_REACH_IN_DEVIATIONS * term.reach_m for term, _ in terms)
    lists = cKDTree(points).query_ball_point(centres, reach)
    shares = np.zeros(len(places))
    for at, (centre, place, members) in enumerate(zip(centres, places, lists, strict=True)):
        near = np.asarray(members, dtype=np.int64)
        away = np.hypot(*(points[near] - centre).T)
        others = owner[near] != place
        with_all, without = (sum(b * _value(term.kind, term.reach_m, term.scale, d) for term, b in terms) for d in (away, away[others]))
        shares[at] = (with_all - without) / with_all if with_all > 0 else 0.0
    return np.clip(shares, 0.0, 1.0)


def _value(kind: str, reach_m: float, scale: float, away: Floats) -> float:
    """A term's value at a point whose observations are so far away, metres."""
    if not len(away):
        return 0.0
    if kind == DENSITY:
        density = np.exp(-((away / reach_m) ** 2) / 2).sum() / (2 * np.pi * reach_m**2) * _SQUARE_METRES_PER_KM2
        return float(np.log1p(density / scale))
    return float(np.exp(-away.min() / reach_m))
