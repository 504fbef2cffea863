"""Attribution of events in parts of some months: the same rows as `places.attribution` makes of all.

Two things are judged over all events, so they are gathered first: which points too many addresses share, from the distinct
points of every part, and which events stand in several parts, by a shuffle of the events' ids among the workers.  The registers
of addresses, parcels and businesses are read whole by every worker.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, reduce
from threading import Lock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.cluster.parts import Months, PinnedLake, Work
from kc_pipeline.places.attribution import attribute_events, attribution_columns, distinct_events, tied_by_name
from kc_pipeline.places.locations import Locations

EVENT_TABLES = tuple(f"clean/{feed}" for feed in EVENT_FEEDS)
REGISTERS = ("core/located_addresses", "core/business_parcels", "clean/parcels", "core/block_places")
_POINT, _ADDRESS, _STANDING = ["longitude", "latitude"], ["address", "address_precision"], ["event_id", "month"]
_MONTHS = "month_count"
_IS_POINT = pc.field("latitude").is_valid() & pc.field("address").is_valid() & (pc.field("address_precision") == "exact")
# The points that a process has placed are no two threads' at once; pandas keeps the interpreter to one of them anyway.
_ONE_AT_A_TIME = Lock()


def addresses_in_parts(work: Work) -> pa.Table:
    """Rows of kept/event_addresses for the months of some work on EVENT_TABLES."""
    return added_up(list(map(_aligned, work.in_order(addresses_of_part))))


def loose_points_in_parts(work: Work) -> pa.Table:
    """Rows of kept/loose_points for the months of some work on EVENT_TABLES, core/located_addresses and clean/parcels."""
    return added_up(list(map(_aligned, work.in_order(loose_points_of_part))))


def added_up(parts: Sequence[pa.Table]) -> pa.Table:
    """Rows with the months of all parts together; those that no month names any more are left out."""
    named = [name for name in parts[0].column_names if name != _MONTHS]
    rows = pa.concat_tables(parts, promote_options="permissive").group_by(named).aggregate([(_MONTHS, "sum")])
    return rows.rename_columns([*named, _MONTHS]).filter(pc.field(_MONTHS) > 0)


def months_at(work: Work, points: pd.MultiIndex) -> set[str]:
    """Months with exact events at some points."""
    return set().union(*work.in_order(months_of_part_at, points))


def standings_elsewhere(work: Work) -> pd.DataFrame:
    """event_id and month of events that stand in another month too and count there; see `places.attribution.distinct_events`."""
    import dask.dataframe as dd

    none = pd.DataFrame({"digest": pd.Series(dtype="uint64")})
    ids = dd.from_map(digests_of_part, work.parts, lake=work.lake, meta=none)
    again = ids.shuffle("digest", shuffle_method="tasks").map_partitions(repeated, meta=none)
    digests = (again.compute(scheduler="sync") if work.client is None else work.client.compute(again).result())["digest"]
    if digests.empty:
        return pd.DataFrame(columns=_STANDING, dtype="str")
    rows = pd.concat(work.in_order(standings_of_part, digests), ignore_index=True)
    kept = pd.MultiIndex.from_frame(distinct_events([rows])[_STANDING])
    standings = rows[_STANDING].drop_duplicates(ignore_index=True)
    return standings[kept.get_indexer(pd.MultiIndex.from_frame(standings)) < 0].reset_index(drop=True)


def attribute_in_parts(
    work: Work, crowded: pd.MultiIndex, elsewhere: pd.DataFrame, parts: list[Months] | None = None
) -> Iterator[tuple[Months, pd.DataFrame]]:
    """Months and their rows of core/event_attribution, part by part.

    Args:
        work: on EVENT_TABLES and REGISTERS, in all months.
        crowded: what `crowded_in_parts` says of the same.
        elsewhere: what `standings_elsewhere` says of the same.
        parts: months to attribute; None: all.
    """
    chosen = work if parts is None else replace(work, parts=parts)
    return zip(chosen.parts, chosen.in_order(attribute_part, crowded, elsewhere), strict=True)


def attribute_part(months: Months, lake: PinnedLake, crowded: pd.MultiIndex, elsewhere: pd.DataFrame) -> pd.DataFrame:
    """Rows of core/event_attribution of some months; see `attribute_in_parts`."""
    events = pd.concat([lake.frame(f"clean/{feed}", attribution_columns(feed), months) for feed in EVENT_FEEDS], ignore_index=True)
    if len(elsewhere):
        away = pd.MultiIndex.from_frame(elsewhere[_STANDING])
        events = events[away.get_indexer(pd.MultiIndex.from_frame(events[_STANDING])) < 0]
    with _ONE_AT_A_TIME:
        (located, stands, lots, blocks), locations = _registers(lake)
        return attribute_events(distinct_events([events]), located, stands, lots, blocks, locations, crowded)


@lru_cache(maxsize=1)
def _registers(lake: PinnedLake) -> tuple[list[pd.DataFrame], Locations]:
    """The registers, and the points that this process has placed among their parcels."""
    return [lake.frame(table) for table in REGISTERS], Locations()


def addresses_of_part(months: Months, lake: PinnedLake) -> pa.Table:
    """Distinct addresses of the events of some months, and in how many of these."""
    named = pc.field("address").is_valid()
    return _months_counted(distinct(lake.rows(table, [*_ADDRESS, "month"], months, named) for table in EVENT_TABLES))


def loose_points_of_part(months: Months, lake: PinnedLake) -> pa.Table:
    """Distinct points and addresses of the events of some months that neither names a place, and in how many of these."""
    located, lots = lake.frame(REGISTERS[0], [*_ADDRESS, "found_kind", "name_match"]), lake.frame("clean/parcels", ["parcel_id"])
    columns = [*_POINT, "address", "month", "parcel_id"]
    points = pa.concat_tables([lake.rows(table, columns, months, _IS_POINT) for table in EVENT_TABLES], promote_options="permissive")
    is_loose = ~tied_by_name(*(points[name].to_pandas() for name in ("address", "parcel_id")), located, lots)
    return _months_counted(_distinct(points.select(columns[:-1]).filter(pa.array(is_loose))))


def _months_counted(rows: pa.Table) -> pa.Table:
    """Distinct rows as such without their month, and in how many they stand."""
    named = [name for name in rows.column_names if name != "month"]
    return rows.group_by(named).aggregate([("month", "count")]).rename_columns([*named, _MONTHS])


def months_of_part_at(months: Months, lake: PinnedLake, points: pd.MultiIndex) -> set[str]:
    """Which of some months have exact events at some points."""
    rows = distinct(lake.rows(table, [*_POINT, "month"], months, _IS_POINT) for table in EVENT_TABLES).to_pandas()
    return set(rows.loc[points.get_indexer(pd.MultiIndex.from_frame(rows[_POINT])) >= 0, "month"])


def distinct(tables: Iterable[pa.Table]) -> pa.Table:
    """Distinct rows of tables that are taken one after the other."""
    return reduce(lambda found, more: _distinct(pa.concat_tables([found, more], promote_options="default")), map(_distinct, tables))


def _aligned(rows: pa.Table) -> pa.Table:
    """Rows copied: those that came over the network lie as they came, and Arrow's aggregation warns of it."""
    return rows.take(np.arange(rows.num_rows))


def _distinct(rows: pa.Table) -> pa.Table:
    return rows.group_by(rows.column_names).aggregate([])


def digests_of_part(months: Months, lake: PinnedLake) -> pd.DataFrame:
    """Digests of the events' ids in some months."""
    return _digests(pd.concat([lake.frame(table, ["event_id"], months)["event_id"] for table in EVENT_TABLES])).to_frame("digest")


def repeated(rows: pd.DataFrame) -> pd.DataFrame:
    """Digests that stand in several rows."""
    return rows[rows["digest"].duplicated()].drop_duplicates()


def standings_of_part(months: Months, lake: PinnedLake, digests: pd.Series) -> pd.DataFrame:
    """event_id, month, address_precision and report_date of the events in some months whose id has one of some digests."""
    columns = [*_STANDING, "address_precision", "report_date"]
    rows = pd.concat([lake.frame(table, columns, months) for table in EVENT_TABLES], ignore_index=True)
    return rows[_digests(rows["event_id"]).isin(digests).to_numpy()]


def _digests(ids: pd.Series) -> pd.Series:
    digests: pd.Series = pd.util.hash_pandas_object(ids, index=False)
    return digests.reset_index(drop=True)
