"""Evidence packets: the same inputs give the same bytes, nothing is shown that must not be, and no hearing packet without verified law."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest
from ordinance_rows import LAW, PLACE, call, day, shares

from kc_pipeline.ordinance.cases import CaseStep
from kc_pipeline.ordinance.clock import threshold_status
from kc_pipeline.ordinance.countability import judge_events
from kc_pipeline.ordinance.evidence import Matter, NoPacketError, make_packet, packet_bytes, packet_id
from kc_pipeline.ordinance.evidence_page import evidence_page
from kc_pipeline.ordinance.incidents import pair_records
from kc_pipeline.ordinance.rules import RuleSet
from kc_pipeline.ordinance.timeline import Finding, prepare, states_on
from kc_pipeline.ordinance.windows import day_number

AS_OF = day("2026-06-01")
SHOP = {"business_parcel_id": PLACE, "parcel_id": "1", "business_names": "A & B <SHOP>", "business_types": "GROCERY"}
SHOP["address"] = "1000 LOCUST ST"
VERIFIED = replace(LAW, verified=True)
ROWS = (
    {"event_id": "police_reports:1", "at": day("2026-05-01")},
    {"event_id": "police_reports:2", "at": day("2026-05-10"), "category": "drugs"},
    {"event_id": "police_reports:3", "at": day("2026-05-11"), "is_domestic": True},
    {"event_id": "police_reports:4", "at": day("2025-11-20"), "category": "weapons"},
    call(event_id="calls_911:5", at=day("2026-05-20"), category="medical"),
    call(event_id="calls_911:6", at=day("2026-05-21")),
)
STEP = CaseStep(1, "2026-05-30T12:00:00+00:00", "2026-05-30", PLACE, "visit", "NSD-1", note="spoke with the clerk", sha256="a" * 64)


def packet(
    level: str = "owner-safe", law: RuleSet = VERIFIED, *findings: Finding, is_blocked: bool = False, as_of: date = AS_OF
) -> dict[str, Any]:
    rows = shares(*ROWS)
    states = states_on(prepare(judge_events(rows, law), pair_records(rows), law), findings, day_number(as_of), law)
    states = states.assign(
        record_disagreement=pd.NA, source_category="13A", row_hash="b" * 64, address="1000 LOCUST ST", data_set="reports",
        pull_id="000001", page=0, line=states.index, page_sha256="c" * 64,
    )  # fmt: skip
    matter = Matter(law, states, threshold_status(states, pd.Index([PLACE]), law, as_of))
    return make_packet(SHOP, as_of, level, [matter], [STEP], {"lake_versions": {"core/event_attribution": 3}}, is_blocked=is_blocked)


def events(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {event["event_id"]: event for event in made["matters"][0]["events"]}


def test_the_same_inputs_give_the_same_bytes_and_the_id_is_their_hash() -> None:
    first, second = packet("hearing"), packet("hearing")
    assert packet_bytes(first) == packet_bytes(second)
    assert evidence_page(first) == evidence_page(second)
    assert packet_id(json.loads(packet_bytes(first))) == first["packet_id"]
    assert packet("owner-safe")["packet_id"] != first["packet_id"]


def test_a_hearing_packet_shows_every_event_with_its_reasons_and_its_source() -> None:
    found = events(packet("hearing"))
    assert {name: (event["state"], event["reasons"]) for name, event in found.items()} == {
        "police_reports:1": ("counts", []),
        "police_reports:2": ("counts", []),
        "police_reports:3": ("excluded", ["domestic"]),
        "police_reports:4": ("counts", []),
        "calls_911:5": ("excluded", ["needs_review", "medical"]),
        "calls_911:6": ("possible", ["needs_review"]),
    }
    assert found["police_reports:4"]["in_window_of"] == []
    assert found["police_reports:1"]["in_window_of"] == ["violent-and-one-more", "five-in-180-days"]
    source = {"data_set": "reports", "pull_id": "000001", "page": 0, "line": 0, "page_sha256": "c" * 64}
    assert found["police_reports:1"]["source"] == source
    assert found["police_reports:1"]["row_hash"] == "b" * 64


def test_the_counts_of_a_packet_are_those_of_its_events() -> None:
    made = packet("hearing")
    for rule in made["matters"][0]["rules"]:
        in_window = [event for event in events(made).values() if rule["id"] in event["in_window_of"]]
        listed = [event for event in in_window if event["state"] == "counts"]
        assert rule["confirmed_count"] == len(listed) == 2


def test_an_owner_sees_no_minutes_no_provenance_and_nothing_of_victims_and_patients() -> None:
    made = packet("owner-safe")
    assert set(events(made)) == {"police_reports:1", "police_reports:2", "police_reports:4", "calls_911:6"}
    assert made["matters"][0]["withheld"] == {"domestic": 1, "medical": 1}
    assert made["matters"][0]["totals"] == {"counts": 3, "possible": 1, "excluded": 2}
    assert not {"reported_local", "occurred_local", "source", "address_at_source"} & set(events(made)["police_reports:1"])
    text = packet_bytes(made).decode() + evidence_page(made).decode()
    for hidden in ("police_reports:3", "calls_911:5", "spoke with the clerk", "NSD-1", "T12:00"):
        assert hidden not in text
        assert hidden in packet_bytes(packet("hearing")).decode()


def test_without_verified_law_everything_is_provisional_and_there_is_no_hearing_packet() -> None:
    made = packet("owner-safe", LAW)
    assert made["label"].startswith("PROVISIONAL")
    assert b"PROVISIONAL" in evidence_page(made)
    assert packet("owner-safe")["label"] is None
    with pytest.raises(NoPacketError, match=r"48-51 of 2025.*verified"):
        packet("hearing", LAW)


def test_there_is_no_hearing_packet_while_somebody_may_live_there() -> None:
    assert packet("owner-safe", is_blocked=True)["is_escalation_blocked"]
    with pytest.raises(NoPacketError, match="people live there"):
        packet("hearing", is_blocked=True)


def test_without_law_or_level_there_is_no_packet() -> None:
    with pytest.raises(NoPacketError, match="no rule set is in force"):
        make_packet(SHOP, AS_OF, "owner-safe", [], [], {}, is_blocked=False)
    with pytest.raises(NoPacketError, match="unknown level"):
        packet("press")


def test_an_accepted_objection_takes_the_event_out_and_the_packet_says_so() -> None:
    before = packet("hearing")
    said = [Finding(i, PLACE, "police_reports:2", kind) for i, kind in enumerate(("objected", "accepted"))]
    after = packet("hearing", VERIFIED, *said)
    counts = [made["matters"][0]["rules"][0]["confirmed_count"] for made in (before, after)]
    assert counts == [2, 1]
    assert events(after)["police_reports:2"]["reasons"] == ["objection_accepted"]
    assert "An objection to it was accepted." in evidence_page(after).decode()
    assert before["packet_id"] != after["packet_id"]


def test_the_page_shows_names_as_text_and_loads_nothing() -> None:
    page = evidence_page(packet("hearing")).decode()
    assert "A &amp; B &lt;SHOP&gt;" in page
    assert "<SHOP>" not in page
    assert not any(word in page for word in ("<script", "http://", "https://", "src="))
    assert all(event in page for event in events(packet("hearing")))


def test_nothing_estimated_is_in_a_packet() -> None:
    text = packet_bytes(packet("hearing")).decode()
    assert not any(word in text for word in ("risk", "score", "expected", "weight"))
