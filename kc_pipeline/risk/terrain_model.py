"""Our risk terrain: a penalised Poisson regression of cells on how near and how dense each factor is, and on past crime nearby.

    log expected(cell) = constant + sum over terms of coefficient * value(cell),    coefficients >= 0

A factor stands in several forms: its density at several widths (log of one plus the density over its mean where there is
any) and its nearness at several reaches (falling exponentially with the distance).  Past crime of the *other* cells stands
in kernels of several widths, so that a cell's own past is left for its place effect (`history`).  Widths and reaches are
multiples of the cell.  Cross-validation holds out blocks of the city, not single cells.  Every term adds to the log of the
risk, so that what each factor adds can be told.  These are associations: nothing here shows a cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kc_pipeline.risk.elastic_net import approximate_cross_validation, fit_path, strength_path
from kc_pipeline.risk.terrain import Floats, Grid, Points

DENSITY, NEARNESS, NEIGHBORHOOD = "density", "nearness", "neighborhood"
PAST_CRIME = "past_crime"
# Multiples of the cell's side.
DENSITY_DEVIATIONS = (0.5, 1.0, 2.0, 4.0)
NEARNESS_REACHES = (0.75, 2.25, 6.0)
NEIGHBORHOOD_DEVIATIONS = (1.0, 2.0, 4.0, 8.0, 16.0)
# Added to the kernels of past crime before the logarithm, as a share of the city's mean.
_FLOOR_SHARE = 0.1
# Years of crime that the regression explains; older ones speak through the place effects.
MOST_TARGET_YEARS = 3
# A year's weight in the kernels of past crime against that of the year after it.
KERNEL_DECAY = 0.8
FOLDS = 5
_FOLD_BLOCK_CELLS = 23  # about 1.5 km of half-block cells
_STRENGTHS, _WEAKEST = 8, 1e-3
# Parameters are kept to so many decimals, so that the last bits of a sum do not make another model.
PARAMETER_DIGITS = 6
# With fewer past events nothing is learnt from them but their number.
LEAST_EVENTS = 20


@dataclass(frozen=True)
class Term:
    """One column of the regression.

    Attributes:
        factor: name of the factor, or PAST_CRIME.
        kind: 'density', 'nearness' or 'neighborhood'.
        reach_m: standard deviation of the kernel, or the distance over which nearness falls to 37 %, metres.
        scale: density that counts as 1, per square kilometre; of past crime the floor, events per cell and year; else 1.
    """

    factor: str
    kind: str
    reach_m: float
    scale: float


@dataclass(frozen=True)
class TerrainModel:
    """A fitted model; all that is needed to say the expectation of a cell again.

    Attributes:
        terms: terms with an effect.
        coefficients: of the terms; not negative.
        constant: log of events per cell and year where every term is zero.
        strength: penalty chosen.
        held_out_deviance: mean Poisson deviance of a cell in held-out blocks.
        event_count: past events that it was fitted to.
        target_years: years that these happened in.
    """

    terms: tuple[Term, ...]
    coefficients: tuple[float, ...]
    constant: float
    strength: float
    held_out_deviance: float
    event_count: float
    target_years: int

    def parts(self, grid: Grid, features: Mapping[str, Points], past: Floats) -> dict[str, Floats]:
        """Log contribution of each factor, and of past crime nearby, to each cell.

        Args:
            grid: the city.
            features: factor -> x and y of its features, metres; a factor that is not there has no feature.
            past: years (newest first) by cells: past events.
        """
        parts: dict[str, Floats] = {}
        columns = _columns(grid, self.terms, features, past)
        for term, coefficient, values in zip(self.terms, self.coefficients, columns, strict=True):
            parts[term.factor] = parts.get(term.factor, np.zeros(grid.size)) + coefficient * values
        return parts

    def expected(self, grid: Grid, features: Mapping[str, Points], past: Floats) -> Floats:
        """Expected events of each cell in a year."""
        return np.asarray(np.exp(self.constant + sum(self.parts(grid, features, past).values(), np.zeros(grid.size))))


def fit_terrain_model(
    grid: Grid, features: Mapping[str, Points], past: Floats, seed: int = 0, learn_from: npt.NDArray[np.bool_] | None = None
) -> TerrainModel:
    """Fit the model.

    Args:
        grid: the city.
        features: factor -> x and y of its features, metres.
        past: years (newest first) by cells: past events.
        seed: of the division into held-out blocks.
        learn_from: cells whose events are explained; None: all.

    Returns:
        The model; one without terms, which gives every cell the same, where there are fewer than LEAST_EVENTS to learn from,
        or nothing to hold out: cells of one block only.
    """
    target_years = min(len(past), MOST_TARGET_YEARS)
    cells = np.ones(grid.size, dtype=bool) if learn_from is None else learn_from
    counts = past[:target_years].sum(axis=0)[cells]
    folds = block_folds(grid, FOLDS, _FOLD_BLOCK_CELLS, seed)[cells]
    if counts.sum() < LEAST_EVENTS or len(np.unique(folds)) < 2:
        constant = float(np.log(max(counts.sum(), 0.5) / target_years / len(counts)))
        return TerrainModel((), (), round(constant, PARAMETER_DIGITS), 0.0, 0.0, float(counts.sum()), target_years)
    terms = _all_terms(grid, features, past)
    design = np.column_stack([column[cells].astype(np.float32) for column in _columns(grid, terms, features, past)])
    offset = np.full(len(counts), np.log(target_years))
    strengths = strength_path(design, counts, offset, strengths=_STRENGTHS, weakest=_WEAKEST)
    path = fit_path(design, counts, strengths, offset)
    deviance = approximate_cross_validation(design, counts, path, folds, offset)
    best = int(np.argmin(deviance))
    kept = np.flatnonzero(path.coefficients[best] >= 10.0**-PARAMETER_DIGITS)
    return TerrainModel(
        tuple(terms[place] for place in kept),
        tuple(round(float(path.coefficients[best][place]), PARAMETER_DIGITS) for place in kept),
        round(float(path.constants[best]), PARAMETER_DIGITS),
        float(strengths[best]),
        float(deviance[best]),
        float(counts.sum()),
        target_years,
    )


def block_folds(grid: Grid, folds: int, block_cells: int, seed: int) -> npt.NDArray[np.int64]:
    """Number of the fold of each cell: whole square blocks of the city belong to one."""
    row, column = np.nonzero(grid.inside)
    block = row // block_cells * (grid.inside.shape[1] // block_cells + 1) + column // block_cells
    _, number = np.unique(block, return_inverse=True)
    fold_of_block = np.random.default_rng(seed).permutation(np.arange(number.max() + 1) % folds)
    return np.asarray(fold_of_block[number])


def all_values(grid: Grid, features: Mapping[str, Points], past: Floats) -> npt.NDArray[np.float32]:
    """Cells by terms: every term that the factors and the past can stand in, as the regression sees it."""
    return np.column_stack(_columns(grid, _all_terms(grid, features, past), features, past)).astype(np.float32)


def _all_terms(grid: Grid, features: Mapping[str, Points], past: Floats) -> list[Term]:
    """Every term that the factors and the past can stand in, with its scale."""
    terms = []
    for factor, points in features.items():
        if not len(points):
            continue
        for deviation in DENSITY_DEVIATIONS:
            density = grid.smooth(points, deviation * grid.cell_m)
            if (density > 0).any():
                terms.append(Term(factor, DENSITY, deviation * grid.cell_m, float(density[density > 0].mean())))
        terms += [Term(factor, NEARNESS, reach * grid.cell_m, 1.0) for reach in NEARNESS_REACHES]
    floor = _FLOOR_SHARE * float(_weighted_past(past).mean())
    return [*terms, *(Term(PAST_CRIME, NEIGHBORHOOD, deviation * grid.cell_m, floor) for deviation in NEIGHBORHOOD_DEVIATIONS)]


def _columns(grid: Grid, terms: Sequence[Term], features: Mapping[str, Points], past: Floats) -> list[Floats]:
    """Values of terms on the cells."""
    nowhere, away = np.empty((0, 2)), dict[str, Floats]()
    weighted = _weighted_past(past)
    columns = []
    for term in terms:
        points = features.get(term.factor, nowhere)
        if term.kind == DENSITY:
            columns.append(np.log1p(grid.smooth(points, term.reach_m) / term.scale))
        elif term.kind == NEARNESS:
            if term.factor not in away:
                away[term.factor] = grid.distance(points)
            columns.append(np.exp(-away[term.factor] / term.reach_m))
        else:
            columns.append(np.log(grid.around(weighted, term.reach_m) + term.scale))
    return columns


def _weighted_past(past: Floats) -> Floats:
    """Events per cell and year, newer years weighted more."""
    weights = KERNEL_DECAY ** np.arange(len(past))
    return np.asarray(weights @ past / weights.sum())
