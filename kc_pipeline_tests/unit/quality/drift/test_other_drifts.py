"""Places, lateness, bulk closes, columns and codes."""

from datetime import date

import pandas as pd
import pytest

from kc_pipeline.catalog.events import ENDED_CODES, ended_codes
from kc_pipeline.catalog.own_rules import RULE_OF_DRIFT
from kc_pipeline.catalog.rules import RULES
from kc_pipeline.quality.drift.closes import bulk_closes
from kc_pipeline.quality.drift.codes import unknown_codes
from kc_pipeline.quality.drift.lags import lag_drift
from kc_pipeline.quality.drift.locations import location_drift, location_shares
from kc_pipeline.quality.drift.schemas import schema_drift

AS_OF = date(2026, 7, 15)


def months(bad: dict[str, int], reason: str, rows: int = 200) -> pd.DataFrame:
    """Seven months; in each some rows for a reason, the rest located."""
    table = []
    for month in (f"2026-{number:02d}" for number in range(1, 8)):
        table += [(month, reason, bad.get(month, 2)), (month, None, rows - bad.get(month, 2))]
    return pd.DataFrame(table, columns=["month", "no_location_reason", "event_count"])


def test_more_missing_positions_than_usual_are_told_with_the_first_month() -> None:
    (drift,) = location_drift("f", months({"2026-06": 60, "2026-07": 90}, "missing"), AS_OF)
    assert (drift.kind, drift.since, drift.facts["share"]) == ("location_missing", date(2026, 6, 1), 0.45)
    assert drift.sentence == "f: 45 % of rows have no position since 2026-06, where 1 % did before."
    assert location_drift("f", months({}, "missing"), AS_OF) == []
    assert location_drift("f", months({"2026-05": 60}, "missing"), AS_OF) == []  # it is over
    assert location_drift("f", months({"2026-07": 9}, "missing", rows=20), AS_OF) == []  # too few rows to tell
    assert location_drift("f", months({"2026-07": 90}, "missing"), date(2026, 6, 30)) == []  # not yet known


def test_a_default_point_is_told_from_a_smaller_share_on() -> None:
    (drift,) = location_drift("f", months({"2026-07": 90}, "city_hall_default", rows=2_000), AS_OF)
    assert (drift.kind, drift.since) == ("location_sentinel", date(2026, 7, 1))


def test_shares_of_places_are_told_by_what_the_address_names() -> None:
    counts = pd.DataFrame(
        {"address_precision": ["block", "block", "exact"], "no_location_reason": [None, "missing", None], "event_count": [3, 1, 5]}
    )
    table = location_shares(counts)
    assert table.loc["block", ["located", "missing", "rows"]].tolist() == [0.75, 0.25, 4]
    assert table.at["exact", "located"] == 1.0


@pytest.mark.parametrize(("newest", "is_late"), [(date(2026, 6, 24), False), (date(2026, 6, 23), True)])
def test_a_feed_is_late_when_its_lag_does_not_explain_its_newest_event(newest: date, is_late: bool) -> None:
    found = lag_drift("f", newest, AS_OF, 9, 21)
    assert bool(found) is is_late
    if is_late:
        assert found[0].sentence == "f: the newest event is of 2026-06-23, 22 days ago; usually it takes 9 days."


def test_a_bulk_close_is_told_and_an_old_one_is_not() -> None:
    days = pd.date_range("2025-01-01", "2026-07-01").date
    closed = pd.DataFrame({"resolved_date": days, "event_count": 10})
    assert bulk_closes("f", closed) == []
    closed.loc[closed["resolved_date"] == date(2026, 3, 27), "event_count"] = 1_395
    closed.loc[closed["resolved_date"] == date(2025, 2, 1), "event_count"] = 1_395
    (drift,) = bulk_closes("f", closed)
    assert drift.sentence == "f: 1,395 requests were closed on 2026-03-27 alone, where a busy day has 10."
    assert bulk_closes("f", closed.iloc[:0]) == []


@pytest.mark.fault(19)
def test_columns_that_are_new_missing_or_retyped_are_named_and_map_columns_are_not() -> None:
    before = [("id", "text"), ("beat", "number"), ("area", "text"), (":@computed_region_x", "number")]
    after = [("id", "text"), ("beat", "text"), ("division", "text")]
    found = {(drift.kind, drift.subject): drift.sentence for drift in schema_drift("f", "abcd-1234", before, after, {"beat"})}
    assert found == {
        ("column_missing", "abcd-1234 area"): "f: data set abcd-1234 has no column 'area' any more; we do not read it.",
        ("column_new", "abcd-1234 division"): "f: data set abcd-1234 has a new column 'division' (text); we do not read it.",
        ("column_retyped", "abcd-1234 beat"): "f: data set abcd-1234 has 'beat' as text instead of number; we read it.",
    }
    assert schema_drift("f", "abcd-1234", before, before, set()) == []


def test_codes_without_a_category_are_counted_most_first() -> None:
    counts = pd.DataFrame(
        {
            "source_category": ["10-50", "SHOTS", "NEW CODE", None],
            "category": ["unknown", "shots_fired", "unknown", "unknown"],
            "event_count": [4, 90, 5, 1],
        }
    )
    found = unknown_codes("f", counts)
    assert [drift.subject for drift in found] == ["NEW CODE", "10-50", "(no category)"]
    assert found[0].sentence == "f: 'NEW CODE' (5 rows, 5 %) has no category; add it to kc_pipeline/catalog/events.py."
    assert found[0].facts == {"rows": 5, "share": 0.05, "codes_without_category": 3}


def test_every_kind_of_drift_breaks_a_rule_that_some_feed_has() -> None:
    names = {rule.name for rules in RULES.values() for rule in rules}
    assert set(RULE_OF_DRIFT.values()) <= names


def test_known_ends_are_told_by_feed() -> None:
    assert "Dumping in the Right-of-Way" in ended_codes("dumping_complaints")
    assert "Dumping in a Right-of-Way" not in ended_codes("dumping_complaints")  # nobody has looked into that one
    assert ended_codes("calls_911") == frozenset()
    assert all(period.note for period in ENDED_CODES)
