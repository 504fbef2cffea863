"""Attribution of events in parts of some months: the same rows as `places.attribution` makes of all.

Two things are judged over all events, so they are gathered first: which points too many addresses share, from the distinct
points of every part, and which events stand in several parts, by a shuffle of the events' ids among the workers.  The registers
of addresses, parcels and businesses are read whole by every worker.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from threading import Lock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.columns import EVENT_FEEDS, EVENT_TABLES
from kc_pipeline.cluster.parts import Months, PinnedLake, Work
from kc_pipeline.places.attribution import attribute_events, attribution_columns, distinct_events, tied_by_name
from kc_pipeline.places.locations import Locations

# The tables that say where places are, in the order in which `places.attribution.attribute_events` takes them, and what is read of each.
REGISTERS = {
    "core/located_addresses": [
        "address", "address_precision", "found_kind", "found_key", "name_match", "address_kind", "block_key", "parcel_id",
    ],
    "core/business_parcels": ["business_parcel_id"],
    "clean/parcels": ["parcel_id", "geometry"],
    "core/block_places": ["place_id", "block_key", "placed_by", "parcel_id"],
}  # fmt: skip
# Those that say whether key or address name a place, and what is read of each.
NAMES = {"core/located_addresses": ["address", "address_precision", "found_kind", "name_match"], "clean/parcels": ["parcel_id"]}
_POINT, _ADDRESS, _STANDING = ["longitude", "latitude"], ["address", "address_precision"], ["event_id", "month"]
_EVENTS = "event_count"
_IS_POINT = pc.field("latitude").is_valid() & pc.field("address").is_valid() & (pc.field("address_precision") == "exact")
# The points that a process has placed are no two threads' at once; pandas keeps the interpreter to one of them anyway.
_ONE_AT_A_TIME = Lock()


def addresses_in_parts(work: Work) -> pa.Table:
    """Rows of kept/event_addresses for the months of some work on EVENT_TABLES."""
    return added_up(list(map(_aligned, work.in_order(addresses_of_part))))


def loose_points_in_parts(work: Work) -> pa.Table:
    """Rows of kept/loose_points for the months of some work on EVENT_TABLES and the tables of NAMES."""
    return added_up(list(map(_aligned, work.in_order(loose_points_of_part))))


def added_up(parts: Sequence[pa.Table]) -> pa.Table:
    """Rows with the events of all parts together; those that no event names any more are left out."""
    named = [name for name in parts[0].column_names if name != _EVENTS]
    rows = pa.concat_tables(parts, promote_options="permissive").group_by(named).aggregate([(_EVENTS, "sum")])
    return rows.rename_columns([*named, _EVENTS]).filter(pc.field(_EVENTS) > 0)


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
        crowded: what `places.attribution.crowded_points` says of their loose points.
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
    return [lake.frame(table, columns) for table, columns in REGISTERS.items()], Locations()


def addresses_of_part(months: Months, lake: PinnedLake) -> pa.Table:
    """What `count_addresses` counts in some months."""
    return added_up([count_addresses(lake.rows(table, _ADDRESS, months)) for table in EVENT_TABLES])


def count_addresses(rows: pa.Table) -> pa.Table:
    """Distinct address and address_precision of events, and how many events name each."""
    return _counted(rows.select(_ADDRESS).filter(pc.field("address").is_valid()))


def loose_points_of_part(months: Months, lake: PinnedLake) -> pa.Table:
    """What `count_loose_points` counts in some months."""
    columns = [*_POINT, *_ADDRESS, "parcel_id"]
    rows = pa.concat_tables([lake.rows(table, columns, months, _IS_POINT) for table in EVENT_TABLES], promote_options="permissive")
    return count_loose_points(rows, *(lake.frame(table, columns) for table, columns in NAMES.items()))


def count_loose_points(rows: pa.Table, located: pd.DataFrame, parcels: pd.DataFrame) -> pa.Table:
    """Distinct point and address of exact events that neither key nor address ties to a place, and how many events name each.

    Args:
        rows: events.
        located: rows of core/located_addresses.
        parcels: rows of clean/parcels.
    """
    points = rows.filter(_IS_POINT)
    is_loose = ~tied_by_name(points["address"].to_pandas(), points["parcel_id"].to_pandas(), located, parcels)
    return _counted(points.select([*_POINT, "address"]).filter(pa.array(is_loose, pa.bool_())))


def _counted(rows: pa.Table) -> pa.Table:
    return rows.group_by(rows.column_names).aggregate([([], "count_all")]).rename_columns([*rows.column_names, _EVENTS])


def months_of_part_at(months: Months, lake: PinnedLake, points: pd.MultiIndex) -> set[str]:
    """Which of some months have exact events at some points."""
    rows = pa.concat_tables(lake.rows(table, [*_POINT, "month"], months, _IS_POINT) for table in EVENT_TABLES).to_pandas()
    return set(rows.loc[points.get_indexer(pd.MultiIndex.from_frame(rows[_POINT])) >= 0, "month"])


def _aligned(rows: pa.Table) -> pa.Table:
    """Rows copied: those that came over the network lie as they came, and Arrow's aggregation warns of it."""
    return rows.take(np.arange(rows.num_rows))


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
