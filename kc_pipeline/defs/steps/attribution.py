"""Which events belong to which business places: every event's address, then every event's shares, a month at a time.

A month is attributed anew when its events changed, or what is known of the places; the others keep their rows.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame, write_table
from kc_pipeline.defs.steps.unchanged import code_digest, remembering_addresses, unless_unchanged

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    from kc_pipeline.store.lake import Commit

_CLEAN_EVENTS = tuple(f"clean/{feed}" for feed in EVENT_FEEDS)
_ATTRIBUTED_COLUMNS = (
    "event_id", "feed", "month", "report_date", "available_date", "category", "address", "address_precision", "parcel_id",
    "latitude", "longitude",
)  # fmt: skip
_POINT = ["longitude", "latitude"]
_PLACES = ("core/business_parcels", "clean/parcels", "core/block_places")
_LEDGER, _ADDRESSES = "core/event_attribution", "core/located_addresses"
LOCATION_INPUTS = (*_CLEAN_EVENTS, "core/gazetteer")
ATTRIBUTION_INPUTS = (*_CLEAN_EVENTS, _ADDRESSES, *_PLACES)


@unless_unchanged([_ADDRESSES], LOCATION_INPUTS)
@remembering_addresses
def locate_addresses(platform: Platform) -> "Commit":
    """core/located_addresses: every address text of the event feeds, located once for as long as the gazetteer says the same."""
    from kc_pipeline.places import attribution

    asked = _distinct(platform, ["address", "address_precision"]).to_pandas()
    rows = attribution.locate_addresses(asked, read_frame(platform, "core/gazetteer"), _still_located(platform))
    return write_table(platform, _ADDRESSES, rows, LOCATION_INPUTS)


def _still_located(platform: Platform) -> "pd.DataFrame | None":
    """Rows of core/located_addresses that would come out the same; None if the code or the gazetteer is another one."""
    lake = platform.lake
    is_of_this = located_by(platform) == [lake.version("core/gazetteer"), code_digest()]
    return read_frame(platform, _ADDRESSES) if is_of_this and lake.is_whole(_ADDRESSES) else None


def located_by(platform: Platform) -> list[object] | None:
    """Version of the gazetteer and code by which addresses were located; None if that is not known."""
    made_of = platform.lake.making_of(_ADDRESSES)
    return [made_of["inputs"]["core/gazetteer"], made_of["code"]] if made_of else None


def attribute_events(platform: Platform) -> "Commit":
    """core/event_attribution: every event's share at business parcels, or what remains of it."""
    from kc_pipeline.places.attribution import crowded_points, distinct_events
    from kc_pipeline.store.lake import Commit

    lake, before = platform.lake, platform.lake.making_of(_LEDGER)
    made_of: dict[str, Any] = {
        "code": code_digest(),
        "places": {**lake.versions(_PLACES), _ADDRESSES: located_by(platform)},
        "events": {table: lake.states(table) for table in _CLEAN_EVENTS},
    }
    is_known = None not in made_of["places"].values() and lake.is_whole(_LEDGER)
    if is_known and made_of == {name: before.get(name) for name in made_of}:
        return Commit(_LEDGER, lake.version(_LEDGER), (), lake.count(_LEDGER))
    frames = [read_frame(platform, table) for table in (_ADDRESSES, *_PLACES)]
    located, _, lots, _ = frames
    crowded = crowded_points(_exact_points(platform, []).to_pandas(), located, lots)
    made_of["crowded"] = sorted(list(point) for point in crowded)
    is_of_this = is_known and all(before.get(name) == made_of[name] for name in ("code", "places"))
    months = _changed_months(platform, before, made_of) if is_of_this else _all_months(platform)
    events = distinct_events([read_frame(platform, f"clean/{feed}", attribution_columns(feed), sorted(months)) for feed in EVENT_FEEDS])
    attribute = _attribute_here if platform.settings.dask_address is None else _attribute_on_cluster
    rows = attribute(platform, events, frames, crowded)
    commit = write_table(platform, _LEDGER, rows, ATTRIBUTION_INPUTS, months)
    lake.note_making(_LEDGER, made_of)
    return commit


def _all_months(platform: Platform) -> set[str]:
    return {month for table in (*_CLEAN_EVENTS, _LEDGER) for month in platform.lake.partitions(table)}


def _changed_months(platform: Platform, before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """Months whose events changed, and those with events at a point that became crowded or is so no more."""
    months = {
        month
        for table in _CLEAN_EVENTS
        for month in before["events"][table].keys() | now["events"][table].keys()
        if before["events"][table].get(month) != now["events"][table].get(month)
    }
    turned = {tuple(point) for point in before["crowded"]} ^ {tuple(point) for point in now["crowded"]}
    return months | (_months_at(platform, turned) if turned else set())


def _exact_points(platform: Platform, more: list[str]) -> "pa.Table":
    """Distinct points of exact events, with their address and parcel."""
    import pyarrow.compute as pc

    has_point = pc.field("latitude").is_valid() & pc.field("address").is_valid()
    return _distinct(
        platform, [*_POINT, "address", "parcel_id", "address_precision", *more], has_point & (pc.field("address_precision") == "exact")
    )


def _months_at(platform: Platform, points: set[tuple[float, ...]]) -> set[str]:
    """Months with exact events at some points."""
    import pandas as pd

    rows = _exact_points(platform, ["month"]).to_pandas()
    at = pd.MultiIndex.from_tuples(sorted(points)).get_indexer(pd.MultiIndex.from_frame(rows[_POINT]))
    return set(rows.loc[at >= 0, "month"])


def _distinct(platform: Platform, columns: list[str], holds: "pc.Expression | None" = None) -> "pa.Table":
    """Distinct values of some columns over all events, or over those that a condition holds for."""
    import pyarrow as pa

    tables = (platform.lake.read(table, columns=columns) for table in _CLEAN_EVENTS)
    parts = [(rows if holds is None else rows.filter(holds)).group_by(columns).aggregate([]) for rows in tables]
    return pa.concat_tables(parts).group_by(columns).aggregate([])


def _attribute_here(platform: Platform, events: "pd.DataFrame", frames: "list[pd.DataFrame]", crowded: "pd.MultiIndex") -> "pd.DataFrame":
    """The rows, made on this machine; and kept/locations.

    The points that were placed before are kept in kept/locations, so that only new ones reach the parcels' geometry.  They are
    of use while the parcels stay the same; when these change, all are placed anew.
    """
    from kc_pipeline.places import attribution
    from kc_pipeline.places.locations import Locations

    is_of_these = platform.lake.made_from("kept/locations") == platform.lake.versions(["clean/parcels"])
    locations = Locations(read_frame(platform, "kept/locations") if is_of_these else None)
    located, stands, lots, blocks = frames
    rows = attribution.attribute_events(events, located, stands, lots, blocks, locations, crowded)
    if locations.added:
        write_table(platform, "kept/locations", locations.rows, ["clean/parcels"])
    return rows


def _attribute_on_cluster(
    platform: Platform, events: "pd.DataFrame", frames: "list[pd.DataFrame]", crowded: "pd.MultiIndex"
) -> "pd.DataFrame":
    """The same rows from the Dask cluster that the settings name; parts lie beside the lake while it works."""
    import tempfile
    from pathlib import Path

    from distributed import Client, LocalCluster

    from kc_pipeline.places.distributed import attribute_on_cluster

    address = platform.settings.dask_address
    registers = dict(zip(("located", "business_parcels", "parcels", "block_places"), frames, strict=True))
    with tempfile.TemporaryDirectory(prefix="attribution-", dir=platform.settings.data_dir) as folder:
        if address != "local":
            with Client(address) as client:
                return attribute_on_cluster(events, registers, Path(folder), client, crowded)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            return attribute_on_cluster(events, registers, Path(folder), client, crowded)


def attribution_columns(feed: str) -> list[str]:
    """Columns of a feed's clean table that attribution needs."""
    extra = ("current_status", "is_officer_initiated")
    return [*_ATTRIBUTED_COLUMNS, *(name for name in extra if name in TABLES[f"clean/{feed}"].column_names)]
