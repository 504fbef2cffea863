"""The warehouse: history is appended, the pointer moves by compare-and-set, views show one snapshot."""

import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.store.warehouse import PublishConflictError, Warehouse

MART, VIEW = "marts/source_quality", "v1_source_quality"
NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)


def quality(snapshot_id: str, as_of: date, count: int) -> pa.Table:
    row = {
        "as_of": as_of, "feed": "calls_911", "source_status": "fresh", "status_reason": "", "received_count": count,
        "good_count": count, "quarantined_count": 0, "duplicate_count": 0, "event_count": count, "newest_report_date": None,
        "usual_lag_days": 56, "covered_days_365d": 300, "snapshot_id": snapshot_id, "run_id": "r", "schema_version": "1",
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=to_arrow(TABLES[MART]))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(f"sqlite:///{tmp_path / 'w.sqlite'}")


def publish(warehouse: Warehouse, as_of: date, count: int, snapshot_id: str | None = None):
    rows = quality(snapshot_id or warehouse.next_snapshot_id(), as_of, count)
    return warehouse.publish({MART: rows}, as_of, "r", NOW, {"clean/calls_911": 3})


def test_the_view_shows_the_newest_day(warehouse: Warehouse) -> None:
    publish(warehouse, date(2026, 7, 1), 1)
    publish(warehouse, date(2026, 7, 2), 2)
    assert warehouse.read_view(VIEW)["received_count"].to_pylist() == [2]


def test_a_replay_of_an_older_day_is_kept_but_not_shown(warehouse: Warehouse) -> None:
    publish(warehouse, date(2026, 7, 2), 2)
    done = publish(warehouse, date(2026, 6, 1), 9)
    assert not done.is_current
    assert warehouse.read_view(VIEW)["as_of"].to_pylist() == [date(2026, 7, 2)]
    with warehouse.engine.connect() as connection:
        assert connection.scalar(sa.text("select received_count from source_quality_history where as_of = '2026-06-01'")) == 9


def test_publishing_a_snapshot_again_writes_nothing(warehouse: Warehouse) -> None:
    first = publish(warehouse, date(2026, 7, 1), 1, "s0000000001")
    again = publish(warehouse, date(2026, 7, 1), 1, "s0000000001")
    assert first.row_counts == {MART: 1}
    assert again.row_counts == {MART: 0}


def test_snapshot_ids_ascend(warehouse: Warehouse) -> None:
    ids = [publish(warehouse, date(2026, 7, day), day).snapshots[MART] for day in (1, 2, 3)]
    assert ids == sorted(set(ids))


def test_two_publishers_of_one_id_conflict(warehouse: Warehouse, tmp_path: Path) -> None:
    other = Warehouse(f"sqlite:///{tmp_path / 'w.sqlite'}")
    taken = other.next_snapshot_id()
    publish(warehouse, date(2026, 7, 1), 1, taken)
    with other.engine.begin() as connection:
        connection.execute(sa.text("delete from snapshots"))  # as if the other had read before this one published
    with pytest.raises(PublishConflictError, match="run again"):
        publish(other, date(2026, 7, 1), 5, taken)
    assert warehouse.read_view(VIEW)["received_count"].to_pylist() == [1]


def test_a_plain_sqlite_client_can_read_the_view(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, date(2026, 7, 1), 7)
    with sqlite3.connect(f"file:{tmp_path / 'w.sqlite'}?mode=ro", uri=True) as client:
        assert client.execute("select feed, received_count, as_of from v1_source_quality").fetchall() == [("calls_911", 7, "2026-07-01")]
        assert client.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_reader_keeps_its_snapshot_while_another_is_published(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, date(2026, 7, 1), 1)
    with sqlite3.connect(tmp_path / "w.sqlite") as reader:
        reader.execute("begin")
        before = reader.execute("select received_count from v1_source_quality").fetchall()
        publish(warehouse, date(2026, 7, 2), 2)
        assert reader.execute("select received_count from v1_source_quality").fetchall() == before == [(1,)]
    assert warehouse.read_view(VIEW)["received_count"].to_pylist() == [2]


def test_the_lake_versions_are_recorded(warehouse: Warehouse) -> None:
    publish(warehouse, date(2026, 7, 1), 1)
    with warehouse.engine.connect() as connection:
        assert connection.scalar(sa.text("select lake_versions from snapshots")) == '{"clean/calls_911": 3}'


def test_the_location_shows_no_password() -> None:
    url = sa.make_url("postgresql+psycopg://kc:secret@db/kc")
    assert "secret" not in url.render_as_string(hide_password=True)


def test_a_warehouse_of_an_earlier_minor_version_gets_the_new_columns(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, date(2026, 7, 1), 1)
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"DROP VIEW {VIEW}"))
        connection.execute(sa.text("ALTER TABLE source_quality_history DROP COLUMN covered_days_365d"))
        connection.execute(sa.text(f"CREATE VIEW {VIEW} AS SELECT feed FROM source_quality_history"))  # noqa: S608 - a fixed name
    opened = Warehouse(f"sqlite:///{tmp_path / 'w.sqlite'}")
    publish(opened, date(2026, 7, 2), 2)
    assert opened.read_view(VIEW)["covered_days_365d"].to_pylist() == [300]
    with opened.engine.connect() as connection:
        found = connection.execute(sa.text("select as_of, covered_days_365d from source_quality_history order by 1")).fetchall()
    assert found == [("2026-07-01", None), ("2026-07-02", 300)]
