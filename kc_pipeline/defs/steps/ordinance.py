"""What the nuisance ordinance counts on a day: from the ledger of attribution to marts/threshold_status and marts/threshold_events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import write_mart

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.ordinance.cases import CaseLedger
    from kc_pipeline.ordinance.rules import RuleSet
    from kc_pipeline.ordinance.timeline import Finding
    from kc_pipeline.store.lake import Commit

INCIDENT_FEEDS = ("police_reports", "calls_911")
COUNT_INPUTS = (
    "core/event_attribution", "core/located_addresses", "core/business_parcels", "clean/parcels", "clean/police_reports", "clean/calls_911",
)  # fmt: skip
_SHARE = (
    "event_id", "business_parcel_id", "feed", "month", "report_date", "available_date", "category", "exclusion_reason",
    "attribution_method", "precision", "distance_m", "candidate_count", "weight",
)  # fmt: skip
_EVENT = (
    "event_id", "feed", "report_date", "available_date", "category", "source_category", "address", "address_precision", "reported_local",
    "occurred_local", "reported_clock", "record_systems", "record_disagreement", "data_set", "pull_id", "page", "line", "row_hash",
)  # fmt: skip
_OF_FEED: Mapping[str, tuple[str, ...]] = {"police_reports": ("is_domestic", "offense_codes"), "calls_911": ("is_officer_initiated",)}


@dataclass(frozen=True)
class Incidents:
    """Reports and calls as the law sees them.

    Attributes:
        shares: their shares at business places, with the details that the law asks for.
        events: every one of them, at a business place or not.
    """

    shares: "pd.DataFrame"
    events: "pd.DataFrame"


def rule_sets(platform: Platform) -> "tuple[RuleSet, ...]":
    """The rule sets that the platform goes by: those of KC_RULES, else our own.

    Raises:
        RulesError: the file is wrong.
    """
    from kc_pipeline.ordinance.rules import our_rule_sets, rule_sets_of_file

    named = platform.settings.rules_file
    return our_rule_sets() if named is None else rule_sets_of_file(named)


def case_ledger(platform: Platform) -> "CaseLedger":
    """The ledger of case steps."""
    from kc_pipeline.ordinance.cases import CaseLedger

    return CaseLedger(platform.settings.case_dir / "ledger.jsonl")


def count_thresholds(platform: Platform, as_of: date, run_id: str) -> "tuple[Commit, Commit]":
    """marts/threshold_status and marts/threshold_events of a day."""
    import pandas as pd

    from kc_pipeline.defs.steps.frames import read_frame
    from kc_pipeline.ordinance.cases import cleared_dwellings, findings
    from kc_pipeline.ordinance.clock import threshold_status
    from kc_pipeline.ordinance.rules import rule_sets_on
    from kc_pipeline.ordinance.status import block_escalation, list_events
    from kc_pipeline.quality.sources import stale_event_feeds

    steps = case_ledger(platform).steps()
    places = read_frame(platform, "core/business_parcels")
    parcels = read_frame(platform, "clean/parcels", ["parcel_id", "land_use_code"])
    status, events = [], []
    for rule_set in rule_sets_on(rule_sets(platform), as_of):
        states = states_of_day(platform, rule_set, as_of, findings(steps))
        status.append(threshold_status(states, pd.Index(places["business_parcel_id"]), rule_set, as_of))
        events.append(list_events(states, rule_set, as_of))
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    columns = ["business_parcel_id", "business_names", "address", "council_district", "division", "latitude", "longitude"]
    rows = _together("marts/threshold_status", status).drop(columns=columns[1:], errors="ignore").merge(places[columns], on=columns[0])
    rows = block_escalation(rows, places, parcels, cleared_dwellings(steps, as_of)).assign(
        as_of=as_of, stale_sources=stale_event_feeds(quality)
    )
    listed = _together("marts/threshold_events", events).assign(as_of=as_of)
    return (
        write_mart(platform, "marts/threshold_status", rows, as_of, run_id, list(COUNT_INPUTS)),
        write_mart(platform, "marts/threshold_events", listed, as_of, run_id, list(COUNT_INPUTS)),
    )


def states_of_day(
    platform: Platform, rule_set: "RuleSet", as_of: date, findings: "Sequence[Finding]", versions: Mapping[str, int | None] | None = None,
    place: str | None = None, since: date | None = None,
) -> "pd.DataFrame":  # fmt: skip
    """Every share that a rule set may count or that is possible on a day, with its state; see `timeline.states_on`.

    Args:
        platform: what to work on.
        rule_set: the law.
        as_of: the day.
        findings: what case steps say.
        versions: Delta versions to read; None: the newest.
        place: only this business parcel; None: all.
        since: first report day to look at, where that is earlier than the counts need.
    """
    from kc_pipeline.ordinance.countability import judge_events
    from kc_pipeline.ordinance.incidents import pair_records
    from kc_pipeline.ordinance.timeline import prepare, states_on
    from kc_pipeline.ordinance.windows import day_number

    first = min(first_day_needed(rule_set, as_of), since or as_of)
    incidents = read_incidents(platform, first, as_of, versions, place)
    judged = judge_events(incidents.shares, rule_set)
    return states_on(prepare(judged, pair_records(incidents.events), rule_set), findings, day_number(as_of), rule_set)


def first_day_needed(rule_set: "RuleSet", as_of: date) -> date:
    """First report day that a rule set's counts and repeats on a day look at."""
    import numpy as np

    from kc_pipeline.ordinance.windows import date_of, day_number, first_days

    windows = [int(first_days(rule, np.array([day_number(as_of)]))[0]) for rule in rule_set.rules]
    return date.min if rule_set.counts_earlier_events else min(rule_set.effective_from, date_of(min(windows)))


def read_incidents(
    platform: Platform, first: date, as_of: date, versions: Mapping[str, int | None] | None = None, place: str | None = None
) -> Incidents:
    """Reports and calls of the days from `first` to the day before `as_of`, with what the law asks of each."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    from kc_pipeline.digests import repeated_keys
    from kc_pipeline.membership import places_among, row_places_among

    def read(table: str, columns: Sequence[str], partitions: list[str] | None = None, where: pc.Expression | None = None) -> pd.DataFrame:
        version = None if versions is None else versions.get(table)
        return platform.lake.read(table, columns=list(columns), partitions=partitions, version=version, where=where).to_pandas()

    held = sorted(platform.lake.partitions("core/event_attribution"))
    months = [month for month in held if first.isoformat()[:7] <= month <= as_of.isoformat()[:7]]
    parts = []
    for feed in INCIDENT_FEEDS:
        rows = read(f"clean/{feed}", [*_EVENT, *_OF_FEED[feed]], months)
        texts = rows["source_category"].fillna("") + (" " + rows["offense_codes"].fillna("") if "offense_codes" in rows else "")
        parts.append(rows.assign(texts=texts).drop(columns="offense_codes", errors="ignore"))
    events = pd.concat(parts, ignore_index=True)
    if repeated_keys(pa.table({"event_id": events["event_id"]})).num_rows:
        events = events.sort_values(["event_id", "report_date"]).drop_duplicates("event_id", ignore_index=True)
    blocks = read("core/located_addresses", ["address", "address_precision", "block_key"])
    at_block = row_places_among(events, blocks, ["address", "address_precision"])
    events["block_key"] = blocks["block_key"].reindex(at_block).array
    at_place = pc.field("business_parcel_id").is_valid() if place is None else pc.field("business_parcel_id") == place
    shares = read("core/event_attribution", _SHARE, months, pc.field("feed").isin(INCIDENT_FEEDS) & at_place)
    of_event = places_among(pd.Index(shares["event_id"]), pd.Index(events["event_id"]))
    details = events.drop(columns=["event_id", "feed", "report_date", "available_date", "category"]).reindex(of_event)
    return Incidents(pd.concat([shares, details.set_axis(shares.index)], axis="columns"), events)


def _together(mart: str, frames: "list[pd.DataFrame]") -> "pd.DataFrame":
    """Frames of several rule sets as one; without any, an empty one of the mart's columns."""
    import pandas as pd

    from kc_pipeline.catalog.render import to_arrow
    from kc_pipeline.catalog.tables import TABLES

    return pd.concat(frames, ignore_index=True) if frames else to_arrow(TABLES[mart]).empty_table().to_pandas()
