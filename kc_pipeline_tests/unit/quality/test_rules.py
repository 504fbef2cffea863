"""Mutation tests: for every rule about single rows, a row that this rule catches and no other; for types, a table stored wrongly."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest

from kc_pipeline.catalog.columns import Type
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.rule_model import Between, Complete, InOrder, InSet, Matches, RowLaw, Rule
from kc_pipeline.catalog.rules import RULES
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.quality.audit import audit_types, judge_rows, judge_types, needed_columns, row_rules
from kc_pipeline.quality.row_laws import ROW_LAWS

Row = dict[str, object]
DAY = date(2026, 5, 4)
GOOD: Row = {
    "month": "2026-05", "zip_code": "64106", "row_hash": "a" * 64, "content_sha256": "a" * 64, "pull_id": "000001", "parcel_id": "123",
    "business_parcel_id": "parcel:123", "place_id": "parcel:123", "snapshot_id": "s0000000001", "city": "KANSAS CITY",
    "no_location_reason": None, "first_seen_utc": datetime(2026, 5, 12, tzinfo=UTC), "available_date": date(2026, 5, 12),
    "reported_local": pd.Timestamp("2026-05-04T10:00"), "reported_utc": datetime(2026, 5, 4, 15, tzinfo=UTC), "reported_clock": "exact",
    "resolved_date": date(2026, 5, 6), "valid_to": None, "is_current": True, "record_systems": "department", "received_count": 3,
    "file_line": 2,
    "log_contribution": 0.0, "risk_multiplier": 1.0,
    "attribution_method": "parcel_key", "precision": "EXACT", "latitude": 39.1, "longitude": -94.6,
    "distance_m": 0.0, "observed_latitude": 39.1, "observed_longitude": -94.6, "public_event_count": 11, "is_suppressed": False,
    "quarter": "2026-Q1",
    "needed_count": 0, "not_counted_reasons": "", "duplicate_of": None,
}  # fmt: skip
OF_TYPE: dict[Type, object] = {
    Type.TEXT: "x", Type.INTEGER: 1, Type.NUMBER: 1.0, Type.BOOLEAN: True, Type.DATE: DAY,
    Type.LOCAL_TIME: pd.Timestamp("2026-05-04T10:00"),
    Type.UTC_TIME: datetime(2026, 5, 4, 15, tzinfo=UTC), Type.GEOMETRY: b"",
}  # fmt: skip

# What a law between columns needs to be broken without breaking another rule.
BREAKS: dict[str, Row] = {
    "months_are_those_of_the_report_dates": {"month": "2026-06"},
    "times_lie_on_the_report_date": {
        "reported_local": pd.Timestamp("2026-05-05T10:00"),
        "reported_utc": datetime(2026, 5, 5, 15, tzinfo=UTC),
    },
    "utc_is_the_same_moment": {"reported_utc": datetime(2026, 5, 4, 16, tzinfo=UTC)},
    "available_from_the_report_on": {"available_date": date(2026, 5, 3)},
    "reported_before_it_was_seen": {"first_seen_utc": datetime(2026, 5, 2, tzinfo=UTC)},
    "no_address_names_nothing": {"address": None},
    "positions_are_whole_or_explained": {"latitude": None},
    "open_records_are_never_exact": {"record_systems": "open"},
    "divisions_agree_with_the_beat": {"source_division": "East"},
    "nothing_occurs_after_its_report": {"occurred_local": pd.Timestamp("2026-05-06T10:00")},
    "positions_have_a_radius": {"error_radius_m": None},
    "versions_end_after_they_begin": {"valid_to": DAY, "is_current": False},
    "the_current_version_is_open": {"is_current": False},
    "what_is_tied_says_how": {"attribution_method": "none"},
    "rows_are_conserved": {"received_count": 4},
    "multipliers_are_those_of_the_logarithms": {"risk_multiplier": 3.0},
    "resolved_after_opened": {"resolved_date": date(2026, 5, 3)},
    "numbers_are_in_order": {"from_number": 2},
    "closed_after_opened": {"resolved_date": date(2026, 5, 3)},
    "towns_are_the_city": {"city": "RAYTOWN"},
    "zip_codes_are_of_the_city": {"zip_code": "66062"},
    "homicides_are_reports": {"homicide_count_365d": 2},
    "what_is_missing_follows_from_the_counts": {"needed_count": 1},
    "confirmed_violent_count_is_in_range": {
        "confirmed_violent_count": -1,
        "min_violent_count": 0,
        "needed_count": 1,
        "threshold_status": "near",
    },
    "threshold_status_is_known": {
        "threshold_status": "never heard of",
        "confirmed_count": 0,
        "confirmed_violent_count": 0,
        "needed_count": 1,
    },
    "what_is_on_the_premises_is_no_distance_away": {"distance_m": 1.0},
    "distance_m_is_in_range": {"distance_m": -1.0, "is_on_premises": False},
    "no_small_count_is_shown": {"public_event_count": 10},
    "what_counts_is_exact_and_unopposed": {"not_counted_reasons": "x"},
    "count_state_is_known": {"count_state": "never heard of", "not_counted_reasons": "x"},
    "precision_is_known": {"precision": "never heard of", "count_state": "possible", "not_counted_reasons": "x"},
    "zip_code_has_its_form": {"zip_code": "641060"},
    "no_location_reason_is_known": {"latitude": None, "longitude": None, "no_location_reason": "never heard of"},
    "division_is_known": {"division": "never heard of", "source_division": None},
    "source_division_is_known": {"division": None, "source_division": "never heard of"},
    "to_number_is_in_range": {"from_number": None, "to_number": -1},
    "good_count_is_in_range": {"good_count": -1, "received_count": 1},
    "quarantined_count_is_in_range": {"quarantined_count": -1, "received_count": 1},
    "duplicate_count_is_in_range": {"duplicate_count": -1, "received_count": 1},
}


def good_row(table: str) -> Row:
    """A row that keeps every rule."""
    row = {column.name: GOOD.get(column.name, OF_TYPE[column.type]) for column in TABLES[table].columns}
    for rule in row_rules(table):
        match rule.test:
            case InSet(column, values) if row[column] is not None and row[column] not in values:
                row[column] = values[0]
            case Matches(column, pattern) if column in ("event_id", "record_id"):
                row[column] = pattern.replace(".", "1")
    return row


def broken_row(table: str, rule: Rule) -> Row:
    """The same row, changed so that it breaks a rule."""
    row = good_row(table)
    if rule.name in BREAKS:
        return row | {name: value for name, value in BREAKS[rule.name].items() if name in row}
    match rule.test:
        case Complete(columns):
            return row | {columns[-1]: None}
        case InSet(column, _):
            return row | {column: "never heard of"}
        case Between(column, minimum, maximum):
            return row | {column: minimum - 1 if minimum is not None else maximum + 1}
        case Matches(column, _):
            return row | {column: " "}
        case InOrder(first, _):
            return row | {first: 2}
    raise AssertionError(f"{table}: nothing breaks {rule.name}")


def as_table(table: str, rows: list[Row]) -> pa.Table:
    schema = pa.schema([field.with_nullable(True) for field in to_arrow(TABLES[table])])
    return pa.Table.from_pylist(rows, schema=schema).select(needed_columns(table))


@pytest.mark.parametrize("table", RULES)
def test_each_rule_has_a_row_that_it_alone_catches(table: str) -> None:
    rules = row_rules(table)
    judged = judge_rows(table, as_table(table, [good_row(table), *(broken_row(table, rule) for rule in rules)]))
    caught = {number: {rule for rule, rows in judged.broken.items() if number in rows} for number in range(len(rules) + 1)}
    assert caught == {0: set(), **{number: {rule.name} for number, rule in enumerate(rules, 1)}}


@pytest.mark.parametrize("table", RULES)
def test_every_required_value_is_missed_where_it_lacks(table: str) -> None:
    rule = next(rule for rule in row_rules(table) if isinstance(rule.test, Complete))
    rows = [good_row(table), *(good_row(table) | {name: None} for name in rule.test.columns)]
    assert judge_rows(table, as_table(table, rows)).broken[rule.name] == list(range(1, len(rows)))


def test_every_bound_is_tested_on_both_sides() -> None:
    columns = {rule.test.column: rule for rule in row_rules("clean/calls_911") if isinstance(rule.test, Between)}
    rows = [good_row("clean/calls_911") | {"latitude": 39.7}, good_row("clean/calls_911") | {"longitude": -93.9}]
    broken = judge_rows("clean/calls_911", as_table("clean/calls_911", rows)).broken
    assert broken == {columns["latitude"].name: [0], columns["longitude"].name: [1]}


@pytest.mark.parametrize("table", ["clean/streets", "core/businesses", "marts/business_risk"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda schema: schema.remove(0),
        lambda schema: schema.append(pa.field("stray", pa.string())),
        lambda schema: schema.set(0, schema.field(0).with_type(pa.float32())),
    ],
    ids=["lacking", "stray", "retyped"],
)
def test_a_table_stored_with_other_columns_is_found(table: str, spoil: Callable[[pa.Schema], pa.Schema]) -> None:
    schema = to_arrow(TABLES[table])
    assert not audit_types(table, spoil(schema)).passed


def test_a_table_stored_as_its_contract_says_passes_and_may_lack_a_nullable_column() -> None:
    schema = to_arrow(TABLES["clean/streets"])
    assert audit_types("clean/streets", schema).passed
    assert audit_types("clean/streets", schema.remove(schema.get_field_index("street_name"))).passed
    assert audit_types("clean/streets", None).passed


def test_types_are_judged_again_only_when_they_or_what_is_declared_changed() -> None:
    table, schema = "clean/streets", to_arrow(TABLES["clean/streets"])
    found, row = judge_types(table, to_arrow(TABLES["quality/audit"]).empty_table().to_pandas(), schema)
    assert (found, row["failed_count"].tolist()) == (audit_types(table, schema), [0])
    noted = row.assign(failed_count=1)  # not what is so, which shows that it is taken from there
    assert not judge_types(table, noted, schema)[0].passed
    lacking = schema.remove(schema.get_field_index("street_name"))
    assert judge_types(table, noted, lacking)[0].passed
    assert judge_types(table, noted.assign(rules_sha256="of other rules"), schema)[0].passed


def test_every_row_law_belongs_to_a_rule() -> None:
    named = {rule.test.law for rules in RULES.values() for rule in rules if isinstance(rule.test, RowLaw)}
    assert named == set(ROW_LAWS)


def test_every_rule_gives_a_reason() -> None:
    assert all(rule.says.strip() for rules in RULES.values() for rule in rules)
