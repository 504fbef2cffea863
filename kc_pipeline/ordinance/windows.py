"""Calendar arithmetic of the rules' windows, on whole local days as numbers since 1970-01-01.

The window of a rule on a day D holds the days from `first_day(D)` to the day before D.  A window of months begins on the same
day of the month so many months earlier, or on the last day of that month where it has no such day.  Days are calendar days:
a day of 23 or 25 hours is one day.
"""

from collections.abc import Iterable
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.ordinance.rules import Rule

Days = npt.NDArray[np.int64]

# A day after every other.
NEVER = 2**31


def day_numbers(days: Iterable[date]) -> Days:
    """Days as numbers; each distinct day is converted once."""
    codes, distinct = pd.factorize(np.array(list(days), dtype=object))
    numbers: Days = np.array(distinct, dtype="datetime64[D]").astype(np.int64)[codes]
    return numbers


def day_number(day: date) -> int:
    """A day as a number."""
    return int(np.datetime64(day, "D").astype(np.int64))


def date_of(number: int) -> date:
    """The day of a number."""
    found: date = np.datetime64(number, "D").item()
    return found


def first_days(rule: Rule, days: Days) -> Days:
    """First day of the rule's window on each of some days."""
    if rule.window_days is not None:
        return days - rule.window_days
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    of_month = (dates - month.astype("datetime64[D]")).astype(np.int64)
    earlier = month - np.timedelta64(rule.window_months or 0, "M")
    last = ((earlier + 1).astype("datetime64[D]") - earlier.astype("datetime64[D]")).astype(np.int64) - 1
    found: Days = earlier.astype("datetime64[D]").astype(np.int64) + np.minimum(of_month, last)
    return found


def leaving_days(rule: Rule, days: Days) -> Days:
    """First day on which an event of each of some days lies in the rule's window no more."""
    if rule.window_days is not None:
        return days + rule.window_days + 1
    if not len(days):
        return days
    # The window's first day never moves back, so the wanted day is found in its table.
    span = 31 * ((rule.window_months or 0) + 1)
    table = np.arange(int(days.min()) + 1, int(days.max()) + span + 2, dtype=np.int64)
    found: Days = table[np.searchsorted(first_days(rule, table), days, side="right")]
    return found
