"""What a view said: of any day, as of any moment.

A snapshot is found by the day it is of and by when it was published.  Its rows come from the warehouse, or, once they were
pruned there, from the Delta version of the lake that is recorded with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.tables import Table
from kc_pipeline.catalog.views import VIEWS, marts_of
from kc_pipeline.store.lake import Lake
from kc_pipeline.store.warehouse import Warehouse, WarehouseError

_READINGS = 3


class NothingPublishedError(LookupError):
    """No snapshot answers the question; the message says what there is."""


@dataclass(frozen=True)
class Published:
    """One published snapshot of one mart.

    Attributes:
        mart: mart.
        snapshot_id: id; ids ascend with the order of making.
        as_of: the day it is of.
        published_utc: when it was published.
        run_id: the run that published it.
        row_count: its rows.
        lake_version: Delta version of the mart in the lake that holds it; None where none was recorded.
        pruned_utc: when its rows left the warehouse; None while they are there.
        is_current: whether the view shows it.
    """

    mart: str
    snapshot_id: str
    as_of: date
    published_utc: datetime
    run_id: str
    row_count: int
    lake_version: int | None
    pruned_utc: datetime | None
    is_current: bool


@dataclass(frozen=True)
class Told:
    """What a view said.

    Attributes:
        rows: its rows, in its contract's types.
        snapshots: the snapshots that they come from.
    """

    rows: pa.Table
    snapshots: Sequence[Published]


def published_snapshots(warehouse: Warehouse) -> list[Published]:
    """Every snapshot that was ever published, newest first."""
    return [_published(row) for row in warehouse.snapshots()]


def as_told(warehouse: Warehouse, lake: Lake, view: str, as_of: date | None = None, known_at: datetime | None = None) -> Told:
    """What a view says of a day, or said of it at a moment.

    Args:
        warehouse: where it is published.
        lake: what it was published from; holds the rows of pruned snapshots.
        view: name of a v1 view.
        as_of: the day; None: the newest day that was published (by then).
        known_at: the moment, with a time zone: what had been published by then; None: now.

    Raises:
        KeyError: there is no such view.
        NothingPublishedError: nothing was published of that day (by then), or its rows are nowhere any more.
    """
    if view not in VIEWS:
        raise KeyError(f"no view {view!r}; there are {', '.join(sorted(VIEWS))}")
    marts = marts_of(view)
    if not marts:
        return Told(warehouse.read_view(view), [])
    published = [row for row in published_snapshots(warehouse) if known_at is None or row.published_utc <= known_at]
    found = {mart: snapshot for mart in marts if (snapshot := _newest(published, mart, as_of))}
    if not found:
        said = f" of {as_of}" if as_of else ""
        by_then = f" by {known_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if known_at else ""
        days = sorted({row.as_of for row in published if row.mart in marts})
        there = f"; the days published{by_then} go from {days[0]} to {days[-1]}" if days else ""
        raise NothingPublishedError(f"{view}: nothing{said} was published{by_then}{there}; `kc snapshots` lists what was")
    rows = {mart: _rows(warehouse, lake, snapshot) for mart, snapshot in found.items()}
    told = _derived(view, rows) if VIEWS[view].sql else rows[VIEWS[view].table]
    return Told(told.sort_by([(name, "ascending") for name in VIEWS[view].contract.key]), list(found.values()))


def all_told(warehouse: Warehouse, lake: Lake, views: Iterable[str], as_of: date | None = None) -> dict[str, Told]:
    """What several views say of a day, as one publication left them.

    Args:
        warehouse: where they are published.
        lake: what it was published from.
        views: names of v1 views; one of which nothing was published of that day is left out.
        as_of: the day; None: the newest that was published.

    Raises:
        KeyError: there is no such view.
        NothingPublishedError: nothing was published of that day of any of them, or its rows are nowhere any more.
        WarehouseError: others published each time they were read.
    """
    views = list(views)
    for _ in range(_READINGS):
        before = published_snapshots(warehouse)
        days = {(row.mart, day) for row in before for day in (None, row.as_of)}
        of_marts = [view for view in views if marts_of(view)]
        found = [view for view in of_marts if any((mart, as_of) in days for mart in marts_of(view))]
        if of_marts and not found:  # it says what there is, best of a view that was published some day
            known = {row.mart for row in before}
            as_told(warehouse, lake, max(of_marts, key=lambda view: bool(known & {*marts_of(view)})), as_of)
        found += [view for view in views if view not in of_marts]
        told = {view: as_told(warehouse, lake, view, as_of) for view in found}
        if {_identity(row) for row in published_snapshots(warehouse)} == {_identity(row) for row in before}:
            return told
    raise WarehouseError(f"{warehouse.location}: others published each of the {_READINGS} times the views were read; try again")


def _identity(snapshot: Published) -> tuple[str, str]:
    return snapshot.mart, snapshot.snapshot_id


def changed_rows(contract: Table, before: pa.Table, after: pa.Table) -> pa.Table:
    """What was said anew: one row for every value that differs, and for every row that came or went.

    Args:
        contract: of both tables; columns that differ between any two runs are not compared.
        before: what was said.
        after: what is said.

    Returns:
        Table with the key's columns as text, then `change` ('came', 'went' or 'changed'), `column`, `before` and `after`
        (texts), sorted by key and column.
    """
    key = [name for name in contract.key if name != "as_of"]
    compared = [name for name in contract.column_names if name not in {*key, *contract.volatile, "as_of", "schema_version"}]
    old, new = ({tuple(row[name] for name in key): row for row in rows.to_pylist()} for rows in (before, after))
    found: list[tuple[str, ...]] = []
    for place in sorted({*old, *new}, key=str):
        named = tuple(map(str, place))
        if place not in new or place not in old:
            found.append((*named, "went" if place in old else "came", "", "", ""))
            continue
        values = ((name, old[place][name], new[place][name]) for name in compared)
        found.extend((*named, "changed", name, str(was), str(now)) for name, was, now in values if was != now)
    names = [*key, "change", "column", "before", "after"]
    return pa.table({name: pa.array([row[position] for row in found], pa.string()) for position, name in enumerate(names)})


def _newest(published: Iterable[Published], mart: str, as_of: date | None) -> Published | None:
    """The snapshot with the highest id of a day, or of the newest day: clocks go back, ids do not."""
    fits = [row for row in published if row.mart == mart and as_of in (None, row.as_of)]
    return max(fits, key=lambda row: (row.as_of, row.snapshot_id), default=None)


def _rows(warehouse: Warehouse, lake: Lake, snapshot: Published) -> pa.Table:
    held = warehouse.read_snapshot(snapshot.mart, snapshot.snapshot_id)
    if held.num_rows == snapshot.row_count:
        return held
    kept = lake.read(snapshot.mart, partitions=[snapshot.as_of.isoformat()], version=snapshot.lake_version)
    kept = kept.filter(pc.equal(kept["snapshot_id"], snapshot.snapshot_id))
    if kept.num_rows != snapshot.row_count:
        raise NothingPublishedError(
            f"{snapshot.mart}: {snapshot.snapshot_id} of {snapshot.as_of} is no longer in the warehouse, and version "
            f"{snapshot.lake_version} of the lake has {kept.num_rows} of its {snapshot.row_count} rows; is this the lake it came from?"
        )
    return kept


def _derived(view: str, rows: Mapping[str, pa.Table]) -> pa.Table:
    """A view that is SQL over others, on older snapshots: asked of a warehouse in memory that holds just these."""
    memory = Warehouse("sqlite://")
    for mart, of_mart in rows.items():
        if of_mart.num_rows:
            day = of_mart["as_of"][0].as_py()
            memory.publish({mart: of_mart}, day, "time travel", datetime.now(UTC), {})
    return memory.read_view(view)


def _published(row: Mapping[str, Any]) -> Published:
    mart = str(row["mart"])
    return Published(
        mart=mart,
        snapshot_id=row["snapshot_id"],
        as_of=row["as_of"],
        published_utc=_in_utc(row["published_utc"]),
        run_id=row["run_id"],
        row_count=row["row_count"],
        lake_version=row["lake_versions"].get(mart),
        pruned_utc=_in_utc(row["pruned_utc"]) if row["pruned_utc"] else None,
        is_current=row["is_current"],
    )


def _in_utc(moment: datetime) -> datetime:
    """A moment with its zone; SQLite gives UTC back without one."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
