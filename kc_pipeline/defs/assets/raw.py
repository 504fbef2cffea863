"""Raw layer: one asset per feed, its pages as the source sent them, each with a manifest."""

from typing import TYPE_CHECKING

import dagster as dg

from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.defs.metadata import counts_table, note_months, raw_metadata
from kc_pipeline.defs.partitions import BACKFILL, MONTHS, OPEN, REFRESH, open_from
from kc_pipeline.defs.puller import refresh
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import feeds

if TYPE_CHECKING:
    from kc_pipeline.extract.refresh import FeedRefresh


def build_raw_asset(feed: Feed) -> dg.AssetsDefinition:
    """The asset that pulls one feed."""
    is_event = feed.kind == "event"
    transports = sorted({d.transport.value for d in feed.data_sets if d.is_primary})

    @dg.asset(
        name=feed.name,
        key_prefix="raw",
        partitions_def=MONTHS if is_event else None,
        backfill_policy=dg.BackfillPolicy.single_run() if is_event else None,
        group_name="raw",
        kinds=set(transports[:3]),
        owners=["team:data-engineering"],
        tags={"feed_kind": feed.kind},
        op_tags={"dagster/priority": len(feeds.IN_ORDER) - feeds.IN_ORDER.index(feed)},  # the order of a run
        metadata=raw_metadata(feed),
        description=f"{feed.title} as published by {feed.publisher}: wire bytes and manifests. {feed.description}",
    )
    def pull(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
        try:
            found = _refresh(context, platform, feed)
        except Exception as error:
            raise _failure(feed, error) from error
        held = feeds.rows_held(platform, feed)
        if is_event:
            note_months(context, context.asset_key, [part for _, part, _, _ in found.pulled], held)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(held.values()),
                "rows_pulled": sum(rows for _, _, _, rows in found.pulled),
                "pulled_parts": len(found.pulled),
                "unchanged_parts": found.unchanged,
                "rows_at_source": counts_table(found.rows_by_data_set, "data set"),
                "pulled": counts_table({f"{d} {part} ({why})": rows for d, part, why, rows in found.pulled}, "part"),
                "not_configured": ", ".join(found.skipped) or "none",
            }
        )

    return pull


def _refresh(context: dg.AssetExecutionContext, platform: Platform, feed: Feed) -> "FeedRefresh":
    """Pull what the run is for; a retry of a backfill goes on with what is missing."""
    if feed.kind != "event":
        return refresh(platform, feed, open_from(platform.now().date()))
    asked, wanted = sorted(context.partition_keys), context.run.tags.get(REFRESH)
    if wanted == OPEN:
        return refresh(platform, feed, asked[0])
    goes_on = wanted == BACKFILL or context.run.parent_run_id is not None
    return feeds.refresh_months(platform, feed, asked[0], asked[-1], reads_again=not goes_on)


def _failure(feed: Feed, error: Exception) -> Exception:
    """A source's error as Dagster's own, retried by Dagster only where that can help."""
    from kc_pipeline.catalog.sources import MissingDataSetError
    from kc_pipeline.extract.errors import PermanentSourceError, SourceError

    if isinstance(error, (PermanentSourceError, MissingDataSetError)):
        return dg.Failure(str(error), allow_retries=False, metadata={"feed": feed.name})
    if isinstance(error, SourceError):
        return dg.Failure(str(error), metadata={"feed": feed.name})
    return error


RAW_ASSETS = [build_raw_asset(feed) for feed in FEEDS.values()]
