"""The warehouse that BI tools read: SQLite by default, PostgreSQL by the same code.

Every publish appends whole snapshots to `<mart>_history` and then moves one pointer row per mart by compare-and-set, all
in one transaction.  The `v1_*` views read what the pointers name, so a reader sees one snapshot or the next, never a mix,
and an older snapshot is a plain WHERE on the history.  Tables and views are made in `warehouse_schema.py`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from kc_pipeline.catalog.reference import FIRST_DAY, LAST_DAY
from kc_pipeline.catalog.render import to_arrow, to_sqlalchemy
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import PUBLISHED_MARTS, VIEWS
from kc_pipeline.store import bulk
from kc_pipeline.store.engines import WarehouseError, for_writing, is_locked_out, location, open_engine
from kc_pipeline.store.lake import checked_rows
from kc_pipeline.store.staged import Staged, stage, take_over
from kc_pipeline.store.warehouse_schema import COUNTER, HISTORIES, POINTERS, SNAPSHOTS, prepare

__all__ = ["PUBLISHED_MARTS", "Publication", "PublishConflictError", "Warehouse", "WarehouseError"]

_WORTH_STAGING = 5_000  # rows


class PublishConflictError(WarehouseError):
    """Another run published in between; nothing of this publish is visible."""


@dataclass(frozen=True)
class Publication:
    """What a publish did.

    Attributes:
        snapshots: mart -> snapshot id that is in the warehouse now.
        row_counts: mart -> rows newly written (0 where the snapshot was there already).
        is_current: whether the v1 views show these snapshots (an older day is only added to the history).
    """

    snapshots: Mapping[str, str]
    row_counts: Mapping[str, int]
    is_current: bool


class Warehouse:
    """History tables, pointers and views in one database."""

    def __init__(self, url: str) -> None:
        """Open the database and create what is missing.

        Args:
            url: SQLAlchemy URL, `sqlite:///file` or `postgresql://...`; a SQLite file's folder is created.

        Raises:
            WarehouseError: the URL cannot be used, or the tables cannot be brought up to date now.
        """
        self.engine = open_engine(url)
        self._writer = for_writing(self.engine)
        prepare(self.engine)

    @property
    def location(self) -> str:
        """Where the database is, without user or password."""
        return location(self.engine)

    def next_snapshot_id(self) -> str:
        """An id after every one given out or published, whatever the clock says; no other run gets the same."""
        with self._writer.begin() as connection:
            given = int(connection.execute(sa.select(COUNTER.c.newest).with_for_update()).scalar_one())
            published = connection.scalar(sa.select(sa.func.max(SNAPSHOTS.c.snapshot_id)))
            newest = max(given, int(published[1:]) if published else 0) + 1
            connection.execute(sa.update(COUNTER).values(newest=newest))
        return f"s{newest:010d}"

    def stage(self, mart: str, rows: pa.Table, folder: Path) -> Staged | None:
        """Write a mart's rows ahead for `publish`; None where that would save nothing: few rows, or another database than SQLite.

        Args:
            mart: its name in the catalogue.
            rows: all its rows for a day, of one snapshot.
            folder: where they wait.

        Raises:
            OSError, sqlite3.Error: they cannot be written.
        """
        if self.engine.name != "sqlite" or rows.num_rows < _WORTH_STAGING:
            return None
        return stage(folder, HISTORIES[mart].name, rows["snapshot_id"][0].as_py(), _in_order_of_key(mart, rows))

    def publish(
        self,
        marts: Mapping[str, pa.Table],
        as_of: date,
        run_id: str,
        published_utc: datetime,
        lake_versions: Mapping[str, int | None],
        staged: Callable[[str], Staged | None] = lambda _mart: None,
    ) -> Publication:
        """Add snapshots and, unless a later one is current, show them.

        A snapshot that is in the warehouse already is not written again.  The day before, and on one day the id, decides
        what is later.

        Args:
            marts: mart -> all its rows for the day, each mart with one snapshot_id; a mart without rows is shown as empty.
            as_of: the day.
            run_id: run that publishes.
            published_utc: when.
            lake_versions: Delta versions that the marts were made from.
            staged: mart -> its rows if they were written ahead; asked within the transaction, for the newest snapshot first.

        Raises:
            ContractError: rows do not fit their mart's contract; nothing was written.
            ValueError: the rows are not of one day and one snapshot per mart, or the day is not in the calendar.
            PublishConflictError: another run moved a pointer or published one of the snapshots meanwhile.
            WarehouseError: a snapshot id stands for other rows there.
        """
        marts = {mart: checked_rows(TABLES[mart], rows) for mart, rows in sorted(marts.items())}
        ids = _snapshot_ids(marts, as_of)
        if not FIRST_DAY <= as_of <= LAST_DAY:
            raise ValueError(f"{as_of} is not in the calendar, which goes from {FIRST_DAY} to {LAST_DAY} (catalog/reference.py)")
        seen = self._pointers()
        is_current = all(mart not in seen or (seen[mart].as_of, seen[mart].snapshot_id) <= (as_of, ids[mart]) for mart in marts)
        written = dict.fromkeys(marts, 0)
        try:
            with self._writer.begin() as connection:
                for mart, rows in sorted(marts.items(), key=lambda named: ids[named[0]], reverse=True):
                    if not self._is_held(connection, mart, ids[mart], as_of, rows.num_rows):
                        connection.execute(
                            sa.insert(SNAPSHOTS).values(
                                mart=mart, snapshot_id=ids[mart], as_of=as_of, run_id=run_id, row_count=rows.num_rows,
                                published_utc=published_utc, lake_versions=json.dumps(dict(lake_versions), sort_keys=True),
                            )
                        )  # fmt: skip
                        ahead = staged(mart)
                        if ahead is not None and (ahead.snapshot_id, ahead.row_count) == (ids[mart], rows.num_rows):
                            take_over(connection, HISTORIES[mart], ahead)
                        else:
                            bulk.append(connection, HISTORIES[mart], _in_order_of_key(mart, rows))
                        written[mart] = rows.num_rows
                for mart in marts if is_current else ():
                    self._move_pointer(connection, mart, seen.get(mart), ids[mart], as_of)
        except sa.exc.DBAPIError as error:
            if isinstance(error, sa.exc.IntegrityError):
                raise PublishConflictError(f"{_listed(ids)} of {as_of}: another run published them first; run again") from error
            if is_locked_out(error):
                raise PublishConflictError(f"{_listed(ids)} of {as_of}: another run is publishing and did not end; run again") from error
            raise
        return Publication(ids, written, is_current)

    def read_view(self, view: str, most: int | None = None) -> pa.Table:
        """Rows of a view, in its contract's types.

        Args:
            view: its name.
            most: how many rows at most, whichever; None: all.

        Raises:
            KeyError: there is no such view.
        """
        if view not in VIEWS:
            raise KeyError(f"no view {view!r}; there are {sorted(VIEWS)}")
        contract = VIEWS[view].contract
        named = to_sqlalchemy(contract, view, sa.MetaData())
        return self._read(sa.select(*named.columns).limit(most), to_arrow(contract))

    def count_view(self, view: str) -> int:
        """Rows that a view shows.

        Raises:
            KeyError: there is no such view.
        """
        with self.engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(sa.table(VIEWS[view].name))).scalar_one())

    def read_snapshot(self, mart: str, snapshot_id: str) -> pa.Table:
        """Rows of one snapshot as the warehouse holds them; none if it was never published or was pruned."""
        history = HISTORIES[mart]
        columns = [history.c[name] for name in TABLES[mart].column_names]
        return self._read(sa.select(*columns).where(history.c.snapshot_id == snapshot_id), to_arrow(TABLES[mart]))

    def snapshots(self) -> list[dict[str, Any]]:
        """Every snapshot that was published, newest id first; `lake_versions` as a mapping, `is_current` where a view shows it."""
        shown = {(mart, pointer.snapshot_id) for mart, pointer in self._pointers().items()}
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(SNAPSHOTS).order_by(SNAPSHOTS.c.snapshot_id.desc(), SNAPSHOTS.c.mart)).mappings().all()
        return [
            {**row, "lake_versions": json.loads(row["lake_versions"]), "is_current": (row["mart"], row["snapshot_id"]) in shown}
            for row in rows
        ]

    def _pointers(self) -> dict[str, Any]:
        with self.engine.connect() as connection:
            return {row.mart: row for row in connection.execute(sa.select(POINTERS))}

    def _read(self, query: sa.Select[Any], schema: pa.Schema) -> pa.Table:
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
        # A snapshot of an earlier minor version has nothing in the columns that were added since, whatever the contract says.
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        fields = [field.with_nullable(True) if values.null_count else field for field, values in zip(schema, arrays, strict=True)]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _is_held(self, connection: sa.Connection, mart: str, snapshot_id: str, as_of: date, row_count: int) -> bool:
        """Whether a snapshot is in the warehouse; also where its rows were pruned: those are read from the lake."""
        where = (SNAPSHOTS.c.mart == mart) & (SNAPSHOTS.c.snapshot_id == snapshot_id)
        held = connection.execute(sa.select(SNAPSHOTS).where(where)).one_or_none()
        if held is not None and (held.as_of, held.row_count) != (as_of, row_count):
            raise WarehouseError(
                f"{mart}: {snapshot_id} is {held.row_count} rows of {held.as_of} in {self.location}, and {row_count} rows of {as_of} "
                "in the lake; this warehouse was filled from another lake: name one of its own in KC_WAREHOUSE"
            )
        return held is not None

    def _move_pointer(self, connection: sa.Connection, mart: str, seen: Any, snapshot_id: str, as_of: date) -> None:
        if seen is None:
            connection.execute(sa.insert(POINTERS).values(mart=mart, snapshot_id=snapshot_id, as_of=as_of))
            return
        unmoved = (POINTERS.c.mart == mart) & (POINTERS.c.snapshot_id == seen.snapshot_id)
        moved = connection.execute(sa.update(POINTERS).where(unmoved).values(snapshot_id=snapshot_id, as_of=as_of))
        if moved.rowcount != 1:
            raise PublishConflictError(f"{mart}: the pointer left {seen.snapshot_id} while {snapshot_id} was being published; run again")


def _in_order_of_key(mart: str, rows: pa.Table) -> pa.Table:
    """Rows of one day in the order in which the history's key lies."""
    return rows.sort_by([(name, "ascending") for name in TABLES[mart].key if name != "as_of"])


def _snapshot_ids(marts: Mapping[str, pa.Table], as_of: date) -> dict[str, str]:
    """Mart -> the snapshot that its rows are of; a mart without rows goes by the newest of the others."""
    found = {}
    for mart, rows in marts.items():
        ids, days = (rows[name].unique().to_pylist() for name in ("snapshot_id", "as_of"))
        if len(ids) > 1 or days not in ([], [as_of]):
            raise ValueError(f"{mart}: one snapshot of {as_of} is published at a time, these rows have {ids} of {[str(d) for d in days]}")
        found[mart] = str(ids[0]) if ids else ""
    newest = max(found.values(), default="")
    if marts and not newest:
        raise ValueError(f"none of {', '.join(marts)} has rows of {as_of}; score the day first")
    return {mart: snapshot_id or newest for mart, snapshot_id in found.items()}


def _listed(ids: Mapping[str, str]) -> str:
    return f"snapshots {', '.join(sorted(set(ids.values())))}"
