"""Many rows at once arrive in SQLite as they are, whatever their columns share."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.store import bulk

VALUES = st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["it's", "''", "?", ":x", "a\0b", "\0", "", "é"]))


def arrived(rows: pa.Table) -> list[tuple[object, ...]]:
    engine = sa.create_engine("sqlite://")
    table = sa.Table("t", sa.MetaData(), *(sa.Column(name, sa.types.NullType()) for name in rows.column_names))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE t ({', '.join(rows.column_names)})")
        bulk.append(connection, table, rows)
        return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM t ORDER BY rowid")]


@settings(deadline=None)
@given(st.lists(VALUES, max_size=5), VALUES, st.integers(0, 5))
def test_texts_arrive_as_they_are_also_where_all_rows_share_them(own: list[str | None], shared: str | None, count: int) -> None:
    rows = pa.table({"a": pa.array(own, pa.string()), "b": pa.array([shared] * len(own), pa.string()), "n": range(len(own))})
    assert arrived(rows) == [(text, shared, number) for number, text in enumerate(own)]
    alike = pa.table({"a": pa.array([shared] * count, pa.string()), "b": pa.array([shared] * count, pa.string())})
    assert arrived(alike) == [(shared, shared)] * count


@pytest.mark.parametrize("count", [1, 3])
def test_dates_and_times_arrive_as_text_also_where_all_rows_share_them(count: int) -> None:
    moment = datetime(2026, 7, 1, 12, 30, 0, 250_000, tzinfo=UTC).replace(tzinfo=None)
    rows = pa.table({"day": [date(2026, 7, 1)] * count, "at": pa.array([moment] * count, pa.timestamp("us")), "x": [0.5] * count})
    assert arrived(rows) == [("2026-07-01", "2026-07-01 12:30:00.250000", 0.5)] * count
