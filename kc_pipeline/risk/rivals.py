"""What the model is compared with: plain counts, kernel density, risk terrain modelling, gradient boosting.

Each says of every cell how much is expected there, from what was known before a day; only the order and, where it is an
expectation, the level are judged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from kc_pipeline.risk.history import fit_place_effects
from kc_pipeline.risk.rtm import fit_rtm
from kc_pipeline.risk.terrain import Grid, Points, operationalize
from kc_pipeline.risk.terrain_model import TerrainModel, fit_terrain_model

Floats = npt.NDArray[np.float64]

OUR_MODEL, TERRAIN_ONLY, RTM, BOOSTING, KERNEL = "our model", "terrain only", "RTM", "gradient boosting", "kernel density"
TIE_BREAK = " + kernel tie-break"
# Widths of the kernel density, in cells; the best one by leave-one-cell-out likelihood is used.
_KERNEL_DEVIATIONS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
_TINY = 1e-6


@dataclass(frozen=True)
class Training:
    """What was known before the day from which on is tested.

    Attributes:
        grid: the city.
        features: factor -> x and y of its features, metres.
        past: years (newest first) by cells: past events.
        reaches_m: reaches of the risk terrain model's forms.
    """

    grid: Grid
    features: Mapping[str, Points]
    past: Floats
    reaches_m: tuple[float, ...]


def expectations(training: Training, leave_out: tuple[str, ...] = ()) -> dict[str, Floats]:
    """Rival (or our model) -> what it expects of each cell.

    Args:
        training: what was known.
        leave_out: names that are not made, since they take long.
    """
    most = {"last year": 1, "three years": 3, "all years": len(training.past)}
    # Counts of several years are told where there are several, each number of years once.
    kept = {min(years, len(training.past)): name for name, years in reversed(most.items())}
    counted: dict[str, Callable[[Training], Floats]] = {name: partial(_count, years=years) for years, name in sorted(kept.items())}
    makers: dict[str, Callable[[Training], Floats]] = {
        OUR_MODEL: our_model,
        TERRAIN_ONLY: terrain_only,
        **counted,
        KERNEL: kernel_density,
        RTM: risk_terrain,
        BOOSTING: gradient_boosting,
    }
    made = {name: make(training) for name, make in makers.items() if name not in leave_out}
    smooth = made[KERNEL] if KERNEL in made else kernel_density(training)
    return made | {name + TIE_BREAK: made[name] + _TINY * smooth / max(smooth.max(), 1e-12) for name in counted}


def _count(training: Training, years: int) -> Floats:
    """Events of so many years in each cell."""
    return np.asarray(training.past[:years].sum(axis=0))


def our_model(training: Training) -> Floats:
    """Terrain times the place effect of each cell's own past."""
    return with_own_past(fit_terrain_model(training.grid, training.features, training.past), training)


def with_own_past(model: TerrainModel, training: Training) -> Floats:
    """A fitted terrain times the place effect of each cell's own past."""
    expected = model.expected(training.grid, training.features, training.past)
    return np.asarray(expected * fit_place_effects(expected, training.past).multiplier(expected, training.past))


def terrain_only(training: Training) -> Floats:
    """The terrain with past crime nearby, but without the cell's own past."""
    model = fit_terrain_model(training.grid, training.features, training.past)
    return model.expected(training.grid, training.features, training.past)


def kernel_density(training: Training) -> Floats:
    """Kernel density of past events, at the width that foretells each cell best from the others."""
    counts = training.past.sum(axis=0)

    def likelihood(deviation: float) -> float:
        others = training.grid.around(counts, deviation * training.grid.cell_m) + _TINY
        return float((counts * np.log(others) - others).sum())

    best = max(_KERNEL_DEVIATIONS, key=likelihood) * training.grid.cell_m
    return np.asarray(training.grid.around(counts, best) + counts * _own_weight(training.grid, best))


def risk_terrain(training: Training) -> Floats:
    """Relative risk scores of risk terrain modelling."""
    design, variables = operationalize(training.grid, training.features, training.reaches_m)
    return fit_rtm(design, variables, training.past[:3].sum(axis=0)).relative_scores


def gradient_boosting(training: Training) -> Floats:
    """Boosted Poisson trees on the same raster features and past crime nearby, times the place effect of the own past."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    from kc_pipeline.risk.terrain_model import all_values

    values = all_values(training.grid, training.features, training.past)
    counts = training.past.sum(axis=0) / len(training.past)
    trees = HistGradientBoostingRegressor(
        loss="poisson", learning_rate=0.05, max_iter=300, min_samples_leaf=200, l2_regularization=1.0, early_stopping=True, random_state=0
    )
    with threadpool_limits(limits=1):  # threads that wait for one another are slower than none on a busy machine
        expected = np.asarray(trees.fit(values, counts).predict(values), dtype=float)
    return np.asarray(expected * fit_place_effects(expected, training.past).multiplier(expected, training.past))


def _own_weight(grid: Grid, deviation_m: float) -> float:
    """Weight of a cell's own events in its kernel density, against the mean of the others."""
    return float(1 / (2 * np.pi * (deviation_m / grid.cell_m) ** 2))
