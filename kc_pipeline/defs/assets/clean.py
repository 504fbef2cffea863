"""Clean layer: one step per feed makes its clean table and its quarantine."""

from collections.abc import Iterator

import dagster as dg

from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.beside import begin_audits, clean_feed
from kc_pipeline.defs.freshness import refreshed_within_lag
from kc_pipeline.defs.metadata import counts_table, note_months, spans, table_metadata
from kc_pipeline.defs.partitions import MONTHS
from kc_pipeline.defs.previews import counted, preview, share
from kc_pipeline.defs.resources import Platform


def build_clean_assets(feed: Feed) -> dg.AssetsDefinition:
    """The step that cleans one feed."""
    is_event = feed.kind == "event"
    clean, quarantine = TABLES[f"clean/{feed.name}"], TABLES[f"quarantine/{feed.name}"]
    upstream = dg.AssetKey(["raw", feed.name])

    def spec(table_name: str, description: str) -> dg.AssetSpec:
        table = TABLES[table_name]
        return dg.AssetSpec(
            dg.AssetKey(table_name.split("/")),
            deps=[upstream],
            group_name=table.layer,
            kinds={"deltalake"},
            owners=[table.owner],
            tags={"feed_kind": feed.kind},
            metadata=table_metadata(table),
            description=description,
            partitions_def=MONTHS if is_event else None,
            freshness_policy=refreshed_within_lag(feed),
        )

    @dg.multi_asset(
        name=f"clean_{feed.name}",
        specs=[
            spec(clean.name, f"{feed.title}, one row per {clean.grain.removeprefix('one ')}. {feed.description}"),
            spec(quarantine.name, f"Rows of {feed.title.lower()} that could not be used, each with the rule and the reason."),
        ],
        backfill_policy=dg.BackfillPolicy.single_run() if is_event else None,
        partitions_def=MONTHS if is_event else None,
        op_tags={"dagster/priority": 1 + len(FEEDS)},  # before the pulls of other feeds, which may be under way meanwhile
    )
    def clean_and_quarantine(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.MaterializeResult[None]]:
        report = clean_feed(platform, feed)
        begin_audits(platform, [clean.name])
        written = {
            table: sorted({part for c in report.commits if c.table == table for part in c.changed})
            for table in (clean.name, quarantine.name)
        }
        if is_event:
            for table in written:
                changed = [*written[clean.name], *written[quarantine.name]]
                note_months(context, dg.AssetKey(table.split("/")), changed, platform.lake.row_counts(table))
        yield dg.MaterializeResult(
            asset_key=dg.AssetKey(clean.name.split("/")),
            metadata={
                "dagster/row_count": report.row_count,
                "source_rows_received": report.total("received_count"),
                "source_rows_good": report.total("good_count"),
                "source_rows_duplicate": report.total("duplicate_count"),
                "good_share": share(report.total("good_count"), report.total("received_count")),
                "changed_partitions": spans(written[clean.name]),
                **preview(platform, clean.name),
            },
        )
        yield dg.MaterializeResult(
            asset_key=dg.AssetKey(quarantine.name.split("/")),
            metadata={
                "dagster/row_count": report.total("quarantined_count"),
                "quarantined_share": share(report.total("quarantined_count"), report.total("received_count")),
                "rules": counts_table(counted(platform.lake.read(quarantine.name, columns=["rule"]), "rule"), "rule"),
                "changed_partitions": spans(written[quarantine.name]),
            },
        )

    return clean_and_quarantine


CLEAN_ASSETS = [build_clean_assets(feed) for feed in FEEDS.values()]
