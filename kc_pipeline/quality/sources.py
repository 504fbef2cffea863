"""How each feed stands on a day: fresh, stale, silent or failed, with the account of its rows."""

from collections.abc import Mapping
from datetime import date

import pandas as pd

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS, Feed

_COUNTS = ["received_count", "good_count", "quarantined_count", "duplicate_count"]
NOT_FRESH = ("stale", "silent", "failed")


def source_quality(
    reconciliation: pd.DataFrame,
    event_counts: Mapping[str, int],
    newest: Mapping[str, date | None],
    failures: Mapping[str, str],
    as_of: date,
) -> pd.DataFrame:
    """One row per feed in the columns of marts/source_quality, without the publish columns.

    Args:
        reconciliation: rows of quality/reconciliation.
        event_counts: rows of each feed's clean table (an event seen in two data sets is one).
        newest: newest report date of each event feed that a score for the day may use.
        failures: feed -> message of its last refresh, where that failed.
        as_of: the day that is spoken about.
    """
    totals = reconciliation.groupby("feed")[_COUNTS].sum().reindex(list(FEEDS), fill_value=0).astype("int64")
    rows = []
    for feed in FEEDS.values():
        status, reason = _status(feed, int(totals.at[feed.name, "good_count"]), newest.get(feed.name), failures.get(feed.name), as_of)
        rows.append((as_of, feed.name, status, reason, newest.get(feed.name), feed.usual_lag_days))
    columns = ["as_of", "feed", "source_status", "status_reason", "newest_report_date", "usual_lag_days"]
    return pd.DataFrame(rows, columns=columns).join(totals, on="feed").assign(event_count=[event_counts[feed] for feed in FEEDS])


def stale_event_feeds(quality: pd.DataFrame) -> str:
    """Names of the event feeds that are not fresh, separated by ';'."""
    doubtful = quality[quality["feed"].isin(EVENT_FEEDS) & quality["source_status"].isin(NOT_FRESH)]
    return ";".join(sorted(doubtful["feed"]))


def _status(feed: Feed, good_count: int, newest: date | None, failure: str | None, as_of: date) -> tuple[str, str]:
    if good_count == 0:
        reason = f"{feed.name} has no rows: nothing is known from it, which does not mean that nothing happened."
        return "silent", f"{reason} Last refresh failed: {failure}" if failure else reason
    if failure:
        return "failed", f"{feed.name}: the last refresh failed, the last good data stands: {failure}"
    if feed.stale_after_days is None:
        return "fresh", f"{feed.name}: {good_count} rows in the newest snapshot."
    if newest is None:
        return "stale", f"{feed.name} has rows, but none that was available by {as_of}."
    age = (as_of - newest).days
    if age > feed.stale_after_days:
        return "stale", f"{feed.name}: newest row is {age} days old, more than the {feed.stale_after_days} days that its lag explains."
    return "fresh", f"{feed.name}: newest row is {age} days old."
