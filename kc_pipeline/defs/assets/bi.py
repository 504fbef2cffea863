"""Marts made for readers: the action list, dimensions, counts for the public; and the publication of a day's marts to BI."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.reference import SNAPSHOT_COLUMNS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import PUBLISHED_MARTS, VIEWS
from kc_pipeline.defs.assets.marts import MADE_BESIDE, source_quality
from kc_pipeline.defs.automation import WHEN_CORE_IS_DONE
from kc_pipeline.defs.beside import begin_audits, make_mart, staged_mart
from kc_pipeline.defs.freshness import EVERY_MORNING
from kc_pipeline.defs.metadata import columns_metadata, counts_table, table_metadata
from kc_pipeline.defs.partitions import DAYS
from kc_pipeline.defs.previews import counted, numbers, preview, share
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import marts, public_counts

_ACTIONS, _PUBLIC = TABLES["marts/action_items"], TABLES["marts/public_neighborhood_quarter"]


@dg.asset(
    key_prefix="marts",
    deps=[dg.AssetKey(["core", "factor_observations"]), dg.AssetKey(["clean", "dumping_complaints"]), source_quality],
    partitions_def=DAYS,
    group_name="marts",
    kinds={"deltalake"},
    owners=[_ACTIONS.owner],
    metadata=table_metadata(_ACTIONS),
    automation_condition=WHEN_CORE_IS_DONE,
    freshness_policy=EVERY_MORNING,
    op_tags=MADE_BESIDE,
    description=(
        "What is open on the premises of each business and within 200 m of it, who has to act, and since when. No source tells "
        "whether a business lights its own lot."
    ),
)
def action_items(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
    """marts/action_items."""
    day = date.fromisoformat(context.partition_key)
    make_mart(platform, marts.list_actions, day, context.run.run_id)
    begin_audits(platform, [_ACTIONS.name], day)
    rows = platform.lake.read(_ACTIONS.name, partitions=[context.partition_key], columns=["responsible_party"])
    counts = counted(rows, "responsible_party")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows.num_rows,
            "owed_by": counts_table(counts, "responsible party", "items"),
            **numbers("items_of", counts, ("city", "owner", "another owner")),
            **preview(platform, _ACTIONS.name, context.partition_key),
        }
    )


_DIMENSIONS = {
    TABLES["marts/dim_business"]: "Businesses and their versions, as known when the day was published.",
    TABLES["marts/dim_business_parcel"]: "Business places and their versions, as known when the day was published.",
}


@dg.multi_asset(
    name="dimensions",
    specs=[
        dg.AssetSpec(
            table.name.split("/"),
            deps=[dg.AssetKey(["core", "business_history"]), dg.AssetKey(["core", "business_parcel_history"])],
            group_name="marts",
            kinds={"deltalake"},
            owners=[table.owner],
            metadata=table_metadata(table),
            automation_condition=WHEN_CORE_IS_DONE,
            freshness_policy=EVERY_MORNING,
            description=description,
        )
        for table, description in _DIMENSIONS.items()
    ],
    partitions_def=DAYS,
    op_tags=MADE_BESIDE,
)
def dimensions(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult[None]]:
    """marts/dim_business and marts/dim_business_parcel."""
    day = date.fromisoformat(context.partition_key)
    commits = make_mart(platform, marts.list_dimensions, day, context.run.run_id)
    begin_audits(platform, (commit.table for commit in commits), day)
    for commit in commits:
        shown = preview(platform, commit.table, context.partition_key)
        yield dg.MaterializeResult(asset_key=commit.table.split("/"), metadata={"dagster/row_count": commit.row_count, **shown})


@dg.asset(
    key_prefix="marts",
    deps=[
        *(dg.AssetKey(["clean", feed]) for feed in (*EVENT_FEEDS, "districts")),
        dg.AssetKey(["core", "located_addresses"]),
        source_quality,
    ],
    partitions_def=DAYS,
    group_name="marts",
    kinds={"deltalake"},
    owners=[_PUBLIC.owner],
    metadata=table_metadata(_PUBLIC),
    automation_condition=WHEN_CORE_IS_DONE,
    freshness_policy=EVERY_MORNING,
    op_tags=MADE_BESIDE,
    description=(
        "Events by neighborhood and complete quarter, for everybody: counts from 1 to 10 are hidden, and others with them where a "
        "hidden one could be computed."
    ),
)
def public_neighborhood_quarter(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
    """marts/public_neighborhood_quarter."""
    day = date.fromisoformat(context.partition_key)
    make_mart(platform, public_counts.count_for_the_public, day, context.run.run_id)
    begin_audits(platform, [_PUBLIC.name], day)
    rows = platform.lake.read(_PUBLIC.name, partitions=[context.partition_key], columns=["is_suppressed"])
    hidden = sum(rows["is_suppressed"].to_pylist())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows.num_rows,
            "hidden_counts": hidden,
            "hidden_share": share(hidden, rows.num_rows),
            **preview(platform, _PUBLIC.name, context.partition_key),
        }
    )


_SNAPSHOTS = dg.AssetKey(["warehouse", "published_snapshots"])
_KEEPS_CONTRACTS = dg.AssetCheckSpec(
    "rows_keep_the_released_contracts",
    asset=_SNAPSHOTS,
    blocking=True,
    description=(
        "The rows about to be shown have the columns, types, required values, keys, ranges and sets that readers of each view were "
        "promised. Where they do not, nothing is published, and the views show what they showed."
    ),
)


@dg.multi_asset(
    name="published_snapshots",
    specs=[
        dg.AssetSpec(
            _SNAPSHOTS,
            deps=[dg.AssetKey(mart.split("/")) for mart in PUBLISHED_MARTS],
            group_name="warehouse",
            kinds={"sqlalchemy"},
            owners=["team:data-engineering"],
            metadata=columns_metadata(SNAPSHOT_COLUMNS),
            automation_condition=WHEN_CORE_IS_DONE,
            freshness_policy=EVERY_MORNING,
            skippable=True,
            description="The day's marts in the BI warehouse: appended to the history, shown by the v1 views if no later day is shown.",
        )
    ],
    check_specs=[_KEEPS_CONTRACTS],
    partitions_def=DAYS,
)
def published_snapshots(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """Publication of a day's marts, if they keep the released contracts."""
    day = marts.read_marts(platform, date.fromisoformat(context.partition_key))
    breaches = marts.breaches_of_contracts(day)
    found = [str(breach) for of_view in breaches.values() for breach in of_view]
    yield dg.AssetCheckResult(
        passed=not found,
        asset_key=_SNAPSHOTS,
        check_name=_KEEPS_CONTRACTS.name,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(found[:3]) or None,
        metadata={
            "views": counts_table({view: len(of_view) for view, of_view in breaches.items()}, "view", "breaches"),
            "rows": sum(rows.num_rows for rows in day.rows.values()),
            **({"breaches": dg.MetadataValue.md("\n".join(f"- {breach}" for breach in found))} if found else {}),
        },
    )
    if found:
        return
    done = marts.publish_marts(platform, day, context.run.run_id, lambda mart: staged_mart(platform, mart, day.as_of))
    pruned = marts.prune_warehouse(platform)
    yield dg.MaterializeResult(
        metadata={
            "is_current": done.is_current,
            "snapshots": ", ".join(f"{mart} {snapshot}" for mart, snapshot in done.snapshots.items()),
            "new_rows": counts_table(done.row_counts, "mart"),
            "rows_newly_published": sum(done.row_counts.values()),
            "snapshots_pruned": len(pruned),
            "orphan_files_removed": platform.lake.clear_orphans(),
        }
    )


@dg.asset_check(
    asset=_SNAPSHOTS,
    blocking=True,
    description="Every v1 view has the columns, types, keys and values that its released data contract promises, as anyone reads it now.",
)
def views_keep_their_contracts(platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
    """The released contracts against the views; rows that would break one are not published in the first place."""
    said = [str(breach) for breach in marts.check_views(platform)]
    return dg.AssetCheckResult(
        passed=not said, severity=dg.AssetCheckSeverity.ERROR, description="; ".join(said[:3]) or None,
        metadata={"views": len(VIEWS), "breaches": len(said), "every_breach": dg.MetadataValue.md("\n".join(f"- {each}" for each in said))},
    )  # fmt: skip


BI_ASSETS = [action_items, dimensions, public_neighborhood_quarter, published_snapshots]
BI_CHECKS = [views_keep_their_contracts]
