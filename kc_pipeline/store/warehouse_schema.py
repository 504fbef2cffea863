"""What stands in the warehouse: history tables, pointers, views, comments; and how an older warehouse gets what is new.

Nothing is changed where everything is as it should be, so that opening a warehouse needs no lock and a reader's account
without rights to create anything can use it.  Changes only add: tables, columns at the end of tables and views.  Views are
replaced in place where the engine can, so that other views on them and rights given on them stay.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from kc_pipeline.catalog.reference import REFERENCE_TABLES
from kc_pipeline.catalog.render import to_arrow, to_sqlalchemy
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import LOOKUPS, MAP_VIEWS, PUBLISHED_MARTS, VIEWS
from kc_pipeline.store import bulk
from kc_pipeline.store.engines import WarehouseError, for_writing, is_locked_out, location
from kc_pipeline.store.reference_rows import ROWS_OF, edition

_LOCK_ATTEMPTS = 5
_LOCK_TIMEOUT = "1s"  # while a change waits for its lock, PostgreSQL lets readers queue behind it
_ADVISORY_KEY = 0x6B635F77  # two starts at once make changes one after the other
_POINT = "geom"

METADATA = sa.MetaData()
SNAPSHOTS = sa.Table(
    "snapshots", METADATA,
    sa.Column("mart", sa.Text, primary_key=True),
    sa.Column("snapshot_id", sa.Text, primary_key=True, comment="ascends with every snapshot that is made, whatever the clock says"),
    sa.Column("as_of", sa.Date, nullable=False, comment="the day the snapshot is of"),
    sa.Column("run_id", sa.Text, nullable=False, comment="the run that published it"),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("published_utc", sa.DateTime(timezone=True), nullable=False),
    sa.Column("lake_versions", sa.Text, nullable=False, comment="JSON: lake table -> Delta version it was made from"),
    sa.Column("pruned_utc", sa.DateTime(timezone=True), comment="when its rows left the warehouse; the lake keeps them"),
    sa.Index("ix_snapshots_as_of", "as_of"),
    comment="one snapshot of one mart that was published, also after its rows left the warehouse",
)  # fmt: skip
POINTERS = sa.Table(
    "current_snapshot", METADATA,
    sa.Column("mart", sa.Text, primary_key=True),
    sa.Column("snapshot_id", sa.Text, nullable=False, comment="the snapshot that the v1 view of the mart shows"),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.ForeignKeyConstraint(["mart", "snapshot_id"], ["snapshots.mart", "snapshots.snapshot_id"]),
    comment="one mart: what its view shows now",
)  # fmt: skip
COUNTER = sa.Table(
    "snapshot_counter", METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("newest", sa.BigInteger, nullable=False, comment="number of the newest snapshot id that was given out"),
    comment="the one row from which snapshot ids are taken",
)  # fmt: skip
DEFINITIONS = sa.Table(
    "view_definitions", METADATA,
    sa.Column("view_name", sa.Text, primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
    comment="one view or reference table: what it was made by, to see when it has to be made anew",
)  # fmt: skip


REFERENCES: Mapping[str, sa.Table] = {
    name: to_sqlalchemy(contract, name.split("/")[1], METADATA) for name, contract in REFERENCE_TABLES.items()
}


def _history(mart: str) -> sa.Table:
    contract = TABLES[mart]
    # A snapshot is of one day: without the day the key also serves to find a place within a snapshot.
    key = ("snapshot_id", *(name for name in contract.key if name != "as_of"))
    table = to_sqlalchemy(contract, f"{mart.split('/')[1]}_history", METADATA, key)
    table.append_constraint(sa.ForeignKeyConstraint(["as_of"], [REFERENCES["reference/dim_date"].c.calendar_date]))
    table.dialect_options["sqlite"]["with_rowid"] = False  # rows lie in the order of their key: smaller, and read in one go
    for columns in LOOKUPS.get(mart, ()):
        sa.Index(f"ix_{table.name}_{'_'.join(columns)}", *(table.c[name] for name in columns))
    return table


HISTORIES: Mapping[str, sa.Table] = {mart: _history(mart) for mart in PUBLISHED_MARTS}


@dataclass
class _Present:
    """What a database holds of ours: relation -> column -> comment, names of indexes, definitions, schema of PostGIS."""

    columns: dict[str, dict[str, str | None]] = field(default_factory=dict)
    comments: dict[str, str | None] = field(default_factory=dict)
    indexes: set[str] = field(default_factory=set)
    definitions: dict[str, str] = field(default_factory=dict)
    postgis: str | None = None


def prepare(engine: sa.Engine) -> None:
    """Make what is missing.

    Raises:
        WarehouseError: a view would lose columns, or another session holds a table that has to be changed.
    """
    with engine.connect() as connection:
        present = _look(connection)
        if not list(_changes(connection, present)) and not _outdated(present):
            return
    for attempt in range(_LOCK_ATTEMPTS):
        try:
            with for_writing(engine).begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_KEY})")
                present = _look(connection)
                for statement in _changes(connection, present):
                    connection.execute(statement)
                for table in _outdated(present):
                    _fill(connection, table)
            return
        except sa.exc.DBAPIError as error:
            if not is_locked_out(error):
                raise
            if attempt + 1 == _LOCK_ATTEMPTS or engine.name == "sqlite":  # which has waited for long already
                raise WarehouseError(
                    f"{location(engine)}: tables have to be changed for this version, and another session holds one of them "
                    "(a long transaction of a BI tool, or another run); end it and run again; what is published stays as it is"
                ) from error


def _outdated(present: _Present) -> list[str]:
    """Reference tables whose rows are not those that this version makes."""
    return [name for name, table in REFERENCES.items() if present.definitions.get(table.name) != edition(name)]


def _fill(connection: sa.Connection, name: str) -> None:
    """Write the rows of a reference table over what is there; facts may refer to them, so none is taken away."""
    table, rows = REFERENCES[name], ROWS_OF[name]()
    if connection.scalar(sa.select(sa.exists(sa.select(table)))):
        _write_over(connection, table, rows)
    else:
        bulk.append(connection, table, pa.Table.from_pylist(rows, schema=to_arrow(REFERENCE_TABLES[name])))
    connection.execute(sa.delete(DEFINITIONS).where(DEFINITIONS.c.view_name == table.name))
    connection.execute(sa.insert(DEFINITIONS).values(view_name=table.name, definition=edition(name)))


def _write_over(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    insert = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    written = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    connection.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=written), rows)


_LOOK_POSTGRESQL = """
SELECT c.relname, c.relkind::text, a.attname, col_description(c.oid, a.attnum), obj_description(c.oid, 'pg_class')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'p', 'v', 'i') AND c.relname IN :ours
ORDER BY c.oid, a.attnum"""
_LOOK_SQLITE = """
SELECT m.name, substr(m.type, 1, 1), p.name, NULL, NULL FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.name IN :ours
UNION ALL SELECT name, 'i', '', NULL, NULL FROM sqlite_master WHERE type = 'index' AND name IN :ours"""
_LOOK_POSTGIS = (
    "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis'"
)


def _look(connection: sa.Connection) -> _Present:
    present = _Present()
    is_postgresql = connection.dialect.name == "postgresql"
    indexes = [str(index.name) for table in METADATA.sorted_tables for index in table.indexes]
    ours = [*METADATA.tables, *VIEWS, *MAP_VIEWS.values(), *indexes]
    query = sa.text(_LOOK_POSTGRESQL if is_postgresql else _LOOK_SQLITE).bindparams(sa.bindparam("ours", expanding=True))
    for relation, kind, column, comment, of_relation in connection.execute(query, {"ours": ours}):
        if kind == "i":
            present.indexes.add(relation)
        else:
            present.columns.setdefault(relation, {})[column] = comment
            present.comments[relation] = of_relation
    if is_postgresql:
        present.postgis = connection.scalar(sa.text(_LOOK_POSTGIS))
    if DEFINITIONS.name in present.columns:
        present.definitions = {row.view_name: row.definition for row in connection.execute(sa.select(DEFINITIONS))}
    return present


def _changes(connection: sa.Connection, present: _Present) -> Iterator[sa.Executable]:
    """Statements that bring a database up to date; none if it is."""
    is_postgresql = connection.dialect.name == "postgresql"
    for table in METADATA.sorted_tables:
        yield from _table_changes(table, present, connection.dialect)
        if is_postgresql:
            yield from _comments("TABLE", table.name, table.comment, {c.name: c.comment for c in table.columns}, present)
    if COUNTER.name not in present.columns:
        yield sa.insert(COUNTER).values(id=1, newest=0)
    for view, (columns, body, of_columns, comment) in _views(present.postgis).items():
        yield from _view_changes(view, columns, body, present, is_replaceable=is_postgresql)
        if is_postgresql:
            yield from _comments("VIEW", view, comment, of_columns, present)


def _table_changes(table: sa.Table, present: _Present, dialect: sa.Dialect) -> Iterator[sa.Executable]:
    held = present.columns.get(table.name)
    if held is None:
        yield sa.schema.CreateTable(table)
    for column in table.columns:
        if held is not None and column.name not in held:
            yield sa.text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type.compile(dialect)}")
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if index.name not in present.indexes:
            yield sa.schema.CreateIndex(index)


def _views(postgis: str | None) -> dict[str, tuple[dict[str, str], str, dict[str, str | None], str]]:
    """View -> its columns as expressions, where they come from, descriptions of its columns, its own description."""
    found: dict[str, tuple[dict[str, str], str, dict[str, str | None], str]] = {}
    for view in VIEWS.values():
        columns = {name: f"h.{name}" for name in view.contract.column_names}
        notes: dict[str, str | None] = {column.name: column.description for column in view.contract.columns}
        source = f"({view.sql}) h" if view.sql else f"{REFERENCES[view.table].name} h" if view.table in REFERENCES else _current(view.table)
        found[view.name] = (columns, source, notes, view.contract.grain)
        if not view.sql and view.table in MAP_VIEWS and postgis:
            point = f"{postgis}.ST_SetSRID({postgis}.ST_MakePoint(h.longitude, h.latitude), 4326)::{postgis}.geometry(Point, 4326)"
            grain = f"{view.contract.grain}, as a point"
            found[MAP_VIEWS[view.table]] = (columns | {_POINT: point}, source, notes | {_POINT: "The place, EPSG:4326."}, grain)
    return found


def _current(mart: str) -> str:
    """The rows of a mart's current snapshot; looked up once for a statement."""
    pointer = f"SELECT p.snapshot_id FROM {POINTERS.name} p WHERE p.mart = '{mart}'"  # noqa: S608 - names of the catalogue
    return f"{HISTORIES[mart].name} h WHERE h.snapshot_id = ({pointer})"


def _view_changes(view: str, columns: Mapping[str, str], body: str, present: _Present, *, is_replaceable: bool) -> Iterator[sa.Executable]:
    held = present.columns.get(view, {}) if is_replaceable else {}
    gone = [name for name in held if name not in columns]
    if gone:
        raise WarehouseError(f"view {view} shows columns {gone} that the catalogue no longer has; a view only grows: make it v2_ beside it")
    order = [*held, *(name for name in columns if name not in held)]
    definition = f"SELECT {', '.join(f'{columns[name]} AS {name}' for name in order)} FROM {body}"  # noqa: S608 - names of the catalogue
    if set(present.columns.get(view, ())) == set(columns) and present.definitions.get(view) == definition:
        return
    if view in present.columns and not is_replaceable:  # SQLite: readers keep what they see until their transaction ends
        yield sa.text(f"DROP VIEW {view}")
    yield _literal(f"CREATE {'OR REPLACE ' if is_replaceable else ''}VIEW {view} AS {definition}")
    yield sa.delete(DEFINITIONS).where(DEFINITIONS.c.view_name == view)
    yield sa.insert(DEFINITIONS).values(view_name=view, definition=definition)


def _comments(
    kind: str, relation: str, comment: str | None, columns: Mapping[str, str | None], present: _Present
) -> Iterator[sa.Executable]:
    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    held = present.columns.get(relation, {})
    if comment and present.comments.get(relation) != comment:
        yield _literal(f"COMMENT ON {kind} {relation} IS {text(comment)}")
    for name, said in columns.items():
        if said and held.get(name) != said:
            yield _literal(f"COMMENT ON COLUMN {relation}.{name} IS {text(said)}")


def _literal(statement: str) -> sa.TextClause:
    """A statement as it stands, colons included."""
    return sa.text(statement.replace(":", "\\:"))
