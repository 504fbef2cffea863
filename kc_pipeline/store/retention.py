"""Which snapshots stay in the warehouse, and how the others leave it.

The lake keeps every snapshot for ever; the warehouse keeps what BI looks at.  A pruned snapshot keeps its row in
`snapshots`, with the Delta versions by which `time_travel.py` finds its rows in the lake.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from kc_pipeline.catalog.service import KEEP_DAYS
from kc_pipeline.store.engines import for_writing, is_locked_out
from kc_pipeline.store.warehouse_schema import HISTORIES, POINTERS, SNAPSHOTS


@dataclass(frozen=True)
class Snapshot:
    """One published snapshot of one mart, as far as keeping it goes."""

    mart: str
    snapshot_id: str
    as_of: date
    published_utc: datetime


def snapshots_to_prune(
    published: Iterable[Snapshot],
    current: Collection[tuple[str, str]],
    now: datetime,
    keep_snapshots: Collection[tuple[str, str]] = (),
    keep_days: Collection[date] = (),
) -> list[Snapshot]:
    """Snapshots that may leave the warehouse, oldest id first.

    Kept are those of the last 90 days, by their own day or by when they were published; of each month the newest snapshot of
    its last day that was scored; what a view shows, and anything later than that; and what is named.

    Args:
        published: what the warehouse holds.
        current: (mart, snapshot_id) that the views show.
        now: the present moment, UTC.
        keep_snapshots: (mart, snapshot_id) that something else refers to, such as a case.
        keep_days: days all of whose snapshots something else refers to, such as a model card.
    """
    held = sorted(published, key=lambda snapshot: snapshot.snapshot_id)
    since = now - timedelta(days=KEEP_DAYS)
    last_of_month: dict[tuple[str, int, int], Snapshot] = {}
    shown: dict[str, tuple[date, str]] = {}
    for snapshot in held:
        month = (snapshot.mart, snapshot.as_of.year, snapshot.as_of.month)
        if month not in last_of_month or last_of_month[month].as_of <= snapshot.as_of:
            last_of_month[month] = snapshot
        if (snapshot.mart, snapshot.snapshot_id) in current:
            shown[snapshot.mart] = (snapshot.as_of, snapshot.snapshot_id)
    kept = {(snapshot.mart, snapshot.snapshot_id) for snapshot in last_of_month.values()} | {*current, *keep_snapshots}
    return [
        snapshot
        for snapshot in held
        if (snapshot.mart, snapshot.snapshot_id) not in kept
        and snapshot.as_of not in keep_days
        and snapshot.as_of < since.date()
        and snapshot.published_utc < since
        and snapshot.mart in shown
        and (snapshot.as_of, snapshot.snapshot_id) < shown[snapshot.mart]
    ]


def prune(
    engine: sa.Engine, now: datetime, keep_snapshots: Collection[tuple[str, str]] = (), keep_days: Collection[date] = ()
) -> list[tuple[str, str]]:
    """Take snapshots out of the warehouse that it does not have to keep, each in a transaction of its own.

    Readers are not held up: those that began before go on seeing what they saw.

    Args:
        engine: the warehouse's.
        now: the present moment, UTC.
        keep_snapshots: (mart, snapshot_id) that must stay.
        keep_days: days whose snapshots must stay.

    Returns:
        (mart, snapshot_id) whose rows were deleted.
    """
    with engine.connect() as connection:
        unpruned = connection.execute(sa.select(SNAPSHOTS).where(SNAPSHOTS.c.pruned_utc.is_(None))).all()
        current = {(row.mart, row.snapshot_id) for row in connection.execute(sa.select(POINTERS))}
    published = [_snapshot(row, now) for row in unpruned if row.mart in HISTORIES]
    pruned = []
    for snapshot in snapshots_to_prune(published, current, now, keep_snapshots, keep_days):
        try:
            if _delete(engine, snapshot, now):
                pruned.append((snapshot.mart, snapshot.snapshot_id))
        except sa.exc.DBAPIError as error:
            if not is_locked_out(error):
                raise
            break  # another run is writing: the next publish goes on with it
    return pruned


def _delete(engine: sa.Engine, snapshot: Snapshot, now: datetime) -> bool:
    """Take one snapshot out, unless somebody else did or a view shows it by now."""
    this = (SNAPSHOTS.c.mart == snapshot.mart) & (SNAPSHOTS.c.snapshot_id == snapshot.snapshot_id)
    pointed = sa.exists().where(POINTERS.c.mart == snapshot.mart, POINTERS.c.snapshot_id == snapshot.snapshot_id)
    history = HISTORIES[snapshot.mart]
    with for_writing(engine).begin() as connection:
        marked = connection.execute(sa.update(SNAPSHOTS).where(this, SNAPSHOTS.c.pruned_utc.is_(None), ~pointed).values(pruned_utc=now))
        if marked.rowcount:
            connection.execute(sa.delete(history).where(history.c.snapshot_id == snapshot.snapshot_id))
    return bool(marked.rowcount)


def _snapshot(row: sa.Row[Any], now: datetime) -> Snapshot:
    published = row.published_utc if row.published_utc.tzinfo else row.published_utc.replace(tzinfo=now.tzinfo)  # SQLite keeps no zone
    return Snapshot(row.mart, row.snapshot_id, row.as_of, published)
