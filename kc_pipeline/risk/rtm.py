"""Risk terrain modelling as RTMDx does it: penalised selection, stepwise regression on BIC, relative risk values.

Every factor stands in many forms (`terrain.operationalize`).  An elastic-net Poisson regression with cross-validation keeps
the useful forms, positive effects only.  From the model without factors, forms are then added and taken away as long as
BIC falls, at most one form of each factor, once with a Poisson and once with a negative binomial likelihood (NB1, gamlss
NBII); the lower BIC wins.  Source: the RTMDx user manual and report (Caplan and Kennedy, Rutgers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.risk.count_models import NB1, POISSON, ConvergenceError, CountFit, fit_counts
from kc_pipeline.risk.elastic_net import approximate_cross_validation, cross_validate, fit_path, strength_path
from kc_pipeline.risk.terrain import Grid, Points, Variable, operationalize
from kc_pipeline.risk.terrain_model import LEAST_EVENTS

Floats = npt.NDArray[np.float64]
Design = npt.NDArray[np.float32]

FOLDS = 10
# A place is of the highest risk where its score lies this many standard deviations above the mean.
HIGH_RISK_DEVIATIONS = 2.0
_LEAST_GAIN = 1e-6
# Exposures whose logarithms differ by less are looked at as one in the stepwise regression, at their mean.
_EXPOSURE_STEP = 0.05


@dataclass(frozen=True)
class RiskTerrain:
    """A fitted risk terrain model.

    Attributes:
        variables: forms of factors in the model, in the order they came in.
        fit: the winning model; its first coefficient is the constant.
        bic_by_family: BIC of the best model of each family.
        candidates: forms that the penalised regression kept.
        relative_scores: of each cell, 1 for the lowest.
    """

    variables: tuple[Variable, ...]
    fit: CountFit
    bic_by_family: dict[str, float]
    candidates: tuple[Variable, ...]
    relative_scores: Floats

    @property
    def relative_risk_values(self) -> Floats:
        """Risk of a cell in reach of each factor, relative to one that is not, all else equal."""
        return np.asarray(np.exp(self.fit.coefficients[1:]))

    def factor_table(self) -> pd.DataFrame:
        """One row per factor of the model: kind, reach in metres, coefficient, relative risk value; highest first."""
        rows = [(v.factor, v.kind, v.reach_m) for v in self.variables]
        table = pd.DataFrame(rows, columns=["factor", "kind", "reach_m"])
        table = table.assign(coefficient=self.fit.coefficients[1:], relative_risk_value=self.relative_risk_values)
        return table.sort_values("relative_risk_value", ascending=False, ignore_index=True)

    def is_highest_risk(self) -> npt.NDArray[np.bool_]:
        """Cells whose score lies more than two standard deviations above the mean."""
        scores = self.relative_scores
        return np.asarray(scores > scores.mean() + HIGH_RISK_DEVIATIONS * scores.std())

    def to_card(self) -> dict[str, Any]:
        """What the factor table shows and what a score is computed from, ready for JSON."""
        return {
            "family": self.fit.family,
            "dispersion": self.fit.dispersion,
            "constant": float(self.fit.coefficients[0]),
            "variables": [asdict(variable) for variable in self.variables],
            "coefficients": [float(value) for value in self.fit.coefficients[1:]],
            "bic_by_family": self.bic_by_family,
            "candidates": [variable.name for variable in self.candidates],
        }


def scores_of_card(card: Mapping[str, Any], grid: Grid, features: Mapping[str, Points]) -> Floats:
    """Relative risk score of each cell on a day, by the variables of a card; 1 for the lowest cell."""
    eta = np.zeros(grid.size)
    for variable, coefficient in zip(card["variables"], card["coefficients"], strict=True):
        points = features.get(variable["factor"])
        if points is not None:
            form, _ = operationalize(grid, {variable["factor"]: points}, [variable["reach_m"]], {variable["factor"]: (variable["kind"],)})
            eta += coefficient * form[:, 0]
    return np.asarray(np.exp(eta - eta.min()))


def fit_rtm(
    design: Design,
    variables: Sequence[Variable],
    counts: Floats,
    seed: int = 0,
    exposure: Floats | None = None,
    is_exact: bool = False,
) -> RiskTerrain:
    """Fit the whole model.

    Args:
        design: cells by forms, zeros and ones.
        variables: what each column is.
        counts: events in each cell.
        seed: of the division into folds.
        exposure: what each cell's expectation is in proportion to, all else equal, above zero; None: cells are equal.
        is_exact: fit every fold of the cross-validation anew, as RTMDx does, instead of one Newton step from the fit to all
            cells; the same forms are kept in about ten times the time.

    Returns:
        The model; one without factors where there are too few events to learn from.
    """
    if counts.sum() < LEAST_EVENTS:
        mean, cells = max(counts.mean(), 0.5 / len(counts)), float(len(counts))
        offset = 0.0 if exposure is None else float(np.log(exposure.mean()))
        null = fit_counts(POISSON, np.ones((1, 1)), np.array([mean]), np.array([cells]), np.array([offset]))
        return RiskTerrain((), null, {POISSON: null.bic}, (), np.ones(len(counts)))
    candidates = select_forms(design, counts, seed, exposure, is_exact)
    fits = {family: choose_stepwise(design, variables, counts, candidates, family, exposure) for family in (POISSON, NB1)}
    best, chosen = min(fits.values(), key=lambda found: found[0].bic)
    return RiskTerrain(
        tuple(variables[column] for column in chosen),
        best,
        {family: fit.bic for family, (fit, _) in fits.items()},
        tuple(variables[column] for column in candidates),
        relative_scores(design, chosen, best.coefficients),
    )


def select_forms(design: Design, counts: Floats, seed: int = 0, exposure: Floats | None = None, is_exact: bool = False) -> list[int]:
    """Columns that a cross-validated elastic net keeps; arguments as for `fit_rtm`."""
    folds = np.random.default_rng(seed).permutation(np.arange(len(counts)) % FOLDS)
    offset = None if exposure is None else np.log(exposure)
    strengths = strength_path(design, counts, offset)
    path = fit_path(design, counts, strengths, offset)
    if is_exact:
        deviance = cross_validate(design, counts, strengths, folds, offset)
    else:
        deviance = approximate_cross_validation(design, counts, path, folds, offset)
    best = int(np.argmin(deviance))
    return [int(column) for column in np.flatnonzero(path.coefficients[best] > 0)]


def choose_stepwise(
    design: Design,
    variables: Sequence[Variable],
    counts: Floats,
    candidates: Sequence[int],
    family: str,
    exposure: Floats | None = None,
) -> tuple[CountFit, list[int]]:
    """Bidirectional stepwise regression on BIC from the model without factors.

    Cells that are alike in the chosen forms, in their count and nearly in their exposure are looked at once, so that a
    step costs little however many cells there are.

    Args:
        design: cells by forms, zeros and ones.
        variables: what each column is.
        counts: events in each cell.
        candidates: columns to choose from.
        family: 'poisson' or 'nb1'.
        exposure: of each cell, above zero; None: cells are equal.

    Returns:
        The fit (constant first), and the chosen columns in the order they came in.
    """
    flags = {column: design[:, column] > 0.5 for column in candidates}
    outcomes = _Outcomes.of(counts, exposure)
    chosen: list[int] = []
    best = _fit_cells(flags, outcomes, chosen, family)
    while True:
        taken = {variables[column].factor for column in chosen}
        moves = [[*chosen, column] for column in candidates if variables[column].factor not in taken]
        moves += [[kept for kept in chosen if kept != column] for column in chosen]
        groups = _patterns(flags, chosen, len(counts))
        tried = [(fit, columns) for columns in moves if (fit := _fit_move(flags, outcomes, chosen, groups, columns, family)) is not None]
        if not tried:
            return best, chosen
        fit, columns = min(tried, key=lambda found: found[0].bic)
        if fit.bic >= best.bic - _LEAST_GAIN:
            return best, chosen
        best, chosen = fit, columns


def relative_scores(design: Design, chosen: Sequence[int], coefficients: Floats) -> Floats:
    """Score of each cell relative to the lowest: the product of the relative risk values that reach it."""
    eta = design[:, list(chosen)].astype(float) @ coefficients[1:]
    return np.asarray(np.exp(eta - eta.min()))


@dataclass(frozen=True)
class _Outcomes:
    """Count and level of exposure of each cell as one number.

    Attributes:
        code: number of each cell's outcome.
        counts: of each outcome.
        offsets: log exposure of each outcome, the mean of its level.
    """

    code: npt.NDArray[np.int64]
    counts: Floats
    offsets: Floats

    @staticmethod
    def of(counts: Floats, exposure: Floats | None) -> "_Outcomes":
        exposure = np.ones(len(counts)) if exposure is None else exposure
        _, level = np.unique(np.round(np.log(exposure) / _EXPOSURE_STEP), return_inverse=True)
        offsets = np.log(np.bincount(level, exposure) / np.bincount(level))
        most = int(counts.max()) + 1
        return _Outcomes(level * most + counts.astype(np.int64), np.tile(np.arange(most, dtype=float), len(offsets)), offsets.repeat(most))


def _patterns(flags: dict[int, npt.NDArray[np.bool_]], chosen: Sequence[int], size: int) -> npt.NDArray[np.int64]:
    """Number of each cell's pattern of the chosen forms, a bit for each."""
    pattern = np.zeros(size, dtype=np.int64)
    for bit, column in enumerate(chosen):
        pattern |= flags[column].astype(np.int64) << bit
    return pattern


def _fit_cells(flags: dict[int, npt.NDArray[np.bool_]], outcomes: _Outcomes, chosen: list[int], family: str) -> CountFit:
    return _fit_table(_patterns(flags, chosen, len(outcomes.code)), len(chosen), outcomes, family)


def _fit_move(
    flags: dict[int, npt.NDArray[np.bool_]],
    outcomes: _Outcomes,
    chosen: list[int],
    groups: npt.NDArray[np.int64],
    columns: list[int],
    family: str,
) -> CountFit | None:
    """The model after a move; None if an effect would not be positive, or no maximum is found (a form that separates the zeros)."""
    if len(columns) > len(chosen):
        pattern = groups | (flags[columns[-1]].astype(np.int64) << len(chosen))
    else:
        pattern = _patterns(flags, columns, len(outcomes.code))
    try:
        fit = _fit_table(pattern, len(columns), outcomes, family)
    except ConvergenceError:
        return None
    return fit if (fit.coefficients[1:] > 0).all() else None


def _fit_table(pattern: npt.NDArray[np.int64], bits: int, outcomes: _Outcomes, family: str) -> CountFit:
    """Fit the cross-table of patterns and outcomes."""
    cells, weights = np.unique(pattern * len(outcomes.counts) + outcomes.code, return_counts=True)
    which, outcome = np.divmod(cells, len(outcomes.counts))
    design = np.column_stack([np.ones(len(cells)), *(((which >> bit) & 1) for bit in range(bits))]).astype(float)
    return fit_counts(family, design, outcomes.counts[outcome], weights.astype(float), outcomes.offsets[outcome])
