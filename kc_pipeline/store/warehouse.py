"""The warehouse that BI tools read: SQLite by default, PostgreSQL by the same code.

Every publish appends whole snapshots to `<mart>_history` and then moves one pointer row per mart by compare-and-set, all
in one transaction.  The `v1_*` views read what the pointers name, so a reader sees one snapshot or the next, never a mix,
and an older snapshot is a plain WHERE on the history.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from kc_pipeline.catalog.render import to_arrow, to_sqlalchemy
from kc_pipeline.catalog.tables import TABLES

PUBLISHED_MARTS: Mapping[str, str] = {
    "marts/business_risk": "v1_business_risk_current",
    "marts/business_risk_factors": "v1_business_risk_factors",
    "marts/threshold_status": "v1_threshold_status",
    "marts/threshold_events": "v1_threshold_events",
    "marts/source_quality": "v1_source_quality",
}


class PublishConflictError(RuntimeError):
    """Another run published in between; nothing of this publish is visible."""


@dataclass(frozen=True)
class Publication:
    """What a publish did.

    Attributes:
        snapshots: mart -> snapshot id that is in the warehouse now.
        row_counts: mart -> rows newly written (0 where the snapshot was there already).
        is_current: whether the v1 views show these snapshots (an older as_of is only added to the history).
    """

    snapshots: Mapping[str, str]
    row_counts: Mapping[str, int]
    is_current: bool


class Warehouse:
    """History tables, pointers and views in one database."""

    def __init__(self, url: str) -> None:
        """Open the database and create what is missing.

        Args:
            url: SQLAlchemy URL; a SQLite file's folder is created.
        """
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = sa.create_engine(parsed)
        if parsed.get_backend_name() == "sqlite":
            sa.event.listen(self.engine, "connect", _make_durable)
        self._metadata = sa.MetaData()
        self._snapshots = sa.Table(
            "snapshots", self._metadata,
            sa.Column("mart", sa.Text, primary_key=True),
            sa.Column("snapshot_id", sa.Text, primary_key=True),
            sa.Column("as_of", sa.Date, nullable=False),
            sa.Column("run_id", sa.Text, nullable=False),
            sa.Column("row_count", sa.BigInteger, nullable=False),
            sa.Column("published_utc", sa.DateTime(timezone=True), nullable=False),
            sa.Column("lake_versions", sa.Text, nullable=False, comment="JSON: lake table -> Delta version it was made from"),
        )  # fmt: skip
        self._pointers = sa.Table(
            "current_snapshot", self._metadata,
            sa.Column("mart", sa.Text, primary_key=True),
            sa.Column("snapshot_id", sa.Text, nullable=False),
            sa.Column("as_of", sa.Date, nullable=False),
        )  # fmt: skip
        self._histories = {mart: _history_table(mart, self._metadata) for mart in PUBLISHED_MARTS}
        self._metadata.create_all(self.engine)
        self._create_views(self._add_columns())

    @property
    def location(self) -> str:
        """Where the database is, without any password."""
        return self.engine.url.database or "" if self.engine.name == "sqlite" else self.engine.url.render_as_string(hide_password=True)

    def next_snapshot_id(self) -> str:
        """An id after every published one, whatever the clock says."""
        with self.engine.connect() as connection:
            newest = connection.scalar(sa.select(sa.func.max(self._snapshots.c.snapshot_id)))
        return f"s{int(newest[1:]) + 1 if newest else 1:010d}"

    def publish(
        self, marts: Mapping[str, pa.Table], as_of: date, run_id: str, published_utc: datetime, lake_versions: Mapping[str, int | None]
    ) -> Publication:
        """Add snapshots and, unless a later day is current, show them.

        Args:
            marts: mart -> all its rows for the day, each mart with one snapshot_id.
            as_of: the day.
            run_id: run that publishes.
            published_utc: when.
            lake_versions: Delta versions that the marts were made from.

        Raises:
            PublishConflictError: another run took the snapshot id or moved a pointer meanwhile.
        """
        ids = {mart: _only_snapshot(mart, rows) for mart, rows in marts.items()}
        written = dict.fromkeys(marts, 0)
        try:
            with self.engine.begin() as connection:
                pointers = {row.mart: row for row in connection.execute(sa.select(self._pointers))}
                current = all(mart not in pointers or pointers[mart].as_of <= as_of for mart in marts)
                for mart, rows in marts.items():
                    if not self._is_published(connection, mart, ids[mart]):
                        connection.execute(sa.insert(self._histories[mart]), rows.to_pylist())
                        connection.execute(
                            sa.insert(self._snapshots).values(
                                mart=mart, snapshot_id=ids[mart], as_of=as_of, run_id=run_id, row_count=rows.num_rows,
                                published_utc=published_utc, lake_versions=json.dumps(dict(lake_versions), sort_keys=True),
                            )
                        )  # fmt: skip
                        written[mart] = rows.num_rows
                    if current:
                        self._move_pointer(connection, mart, pointers.get(mart), ids[mart], as_of)
        except sa.exc.IntegrityError as error:
            raise PublishConflictError(f"snapshots {sorted(set(ids.values()))}: another run published them first; run again") from error
        return Publication(ids, written, current)

    def read_view(self, view: str) -> pa.Table:
        """All rows of a v1 view, in the contract's types.

        Raises:
            KeyError: there is no such view.
        """
        marts = {name: mart for mart, name in PUBLISHED_MARTS.items()}
        if view not in marts:
            raise KeyError(f"no view {view!r}; there are {sorted(marts)}")
        columns = [sa.column(c.name, c.type) for c in self._histories[marts[view]].columns]
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).select_from(sa.table(view))).mappings().all()
        return pa.Table.from_pylist([dict(row) for row in rows], schema=to_arrow(TABLES[marts[view]]))

    def _is_published(self, connection: sa.Connection, mart: str, snapshot_id: str) -> bool:
        where = (self._snapshots.c.mart == mart) & (self._snapshots.c.snapshot_id == snapshot_id)
        return bool(connection.scalar(sa.select(sa.exists().where(where))))

    def _move_pointer(self, connection: sa.Connection, mart: str, seen: Any, snapshot_id: str, as_of: date) -> None:
        if seen is None:
            connection.execute(sa.insert(self._pointers).values(mart=mart, snapshot_id=snapshot_id, as_of=as_of))
            return
        unmoved = (self._pointers.c.mart == mart) & (self._pointers.c.snapshot_id == seen.snapshot_id)
        moved = connection.execute(sa.update(self._pointers).where(unmoved).values(snapshot_id=snapshot_id, as_of=as_of))
        if moved.rowcount != 1:
            raise PublishConflictError(f"{mart}: the pointer left {seen.snapshot_id} while {snapshot_id} was being published; run again")

    def _add_columns(self) -> set[str]:
        """Give histories of an earlier minor version the columns that were added since; snapshots of before have none there."""
        inspector, changed = sa.inspect(self.engine), set()
        with self.engine.begin() as connection:
            quote = connection.dialect.identifier_preparer.quote
            for mart, history in self._histories.items():
                held = {column["name"] for column in inspector.get_columns(history.name)}
                for column in history.columns:
                    if column.name not in held:
                        kind = column.type.compile(connection.dialect)
                        connection.execute(sa.text(f"ALTER TABLE {quote(history.name)} ADD COLUMN {quote(column.name)} {kind}"))
                        changed.add(mart)
        return changed

    def _create_views(self, changed: set[str]) -> None:
        present = set(sa.inspect(self.engine).get_view_names())
        with self.engine.begin() as connection:
            for mart, view in PUBLISHED_MARTS.items():
                if view in present and mart not in changed:
                    continue
                if view in present:
                    connection.execute(sa.text(f"DROP VIEW {view}"))
                history = self._histories[mart]
                columns = ", ".join(f"h.{name}" for name in TABLES[mart].column_names)
                connection.execute(
                    sa.text(
                        f"CREATE VIEW {view} AS SELECT {columns} FROM {history.name} h "  # noqa: S608 - names of the catalogue
                        f"JOIN current_snapshot p ON p.snapshot_id = h.snapshot_id AND p.mart = '{mart}'"
                    )
                )


def _history_table(mart: str, metadata: sa.MetaData) -> sa.Table:
    contract = TABLES[mart]
    return to_sqlalchemy(contract, f"{mart.split('/')[1]}_history", metadata, ("snapshot_id", *contract.key))


def _only_snapshot(mart: str, rows: pa.Table) -> str:
    ids = rows["snapshot_id"].unique().to_pylist()
    if len(ids) != 1:
        raise ValueError(f"{mart}: one snapshot is published at a time, these rows have {ids}")
    return str(ids[0])


def _make_durable(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()
