"""Categories of a feed that fell silent, go by another name, or are new."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from rapidfuzz import fuzz

from kc_pipeline.quality.drift.daily import DailyCounts, count_by_day, turning_point
from kc_pipeline.quality.drift.finding import Drift, in_order, percent, plural
from kc_pipeline.quality.drift.silences import MONTH, SMALL_RATE, Silence, find_silences

# A silence is told for a year: by then no count of the last 365 days rests on the category any more.
TOLD_FOR_DAYS = 366
# What is new or renamed is news for this long.
NEWS_DAYS = 90
# A successor begins this near the end of the name it takes the place of; it was hardly there in the 90 days before, brings
# rows at a rate that is not more than five times higher or lower, and has much the same letters.
_NEAR_DAYS, _DORMANT_DAYS, _DORMANT_SHARE, _RATE_RATIO, _SIMILAR = 45, 90, 0.1, 5.0, 80.0
_RATE_DAYS, _LEAST_ROWS, _OLD_FEED_DAYS, _STRAGGLERS = 56, 5, 182, 10


def category_drift(feed: str, counts: pd.DataFrame, as_of: object, lag_days: int, known: Collection[str] = ()) -> list[Drift]:
    """Silent, renamed and new categories of a feed.

    Args:
        feed: name of the feed.
        counts: day (date), source_category (text, may be missing), event_count; of what was available on `as_of`.
        as_of: the day (date) that is spoken about; rows of that day and later are left out.
        lag_days: days after which the feed is usually complete; its newest days are nobody's silence.
        known: categories whose end a person has written down (catalog/events.py); they are no news.
    """
    table = count_by_day(counts, "source_category", as_of, lag_days)  # type: ignore[arg-type]
    if table is None:
        return []
    silences = [silence for silence in find_silences(table.counts) if silence.ended is None]
    found, renamed, successors = [], set[int](), set[int]()
    for old, since in _endings(table, silences):
        for new, start in _successors(table, old, since):
            renamed.add(old)
            successors.add(new)
            if len(table.counts) - start <= NEWS_DAYS and table.names[old] not in known:
                found.append(_renamed(feed, table, old, new, start))
    for silence in silences:
        is_told = len(table.counts) - silence.since <= TOLD_FOR_DAYS
        if is_told and silence.name not in renamed and table.names[silence.name] not in known:
            found.append(_silent(feed, table, silence))
    news = (_new(feed, table, name) for name in range(len(table.names)) if name not in successors)
    return in_order([*found, *(drift for drift in news if drift is not None)])


def _endings(table: DailyCounts, silences: Collection[Silence]) -> list[tuple[int, int]]:
    """Names that have next to no row any more, with the last day on which they still came as usual.

    That may be before it is a silence: where a similar name begins at the same time, nobody needs to wait for one.
    """
    endings = {silence.name: _last_row(table, silence) for silence in silences}
    for name in range(len(table.names)):
        present = np.flatnonzero(table.counts[:, name])
        for last in present[-_STRAGGLERS:].tolist() if name not in endings else ():
            rate = _rate_before(table, name, last)
            after = table.counts[last + 1 :, name].sum()
            if rate >= SMALL_RATE and after <= _DORMANT_SHARE * rate * (len(table.counts) - last - 1):
                endings[name] = int(last)
                break
    return sorted(endings.items())


def _last_row(table: DailyCounts, silence: Silence) -> int:
    """Day of a silence's last row: one that came within a week of the change still belongs to what was before."""
    present = np.flatnonzero(table.counts[: silence.since + 8, silence.name])
    return int(present[-1])


def _rate_before(table: DailyCounts, name: int, last: int) -> float:
    """Rows a day in the eight weeks up to a day."""
    first = max(last + 1 - _RATE_DAYS, 0)
    return float(table.counts[first : last + 1, name].sum()) / (last + 1 - first)


def _successors(table: DailyCounts, old: int, last: int) -> list[tuple[int, int]]:
    """Names that took the place of one that ended, with the day from which they did."""
    rate, found = _rate_before(table, old, last), []
    for new, name in enumerate(table.names):
        if new == old or fuzz.ratio(table.names[old].lower(), name.lower()) < _SIMILAR:
            continue
        first, end = max(last - _NEAR_DAYS, 0), min(last + _NEAR_DAYS, len(table.counts) - 1)
        present = np.flatnonzero(table.counts[: end + 1, new])
        present = present[present > turning_point(table.counts[:, new], first, end)]
        if not len(present):
            continue
        start = int(present[0])
        before = table.counts[max(start - _DORMANT_DAYS, 0) : start, new].sum()
        length = min(len(table.counts) - start, _RATE_DAYS)
        after = table.counts[start : start + length, new].sum()
        is_alike = 1 / _RATE_RATIO <= after / length / rate <= _RATE_RATIO
        if after >= _LEAST_ROWS and before <= _DORMANT_SHARE * rate * _DORMANT_DAYS and is_alike:
            found.append((new, start))
    return found


def _silent(feed: str, table: DailyCounts, silence: Silence) -> Drift:
    last = _last_row(table, silence)
    name, since = table.names[silence.name], table.day(last)
    facts: dict[str, int | float | str] = {
        "last_day": since.isoformat(),
        "silent_days": len(table.counts) - 1 - last,
        "raised": table.day(silence.raised).isoformat(),
        "rows_a_month_before": round(silence.rate * MONTH, 1),
        "share_before": round(silence.share, 4),
    }
    held = table.counts[last + 1 :, silence.name].sum()
    came = "no row" if not held else f"next to no row ({plural(int(held), 'row')})"
    return Drift(
        "category_silent", feed, name, since, f"{feed}: '{name}' ({percent(silence.share)} of rows) has had {came} since {since}.", facts
    )


def _renamed(feed: str, table: DailyCounts, old: int, new: int, start: int) -> Drift:
    before, after, since = table.names[old], table.names[new], table.day(start)
    sentence = f"{feed}: '{before}' seems to be called '{after}' since {since}."
    return Drift("category_renamed", feed, f"{before} -> {after}", since, sentence, {"old_name": before, "new_name": after})


def _new(feed: str, table: DailyCounts, name: int) -> Drift | None:
    """A name whose first row is recent, in a feed that is older."""
    start = int(np.flatnonzero(table.counts[:, name])[0])
    rows = int(table.counts[:, name].sum())
    if start < _OLD_FEED_DAYS or len(table.counts) - start > NEWS_DAYS or rows < _LEAST_ROWS:
        return None
    said = f"{feed}: '{table.names[name]}' is new since {table.day(start)}, {plural(rows, 'row')} so far."
    return Drift("category_new", feed, table.names[name], table.day(start), said, {"rows": rows})
