"""Clean tables for the benchmarks: of the synthetic city at any scale, or of recorded city rows; made once per folder."""

import os
from datetime import UTC, datetime
from pathlib import Path

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.partitions import open_from
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import feeds
from kc_pipeline.sandbox.city import ANCHOR_DATE
from kc_pipeline.sandbox.serving import open_source
from kc_pipeline.settings import load_settings

MORNING = datetime(ANCHOR_DATE.year, ANCHOR_DATE.month, ANCHOR_DATE.day, 10, 30, tzinfo=UTC)


def make_clean_tables(
    folder: Path, source: str, *, scale: float = 1.0, recordings: Path | None = None, history_start: str = "2025-07"
) -> Platform:
    """Pull and clean every feed into a folder; what is there and unchanged stays.

    Args:
        folder: data folder of the benchmark; kept, so that the next one can use it.
        source: 'sandbox' or 'replay'.
        scale: size of the synthetic city.
        recordings: folder of recorded rows, for 'replay'.
        history_start: first month pulled, YYYY-MM.
    """
    environ = {**os.environ, "KC_DATA_DIR": str(folder), "KC_HISTORY_START": history_start if source == "sandbox" else "2015-01"}
    settings = load_settings(environ, source)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with open_source(settings, through=ANCHOR_DATE, recordings=recordings, scale=scale) as opened:
        platform = Platform(opened, lambda: MORNING)
        for feed in FEEDS.values():
            feeds.refresh_raw(platform, feed, open_from(ANCHOR_DATE))
            feeds.clean_feed(platform, feed)
    return platform
