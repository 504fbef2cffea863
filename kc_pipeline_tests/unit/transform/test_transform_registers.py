"""Licences, permits, violations, dangerous buildings."""

from datetime import date

import pytest
from transform_rows import only, raw_table

from kc_pipeline.transform.registers import clean_bus_stops, clean_dangerous_buildings, clean_licenses, clean_permits, clean_violations


def license_row(**changes: object) -> dict[str, object]:
    return {
        "data_set": "pnm4-68wg",
        "partition": "whole",
        "license_id": "7344768",
        "business_type": "Flat Rate 16",
        "address": "4734 HEINTZ ST",
        "city": "Kansas City",
        "state": "MO",
        "zip_code": "64133",
        "dba_name": "EXPRESS STOP",
        "valid_until": "20251231",
        **changes,
    }


def test_a_licence_by_value() -> None:
    record = only(clean_licenses(raw_table([license_row(business_name="EXPRESS STOP", dba_name="STOP LLC")])).clean)
    assert str(record["record_id"]).startswith("business_licenses:7344768:")
    assert (record["business_name"], record["legal_name"], record["valid_until"]) == ("EXPRESS STOP", "STOP LLC", date(2025, 12, 31))
    assert (record["city"], record["state"], record["zip_code"]) == ("KANSAS CITY", "MO", "64133")


@pytest.mark.parametrize("trade_name", [None, "N/A", "STOP LLC"])
def test_the_holders_name_stands_in_for_a_trade_name(trade_name: str | None) -> None:
    record = only(clean_licenses(raw_table([license_row(dba_name="STOP LLC", business_name=trade_name)])).clean)
    assert (record["business_name"], record["legal_name"]) == ("STOP LLC", None)


def test_a_licence_has_a_record_for_each_class_whatever_the_order() -> None:
    rows = [license_row(), license_row(business_type="Misc Rate 50"), license_row(), license_row(address="1 MAIN ST")]
    result = clean_licenses(raw_table(rows))
    keys = result.clean["record_id"].to_pylist()
    assert len(set(keys)) == 4
    turned = clean_licenses(raw_table([{**row, "row_id": f"row-{i}", "line": i} for i, row in reversed(list(enumerate(rows)))]))
    assert turned.clean.equals(result.clean)


def permit_row(**changes: object) -> dict[str, object]:
    return {
        "data_set": "sz9c-c5ux",
        "partition": "whole",
        "permit_number": "108351",
        "establishment_name": "Boru Ramen",
        "address": "500  West 75th Street",
        "city": "Kansas City",
        "state": "MISSOURI",
        "zip_code": "64114",
        "business_type": "Restaurant/Deli",
        "status": "Operational",
        **changes,
    }


def test_permits_alike_in_number_are_two_records() -> None:
    rows = [
        permit_row(),
        permit_row(establishment_name="Bory Ramen"),
        permit_row(permit_number="7"),
        permit_row(permit_number="8"),
        permit_row(permit_number="8"),
    ]
    result = clean_permits(raw_table(rows))
    keys = result.clean["record_id"].to_pylist()
    assert len(set(keys)) == 5
    assert "food_permits:7" in keys


def test_a_violation_and_a_row_without_identity() -> None:
    row = {
        "data_set": "vq3e-m9ge",
        "partition": "whole",
        "violation_id": "b4be",
        "case_number": "NPD-2025-03707",
        "status": "In Violation",
        "violation_code": "56-136",
        "address": "12100 E 61st Ter",
        "zip_code": "64133",
        "parcel_id": "64912",
        "resolved_at": "2025-09-03T00:00:00.000",
    }
    result = clean_violations(raw_table([row, {**row, "violation_id": None}]))
    record = only(result.clean)
    assert (record["record_id"], record["parcel_id"], record["resolved_date"]) == ("property_violations:b4be", "64912", date(2025, 9, 3))
    assert record["opened_date"] is None
    assert only(result.quarantine)["month"] == "undated"


def test_a_violation_in_a_set_and_its_view_is_one_record() -> None:
    row = {"data_set": "vq3e-m9ge", "partition": "whole", "violation_id": "b4be", "address": "12100 E 61st Ter"}
    result = clean_violations(raw_table([row, {**row, "data_set": "w5nm-8qv8"}]))
    assert only(result.clean)["record_id"] == "property_violations:b4be"
    assert [line["good_count"] for line in result.reconciliation.to_pylist()] == [1, 1]


def test_a_dangerous_building_at_the_state_plane_origin_is_kept() -> None:
    row = {
        "data_set": "vzsi-k8cj",
        "partition": "whole",
        "case_id": "2021033686",
        "status": "RESOL",
        "opened_at": "2021-10-28T00:00:00.000",
        "address": "2639 Garfield Ave",
        "parcel_id": "0",
        "latitude": "35.797519",
        "longitude": "-103.890579",
    }
    record = only(clean_dangerous_buildings(raw_table([row])).clean)
    assert record["record_id"] == "dangerous_buildings:2021033686"
    assert (record["no_location_reason"], record["latitude"], record["parcel_id"]) == ("state_plane_origin", None, None)
    assert record["opened_date"] == date(2021, 10, 28)


def test_a_licence_without_a_readable_date_is_kept() -> None:
    assert only(clean_licenses(raw_table([license_row(valid_until="never")])).clean)["valid_until"] is None


def test_records_alike_in_everything_are_numbered_in_whatever_order_they_come() -> None:
    rows = [license_row(row_id=name) for name in "abc"]
    keys = clean_licenses(raw_table(rows)).clean["record_id"].to_pylist()
    assert [key.split(":")[4:] for key in keys] == [[], ["2"], ["3"]]
    assert clean_licenses(raw_table(rows[::-1])).clean["record_id"].to_pylist() == keys


def test_a_bus_stop_says_whether_it_has_a_shelter_and_a_light() -> None:
    row = {
        "data_set": "ydqf-pvmx",
        "partition": "whole",
        "stop_id": "1060057",
        "stop_name": "ON MAIN AT 31ST",
        "shelter": "true",
        "latitude": "39.07",
        "longitude": "-94.58",
    }
    stop = only(clean_bus_stops(raw_table([row, {**row, "row_id": "again"}])).clean)
    assert (stop["record_id"], stop["has_shelter"], stop["has_light"]) == ("bus_stops:1060057", True, None)
    assert (stop["latitude"], stop["no_location_reason"]) == (39.07, None)
