"""The warehouse on both engines: history is appended, the pointer moves by compare-and-set, views show one snapshot."""

import sqlite3
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from published_rows import FACTORS, FACTORS_VIEW, FEEDS, MART, NOW, VIEW, day, factors, publish, quality, shown

from kc_pipeline.catalog.reference import FIRST_DAY, LAST_DAY
from kc_pipeline.catalog.sources import FEEDS as ALL_FEEDS
from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.store.engines import location, open_engine
from kc_pipeline.store.lake import ContractError
from kc_pipeline.store.warehouse import PublishConflictError, Warehouse, WarehouseError


@pytest.fixture
def warehouse(warehouse_url: str) -> Warehouse:
    return Warehouse(warehouse_url)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    return tmp_path / "w.sqlite"


def scalar(warehouse: Warehouse, statement: str):
    with warehouse.engine.connect() as connection:
        return connection.scalar(sa.text(statement))


def test_the_view_shows_the_newest_day(warehouse: Warehouse) -> None:
    publish(warehouse, day(1), 1)
    publish(warehouse, day(2), 2)
    assert shown(warehouse) == ([2], [2])
    assert sorted(warehouse.read_view(VIEW)["feed"].to_pylist()) == sorted(FEEDS)


def test_every_value_comes_back_as_it_was_written(warehouse: Warehouse) -> None:
    given = warehouse.next_snapshot_id()
    rows = factors(given, day(1), 7)
    warehouse.publish({FACTORS: rows}, day(1), "r", NOW, {})
    found = warehouse.read_view(FACTORS_VIEW).sort_by("business_parcel_id")
    assert found.to_pylist() == rows.sort_by("business_parcel_id").to_pylist()
    assert found.schema.types == rows.schema.types


def test_a_replay_of_an_older_day_is_kept_but_not_shown(warehouse: Warehouse) -> None:
    publish(warehouse, day(2), 2)
    done = publish(warehouse, day(-20), 9)
    assert not done.is_current
    assert shown(warehouse) == ([2], [2])
    older = f"select distinct received_count from source_quality_history where as_of = '{day(-20)}'"
    assert scalar(warehouse, older) == 9


def test_a_day_that_is_said_anew_replaces_what_was_shown_of_it(warehouse: Warehouse) -> None:
    publish(warehouse, day(1), 1)
    publish(warehouse, day(1), 2)
    assert shown(warehouse) == ([2], [2])
    assert scalar(warehouse, "select count(distinct snapshot_id) from source_quality_history") == 2


def test_publishing_a_snapshot_again_writes_nothing(warehouse: Warehouse) -> None:
    first = publish(warehouse, day(1), 1, "s0000000001")
    again = publish(warehouse, day(1), 1, "s0000000001")
    assert first.row_counts == {MART: 3, FACTORS: 3}
    assert again.row_counts == {MART: 0, FACTORS: 0}
    assert shown(warehouse) == ([1], [1])


def test_a_snapshot_id_of_other_rows_is_refused(warehouse: Warehouse) -> None:
    publish(warehouse, day(1), 1, "s0000000001")
    with pytest.raises(WarehouseError, match="another lake"):
        publish(warehouse, day(2), 1, "s0000000001")
    assert shown(warehouse) == ([1], [1])


@pytest.mark.fault(37)
def test_snapshot_ids_ascend_whatever_was_published_and_nobody_gets_the_same(warehouse: Warehouse, warehouse_url: str) -> None:
    other = Warehouse(warehouse_url)
    publish(warehouse, day(1), 1, "s0000000041")
    ids = [each.next_snapshot_id() for each in (warehouse, other, warehouse)]
    assert ids == ["s0000000042", "s0000000043", "s0000000044"]


def test_a_pointer_that_moved_meanwhile_is_not_overwritten(
    warehouse: Warehouse, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(warehouse, day(1), 1)
    seen = warehouse._pointers()
    publish(Warehouse(warehouse_url), day(2), 2)
    monkeypatch.setattr(warehouse, "_pointers", lambda: seen)
    with pytest.raises(PublishConflictError, match="run again"):
        publish(warehouse, day(3), 3)
    assert shown(warehouse) == ([2], [2])
    assert scalar(warehouse, "select max(received_count) from source_quality_history") == 2


@pytest.mark.fault(35)
def test_rows_that_break_the_contract_are_not_published(warehouse: Warehouse) -> None:
    publish(warehouse, day(1), 1)
    broken = quality("s0000000009", day(2), 2).drop_columns(["source_status"])
    with pytest.raises(ContractError, match="source_status"):
        warehouse.publish({MART: broken}, day(2), "r", NOW, {})
    assert shown(warehouse)[0] == [1]


def test_marts_of_two_snapshots_or_of_none_are_refused(warehouse: Warehouse) -> None:
    two = pa.concat_tables([quality("s0000000001", day(1), 1, ["calls_911"]), quality("s0000000002", day(1), 1, ["parcels"])])
    with pytest.raises(ValueError, match="one snapshot"):
        warehouse.publish({MART: two}, day(1), "r", NOW, {})
    with pytest.raises(ValueError, match="score the day first"):
        warehouse.publish({MART: two.slice(0, 0)}, day(1), "r", NOW, {})


def test_a_mart_without_rows_is_shown_as_empty(warehouse: Warehouse) -> None:
    publish(warehouse, day(1), 1)
    nothing = factors("s0000000002", day(2), 2).slice(0, 0)
    warehouse.publish({MART: quality("s0000000002", day(2), 2), FACTORS: nothing}, day(2), "r", NOW, {})
    assert shown(warehouse) == ([2], [])


def test_the_lake_versions_are_recorded(warehouse: Warehouse) -> None:
    publish(warehouse, day(1), 1)
    newest = warehouse.snapshots()[0]
    assert newest["lake_versions"] == {MART: 3, FACTORS: 4}
    assert newest["is_current"]


def test_dimensions_that_do_not_change_with_the_day_are_there_from_the_start(warehouse: Warehouse) -> None:
    days = warehouse.read_view("v1_dim_date").sort_by("calendar_date").to_pylist()
    assert (days[0]["calendar_date"], days[-1]["calendar_date"], len(days)) == (FIRST_DAY, LAST_DAY, (LAST_DAY - FIRST_DAY).days + 1)
    of = {row["calendar_date"]: row for row in days}
    assert [of[date(2026, 3, n)]["day_hours"] for n in (7, 8, 9)] == [24, 23, 24]
    assert [of[date(2026, 11, n)]["day_hours"] for n in (1, 2)] == [25, 24]
    assert (of[date(2026, 4, 30)]["fiscal_year"], of[date(2026, 5, 1)]["fiscal_year"]) == ("2025-26", "2026-27")
    assert (of[date(2026, 7, 3)]["is_federal_holiday"], of[date(2026, 7, 4)]["is_federal_holiday"]) == (True, False)
    assert (of[date(2026, 12, 31)]["quarter"], of[date(2026, 12, 31)]["iso_weekday"]) == ("2026-Q4", 4)
    assert set(warehouse.read_view("v1_dim_feed")["feed"].to_pylist()) == set(ALL_FEEDS)


def test_opening_again_changes_nothing(warehouse: Warehouse, warehouse_url: str) -> None:
    statements: list[str] = []
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda _c, _cur, statement, *_: statements.append(statement))
    Warehouse(warehouse_url)
    assert statements
    assert not [statement for statement in statements if not statement.lstrip().upper().startswith(("SELECT", "SHOW", "BEGIN"))]


def test_rows_of_another_edition_of_a_dimension_are_written_over(warehouse: Warehouse, warehouse_url: str) -> None:
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text("update dim_feed set publisher = 'nobody'"))
        connection.execute(sa.text("update view_definitions set definition = 'older' where view_name = 'dim_feed'"))
    opened = Warehouse(warehouse_url)
    assert "nobody" not in opened.read_view("v1_dim_feed")["publisher"].to_pylist()


def test_a_warehouse_of_an_earlier_minor_version_gets_the_new_columns(warehouse: Warehouse, warehouse_url: str) -> None:
    publish(warehouse, day(1), 1)
    with warehouse.engine.begin() as connection:
        connection.execute(sa.text(f"DROP VIEW {VIEW}"))
        connection.execute(sa.text("ALTER TABLE source_quality_history DROP COLUMN covered_days_365d"))
        connection.execute(sa.text(f"CREATE VIEW {VIEW} AS SELECT feed FROM source_quality_history"))
    opened = Warehouse(warehouse_url)
    publish(opened, day(2), 2)
    assert set(opened.read_view(VIEW)["covered_days_365d"].to_pylist()) == {300}
    assert scalar(opened, "select count(*) from source_quality_history where covered_days_365d is null") == 3


def test_a_day_outside_the_calendar_cannot_be_published(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="not in the calendar"):
        publish(warehouse, date(1999, 1, 1), 1)


def test_an_unknown_view_is_named_with_those_that_there_are(warehouse: Warehouse) -> None:
    with pytest.raises(KeyError, match="v1_business_risk_current"):
        warehouse.read_view("v9")
    assert all(warehouse.read_view(view).num_rows >= 0 for view in VIEWS)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://kc:secret@db/kc", "can lie in SQLite"),
        ("no url, secret", "is not an SQLAlchemy URL"),
        ("postgresql://kc:secret@db:port/kc", "is not an SQLAlchemy URL"),
    ],
)
def test_what_is_no_warehouse_is_refused_without_telling_a_password(url: str, message: str) -> None:
    with pytest.raises(WarehouseError, match=message) as caught:
        open_engine(url)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_location_shows_no_user_or_password() -> None:
    assert location(open_engine("postgresql://kc:secret@db:5433/city?sslmode=require")) == "postgresql://db:5433/city"


def test_a_plain_sqlite_client_can_read_the_view(sqlite_file: Path) -> None:
    publish(Warehouse(f"sqlite:///{sqlite_file}"), day(1), 7)
    with sqlite3.connect(f"file:{sqlite_file}?mode=ro", uri=True) as client:
        found = client.execute("select received_count, as_of from v1_source_quality where feed = 'calls_911'").fetchall()
        assert found == [(7, "2026-07-01")]
        assert client.execute("pragma journal_mode").fetchone() == ("wal",)


def test_the_sqlite_file_is_whole_when_nobody_has_it_open(sqlite_file: Path) -> None:
    publish(Warehouse(f"sqlite:///{sqlite_file}"), day(1), 7)
    assert [path.name for path in sqlite_file.parent.iterdir()] == [sqlite_file.name]
