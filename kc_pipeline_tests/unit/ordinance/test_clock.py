"""The clock against a count by hand, on random events, rules and days."""

from calendar import monthrange
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ordinance_rows import LAW, OTHER_PLACE, PLACE, call, day, shares

from kc_pipeline.ordinance.clock import MET, NEAR, replay, threshold_status
from kc_pipeline.ordinance.countability import COUNTS, EXCLUDED, POSSIBLE, judge_events, states_of
from kc_pipeline.ordinance.incidents import pair_records
from kc_pipeline.ordinance.repeats import repeated_windows
from kc_pipeline.ordinance.rules import Rule, RuleSet
from kc_pipeline.ordinance.timeline import ACCEPTED, CONFIRMED, OBJECTED, REFUSED, REJECTED, Finding, prepare, segments, states_on
from kc_pipeline.ordinance.windows import day_number, first_days, leaving_days

PLACES = pd.Index([PLACE, OTHER_PLACE, "parcel:3"])
# Days around both clock changes of 2026, the leap day of 2028 and the ends of months.
DAYS = st.one_of(
    st.dates(date(2026, 3, 1), date(2026, 3, 15)),
    st.dates(date(2026, 10, 25), date(2026, 11, 8)),
    st.dates(date(2027, 8, 20), date(2028, 9, 2)),
)


def law(
    window_days: int | None = 180, window_months: int | None = None, count: int = 5, violent: int = 0, *, earlier: bool = True
) -> RuleSet:
    """The law with one rule of its own."""
    rule = Rule("rule", "a rule", window_days, window_months, count, violent, 10)
    return RuleSet(**{**LAW.__dict__, "rules": (rule,), "counts_earlier_events": earlier})


LENGTHS = st.one_of(st.tuples(st.integers(1, 200), st.none()), st.tuples(st.none(), st.integers(1, 13)))
RULES = st.builds(lambda length, count, violent: law(*length, count, min(violent, count)), LENGTHS, st.integers(1, 4), st.integers(0, 2))
CATEGORIES = ["robbery", "simple_assault", "drugs", "theft", "unknown"]
# Place, days before the day that is looked at, days until it was known, category, precision, domestic.
DRAWN = st.tuples(
    st.sampled_from([PLACE, OTHER_PLACE]), st.one_of(st.integers(-2, 40), st.integers(41, 420)), st.integers(0, 40),
    st.sampled_from(CATEGORIES), st.sampled_from(["EXACT", "EXACT", "NEAR", "BLOCK"]), st.sampled_from([True, False, False, None]),
)  # fmt: skip
EVENTS = st.lists(DRAWN, max_size=25)


def dated(events: list, as_of: date) -> list[tuple[str, date, int, str, str, bool | None]]:
    """The events with the day of each, counted back from the day that is looked at."""
    return [(place, as_of - timedelta(days=ago), *rest) for place, ago, *rest in events]


def rows_of(events: list[tuple[str, date, int, str, str, bool | None]]) -> pd.DataFrame:
    names = ("business_parcel_id", "at", "known", "category", "precision", "is_domestic")
    known = [(place, at, at + timedelta(days=lag), *rest) for place, at, lag, *rest in events]
    return shares(*(dict(zip(names, event, strict=True)) for event in known))


def states(rows: pd.DataFrame, as_of: date, rule_set: RuleSet, findings: tuple[Finding, ...] = ()) -> pd.DataFrame:
    judged = judge_events(rows, rule_set)
    return states_on(prepare(judged, pair_records(rows), rule_set), findings, day_number(as_of), rule_set)


def status(rows: pd.DataFrame, as_of: date, rule_set: RuleSet, place: str = PLACE, findings: tuple[Finding, ...] = ()) -> pd.Series:
    found = threshold_status(states(rows, as_of, rule_set, findings), PLACES, rule_set, as_of)
    return found.set_index("business_parcel_id").loc[place]


def in_window(reported: date, rule: Rule, as_of: date) -> bool:
    if rule.window_days:
        return as_of - timedelta(days=rule.window_days) <= reported < as_of
    year, month = divmod(as_of.year * 12 + as_of.month - 1 - (rule.window_months or 0), 12)
    start = date(year, month + 1, min(as_of.day, monthrange(year, month + 1)[1]))
    return start <= reported < as_of


@settings(deadline=None, max_examples=60)
@given(EVENTS, RULES, DAYS)
@example([(PLACE, ago, 0, kind, "EXACT", False) for ago, kind in enumerate(CATEGORIES, 1)], law(30, None, 2, 1), day("2026-03-15"))
def test_counts_are_those_of_a_count_by_hand(drawn: list, rule_set: RuleSet, as_of: date) -> None:
    rule, events = rule_set.rules[0], dated(drawn, as_of)
    found = threshold_status(states(rows_of(events), as_of, rule_set), PLACES, rule_set, as_of).set_index("business_parcel_id")
    assert list(found.index) == sorted(PLACES)
    for place in PLACES:
        seen = [
            (kind, precision, domestic)
            for at, reported, lag, kind, precision, domestic in events
            if at == place and in_window(reported, rule, as_of) and reported + timedelta(days=lag) <= as_of
        ]
        listed = [(k, p, d) for k, p, d in seen if k != "theft" and d is not True]
        sure = [k for k, p, d in listed if p == "EXACT" and k != "unknown" and (d is False or k == "drugs")]
        row = found.loc[place]
        assert row["confirmed_count"] == len(sure)
        assert row["confirmed_violent_count"] == sure.count("robbery")
        assert row["possible_count"] == len(listed) - len(sure)
        assert row["possible_violent_count"] == sum(kind == "robbery" for kind, _, _ in listed) - sure.count("robbery")
        assert row["needed_count"] == max(rule.min_count - len(sure), rule.min_violent - sure.count("robbery"), 0)
        assert (row["threshold_status"] == MET) == (row["needed_count"] == 0)


@settings(deadline=None, max_examples=20)
@given(EVENTS, RULES, DAYS)
def test_the_days_that_are_left_are_those_that_pass_until_it_falls(drawn: list, rule_set: RuleSet, as_of: date) -> None:
    """Looking at later days without anything new shows when the count falls and when the rule is met no more."""
    known = [event for event in dated(drawn, as_of) if event[1] + timedelta(days=event[2]) <= as_of and event[1] < as_of]
    rows = rows_of(known)
    now = status(rows, as_of, rule_set)
    if now["confirmed_count"] == 0:
        assert pd.isna(now["count_falls_in_days"])
        return
    falls = int(now["count_falls_in_days"])
    assert status(rows, as_of + timedelta(days=falls - 1), rule_set)["confirmed_count"] == now["confirmed_count"]
    assert status(rows, as_of + timedelta(days=falls), rule_set)["confirmed_count"] < now["confirmed_count"]
    if now["threshold_status"] == MET:
        ends = int(now["met_for_days"])
        assert status(rows, as_of + timedelta(days=ends - 1), rule_set)["threshold_status"] == MET
        assert status(rows, as_of + timedelta(days=ends), rule_set)["threshold_status"] != MET
    else:
        assert pd.isna(now["met_for_days"])


@settings(deadline=None, max_examples=40)
@given(RULES, DAYS)
def test_an_event_leaves_its_window_once(rule_set: RuleSet, reported: date) -> None:
    rule, number = rule_set.rules[0], day_number(reported)
    leaves = int(leaving_days(rule, np.array([number]))[0])
    assert first_days(rule, np.array([leaves]))[0] > number >= first_days(rule, np.array([leaves - 1]))[0]


MOMENTS = st.datetimes(datetime(2026, 5, 1), datetime(2026, 5, 3))  # noqa: DTZ001 - wall clock
INCIDENTS = st.lists(
    st.tuples(st.sampled_from([PLACE, OTHER_PLACE]), MOMENTS, st.integers(0, 9), st.sampled_from(["EXACT", "BLOCK"]), st.booleans()),
    max_size=14,
)
KINDS = st.lists(
    st.tuples(st.integers(0, 13), st.sampled_from([OBJECTED, ACCEPTED, REJECTED, CONFIRMED, REFUSED]), st.integers(0, 14)), max_size=6
)


def incidents_of(drawn: list) -> pd.DataFrame:
    rows = []
    for i, (place, at, lag, precision, is_call) in enumerate(drawn):
        row = {"business_parcel_id": place, "at": at, "known": at.date() + timedelta(days=lag), "precision": precision}
        row["category"] = "simple_assault" if i % 3 else "robbery"
        rows.append(call(**row, event_id=f"calls_911:{i}") if is_call else {**row, "event_id": f"police_reports:{i}"})
    return shares(*rows)


def findings_of(rows: pd.DataFrame, drawn: list) -> tuple[Finding, ...]:
    first = day_number(day("2026-05-01"))
    return tuple(
        Finding(first + wait, rows["business_parcel_id"].iloc[i], rows["event_id"].iloc[i], kind)
        for i, kind, wait in drawn
        if i < len(rows)
    )


@settings(deadline=None, max_examples=25)
@given(INCIDENTS, KINDS, st.integers(0, 4), st.integers(0, 2))
@example([(PLACE, datetime(2026, 5, 1, 1), 0, "EXACT", False), *[(PLACE, datetime(2026, 5, 1, 9), 0, "EXACT", False)] * 2], [], 2, 2)  # noqa: DTZ001
def test_a_replay_says_of_each_day_what_was_said_on_it(drawn: list, decided: list, offset: int, violent: int) -> None:
    """On the day itself only what was known and recorded by then is there at all."""
    rule_set, rows = law(5, None, 2, violent), incidents_of(drawn)
    findings = findings_of(rows, decided)
    first, last = day("2026-05-01"), day("2026-05-16")
    prepared = prepare(judge_events(rows, rule_set), pair_records(rows), rule_set)
    changes = replay(segments(prepared, findings, rule_set, day_number(last)), rule_set, first, last)
    for as_of in pd.date_range(first + timedelta(days=offset), last, freq="5D").date:
        number = day_number(as_of)
        then = rows[pd.to_datetime(rows["available_date"]) <= pd.Timestamp(as_of)].reset_index(drop=True)
        said_then = tuple(finding for finding in findings if finding.day <= number)
        found = threshold_status(states(then, as_of, rule_set, said_then), PLACES, rule_set, as_of)
        held = changes[(changes["from_day"] <= pd.Timestamp(as_of)) & (changes["to_day"] > pd.Timestamp(as_of))].set_index(
            "business_parcel_id"
        )
        for row in found.itertuples():
            replayed = held.loc[row.business_parcel_id] if row.business_parcel_id in held.index else None
            for name in ("confirmed_count", "confirmed_violent_count", "possible_count", "possible_violent_count"):
                assert getattr(row, name) == (0 if replayed is None else replayed[name]), (as_of, name)
            assert replayed is None or replayed["is_met"] == (row.threshold_status == MET)


@settings(deadline=None, max_examples=25)
@given(INCIDENTS, KINDS, st.sampled_from(["theft", "drugs_domestic", "block", "unknown", "call"]), MOMENTS, st.integers(0, 9))
def test_an_event_that_does_not_count_changes_no_count(drawn: list, decided: list, kind: str, at: datetime, lag: int) -> None:
    rule_set, rows = law(30, None, 2), incidents_of(drawn)
    findings = findings_of(rows, decided)
    added = {"at": at, "known": at.date() + timedelta(days=lag), "event_id": "police_reports:added"}
    added |= {
        "theft": {"category": "theft"}, "drugs_domestic": {"category": "drugs", "is_domestic": True}, "block": {"precision": "BLOCK"},
        "unknown": {"category": "unknown"}, "call": call(event_id="calls_911:added"),
    }[kind]  # fmt: skip
    more = pd.concat([rows, shares(added)], ignore_index=True)
    for as_of in (day("2026-05-03"), day("2026-05-10"), day("2026-05-20")):
        before, after = (status(frame, as_of, rule_set, findings=findings) for frame in (rows, more))
        assert before["confirmed_count"] == after["confirmed_count"]


@pytest.mark.parametrize("precision", ["NEAR", "BLOCK", "INTERSECTION", "AREA", "NONE"])
def test_nothing_below_exact_counts(precision: str) -> None:
    rows = shares(*({"at": day(f"2026-05-{n:02d}"), "precision": precision} for n in range(1, 20)))
    found = status(rows, day("2026-06-01"), LAW_OF_FIVE)
    assert (found["confirmed_count"], found["possible_count"], found["threshold_status"]) == (0, 19, "clear")


LAW_OF_FIVE = law(180, None, 5)


def test_a_window_holds_its_first_day_and_not_its_last() -> None:
    rows = shares({"at": day("2026-01-01")})
    rule_set = law(30, None, 1)
    counted = {offset: status(rows, day("2026-01-01") + timedelta(days=offset), rule_set)["confirmed_count"] for offset in (0, 1, 30, 31)}
    assert counted == {0: 0, 1: 1, 30: 1, 31: 0}


def test_a_window_of_months_ends_with_short_months() -> None:
    rule_set = law(None, 6, 1)
    reported = shares({"at": day("2028-02-29")})
    assert status(reported, day("2028-08-29"), rule_set)["confirmed_count"] == 1
    assert status(reported, day("2028-08-31"), rule_set)["confirmed_count"] == 1, "six months before August 31 is the last of February"
    assert status(reported, day("2028-09-01"), rule_set)["confirmed_count"] == 0


def test_events_before_the_rule_set_do_not_count_unless_it_says_so() -> None:
    rows, as_of = shares({"at": LAW.effective_from - timedelta(days=1)}, {"at": LAW.effective_from}), LAW.effective_from + timedelta(days=9)
    assert status(rows, as_of, law(30, None, 1, earlier=False))["confirmed_count"] == 1
    assert status(rows, as_of, law(30, None, 1, earlier=True))["confirmed_count"] == 2


def test_windows_that_share_no_event_are_counted() -> None:
    days = ["2026-01-01", "2026-01-05", "2026-01-09", "2026-03-01", "2026-03-02", "2026-06-01", "2026-06-02"]
    found = status(shares(*({"at": day(text)} for text in days)), day("2026-06-10"), law(10, None, 2))
    assert (found["separate_windows_count"], found["days_since_last_window"], found["ladder_step"]) == (3, 8, "review")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=20), st.integers(1, 20), st.integers(1, 4), st.integers(0, 2))
def test_separate_windows_are_as_many_as_can_be(drawn: list[tuple[int, bool]], window: int, count: int, violent: int) -> None:
    """By hand: walk the days, and start anew after each one that completes a window."""
    rule_set, first = law(window, None, count, min(violent, count)), day("2026-03-01")
    rows = shares(*({"at": first + timedelta(days=n), "category": "robbery" if v else "drugs"} for n, v in drawn))
    expected, start = 0, 0
    for n in range(61):
        held = [v for at, v in drawn if max(start, n + 1 - window) <= at <= n]
        if any(at == n for at, _ in drawn) and len(held) >= count and sum(held) >= min(violent, count):
            expected, start = expected + 1, n + 1
    assert status(rows, first + timedelta(days=90), rule_set)["separate_windows_count"] == expected


def test_the_ladder_begins_where_one_incident_is_missing() -> None:
    rows = shares(*({"at": day(f"2026-05-{n:02d}"), "category": "drugs"} for n in range(1, 5)))
    found = status(rows, day("2026-06-01"), LAW_OF_FIVE)
    assert (found["threshold_status"], found["ladder_step"], found["needed_count"]) == (NEAR, "watch", 1)


def test_places_without_an_event_are_clear() -> None:
    found = status(shares(), day("2026-06-01"), LAW_OF_FIVE)
    assert (found["threshold_status"], found["confirmed_count"], found["needed_count"]) == ("clear", 0, 5)
    assert pd.isna(found["ladder_step"])


def test_states_follow_from_the_reasons() -> None:
    reasons = pd.Series([(), ("not_exact",), ("not_exact", "needs_review"), ("not_exact", "domestic"), ("theft",)], dtype=object)
    assert states_of(reasons).tolist() == [COUNTS, POSSIBLE, POSSIBLE, EXCLUDED, EXCLUDED]


def test_places_are_reckoned_apart() -> None:
    """Whatever the days, one place's windows never take in another's events; also on days before 1970."""
    for first in ("2026-03-01", "1960-03-01"):
        rule = law(3, None, 2).rules[0]
        day_of = np.array([0, 1, 1, 2, 9, 30, 31, 31, 60]) + day_number(day(first))
        place = np.array([0, 0, 1, 2, 1, 2, 2, 1, 0])
        violent = np.zeros(len(place), dtype=bool)
        windows, last = repeated_windows(place, day_of, violent, rule, 4)
        assert windows.tolist() == [1, 0, 1, 0]
        assert (last[[0, 2]] - day_number(day(first))).tolist() == [1, 31]


def test_pieces_that_no_window_holds_give_no_days() -> None:
    """Events of long before, and such as lie before the law where it does not reach back."""
    rows = shares({"at": day("2026-01-02")})
    for rule_set, first, last in (
        (law(5, None, 1), "2026-05-01", "2026-05-20"),
        (law(400, None, 1, earlier=False), LAW.effective_from.isoformat(), "2026-05-20"),
    ):
        if rule_set.counts_earlier_events or day("2026-01-02") < rule_set.effective_from:
            prepared = prepare(judge_events(rows, rule_set), pair_records(rows), rule_set)
            pieces = segments(prepared, (), rule_set, day_number(day(last)))
            assert len(pieces) == 1
            assert replay(pieces, rule_set, day(first), day(last)).empty
