"""A few rows and a few numbers of a table for the page of its asset.

Previews lie in Dagster's event log, which more people read than the tables: no person, no exact place of an incident.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from kc_pipeline.catalog.columns import Type
from kc_pipeline.catalog.tables import PROVENANCE, TABLES, Table
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, _COLUMNS, _WIDEST_TEXT = 5, 8, 44
MOST_CHARACTERS = 960  # the UI hides longer Markdown behind a click
# People, and texts that may name them.
PERSONAL = frozenset({"owner_name", "legal_name", "decided_by", "note", "raw_row", "rejected_value", "record_disagreement"})
# Where an incident happened is told by the table alone, to those who may read it.
PLACES_OF_INCIDENTS = frozenset({"address", "parcel_id", "latitude", "longitude", "business_parcel_id", "distance_m"})
_DETAILS = frozenset({"feed", "month", "as_of", "row_hash", "snapshot_id", "run_id", "schema_version", *PROVENANCE})
_CLOCKS = frozenset({"reported_local", "reported_utc", "reported_clock", "occurred_local", "available_date"})
# What a reader looks for first, where that is not what stands first.
_BUSINESS = ("business_name", "address", "business_types", "is_active", "match_method")
_PLACE = ("address", "business_names", "business_count", "neighborhood", "council_district", "division")
_FIRST: Mapping[str, tuple[str, ...]] = {
    "core/businesses": (*_BUSINESS, "match_score"),
    "core/business_history": (*_BUSINESS, "valid_from", "is_current"),
    "core/business_review": ("business_name", "address", "reason", "suggested_parcel_id"),
    "core/business_parcels": _PLACE,
    "core/business_parcel_history": (*_PLACE, "valid_from", "is_current"),
    "core/factor_observations": ("condition", "address", "opened_date", "resolved_date", "is_closed", "finding_count"),
    "marts/dim_business": (*_BUSINESS, "valid_from", "is_current"),
    "marts/dim_business_parcel": (*_PLACE, "valid_from", "is_current"),
    "marts/threshold_status": (
        "address", "rule_id", "confirmed_count", "possible_count", "needed_count", "threshold_status", "ladder_step",
    ),
    "marts/business_risk_factors": (
        "business_parcel_id", "factor", "factor_group", "risk_multiplier", "observation_count", "nearest_m", "owed_by", "explanation",
    ),
    "marts/action_items": (
        "address", "action", "responsible_party", "department", "is_on_premises", "distance_m", "open_days", "observed_address",
    ),
    "marts/source_quality": (
        "feed", "source_status", "status_reason", "received_count", "quarantined_count", "event_count", "newest_report_date",
    ),
    "marts/public_neighborhood_quarter": ("quarter", "neighborhood", "feed", "public_event_count", "is_suppressed", "city_event_count"),
}  # fmt: skip


def preview_columns(table: Table) -> tuple[str, ...]:
    """The columns that a preview of a table shows."""
    if table.name in _FIRST:
        return _FIRST[table.name]
    hidden = PERSONAL | _DETAILS | _CLOCKS | (PLACES_OF_INCIDENTS if "event_id" in table.column_names else frozenset())
    return tuple(c.name for c in table.columns if c.name not in hidden and c.type is not Type.GEOMETRY)[:_COLUMNS]


def preview(platform: Platform, name: str, part: str | None = None) -> dict[str, dg.MarkdownMetadataValue]:
    """The first rows of a table, of one part of it where it has parts (None: the newest), as the metadata `preview`.

    Nothing where there are no rows.
    """
    table = TABLES[name]
    if table.partition is not None and part is None:
        part = max(platform.lake.partitions(name), default=None)
    rows = platform.lake.read(name, partitions=None if part is None else [part], columns=preview_columns(table), limit=ROWS)
    return {"preview": rows_table(rows.schema.names, [row.values() for row in rows.to_pylist()])} if rows.num_rows else {}


def counted(rows: "pa.Table", column: str) -> dict[str, int]:
    """How many rows have each value of a column, most first."""
    found = rows[column].value_counts().to_pylist()
    return {str(each["values"]): int(each["counts"]) for each in sorted(found, key=lambda each: (-each["counts"], str(each["values"])))}


def numbers(prefix: str, counts: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    """One number for each name, also where there is none, so that Dagster draws them over time."""
    return {f"{prefix}_{name.replace(' ', '_')}": counts.get(name, 0) for name in names}


def share(part: float, whole: float) -> float:
    """A part of a whole, 0 to 1; of nothing 0."""
    return round(part / whole, 4) if whole else 0.0


def rows_table(heading: Sequence[str], rows: Iterable[Iterable[Any]]) -> dg.MarkdownMetadataValue:
    """Rows as a Markdown table, as many of the first as the UI shows without a click."""
    lines = [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    for row in rows:
        line = f"| {' | '.join(_cell(value) for value in row)} |"
        if sum(map(len, lines)) + len(lines) + len(line) > MOST_CHARACTERS:
            break
        lines.append(line)
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = " ".join(text.replace("|", "/").split())
    return text if len(text) <= _WIDEST_TEXT else f"{text[:_WIDEST_TEXT]}…"
