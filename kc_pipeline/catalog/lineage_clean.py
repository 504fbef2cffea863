"""Lineage of the clean and quarantine tables: which raw fields each column of a feed is made from.

One list for all feeds: of the raw fields that are named for a column, those count that the feed has.  What is different for a
feed stands in `_OWN`; a register that brings its table along says it there (`FeedTable.made_from`).
"""

from collections.abc import Mapping

from kc_pipeline.catalog.lineage import Origin, column_names
from kc_pipeline.catalog.sources import Feed

# raw fields that say when and which, by feed
_DATES: Mapping[str, tuple[str, ...]] = {
    "police_reports": ("reported_at", "reported_time"),
    "calls_911": ("called_at",),
    "health_inspections": ("inspection_date",),
    "streetlight_outages": ("opened_at", "opened_time"),
    "dumping_complaints": ("opened_at", "opened_time"),
}
_IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "police_reports": ("report_number",),
    "calls_911": ("incident_number",),
    "health_inspections": ("inspection_id",),
    "streetlight_outages": ("request_id",),
    "dumping_complaints": ("request_id",),
    "business_licenses": ("license_id", "business_type", "address", "dba_name", "business_name", "valid_until"),
    "food_permits": ("permit_number", "establishment_name", "address", "business_type"),
    "parcels": ("parcel_id", "county_parcel_number"),
    "streets": ("row_id",),
    "districts": ("district_kind", "district_name", "row_id"),
    "property_violations": ("violation_id",),
    "dangerous_buildings": ("case_id",),
    "bus_stops": ("stop_id",),
}
_KINDS: Mapping[str, tuple[str, ...]] = {
    "police_reports": ("nibrs", "description", "offense"),
    "calls_911": ("type_description",),
    "health_inspections": ("inspection_type",),
    "streetlight_outages": ("issue_sub_type",),
    "dumping_complaints": ("issue_sub_type",),
}
# column -> raw fields, of every feed that has the column; fields that a feed lacks are left out
_SHARED: Mapping[str, tuple[str, ...]] = {
    "address_precision": ("address", "data_set"),
    "zip_code": ("zip_code", "city", "address"),
    "latitude": ("latitude", "longitude", "address"),
    "longitude": ("longitude", "latitude", "address"),
    "no_location_reason": ("latitude", "longitude", "address"),
    "first_seen_utc": ("pulled_at",),
    "record_systems": ("data_set",),
    "case_status": ("status",),
    "current_status": ("status",),
    "opened_date": ("opened_at",),
    "resolved_date": ("resolved_at",),
    "inspection_result": ("result",),
    "critical_violation_count": ("critical_violations", "violations"),
    "noncritical_violation_count": ("noncritical_violations", "violations"),
    "offense_codes": ("offense",),
    "nibrs_codes": ("nibrs",),
    "is_domestic": ("domestic_flag",),
    "is_firearm_used": ("firearm_flag",),
    "is_officer_initiated": ("officer_initiated", "type_description"),
    "occurred_local": ("occurred_date", "occurred_time"),
    "has_shelter": ("shelter",),
    "has_light": ("lighting",),
}
_OWN: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "police_reports": {"division": ("beat", "area"), "source_division": ("area",)},
    "calls_911": {"division": ("beat", "division"), "source_division": ("division",)},
    "business_licenses": {"business_name": ("business_name", "dba_name"), "legal_name": ("dba_name", "business_name")},
    "parcels": {
        "geometry": ("geometry", "latitude", "longitude"),
        "geometry_kind": ("geometry", "latitude", "longitude"),
        "latitude": ("geometry", "latitude", "longitude", "address"),
        "longitude": ("geometry", "longitude", "latitude", "address"),
        "no_location_reason": ("geometry", "latitude", "longitude", "address"),
    },
    "streets": {"from_number": ("from_number", "to_number"), "to_number": ("from_number", "to_number")},
    "districts": {"district_name": ("district_name", "row_id")},
    "bus_stops": {
        "latitude": ("latitude", "longitude", "stop_name"),
        "longitude": ("longitude", "latitude", "stop_name"),
        "no_location_reason": ("latitude", "longitude", "stop_name"),
    },
}
_MADE: Mapping[str, Mapping[str, str]] = {
    "parcels": {"zip_code": "always missing: the source gives none"},
    "calls_911": {"occurred_local": "always missing: the source gives none"},
    "health_inspections": {"occurred_local": "always missing: the source gives none", "parcel_id": "always missing: the source gives none"},
    "streetlight_outages": {"occurred_local": "always missing: the source gives none"},
    "dumping_complaints": {"occurred_local": "always missing: the source gives none"},
}


def clean_origin(feed: Feed) -> Origin:
    """Where the columns of a feed's clean table come from."""
    raw, columns = f"raw/{feed.name}", column_names(f"clean/{feed.name}")
    dates, identity, kind = (facts.get(feed.name, ()) for facts in (_DATES, _IDENTITIES, _KINDS))
    identity = identity or next((data_set.required[:1] for data_set in feed.data_sets if data_set.required), ())
    made_from: dict[str, tuple[str, ...]] = {
        **_SHARED,
        "event_id": identity,
        "record_id": identity,
        "row_hash": (*identity, *dates, *kind, "address", "geometry"),
        "source_row_count": identity,
        **dict.fromkeys(("report_date", "reported_local", "reported_utc", "reported_clock", "month"), dates),
        "available_date": (*dates, "pulled_at", "data_set"),
        "category": kind,
        "source_category": kind,
        "record_disagreement": (*dates, *kind, "data_set"),
        **_OWN.get(feed.name, {}),
        **(feed.table.made_from if feed.table else {}),
    }
    known = column_names(raw)
    computed = {name: tuple(f"{raw}.{each}" for each in made_from.get(name, ()) if each in known) for name in columns}
    made = {**({"feed": "the feed's name"} if "feed" in columns else {}), **_MADE.get(feed.name, {})}
    return Origin(((raw,),), {name: named for name, named in computed.items() if named}, made)


def quarantine_origin(feed: Feed) -> Origin:
    """Where the columns of a feed's rejected rows come from."""
    raw, fields = f"raw/{feed.name}", (*_DATES.get(feed.name, ()), *_IDENTITIES.get(feed.name, ()))
    known = column_names(raw)
    judged = tuple(f"{raw}.{name}" for name in dict.fromkeys((*fields, "geometry")) if name in known) or (f"{raw}.row_id",)
    said = dict.fromkeys(("rule", "reason", "rejected_value", "raw_row"), judged)
    return Origin(((raw,),), {**said, "month": (f"{raw}.partition", *judged)}, {"feed": "the feed's name"})
