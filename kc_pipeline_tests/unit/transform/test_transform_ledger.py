"""The account itself: what it refuses, and what a rejected row says."""

import json

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transform_rows import only, police_row, raw_table, request_row

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.transform.cleaners import CLEANERS
from kc_pipeline.transform.ledger import FRONT, Ledger, provenance
from kc_pipeline.transform.result import ReconciliationError


def open_streets(count: int = 3) -> tuple[Ledger, pd.DataFrame, pd.Series]:
    """A ledger of streets, all rows of which are good, its clean rows, and the key of each source row."""
    ledger = Ledger("streets", raw_table([{"data_set": "AGOL/MapServer/27", "partition": "whole"}] * count))
    rows = ledger.usable
    record_id = "streets:" + rows["row_id"]
    return ledger, pd.DataFrame({"record_id": record_id, **provenance(rows)}), record_id


def test_a_cleaner_that_accounts_for_every_row() -> None:
    ledger, clean, record_id = open_streets()
    assert only(ledger.close(clean, record_id).reconciliation)["good_count"] == 3


def test_a_lost_row_is_an_error() -> None:
    ledger, clean, record_id = open_streets()
    with pytest.raises(ReconciliationError, match="3 rows received"):
        ledger.close(clean.iloc[1:], record_id)


def test_a_lost_row_is_not_made_up_for_by_one_that_counts_twice() -> None:
    ledger, clean, record_id = open_streets()
    ledger.reject(pd.Series([True, False, False]), "some_rule", "{value}", record_id)
    with pytest.raises(ReconciliationError):
        ledger.close(clean.iloc[:2], record_id)


def test_a_clean_row_without_a_source_row_is_an_error() -> None:
    ledger, clean, record_id = open_streets()
    invented = clean.iloc[:1].assign(record_id="streets:invented")
    with pytest.raises(ReconciliationError, match="streets:invented"):
        ledger.close(pd.concat([clean, invented]), record_id)


def test_two_clean_rows_with_one_key_are_an_error() -> None:
    ledger, clean, record_id = open_streets()
    with pytest.raises(ReconciliationError, match="streets:row-1"):
        ledger.close(pd.concat([clean, clean.iloc[1:2]]), record_id)


@pytest.mark.parametrize(
    ("feed", "row", "change", "rule", "named"),
    [
        ("police_reports", police_row(), {"reported_at": "soon"}, "report_date_unreadable", "'soon'"),
        ("dumping_complaints", request_row(), {"opened_at": "1923-01-01"}, "report_date_out_of_range", "'1923-01-01'"),
        ("dumping_complaints", request_row(), {"request_id": None}, "identity_missing", "missing"),
    ],
)
def test_a_rejected_row_says_why_and_what_it_was(
    feed: str, row: dict[str, object], change: dict[str, object], rule: str, named: str
) -> None:
    rejected = only(CLEANERS[feed](raw_table([{**row, **change}])).quarantine)
    assert rejected["rule"] == rule
    assert named in str(rejected["reason"])
    given_texts = {name: value for name, value in {**row, **change}.items() if name != "data_set" and value is not None}
    assert json.loads(str(rejected["raw_row"])) == given_texts


@pytest.mark.parametrize(
    ("feed", "row", "key", "date"),
    [("police_reports", police_row(), "report_number", "reported_at"), ("dumping_complaints", request_row(), "request_id", "opened_at")],
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(kinds=st.lists(st.tuples(st.sampled_from(["good", "bad", "duplicate"]), st.integers(0, 2)), max_size=20))
def test_each_page_adds_up(feed: str, row: dict[str, object], key: str, date: str, kinds: list[tuple[str, int]]) -> None:
    rows = [{**row, "row_id": "first", "page": 0, key: "first"}]
    for number, (kind, page) in enumerate(kinds):
        change = {"good": {}, "bad": {date: "soon"}, "duplicate": {"row_id": "first", "page": page}}[kind]
        rows.append({**row, "page": page, key: f"N{number}", **change})
    result = CLEANERS[feed](raw_table(rows))
    told = [kind for kind, _ in kinds]
    account = only(result.reconciliation)
    counts = [account[f"{name}_count"] for name in ("received", "good", "quarantined", "duplicate", "event")]
    assert counts == [len(rows), told.count("good") + 1, told.count("bad"), told.count("duplicate"), told.count("good") + 1]
    assert result.quarantine.num_rows == told.count("bad")


@pytest.mark.parametrize("feed", list(CLEANERS))
@pytest.mark.parametrize("type_", [pa.string(), pa.null()])
def test_a_table_with_the_required_columns_only(feed: str, type_: pa.DataType) -> None:
    """Columns that a source never fills may be absent, or of no type at all; without values the row is kept or rejected, not lost."""
    data_set = FEEDS[feed].data_sets[0]
    raw = raw_table([{"data_set": data_set.id, "partition": "whole"}])
    for name in data_set.required:
        if name != "shape":
            raw = raw.append_column(name, pa.nulls(1, type_))
    result = CLEANERS[feed](raw.select([*FRONT, *raw.column_names[len(FRONT) :]]))
    assert result.clean.num_rows + result.quarantine.num_rows == 1


def test_what_is_not_known_to_be_bad_is_not_rejected() -> None:
    ledger, clean, record_id = open_streets()
    ledger.reject(pd.Series([True, pd.NA, False], dtype="boolean"), "some_rule", "{value}", record_id)
    assert len(ledger.usable) == 2
    assert only(ledger.close(clean.iloc[1:], record_id.iloc[1:]).quarantine)["line"] == 0


def test_a_rejected_row_is_kept_with_its_fields_in_the_order_of_their_names() -> None:
    rejected = only(CLEANERS["police_reports"](raw_table([police_row(reported_at="soon")])).quarantine)
    names = list(json.loads(str(rejected["raw_row"])))
    assert names == sorted(names)
    assert len(names) > 5


@pytest.mark.parametrize(("day", "is_good"), [("2026-07-01", True), ("2026-07-03", True), ("2026-07-04", False)])
def test_a_report_can_be_dated_up_to_a_day_after_the_pull(day: str, is_good: bool) -> None:
    cleaned = CLEANERS["police_reports"](raw_table([police_row(reported_at=f"{day}T06:00:00.000")], partition="2026-07"))
    assert (cleaned.clean.num_rows, cleaned.quarantine.num_rows) == ((1, 0) if is_good else (0, 1))
