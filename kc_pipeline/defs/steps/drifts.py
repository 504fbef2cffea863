"""How a feed moves over time: the counts that quality/drift/ judges, taken from the lake and from the manifests."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.own_rules import RULE_OF_DRIFT
from kc_pipeline.catalog.rule_model import Severity
from kc_pipeline.catalog.rules import RULES
from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.store.made_of import digest_of

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.extract.manifest import Manifest
    from kc_pipeline.quality.checks import Finding
    from kc_pipeline.quality.drift.finding import Drift

_COUNTED_BY = ("report_date", "source_category", "category", "address_precision", "no_location_reason")
SCHEMA_NEWS_DAYS = 30


@dataclass(frozen=True)
class Movement:
    """What was available of a feed of events on a day, and how that moves.

    Attributes:
        oldest: first report date; None where nothing was available.
        newest: last report date.
        drifts: silences, renames, volume, places, codes and lateness.
    """

    oldest: date | None
    newest: date | None
    drifts: "tuple[Drift, ...]"


def check_drift(platform: Platform, feed: str) -> "list[Finding]":
    """One finding for each rule about a feed's movement, as of the platform's day."""
    from kc_pipeline.quality.checks import Finding

    rules = {rule.name: rule for rule in RULES[f"clean/{feed}"]}
    as_of = platform.now().astimezone(ZoneInfo(TIME_ZONE)).date()
    drifts = [*movement_of(platform, feed, as_of).drifts, *_closing_drift(platform, feed), *_schema_drift(platform, FEEDS[feed])]
    findings = []
    for name in dict.fromkeys(RULE_OF_DRIFT.values()):
        if name in rules:
            found = [drift for drift in drifts if RULE_OF_DRIFT[drift.kind] == name]
            facts: dict[str, int | float | str] = {"found": len(found), "sample": ", ".join(drift.subject for drift in found[:5])}
            sentences = tuple(drift.sentence for drift in found)
            findings.append(Finding(name, not found, facts, sentences))
    return findings


def doubts_about(feed: str, drifts: "Iterable[Drift]") -> list[str]:
    """Sentences about what of a feed has stopped to come, as far as that marks the source; lateness is told apart."""
    marking = {rule.name for rule in RULES[f"clean/{feed}"] if rule.severity is Severity.MARKS}
    return [drift.sentence for drift in drifts if RULE_OF_DRIFT[drift.kind] in marking and drift.kind != "feed_late"]


def movement_of(platform: Platform, feed: str, as_of: date) -> Movement:
    """How a feed of events moves by what was available on a day; it is found once for a state of its clean table."""
    return _movement(platform, feed, as_of, digest_of(platform.lake.states(f"clean/{feed}")))


@lru_cache(maxsize=len(EVENT_FEEDS))
def _movement(platform: Platform, feed: str, as_of: date, _state: str) -> Movement:
    counts = _usable_counts(platform, feed, as_of)
    if counts.empty:
        return Movement(None, None, ())
    days = counts["report_date"]
    return Movement(days.min().date(), days.max().date(), tuple(_events_drift(feed, counts, as_of)))


def _events_drift(feed: str, counts: "pd.DataFrame", as_of: date) -> "list[Drift]":
    from kc_pipeline.catalog.events import ended_codes
    from kc_pipeline.quality.drift import categories, codes, lags, locations, volume

    source = FEEDS[feed]
    stale_after = source.stale_after_days or source.usual_lag_days
    monthly = counts.assign(month=counts["report_date"].dt.strftime("%Y-%m"))
    found = [
        *lags.lag_drift(feed, counts["report_date"].max().date(), as_of, source.usual_lag_days, stale_after),
        *categories.category_drift(
            feed, _sums(counts, "report_date", "source_category"), as_of, source.usual_lag_days, known=ended_codes(feed)
        ),
        *volume.volume_drift(feed, _sums(counts, "report_date"), as_of, source.usual_lag_days),
        *locations.location_drift(feed, _sums(monthly, "month", "address_precision", "no_location_reason"), as_of),
        *codes.unknown_codes(feed, _sums(counts, "source_category", "category")),
    ]
    return sorted(found, key=lambda drift: (drift.kind, drift.subject))


def _usable_counts(platform: Platform, feed: str, as_of: date) -> "pd.DataFrame":
    """Events of a feed that were available on a day, counted by report date, category and kind of place."""
    import pyarrow.compute as pc

    rows = platform.lake.read(f"clean/{feed}", columns=[*_COUNTED_BY, "available_date"])
    rows = rows.filter(pc.and_(pc.less_equal(rows["available_date"], as_of), pc.less(rows["report_date"], as_of)))
    counts = rows.group_by(list(_COUNTED_BY)).aggregate([([], "count_all")]).rename_columns([*_COUNTED_BY, "event_count"])
    return counts.to_pandas(date_as_object=False)


def _sums(counts: "pd.DataFrame", *by: str) -> "pd.DataFrame":
    """Counts by fewer columns; the report date is called day."""
    sums = counts.groupby(list(by), dropna=False)["event_count"].sum().reset_index().rename(columns={"report_date": "day"})
    return sums.assign(day=sums["day"].dt.date) if "day" in sums else sums


def _closing_drift(platform: Platform, feed: str) -> "list[Drift]":
    from kc_pipeline.quality.drift.closes import bulk_closes

    table = f"clean/{feed}"
    if "resolved_date" not in TABLES[table].column_names:
        return []
    rows = platform.lake.read(table, columns=["resolved_date"])
    closed = rows.group_by("resolved_date").aggregate([([], "count_all")]).rename_columns(["resolved_date", "event_count"])
    return list(bulk_closes(feed, closed.to_pandas().dropna()))


def _schema_drift(platform: Platform, feed: Feed) -> "list[Drift]":
    """What each data set declares now against what it declared before, for a month after the change."""
    from kc_pipeline.quality.drift.schemas import schema_drift

    found, latest = [], platform.raw.latest_of_feed(feed.name)
    for data_set in feed.data_sets:
        of_set = sorted((m for m in latest if m.data_set == data_set.id), key=_moment)
        if not of_set:
            continue
        newest = of_set[-1]
        pulls = sorted([*of_set, *platform.raw.pulls(feed.name, data_set.id, newest.partition)], key=_moment)
        before = next((m for m in reversed(pulls) if m.schema_hash != newest.schema_hash), None)
        if before is None:
            continue
        since = min(_moment(m) for m in pulls if _moment(m) > _moment(before))
        if platform.now() - since <= timedelta(days=SCHEMA_NEWS_DAYS):
            asked = {*newest.resolution.values(), *before.resolution.values()}
            found += schema_drift(feed.name, data_set.id, before.declared, newest.declared, asked)
    return found


def _moment(manifest: "Manifest") -> datetime:
    return datetime.fromisoformat(manifest.pulled_at)
