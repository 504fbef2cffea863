"""Police rows to reports."""

from datetime import UTC, date, datetime

import pytest
from transform_rows import by_key, department_row, only, police_row, raw_table

from kc_pipeline.transform.police import clean


def test_person_rows_of_a_report_are_one_event() -> None:
    result = clean(raw_table([police_row(involvement="VIC"), police_row(involvement="SUS"), police_row(involvement="ARR")]))
    event = only(result.clean)
    assert event["event_id"] == "police_reports:KC26000001"
    assert event["source_row_count"] == 3
    assert only(result.reconciliation) | {"code_version": ""} == {
        "feed": "police_reports",
        "data_set": "f7wj-ckmw",
        "month": "2026-06",
        "pull_id": "000001",
        "content_sha256": None,
        "received_count": 3,
        "good_count": 3,
        "quarantined_count": 0,
        "duplicate_count": 0,
        "event_count": 1,
        "code_version": "",
    }


def test_a_report_by_value() -> None:
    event = only(
        clean(raw_table([police_row(report_number=" kc26000001 ", occurred_date="2026-06-09T00:00:00.000", occurred_time="23:10")])).clean
    )
    expected = {
        "event_id": "police_reports:KC26000001",
        "feed": "police_reports",
        "month": "2026-06",
        "report_date": date(2026, 6, 10),
        "reported_local": datetime.fromisoformat("2026-06-10T18:15"),
        "reported_utc": datetime(2026, 6, 10, 23, 15, tzinfo=UTC),
        "reported_clock": "exact",
        "occurred_local": datetime.fromisoformat("2026-06-09T23:10"),
        "category": "aggravated_assault",
        "source_category": "13A",
        "address": "3400  NORTON AV",
        "address_precision": "block",
        "zip_code": "64130",
        "latitude": 39.06,
        "longitude": -94.54,
        "no_location_reason": None,
        "parcel_id": None,
        "record_systems": "open",
        "source_row_count": 1,
        "offense_codes": "Aggravated Assault",
        "nibrs_codes": "13A",
        "is_domestic": False,
        "is_firearm_used": False,
        "beat": "332",
        "division": "East",
        "available_date": date(2026, 6, 19),
        "first_seen_utc": datetime(2026, 7, 2, 12, tzinfo=UTC),
        "data_set": "f7wj-ckmw",
        "pull_id": "000001",
        "page": 0,
        "line": 0,
    }
    assert {name: event[name] for name in expected} == expected
    assert len(str(event["row_hash"])) == 64


def test_open_and_department_rows_of_a_report_are_one_event_at_the_exact_address() -> None:
    rows = [police_row(), police_row(involvement="SUS"), department_row(nibrs="520", offense="Weapons", row_id="d1")]
    event = only(clean(raw_table(rows)).clean)
    assert event["record_systems"] == "open+department"
    assert (event["address"], event["address_precision"]) == ("3417 NORTON AVE", "exact")
    assert (event["latitude"], event["longitude"], event["parcel_id"]) == (39.0611, -94.5411, "12345")
    assert (event["data_set"], event["line"]) == ("reports", 2)
    assert event["nibrs_codes"] == "13A;520"
    assert event["is_firearm_used"] is True
    assert event["category"] == "aggravated_assault"
    assert event["available_date"] == date(2026, 6, 11)


def test_an_exact_address_never_takes_the_coordinates_of_the_block() -> None:
    event = only(clean(raw_table([police_row(), {**department_row(), "latitude": None, "longitude": None}])).clean)
    assert event["address_precision"] == "exact"
    assert event["latitude"] is None
    assert event["no_location_reason"] == "missing"


def test_department_rows_alone() -> None:
    assert only(clean(raw_table([department_row()])).clean)["record_systems"] == "department"


def test_the_same_report_in_two_yearly_sets_is_one_event() -> None:
    rows = [
        police_row(data_set="dmnp-9ajg", partition="2025-12", reported_at="2025-12-31T23:50:00.000"),
        police_row(data_set="f7wj-ckmw", partition="2025-12", reported_at="2025-12-31T23:50:00.000"),
    ]
    result = clean(raw_table(rows))
    assert only(result.clean)["source_row_count"] == 2
    assert [row["good_count"] for row in result.reconciliation.to_pylist()] == [1, 1]
    assert [row["event_count"] for row in result.reconciliation.to_pylist()] == [1, 1]


@pytest.mark.parametrize(
    ("offenses", "category"),
    [
        ([("13B", None), ("09A", None), ("240", None)], "homicide"),
        ([("23F", None)], "theft"),
        ([("90Z", None), ("11A", None)], "sex_offense"),
        ([(None, "Armed Robbery")], "robbery"),
        ([(None, "Strong Arm Robbery")], "robbery"),
        ([(None, "Aggravated Assault (")], "aggravated_assault"),
        ([(None, "Agg Assault - Domest")], "aggravated_assault"),
        ([(None, "Non Agg Assault Dome")], "simple_assault"),
        ([(None, "Non Aggravated Assau")], "simple_assault"),
        ([("999", "HOMICIDE/Non Neglige")], "homicide"),
        ([(None, "Murder & Non-negligent Manslaughter")], "homicide"),
        ([("999", "Homicide")], "homicide"),
        ([(None, "Non-Aggravated Assault")], "simple_assault"),
        ([(None, "Justifiable Homicide")], "homicide_justifiable"),
        ([(None, "Negligent Manslaughter")], "homicide_negligent"),
        ([("13B", None), (None, "Armed Robbery")], "robbery"),
        ([("XYZ", "Gobbledygook")], "unknown"),
        ([(None, None)], "unknown"),
    ],
)
def test_the_most_severe_offense_gives_the_category(offenses: list[tuple[str | None, str | None]], category: str) -> None:
    rows = [police_row(nibrs=nibrs, description=words, offense=None) for nibrs, words in offenses]
    assert only(clean(raw_table(rows)).clean)["category"] == category


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["Y"], True),
        (["N"], False),
        (["U"], None),
        ([None], None),
        (["true"], True),
        (["false"], False),
        (["U", "N", "Y"], True),
        (["U", "N"], False),
        (["U", None], None),
    ],
)
def test_flags(flags: list[str | None], expected: bool | None) -> None:
    event = only(clean(raw_table([police_row(domestic_flag=flag, firearm_flag=flag) for flag in flags])).clean)
    assert event["is_domestic"] is expected
    assert event["is_firearm_used"] is expected


def test_to_2020_the_clock_stands_apart() -> None:
    row = police_row(data_set="dmjw-d28i", partition="2018-09", reported_at="2018-09-02T00:00:00.000", reported_time="18:15")
    event = only(clean(raw_table([row])).clean)
    assert event["reported_local"] == datetime.fromisoformat("2018-09-02T18:15")
    assert event["reported_clock"] == "exact"


@pytest.mark.parametrize("clock", [None, "25:61"])
def test_without_a_readable_clock_only_the_date_is_known(clock: str | None) -> None:
    row = police_row(data_set="dmjw-d28i", partition="2018-09", reported_at="2018-09-02T00:00:00.000", reported_time=clock)
    event = only(clean(raw_table([row])).clean)
    assert event["report_date"] == date(2018, 9, 2)
    assert (event["reported_clock"], event["reported_utc"]) == ("date_only", None)


@pytest.mark.parametrize(
    ("change", "rejected_value"),
    [
        ({"report_number": None}, None),
        ({"report_number": "  "}, None),
        ({"reported_at": None, "partition": "undated"}, None),
        ({"reported_at": "soon", "partition": "undated"}, "soon"),
        ({"reported_at": "1923-06-10T00:00:00.000", "partition": "undated"}, "1923-06-10T00:00:00.000"),
        ({"reported_at": "2026-07-09T10:00:00.000"}, "2026-07-09T10:00:00.000"),
    ],
)
def test_what_cannot_be_an_event_is_quarantined(change: dict[str, object], rejected_value: str | None) -> None:
    result = clean(raw_table([police_row(), police_row(report_number="KC2") | change]))
    row = only(result.quarantine)
    assert result.clean.num_rows == 1
    assert row["rejected_value"] == rejected_value
    assert rejected_value is None or rejected_value in str(row["reason"])
    assert row["month"] == change.get("partition", "2026-06")
    assert (row["data_set"], row["pull_id"], row["page"], row["line"]) == ("f7wj-ckmw", "000001", 0, 1)
    assert '"address": "3400  NORTON AV"' in str(row["raw_row"])


@pytest.mark.parametrize(
    "change", [{"address": None}, {"address": "UNKNOWN"}, {"nibrs": "ZZZ"}, {"latitude": None}, {"latitude": "0", "longitude": "0"}]
)
def test_what_is_only_incomplete_is_kept(change: dict[str, object]) -> None:
    assert clean(raw_table([police_row(**change)])).clean.num_rows == 1


def test_nothing_outside_the_contract_is_stored() -> None:
    rows = [police_row(race="B", sex="M", age="31"), police_row(report_number=None, race="B", sex="M", age="31")]
    result = clean(raw_table(rows))
    assert not {"race", "sex", "age"} & set(result.clean.column_names)
    assert "race" not in str(only(result.quarantine)["raw_row"])


def test_reports_differ_by_number() -> None:
    events = by_key(clean(raw_table([police_row(report_number="A"), police_row(report_number="B")])).clean, "event_id")
    assert list(events) == ["police_reports:A", "police_reports:B"]
    assert events["police_reports:A"]["row_hash"] != events["police_reports:B"]["row_hash"]


def test_an_exact_address_never_takes_the_parcel_of_another_row() -> None:
    rows = [{**department_row(row_id="a"), "parcel_id": None}, {**department_row(row_id="b"), "address": "9 OTHER ST"}]
    event = only(clean(raw_table(rows)).clean)
    assert (event["address"], event["parcel_id"]) == ("3417 NORTON AVE", None)


def test_a_parcel_is_kept_where_no_row_has_an_exact_address() -> None:
    event = only(clean(raw_table([police_row(), {**department_row(), "address": None}])).clean)
    assert (event["address"], event["address_precision"], event["parcel_id"]) == ("3400  NORTON AV", "block", "12345")


@pytest.mark.parametrize(
    ("nibrs", "words", "source_category"),
    [("999", "Armed Robbery", "Armed Robbery"), ("999", None, "999"), ("120", "Armed Robbery", "120")],
)
def test_the_source_category_is_what_the_category_was_found_by(nibrs: str, words: str | None, source_category: str) -> None:
    row = police_row(nibrs=nibrs, description=words, offense=None)
    assert only(clean(raw_table([row])).clean)["source_category"] == source_category


def test_codes_of_many_reports_stay_with_their_own() -> None:
    codes = {"A": ["520", "13A", "13A"], "B": ["220"], "C": [None], "D": ["240", "23F"]}
    rows = [police_row(report_number=number, nibrs=code) for number, all_codes in codes.items() for code in all_codes]
    events = by_key(clean(raw_table(rows)).clean, "event_id")
    assert [event["nibrs_codes"] for event in events.values()] == ["13A;520", "220", None, "23F;240"]
