"""311 requests about streetlights and illegal dumping, of the present system and of the one before 2021."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa

from kc_pipeline.catalog.events import (
    DUMPING_CATEGORY_OF_SUB_TYPE,
    LEGACY_311_STATUS,
    STREETLIGHT_CATEGORY_OF_PATTERN,
    UNKNOWN,
)
from kc_pipeline.transform.events import category_by_pattern, merge_rows, start_events
from kc_pipeline.transform.ledger import Ledger
from kc_pipeline.transform.locations import clean_addresses, clean_parcel_ids, clean_positions
from kc_pipeline.transform.result import CleanResult
from kc_pipeline.transform.times import parse_local


def clean_streetlights(raw: pa.Table) -> CleanResult:
    """Clean 311 requests about streetlights."""
    return _clean("streetlight_outages", raw, lambda texts: category_by_pattern(texts, STREETLIGHT_CATEGORY_OF_PATTERN, UNKNOWN))


def clean_dumping(raw: pa.Table) -> CleanResult:
    """Clean 311 requests about illegal dumping."""
    return _clean("dumping_complaints", raw, lambda texts: texts.map(DUMPING_CATEGORY_OF_SUB_TYPE).astype("str").fillna(UNKNOWN))


def _clean(feed: str, raw: pa.Table, categorize: Callable[[pd.Series], pd.Series]) -> CleanResult:
    ledger = Ledger(feed, raw)
    rows = start_events(ledger, "request_id", "opened_at", "opened_time")
    status = rows["status"].str.lower()
    rows = rows.assign(
        **clean_addresses(rows, True),
        **clean_positions(rows),
        parcel_id=clean_parcel_ids(rows["parcel_id"]),
        category=categorize(rows["issue_sub_type"]),
        source_category=rows["issue_sub_type"],
        current_status=status.map(LEGACY_311_STATUS).astype("str").fillna(status),
        resolved_date=parse_local(rows["resolved_at"]).dt.normalize(),
    )
    return ledger.close(merge_rows(rows), rows["event_id"])
