"""Codes at a source that no category is known for: kept, flagged and counted."""

import pandas as pd

from kc_pipeline.catalog.events import UNKNOWN
from kc_pipeline.quality.drift.daily import NO_NAME
from kc_pipeline.quality.drift.finding import Drift, percent, plural

_TOLD = 20


def unknown_codes(feed: str, counts: pd.DataFrame) -> list[Drift]:
    """The most frequent codes without a category.

    Args:
        feed: name of the feed.
        counts: source_category (may be missing), category, event_count.
    """
    total = int(counts["event_count"].sum())
    unknown = counts[counts["category"] == UNKNOWN]
    code = unknown["source_category"].astype("object").where(unknown["source_category"].notna(), NO_NAME)
    by_code = unknown.groupby(code)["event_count"].sum().sort_values(ascending=False, kind="stable")
    return [
        Drift(
            "unknown_code",
            feed,
            str(name),
            None,
            f"{feed}: '{name}' ({plural(int(rows), 'row')}, {percent(rows / total)}) has no category; "
            "add it to kc_pipeline/catalog/events.py.",
            {"rows": int(rows), "share": round(rows / total, 6), "codes_without_category": len(by_code)},
        )
        for name, rows in by_code.head(_TOLD).items()
    ]
