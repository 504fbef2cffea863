"""Days on which far more requests were closed than usual: their closing dates say when someone tidied up, not when work was done."""

from datetime import timedelta

import pandas as pd

from kc_pipeline.quality.drift.finding import Drift, in_order, plural

# A bulk close has this many times the closings of a busy day (the 95th of a hundred) and this many at least; closings of
# the last year are told.
_TIMES, _LEAST_CLOSED, _BUSY_QUANTILE, _TOLD_DAYS = 8.0, 50, 0.95, 366


def bulk_closes(feed: str, closed: pd.DataFrame) -> list[Drift]:
    """Bulk closes of the year up to the newest closing.

    Args:
        feed: name of the feed.
        closed: resolved_date (date), event_count.
    """
    if closed.empty:
        return []
    by_day = closed.groupby("resolved_date")["event_count"].sum()
    busy = float(by_day.quantile(_BUSY_QUANTILE))
    newest = max(by_day.index)
    found = []
    for day, count in by_day[by_day >= max(_TIMES * busy, _LEAST_CLOSED)].items():
        if newest - day <= timedelta(days=_TOLD_DAYS):
            sentence = f"{feed}: {plural(int(count), 'request')} were closed on {day} alone, where a busy day has {busy:,.0f}."
            found.append(Drift("bulk_close", feed, day.isoformat(), day, sentence, {"closed": int(count), "busy_day": round(busy, 1)}))
    return in_order(found)
