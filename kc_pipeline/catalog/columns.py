"""Every column of every table, once: type, unit, description, nullability, source.

Tables (`catalog/tables.py`) list columns by name; a name means the same thing wherever it stands.
"""

from dataclasses import dataclass
from enum import StrEnum

from kc_pipeline.catalog.factors import CONDITIONS, MendedBy
from kc_pipeline.catalog.geography import DIVISIONS, REGION_EAST, REGION_NORTH, REGION_SOUTH, REGION_WEST


class Type(StrEnum):
    """Logical column types; `catalog/render.py` turns each into Arrow and SQL."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    LOCAL_TIME = "local_time"  # wall clock in America/Chicago, no zone attached
    UTC_TIME = "utc_time"
    GEOMETRY = "geometry"  # WKB, EPSG:4326


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: snake_case, the unit in the name where it has one (`_m`, `_days`, `_count_365d`).
        type: logical type.
        description: what a value means, for a reader of the table.
        nullable: whether a value may be missing.
        unit: unit of measure, where the value has one.
        source: where the value comes from, where that is not our own computation.
        values: the only texts it may have; empty: any.
        minimum: lowest value it may have, itself included.
        maximum: highest value it may have, itself included.
        pattern: regular expression that a text must match from its beginning; without character classes by letter, which Arrow cannot judge.
    """

    name: str
    type: Type
    description: str
    nullable: bool = True
    unit: str | None = None
    source: str | None = None
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None


_T = Type
_SHA256 = "[0-9a-f]{64}$"
_ALL = (
    # --- identity and provenance -------------------------------------------------------------
    Column("event_id", _T.TEXT, "Key of one distinct event, 'feed:identifier at the source'.", False),
    Column("feed", _T.TEXT, "Name of the feed in catalog/sources.py.", False),
    Column(
        "month",
        _T.TEXT,
        "Partition, YYYY-MM of the report date; 'undated' in quarantine.",
        False,
        pattern="(?:[0-9]{4}-(?:0[1-9]|1[0-2])|undated|whole)$",
    ),
    Column(
        "record_systems",
        _T.TEXT,
        "Where the event was seen: 'open', 'department' or 'open+department'.",
        False,
        values=("open", "department", "open+department"),
    ),
    Column(
        "source_row_count", _T.INTEGER, "Source rows that make up this event (a police report has one row per person).", False, minimum=1
    ),
    Column(
        "record_disagreement",
        _T.TEXT,
        "What the open and the department's record of the event do not agree on, in words; missing where they agree.",
    ),
    Column("first_seen_utc", _T.UTC_TIME, "When this platform first received the event.", False),
    Column(
        "available_date",
        _T.DATE,
        "First local day on which a score may use the event: the day first seen, or the report date plus the feed's usual lag if that is earlier.",
        False,
    ),
    Column("data_set", _T.TEXT, "Identifier of the data set the row came from.", False),
    Column("pull_id", _T.TEXT, "The pull that first delivered this version of the row.", False, pattern="[0-9]{6,}$"),
    Column("content_sha256", _T.TEXT, "SHA-256 of the pull's content, page after page.", pattern=_SHA256),
    Column("page", _T.INTEGER, "Page of the pull, from 0.", False, minimum=0),
    Column("line", _T.INTEGER, "Row on that page, from 0.", False, minimum=0),
    Column("row_hash", _T.TEXT, "SHA-256 of the event's content without provenance.", False, pattern=_SHA256),
    # --- time ---------------------------------------------------------------------------------
    Column(
        "report_date",
        _T.DATE,
        "Local day on which the event was reported or opened.",
        False,
        source="police reported_date, 911 incident_date, 311 open_date_time, inspection_date",
    ),
    Column("reported_local", _T.LOCAL_TIME, "Wall clock of the report, America/Chicago."),
    Column("reported_utc", _T.UTC_TIME, "The same in UTC; null where reported_clock is not 'exact'."),
    Column(
        "reported_clock",
        _T.TEXT,
        "'exact', 'fold' (the hour that occurs twice), 'gap' (the hour that does not exist) or 'date_only'.",
        False,
        values=("exact", "fold", "gap", "date_only"),
    ),
    Column("occurred_local", _T.LOCAL_TIME, "Wall clock of the occurrence where the source gives one, America/Chicago."),
    # --- what ---------------------------------------------------------------------------------
    Column("category", _T.TEXT, "Our category, from catalog/events.py; 'unknown' where no code is mapped.", False),
    Column("source_category", _T.TEXT, "The source's own code or text for the category."),
    Column("offense_codes", _T.TEXT, "Local offense codes or texts of the report, sorted, separated by ';'.", source="police offense"),
    Column(
        "nibrs_codes",
        _T.TEXT,
        "NIBRS codes of the report, sorted, separated by ';'; the placeholder 999 is left out.",
        source="police ibrs",
    ),
    Column("is_domestic", _T.BOOLEAN, "Domestic violence flagged; null where the source says unknown.", source="police dvflag"),
    Column("is_firearm_used", _T.BOOLEAN, "A firearm was used; null where not said.", source="police firearm_used_flag"),
    Column("priority", _T.TEXT, "Dispatch priority; 10 to 13 immediate, then 20, 30, 40, 50.", source="911 priority"),
    Column("is_officer_initiated", _T.BOOLEAN, "Begun by an officer (business check and the like), not by a caller; null where not said."),
    Column("current_status", _T.TEXT, "Status at the source, lower case.", source="311 current_status"),
    Column("resolved_date", _T.DATE, "Local day of closing; bulk closes make it useless as a service time.", source="311 resolved_date"),
    Column("work_group", _T.TEXT, "Department work group.", source="311 department_work_group"),
    Column("report_source", _T.TEXT, "How the request was reported.", source="311 report_source"),
    Column("permit_number", _T.TEXT, "Food permit number.", source="facility_permit; inspection export permit_number"),
    Column("establishment_name", _T.TEXT, "Name of the inspected or permitted establishment."),
    Column("inspection_result", _T.TEXT, "Result of the inspection, lower case."),
    Column("critical_violation_count", _T.INTEGER, "Critical violations found.", unit="violations", minimum=0),
    Column("noncritical_violation_count", _T.INTEGER, "Non-critical violations found.", unit="violations", minimum=0),
    # --- where --------------------------------------------------------------------------------
    Column("address", _T.TEXT, "Address as the source gives it, blanks trimmed."),
    Column(
        "address_precision",
        _T.TEXT,
        "What the address names: 'exact', 'block', 'intersection' or 'none'.",
        False,
        values=("exact", "block", "intersection", "none"),
    ),
    Column("address_key", _T.TEXT, "Canonical form of the address (places/addresses.py), e.g. '1000 LOCUST ST'."),
    Column("block_key", _T.TEXT, "Canonical hundred-block of the address, e.g. '1000 LOCUST ST' for 1000 to 1099."),
    Column(
        "address_kind",
        _T.TEXT,
        "What the text names: 'numbered', 'block', 'intersection', 'street' or 'none'.",
        False,
        values=("numbered", "block", "intersection", "street", "none"),
    ),
    Column("street", _T.TEXT, "Canonical street; of an intersection the first in alphabetical order."),
    Column("cross_street", _T.TEXT, "Second street of an intersection."),
    Column(
        "error_radius_m",
        _T.NUMBER,
        "The true place lies within this distance of the position in about nine cases of ten.",
        unit="metre",
        minimum=0.1,
    ),
    Column(
        "position_method",
        _T.TEXT,
        "What a position rests on: 'parcel', 'address_points', 'centre_line', 'block_points', 'drawn_lines' (lines through known "
        "blocks), 'interpolated', 'extrapolated', 'streets_beside', 'numbering'; null without a position.",
        values=(
            "parcel",
            "address_points",
            "centre_line",
            "block_points",
            "drawn_lines",
            "interpolated",
            "extrapolated",
            "streets_beside",
            "numbering",
        ),
    ),
    Column(
        "found_kind",
        _T.TEXT,
        "Kind of the gazetteer row that the address was found as: 'numbered', 'block' or 'intersection'.",
        values=("numbered", "block", "intersection"),
    ),
    Column("found_key", _T.TEXT, "Its address_key; null where none, or several different ones, fit."),
    Column(
        "name_match",
        _T.TEXT,
        "How the written street fits the found one: 'equal', 'direction', 'type' or 'spelling' (what differs), or 'numbering' (a corner "
        "set by its street's number).",
        values=("equal", "direction", "type", "spelling", "numbering"),
    ),
    Column("zip_code", _T.TEXT, "Five-digit ZIP code.", pattern="[0-9]{5}$"),
    Column("latitude", _T.NUMBER, "Latitude, EPSG:4326.", unit="degree", minimum=REGION_SOUTH, maximum=REGION_NORTH),
    Column("longitude", _T.NUMBER, "Longitude, EPSG:4326.", unit="degree", minimum=REGION_WEST, maximum=REGION_EAST),
    Column(
        "no_location_reason",
        _T.TEXT,
        "Why coordinates are missing: 'missing', 'state_plane_origin', 'city_hall_default', 'outside_region' or 'unreadable'.",
        values=("missing", "state_plane_origin", "city_hall_default", "outside_region", "unreadable"),
    ),
    Column("beat", _T.TEXT, "Police beat; 999 means none."),
    Column("division", _T.TEXT, "Patrol division: Central, Metro, East, North, South or Shoal Creek.", values=DIVISIONS),
    Column("source_division", _T.TEXT, "Patrol division as the source names it; 'division' goes by the beat.", values=DIVISIONS),
    Column("council_district", _T.TEXT, "City council district, 1 to 6."),
    Column(
        "parcel_id",
        _T.TEXT,
        "KIVA PIN of the parcel.",
        source="parcels KIVAPIN; violations pin; legacy 311 parcel_id_no",
        pattern="[0-9A-Za-z.-]+$",
    ),
    Column("county_parcel_number", _T.TEXT, "County assessor's number (APN); begins with the county's two letters.", source="parcels APN"),
    Column("land_use_code", _T.TEXT, "Land-use code of the parcel.", source="parcels LANDUSECODE"),
    Column("owner_name", _T.TEXT, "Owner in the public parcel register; never a feature of any model.", source="parcels OWN_NAME"),
    Column("geometry", _T.GEOMETRY, "Shape as WKB, EPSG:4326: polygon, line or point."),
    Column(
        "geometry_kind",
        _T.TEXT,
        "'polygon', 'point' (a centroid that cannot contain anything) or 'address' (a place whose parcel is not known).",
        values=("polygon", "point", "address"),
    ),
    Column("record_id", _T.TEXT, "Key of one record of a reference set.", False),
    Column("license_id", _T.TEXT, "Licence number; one per business, repeated for each class.", source="licences id"),
    Column("business_type", _T.TEXT, "Licence class (NAICS wording) or permit type."),
    Column("business_name", _T.TEXT, "Name of the business: trade name, else legal name."),
    Column("legal_name", _T.TEXT, "Legal name, where it differs from the trade name.", source="licences dba_name"),
    Column("valid_until", _T.DATE, "Last day for which the licence is paid.", source="licences valid_license_for"),
    Column("city", _T.TEXT, "City of the address, upper case."),
    Column("state", _T.TEXT, "State of the address."),
    Column("street_name", _T.TEXT, "Full street name of a centre line.", source="streets layer"),
    Column("from_number", _T.INTEGER, "Lowest house number on the segment.", minimum=0),
    Column("to_number", _T.INTEGER, "Highest house number on the segment.", minimum=0),
    Column(
        "district_kind",
        _T.TEXT,
        "'neighborhood', 'patrol_division' or 'council_district'.",
        False,
        values=("neighborhood", "patrol_division", "council_district"),
    ),
    Column("district_name", _T.TEXT, "Name or number of the district.", False),
    Column("parcel_count", _T.INTEGER, "Parcels that lie in the district.", False, minimum=0),
    Column("case_number", _T.TEXT, "Number of the code-enforcement case."),
    Column("case_status", _T.TEXT, "Status of the case or violation."),
    Column("violation_code", _T.TEXT, "Ordinance section violated."),
    Column("violation_text", _T.TEXT, "What the section says."),
    Column("opened_date", _T.DATE, "Local day on which the record was opened, where the source gives it."),
    # --- quarantine and reconciliation ----------------------------------------------------------
    Column("rule", _T.TEXT, "Rule that rejected the row.", False),
    Column("reason", _T.TEXT, "Why, in a sentence that names the value.", False),
    Column("rejected_value", _T.TEXT, "The offending value."),
    Column("raw_row", _T.TEXT, "The row as received (allowed columns only), as JSON.", False),
    Column("received_count", _T.INTEGER, "Source rows received.", False, "rows", minimum=0),
    Column("good_count", _T.INTEGER, "Source rows that became part of a clean event or record.", False, "rows", minimum=0),
    Column("quarantined_count", _T.INTEGER, "Source rows rejected with a reason.", False, "rows", minimum=0),
    Column("duplicate_count", _T.INTEGER, "Source rows that repeat the identity of another.", False, "rows", minimum=0),
    Column("event_count", _T.INTEGER, "Distinct events or records made from the good rows.", False, minimum=0),
    Column("code_version", _T.TEXT, "Version of the cleaning code that made the rows.", False),
    # --- audit -----------------------------------------------------------------------------------
    Column("table_name", _T.TEXT, "Table of the lake that was judged, with a dot for the slash: 'clean.parcels'.", False),
    Column(
        "severity",
        _T.TEXT,
        "What a failure does: 'blocks', 'marks' or 'warns' (catalog/rules.py).",
        False,
        values=("blocks", "marks", "warns"),
    ),
    Column("checked_count", _T.INTEGER, "Rows that the rule applied to; 1 for a law of the whole table.", False, minimum=0),
    Column("failed_count", _T.INTEGER, "Of those, rows that break it.", False, minimum=0),
    Column("sample", _T.TEXT, "Keys of some rows that break it, separated by ';'.", False),
    Column("facts", _T.TEXT, "Numbers and sentences that show it, as JSON.", False),
    Column("state_sha256", _T.TEXT, "SHA-256 of the names of the files that were judged, or of the types.", False, pattern=_SHA256),
    Column("rules_sha256", _T.TEXT, "SHA-256 of the rules that they were judged by.", False, pattern=_SHA256),
    # --- businesses, parcels, attribution -------------------------------------------------------
    Column(
        "business_id", _T.TEXT, "Lasting key of a business (places/business_ids.py): same name, licence or permit at the same place.", False
    ),
    Column(
        "business_parcel_id",
        _T.TEXT,
        "Stable key of a place with a business: 'parcel:' and the KIVA PIN, or 'address:' and the canonical address where no parcel is known.",
        pattern="(?:parcel|address):.",
    ),
    Column("business_names", _T.TEXT, "Names of the active businesses on the place, sorted, separated by ';'."),
    Column("business_types", _T.TEXT, "Their licence classes and permit types, sorted, separated by ';'."),
    Column("business_count", _T.INTEGER, "Active businesses on the place.", False, minimum=1),
    Column("stop_id", _T.TEXT, "The transit authority's number of the stop.", False),
    Column("stop_name", _T.TEXT, "Where the stop is, in the transit authority's words."),
    Column("has_shelter", _T.BOOLEAN, "The stop has a shelter; null where not said."),
    Column("has_light", _T.BOOLEAN, "The stop has a light; null where not said."),
    Column("is_active", _T.BOOLEAN, "The licence or permit is current in the newest snapshot.", False),
    Column("license_ids", _T.TEXT, "Licence ids of the business, sorted, separated by ';'.", source="licences id"),
    Column("permit_numbers", _T.TEXT, "Food permit numbers of the business, sorted, separated by ';'.", source="facility_permit"),
    Column(
        "match_method",
        _T.TEXT,
        "How the parcel was found: 'parcel_key', 'address', 'address_corrected', 'point_in_polygon', 'name_and_address', 'decision' (a person "
        "said so) or 'none' (the address itself is the place).",
        False,
        values=("parcel_key", "address", "address_corrected", "point_in_polygon", "name_and_address", "decision", "none"),
    ),
    Column("match_score", _T.NUMBER, "How well the parcel is known, 0 to 1; 0 where there is none."),
    Column("runner_up_parcel_id", _T.TEXT, "The best other parcel that any evidence names."),
    Column("runner_up_score", _T.NUMBER, "How well that evidence speaks for it, 0 to 1."),
    Column(
        "holding_parcel_id", _T.TEXT, "The parcel that holds the point; of several the one with the nearest centroid, then the lowest id."
    ),
    Column("neighbor_parcel_id", _T.TEXT, "Where no parcel holds the point: the only one within 5 m of it."),
    Column("candidates", _T.TEXT, "Parcels that came into question, best first: 'parcel 123 (0.95, why); ...'."),
    Column("suggested_parcel_id", _T.TEXT, "The best of the candidates."),
    Column("file_line", _T.INTEGER, "Line of the file of decisions, 1 being its header.", False, minimum=2),
    Column("decision", _T.TEXT, "'parcel', 'no_parcel', 'same_as' or 'not_a_business'; as typed where the row is rejected.", False),
    Column("same_as_business_id", _T.TEXT, "The business that this one is a second name of; it stays, this one goes."),
    Column("decided_by", _T.TEXT, "Who decided."),
    Column("decided_on", _T.DATE, "The day on which that was decided."),
    Column("note", _T.TEXT, "What the person added."),
    Column(
        "decision_status",
        _T.TEXT,
        "'applied', 'waiting' (its business, or the one it is the same as, is in no register now) or 'rejected'.",
        False,
        values=("applied", "waiting", "rejected"),
    ),
    Column("rejection_reason", _T.TEXT, "Why a decision was rejected, in a sentence; null where it was not."),
    Column("valid_from", _T.DATE, "First snapshot day on which the version holds.", False),
    Column("valid_to", _T.DATE, "Snapshot day from which it holds no more; null while it does."),
    Column("is_current", _T.BOOLEAN, "The version holds in the newest snapshot.", False),
    Column("snapshot_date", _T.DATE, "Newest register snapshot that the table has taken in; the same in every row.", False),
    Column("neighborhood", _T.TEXT, "Neighborhood that contains the place."),
    Column("evidence", _T.TEXT, "Registers that the row rests on, sorted, separated by ';'.", False),
    Column("evidence_count", _T.INTEGER, "Register rows, or of a block known addresses, that the row rests on.", False, minimum=0),
    Column(
        "place_id",
        _T.TEXT,
        "A place, business or not: 'parcel:' and the KIVA PIN, or 'address:' and the canonical address.",
        False,
        pattern="(?:parcel|address):.",
    ),
    Column(
        "placed_by",
        _T.TEXT,
        "Why the place is set on the block: 'address', or 'nearest_block' for a parcel of which no register knows an address.",
        False,
        values=("address", "nearest_block"),
    ),
    Column(
        "attribution_method",
        _T.TEXT,
        "'parcel_key', 'equal_address', 'point_in_polygon', 'near_parcel', 'block_share' or 'none'.",
        False,
        values=("parcel_key", "equal_address", "point_in_polygon", "near_parcel", "block_share", "none"),
    ),
    Column(
        "precision",
        _T.TEXT,
        "EXACT, NEAR, BLOCK, INTERSECTION, AREA or NONE: how well the event is tied to the place; never upgraded.",
        False,
        values=("EXACT", "NEAR", "BLOCK", "INTERSECTION", "AREA", "NONE"),
    ),
    Column(
        "distance_m",
        _T.NUMBER,
        "Distance from the event's point to the parcel it is tied to (0 inside it), where both are known; of a condition, to the place's point (0 on its premises).",
        unit="metre",
        minimum=0,
    ),
    Column(
        "candidate_count",
        _T.INTEGER,
        "How many places came into question: those that key and address (else the point) name, places on the block, or gazetteer rows.",
        False,
        minimum=0,
    ),
    Column(
        "weight", _T.NUMBER, "Share of the event given to the place; the shares of an event sum to one.", False, minimum=0, maximum=1.000001
    ),
    Column(
        "exclusion_reason",
        _T.TEXT,
        "Why the event does not count for the place: 'officer_initiated', 'canceled_at_source' or 'duplicate_at_source'; null where it counts.",
        values=("officer_initiated", "canceled_at_source", "duplicate_at_source"),
    ),
    # --- marts ----------------------------------------------------------------------------------
    Column("as_of", _T.DATE, "The day the row speaks about: only what was available before it is used.", False),
    Column(
        "risk_score",
        _T.NUMBER,
        "0 to 100: share of the other business parcels that are expected to have fewer serious events, in per cent.",
        False,
        minimum=0,
        maximum=100,
    ),
    Column("risk_rank", _T.INTEGER, "1 is the highest expectation of serious events; equal ones share a rank.", False, minimum=1),
    Column("relative_risk", _T.NUMBER, "Expected serious events over those of the city's average business parcel (1.0).", False, minimum=0),
    Column(
        "expected_events_per_year",
        _T.NUMBER,
        "Serious street violence (homicide, robbery, aggravated assault, firearm; not domestic) expected at the place in a year.",
        False,
        "events per year",
        minimum=0,
    ),
    Column(
        "expected_low_80", _T.NUMBER, "Lower bound of the 80 % interval of expected_events_per_year.", False, "events per year", minimum=0
    ),
    Column(
        "expected_high_80",
        _T.NUMBER,
        "Upper bound of the 80 % interval of expected_events_per_year.",
        False,
        "events per year",
    ),
    Column(
        "main_business_type",
        _T.TEXT,
        "The business type that a place is ranked among; 'other' for none of those that are risk factors.",
        False,
    ),
    Column("risk_rank_in_type", _T.INTEGER, "Rank among the business parcels of main_business_type; 1 is highest.", False, minimum=1),
    Column("places_in_type", _T.INTEGER, "Business parcels of main_business_type.", False, "places", minimum=1),
    Column(
        "relative_risk_score",
        _T.NUMBER,
        "Relative risk score (RRS) of the place's cell by risk terrain modelling: 1 for the lowest cell of the city; missing outside the grid.",
        minimum=1,
    ),
    Column(
        "serious_events_365d",
        _T.NUMBER,
        "Serious street violence in the 365 days before as_of: EXACT and NEAR events, and shares of BLOCK events.",
        False,
        "events",
        minimum=0,
    ),
    Column("serious_events_prior_365d", _T.NUMBER, "The same of the 365 days before those.", False, "events", minimum=0),
    Column(
        "risk_trend",
        _T.TEXT,
        "'rising' or 'falling' where the two years differ more than chance lets expect (one-sided, 5 %), else 'steady'; 'unknown' without two years of records.",
        False,
        values=("rising", "falling", "steady", "unknown"),
    ),
    Column("model_id", _T.TEXT, "The fit that made the score; its card is in eval/model_card.", False),
    # --- risk factors -----------------------------------------------------------------------------
    Column("observation_id", _T.TEXT, "Key of one observation, 'condition:source id'.", False),
    Column("condition", _T.TEXT, "Kind of observation, in catalog/factors.py.", False, values=tuple(CONDITIONS)),
    Column("source_id", _T.TEXT, "event_id, record_id or business_parcel_id of what was observed.", False),
    Column("known_date", _T.DATE, "Local day from which the observation was known; missing for what stands there at all times."),
    Column("closed_known_date", _T.DATE, "Local day from which a closing counts: resolved_date and the source's lag, at least two days."),
    Column("is_closed", _T.BOOLEAN, "The source's status says that the matter is closed, with or without a date.", False),
    Column("finding_count", _T.NUMBER, "Critical violations found; 1 for other observations.", False, minimum=0),
    Column(
        "factor",
        _T.TEXT,
        "What adds to the risk: a factor of catalog/factors.py, 'baseline', 'past_crime', 'own_history' or a trait of the place.",
        False,
    ),
    Column("factor_group", _T.TEXT, "'owner can mend', 'city can mend' or 'context and history'.", False, values=tuple(MendedBy)),
    Column(
        "log_contribution", _T.NUMBER, "What the factor adds to the log of expected_events_per_year; those of a place sum to it.", False
    ),
    Column("risk_multiplier", _T.NUMBER, "exp(log_contribution); those of a place multiply to expected_events_per_year.", False),
    Column(
        "observation_count", _T.INTEGER, "Observations of the factor near the place, or on its premises.", unit="observations", minimum=0
    ),
    Column("nearest_m", _T.NUMBER, "Distance to the nearest of them.", unit="metre", minimum=0),
    Column("oldest_open_days", _T.INTEGER, "Days since the oldest of them was opened, where it is open.", unit="day", minimum=0),
    Column("owed_by", _T.TEXT, "Department or party that can mend it."),
    Column("explanation", _T.TEXT, "The contribution in a sentence; an association, not a cause.", False),
    Column(
        "what_if_events_per_year",
        _T.NUMBER,
        "Expected events per year of a place that is like this one but for the factor; an association.",
        unit="events per year",
        minimum=0,
    ),
    # --- what is owed -----------------------------------------------------------------------------
    Column("action", _T.TEXT, "What is owed, as an order.", False),
    Column(
        "responsible_party",
        _T.TEXT,
        "Who has to act: 'city', 'owner' (of the business's premises) or 'another owner' (of the ground where the condition is, which may be the city).",
        False,
        values=("city", "owner", "another owner"),
    ),
    Column("department", _T.TEXT, "City department that mends it, or sees to it that its owner does.", False),
    Column("is_on_premises", _T.BOOLEAN, "The condition is on the premises of the business.", False),
    Column("open_days", _T.INTEGER, "Days from opened_date to as_of.", unit="day", minimum=0),
    Column("observed_address", _T.TEXT, "Address of the condition as its source gives it."),
    Column("observed_latitude", _T.NUMBER, "Latitude of the condition, WGS 84.", unit="degree", minimum=REGION_SOUTH, maximum=REGION_NORTH),
    Column("observed_longitude", _T.NUMBER, "Longitude of the condition, WGS 84.", unit="degree", minimum=REGION_WEST, maximum=REGION_EAST),
    # --- counts for the public --------------------------------------------------------------------
    Column("quarter", _T.TEXT, "Calendar quarter, YYYY-Qn.", False, pattern="[0-9]{4}-Q[1-4]$"),
    Column("quarter_start", _T.DATE, "First day of the quarter.", False),
    Column("quarter_end", _T.DATE, "Last day of the quarter.", False),
    Column("public_event_count", _T.INTEGER, "Distinct events; missing where hidden.", unit="events", minimum=0),
    Column("is_suppressed", _T.BOOLEAN, "The count is hidden: it is small, or would tell a small one.", False),
    Column(
        "city_event_count",
        _T.INTEGER,
        "The feed's events of the quarter in the whole city, those without a neighborhood included; missing where it would tell a hidden count.",
        unit="events",
        minimum=0,
    ),
    # --- dimensions -------------------------------------------------------------------------------
    Column("calendar_date", _T.DATE, "Day in the city.", False),
    Column("calendar_year", _T.INTEGER, "Year of the day.", False),
    Column("calendar_month", _T.TEXT, "Month of the day, YYYY-MM.", False),
    Column("iso_weekday", _T.INTEGER, "1 Monday to 7 Sunday.", False, minimum=1, maximum=7),
    Column("weekday_name", _T.TEXT, "Name of the weekday.", False),
    Column("is_weekend", _T.BOOLEAN, "Saturday or Sunday.", False),
    Column("is_federal_holiday", _T.BOOLEAN, "A federal holiday is observed on the day.", False),
    Column("fiscal_year", _T.TEXT, "The city's fiscal year, from May to April, such as '2025-26'.", False),
    Column(
        "day_hours", _T.INTEGER, "Hours of the day by the wall clock: 23 and 25 where it changes.", False, "hour", minimum=23, maximum=25
    ),
    Column("feed_title", _T.TEXT, "The feed's name for people.", False),
    Column("feed_description", _T.TEXT, "What the feed holds, and what to know of it.", False),
    Column("publisher", _T.TEXT, "Who publishes the feed.", False),
    Column("is_event_feed", _T.BOOLEAN, "The feed holds events; else it is a register.", False),
    # --- ordinance ----------------------------------------------------------------------------------
    Column("rule_set_id", _T.TEXT, "Dated rule set of ordinance/rules.toml that is in force on the day.", False),
    Column("rule_id", _T.TEXT, "Threshold of the rule set.", False),
    Column("is_provisional", _T.BOOLEAN, "Nobody has read the rule set's figures in the ordinance's own text yet.", False),
    Column("window_start", _T.DATE, "First report day that the rule's window holds.", False),
    Column("window_end", _T.DATE, "Last report day that it holds: the day before as_of.", False),
    Column("min_count", _T.INTEGER, "Confirmed events that meet the rule.", False, "events", minimum=1),
    Column("min_violent_count", _T.INTEGER, "Violent ones that must be among them.", False, "events", minimum=0),
    Column(
        "confirmed_count",
        _T.INTEGER,
        "Events in the window that count: tied EXACT to the place, of a listed kind, with nothing against it. Never estimated.",
        False,
        "events",
        minimum=0,
    ),
    Column("confirmed_violent_count", _T.INTEGER, "Violent ones among them.", False, "events", minimum=0),
    Column(
        "possible_count",
        _T.INTEGER,
        "Events in the window that would count if an exact record or a person's decision allowed it; one may be possible at several places.",
        False,
        "events",
        minimum=0,
    ),
    Column("possible_violent_count", _T.INTEGER, "Violent ones among them.", False, "events", minimum=0),
    Column("needed_count", _T.INTEGER, "Confirmed events that are missing to the rule; 0 where it is met.", False, "events", minimum=0),
    Column(
        "threshold_status",
        _T.TEXT,
        "'met', 'near' (a step of the ladder holds although the rule is not met) or 'clear'.",
        False,
        values=("met", "near", "clear"),
    ),
    Column(
        "count_falls_in_days",
        _T.INTEGER,
        "Days until the oldest confirmed event leaves the window; missing without one.",
        unit="day",
        minimum=1,
    ),
    Column(
        "met_for_days", _T.INTEGER, "Days that the rule stays met without a new event; missing where it is not met.", unit="day", minimum=1
    ),
    Column(
        "separate_windows_count",
        _T.INTEGER,
        "How many times the rule was met anew, by windows that share no event.",
        False,
        "windows",
        minimum=0,
    ),
    Column("days_since_last_window", _T.INTEGER, "Days since the newest of them was complete.", unit="day", minimum=1),
    Column(
        "ladder_step",
        _T.TEXT,
        "Step of the rule set's ladder that the counts reach: 'watch', 'notice', 'plan' or 'review'; no higher than 'watch' where blocked; missing where none.",
        values=("watch", "notice", "plan", "review"),
    ),
    Column(
        "has_dwelling",
        _T.BOOLEAN,
        "People live or lodge on the parcel, by its land use and its licences; missing where the parcel is not known.",
    ),
    Column(
        "is_dwelling_reviewed",
        _T.BOOLEAN,
        "A case step before as_of says that a person looked into who lives there, and cleared it.",
        False,
    ),
    Column(
        "is_escalation_blocked", _T.BOOLEAN, "People live there, or that is not known, and nobody has cleared it: no step but watch.", False
    ),
    Column(
        "count_state",
        _T.TEXT,
        "'counts', 'possible' (an exact record or a person could make it count) or 'excluded'.",
        False,
        values=("counts", "possible", "excluded"),
    ),
    Column(
        "not_counted_reasons",
        _T.TEXT,
        "Every reason why it does not count (catalog/countability.py), separated by ';'; empty where it counts.",
        False,
    ),
    Column("duplicate_of", _T.TEXT, "The event that stands for the same incident."),
    Column("is_violent", _T.BOOLEAN, "The rule set lists its kind as violent.", False),
    Column("rule_ids", _T.TEXT, "Rules whose window holds it, separated by ';'.", False),
    # --- evaluation ---------------------------------------------------------------------------------
    Column("model_name", _T.TEXT, "Our model or a rival.", False),
    Column("trained_as_of", _T.DATE, "Day before which everything was known that the models saw; the year after it is the test.", False),
    Column("area_share_pct", _T.NUMBER, "Share of the city's cells that is flagged.", False, "per cent"),
    Column("pai", _T.NUMBER, "Prediction accuracy index: share of later events in the flagged cells over their share of the area.", False),
    Column("pai_low_90", _T.NUMBER, "Lower bound of its 90 % block-bootstrap interval."),
    Column("pai_high_90", _T.NUMBER, "Upper bound."),
    Column("pai_less_ours_low_90", _T.NUMBER, "Lower bound of the 90 % interval of the difference from our model."),
    Column("pai_less_ours_high_90", _T.NUMBER, "Upper bound."),
    Column(
        "pei", _T.NUMBER, "Prediction efficiency index: later events in the flagged cells over the most that as many cells held.", False
    ),
    Column("hit_share_pct", _T.NUMBER, "Share of later events in the flagged cells.", False, "per cent"),
    Column(
        "deviance",
        _T.NUMBER,
        "Mean Poisson deviance of a cell, the level brought to what happened; missing where zero is expected somewhere.",
    ),
    Column("calibration_slope", _T.NUMBER, "Slope of what happened on what was expected, by their logarithms: 1 is right."),
    Column("observed_over_expected", _T.NUMBER, "All that happened over all that was expected."),
    Column("place_count", _T.INTEGER, "Business parcels.", False, "places", minimum=0),
    Column("flagged_count", _T.INTEGER, "Business parcels whose score is in the highest tenth of the city.", False, "places", minimum=0),
    Column("flag_rate_pct", _T.NUMBER, "Share of them that is flagged.", False, "per cent"),
    Column("flag_rate_ratio", _T.NUMBER, "That share over the city's.", False),
    Column("is_alert", _T.BOOLEAN, "The ratio lies outside 0.8 to 1.25 in a district of at least 20 business parcels.", False),
    Column("expected_events", _T.NUMBER, "Serious events expected at them in a year.", False, "events per year"),
    Column("observed_events", _T.NUMBER, "Serious events tied to them in the year before as_of.", False, "events"),
    Column("request_rate", _T.NUMBER, "Requests to 311 about streetlights and dumping per parcel in the year before as_of."),
    Column("request_rate_ratio", _T.NUMBER, "That rate over the city's."),
    Column("fitted_as_of", _T.DATE, "Day before which everything was known that the model was fitted to.", False),
    Column("model_version", _T.TEXT, "Version of the model's code.", False),
    Column(
        "card",
        _T.TEXT,
        "Model card: data, factors, coefficients, metrics and limits, as JSON; the score can be computed from it again.",
        False,
    ),
    Column("homicide_count_365d", _T.INTEGER, "Homicide reports tied EXACT or NEAR to the place, 365 days before as_of.", False, minimum=0),
    Column(
        "stale_sources",
        _T.TEXT,
        "Feeds that were degraded, stale, silent or failed when the row was made, separated by ';'; empty if none.",
        False,
    ),
    Column(
        "covered_days_365d",
        _T.INTEGER,
        "Days of the 365 before as_of for which the feed's rows are there: from months that were pulled, up to its newest usable row.",
        False,
        "day",
        minimum=0,
        maximum=365,
    ),
    Column(
        "coverage_pct",
        _T.NUMBER,
        "Mean share of the 365 days before as_of that the five event feeds cover; no event on a day without coverage means nothing.",
        False,
        "per cent",
        minimum=0,
        maximum=100,
    ),
    Column(
        "source_status",
        _T.TEXT,
        "'fresh', 'degraded' (rows come, but a category or most of the volume does not), 'stale' (nothing new for longer than its lag allows), 'silent' (no rows at all) or 'failed' (last refresh failed; last good data stands).",
        False,
        values=("fresh", "degraded", "stale", "silent", "failed"),
    ),
    Column("status_reason", _T.TEXT, "The status in a sentence.", False),
    Column("newest_report_date", _T.DATE, "Newest report date among the feed's events."),
    Column("usual_lag_days", _T.INTEGER, "The feed's usual delay from event to publication.", False, "day", minimum=0),
    Column("snapshot_id", _T.TEXT, "The publish that wrote the row; ids sort in order of publication.", False, pattern="s[0-9]{10}$"),
    Column("run_id", _T.TEXT, "Run that wrote the row.", False),
    Column("schema_version", _T.TEXT, "Version of the table's contract.", False),
)

EVENT_FEEDS = ("police_reports", "calls_911", "health_inspections", "streetlight_outages", "dumping_complaints")
EVENT_TABLES = tuple(f"clean/{feed}" for feed in EVENT_FEEDS)
WINDOWS_DAYS = (90, 365)
LARGEST_SMALL_COUNT = 10  # counts of people's misfortunes from 1 to this are not shown to the public


def count_column(feed: str, days: int) -> str:
    """Name of the column that counts a feed's EXACT and NEAR events in the days before as_of."""
    return f"{feed}_count_{days}d"


def covered_column(feed: str) -> str:
    """Name of the column with the days of the year before as_of for which a feed's rows are there."""
    return f"{feed}_covered_days_365d"


def weighted_column(feed: str, days: int) -> str:
    """Name of the column that sums a feed's BLOCK shares in the days before as_of."""
    return f"{feed}_weighted_{days}d"


_WINDOWED = tuple(
    column
    for feed in EVENT_FEEDS
    for days in WINDOWS_DAYS
    for column in (
        Column(
            count_column(feed, days),
            Type.INTEGER,
            f"{feed} events tied EXACT or NEAR to the place, {days} days before as_of.",
            False,
            "events",
            minimum=0,
        ),
        Column(
            weighted_column(feed, days),
            Type.NUMBER,
            f"Shares of {feed} events known only to the place's block, {days} days before as_of.",
            False,
            "events",
            minimum=0,
        ),
    )
)

_COVERED = tuple(
    Column(
        covered_column(feed),
        Type.INTEGER,
        f"Days of the 365 before as_of for which {feed} are there.",
        False,
        "day",
        minimum=0,
        maximum=365,
    )
    for feed in EVENT_FEEDS
)

COLUMNS: dict[str, Column] = {column.name: column for column in (*_ALL, *_WINDOWED, *_COVERED)}
