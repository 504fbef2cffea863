"""311 requests of both systems."""

from datetime import date, datetime

import pytest
from transform_rows import only, raw_table, request_row

from kc_pipeline.transform.requests_311 import clean_dumping, clean_streetlights


def test_a_request_by_value() -> None:
    event = only(clean_dumping(raw_table([request_row(resolved_at="2026-06-20T00:00:00.000", work_group="PW", report_source="iOS")])).clean)
    expected = {
        "event_id": "dumping_complaints:3119815",
        "category": "alley",
        "source_category": "Dumping in the Alley",
        "current_status": "resolved",
        "resolved_date": date(2026, 6, 20),
        "work_group": "PW",
        "report_source": "iOS",
        "council_district": "3",
        "address": "4426 Jackson Ave Kansas City 64130",
        "address_precision": "exact",
        "zip_code": "64130",
        "latitude": 39.0447759,
        "reported_local": datetime.fromisoformat("2026-06-10T14:11"),
        "reported_clock": "exact",
        "available_date": date(2026, 6, 17),
    }
    assert {name: event[name] for name in expected} == expected


def test_a_request_of_the_legacy_system() -> None:
    row = request_row(
        data_set="7at3-sxhp",
        partition="2015-10",
        request_id="2015033686",
        opened_at="2015-10-28T00:00:00.000",
        opened_time="10:40 AM",
        status="RESOL",
        issue_sub_type="Illegal Dumping on Property",
        address="2639 Garfield Ave",
        zip_code="64127",
        parcel_id="14494",
    )
    event = only(clean_dumping(raw_table([row])).clean)
    assert event["reported_local"] == datetime.fromisoformat("2015-10-28T10:40")
    assert (event["current_status"], event["category"]) == ("resolved", "private_property")
    assert (event["parcel_id"], event["zip_code"]) == ("14494", "64127")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("Closed", "closed"),
        ("RESOL", "resolved"),
        ("OPEN", "open"),
        ("CANC", "canceled"),
        ("DUP", "duplicate"),
        ("received", "received"),
        (None, None),
    ],
)
def test_statuses(given: str | None, status: str | None) -> None:
    assert only(clean_dumping(raw_table([request_row(status=given)])).clean)["current_status"] == status


@pytest.mark.parametrize("parcel_id", ["0", "", None])
def test_no_parcel(parcel_id: str | None) -> None:
    assert only(clean_dumping(raw_table([request_row(parcel_id=parcel_id)])).clean)["parcel_id"] is None


@pytest.mark.parametrize(
    ("sub_type", "category"),
    [
        ("SLG0 Streetlight Out - Single Light Out", "single_light_out"),
        ("Street Light Out", "single_light_out"),
        ("Street Light Malfunctioning", "malfunction"),
        ("SLG3 Streetlights Out - Two to Four Lights", "several_lights_out"),
        ("SLD0 Streetlights Out - Five or More", "many_lights_out"),
        ("Something new", "unknown"),
        (None, "unknown"),
    ],
)
def test_streetlight_categories(sub_type: str | None, category: str) -> None:
    event = only(clean_streetlights(raw_table([request_row(issue_sub_type=sub_type)])).clean)
    assert event["event_id"] == "streetlight_outages:3119815"
    assert event["category"] == category


def test_a_new_dumping_category_is_kept_as_unknown() -> None:
    event = only(clean_dumping(raw_table([request_row(issue_sub_type="Dumping on the Moon")])).clean)
    assert (event["category"], event["source_category"]) == ("unknown", "Dumping on the Moon")
