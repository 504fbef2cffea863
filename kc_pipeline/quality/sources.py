"""How each feed stands on a day: fresh, degraded, stale, silent or failed, with the account of its rows and the days it covers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import pandas as pd

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS, Feed

_COUNTS = ["received_count", "good_count", "quarantined_count", "duplicate_count"]
COVERAGE_DAYS = 365


def source_quality(
    reconciliation: pd.DataFrame,
    event_counts: Mapping[str, int],
    newest: Mapping[str, date | None],
    failures: Mapping[str, str],
    as_of: date,
    doubts: Mapping[str, Sequence[str]],
    covered: Mapping[str, int],
) -> pd.DataFrame:
    """One row per feed in the columns of marts/source_quality, without the publish columns.

    Args:
        reconciliation: rows of quality/reconciliation.
        event_counts: rows of each feed's clean table (an event seen in two data sets is one).
        newest: newest report date of each event feed that a score for the day may use.
        failures: feed -> message of its last refresh, where that failed.
        as_of: the day that is spoken about.
        doubts: feed -> sentences about what of it does not come any more (a silent category, most of its volume).
        covered: event feed -> days that it covers (see `covered_days`).
    """
    totals = reconciliation.groupby("feed")[_COUNTS].sum().reindex(list(FEEDS), fill_value=0).astype("int64")
    rows = []
    for feed in FEEDS.values():
        status, reason = _status(feed, int(totals.at[feed.name, "good_count"]), newest.get(feed.name), failures.get(feed.name), as_of)
        if status == "fresh" and doubts.get(feed.name):
            status, reason = "degraded", " ".join(doubts[feed.name])
        days = covered.get(feed.name, COVERAGE_DAYS if totals.at[feed.name, "good_count"] else 0)
        rows.append((as_of, feed.name, status, reason, newest.get(feed.name), feed.usual_lag_days, days))
    columns = ["as_of", "feed", "source_status", "status_reason", "newest_report_date", "usual_lag_days", "covered_days_365d"]
    return pd.DataFrame(rows, columns=columns).join(totals, on="feed").assign(event_count=[event_counts[feed] for feed in FEEDS])


def stale_event_feeds(quality: pd.DataFrame) -> str:
    """Names of the event feeds that are not fresh, separated by ';'."""
    doubtful = quality[quality["feed"].isin(EVENT_FEEDS) & quality["source_status"].ne("fresh")]
    return ";".join(sorted(doubtful["feed"]))


def covered_days(pulled: Collection[str], oldest: date | None, newest: date | None, as_of: date) -> int:
    """Days of the year before a day for which a feed's rows are there: from pulled months, up to the newest usable row.

    Args:
        pulled: months (YYYY-MM) that were pulled, or 'whole' where the feed is not cut by month.
        oldest: oldest report date of the feed; a feed that is not cut by month covers nothing before it.
        newest: newest report date that a score for the day may use.
        as_of: the day that is spoken about.
    """
    if oldest is None or newest is None:
        return 0
    days = pd.date_range(end=pd.Timestamp(as_of) - pd.Timedelta(days=1), periods=COVERAGE_DAYS)
    is_held = pd.Series(days.strftime("%Y-%m")).isin(list(pulled)).to_numpy() | (("whole" in pulled) & (days >= pd.Timestamp(oldest)))
    return int((is_held & (days <= pd.Timestamp(newest))).sum())


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
    return "fresh", f"{feed.name}: newest row is {age} {'day' if age == 1 else 'days'} old."
