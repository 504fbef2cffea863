"""Every table of the lake and the warehouse: columns, key, grain, partition, owner.

`render.py` makes Arrow schemas and SQL from these; `defs/metadata.py` makes Dagster's table schemas.
"""

from dataclasses import dataclass

from kc_pipeline.catalog.columns import COLUMNS, EVENT_FEEDS, WINDOWS_DAYS, Column, count_column, covered_column, weighted_column
from kc_pipeline.catalog.sources import REFERENCE_SOURCES, Feed


@dataclass(frozen=True)
class Table:
    """One table's contract.

    Attributes:
        name: 'layer/thing'.
        grain: what one row is.
        key: columns whose values together occur once.
        column_names: names in `columns.COLUMNS`, or of columns that a feed of `catalog/sources.py` brings along, in order.
        partition: column whose values are the replaceable parts of the table, or None.
        owner: team that answers for it.
        volatile: columns that may differ between two runs on the same data (left out of canonical bytes).
    """

    name: str
    grain: str
    key: tuple[str, ...]
    column_names: tuple[str, ...]
    partition: str | None = None
    owner: str = "team:data-engineering"
    volatile: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's columns, in order."""
        return tuple(_FEED_COLUMNS[name] if name in _FEED_COLUMNS else COLUMNS[name] for name in self.column_names)

    @property
    def layer(self) -> str:
        """First part of the name: clean, quarantine, core or marts."""
        return self.name.split("/")[0]


PROVENANCE = ("first_seen_utc", "data_set", "pull_id", "page", "line")
_EVENT = (
    "event_id", "feed", "month", "report_date", "reported_local", "reported_utc", "reported_clock", "occurred_local",
    "category", "source_category", "address", "address_precision", "zip_code",
    "latitude", "longitude", "no_location_reason", "parcel_id", "record_systems", "source_row_count",
)  # fmt: skip
_EVENT_TAIL = ("available_date", *PROVENANCE, "row_hash")
_EVENT_EXTRA: dict[str, tuple[str, ...]] = {
    "police_reports": (
        "offense_codes",
        "nibrs_codes",
        "is_domestic",
        "is_firearm_used",
        "record_disagreement",
        "beat",
        "division",
        "source_division",
        "city",
    ),
    "calls_911": ("priority", "is_officer_initiated", "record_disagreement", "beat", "division", "source_division"),
    "health_inspections": (
        "permit_number",
        "establishment_name",
        "inspection_result",
        "critical_violation_count",
        "noncritical_violation_count",
    ),
    "streetlight_outages": ("current_status", "resolved_date", "work_group", "report_source", "council_district"),
    "dumping_complaints": ("current_status", "resolved_date", "work_group", "report_source", "council_district"),
}
_EVENT_GRAIN = {
    "police_reports": "one distinct police report (not one person)",
    "calls_911": "one dispatched 911 call",
    "health_inspections": "one food-establishment inspection",
    "streetlight_outages": "one 311 request about a streetlight",
    "dumping_complaints": "one 311 request about illegal dumping",
}
_RECORD_TAIL = (*PROVENANCE, "row_hash")
_PLACE = ("address", "zip_code", "latitude", "longitude", "no_location_reason")
_REFERENCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "business_licenses": ("one licence class of one business", ("record_id", "license_id", "business_type", "business_name", "legal_name", "valid_until", "city", "state", *_PLACE)),
    "food_permits": ("one food permit", ("record_id", "permit_number", "establishment_name", "business_type", "case_status", "city", "state", *_PLACE)),
    "parcels": ("one parcel", ("record_id", "parcel_id", "county_parcel_number", "land_use_code", "owner_name", "geometry", "geometry_kind", *_PLACE)),
    "streets": ("one street centre-line segment", ("record_id", "street_name", "from_number", "to_number", "geometry")),
    "districts": ("one neighborhood, patrol division or council district", ("record_id", "district_kind", "district_name", "geometry")),
    "property_violations": ("one property violation", ("record_id", "case_number", "case_status", "violation_code", "violation_text", "opened_date", "resolved_date", "parcel_id", *_PLACE)),
    "dangerous_buildings": ("one report of a dangerous building", ("record_id", "case_status", "opened_date", "resolved_date", "parcel_id", *_PLACE)),
    "bus_stops": ("one bus stop", ("record_id", "stop_id", "stop_name", "has_shelter", "has_light", *_PLACE[2:])),
}  # fmt: skip


def feed_columns(feeds: tuple[Feed, ...]) -> dict[str, Column]:
    """Columns that feeds bring along, by name.

    Raises:
        ValueError: a feed's table does not begin with record_id, names a column that is nowhere described, or describes one
            that exists; the message names feed and column.
    """
    own: dict[str, Column] = {}
    for feed in feeds:
        for column in feed.table.columns if feed.table else ():
            if isinstance(column, Column):
                if column.name in COLUMNS or own.get(column.name, column) != column:
                    raise ValueError(f"{feed.name}: column {column.name!r} is described already; name it as a text, or choose another name")
                own[column.name] = column
            elif column not in COLUMNS:
                raise ValueError(f"{feed.name}: column {column!r} is described nowhere; write Column({column!r}, ...) in its table")
        if feed.table and feed.table.columns[:1] != ("record_id",):
            raise ValueError(f"{feed.name}: the first column of its table must be 'record_id', the key of a register")
        if feed.table is None and feed.name not in _REFERENCE:
            raise ValueError(f"{feed.name}: no table; give its entry in kc_pipeline/catalog/sources.py table=FeedTable(...)")
    return own


_FEED_COLUMNS = feed_columns(REFERENCE_SOURCES)
_REFERENCE |= {
    feed.name: (feed.table.grain, tuple(c.name if isinstance(c, Column) else c for c in feed.table.columns))
    for feed in REFERENCE_SOURCES
    if feed.table
}
REFERENCE_FEEDS = tuple(_REFERENCE)
FEEDS = (*EVENT_FEEDS, *REFERENCE_FEEDS)

_PUBLISHED = ("snapshot_id", "run_id", "schema_version")
_SCORE = (
    "as_of", "business_parcel_id", "parcel_id", "business_names", "business_types", "business_count", "address",
    "zip_code", "neighborhood", "council_district", "division", "latitude", "longitude", "risk_score", "risk_rank",
    "relative_risk", "expected_events_per_year", "expected_low_80", "expected_high_80", "main_business_type", "risk_rank_in_type",
    "places_in_type", "relative_risk_score", "serious_events_365d", "serious_events_prior_365d", "risk_trend", "model_id",
    "homicide_count_365d",
)  # fmt: skip
_WINDOWED = tuple(name(feed, days) for feed in EVENT_FEEDS for days in WINDOWS_DAYS for name in (count_column, weighted_column))
_COVERED = tuple(covered_column(feed) for feed in EVENT_FEEDS)

_BUSINESS_VERSION = (
    "business_id", "valid_from", "valid_to", "is_current", "business_name", "business_types", "license_ids", "permit_numbers", "valid_until",
    "is_active", "address", "address_key", "block_key", "business_parcel_id", "parcel_id", "match_method",
)  # fmt: skip
_BUSINESS_PARCEL_VERSION = (
    "business_parcel_id", "valid_from", "valid_to", "is_current", "parcel_id", "business_names", "business_types", "business_count", "address",
    "address_key", "block_key", "zip_code", "latitude", "longitude", "neighborhood", "council_district", "division", "geometry_kind",
)  # fmt: skip

_TABLES = (
    *(
        Table(f"clean/{feed}", _EVENT_GRAIN[feed], ("event_id",), (*_EVENT, *_EVENT_EXTRA[feed], *_EVENT_TAIL), "month")
        for feed in EVENT_FEEDS
    ),
    *(
        Table(f"clean/{feed}", grain, ("record_id",), (*columns, *_RECORD_TAIL))
        for feed, (grain, columns) in _REFERENCE.items()
    ),
    *(
        Table(
            f"quarantine/{feed}", "one rejected source row", ("data_set", "month", "pull_id", "page", "line"),
            ("feed", "month", "data_set", "pull_id", "page", "line", "rule", "reason", "rejected_value", "raw_row"), "month",
        )
        for feed in FEEDS
    ),
    Table(
        "quality/reconciliation", "one data set's month (or whole snapshot): rows received and what became of them",
        ("feed", "data_set", "month"),
        ("feed", "data_set", "month", "pull_id", "content_sha256", "received_count", "good_count", "quarantined_count", "duplicate_count", "event_count", "code_version"),
        "feed",
    ),
    Table(
        "quality/audit", "one rule on one part of one table: how many rows it applied to and how many break it", ("table_name", "rule", "month"),
        ("table_name", "rule", "month", "severity", "checked_count", "failed_count", "sample", "facts", "state_sha256", "rules_sha256"),
        "table_name",
    ),
    Table(
        "core/gazetteer", "one exact address, hundred-block or corner of the city, and where it lies", ("address_kind", "address_key"),
        ("address_kind", "address_key", "block_key", "street", "cross_street", "zip_code", "parcel_id", "latitude", "longitude",
         "error_radius_m", "position_method", "evidence", "evidence_count"),
    ),
    Table(
        "core/block_places", "one place, business or not, on one block", ("block_key", "place_id"),
        ("block_key", "place_id", "parcel_id", "placed_by"),
    ),
    Table(
        "core/located_addresses", "one address text of the event feeds, at the precision the source gives it", ("address", "address_precision"),
        ("address", "address_precision", "address_kind", "address_key", "street", "cross_street", "block_key", "found_kind", "found_key",
         "name_match", "candidate_count", "parcel_id", "latitude", "longitude", "error_radius_m", "position_method"),
    ),
    Table(
        "kept/locations", "one point at which an event was placed among the parcels", ("longitude", "latitude"),
        ("longitude", "latitude", "holding_parcel_id", "neighbor_parcel_id", "distance_m"),
    ),
    Table(
        "kept/event_addresses", "one address that events name", ("address", "address_precision"),
        ("address", "address_precision", "event_count"),
    ),
    Table(
        "kept/loose_points", "one point and address of exact events that neither parcel key nor address ties to a place",
        ("longitude", "latitude", "address"), ("longitude", "latitude", "address", "event_count"),
    ),
    Table("kept/attribution_counts", "one month of the ledger as its laws were counted", ("month",), ("month", "state_sha256", "facts")),
    Table(
        "kept/district_parcels", "one council district or patrol division, and how many parcels lie in it", ("district_kind", "district_name"),
        ("district_kind", "district_name", "parcel_count"),
    ),
    Table(
        "kept/neighborhood_counts", "one feed, neighborhood and month, by the day on which its events became available",
        ("month", "feed", "neighborhood", "available_date"), ("month", "feed", "neighborhood", "available_date", "event_count"), "month",
    ),
    Table(
        "core/businesses", "one business: same name, licence or permit at the same place", ("business_id",),
        ("business_id", "business_parcel_id", "parcel_id", "business_name", "business_types", "license_ids", "permit_numbers", "valid_until", "is_active",
         "match_method", "match_score", "runner_up_parcel_id", "runner_up_score", "address_key", "block_key", *_PLACE),
    ),
    Table(
        "core/business_review", "one business whose parcel a person must decide", ("business_id",),
        ("business_id", "business_name", "business_types", "is_active", "address", "address_key", "reason", "candidates", "suggested_parcel_id",
         "latitude", "longitude"),
    ),
    Table(
        "core/business_decisions", "one decision in the file of decisions, and whether it applies", ("file_line",),
        ("file_line", "business_id", "decision", "parcel_id", "same_as_business_id", "decided_by", "decided_on", "note", "decision_status",
         "rejection_reason"),
    ),
    Table(
        "core/business_history", "one version of one business: what the registers said of it, from when to when", ("business_id", "valid_from"),
        (*_BUSINESS_VERSION, "snapshot_date"),
    ),
    Table(
        "core/business_parcels", "one place with at least one active business", ("business_parcel_id",),
        ("business_parcel_id", "parcel_id", "business_names", "business_types", "business_count", "address", "address_key", "block_key", "zip_code", "latitude", "longitude", "neighborhood", "council_district", "division", "geometry_kind"),
    ),
    Table(
        "core/business_parcel_history", "one version of one business place: what stood on it, from when to when", ("business_parcel_id", "valid_from"),
        (*_BUSINESS_PARCEL_VERSION, "snapshot_date"),
    ),
    Table(
        "core/event_attribution", "one event's share at one business parcel, or its unattributed rest",
        ("event_id", "business_parcel_id"),
        ("event_id", "business_parcel_id", "feed", "month", "report_date", "available_date", "category", "exclusion_reason", "attribution_method", "precision", "distance_m", "candidate_count", "weight"),
        "month",
    ),
    Table(
        "core/factor_observations", "one observation of a condition that may raise risk: what was seen where, since when", ("observation_id",),
        ("observation_id", "condition", "source_id", "business_parcel_id", "opened_date", "known_date", "resolved_date", "closed_known_date", "is_closed", "address",
         "latitude", "longitude", "finding_count"),
    ),
    Table(
        "eval/model_card", "one fit of the risk model", ("fitted_as_of",), ("fitted_as_of", "model_id", "model_version", "card"),
        "fitted_as_of", "team:risk",
    ),
    Table(
        "eval/backtest", "one model and share of area in one back-test", ("trained_as_of", "model_name", "area_share_pct"),
        ("trained_as_of", "model_name", "area_share_pct", "pai", "pai_low_90", "pai_high_90", "pai_less_ours_low_90", "pai_less_ours_high_90",
         "pei", "hit_share_pct", "deviance", "calibration_slope", "observed_over_expected", "model_version"),
        "trained_as_of", "team:risk",
    ),
    Table(
        "eval/fairness_audit", "one district on one day", ("as_of", "district_kind", "district_name"),
        ("as_of", "district_kind", "district_name", "place_count", "flagged_count", "flag_rate_pct", "flag_rate_ratio", "is_alert", "expected_events",
         "observed_events", "request_rate", "request_rate_ratio", "model_id"),
        "as_of", "team:risk",
    ),
    Table(
        "marts/business_risk", "one business parcel on one day", ("as_of", "business_parcel_id"),
        (*_SCORE, *_WINDOWED, *_COVERED, "coverage_pct", "stale_sources", *_PUBLISHED), "as_of", "team:risk", _PUBLISHED[:2],
    ),
    Table(
        "marts/business_risk_factors", "one thing that adds to the risk of one business parcel on one day", ("as_of", "business_parcel_id", "factor"),
        ("as_of", "business_parcel_id", "factor", "factor_group", "log_contribution", "risk_multiplier", "observation_count", "nearest_m",
         "oldest_open_days", "owed_by", "explanation", "what_if_events_per_year", "model_id", *_PUBLISHED),
        "as_of", "team:risk", _PUBLISHED[:2],
    ),
    Table(
        "marts/threshold_status", "one rule of the nuisance ordinance at one business parcel on one day", ("as_of", "business_parcel_id", "rule_set_id", "rule_id"),
        ("as_of", "business_parcel_id", "rule_set_id", "rule_id", "is_provisional", "business_names", "address", "council_district", "division",
         "latitude", "longitude", "window_start", "window_end", "min_count", "min_violent_count", "confirmed_count", "confirmed_violent_count",
         "possible_count", "possible_violent_count", "needed_count", "threshold_status", "count_falls_in_days", "met_for_days",
         "separate_windows_count", "days_since_last_window", "ladder_step", "has_dwelling", "is_dwelling_reviewed", "is_escalation_blocked",
         "stale_sources", *_PUBLISHED),
        "as_of", "team:ordinance", _PUBLISHED[:2],
    ),
    Table(
        "marts/threshold_events", "one incident tied EXACT or NEAR to one business parcel, in the longest window of a rule set on one day",
        ("as_of", "rule_set_id", "business_parcel_id", "event_id"),
        ("as_of", "rule_set_id", "business_parcel_id", "event_id", "feed", "report_date", "category", "is_violent", "count_state",
         "not_counted_reasons", "duplicate_of", "rule_ids", "precision", "attribution_method", "distance_m", "row_hash", *_PUBLISHED),
        "as_of", "team:ordinance", _PUBLISHED[:2],
    ),
    Table(
        "marts/action_items", "one open condition on the premises of one business parcel, or within 200 m of it, on one day",
        ("as_of", "business_parcel_id", "observation_id"),
        ("as_of", "business_parcel_id", "observation_id", "condition", "action", "responsible_party", "department", "is_on_premises",
         "distance_m", "opened_date", "open_days", "finding_count", "observed_address", "observed_latitude", "observed_longitude",
         "business_names", "address", "council_district", "division", "latitude", "longitude", "stale_sources", *_PUBLISHED),
        "as_of", "team:risk", _PUBLISHED[:2],
    ),
    Table(
        "marts/dim_business", "one version of one business, as known on one day", ("as_of", "business_id", "valid_from"),
        ("as_of", *_BUSINESS_VERSION, *_PUBLISHED), "as_of", "team:data-engineering", _PUBLISHED[:2],
    ),
    Table(
        "marts/dim_business_parcel", "one version of one business place, as known on one day", ("as_of", "business_parcel_id", "valid_from"),
        ("as_of", *_BUSINESS_PARCEL_VERSION, *_PUBLISHED), "as_of", "team:data-engineering", _PUBLISHED[:2],
    ),
    Table(
        "marts/public_neighborhood_quarter", "one feed's events of one complete quarter in one neighborhood, small counts hidden, as known on one day",
        ("as_of", "quarter", "feed", "neighborhood"),
        ("as_of", "quarter", "quarter_start", "quarter_end", "neighborhood", "feed", "public_event_count", "is_suppressed", "city_event_count",
         "stale_sources", *_PUBLISHED),
        "as_of", "team:data-engineering", _PUBLISHED[:2],
    ),
    Table(
        "marts/source_quality", "one feed on one day", ("as_of", "feed"),
        ("as_of", "feed", "source_status", "status_reason", "received_count", "good_count", "quarantined_count", "duplicate_count", "event_count", "newest_report_date", "usual_lag_days", "covered_days_365d", *_PUBLISHED),
        "as_of", "team:data-engineering", _PUBLISHED[:2],
    ),
)  # fmt: skip

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
SCHEMA_VERSION = "1.4.0"
