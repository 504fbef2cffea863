"""Dimension tables whose rows are the same on every day: contracts of what `store/reference_rows.py` fills."""

from collections.abc import Mapping
from datetime import date

from kc_pipeline.catalog.columns import COLUMNS, Column, Type
from kc_pipeline.catalog.tables import Table

FIRST_DAY, LAST_DAY = date(2010, 1, 1), date(2040, 12, 31)

_TABLES = (
    Table(
        "reference/dim_date", "one day in the city", ("calendar_date",),
        ("calendar_date", "calendar_year", "quarter", "calendar_month", "iso_weekday", "weekday_name", "is_weekend", "is_federal_holiday",
         "fiscal_year", "day_hours"),
    ),
    Table(
        "reference/dim_feed", "one feed", ("feed",),
        ("feed", "feed_title", "feed_description", "publisher", "is_event_feed", "usual_lag_days"),
    ),
)  # fmt: skip

# The warehouse's list of what was published (`store/warehouse_schema.py` makes it): a row per snapshot of a mart.
SNAPSHOT_COLUMNS = (
    Column("mart", Type.TEXT, "The mart that was published.", False),
    COLUMNS["snapshot_id"],
    COLUMNS["as_of"],
    COLUMNS["run_id"],
    Column("row_count", Type.INTEGER, "Rows of the snapshot.", False, minimum=0),
    Column("published_utc", Type.UTC_TIME, "When it was published.", False),
    Column("lake_versions", Type.TEXT, "Lake tables and the Delta versions that it was made from, as JSON.", False),
    Column("pruned_utc", Type.UTC_TIME, "When its rows left the warehouse; the lake keeps them."),
)

REFERENCE_TABLES: Mapping[str, Table] = {table.name: table for table in _TABLES}
