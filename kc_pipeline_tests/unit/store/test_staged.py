"""Rows that were written ahead arrive in a table as if they had been handed over, or not at all."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from published_rows import FACTORS, MART, NOW, day, factors, quality

from kc_pipeline.catalog.views import PUBLISHED_MARTS
from kc_pipeline.store import bulk, warehouse
from kc_pipeline.store.staged import Staged, stage, take_over
from kc_pipeline.store.warehouse import Warehouse, WarehouseError

TEXTS = st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["it's", "?", "a\0b", "1", "1.5", "", "é"]))
ROWS = st.lists(st.tuples(TEXTS, st.floats() | st.none(), st.integers(-(2**63), 2**63 - 1) | st.none(), st.booleans()), max_size=5)
SCHEMA = pa.schema(
    {"text": pa.string(), "number": pa.float64(), "count": pa.int64(), "is so": pa.bool_(), "day": pa.date32(), "at": pa.timestamp("us")}
)
TABLE = sa.Table(
    "t", sa.MetaData(), sa.Column("text", sa.Text), sa.Column("number", sa.Double), sa.Column("count", sa.BigInteger),
    sa.Column("is so", sa.Boolean), sa.Column("day", sa.Date), sa.Column("at", sa.DateTime), sa.Column("more", sa.Text, server_default="m"),
)  # fmt: skip


def arrived(write: Callable[[sa.Connection], None]) -> list[tuple[object, ...]]:
    """Values and how SQLite keeps them, in the order in which they lie."""
    engine = sa.create_engine("sqlite://")
    TABLE.create(engine)
    typed = ", ".join(f'"{column.name}", typeof("{column.name}")' for column in TABLE.columns)
    with engine.begin() as connection:
        write(connection)
        held = connection.exec_driver_sql(f"SELECT {typed} FROM t ORDER BY rowid")
        return [tuple(repr(value) for value in row) for row in held]


@settings(deadline=None)
@given(ROWS)
def test_staged_rows_arrive_as_rows_that_are_handed_over(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[object, ...]]
) -> None:
    moment = datetime(2026, 7, 1, 12, 30, 0, 250_000, tzinfo=UTC).replace(tzinfo=None)
    rows = pa.Table.from_pylist([dict(zip(SCHEMA.names, (*row, date(2026, 7, 1), moment), strict=True)) for row in values], schema=SCHEMA)
    staged = stage(tmp_path_factory.mktemp("staged"), "marts.t", "s1", rows)
    assert (staged.snapshot_id, staged.row_count) == ("s1", len(values))
    taken_over = arrived(lambda connection: take_over(connection, TABLE, staged))
    assert taken_over == arrived(lambda connection: bulk.append(connection, TABLE, rows))


def test_a_file_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    stage(tmp_path, "t", "s1", pa.table({"text": ["a", "b"]}))
    staged = stage(tmp_path, "t", "s2", pa.table({"text": ["c"]}))
    assert [row[0] for row in arrived(lambda connection: take_over(connection, TABLE, staged))] == ["'c'"]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setattr(warehouse, "_WORTH_STAGING", 2)
    return Warehouse(f"sqlite:///{tmp_path / 'w.sqlite'}")


def test_a_publish_takes_over_what_was_staged_and_hands_over_the_rest(house: Warehouse, tmp_path: Path) -> None:
    marts = {MART: quality("s0000000001", day(1), 3), FACTORS: factors("s0000000002", day(1), 7)}
    ahead = {FACTORS: house.stage(FACTORS, marts[FACTORS], tmp_path / "staged"), MART: None}
    asked: list[str] = []

    def staged(mart: str) -> Staged | None:
        asked.append(mart)
        return ahead[mart]

    house.publish(marts, day(1), "r", NOW, {}, staged)
    assert asked == [FACTORS, MART], "what was made last is asked for first"
    for mart, rows in marts.items():
        assert house.read_snapshot(mart, rows["snapshot_id"][0].as_py()).to_pylist() == rows.sort_by(rows.column_names[1]).to_pylist()


def test_what_was_staged_is_read_from_its_file(house: Warehouse, tmp_path: Path) -> None:
    rows = factors("s0000000001", day(1), 7)
    ahead = house.stage(FACTORS, rows, tmp_path / "staged")
    assert ahead is not None
    with sqlite3.connect(ahead.file) as file:
        file.execute("UPDATE staged SET observation_count = 8")
    house.publish({FACTORS: rows}, day(1), "r", NOW, {}, lambda _mart: ahead)
    assert set(house.read_snapshot(FACTORS, "s0000000001")["observation_count"].to_pylist()) == {8}


@pytest.mark.parametrize(("snapshot_id", "places"), [("s0000000001", 3), ("s0000000002", 2)])
def test_what_was_staged_of_another_snapshot_is_not_published(house: Warehouse, tmp_path: Path, snapshot_id: str, places: int) -> None:
    ahead = house.stage(FACTORS, factors(snapshot_id, day(1), 1, places), tmp_path)
    assert ahead is not None
    rows = factors("s0000000002", day(1), 7)
    house.publish({FACTORS: rows}, day(1), "r", NOW, {}, lambda _mart: ahead)
    assert house.read_snapshot(FACTORS, "s0000000002").to_pylist() == rows.to_pylist()


def lose_a_row(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM staged WHERE rowid = 2")


def overwrite(file: Path) -> None:
    file.write_bytes(b"x" * 4096)


@pytest.mark.parametrize("spoil", [Path.unlink, overwrite, lose_a_row])
def test_a_file_that_does_not_hold_what_was_staged_publishes_nothing(
    house: Warehouse, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    rows = factors("s0000000001", day(1), 7)
    ahead = house.stage(FACTORS, rows, tmp_path)
    assert ahead is not None
    spoil(ahead.file)
    marts = {MART: quality("s0000000001", day(1), 3), FACTORS: rows}
    with pytest.raises((WarehouseError, sa.exc.DBAPIError)):
        house.publish(marts, day(1), "r", NOW, {}, lambda mart: ahead if mart == FACTORS else None)
    assert house.snapshots() == []
    assert house.read_snapshot(MART, "s0000000001").num_rows == house.read_snapshot(FACTORS, "s0000000001").num_rows == 0
    house.publish({FACTORS: rows}, day(1), "r", NOW, {})
    assert house.read_snapshot(FACTORS, "s0000000001").to_pylist() == rows.to_pylist()


def test_few_rows_are_not_staged(house: Warehouse, tmp_path: Path) -> None:
    assert house.stage(FACTORS, factors("s0000000001", day(1), 7, places=1), tmp_path / "staged") is None
    assert house.stage(FACTORS, factors("s0000000001", day(1), 7)[:0], tmp_path / "staged") is None
    assert not (tmp_path / "staged").exists()


def test_sqlite_takes_as_many_files_beside_a_database_as_there_are_marts() -> None:
    with sqlite3.connect(":memory:") as connection:
        assert len(PUBLISHED_MARTS) <= connection.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED)
