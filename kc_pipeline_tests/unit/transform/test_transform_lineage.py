"""The lineage of the clean tables is true: a raw field changes no other column than those that name it."""

import pytest
from transform_rows import department_row, raw_table, request_row

from kc_pipeline.catalog.lineage import upstream_columns
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.transform.cleaners import find_cleaner

BASE = {
    "police_reports": department_row(
        occurred_date="2026-06-10T17:00:00.000", occurred_time="17:00", city="KANSAS CITY", reported_time="18:15"
    ),
    "calls_911": {
        "data_set": "calls",
        "incident_number": "26-1",
        "called_at": "2026-06-10T18:15:00.000",
        "type_description": "DISTURBANCE",
        "priority": "20",
        "division": "East",
        "beat": "332",
        "address": "3417 NORTON AVE",
        "zip_code": "64130",
        "latitude": "39.0611",
        "longitude": "-94.5411",
        "parcel_id": "12345",
        "officer_initiated": "false",
    },
    "health_inspections": {
        "data_set": "inspections",
        "inspection_id": "I-1",
        "inspection_date": "2026-06-10",
        "inspection_type": "Routine",
        "result": "PASS",
        "permit_number": "P1",
        "establishment_name": "CAFE",
        "address": "3417 NORTON AVE",
        "zip_code": "64130",
        "latitude": "39.0611",
        "longitude": "-94.5411",
        "critical_violations": "1",
        "noncritical_violations": "2",
    },
    "dumping_complaints": request_row(
        zip_code="64130", opened_time="10:00", resolved_at="2026-06-12", work_group="PW", report_source="WEB", parcel_id="12345"
    ),
    "food_permits": {
        "data_set": "sz9c-c5ux",
        "permit_number": "P1",
        "establishment_name": "CAFE",
        "business_type": "FULL",
        "status": "Active",
        "address": "3417 NORTON AVE",
        "city": "Kansas City",
        "state": "MO",
        "zip_code": "64130",
        "latitude": "39.0611",
        "longitude": "-94.5411",
    },
    "business_licenses": {
        "data_set": "pnm4-68wg",
        "license_id": "L1",
        "business_type": "Bars",
        "business_name": "THE BAR",
        "dba_name": "BAR LLC",
        "address": "3417 NORTON AVE",
        "city": "Kansas City",
        "state": "MO",
        "zip_code": "64130",
        "valid_until": "2026-12-31",
        "latitude": "39.0611",
        "longitude": "-94.5411",
    },
    "property_violations": {
        "data_set": "vq3e-m9ge",
        "violation_id": "V1",
        "case_number": "C1",
        "status": "Open",
        "violation_code": "56-1",
        "violation_text": "Weeds",
        "opened_at": "2026-06-01",
        "resolved_at": "2026-06-20",
        "address": "3417 NORTON AVE",
        "zip_code": "64130",
        "parcel_id": "12345",
        "latitude": "39.0611",
        "longitude": "-94.5411",
    },
}
# field -> another value that can be read as well
OTHER = {
    "address": "10 E 43RD ST",
    "zip_code": "64128",
    "latitude": "39.07",
    "longitude": "-94.55",
    "parcel_id": "777",
    "beat": "112",
    "area": "CPD",
    "division": "Metro",
    "nibrs": "120",
    "offense": "Robbery",
    "description": "Robbery",
    "domestic_flag": "Y",
    "firearm_flag": "N",
    "reported_at": "2026-06-11T00:00:00.000",
    "reported_time": "03:00",
    "called_at": "2026-06-11T19:15:00.000",
    "opened_at": "2026-05-11T15:11:00.000",
    "inspection_date": "2026-06-11",
    "occurred_date": "2026-06-09T00:00:00.000",
    "occurred_time": "12:30",
    "city": "RAYTOWN",
    "state": "KS",
    "type_description": "BUSINESS CHECK",
    "officer_initiated": "true",
    "issue_sub_type": "Dumping in a Right-of-Way",
    "resolved_at": "2026-06-21",
    "status": "Closed",
    "valid_until": "2027-12-31",
    "critical_violations": "3",
    "noncritical_violations": "4",
}
IDENTITY = {
    "police_reports": "report_number",
    "calls_911": "incident_number",
    "health_inspections": "inspection_id",
    "dumping_complaints": "request_id",
    "food_permits": "permit_number",
    "business_licenses": "license_id",
    "property_violations": "violation_id",
}


@pytest.mark.parametrize("feed", BASE)
def test_a_raw_field_changes_no_column_but_those_that_name_it(feed: str) -> None:
    key = IDENTITY[feed]
    variants = [(name, value) for name in BASE[feed] if name not in ("data_set", key) for value in (OTHER.get(name, "9"), None)]
    rows = [{**BASE[feed], name: value, key: f"K{number:03}"} for number, (name, value) in enumerate([(key, None), *variants])]
    cleaned = {row[TABLES[f"clean/{feed}"].key[0]].split(":")[1]: row for row in find_cleaner(feed)(raw_table(rows)).clean.to_pylist()}
    upstream = upstream_columns(f"clean/{feed}")
    of_key = {"event_id", "record_id"}
    moved: dict[str, set[str]] = {}
    for number, (name, _) in enumerate(variants, 1):
        if f"K{number:03}" in cleaned:  # else it was rejected: the feed cannot do without the field
            both = cleaned["K000"], cleaned[f"K{number:03}"]
            moved.setdefault(name, set()).update(column for column in both[0] if both[0][column] != both[1][column])
    apart = {"row_hash", "line", key} | of_key
    for name, columns in moved.items():
        assert columns - apart <= {column for column, named in upstream.items() if f"raw/{feed}.{name}" in named}, name
    assert sum(bool(columns - apart) for columns in moved.values()) >= len(moved) - 3
