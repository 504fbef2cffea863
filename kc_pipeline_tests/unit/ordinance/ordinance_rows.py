"""Rows for the tests of the ordinance: shares of incidents, with everything that the law asks of them."""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

import pandas as pd

from kc_pipeline.ordinance.rules import RuleSet, our_rule_sets

PLACE, OTHER_PLACE = "parcel:1", "parcel:2"
LAW: RuleSet = our_rule_sets()[-1]
_DEFAULTS: Mapping[str, Any] = {
    "business_parcel_id": PLACE, "feed": "police_reports", "category": "robbery", "precision": "EXACT", "attribution_method": "parcel_key",
    "distance_m": 0.0, "candidate_count": 1, "weight": 1.0, "exclusion_reason": None, "is_domestic": False, "is_officer_initiated": None,
    "texts": None, "occurred_local": None, "reported_clock": "exact", "record_systems": "department", "block_key": "1000 LOCUST ST",
}  # fmt: skip
_TEXT = (
    "event_id", "business_parcel_id", "feed", "category", "precision", "attribution_method", "exclusion_reason", "texts",
    "reported_clock", "record_systems", "block_key",
)  # fmt: skip


def shares(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Shares with defaults; `at` gives date and time together, `known` the day of availability (that of the report)."""
    made = []
    for i, row in enumerate(rows):
        at = row.get("at", date(2026, 5, 1))
        at = at if isinstance(at, datetime) else datetime.combine(at, time(12))
        own = {name: value for name, value in row.items() if name not in ("at", "known")}
        feed = own.get("feed", _DEFAULTS["feed"])
        made.append(
            _DEFAULTS
            | {"event_id": f"{feed}:{i}", "report_date": at.date(), "reported_local": at, "available_date": row.get("known", at.date())}
            | own
        )
    columns = [*_DEFAULTS, "event_id", "report_date", "reported_local", "available_date"]
    frame = pd.DataFrame(made, columns=columns)
    types = dict.fromkeys(_TEXT, "str") | {"is_domestic": "boolean", "is_officer_initiated": "boolean"}
    times = {name: pd.to_datetime(frame[name]).astype("datetime64[us]") for name in ("reported_local", "occurred_local")}
    return frame.astype(types).assign(**times)


def call(**row: Any) -> dict[str, Any]:
    """A call about an assault."""
    return {"feed": "calls_911", "category": "assault", "is_domestic": None, "is_officer_initiated": False, **row}


def day(text: str) -> date:
    """A date from its ISO form."""
    return date.fromisoformat(text)
