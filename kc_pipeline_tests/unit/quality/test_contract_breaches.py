"""Rows against a released contract: each kind of promise, broken alone."""

from datetime import date

import pyarrow as pa
import pytest
from rows_of_contracts import some_rows

from kc_pipeline.catalog.reference import REFERENCE_TABLES
from kc_pipeline.catalog.releases import read_released
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.quality.contracts import breaches

RELEASED = read_released()
VIEW = "v1_source_quality"
ROWS = some_rows(TABLES["marts/source_quality"], [{"feed": "calls_911"}, {"feed": "parcels", "newest_report_date": None}])


def with_column(name: str, values: pa.Array) -> pa.Table:
    return ROWS.set_column(ROWS.schema.get_field_index(name), name, values)


@pytest.mark.parametrize("view", VIEWS)
def test_rows_of_the_catalogues_contract_keep_the_released_one(view: str) -> None:
    table = REFERENCE_TABLES.get(VIEWS[view].table) or TABLES[VIEWS[view].table]
    assert breaches(view, RELEASED[view], some_rows(table, [{"feed": "calls_911"} if "feed" in table.column_names else {}])) == []


def test_no_rows_break_nothing_but_a_missing_column_is_missed() -> None:
    assert breaches(VIEW, RELEASED[VIEW], ROWS.slice(0, 0)) == []
    assert [str(one) for one in breaches(VIEW, RELEASED[VIEW], ROWS.slice(0, 0).drop_columns(["good_count"]))] == [
        f"{VIEW}.good_count: the column is not there"
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [(with_column("good_count", pa.array(["1", "2"])), "good_count: is string, and integer was promised"),
     (with_column("as_of", pa.array(["2026-07-01"] * 2)), "as_of: is string, and date was promised"),
     (with_column("status_reason", pa.array([None, "x"])), "status_reason: a value is missing where one was promised (1 rows)"),
     (with_column("feed", pa.array(["calls_911"] * 2)), "as_of+feed: keys occur more than once: 2026-07-01|calls_911 (1 rows)"),
     (with_column("covered_days_365d", pa.array([366, 400])), "covered_days_365d: is above 365: 366, 400 (2 rows)"),
     (with_column("good_count", pa.array([-1, 1])), "good_count: is below 0: -1 (1 rows)"),
     (with_column("snapshot_id", pa.array(["s1", "s0000000001"])), "snapshot_id: has not the form ^(?:s[0-9]{10}$): 's1' (1 rows)"),
     (with_column("source_status", pa.array(["fresh", "fine"])), "source_status: is none of the known values: 'fine' (1 rows)")],
)  # fmt: skip
def test_each_promise_is_missed_where_it_is_broken(rows: pa.Table, said: str) -> None:
    assert [str(one) for one in breaches(VIEW, RELEASED[VIEW], rows)] == [f"{VIEW}.{said}"]


def test_a_missing_value_that_is_allowed_breaks_no_range_form_or_set() -> None:
    table = TABLES["marts/business_risk"]
    rows = some_rows(table, [{column.name: None for column in table.columns if column.nullable and column.name not in table.key}])
    assert breaches("v1_business_risk_current", RELEASED["v1_business_risk_current"], rows) == []


def test_a_column_beyond_the_contract_breaks_nothing() -> None:
    assert breaches(VIEW, RELEASED[VIEW], ROWS.append_column("more", pa.array([date(2026, 7, 1)] * 2))) == []
