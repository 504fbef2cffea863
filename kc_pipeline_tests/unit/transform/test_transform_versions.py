"""History of clean rows from one pull to the next."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from transform_rows import by_key, only, police_row, raw_table

from kc_pipeline.transform.police import clean
from kc_pipeline.transform.versions import carry_forward

LATER = datetime(2026, 7, 9, 12, tzinfo=UTC)
FIRST_SEEN = datetime(2026, 7, 2, 12, tzinfo=UTC)


def cleaned(*rows: dict[str, object], **defaults: object) -> pa.Table:
    return clean(raw_table(rows, **defaults)).clean


def pulled_again(*rows: dict[str, object]) -> pa.Table:
    return cleaned(*rows, pull_id="000002", page=3, pulled_at=LATER)


@pytest.mark.fault(18)
def test_an_unchanged_row_stays_as_it_was() -> None:
    old = cleaned(police_row())
    assert carry_forward(pulled_again(police_row()), old, "event_id").equals(old)


@pytest.mark.fault(16)
def test_a_corrected_row_gets_new_provenance_but_was_seen_first_when_it_was() -> None:
    row = only(carry_forward(pulled_again(police_row(beat="111")), cleaned(police_row()), "event_id"))
    assert (row["beat"], row["pull_id"], row["page"]) == ("111", "000002", 3)
    assert row["first_seen_utc"] == FIRST_SEEN


@pytest.mark.fault(17)
def test_rows_that_are_new_gone_and_elsewhere_in_the_table() -> None:
    old = cleaned(police_row(report_number="B"), police_row(report_number="GONE"))
    new = pulled_again(police_row(report_number="A"), police_row(report_number="B"))
    rows = by_key(carry_forward(new, old, "event_id"), "event_id")
    assert list(rows) == ["police_reports:A", "police_reports:B"]
    assert [(row["pull_id"], row["first_seen_utc"]) for row in rows.values()] == [("000002", LATER), ("000001", FIRST_SEEN)]


@pytest.mark.parametrize(("reported_before", "expected"), [("2026-06-03", date(2026, 6, 12)), ("2026-06-20", date(2026, 6, 19))])
def test_the_earlier_day_of_being_available_is_kept(reported_before: str, expected: date) -> None:
    old = cleaned(police_row(reported_at=f"{reported_before}T10:00:00.000"))
    assert only(carry_forward(pulled_again(police_row()), old, "event_id"))["available_date"] == expected


HELD = ["f7wj-ckmw/2026-06"]


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("held", "expected"), [(HELD, date(2026, 7, 9)), ([], date(2026, 6, 19))], ids=["of a month that was held", "backfilled"]
)
def test_a_late_row_is_available_from_the_day_on_which_it_was_seen(held: list[str], expected: date) -> None:
    old = cleaned(police_row(report_number="OTHER"))
    new = pulled_again(police_row(report_number="OTHER"), police_row(report_number="LATE"))
    rows = by_key(carry_forward(new, old, "event_id", held), "event_id")
    assert rows["police_reports:LATE"]["available_date"] == expected
    assert rows["police_reports:OTHER"]["available_date"] == date(2026, 6, 19)


@pytest.mark.fault(16)
def test_a_late_row_whose_date_is_moved_back_was_not_known_earlier() -> None:
    late = cleaned(police_row(), pulled_at=datetime(2026, 6, 12, 12, tzinfo=UTC))
    again = carry_forward(pulled_again(police_row(reported_at="2026-06-01T10:00:00.000")), late, "event_id", HELD)
    assert only(again)["available_date"] == date(2026, 6, 12)


def test_nothing_before_or_nothing_now() -> None:
    table = cleaned(police_row())
    assert carry_forward(table, table.slice(0, 0), "event_id").equals(table)
    assert carry_forward(table.slice(0, 0), table, "event_id").num_rows == 0
