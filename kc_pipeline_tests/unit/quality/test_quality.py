"""Laws of clean tables, and the status of sources."""

from datetime import date

import pandas as pd
import pyarrow as pa
import pytest

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.quality.checks import check_good_share, check_keys, check_license_ids, check_parcel_numbers, check_register_size
from kc_pipeline.quality.sources import covered_days, source_quality, stale_event_feeds

AS_OF = date(2026, 7, 1)


def account(feed: str = "streets", received: int = 100, good: int = 100, quarantined: int = 0, duplicates: int = 0) -> pa.Table:
    row = {
        "feed": feed, "data_set": "d", "month": "whole", "pull_id": "1", "received_count": received, "good_count": good,
        "quarantined_count": quarantined, "duplicate_count": duplicates, "event_count": good, "code_version": "1",
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=to_arrow(TABLES["quality/reconciliation"]))


def test_a_repeated_key_is_found() -> None:
    assert check_keys("clean/streets", pa.table({"record_id": ["a", "b"]})).passed
    found = check_keys("clean/streets", pa.table({"record_id": ["a", "b", "a"]}))
    assert (found.passed, found.facts) == (False, {"rows": 3, "distinct_keys": 2, "sample": "a"})


@pytest.mark.parametrize(("good", "quarantined", "duplicates", "passed"), [(97, 3, 0, True), (96, 3, 1, True), (96, 4, 0, False)])
def test_too_many_bad_rows_are_found(good: int, quarantined: int, duplicates: int, passed: bool) -> None:
    said = account(good=good, quarantined=quarantined, duplicates=duplicates).to_pandas()
    assert check_good_share(said).passed is passed


def test_a_feed_without_rows_has_no_bad_share() -> None:
    assert check_good_share(account(received=0, good=0).to_pandas()).passed


@pytest.mark.parametrize(("rows", "passed"), [(0, True), (49, False), (50, True)])
def test_a_register_that_lost_most_of_its_rows_is_found(rows: int, passed: bool) -> None:
    assert check_register_size("business_licenses", rows).passed is passed


def licences(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["license_id", "business_type", "address"]).assign(business_name="CORNER STORE")


def test_licence_ids_may_repeat_by_class_alone() -> None:
    found = check_license_ids(licences(("1", "Liquor", "1 MAIN ST"), ("1", "Tobacco", "1 MAIN ST"), ("2", "Liquor", "1 MAIN ST")))
    assert found.passed
    assert found.sentences == ("business_licenses: 3 rows are 2 licence ids; 1 of them have a row for each of several licence classes.",)
    assert not check_license_ids(licences(("1", "Liquor", "1 MAIN ST"), ("1", "Liquor", "1 MAIN ST"))).passed
    assert not check_license_ids(licences(("1", "Liquor", "1 MAIN ST"), ("1", "Tobacco", "9 OAK ST"))).passed


def test_parcel_numbers_that_no_register_knows_are_found() -> None:
    numbers = pd.Series(["1"] * 95 + ["9"] * 5 + [None])
    assert check_parcel_numbers("clean/property_violations", numbers, ["1", "2"]).passed
    found = check_parcel_numbers("clean/property_violations", numbers.replace("1", "8"), ["1"])
    assert (found.passed, found.facts["unknown"], found.facts["sample"]) == (False, 100, "8, 9")
    assert check_parcel_numbers("clean/property_violations", numbers, []).passed  # there is no register to compare with


def quality(
    good: dict[str, int],
    newest: dict[str, date | None],
    failures: dict[str, str] | None = None,
    doubts: dict[str, list[str]] | None = None,
) -> dict[str, tuple[str, str]]:
    said = pa.concat_tables([account(feed, count, count) for feed, count in good.items()]).to_pandas()
    rows = source_quality(said, dict.fromkeys(FEEDS, 3), newest, failures or {}, AS_OF, doubts or {}, {})
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


def test_a_feed_of_which_a_category_is_silent_is_degraded_and_says_which() -> None:
    newest = {"dumping_complaints": date(2026, 6, 30)}
    said = quality({"dumping_complaints": 5}, newest, doubts={"dumping_complaints": ["'Dumping' is silent.", "'Trash' too."]})
    assert said["dumping_complaints"] == ("degraded", "'Dumping' is silent. 'Trash' too.")


def test_lateness_is_told_before_doubts() -> None:
    newest = {"dumping_complaints": date(2026, 1, 30)}
    assert quality({"dumping_complaints": 5}, newest, doubts={"dumping_complaints": ["x"]})["dumping_complaints"][0] == "stale"


@pytest.mark.parametrize(
    ("pulled", "oldest", "newest", "days"),
    [
        ({"2026-05", "2026-06"}, date(2026, 5, 3), date(2026, 6, 30), 61),
        ({"2026-05", "2026-06"}, date(2026, 5, 3), date(2026, 6, 10), 41),
        ({"2026-06"}, date(2024, 5, 3), date(2026, 6, 30), 30),
        ({"whole"}, date(2026, 6, 1), date(2026, 6, 10), 10),
        ({"whole"}, date(2020, 6, 1), date(2026, 6, 30), 365),
        ({"2026-06"}, None, None, 0),
    ],
)
def test_days_are_covered_from_what_was_pulled_up_to_the_newest_row(
    pulled: set[str], oldest: date | None, newest: date | None, days: int
) -> None:
    assert covered_days(pulled, oldest, newest, AS_OF) == days
