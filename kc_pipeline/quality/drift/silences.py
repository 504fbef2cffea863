"""When a category falls silent, and when it comes back.

A silence is a stretch of whole weeks in which a category has none, or next to none (3 %), of the rows that a cautious
guess expects.  The guess is the lower of the rates of the four and of the thirteen weeks before, less one standard error,
lowered further where the same weeks of the last two years were slow, and where the rest of the feed is slow or has gaps.
It is a silence when three things hold:

- negative-binomial counts of that mean, with the category's own scatter, are so few less than once in a million looks;
- it is half as long again, in expected rows, as the longest gap that the category had before (a gap counts for no more
  than three weeks or 60 rows, else one outage would excuse the next);
- it has lasted a week, so that every weekday was seen once; twice as much evidence is asked for in a category that is not
  a year old, whose seasons nobody knows.

Categories with 20 rows a month or more are judged so.  Below that eight weeks and twice the evidence are needed, and
below 6 rows a month none is judged: such a category is silent for months as a matter of course.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kc_pipeline.quality.drift.daily import Floats, log_chance_of_at_most, shifted, spread, sums_before, trailing, turning_point

MONTH = 365.25 / 12
JUDGED_RATE, SMALL_RATE = 20 / MONTH, 6 / MONTH
SMALL_SILENCE_DAYS = 56
HISTORY_DAYS = 56
NEXT_TO_NONE = 0.03
_LOG_CHANCE = np.log(1e-6)
_WINDOWS = (7, 14, 21, 28, 42, 56, 84, 112, 168, 224, 308)
_YEARS = (364, 728)
_GAP_FACTOR, _GAP_CAP_DAYS, _GAP_CAP_ROWS = 1.5, 21, 60
_OTHERS_LEAST = 5  # rows of the rest of the feed in thirteen weeks without which nobody can tell whose silence it is
_COMEBACK_SHARE, _COMEBACK_ROWS, _COMEBACK_DAYS = 0.1, 3, 28


@dataclass(frozen=True)
class Silence:
    """One silence of one category; days are row numbers of the matrix.

    Attributes:
        name: column of the category.
        since: last day with a row, or with the rows that were usual.
        raised: day on which it was certain.
        ended: day on which the category was back; None: it is not.
        rate: rows a day in the thirteen weeks before.
        share: share of the feed's rows in those weeks.
    """

    name: int
    since: int
    raised: int
    ended: int | None
    rate: float
    share: float


def find_silences(counts: Floats) -> list[Silence]:
    """Every silence of every category, ended or not.

    Args:
        counts: rows per day (down) and category (across).
    """
    sums, whole = sums_before(counts), sums_before(counts.sum(axis=1, keepdims=True))
    windows = _first_windows(counts, sums)
    found = []
    for name in np.flatnonzero(windows.any(axis=0)):
        found += list(_silences_of(int(name), counts[:, name], sums[:, name], whole[:, 0], windows[:, name]))
    return found


def _silences_of(name: int, counts: Floats, sums: Floats, whole: Floats, windows: npt.NDArray[np.int64]) -> Iterator[Silence]:
    free_from = 0
    for raised in np.flatnonzero(windows):
        if raised < free_from:
            continue
        start = int(raised) - int(windows[raised])
        if sums[raised + 1] == sums[start + 1]:
            since = int(np.flatnonzero(counts[: raised + 1])[-1])
        else:
            since = turning_point(counts, max(start - 2 * _COMEBACK_DAYS, free_from, 0), int(raised))
        if since < free_from:
            continue
        first = max(since + 1 - 91, 0)
        before, days = sums[since + 1] - sums[first], since + 1 - first
        rate = float(before / days)
        ended = _comeback(sums, int(raised), since, rate)
        yield Silence(name, since, int(raised), ended, rate, float(before / (whole[since + 1] - whole[first])))
        if ended is None:
            return
        free_from = ended


def _comeback(sums: Floats, raised: int, since: int, rate: float) -> int | None:
    """First day by which four weeks hold a tenth of what was usual; a straggler now and then is no comeback."""
    days = np.arange(raised + 1, len(sums) - 1)
    held = sums[days + 1] - sums[np.maximum(days + 1 - _COMEBACK_DAYS, since + 1)]
    back = np.flatnonzero(held >= max(_COMEBACK_SHARE * rate * _COMEBACK_DAYS, _COMEBACK_ROWS))
    return int(days[back[0]]) if len(back) else None


def _first_windows(counts: Floats, sums: Floats) -> npt.NDArray[np.int64]:
    """Per day and category the shortest stretch up to that day that is a silence; 0: none is."""
    ratio, others = spread(sums), counts.sum(axis=1, keepdims=True) - counts
    month, quarter = trailing(sums, 28), trailing(sums, 91)
    rate = np.minimum(_low(month, ratio) / 28, _low(quarter, ratio) / 91)
    gap = np.maximum.accumulate(_gap_rows(counts, rate), axis=0)
    others_sums, present_sums = sums_before(others), sums_before((others > 0).astype("float64"))
    found = np.zeros(counts.shape, dtype="int64")
    day = np.arange(len(counts))[:, None]
    for window in _WINDOWS:
        if window + HISTORY_DAYS > len(counts):
            break
        usual, scatter = shifted(rate, window), shifted(ratio, window, 2.0)
        shape, knows_year = _season(sums, quarter, window)
        alive = np.sqrt(_activity(others_sums, window, _OTHERS_LEAST) * _activity(present_sums, window, 1))
        expected = usual * window * shape * alive
        came = trailing(sums, window)
        per_day = shifted(quarter, window) / 91
        asked = np.where((per_day < JUDGED_RATE) | ~knows_year, 2.0, 1.0)
        longest = np.minimum(_GAP_FACTOR * shifted(gap, window), np.maximum(_GAP_CAP_ROWS, _GAP_CAP_DAYS * usual))
        may = (
            (came <= NEXT_TO_NONE * expected) & (expected > longest) & (day >= window + HISTORY_DAYS - 1)
            & (per_day >= (JUDGED_RATE if window < SMALL_SILENCE_DAYS else SMALL_RATE)) & (found == 0)
        )  # fmt: skip
        at = np.nonzero(may)
        is_silent = log_chance_of_at_most(came[at], expected[at], scatter[at]) <= asked[at] * _LOG_CHANCE
        found[at[0][is_silent], at[1][is_silent]] = window
    return found


def _low(count: Floats, ratio: Floats) -> Floats:
    """A count less its standard error."""
    return np.maximum(count - np.sqrt(ratio * count), 0)


def _gap_rows(counts: Floats, rate: Floats) -> Floats:
    """Per day the rows that the current gap of a category cost, at the rate before the gap."""
    day = np.arange(len(counts))[:, None]
    last = np.maximum.accumulate(np.where(counts > 0, day, -1), axis=0)
    return np.where(last >= 0, (day - last) * np.take_along_axis(rate, np.maximum(last, 0), axis=0), 0)


def _activity(sums: Floats, window: int, least: float) -> Floats:
    """Share of the usual that the rest of the feed shows in the window, at most 1; 0 where there is no rest to see."""
    usual = shifted(trailing(sums, 91), window)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = trailing(sums, window) * 91 / (window * usual)
    return np.where(usual >= least, np.minimum(np.nan_to_num(share), 1), 0)


def _season(sums: Floats, quarter: Floats, window: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What became of the category in the same weeks of earlier years: share of its rate before them, at most 1.

    Only years count in which it had a quarter or more of its present rows.  The weeks are taken two weeks wider on both
    sides, and once more three weeks later; the lower value counts, for a season may end early.
    """
    day, now = np.arange(len(quarter)), shifted(quarter, window)
    total, years = np.zeros_like(quarter), np.zeros_like(quarter)
    for year in _YEARS:
        then = shifted(quarter, window + year)
        lasted = (day >= window + year + 90)[:, None] & (then >= 0.25 * now) & (then >= 10)
        lowest = np.full_like(quarter, np.inf)
        for later in (0, 21):
            to = day - year + 14 + later
            from_ = to - window - 28
            rows = sums[np.clip(to + 1, 0, None)] - sums[np.clip(from_ + 1, 0, None)]
            lowest = np.minimum(lowest, rows / (window + 28))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.minimum(np.nan_to_num(lowest * 91 / then), 1)
        total, years = total + np.where(lasted, share, 0), years + lasted
    return np.where(years > 0, total / np.maximum(years, 1), 1.0), years > 0
