"""Core layer: the city's addresses, its businesses, their places, and which events belong to them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs import steps
from kc_pipeline.defs.automation import WHEN_INPUTS_CHANGED
from kc_pipeline.defs.metadata import table_metadata
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    from kc_pipeline.store.lake import Commit


def build_core_asset(table_name: str, inputs: list[str], step: Callable[[Platform], "Commit"], description: str) -> dg.AssetsDefinition:
    """An asset that is one core table made by one step."""
    table = TABLES[table_name]

    @dg.asset(
        key=table_name.split("/"),
        deps=[dg.AssetKey(name.split("/")) for name in inputs],
        group_name="core",
        kinds={"deltalake", "geopandas"},
        owners=[table.owner],
        metadata=table_metadata(table),
        automation_condition=WHEN_INPUTS_CHANGED,
        description=f"{description} One row per {table.grain.removeprefix('one ')}.",
    )
    def build(platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
        commit = step(platform)
        rows = platform.lake.count(table_name)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": rows, "delta_version": commit.version or 0, "changed": bool(commit.changed)}
        )

    return build


_REGISTERS = ["clean/parcels", "clean/property_violations", "clean/dangerous_buildings", "clean/business_licenses", "clean/food_permits"]

CORE_ASSETS = [
    build_core_asset(
        "core/gazetteer",
        [*_REGISTERS, "clean/streetlight_outages", "clean/dumping_complaints"],
        steps.build_gazetteer,
        "Every exact address that a register names, with its parcel where one register knows it.",
    ),
    build_core_asset(
        "core/businesses",
        ["clean/business_licenses", "clean/food_permits", "clean/parcels", "core/gazetteer"],
        steps.build_businesses,
        "Licences and food permits joined to businesses and tied to parcels.",
    ),
    build_core_asset(
        "core/business_parcels",
        ["core/businesses", "clean/parcels", "core/gazetteer", "clean/districts"],
        steps.build_business_parcels,
        "Places on which at least one active business stands.",
    ),
    build_core_asset(
        "core/event_attribution",
        [*(f"clean/{feed}" for feed in EVENT_FEEDS), "core/business_parcels", "clean/parcels", "core/gazetteer"],
        steps.attribute_events,
        "Events tied to business places or shared over their block, with how well that is known.",
    ),
]
