"""What an event counts as when objections come and go, reviews are made, and several reports lie near one call."""

from datetime import datetime, timedelta

import pytest
from ordinance_rows import LAW, PLACE, call, day, shares

from kc_pipeline.ordinance.countability import judge_events
from kc_pipeline.ordinance.incidents import pair_records
from kc_pipeline.ordinance.timeline import ACCEPTED, CONFIRMED, OBJECTED, REFUSED, REJECTED, Finding, prepare, states_on
from kc_pipeline.ordinance.windows import day_number

DAY = day_number(day("2026-05-10"))
REPORT = "police_reports:0"
NOON = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - wall clock


def said(rows, *kinds: str, event: str = REPORT):
    """The rows' states on the day after as many decisions, one a day."""
    findings = [Finding(DAY - len(kinds) + i, PLACE, event, kind) for i, kind in enumerate(kinds)]
    prepared = prepare(judge_events(rows, LAW), pair_records(rows), LAW)
    return states_on(prepared, findings, DAY, LAW).set_index("event_id")


@pytest.mark.parametrize(
    ("kinds", "reasons"),
    [
        ((), ()),
        ((OBJECTED,), ("objection_pending",)),
        ((OBJECTED, REJECTED), ()),
        ((OBJECTED, ACCEPTED), ("objection_accepted",)),
        ((OBJECTED, OBJECTED, REJECTED), ("objection_pending",)),
        ((OBJECTED, OBJECTED, REJECTED, REJECTED), ()),
        ((OBJECTED, OBJECTED, ACCEPTED), ("objection_accepted",)),
        ((OBJECTED, ACCEPTED, OBJECTED, REJECTED), ("objection_accepted",)),
        ((OBJECTED, REJECTED, OBJECTED), ("objection_pending",)),
        ((OBJECTED, OBJECTED, OBJECTED, REJECTED, REJECTED), ("objection_pending",)),
    ],
    ids=lambda value: "-".join(value) or "none",
)
def test_as_many_objections_wait_as_were_not_answered(kinds: tuple[str, ...], reasons: tuple[str, ...]) -> None:
    assert said(shares({"event_id": REPORT}), *kinds).loc[REPORT, "reasons"] == reasons


def test_an_answer_without_an_objection_answers_none_that_comes_later() -> None:
    found = said(shares({"event_id": REPORT}), REJECTED, OBJECTED, OBJECTED)
    assert found.loc[REPORT, "reasons"] == ("objection_pending",)


def test_a_decision_holds_from_its_day_on() -> None:
    rows = shares({"event_id": REPORT})
    prepared = prepare(judge_events(rows, LAW), pair_records(rows), LAW)
    for wait, reasons in ((0, ("objection_pending",)), (1, ())):
        finding = Finding(DAY + wait, PLACE, REPORT, OBJECTED)
        assert states_on(prepared, [finding], DAY, LAW)["reasons"].iloc[0] == reasons


@pytest.mark.parametrize(
    ("kinds", "needs_review", "is_refused"),
    [
        ((), True, False),
        ((CONFIRMED,), False, False),
        ((REFUSED,), True, True),
        ((CONFIRMED, REFUSED), True, True),
        ((REFUSED, CONFIRMED), False, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_the_newest_review_holds(kinds: tuple[str, ...], needs_review: bool, is_refused: bool) -> None:
    found = said(shares(call(event_id="calls_911:0")), *kinds, event="calls_911:0").loc["calls_911:0", "reasons"]
    assert ("needs_review" in found, "review_rejected" in found) == (needs_review, is_refused)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)], ids=str)
def test_of_several_reports_near_a_call_the_one_that_was_known_first_stands(order: tuple[int, int, int]) -> None:
    known = {f"police_reports:{letter}": lag for letter, lag in zip("abc", order, strict=True)}
    reports = [
        {"event_id": name, "at": NOON + timedelta(minutes=n), "known": NOON.date() + timedelta(days=1 + lag)}
        for n, (name, lag) in enumerate(known.items())
    ]
    found = said(shares(*reports, call(event_id="calls_911:0", at=NOON)))
    assert found.loc["calls_911:0", "duplicate_of"] == min(known, key=lambda name: known[name])
    assert found.loc["calls_911:0", "reasons"][-1] == "duplicate_incident"


def test_of_reports_known_on_one_day_the_lowest_id_stands() -> None:
    reports = [{"event_id": f"police_reports:{letter}", "at": NOON} for letter in "cab"]
    assert said(shares(*reports, call(event_id="calls_911:0", at=NOON))).loc["calls_911:0", "duplicate_of"] == "police_reports:a"


def test_places_and_documented_feeds_are_numbered() -> None:
    rows = shares({"business_parcel_id": "parcel:9"}, {"business_parcel_id": "parcel:2"}, {"business_parcel_id": "parcel:9"}, call())
    prepared = prepare(judge_events(rows, LAW), pair_records(rows), LAW)
    number = dict(zip(prepared["business_parcel_id"], prepared["place"], strict=True))
    assert sorted(number.values()) == [0, 1, 2]
    assert prepared["documented"].tolist() == [feed in LAW.documented_feeds for feed in prepared["feed"]]
