"""Small marts to publish: a feed's quality, or a few places' risk factors, of a day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.store.warehouse import Publication, Warehouse

MART, VIEW = "marts/source_quality", "v1_source_quality"
FACTORS, FACTORS_VIEW = "marts/business_risk_factors", "v1_business_risk_factors"
NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
FEEDS = ("calls_911", "police_reports", "dumping_complaints")


def quality(snapshot_id: str, as_of: date, count: int, feeds: Sequence[str] = FEEDS) -> pa.Table:
    """A day's source quality; every row has the same count, so that a mix of two snapshots shows."""
    rows = [
        {
            "as_of": as_of, "feed": feed, "source_status": "fresh", "status_reason": "", "received_count": count,
            "good_count": count, "quarantined_count": 0, "duplicate_count": 0, "event_count": count, "newest_report_date": None,
            "usual_lag_days": 56, "covered_days_365d": 300, "snapshot_id": snapshot_id, "run_id": "r", "schema_version": "1",
        }
        for feed in feeds
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=to_arrow(TABLES[MART]))


def factors(snapshot_id: str, as_of: date, count: int, places: int = 3) -> pa.Table:
    """A day's factors: one for each place, with the same observation count."""
    rows = [
        {
            "as_of": as_of, "business_parcel_id": f"parcel:{place}", "factor": "baseline", "factor_group": "context and history",
            "log_contribution": 0.5, "risk_multiplier": 1.6487212707, "observation_count": count, "nearest_m": None,
            "oldest_open_days": None, "owed_by": None, "explanation": 'A "quoted", text\nof two lines: \\N',
            "what_if_events_per_year": None, "model_id": "m",
            "snapshot_id": snapshot_id, "run_id": "r", "schema_version": "1",
        }
        for place in range(places)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=to_arrow(TABLES[FACTORS]))


def publish(warehouse: Warehouse, as_of: date, count: int, snapshot_id: str | None = None, published_utc: datetime = NOW) -> Publication:
    """Publish both marts of a day under one id."""
    given = snapshot_id or warehouse.next_snapshot_id()
    marts = {MART: quality(given, as_of, count), FACTORS: factors(given, as_of, count)}
    return warehouse.publish(marts, as_of, "r", published_utc, {MART: 3, FACTORS: 4})


def shown(warehouse: Warehouse) -> tuple[list[int], list[int]]:
    """What the two views show: distinct counts, one each unless a publish is torn."""
    return (
        sorted(set(warehouse.read_view(VIEW)["received_count"].to_pylist())),
        sorted(set(warehouse.read_view(FACTORS_VIEW)["observation_count"].to_pylist())),
    )


def day(number: int) -> date:
    """A day of July 2026, or so many days from it."""
    return date(2026, 7, 1) + timedelta(days=number - 1)
