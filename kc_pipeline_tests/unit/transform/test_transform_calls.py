"""911 calls, open and the department's."""

import pytest
from transform_rows import only, raw_table

from kc_pipeline.transform.calls import clean


def call_row(**changes: object) -> dict[str, object]:
    return {
        "data_set": "4cef-rqti",
        "incident_number": "26-1610001",
        "called_at": "2026-06-10T03:04:00.000",
        "type_description": "DISTURBANCE",
        "subtype": "DISTURBANCE",
        "priority": "30",
        "beat": "112",
        "address": "1000  LOCUST ST",
        **changes,
    }


def test_open_and_department_rows_are_one_call() -> None:
    department = call_row(
        data_set="calls", address="1004 LOCUST ST", latitude="39.1", longitude="-94.57", parcel_id="77", officer_initiated="false"
    )
    event = only(clean(raw_table([call_row(), department])).clean)
    assert event["event_id"] == "calls_911:26-1610001"
    assert event["record_systems"] == "open+department"
    assert (event["address"], event["address_precision"], event["parcel_id"]) == ("1004 LOCUST ST", "exact", "77")
    assert (event["priority"], event["division"], event["category"]) == ("30", "Central", "disturbance")
    assert event["source_row_count"] == 2


def test_open_calls_have_a_block_and_no_point() -> None:
    event = only(clean(raw_table([call_row()])).clean)
    assert (event["address_precision"], event["latitude"], event["no_location_reason"]) == ("block", None, "missing")
    assert str(event["available_date"]) == "2026-07-02"


@pytest.mark.parametrize(
    ("kind", "category"),
    [("BUSINESS CHECK", "officer_check"), ("SOUND OF SHOTS", "shots_fired"), ("Alarm", "alarm"), ("ZZZ", "unknown"), (None, "unknown")],
)
def test_categories(kind: str | None, category: str) -> None:
    assert only(clean(raw_table([call_row(type_description=kind, subtype=None)])).clean)["category"] == category


@pytest.mark.parametrize(
    ("kind", "flag", "expected"),
    [
        ("BUSINESS CHECK", None, True),
        ("BUSINESS CHECK", "false", True),
        ("DISTURBANCE", "true", True),
        ("ZZZ", None, None),
        ("ZZZ", "false", False),
    ],
)
def test_officer_initiated_by_category_or_flag(kind: str, flag: str | None, expected: bool | None) -> None:
    row = call_row(data_set="calls", type_description=kind, subtype=None, officer_initiated=flag)
    assert only(clean(raw_table([row])).clean)["is_officer_initiated"] is expected


def test_a_kind_that_is_not_known_is_kept() -> None:
    event = only(clean(raw_table([call_row(type_description="ZZZ")])).clean)
    assert (event["category"], event["source_category"]) == ("unknown", "ZZZ")
