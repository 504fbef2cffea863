"""Rows of the dimension tables that are the same on every day."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.reference import FIRST_DAY, LAST_DAY, REFERENCE_TABLES
from kc_pipeline.catalog.sources import FEEDS

Rows = list[dict[str, Any]]
_CODE_VERSION = 1
_MAY = 5  # the city's fiscal year begins on the first of May


def dates() -> Rows:
    """Rows of reference/dim_date, from 2010 to 2040; holidays as pandas knows the federal ones."""
    from pandas.tseries.holiday import USFederalHolidayCalendar

    holidays = {moment.date() for moment in USFederalHolidayCalendar().holidays(FIRST_DAY, LAST_DAY)}
    return [_date(FIRST_DAY + timedelta(days=number), holidays) for number in range((LAST_DAY - FIRST_DAY).days + 1)]


def feeds() -> Rows:
    """Rows of reference/dim_feed."""
    return [
        {
            "feed": feed.name,
            "feed_title": feed.title,
            "feed_description": feed.description,
            "publisher": feed.publisher,
            "is_event_feed": feed.kind == "event",
            "usual_lag_days": feed.usual_lag_days,
        }
        for feed in FEEDS.values()
    ]


def edition(table: str) -> str:
    """What the rows of a table follow from, as a digest: where it is as it was, the rows need not be written again."""
    made_from = feeds() if table == "reference/dim_feed" else (FIRST_DAY, LAST_DAY, TIME_ZONE)
    return hashlib.sha256(repr((_CODE_VERSION, REFERENCE_TABLES[table].column_names, made_from)).encode()).hexdigest()


ROWS_OF: Mapping[str, Callable[[], Rows]] = {"reference/dim_date": dates, "reference/dim_feed": feeds}


def _date(day: date, holidays: set[date]) -> dict[str, Any]:
    begun = day.year if day.month >= _MAY else day.year - 1
    return {
        "calendar_date": day,
        "calendar_year": day.year,
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "calendar_month": f"{day:%Y-%m}",
        "iso_weekday": day.isoweekday(),
        "weekday_name": f"{day:%A}",
        "is_weekend": day.isoweekday() > 5,
        "is_federal_holiday": day in holidays,
        "fiscal_year": f"{begun}-{(begun + 1) % 100:02d}",
        "day_hours": _hours(day),
    }


def _hours(day: date) -> int:
    zone = ZoneInfo(TIME_ZONE)
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=zone).timestamp() for d in (day, day + timedelta(days=1)))
    return round((end - begin) / 3600)
