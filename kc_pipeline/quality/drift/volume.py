"""How many rows a feed brings, against what weekday and season let expect.

Whole weeks are compared, two at a time, so that weekdays cancel and a holiday weighs little: with the medians of the eight
and of the 26 weeks before, so that a bulk load weighs nothing and the end of an odd month is none, and with what the same
weeks did to such a guess one and two years earlier.  Expected is the most cautious guess: for too few rows the lowest, for
too many the highest.  Half or double of it is told where counts of that mean hardly ever are so few or so many, and where
it is further off than guesses usually were in the last two years.
"""

from datetime import date

import numpy as np
import pandas as pd

from kc_pipeline.quality.drift.daily import (
    DailyCounts,
    Floats,
    count_by_day,
    log_chance_of_at_least,
    log_chance_of_at_most,
    spread,
    sums_before,
)
from kc_pipeline.quality.drift.finding import Drift, in_order, plural

_RECENT_WEEKS, _BASE_WEEKS, _LONG_WEEKS, _YEAR_WEEKS, _TOLD_WEEKS = 2, 8, 26, 52, 26
_LEAST_EXPECTED = 10.0
_LOW_SHARE, _HIGH_SHARE = 0.5, 2.0
_LOG_CHANCE = np.log(1e-6)
_DEVIATIONS, _MAD_TO_DEVIATION, _LEAST_PAST_WEEKS = 4.0, 1.4826, 20
# A bulk load is one day with many times the rows of the feed's busy days.
_BULK_TIMES, _BULK_ROWS, _BULK_DAYS, _BUSY_QUANTILE, _NEWS_DAYS = 10.0, 50, 182, 0.9, 60


def volume_drift(feed: str, daily: pd.DataFrame, as_of: date, lag_days: int) -> list[Drift]:
    """Weeks with far fewer or far more rows than expected, and days of bulk loads.

    Args:
        feed: name of the feed.
        daily: day (date), event_count; of what was available on `as_of`.
        as_of: the day that is spoken about; rows of that day and later are left out.
        lag_days: days after which the feed is usually complete.
    """
    table = count_by_day(daily, None, as_of, lag_days)
    if table is None:
        return []
    return in_order([*_weeks(feed, table), *_bulk_loads(feed, table)])


def _weeks(feed: str, table: DailyCounts) -> list[Drift]:
    days = table.counts[:, 0]
    last_day = table.day(len(days) - 1)
    complete = len(days) - (last_day.weekday() + 1) % 7  # up to the last Sunday
    count = complete // 7
    if count < _RECENT_WEEKS + _BASE_WEEKS:
        return []
    start = complete - 7 * count
    weeks = days[start:complete].reshape(count, 7).sum(axis=1)
    scatter = spread(sums_before(table.counts))[start + 6 : complete : 7, 0]
    for kind, judge in (("volume_low", _is_low), ("volume_high", _is_high)):
        newest = judge(weeks, scatter, count - 1)
        if newest is None:
            continue
        first = count - 1
        while first > max(count - _TOLD_WEEKS, _RECENT_WEEKS + _BASE_WEEKS) and judge(weeks, scatter, first - 1) is not None:
            first -= 1
        since = table.day(start + 7 * (first - _RECENT_WEEKS + 1))
        came, expected = newest
        facts: dict[str, int | float | str] = {"rows": int(came), "expected_rows": round(expected, 1), "share": round(came / expected, 3)}
        amount = "only " if kind == "volume_low" else ""
        sentence = (
            f"{feed}: {amount}{plural(int(came), 'row')} in the two weeks up to {table.day(complete - 1)}, where {expected:,.0f} were "
            f"expected; so since the week of {since}."
        )
        return [Drift(kind, feed, feed, since, sentence, facts)]
    return []


def _expected(weeks: Floats, week: int) -> list[float]:
    """Guesses of the rows of the two weeks up to a week: by the weeks before, and by what earlier years did to such a guess."""
    base = _base(weeks, week)
    guesses = [base, _base(weeks, week, _LONG_WEEKS)]
    for year in (week - _YEAR_WEEKS, week - 2 * _YEAR_WEEKS):
        if year >= _RECENT_WEEKS + _BASE_WEEKS - 1 and (then := _base(weeks, year)) >= _LEAST_EXPECTED:
            guesses.append(base * float(weeks[year - _RECENT_WEEKS + 1 : year + 1].sum()) / then)
    return guesses


def _is_beyond_habit(weeks: Floats, week: int, off: float) -> bool:
    """Whether a guess is off by more (in logarithms) than four robust deviations of the guesses of the last two years."""
    past = range(max(week - 2 * _YEAR_WEEKS, _RECENT_WEEKS + _BASE_WEEKS - 1), week - 2 * _RECENT_WEEKS)
    bases = [(_base(weeks, then), float(weeks[then - _RECENT_WEEKS + 1 : then + 1].sum())) for then in past]
    logs = np.array([np.log(came / base) for base, came in bases if base > 0 and came > 0])
    if len(logs) < _LEAST_PAST_WEEKS:
        return True
    deviation = _MAD_TO_DEVIATION * float(np.median(np.abs(logs - np.median(logs))))
    return abs(off) > _DEVIATIONS * deviation


def _base(weeks: Floats, week: int, length: int = _BASE_WEEKS) -> float:
    first = max(week - _RECENT_WEEKS + 1 - length, 0)
    return _RECENT_WEEKS * float(np.median(weeks[first : week - _RECENT_WEEKS + 1]))


def _is_low(weeks: Floats, scatter: Floats, week: int) -> tuple[float, float] | None:
    expected, came = min(_expected(weeks, week)), float(weeks[week - _RECENT_WEEKS + 1 : week + 1].sum())
    if expected < _LEAST_EXPECTED or came > _LOW_SHARE * expected:
        return None
    chance = log_chance_of_at_most(np.array([came]), np.array([expected]), scatter[[week - _RECENT_WEEKS]])
    beyond = chance[0] <= _LOG_CHANCE and _is_beyond_habit(weeks, week, np.log(max(came, 0.5) / expected))
    return (came, expected) if beyond else None


def _is_high(weeks: Floats, scatter: Floats, week: int) -> tuple[float, float] | None:
    expected, came = max(_expected(weeks, week)), float(weeks[week - _RECENT_WEEKS + 1 : week + 1].sum())
    if expected < _LEAST_EXPECTED or came < _HIGH_SHARE * expected:
        return None
    ratio = float(scatter[week - _RECENT_WEEKS])
    chance = log_chance_of_at_least(came, expected, ratio)
    return (came, expected) if chance <= _LOG_CHANCE and _is_beyond_habit(weeks, week, np.log(came / expected)) else None


def _bulk_loads(feed: str, table: DailyCounts) -> list[Drift]:
    days, found = table.counts[:, 0], []
    for day in range(max(len(days) - _NEWS_DAYS, 28), len(days)):
        before = days[max(day - _BULK_DAYS, 0) : day]
        busy = float(np.quantile(before[before > 0], _BUSY_QUANTILE)) if (before > 0).any() else 0.0
        if busy and days[day] >= max(_BULK_TIMES * busy, _BULK_ROWS):
            when, rows = table.day(day), int(days[day])
            sentence = f"{feed}: {plural(rows, 'row')} on {when} alone, where a busy day brings {busy:,.0f}; it looks like a bulk load."
            found.append(Drift("bulk_load", feed, when.isoformat(), when, sentence, {"rows": rows, "busy_day": round(busy, 1)}))
    return found
