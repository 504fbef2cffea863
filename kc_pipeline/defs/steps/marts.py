"""What is said of a day, and its publication."""

from datetime import date
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame, write_mart

if TYPE_CHECKING:
    from kc_pipeline.store.lake import Commit
    from kc_pipeline.store.warehouse import Publication


def judge_sources(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/source_quality of a day."""
    from kc_pipeline.extract.status import read_failures
    from kc_pipeline.quality.sources import source_quality

    newest = {}
    for feed in EVENT_FEEDS:
        seen = read_frame(platform, f"clean/{feed}", ["report_date", "available_date"])
        usable = seen[(seen["available_date"] <= as_of) & (seen["report_date"] < as_of)]
        newest[feed] = usable["report_date"].max() if len(usable) else None
    account = read_frame(platform, "quality/reconciliation")
    counts = {feed: platform.lake.count(f"clean/{feed}") for feed in FEEDS}
    rows = source_quality(account, counts, newest, read_failures(platform.settings.raw_dir), as_of)
    return write_mart(platform, "marts/source_quality", rows, as_of, run_id, ["quality/reconciliation"])


def score_business_risk(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/business_risk of a day."""
    from kc_pipeline.quality.sources import stale_event_feeds
    from kc_pipeline.risk.score import count_events, score_places

    inputs = ["core/business_parcels", "core/event_attribution"]
    rows = score_places(count_events(read_frame(platform, inputs[0]), read_frame(platform, inputs[1]), as_of))
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    rows = rows.assign(as_of=as_of, stale_sources=stale_event_feeds(quality))
    return write_mart(platform, "marts/business_risk", rows, as_of, run_id, inputs)


def publish_marts(platform: Platform, as_of: date, run_id: str) -> "Publication":
    """Show a day's marts to BI."""
    from kc_pipeline.store.warehouse import PUBLISHED_MARTS

    lake = platform.lake
    marts = {mart: lake.read(mart, partitions=[as_of.isoformat()]) for mart in PUBLISHED_MARTS}
    marts = {mart: rows for mart, rows in marts.items() if rows.num_rows}
    versions = lake.versions([*marts, *(f"clean/{feed}" for feed in FEEDS), "core/business_parcels", "core/event_attribution"])
    return platform.warehouse.publish(marts, as_of, run_id, platform.now(), versions)
