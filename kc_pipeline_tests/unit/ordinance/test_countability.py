"""Every reason why an event does not count, and that without one it does."""

from datetime import datetime, timedelta

import pandas as pd
import pytest
from ordinance_rows import LAW, OTHER_PLACE, PLACE, call, day, shares

from kc_pipeline.ordinance.countability import judge_events, state_of
from kc_pipeline.ordinance.dwellings import has_dwelling
from kc_pipeline.ordinance.incidents import pair_records
from kc_pipeline.ordinance.timeline import ACCEPTED, CONFIRMED, OBJECTED, REFUSED, REJECTED, Finding, prepare, states_on
from kc_pipeline.ordinance.windows import day_number

NOON = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - wall clock
CASES = {
    "a robbery": ({}, ()),
    "drugs, domestic or not unknown": ({"category": "drugs", "is_domestic": None}, ()),
    "on the next block": ({"precision": "BLOCK"}, ("not_exact",)),
    "beside the parcel": ({"precision": "NEAR"}, ("not_exact",)),
    "a domestic assault": ({"is_domestic": True}, ("domestic",)),
    "domestic by its words": ({"texts": "13B Non-Aggravated Assault - Domestic", "is_domestic": False}, ("domestic",)),
    "not domestic by its words": ({"texts": "13A Assault (Non-Domestic)"}, ()),
    "not domestic, other spelling": ({"texts": "13A ASSAULT NON DOMESTIC"}, ()),
    "domestic or not, the source does not say": ({"is_domestic": None}, ("domestic_unknown",)),
    "a rape": ({"category": "sex_offense"}, ("sexual_assault",)),
    "stalking by its words": ({"category": "intimidation", "texts": "13C Stalking"}, ("stalking", "not_listed")),
    "a theft": ({"category": "theft"}, ("call_for_protection",)),
    "a kind that is not listed": ({"category": "stolen_property"}, ("not_listed",)),
    "a code without a meaning": ({"category": "unknown"}, ("unknown_code",)),
    "a point off the premises": ({"distance_m": 25.5}, ("off_premises",)),
    "a point at the edge": ({"distance_m": 25.0}, ()),
    "no point": ({"distance_m": float("nan")}, ()),
    "before the law": ({"at": day("2025-11-12")}, ("earlier_law",)),
    "a call": (call(), ("needs_review",)),
    "a call that an officer began": (call(category="officer_check", is_officer_initiated=True), ("needs_review", "officer_initiated")),
    "an officer's own disturbance": (call(category="disturbance", is_officer_initiated=True), ("needs_review", "officer_initiated")),
    "a call about an alarm": (call(category="alarm"), ("needs_review", "false_alarm")),
    "a call for an ambulance": (call(category="medical"), ("needs_review", "medical")),
    "a call about a suicide": (call(category="welfare"), ("needs_review", "welfare")),
    "an assault call about an overdose": (call(texts="ASSAULT OVERDOSE"), ("needs_review", "medical")),
    "somebody suspicious": (call(category="suspicious"), ("needs_review", "merely_present")),
    "a domestic call": (call(category="domestic"), ("needs_review", "domestic")),
    "a call at the block about a theft": (call(category="theft", precision="BLOCK"), ("not_exact", "needs_review", "call_for_protection")),
}


@pytest.mark.parametrize(("row", "reasons"), CASES.values(), ids=CASES)
def test_every_reason_that_applies_is_given_and_no_other(row: dict, reasons: tuple[str, ...]) -> None:
    judged = judge_events(shares(row), LAW)
    assert set(judged["reasons"].iloc[0]) == set(reasons)


def test_other_feeds_and_shares_at_no_place_are_not_judged() -> None:
    rows = shares({"feed": "dumping_complaints", "category": "alley"}, {"business_parcel_id": None}, {})
    assert judge_events(rows, LAW)["event_id"].tolist() == ["police_reports:2"]


def test_violence_is_what_the_law_lists() -> None:
    rows = shares({"category": "homicide"}, {"category": "weapons"}, call(category="shooting"), call(category="shots_fired"))
    assert judge_events(rows, LAW)["is_violent"].tolist() == [True, False, True, False]


def states(rows: pd.DataFrame, as_of: str = "2026-06-01", *findings: Finding) -> pd.DataFrame:
    prepared = prepare(judge_events(rows, LAW), pair_records(rows), LAW)
    return states_on(prepared, findings, day_number(day(as_of)), LAW).set_index(["event_id", "business_parcel_id"])


def test_an_event_is_not_known_before_it_is_available() -> None:
    rows = shares({"at": day("2026-05-01"), "known": day("2026-05-04")})
    assert len(states(rows, "2026-05-03")) == 0
    assert len(states(rows, "2026-05-04")) == 1


@pytest.mark.parametrize(("minutes", "state"), [(0, "excluded"), (60, "excluded"), (-60, "excluded"), (61, "possible"), (-61, "possible")])
def test_a_call_within_the_hour_of_a_report_is_about_its_incident(minutes: int, state: str) -> None:
    rows = shares({"at": NOON, "event_id": "report"}, call(at=NOON + timedelta(minutes=minutes), event_id="call"))
    found = states(rows).loc[("call", PLACE)]
    assert found["state"] == state
    assert (found["duplicate_of"] == "report") == (state == "excluded")


def test_a_call_near_the_time_of_occurrence_is_about_the_incident() -> None:
    earlier = NOON - timedelta(hours=5)
    rows = shares({"at": NOON, "occurred_local": earlier, "event_id": "report"}, call(at=earlier, event_id="call"))
    assert states(rows).loc[("call", PLACE), "duplicate_of"] == "report"


def test_a_call_is_possible_until_the_report_is_known() -> None:
    rows = shares({"at": NOON, "known": day("2026-05-09"), "event_id": "report"}, call(at=NOON, event_id="call"))
    assert states(rows, "2026-05-08").loc[("call", PLACE), "state"] == "possible"
    assert states(rows, "2026-05-09").loc[("call", PLACE), "state"] == "excluded"


@pytest.mark.parametrize("row", [{"category": "theft"}, {"is_domestic": True}, {"business_parcel_id": OTHER_PLACE}, {"precision": "BLOCK"}])
def test_a_report_that_does_not_count_here_takes_no_call(row: dict) -> None:
    rows = shares({"at": NOON, "event_id": "report", **row}, call(at=NOON, event_id="call"))
    assert states(rows).loc[("call", PLACE), "state"] == "possible"


def test_of_several_calls_the_one_known_first_stands_for_the_incident() -> None:
    minutes = {"first": 0, "second": 40, "third": 80, "tomorrow": 24 * 60}
    rows = shares(*(call(at=NOON + timedelta(minutes=wait), event_id=name) for name, wait in minutes.items()))
    found = states(rows)["duplicate_of"].droplevel("business_parcel_id")
    assert found.fillna("").to_dict() == {"first": "", "second": "first", "third": "", "tomorrow": ""}


def test_calls_without_a_time_stand_for_themselves() -> None:
    rows = shares(*(call(at=NOON, event_id=name, reported_clock="date_only") for name in ("one", "two")))
    assert states(rows)["duplicate_of"].isna().all()


def test_a_reviewed_call_counts_and_the_others_are_about_its_incident() -> None:
    rows = shares(*(call(at=NOON + timedelta(minutes=wait), event_id=name) for name, wait in (("first", 0), ("second", 40))))
    review = Finding(day_number(day("2026-05-05")), PLACE, "second", CONFIRMED)
    assert states(rows, "2026-05-04", review)["state"].tolist() == ["possible", "excluded"]
    found = states(rows, "2026-05-05", review).droplevel("business_parcel_id")
    assert found["state"].to_dict() == {"first": "excluded", "second": "counts"}
    assert found.loc["first", "duplicate_of"] == "second"


def test_a_review_that_refuses_excludes_and_the_newest_review_holds() -> None:
    number = day_number(day("2026-05-05"))
    rows = shares(call(event_id="call"))
    said = [Finding(number, PLACE, "call", REFUSED), Finding(number + 1, PLACE, "call", CONFIRMED)]
    assert states(rows, "2026-05-05", *said)["reasons"].iloc[0] == ("needs_review", "review_rejected")
    assert states(rows, "2026-05-06", *said)["state"].iloc[0] == "counts"


def test_a_review_does_not_lift_what_the_law_says() -> None:
    rows = shares(call(event_id="call", category="domestic"))
    found = states(rows, "2026-06-01", Finding(0, PLACE, "call", CONFIRMED))
    assert (found["state"].iloc[0], found["reasons"].iloc[0]) == ("excluded", ("domestic",))


def test_an_objection_takes_an_event_out_until_it_is_decided() -> None:
    number, rows = day_number(day("2026-05-05")), shares({"event_id": "report"})
    objected = Finding(number, PLACE, "report", OBJECTED)
    assert states(rows, "2026-05-04", objected)["state"].iloc[0] == "counts"
    assert states(rows, "2026-05-05", objected)["reasons"].iloc[0] == ("objection_pending",)
    assert state_of(("objection_pending",)) == "possible"
    rejected = states(rows, "2026-05-06", objected, Finding(number + 1, PLACE, "report", REJECTED))
    assert rejected["state"].iloc[0] == "counts"
    accepted = states(rows, "2026-05-06", objected, Finding(number + 1, PLACE, "report", ACCEPTED))
    assert (accepted["state"].iloc[0], accepted["reasons"].iloc[0]) == ("excluded", ("objection_accepted",))


def test_an_objection_at_one_place_says_nothing_of_another() -> None:
    rows = shares({"event_id": "report"}, {"event_id": "report", "business_parcel_id": OTHER_PLACE})
    found = states(rows, "2026-06-01", Finding(0, PLACE, "report", OBJECTED))["state"]
    assert found.to_dict() == {("report", PLACE): "possible", ("report", OTHER_PLACE): "counts"}


def test_the_two_records_of_an_incident_under_two_numbers_are_one() -> None:
    """The open record, shared over the block, stops being possible once the exact record is known, at every place of the block."""
    opened = {"event_id": "open", "precision": "BLOCK", "record_systems": "open"}
    exact = {"event_id": "exact", "known": day("2026-05-10")}
    rows = shares(opened, opened | {"business_parcel_id": OTHER_PLACE}, exact)
    assert states(rows, "2026-05-09")["state"].tolist() == ["possible", "possible"]
    found = states(rows, "2026-05-10")
    assert found["state"].to_dict() == {("open", PLACE): "excluded", ("open", OTHER_PLACE): "excluded", ("exact", PLACE): "counts"}
    assert set(found.loc["open", "duplicate_of"]) == {"exact"}


@pytest.mark.parametrize(
    "other",
    [
        {"category": "drugs"}, {"block_key": "1100 LOCUST ST"}, {"at": NOON + timedelta(minutes=1)}, {"reported_clock": "date_only"},
        {"record_systems": "open"},
    ],
)  # fmt: skip
def test_records_that_differ_are_not_paired(other: dict) -> None:
    opened = {"event_id": "open", "precision": "BLOCK", "record_systems": "open", "at": NOON}
    rows = shares(opened, {"event_id": "exact", "at": NOON} | other)
    assert pair_records(rows).empty


def test_as_many_open_records_are_paired_as_there_are_exact_ones() -> None:
    opened = ({"event_id": f"open {i}", "record_systems": "open", "precision": "BLOCK"} for i in range(3))
    rows = shares(*opened, {"event_id": "exact"})
    assert pair_records(rows)[["event_id", "exact_event_id"]].to_numpy().tolist() == [["open 0", "exact"]]


@pytest.mark.parametrize(
    ("parcel", "types", "expected"),
    [("home", "GROCERY", True), ("hotel", "GROCERY", True), ("shop", "GROCERY", False), ("shop", "Hotels (except Casino Hotels)", True),
     (None, "GROCERY", None), (None, "Lessors of Residential Buildings", True), ("unknown", None, None)],
)  # fmt: skip
def test_where_people_live_is_known_by_land_use_and_licence(parcel: str | None, types: str | None, expected: bool | None) -> None:
    parcels = pd.DataFrame({"parcel_id": ["home", "hotel", "shop"], "land_use_code": ["1125", "1200", "2100"]}, dtype="str")
    places = pd.DataFrame({"business_parcel_id": ["x"], "parcel_id": [parcel], "business_types": [types]}).astype("str")
    found = has_dwelling(places, parcels).iloc[0]
    assert (None if pd.isna(found) else bool(found)) == expected
