"""What only PostgreSQL has: comments, points, rights, other people's views and transactions."""

from collections.abc import Callable

import pyarrow as pa
import pytest
import sqlalchemy as sa
from published_rows import NOW, VIEW, day, publish, shown

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import MAP_VIEWS, PUBLISHED_MARTS, VIEWS
from kc_pipeline.store.engines import WarehouseError
from kc_pipeline.store.warehouse import Warehouse


@pytest.fixture
def url(postgres_database: Callable[..., str]) -> str:
    return postgres_database()


def rows(url: str, statement: str) -> list[tuple]:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        done = connection.execute(sa.text(statement))
        return [tuple(row) for row in done] if done.returns_rows else []


def test_every_column_of_every_view_is_described(url: str) -> None:
    Warehouse(url)
    found = rows(
        url,
        "select c.relname, a.attname, col_description(c.oid, a.attnum) from pg_class c join pg_attribute a on a.attrelid = c.oid "
        "where c.relname like 'v1_%' and a.attnum > 0",
    )
    said = {(view, column): text for view, column, text in found}
    assert said == {(view.name, column.name): column.description for view in VIEWS.values() for column in view.contract.columns}


def test_keys_and_references_are_declared(url: str) -> None:
    Warehouse(url)
    kinds = "select conrelid::regclass::text, contype::text from pg_constraint where contype in ('p', 'f')"
    found = set(rows(url, kinds))
    for mart in PUBLISHED_MARTS:
        history = f"{mart.split('/')[1]}_history"
        assert {(history, "p"), (history, "f")} <= found


def test_rights_and_other_peoples_views_stay_through_publishes_and_new_columns(url: str) -> None:
    publish(Warehouse(url), day(1), 1)
    rows(url, f"create role reader; grant select on {VIEW} to reader; create view theirs as select feed, received_count from {VIEW}")
    rows(url, "alter table source_quality_history drop column covered_days_365d cascade")  # as an earlier version was: the view goes too
    rows(url, f"create or replace view {VIEW} as select feed, received_count from source_quality_history")
    rows(url, f"grant select on {VIEW} to reader; create or replace view theirs as select feed, received_count from {VIEW}")
    opened = Warehouse(url)
    publish(opened, day(2), 2)
    assert rows(url, "select distinct received_count from theirs") == [(2,)]
    assert rows(url, f"select distinct covered_days_365d from {VIEW}") == [(300,)]
    assert rows(url, f"select has_column_privilege('reader', '{VIEW}', 'covered_days_365d', 'select')") == [(True,)]
    rows(url, "drop owned by reader; drop role reader")


def test_a_view_that_would_lose_a_column_is_refused(url: str) -> None:
    Warehouse(url)
    rows(url, f"create or replace view {VIEW} as select *, 1 as more from ({_select_of(url, VIEW)}) as what_it_was")
    with pytest.raises(WarehouseError, match="make it v2_"):
        Warehouse(url)


def _select_of(url: str, view: str) -> str:
    return str(rows(url, f"select pg_get_viewdef('{view}'::regclass)")[0][0]).rstrip(";")


@pytest.mark.fault(34)
def test_a_long_transaction_sees_its_snapshot_and_stops_no_publish(url: str) -> None:
    warehouse = Warehouse(url)
    publish(warehouse, day(1), 1)
    reader = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="REPEATABLE READ")
    with reader.begin() as connection:
        query = sa.text(f"select distinct received_count from {VIEW}")
        before = connection.execute(query).fetchall()
        publish(warehouse, day(2), 2)
        assert shown(warehouse) == ([2], [2])
        assert connection.execute(query).fetchall() == before == [(1,)]
    reader.dispose()


def test_a_table_that_somebody_holds_is_not_changed_by_force(url: str) -> None:
    publish(Warehouse(url), day(1), 1)
    rows(url, f"drop view {VIEW}; alter table source_quality_history drop column covered_days_365d")
    reader = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with reader.begin() as connection:
        connection.execute(sa.text("select count(*) from source_quality_history"))
        with pytest.raises(WarehouseError, match="another session holds"):
            Warehouse(url)
    reader.dispose()
    opened = Warehouse(url)
    publish(opened, day(2), 2)
    assert shown(opened) == ([2], [2])


def test_places_are_points_where_postgis_is(postgres_database: Callable[..., str]) -> None:
    url = postgres_database(with_postgis=True)
    warehouse = Warehouse(url)
    mart = "marts/business_risk"
    values = {field.name: _example(field) for field in to_arrow(TABLES[mart])}
    given = warehouse.next_snapshot_id()
    places = [
        values | {"business_parcel_id": f"parcel:{n}", "snapshot_id": given, "as_of": day(1), "latitude": lat, "longitude": -94.58}
        for n, lat in enumerate((39.10, 39.11, None))
    ]
    warehouse.publish({mart: pa.Table.from_pylist(places, schema=to_arrow(TABLES[mart]))}, day(1), "r", NOW, {})
    view = MAP_VIEWS[mart]
    near = (
        f"select business_parcel_id, st_srid(geom), geometrytype(geom) from {view} "
        "where st_dwithin(geom::geography, st_setsrid(st_makepoint(-94.58, 39.1), 4326)::geography, 500)"
    )
    assert rows(url, near) == [("parcel:0", 4326, "POINT")]
    registered = rows(url, f"select coord_dimension, srid, type from geometry_columns where f_table_name = '{view}'")
    assert registered == [(2, 4326, "POINT")]


def _example(field: pa.Field) -> object:
    if pa.types.is_string(field.type):
        return "x"
    if pa.types.is_date(field.type):
        return day(1)
    return True if pa.types.is_boolean(field.type) else 1
