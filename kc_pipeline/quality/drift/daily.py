"""Counts by day as a matrix, and the sums, spreads and turning points that all drifts are judged by.

Everything here is causal: a value for a day rests on that day and on earlier ones, so that what was found on a day is
found again on every later day.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import betainc, betaincc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NO_NAME = "(no category)"
# Rows that stand more than a year before all others, and are fewer than one in a hundred, are slips of the year.
_STRAY_GAP_DAYS, _STRAY_SHARE = 365, 0.01
_YEAR = 364  # whole weeks, so that weekdays meet weekdays
_LEAST_SPREAD, _MOST_SPREAD = 1.5, 20.0


@dataclass(frozen=True)
class DailyCounts:
    """Rows by day and name.

    Attributes:
        first: day of the first row of the matrix; the last one is the horizon.
        names: the columns.
        counts: rows per day (down) and name (across).
    """

    first: date
    names: tuple[str, ...]
    counts: Floats

    def day(self, number: int) -> date:
        """The day of a row of the matrix."""
        return self.first + timedelta(days=int(number))


def horizon_of(days: pd.Series, as_of: date, lag_days: int) -> date | None:
    """Last day that is to be judged: as far as the feed's lag lets expect rows, and no later than its newest row.

    A feed that is late as a whole is told by `lag_drift`; here its own delay is nobody's silence.
    """
    known = pd.to_datetime(days)
    known = known[known < pd.Timestamp(as_of)]
    if known.empty:
        return None
    newest: date = known.max().date()
    return min(newest, as_of - timedelta(days=max(lag_days, 1)))


def count_by_day(counts: pd.DataFrame, name: str | None, as_of: date, lag_days: int) -> DailyCounts | None:
    """The matrix of a feed's rows up to its horizon; None where it has no rows.

    Args:
        counts: day, event_count and, where asked for, the column of names (missing names are one name of their own).
        name: column of names; None: all rows are one.
        as_of: only days before it are looked at.
        lag_days: the feed's usual lag.
    """
    horizon = horizon_of(counts["day"], as_of, lag_days)
    if horizon is None:
        return None
    days = pd.to_datetime(counts["day"]).to_numpy().astype("datetime64[D]").astype("int64")
    amounts = counts["event_count"].to_numpy(dtype="float64")
    last = (horizon - date(1970, 1, 1)).days
    kept = (days <= last) & (amounts > 0)
    if not kept.any():
        return None
    first = _first_day(days[kept], amounts[kept])
    kept &= days >= first
    names: tuple[str, ...]
    if name is None:
        codes, names = np.zeros(int(kept.sum()), dtype="int64"), ("",)
    else:
        found, uniques = pd.factorize(counts[name].astype("object").where(counts[name].notna(), NO_NAME)[kept], sort=True)
        codes, names = np.asarray(found), tuple(map(str, uniques))
    shape = (last - first + 1, len(names))
    cells = np.bincount((days[kept] - first) * shape[1] + codes, amounts[kept], minlength=shape[0] * shape[1]).astype("float64")
    return DailyCounts(date(1970, 1, 1) + timedelta(days=first), names, cells.reshape(shape))


def _first_day(days: Ints, amounts: Floats) -> int:
    order = np.argsort(days, kind="stable")
    ordered, before = days[order], np.cumsum(amounts[order])
    gaps = np.flatnonzero((np.diff(ordered) > _STRAY_GAP_DAYS) & (before[:-1] <= _STRAY_SHARE * before[-1]))
    return int(ordered[gaps[-1] + 1]) if len(gaps) else int(ordered[0])


def sums_before(counts: Floats) -> Floats:
    """Row n holds the sum of the n days before day n; one row more than there are days."""
    return np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])


def trailing(sums: Floats, days: int) -> Floats:
    """Sum of each day and the days - 1 before it, from `sums_before`; as far as there are days."""
    count = len(sums) - 1
    starts = np.maximum(np.arange(1, count + 1) - days, 0)
    return sums[1:] - sums[starts]


def shifted(values: Floats, days: int, fill: float = 0.0) -> Floats:
    """The value of so many days earlier."""
    if days >= len(values):
        return np.full_like(values, fill)
    return np.concatenate([np.full((days, values.shape[1]), fill), values[: len(values) - days]])


def spread(sums: Floats) -> Floats:
    """How much wider than Poisson the counts of a week scatter, over the past year: variance over mean of weekly sums.

    From differences of one week to the next, so that a slow season is no scatter.  Between 1.5 (nothing in a city is
    Poisson) and 20 (one flood of rows must not blind the platform for a year).
    """
    weeks = trailing(sums, 7)
    squares = trailing(sums_before((weeks - shifted(weeks, 7)) ** 2), _YEAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = squares / (2 * trailing(sums_before(weeks), _YEAR))
    return np.clip(np.nan_to_num(ratio, nan=_MOST_SPREAD), _LEAST_SPREAD, _MOST_SPREAD)


def log_chance_of_at_most(count: Floats, mean: Floats, ratio: Floats) -> Floats:
    """Natural logarithm of the negative-binomial chance of so few rows, by mean and variance over mean."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(betainc(mean / (ratio - 1), count + 1, 1 / ratio)))


def log_chance_of_at_least(count: float, mean: float, ratio: float) -> float:
    """The same of so many rows; the count is at least 1."""
    with np.errstate(divide="ignore"):
        return float(np.log(betaincc(mean / (ratio - 1), count, 1 / ratio)))


def turning_point(counts: Floats, first: int, last: int) -> int:
    """The day after which the rate of one name changed most (likelihood of two Poisson rates) in a range of days."""
    part = counts[first : last + 1]
    total, length = part.sum(), len(part)
    before, days = np.cumsum(part)[:-1], np.arange(1, length)
    after = total - before
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(before > 0, before * np.log(before / days), 0) + np.where(after > 0, after * np.log(after / (length - days)), 0)
    return first + int(np.argmax(gain)) if len(gain) else first
