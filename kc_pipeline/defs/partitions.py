"""Events by month, marts by day, both in the city's own time zone."""

from datetime import date, timedelta

import dagster as dg

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.sources import FEEDS

FIRST_MONTH = "2015-01"
LONGEST_LAG_DAYS = max(feed.usual_lag_days for feed in FEEDS.values())

MONTHS = dg.MonthlyPartitionsDefinition(FIRST_MONTH, timezone=TIME_ZONE, fmt="%Y-%m", end_offset=1)
DAYS = dg.DailyPartitionsDefinition("2016-01-01", timezone=TIME_ZONE, end_offset=1)


# Tags of runs. Without REFRESH somebody asked for months, and gets those months read again and no other.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
REFRESH = "kc/refresh"
OPEN, BACKFILL = "open", "backfill"  # open months and whatever is missing; what is missing or changed of the months asked for


def open_from(as_of: date) -> str:
    """First month that is still open on a day: back to the longest lag of any feed."""
    return (as_of - timedelta(days=LONGEST_LAG_DAYS)).strftime("%Y-%m")
