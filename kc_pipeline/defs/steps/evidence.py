"""Evidence packets and case steps of the stores: made, kept, made again."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.ordinance import COUNT_INPUTS, case_ledger, first_day_needed, read_incidents, rule_sets, states_of_day

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.ordinance.cases import CaseStep

_PLACE = ("business_parcel_id", "parcel_id", "business_names", "business_types", "address")


def packet_folder(platform: Platform, packet_id: str) -> Path:
    """Where a packet is kept."""
    return _packets_folder(platform) / packet_id


def _packets_folder(platform: Platform) -> Path:
    return platform.settings.case_dir / "packets"


def newest_day(platform: Platform) -> date:
    """The newest day of which the thresholds were counted.

    Raises:
        LookupError: there is none.
    """
    days = platform.lake.partitions("marts/threshold_status")
    if not days:
        raise LookupError("no day has been counted yet; `kc run` does it")
    return date.fromisoformat(max(days))


def make_packet(
    platform: Platform,
    place: Mapping[str, Any],
    as_of: date,
    level: str,
    versions: Mapping[str, int | None] | None = None,
    upto: int | None = None,
) -> dict[str, Any]:
    """The packet of a place and day.

    Args:
        platform: what to work on.
        place: a row of core/business_parcels.
        as_of: the day.
        level: 'owner-safe' or 'hearing'.
        versions: Delta versions to read; None: the newest.
        upto: number of case steps to know; None: all. A packet knows steps that were recorded after its day, too.

    Raises:
        NoPacketError: none of this level may be given.
        LedgerError: the case ledger is not what was once written.
    """
    import pandas as pd

    from kc_pipeline.ordinance import cases, evidence
    from kc_pipeline.ordinance.clock import threshold_status
    from kc_pipeline.ordinance.rules import rule_sets_on
    from kc_pipeline.ordinance.status import block_escalation

    versions = platform.lake.versions(COUNT_INPUTS) if versions is None else versions
    steps, found = case_ledger(platform).steps(upto), place["business_parcel_id"]
    parcels = platform.lake.read("clean/parcels", columns=["parcel_id", "land_use_code"], version=versions["clean/parcels"]).to_pandas()
    one_place = pd.DataFrame([{name: place[name] for name in _PLACE}]).astype("str")
    cleared = cases.cleared_dwellings(steps, max([as_of, *(step.known_from for step in steps)]))
    matters, is_blocked = [], True
    for rule_set in rule_sets_on(rule_sets(platform), as_of):
        since = as_of - timedelta(days=evidence.PERIOD_DAYS)
        states = states_of_day(platform, rule_set, as_of, cases.findings(steps, known_by=as_of), versions, found, since)
        counted = threshold_status(states, pd.Index([found]), rule_set, as_of)
        status = block_escalation(counted, one_place, parcels, cleared)
        is_blocked = bool(status["is_escalation_blocked"].any())
        matters.append(evidence.Matter(rule_set, _with_pages(platform, states), status))
    shown = {name: place[name] for name in _PLACE}
    return evidence.make_packet(shown, as_of, level, matters, steps, {"lake_versions": dict(versions)}, is_blocked=is_blocked)


def replay_place(platform: Platform, place: Mapping[str, Any], first: date, last: date) -> "pd.DataFrame":
    """How the counts of a place changed over a range of days, as they stood on each of them: rows of `clock.replay`, by rule set."""
    import pandas as pd

    from kc_pipeline.ordinance import cases
    from kc_pipeline.ordinance.clock import replay
    from kc_pipeline.ordinance.countability import judge_events
    from kc_pipeline.ordinance.incidents import pair_records
    from kc_pipeline.ordinance.timeline import prepare, segments
    from kc_pipeline.ordinance.windows import day_number

    said, parts = cases.findings(case_ledger(platform).steps()), []
    for rule_set in rule_sets(platform):
        incidents = read_incidents(platform, first_day_needed(rule_set, first), last, place=place["business_parcel_id"])
        prepared = prepare(judge_events(incidents.shares, rule_set), pair_records(incidents.events), rule_set)
        pieces = segments(prepared, said, rule_set, day_number(last))
        parts.append(replay(pieces, rule_set, first, last).assign(rule_set_id=rule_set.id))
    return pd.concat(parts, ignore_index=True)


def keep_packet(platform: Platform, packet: Mapping[str, Any]) -> Path:
    """Write a packet as JSON and as a page, whole or not at all; one that is kept already is left alone."""
    from kc_pipeline.ordinance.evidence import packet_bytes
    from kc_pipeline.ordinance.evidence_page import evidence_page
    from kc_pipeline.store.unfinished import UnfinishedFolder, clear_unfinished

    folder = packet_folder(platform, packet["packet_id"])
    if folder.exists():
        return folder
    clear_unfinished([folder.parent])
    unfinished = UnfinishedFolder(folder.parent)
    try:
        unfinished.write("packet.json", packet_bytes(packet))
        unfinished.write("packet.html", evidence_page(packet))
        unfinished.put(folder)
    except OSError:
        unfinished.discard()
        if not folder.exists():  # else somebody else kept the same packet meanwhile
            raise
    return folder


def days_of_cases(platform: Platform) -> set[date]:
    """Days that cases speak of: those of their steps, and those of the packets that were kept."""
    days = {date.fromisoformat(step.happened_on) for step in case_ledger(platform).steps()}
    packets = _packets_folder(platform).glob("*/packet.json")
    return days | {date.fromisoformat(json.loads(path.read_bytes())["as_of"]) for path in packets}


def remake_packet(platform: Platform, packet_id: str) -> bool:
    """Whether a kept packet's inputs give the same bytes again.

    Raises:
        LookupError: no such packet is kept.
        NoPacketError, LedgerError: the inputs are not there any more.
    """
    from kc_pipeline.ordinance.evidence import packet_bytes
    from kc_pipeline.ordinance.evidence_page import evidence_page

    folder = packet_folder(platform, packet_id)
    if not packet_id.isalnum() or not folder.exists():
        raise LookupError(f"no packet {packet_id} is kept in {folder.parent}")
    kept = (folder / "packet.json").read_bytes()
    held = json.loads(kept)
    made_from = held["made_from"]
    place = find_business_parcel(platform, held["place"]["business_parcel_id"], made_from["lake_versions"]["core/business_parcels"])
    again = make_packet(
        platform, place, date.fromisoformat(held["as_of"]), held["level"], made_from["lake_versions"], made_from["case_ledger"]["number"]
    )
    return packet_bytes(again) == kept and evidence_page(again) == (folder / "packet.html").read_bytes()


def verify_ledger(platform: Platform) -> tuple[int, int]:
    """Number of case steps and of kept packets, once the chain holds and every packet is whole and rests on it.

    Raises:
        LedgerError: a step was changed or taken out, or a packet was.
    """
    from kc_pipeline.ordinance.cases import LedgerError, head
    from kc_pipeline.ordinance.evidence import packet_id

    ledger, packets = case_ledger(platform), sorted((platform.settings.case_dir / "packets").glob("*/packet.json"))
    steps = ledger.steps()
    for path in packets:
        held = json.loads(path.read_bytes())
        if packet_id(held) != held["packet_id"] or path.parent.name != held["packet_id"]:
            raise LedgerError(f"packet {path.parent.name}: its content is not what its id says")
        if head(ledger.steps(held["made_from"]["case_ledger"]["number"])) != held["made_from"]["case_ledger"]:
            raise LedgerError(f"packet {path.parent.name}: it was made with case steps that the ledger does not have")
    return len(steps), len(packets)


def find_business_parcel(platform: Platform, wanted: str, version: int | None = None) -> dict[str, Any]:
    """The one business parcel that an id, or part of a name or address, means.

    Raises:
        LookupError: none or several fit.
    """
    from kc_pipeline.defs.answers import one_that_fits

    rows = platform.lake.read("core/business_parcels", columns=list(_PLACE), version=version).to_pylist()
    return one_that_fits(rows, wanted)


def record_step(platform: Platform, place: Mapping[str, Any], step: str, recorded_by: str, **facts: Any) -> "CaseStep":
    """Write a case step down, after a look at whether its event belongs to the place and whether it is allowed there.

    Args:
        platform: what to work on.
        place: a row of core/business_parcels.
        step: one of cases.STEPS.
        recorded_by: office or staff number.
        **facts: other fields of a CaseStep; happened_on is today where it is not given.

    Raises:
        StepError: the step does not fit.
        LedgerError: the ledger is not what was once written.
    """
    from zoneinfo import ZoneInfo

    from kc_pipeline.ordinance.cases import CaseStep, StepError

    now, found = platform.now(), place["business_parcel_id"]
    facts = {
        "happened_on": now.astimezone(ZoneInfo(TIME_ZONE)).date().isoformat(),
        **{name: value for name, value in facts.items() if value},
    }
    if event := facts.get("event_id"):
        shares = platform.lake.read("core/event_attribution", columns=["event_id", "business_parcel_id"])
        import pyarrow.compute as pc

        if not shares.filter(pc.and_(pc.equal(shares["event_id"], event), pc.equal(shares["business_parcel_id"], found))).num_rows:
            raise StepError(f"{event} is not tied to {found}; `kc evidence` lists the events of a place")
    if step == "notice":
        law, rule, days = _rule_of_notice(platform, place, str(facts.get("rule_id", "")))
        due = date.fromisoformat(str(facts["happened_on"])) + timedelta(days=days)
        facts = {"due_on": due.isoformat()} | facts | {"rule_set_id": law, "rule_id": rule}
    written = CaseStep(0, now.isoformat(timespec="seconds"), business_parcel_id=found, step=step, recorded_by=recorded_by, **facts)
    return case_ledger(platform).add(written)


def _is_tied(platform: Platform, event: str, place: str) -> bool:
    import pyarrow.compute as pc

    shares = platform.lake.read("core/event_attribution", columns=["event_id", "business_parcel_id"])
    return bool(shares.filter(pc.and_(pc.equal(shares["event_id"], event), pc.equal(shares["business_parcel_id"], place))).num_rows)


def _rule_of_notice(platform: Platform, place: Mapping[str, Any], rule_id: str) -> tuple[str, str, int]:
    """Rule set, rule and days for a plan of the met rule that a notice goes by, with all case steps known by now.

    Raises:
        StepError: none is met, or escalation is blocked there.
    """
    from kc_pipeline.ordinance.cases import StepError
    from kc_pipeline.ordinance.evidence import OWNER_SAFE

    day = newest_day(platform)
    packet = make_packet(platform, place, day, OWNER_SAFE)
    rules = [(matter["rule_set"]["id"], rule) for matter in packet["matters"] for rule in matter["rules"]]
    met = [(law, rule) for law, rule in rules if rule["threshold_status"] == "met" and rule_id in ("", rule["id"])]
    if not met:
        raise StepError(
            f"no rule{' ' + rule_id if rule_id else ''} is met at {place['address']} as of {day}: a notice would have no ground"
        )
    if packet["is_escalation_blocked"]:
        raise StepError(f"people live at {place['address']}, or that is not known: record a step 'dwelling' once somebody has looked")
    return met[0][0], met[0][1]["id"], met[0][1]["plan_due_days"]


def _with_pages(platform: Platform, states: "pd.DataFrame") -> "pd.DataFrame":
    """Add page_sha256: of the raw page that an event's row stands on."""
    pages: dict[tuple[str, str, str, str], list[str]] = {}
    found = []
    for row in states[["feed", "data_set", "month", "pull_id", "page"]].itertuples(index=False):
        key = (row.feed, row.data_set, row.month, row.pull_id)
        if key not in pages:
            pulls = [pull for pull in platform.raw.pulls(*key[:3]) if pull.pull_id == row.pull_id]
            pages[key] = [page.sha256 for page in pulls[0].pages] if pulls else []
        found.append(pages[key][row.page] if row.page < len(pages[key]) else None)
    return states.assign(page_sha256=found)
