"""The core tables: where events happened, which businesses there are, and which events belong to them."""

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame, write_table

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.store.lake import Commit

_R = TypeVar("_R")
_ATTRIBUTION_INPUTS = (
    "event_id", "feed", "month", "report_date", "available_date", "category", "address", "address_precision", "parcel_id",
    "latitude", "longitude",
)  # fmt: skip
_ADDRESS_REGISTERS = ("parcels", "property_violations", "dangerous_buildings", "business_licenses", "food_permits")


def _remembering_addresses(step: Callable[[Platform], _R]) -> Callable[[Platform], _R]:
    """A step that parses only address texts that no run has parsed before."""

    @wraps(step)
    def remembering(platform: Platform) -> _R:
        with platform.address_memory.in_use():
            return step(platform)

    return remembering


def read_address_registers(platform: Platform) -> "dict[str, pd.DataFrame]":
    """Registers that give exact addresses: name -> rows; of 311 the exact ones, of licences and permits those in the city."""
    from kc_pipeline.places.business_records import lies_in_city

    registers = {name: read_frame(platform, f"clean/{name}") for name in _ADDRESS_REGISTERS}
    for feed in ("streetlight_outages", "dumping_complaints"):
        registers[feed] = read_frame(platform, f"clean/{feed}").query("address_precision == 'exact'")
    for name in ("business_licenses", "food_permits"):
        registers[name] = registers[name][lies_in_city(registers[name])]
    return registers


@_remembering_addresses
def build_gazetteer(platform: Platform) -> "Commit":
    """core/gazetteer from the registers and the exact addresses of 311."""
    from kc_pipeline.places import gazetteer

    registers = read_address_registers(platform)
    rows = gazetteer.build_gazetteer(registers, registers["parcels"], read_frame(platform, "clean/streets"))
    return write_table(platform, "core/gazetteer", rows, [*(f"clean/{name}" for name in registers), "clean/streets"])


def place_on_blocks(platform: Platform) -> "Commit":
    """core/block_places: every parcel with the blocks it stands on."""
    from kc_pipeline.places import blocks

    inputs = ["core/gazetteer", "clean/parcels"]
    return write_table(platform, "core/block_places", blocks.place_on_blocks(*(read_frame(platform, table) for table in inputs)), inputs)


@_remembering_addresses
def build_businesses(platform: Platform) -> "tuple[Commit, ...]":
    """core/businesses, core/business_review and core/business_decisions: made together, for a decision moves a business.

    Ids are carried on from core/business_history, which is made from the businesses in turn.
    """
    from kc_pipeline.places import business_records, businesses

    inputs = ["clean/business_licenses", "clean/food_permits", "core/gazetteer", "clean/parcels"]
    licenses, permits, gazetteer, parcels = (read_frame(platform, table) for table in inputs)
    located = business_records.locate_registers(licenses, permits, gazetteer)
    history = read_frame(platform, "core/business_history")
    tables = businesses.build_businesses(licenses, permits, located, parcels, history, read_decisions(platform))
    made = {
        "core/business_decisions": tables.decisions,
        "core/business_review": tables.review,
        "core/businesses": tables.businesses,
    }
    return tuple(write_table(platform, table, rows, inputs) for table, rows in made.items())


def read_decisions(platform: Platform) -> "pd.DataFrame":
    """The rows of the file of decisions.

    Raises:
        DecisionsError: it cannot be read, or is gone although it was named or earlier decisions came from it.
    """
    from kc_pipeline.places import decisions

    path = platform.settings.decisions_file
    if path.exists():
        return decisions.read_decisions(path)
    if platform.settings.is_decisions_file_named:
        raise decisions.DecisionsError(f"{path}: there is no such file; correct KC_DECISIONS, or write the file with `kc review --export`")
    if count := platform.lake.count("core/business_decisions"):
        raise decisions.DecisionsError(
            f"{path}: the file is gone, and with it {count} decisions (core/business_decisions has them); restore it, "
            "or put a file there that holds the header alone to withdraw them"
        )
    return decisions.no_decisions()


def update_business_history(platform: Platform) -> "Commit":
    """core/business_history after the newest snapshot of the registers."""
    from kc_pipeline.places.versions import BUSINESS_COLUMNS

    return _update_versions(platform, "core/business_history", "core/businesses", BUSINESS_COLUMNS)


def update_business_parcel_history(platform: Platform) -> "Commit":
    """core/business_parcel_history after the newest snapshot of the registers."""
    from kc_pipeline.places.versions import BUSINESS_PARCEL_COLUMNS

    return _update_versions(platform, "core/business_parcel_history", "core/business_parcels", BUSINESS_PARCEL_COLUMNS)


def _update_versions(platform: Platform, table: str, source: str, tracked: tuple[str, ...]) -> "Commit":
    from kc_pipeline.places.versions import update_versions

    versions, snapshot_date = read_frame(platform, table), register_snapshot_date(platform)
    if snapshot_date is not None:
        versions = update_versions(versions, read_frame(platform, source), snapshot_date, TABLES[source].key[0], tracked)
    return write_table(platform, table, versions, [source])


def register_snapshot_date(platform: Platform) -> date | None:
    """Local day on which the newest pull behind today's licences and permits was received; None before the first."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from kc_pipeline.catalog.geography import TIME_ZONE

    received = [
        manifest.pulled_at
        for feed in ("business_licenses", "food_permits")
        for place, pull_id in platform.lake.made_from(f"clean/{feed}").items()
        for manifest in platform.raw.pulls(feed, *place.rsplit("/", 1))
        if manifest.pull_id == pull_id
    ]
    return max((datetime.fromisoformat(moment).astimezone(ZoneInfo(TIME_ZONE)).date() for moment in received), default=None)


@_remembering_addresses
def build_business_parcels(platform: Platform) -> "Commit":
    """core/business_parcels from the businesses and where they stand."""
    from kc_pipeline.places import businesses

    inputs = ["core/businesses", "clean/parcels", "core/gazetteer", "clean/districts"]
    rows = businesses.build_business_parcels(*(read_frame(platform, table) for table in inputs))
    return write_table(platform, "core/business_parcels", rows, inputs)


@_remembering_addresses
def locate_addresses(platform: Platform) -> "Commit":
    """core/located_addresses: every address text of the event feeds, located once."""
    import pandas as pd

    from kc_pipeline.places import attribution

    events = pd.concat([read_frame(platform, f"clean/{feed}", ["address", "address_precision"]) for feed in EVENT_FEEDS])
    rows = attribution.locate_addresses(events, read_frame(platform, "core/gazetteer"))
    return write_table(platform, "core/located_addresses", rows, [*(f"clean/{feed}" for feed in EVENT_FEEDS), "core/gazetteer"])


def attribute_events(platform: Platform) -> "Commit":
    """core/event_attribution: every event's share at business parcels, or what remains of it."""
    from kc_pipeline.places import attribution

    events = attribution.distinct_events([read_frame(platform, f"clean/{feed}", attribution_columns(feed)) for feed in EVENT_FEEDS])
    inputs = ["core/located_addresses", "core/business_parcels", "clean/parcels", "core/block_places"]
    frames = [read_frame(platform, table) for table in inputs]
    if platform.settings.dask_address is None:
        rows = _attribute_here(platform, events, frames)
    else:
        rows = _attribute_on_cluster(platform, events, frames)
    return write_table(platform, "core/event_attribution", rows, [*(f"clean/{feed}" for feed in EVENT_FEEDS), *inputs])


def _attribute_here(platform: Platform, events: "pd.DataFrame", frames: "list[pd.DataFrame]") -> "pd.DataFrame":
    """The rows, made on this machine; and kept/locations.

    The points that were placed before are kept in kept/locations, so that only new ones reach the parcels' geometry.  They are
    of use while the parcels stay the same; when these change, all are placed anew.
    """
    from kc_pipeline.places import attribution
    from kc_pipeline.places.locations import Locations

    is_of_these = platform.lake.made_from("kept/locations") == platform.lake.versions(["clean/parcels"])
    locations = Locations(read_frame(platform, "kept/locations") if is_of_these else None)
    located, stands, lots, blocks = frames
    rows = attribution.attribute_events(events, located, stands, lots, blocks, locations)
    if locations.added:
        write_table(platform, "kept/locations", locations.rows, ["clean/parcels"])
    return rows


def _attribute_on_cluster(platform: Platform, events: "pd.DataFrame", frames: "list[pd.DataFrame]") -> "pd.DataFrame":
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
                return attribute_on_cluster(events, registers, Path(folder), client)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            return attribute_on_cluster(events, registers, Path(folder), client)


def attribution_columns(feed: str) -> list[str]:
    """Columns of a feed's clean table that attribution needs."""
    extra = ("current_status", "is_officer_initiated")
    return [*_ATTRIBUTION_INPUTS, *(name for name in extra if name in TABLES[f"clean/{feed}"].column_names)]
