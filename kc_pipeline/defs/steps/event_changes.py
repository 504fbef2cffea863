"""Which events are others than they were: so that a month with a few new rows costs those rows, not the month."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import EVENT_TABLES
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    import pyarrow as pa

    from kc_pipeline.store.lake import Lake


@dataclass(frozen=True)
class EventChanges:
    """How the clean events of all feeds differ from what they were, in the columns that attribution reads.

    Attributes:
        gone: rows that are no more, and those that are others now, as they were.
        come: rows that were not there, and those that were others, as they are.
    """

    gone: "pa.Table"
    come: "pa.Table"

    def months(self) -> set[str]:
        """Months in which anything changed."""
        return {*self.gone["month"].unique().to_pylist(), *self.come["month"].unique().to_pylist()}


def event_stamps(platform: Platform) -> dict[str, list[int | str | None]]:
    """Stamp of each clean table of events as it is now; see `Lake.stamp`."""
    return {table: platform.lake.stamp(table) for table in EVENT_TABLES}


def changes_since(platform: Platform, stamps: Mapping[str, list[int | str | None]]) -> EventChanges | None:
    """What changed since the clean tables of events had some stamps.

    Returns:
        None where that cannot be told: files of those versions are lost, or an event stands in several rows.
    """
    then, now = (tuple((table, *of[table]) for table in EVENT_TABLES) for of in (stamps, event_stamps(platform)))
    return _changes(platform.lake, then, now)


@lru_cache(maxsize=2)  # several steps of a run ask since the same day
def _changes(lake: "Lake", then: tuple[tuple[Any, ...], ...], now: tuple[tuple[Any, ...], ...]) -> EventChanges | None:
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    from kc_pipeline.places.attribution import attribution_columns
    from kc_pipeline.store.made_of import digest_of

    gone, come = [], []
    for (table, since, digest), (_, version, _) in zip(then, now, strict=True):
        columns = attribution_columns(table.partition("/")[2])
        try:
            before, after = ({} if v is None else lake.states(table, v) for v in (since, version))
            if digest_of(before) != digest:
                return None
            months = sorted(month for month in before.keys() | after.keys() if before.get(month) != after.get(month))
            old, new = (
                lake.read(table, columns=columns, partitions=[m for m in months if m in held], version=v)
                for held, v in ((before, since), (after, version))
            )
        except (OSError, DeltaError):  # files of an older version are lost, or its log
            return None
        if any(len(rows["event_id"].unique()) != rows.num_rows for rows in (old, new)):
            return None
        gone.append(_others(old, than=new))
        come.append(_others(new, than=old))
    return EventChanges(*(pa.concat_tables(rows, promote_options="permissive") for rows in (gone, come)))


def _others(rows: "pa.Table", than: "pa.Table") -> "pa.Table":
    """Those of some rows that are not just so among others; each event stands in one row of each."""
    import pyarrow.compute as pc

    place = pc.index_in(rows["event_id"], than["event_id"])
    is_same = pc.is_valid(place)
    for name in rows.column_names:
        ours, theirs = rows[name], than[name].take(place)
        is_equal = pc.or_(pc.fill_null(pc.equal(ours, theirs), False), pc.and_(pc.is_null(ours), pc.is_null(theirs)))
        is_same = pc.and_(is_same, is_equal)
    return rows.filter(pc.invert(is_same))
