"""Laws of clean tables, and the status of sources."""

from datetime import date

import pandas as pd
import pyarrow as pa
import pytest

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.quality.checks import check_clean_table
from kc_pipeline.quality.sources import source_quality, stale_event_feeds

AS_OF = date(2026, 7, 1)


def streets(*keys: str) -> pa.Table:
    schema = to_arrow(TABLES["clean/streets"])
    values = {"record_id": list(keys), "data_set": ["x"] * len(keys), "pull_id": ["1"] * len(keys), "row_hash": ["h"] * len(keys)}
    columns = [
        pa.array(values[f.name], f.type)
        if f.name in values
        else pa.array([0] * len(keys), f.type)
        if not f.nullable
        else pa.nulls(len(keys), f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def account(feed: str = "streets", received: int = 100, good: int = 100, quarantined: int = 0, duplicates: int = 0) -> pa.Table:
    row = {
        "feed": feed, "data_set": "d", "month": "whole", "pull_id": "1", "received_count": received, "good_count": good,
        "quarantined_count": quarantined, "duplicate_count": duplicates, "event_count": good, "code_version": "1",
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=to_arrow(TABLES["quality/reconciliation"]))


def failed(rows: pa.Table, said: pa.Table) -> set[str]:
    return {finding.law for finding in check_clean_table("clean/streets", rows, said) if not finding.passed}


def test_good_rows_pass_every_law() -> None:
    assert failed(streets("a", "b"), account()) == set()


def test_each_law_can_fail() -> None:
    assert failed(streets("a", "a"), account()) == {"key_is_unique"}
    assert failed(streets("a"), account(received=101)) == {"every_received_row_is_accounted_for"}
    assert failed(streets("a"), account(good=96, quarantined=4)) == {"nearly_all_rows_are_good"}
    assert failed(streets("a"), account(good=97, quarantined=3)) == set()


def test_coordinates_outside_the_region_are_found() -> None:
    schema = to_arrow(TABLES["clean/dumping_complaints"])
    values = {"event_id": ["a", "b", "c"], "latitude": [39.1, 27.9, None], "longitude": [-94.5, -82.7, None]}
    rows = pa.table([pa.array(values.get(f.name, [None] * 3), f.type) for f in schema], schema=schema)
    findings = {finding.law: finding for finding in check_clean_table("clean/dumping_complaints", rows, account())}
    assert findings["coordinates_lie_in_the_region"].facts == {"outside": 1, "sample": "b"}
    assert not findings["coordinates_lie_in_the_region"].passed


def quality(good: dict[str, int], newest: dict[str, date | None], failures: dict[str, str] | None = None) -> dict[str, tuple[str, str]]:
    said = pa.concat_tables([account(feed, count, count) for feed, count in good.items()]).to_pandas()
    rows = source_quality(said, dict.fromkeys(FEEDS, 3), newest, failures or {}, AS_OF)
    assert rows["event_count"].eq(3).all()
    assert set(rows["feed"]) == set(FEEDS)
    return {row["feed"]: (row["source_status"], row["status_reason"]) for row in rows.to_dict("records")}


@pytest.mark.parametrize(
    ("newest", "status"), [(date(2026, 6, 30), "fresh"), (date(2026, 6, 10), "fresh"), (date(2026, 6, 9), "stale"), (None, "stale")]
)
def test_a_feed_is_stale_when_its_lag_does_not_explain_the_gap(newest: date | None, status: str) -> None:
    assert quality({"police_reports": 5}, {"police_reports": newest})["police_reports"][0] == status


def test_a_feed_without_rows_is_silent_and_says_that_this_is_not_safe() -> None:
    status, reason = quality({"police_reports": 5}, {})["calls_911"]
    assert status == "silent"
    assert "does not mean that nothing happened" in reason


def test_a_failed_refresh_is_told_with_its_message() -> None:
    status, reason = quality({"police_reports": 5}, {"police_reports": date(2026, 6, 30)}, {"police_reports": "portal is down"})[
        "police_reports"
    ]
    assert status == "failed"
    assert "portal is down" in reason


def test_stale_event_feeds_are_listed_by_name() -> None:
    frame = pd.DataFrame(
        {"feed": ["calls_911", "streets", "police_reports", "dumping_complaints"], "source_status": ["silent", "silent", "fresh", "failed"]}
    )
    assert stale_event_feeds(frame) == "calls_911;dumping_complaints"
