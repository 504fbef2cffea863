"""Prospective back-test: what each model would have said a year ago, against what happened since.

Every model sees only what was known before the day; the year after it is the test.  Intervals come from resampling whole
blocks of the city; ties are broken at random.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.risk import metrics
from kc_pipeline.risk.rivals import BOOSTING, OUR_MODEL, TERRAIN_ONLY, Training, with_own_past
from kc_pipeline.risk.terrain import Points
from kc_pipeline.risk.terrain_model import block_folds, fit_terrain_model

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

AREA_SHARES = (0.01, 0.02, 0.05, 0.10)
_BLOCK_CELLS = 15
_MOST_BLOCKS = 10**9
_DRAWS = 100
# What expects a number of events; the others only put cells into an order, so that level and slope say nothing about them.
_EXPECTATIONS = frozenset({OUR_MODEL, TERRAIN_ONLY, BOOSTING})


def judge(expected: Mapping[str, Floats], events: Floats, training: Training, draws: int = _DRAWS) -> pd.DataFrame:
    """How well each model foretold the events of a year.

    Args:
        expected: model -> what it expects of each cell.
        events: what happened in each cell afterwards.
        training: what the models knew.
        draws: resamplings for the intervals.

    Returns:
        A row for each model and share of area: model_name, area_share_pct, pai, pai_low_90, pai_high_90,
        pai_less_ours_low_90, pai_less_ours_high_90 (difference from our model), pei, hit_share_pct, deviance,
        calibration_slope, observed_over_expected (missing for scores that are no expectations).
    """
    blocks = block_folds(training.grid, _MOST_BLOCKS, _BLOCK_CELLS, 0)
    tops = [max(int(len(events) * share), 1) for share in AREA_SHARES]
    hits = {name: metrics.hit_counts(score, events, tops) for name, score in expected.items()}
    found = {name: _calibration(name, score, events) for name, score in expected.items()}
    best = np.cumsum(np.sort(events)[::-1])
    rows = []
    for place, (share, top) in enumerate(zip(AREA_SHARES, tops, strict=True)):
        flags = {name: _flagged(score, top) for name, score in expected.items()}
        sampled = _resampled_shares(flags, events, blocks, draws)
        for name in expected:
            hit_share = hits[name][place] / events.sum()
            low, high = np.nanquantile(sampled[name] / share, [0.05, 0.95])
            less = np.nanquantile((sampled[name] - sampled[OUR_MODEL]) / share, [0.05, 0.95]) if OUR_MODEL in sampled else (np.nan, np.nan)
            rows.append(
                {
                    "model_name": name,
                    "area_share_pct": 100 * share,
                    "pai": hit_share / (top / len(events)),
                    "pai_low_90": float(low),
                    "pai_high_90": float(high),
                    "pai_less_ours_low_90": float(less[0]),
                    "pai_less_ours_high_90": float(less[1]),
                    "pei": hits[name][place] / best[top - 1],
                    "hit_share_pct": 100 * hit_share,
                    **found[name],
                }
            )
    return pd.DataFrame(rows)


def _calibration(name: str, score: Floats, events: Floats) -> dict[str, float]:
    deviance = metrics.poisson_deviance(score, events) if (score > 0).all() else np.nan
    if name not in _EXPECTATIONS:
        return {"deviance": deviance, "calibration_slope": np.nan, "observed_over_expected": np.nan}
    found = metrics.calibrate(score, events)
    return {"deviance": deviance, "calibration_slope": found.slope, "observed_over_expected": found.observed_over_expected}


def _flagged(score: Floats, top: int, seed: int = 0) -> Flags:
    """The highest cells, ties broken at random."""
    flag = np.zeros(len(score), dtype=bool)
    flag[np.lexsort((np.random.default_rng(seed).random(len(score)), -score))[:top]] = True
    return flag


def _resampled_shares(flags: Mapping[str, Flags], events: Floats, blocks: npt.NDArray[np.int64], draws: int) -> dict[str, Floats]:
    """Share of events in the flagged cells, over resampled blocks: the same blocks for every model."""
    count = int(blocks.max()) + 1
    total = np.bincount(blocks, weights=events, minlength=count)
    rng = np.random.default_rng(0)
    times = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    with np.errstate(invalid="ignore"):
        return {
            name: np.asarray(times @ np.bincount(blocks, weights=events * flag, minlength=count) / (times @ total))
            for name, flag in flags.items()
        }


def leave_factors_out(training: Training, groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How much the order of cells hangs on each source: our model fitted again without its factors.

    Args:
        training: what was known.
        groups: source -> its factors.

    Returns:
        left_out, rank_correlation (Spearman) with the whole model, and top_overlap_pct: how much of the highest 5 % stays.
    """
    whole = with_own_past(fit_terrain_model(training.grid, training.features, training.past), training)
    rows = []
    for source, factors in groups.items():
        if not any(factor in training.features for factor in factors):
            continue
        features: dict[str, Points] = {name: points for name, points in training.features.items() if name not in factors}
        fewer = Training(training.grid, features, training.past, training.reaches_m)
        score = with_own_past(fit_terrain_model(fewer.grid, fewer.features, fewer.past), fewer)
        top = max(len(score) // 20, 1)
        overlap = np.intersect1d(np.argsort(-whole)[:top], np.argsort(-score)[:top])
        correlation = float(pd.Series(whole).corr(pd.Series(score), method="spearman"))
        rows.append({"left_out": source, "rank_correlation": correlation, "top_overlap_pct": 100 * len(overlap) / top})
    return pd.DataFrame(rows, columns=["left_out", "rank_correlation", "top_overlap_pct"])


def leave_areas_out(training: Training, area: npt.NDArray[np.int64], names: Sequence[str], events: Floats) -> pd.DataFrame:
    """Whether the model holds in a part of the city that it did not learn from.

    Args:
        training: what was known.
        area: number of the area of each cell; -1: none.
        names: name of each area.
        events: what happened afterwards in each cell.

    Returns:
        left_out, events, observed_over_expected of the held-out area, and its deviance with the model that did not see it
        and with the one that did.
    """
    whole = fit_terrain_model(training.grid, training.features, training.past).expected(training.grid, training.features, training.past)
    rows = []
    for number, name in enumerate(names):
        here = area == number
        if not here.any() or not events[here].sum():
            continue
        model = fit_terrain_model(training.grid, training.features, training.past, learn_from=~here)
        blind = model.expected(training.grid, training.features, training.past)
        rows.append(
            {
                "left_out": name,
                "events": float(events[here].sum()),
                "observed_over_expected": float(events[here].sum() / blind[here].sum()),
                "deviance_blind": metrics.poisson_deviance(blind[here], events[here]),
                "deviance_seen": metrics.poisson_deviance(whole[here], events[here]),
            }
        )
    return pd.DataFrame(rows, columns=["left_out", "events", "observed_over_expected", "deviance_blind", "deviance_seen"])
