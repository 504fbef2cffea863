"""Dimension tables whose rows are the same on every day: contracts of what `store/reference_rows.py` fills."""

from collections.abc import Mapping
from datetime import date

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

REFERENCE_TABLES: Mapping[str, Table] = {table.name: table for table in _TABLES}
