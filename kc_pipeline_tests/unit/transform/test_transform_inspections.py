"""Health inspections."""

import pytest
from transform_rows import only, raw_table

from kc_pipeline.transform.inspections import clean


def inspection_row(**changes: object) -> dict[str, object]:
    return {
        "data_set": "health_inspections*",
        "partition": "whole",
        "inspection_id": "HI1",
        "inspection_date": "2026-06-10",
        "inspection_type": "Routine",
        "result": "Pass w/ Conditions",
        "address": "1004 Locust St",
        "permit_number": "514216",
        "establishment_name": "EXPRESS STOP",
        "critical_violations": "2",
        "noncritical_violations": "1",
        **changes,
    }


def test_an_inspection_by_value() -> None:
    event = only(clean(raw_table([inspection_row()])).clean)
    assert event["event_id"] == "health_inspections:HI1"
    assert (event["inspection_result"], event["category"]) == ("pass w/ conditions", "routine")
    assert (event["critical_violation_count"], event["noncritical_violation_count"]) == (2, 1)
    assert (event["permit_number"], event["establishment_name"]) == ("514216", "EXPRESS STOP")
    assert (event["reported_clock"], event["record_systems"], event["address_precision"]) == ("date_only", "department", "exact")


@pytest.mark.parametrize(
    ("columns", "text", "counts"),
    [
        (("0", "0"), "1. Floor in disrepair", (0, 0)),
        ((None, None), "1. Food not held cold (critical)\n2. Floor in disrepair\n3. Thermometer missing", (1, 2)),
        ((None, None), "1. Food not held cold - CRITICAL | 2. Floor in disrepair (non-critical)", (1, 1)),
        ((None, None), "clean as a whistle", (None, None)),
        ((None, None), None, (None, None)),
        (("many", "-1"), None, (None, None)),
    ],
)
def test_violations_are_counted_by_columns_else_in_the_text(
    columns: tuple[str | None, str | None], text: str | None, counts: tuple[int | None, int | None]
) -> None:
    row = inspection_row(critical_violations=columns[0], noncritical_violations=columns[1], violations=text)
    event = only(clean(raw_table([row])).clean)
    assert (event["critical_violation_count"], event["noncritical_violation_count"]) == counts


def test_a_rejected_row_of_a_file_goes_to_the_month_of_its_report() -> None:
    result = clean(raw_table([inspection_row(inspection_id=None), inspection_row(inspection_date=None)]))
    assert sorted(str(row["month"]) for row in result.quarantine.to_pylist()) == ["2026-06", "undated"]


@pytest.mark.parametrize(
    ("kind", "category"),
    [("Re-Inspection", "reinspection"), ("Complaint", "complaint"), ("License Opening", "licensing"), ("Zzz", "unknown")],
)
def test_categories(kind: str, category: str) -> None:
    assert only(clean(raw_table([inspection_row(inspection_type=kind)])).clean)["category"] == category


@pytest.mark.parametrize(
    ("text", "clock"),
    [("06/10/2026", "date_only"), ("20260610", "date_only"), ("06/10/2026 10:40 AM", "exact"), ("2026-06-10T15:40:00+00:00", "exact")],
)
def test_dates_in_the_forms_of_an_export(text: str, clock: str) -> None:
    event = only(clean(raw_table([inspection_row(inspection_date=text)])).clean)
    assert (str(event["report_date"]), event["reported_clock"]) == ("2026-06-10", clock)
    assert clock == "date_only" or str(event["reported_local"]) == "2026-06-10 10:40:00"
