"""Rows against the contract that readers were given."""

import pyarrow as pa
import pytest
from published_rows import day, quality

from kc_pipeline.catalog.contracts import contract
from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.store.contract_check import breaches

CONTRACT = contract(VIEWS["v1_source_quality"])


def rows() -> pa.Table:
    return quality("s0000000001", day(1), 5)


def with_column(name: str, values: pa.Array) -> pa.Table:
    given = rows()
    return given.set_column(given.column_names.index(name), name, values)


def test_rows_that_keep_it_have_no_breach() -> None:
    assert breaches(CONTRACT, rows()) == []
    assert breaches(CONTRACT, rows().slice(0, 0)) == []
    assert breaches(CONTRACT, rows().append_column("more", pa.array([1, 2, 3]))) == [], "a view grows"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (rows().drop_columns(["status_reason"]), "column status_reason is missing"),
        (with_column("received_count", pa.array(["5", "5", "5"])), "received_count is string, not integer"),
        (with_column("received_count", pa.array([5, None, 5])), "received_count is missing in 1 rows"),
        (with_column("received_count", pa.array([5, -1, 5])), "received_count is below 0: -1"),
        (with_column("covered_days_365d", pa.array([366, 1, 2])), "covered_days_365d is above 365: 366"),
        (with_column("source_status", pa.array(["fresh", "fine", "fresh"])), "source_status is none of its listed values: 'fine'"),
        (with_column("snapshot_id", pa.array(["s0000000001", "s1", "s0000000001"])), "snapshot_id has not the form"),
        (with_column("feed", pa.array(["calls_911", "calls_911", "parcels"])), "as_of, feed is not unique"),
    ],
)
def test_each_breach_is_told(broken: pa.Table, message: str) -> None:
    [said] = breaches(CONTRACT, broken)
    assert said.startswith("v1_source_quality: ")
    assert message in said
