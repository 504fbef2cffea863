"""Expectation at business places: the terrain around, the kind of business, and what is wrong on the premises.

    log expected(place) = log terrain(cell) + constant + sum over traits of coefficient * value,    coefficients >= 0

The terrain is the expectation of the place's cell; the constant is what share of a cell's events is tied to a place in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kc_pipeline.risk.elastic_net import approximate_cross_validation, fit_path, strength_path
from kc_pipeline.risk.terrain_model import LEAST_EVENTS, PARAMETER_DIGITS

Floats = npt.NDArray[np.float64]

_FOLDS, _STRENGTHS, _WEAKEST = 5, 8, 1e-2


@dataclass(frozen=True)
class PlaceModel:
    """A fitted model.

    Attributes:
        traits: names of the traits with an effect.
        coefficients: of the traits, per unit of their values; not negative.
        constant: log of the events at a place without any trait, over those of its cell.
    """

    traits: tuple[str, ...]
    coefficients: tuple[float, ...]
    constant: float

    def parts(self, traits: Mapping[str, Floats]) -> dict[str, Floats]:
        """Log contribution of each trait with an effect to each place."""
        return {trait: coefficient * traits[trait] for trait, coefficient in zip(self.traits, self.coefficients, strict=True)}


def fit_place_model(log_terrain: Floats, traits: Mapping[str, Floats], past: Floats, seed: int = 0) -> PlaceModel:
    """Fit the model.

    Args:
        log_terrain: log of the terrain's expectation at each place, events per cell and year.
        traits: trait -> value at each place, zero or more.
        past: years (newest first) by places: past events, BLOCK shares by their weight.
        seed: of the division into folds.
    """
    counts, offset = past.sum(axis=0), log_terrain + np.log(len(past))
    constant = round(float(np.log(max(counts.sum(), 0.5) / np.exp(offset).sum())), PARAMETER_DIGITS)
    names = [name for name, values in traits.items() if np.ptp(values) > 0]
    if counts.sum() < LEAST_EVENTS or not names:
        return PlaceModel((), (), constant)
    design = np.column_stack([traits[name] for name in names])
    strengths = strength_path(design, counts, offset, strengths=_STRENGTHS, weakest=_WEAKEST)
    path = fit_path(design, counts, strengths, offset)
    folds = np.random.default_rng(seed).permutation(np.arange(len(counts)) % _FOLDS)
    best = int(np.argmin(approximate_cross_validation(design, counts, path, folds, offset)))
    rounded = [round(float(b), PARAMETER_DIGITS) for b in path.coefficients[best]]
    kept = [(name, b) for name, b in zip(names, rounded, strict=True) if b > 0]
    return PlaceModel(tuple(name for name, _ in kept), tuple(b for _, b in kept), round(float(path.constants[best]), PARAMETER_DIGITS))
