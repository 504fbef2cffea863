"""The core tables: where events happened, which businesses there are, and which events belong to them."""

import hashlib
from datetime import date
from typing import TYPE_CHECKING

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame, write_table
from kc_pipeline.defs.steps.unchanged import remembering_addresses, unless_unchanged

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.store.lake import Commit

_ADDRESS_REGISTERS = ("parcels", "property_violations", "dangerous_buildings", "business_licenses", "food_permits")
_CASES = ("property_violations", "dangerous_buildings")
_ADDRESSED_EVENTS = ("streetlight_outages", "dumping_complaints")
GAZETTEER_INPUTS = (*(f"clean/{name}" for name in (*_ADDRESS_REGISTERS, *_ADDRESSED_EVENTS)), "clean/streets")
BLOCK_INPUTS = ("core/gazetteer", "clean/parcels")
BUSINESS_TABLES = ("core/business_decisions", "core/business_review", "core/businesses")
BUSINESS_INPUTS = ("clean/business_licenses", "clean/food_permits", "core/gazetteer", "clean/parcels")
BUSINESS_PARCEL_INPUTS = ("core/businesses", "clean/parcels", "core/gazetteer", "clean/districts")


def read_address_registers(platform: Platform) -> "dict[str, pd.DataFrame]":
    """What registers say of exact addresses: name -> address, zip_code, latitude, longitude and, where they name it, parcel_id.

    Of 311 the exact addresses, of licences and permits those in the city.  Cases and 311 count once their month is settled:
    neither of the two newest months.  So the gazetteer, and all that rests on it, stays the same from day to day, and what
    cases and 311 alone know of comes in once a month.
    """
    from kc_pipeline.places.business_records import lies_in_city

    registers = {name: _read_addresses(platform, name) for name in _ADDRESS_REGISTERS}
    settled = _first_unsettled_month(platform)
    for name in _CASES:
        opened = registers[name].pop("opened_date")
        registers[name] = registers[name][opened.isna() | (opened.astype("str") < settled)]
    for name in _ADDRESSED_EVENTS:
        months = [month for month in platform.lake.partitions(f"clean/{name}") if month < settled]
        rows = _read_addresses(platform, name, sorted(months))
        registers[name] = rows[rows.pop("address_precision") == "exact"]
    for name in ("business_licenses", "food_permits"):
        rows = registers[name]
        registers[name] = rows[lies_in_city(rows)].drop(columns=["city", "state"])
    return registers


def _first_unsettled_month(platform: Platform) -> str:
    """The month (YYYY-MM) before the newest that 311 has rows of; without any, one that comes after every day."""
    months = sorted({month for name in _ADDRESSED_EVENTS for month in platform.lake.partitions(f"clean/{name}")})
    return months[-2:][0] if months else "9999"


def _read_addresses(platform: Platform, name: str, partitions: list[str] | None = None) -> "pd.DataFrame":
    wanted = ("address", "zip_code", "latitude", "longitude", "parcel_id", "opened_date", "address_precision", "city", "state")
    table = f"clean/{name}"
    return read_frame(platform, table, [column for column in wanted if column in TABLES[table].column_names], partitions)


def _digest_of_addresses(platform: Platform) -> dict[str, str]:
    """Digest of what each register says of addresses, whatever the order of its rows and whatever else is in it."""
    import numpy as np
    import pyarrow as pa

    from kc_pipeline.digests import row_digests

    registers = {name: pa.Table.from_pandas(rows, preserve_index=False) for name, rows in read_address_registers(platform).items()}
    return {name: hashlib.sha256(np.sort(row_digests(rows)).tobytes()).hexdigest() for name, rows in registers.items()}


@unless_unchanged(["core/gazetteer"], ["clean/streets"], _digest_of_addresses)
@remembering_addresses
def build_gazetteer(platform: Platform) -> "Commit":
    """core/gazetteer from the registers and the exact addresses of 311."""
    from kc_pipeline.places import gazetteer

    registers = read_address_registers(platform)
    rows = gazetteer.build_gazetteer(registers, registers["parcels"], read_frame(platform, "clean/streets"))
    return write_table(platform, "core/gazetteer", rows, GAZETTEER_INPUTS)


@unless_unchanged(["core/block_places"], BLOCK_INPUTS)
def place_on_blocks(platform: Platform) -> "Commit":
    """core/block_places: every parcel with the blocks it stands on."""
    from kc_pipeline.places import blocks

    rows = blocks.place_on_blocks(*(read_frame(platform, table) for table in BLOCK_INPUTS))
    return write_table(platform, "core/block_places", rows, BLOCK_INPUTS)


def _beside_the_inputs(platform: Platform) -> list[object]:
    """What businesses follow from beside the tables they are made of: earlier ids, and the file of decisions as it is now."""
    path = platform.settings.decisions_file
    decisions = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    return [platform.lake.version("core/business_history"), decisions]


@unless_unchanged(BUSINESS_TABLES, BUSINESS_INPUTS, _beside_the_inputs)
@remembering_addresses
def build_businesses(platform: Platform) -> "tuple[Commit, ...]":
    """core/businesses, core/business_review and core/business_decisions: made together, for a decision moves a business.

    Ids are carried on from core/business_history, which is made from the businesses in turn.
    """
    from kc_pipeline.places import business_records, businesses

    licenses, permits, gazetteer, parcels = (read_frame(platform, table) for table in BUSINESS_INPUTS)
    located = business_records.locate_registers(licenses, permits, gazetteer)
    history = read_frame(platform, "core/business_history")
    tables = businesses.build_businesses(licenses, permits, located, parcels, history, read_decisions(platform))
    made = (tables.decisions, tables.review, tables.businesses)
    return tuple(write_table(platform, table, rows, BUSINESS_INPUTS) for table, rows in zip(BUSINESS_TABLES, made, strict=True))


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


def _snapshot_day(platform: Platform) -> str:
    return str(register_snapshot_date(platform))


@unless_unchanged(["core/business_history"], ["core/businesses"], _snapshot_day)
def update_business_history(platform: Platform) -> "Commit":
    """core/business_history after the newest snapshot of the registers."""
    from kc_pipeline.places.versions import BUSINESS_COLUMNS

    return _update_versions(platform, "core/business_history", "core/businesses", BUSINESS_COLUMNS)


@unless_unchanged(["core/business_parcel_history"], ["core/business_parcels"], _snapshot_day)
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


@unless_unchanged(["core/business_parcels"], BUSINESS_PARCEL_INPUTS)
@remembering_addresses
def build_business_parcels(platform: Platform) -> "Commit":
    """core/business_parcels from the businesses and where they stand."""
    from kc_pipeline.places import businesses

    rows = businesses.build_business_parcels(*(read_frame(platform, table) for table in BUSINESS_PARCEL_INPUTS))
    return write_table(platform, "core/business_parcels", rows, BUSINESS_PARCEL_INPUTS)
