"""How good a ranking of cells or places is, against what happened afterwards.

Source of the indices: Chainey, Tompson and Uhlig 2008 (PAI); Hunt 2016 (PEI).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TIE_DRAWS = 20


def hit_counts(score: Floats, events: Floats, tops: list[int], seed: int = 0, draws: int = TIE_DRAWS) -> Floats:
    """Later events in the highest-scored cells, for several numbers of cells; ties broken at random, mean over draws."""
    rng = np.random.default_rng(seed)
    most = max(tops, default=0)
    found = np.zeros(len(tops))
    draws = draws if len(np.unique(score)) < len(score) else 1
    for _ in range(draws):
        order = np.lexsort((rng.random(len(score)), -score))[:most]
        found += np.concatenate([[0.0], np.cumsum(events[order])])[tops]
    return np.asarray(found / draws)


def prediction_accuracy_index(score: Floats, events: Floats, share: float, seed: int = 0) -> float:
    """PAI: share of later events in the highest-scored share of cells, over that share."""
    top = max(int(len(score) * share), 1)
    return float(hit_counts(score, events, [top], seed)[0] / events.sum() / (top / len(score)))


def prediction_efficiency_index(score: Floats, events: Floats, share: float, seed: int = 0) -> float:
    """PEI: later events in the highest-scored share of cells, over the most that as many cells held."""
    top = max(int(len(score) * share), 1)
    return float(hit_counts(score, events, [top], seed)[0] / np.sort(events)[::-1][:top].sum())


def poisson_deviance(expected: Floats, events: Floats) -> float:
    """Mean Poisson deviance of a cell, the expectation brought to the level of what happened."""
    from scipy.special import xlogy

    mean = expected * events.sum() / expected.sum()
    return float(np.mean(2 * (xlogy(events, events / mean) - (events - mean))))


@dataclass(frozen=True)
class Calibration:
    """How an expectation stands to what happened.

    Attributes:
        slope: of the log of what happened on the log of what was expected; 1 is right, a large one means that the expectation
            is too flat, nan that all is expected alike or that no slope was found.
        observed_over_expected: events that happened over those that were expected.
    """

    slope: float
    observed_over_expected: float


def calibrate(expected: Floats, events: Floats) -> Calibration:
    """Calibration of an expectation."""
    from kc_pipeline.risk.count_models import POISSON, ConvergenceError, fit_counts

    level = np.log(expected)
    spread, slope = float(level.std()), float("nan")
    if np.ptp(expected) > 0:
        # In units of its own spread: that of an expectation that is nearly flat would need very many steps.
        design = np.column_stack([np.ones(len(level)), (level - level.mean()) / spread])
        with suppress(ConvergenceError):
            slope = float(fit_counts(POISSON, design, events).coefficients[1]) / spread
    return Calibration(slope, float(events.sum() / expected.sum()))


def bootstrap_interval(
    blocks: npt.NDArray[np.int64], statistic: Callable[[npt.NDArray[np.int64]], float], draws: int = 200, level: float = 0.90, seed: int = 0
) -> tuple[float, float]:
    """Interval of a statistic over resampled blocks of cells.

    Args:
        blocks: number of the block of each cell.
        statistic: of the numbers of some cells, drawn with repetition.
        draws: resamplings.
        level: share of the draws inside.
        seed: of the draws.
    """
    order = np.argsort(blocks, kind="stable")
    starts = np.searchsorted(blocks[order], np.unique(blocks))
    members = np.split(order, starts[1:])
    rng = np.random.default_rng(seed)
    values = [statistic(np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])) for _ in range(draws)]
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
