"""Core layer: the city's addresses, its businesses, their places, and which events belong to them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.answers import attribution_rates, match_rates
from kc_pipeline.defs.automation import WHEN_INPUTS_CHANGED
from kc_pipeline.defs.beside import begin_audits
from kc_pipeline.defs.metadata import rates_metadata, table_metadata
from kc_pipeline.defs.previews import preview, share
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution, places, risk

if TYPE_CHECKING:
    from kc_pipeline.store.lake import Commit


def build_core_asset(
    table_name: str,
    inputs: Sequence[str],
    step: Callable[[Platform], "Commit"],
    description: str,
    summary: Callable[[Platform], Mapping[str, Any]] = lambda _platform: {},
) -> dg.AssetsDefinition:
    """An asset that is one core table made by one step, with a summary of the table as metadata."""
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
        begin_audits(platform, [table_name])
        rows = platform.lake.count(table_name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows,
                "delta_version": commit.version or 0,
                "changed": bool(commit.changed),
                **summary(platform),
                **preview(platform, table_name),
            }
        )

    return build


def build_core_assets(
    descriptions: Mapping[str, str],
    inputs: Sequence[str],
    step: Callable[[Platform], "Sequence[Commit]"],
    summary: Callable[[Platform], Mapping[str, Any]],
) -> dg.AssetsDefinition:
    """Several core tables that one step makes together; the summary is shown with the last of them."""
    specs = [
        dg.AssetSpec(
            name.split("/"),
            deps=[dg.AssetKey(table.split("/")) for table in inputs],
            group_name="core",
            kinds={"deltalake", "geopandas"},
            owners=[TABLES[name].owner],
            metadata=table_metadata(TABLES[name]),
            automation_condition=WHEN_INPUTS_CHANGED,
            description=f"{description} One row per {TABLES[name].grain.removeprefix('one ')}.",
        )
        for name, description in descriptions.items()
    ]

    @dg.multi_asset(name=list(descriptions)[-1].replace("/", "__"), specs=specs)
    def build(platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult[None]]:
        commits = step(platform)
        begin_audits(platform, descriptions)
        for commit in commits:
            facts = {
                "dagster/row_count": platform.lake.count(commit.table),
                "delta_version": commit.version or 0,
                "changed": bool(commit.changed),
            }
            more = summary(platform) if commit is commits[-1] else {}
            yield dg.MaterializeResult(asset_key=commit.table.split("/"), metadata={**facts, **more, **preview(platform, commit.table)})

    return build


def _attribution_summary(platform: Platform) -> Mapping[str, Any]:
    by_precision, by_method = attribution_rates(platform, "precision", "attribution_method")
    return {**rates_metadata(by_precision, "precision"), **rates_metadata(by_method, "method")}


def _match_summary(platform: Platform) -> Mapping[str, Any]:
    rates = match_rates(platform)
    active = rates.get("active", {})
    on_parcel = share(sum(active.values()) - active.get("none", 0.0), sum(active.values()))
    return {"active_on_parcel_share": on_parcel, **rates_metadata(rates, "match_method")}


def _located_summary(platform: Platform) -> Mapping[str, Any]:
    found = platform.lake.read("core/located_addresses", columns=["latitude"])
    return {"located_share": share(found.num_rows - found["latitude"].null_count, found.num_rows)}


CORE_ASSETS = [
    build_core_asset(
        "core/gazetteer",
        places.GAZETTEER_INPUTS,
        places.build_gazetteer,
        "Exact addresses, blocks and corners with position, error radius and evidence; built from registers, never from police rows.",
    ),
    build_core_asset(
        "core/block_places",
        places.BLOCK_INPUTS,
        places.place_on_blocks,
        "The places over which an event known to its block is shared.",
    ),
    build_core_asset(
        "core/located_addresses",
        attribution.LOCATION_INPUTS,
        attribution.locate_addresses,
        "Where every address text of the event feeds lies, and how sure that is.",
        _located_summary,
    ),
    build_core_assets(
        {
            "core/business_decisions": "What a person decided about businesses, in the file of decisions.",
            "core/business_review": "Businesses whose parcel is in doubt: they keep their address as their place until a person decides.",
            "core/businesses": "Licences and food permits joined to businesses and tied to parcels.",
        },
        places.BUSINESS_INPUTS,
        places.build_businesses,
        _match_summary,
    ),
    build_core_asset(
        "core/business_history",
        ["core/businesses"],
        places.update_business_history,
        "Businesses through the snapshots of the registers.",
    ),
    build_core_asset(
        "core/business_parcels",
        places.BUSINESS_PARCEL_INPUTS,
        places.build_business_parcels,
        "Places on which at least one active business stands.",
    ),
    build_core_asset(
        "core/business_parcel_history",
        ["core/business_parcels"],
        places.update_business_parcel_history,
        "Business places through the snapshots of the registers.",
    ),
    build_core_asset(
        "core/event_attribution",
        attribution.ATTRIBUTION_INPUTS,
        attribution.attribute_events,
        "Events tied to business places or shared over their block, with how well that is known.",
        _attribution_summary,
    ),
    build_core_asset(
        "core/factor_observations",
        risk.OBSERVATION_INPUTS,
        risk.gather_observations,
        "What may raise risk, where and since when: outages, dumping, violations, dangerous buildings, kinds of business, bus stops.",
    ),
]
