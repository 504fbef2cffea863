"""The steps behind the assets, on a department's database alone; the portal is out of reach."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kc_pipeline.catalog.own_rules import RULE_OF_DRIFT
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import drifts, feeds
from kc_pipeline.defs.steps.kin import read_with_kin
from kc_pipeline.extract.errors import SourceError
from kc_pipeline.extract.status import read_failures
from kc_pipeline.settings import load_settings

NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
POLICE = FEEDS["police_reports"]
Query = Callable[..., None]


@pytest.fixture
def department(tmp_path: Path) -> Query:
    """A database with three reports; R1 stands in it twice, under dates of two months."""
    path = tmp_path / "department.sqlite"

    def execute(sql: str, *rows: tuple) -> None:
        with sqlite3.connect(path) as connection:
            connection.executemany(sql, rows or [()])

    execute("create table reports (row_id, report_number, reported_at, nibrs, address, updated_at)")
    execute(
        "insert into reports values (?, ?, ?, ?, ?, ?)",
        ("1", "R1", "2025-01-05 10:00:00", "13A", "1000 LOCUST ST", "2025-01-05"),
        ("2", "R2", "2025-01-06 10:00:00", "220", "7 OAK ST", "2025-01-06"),
        ("3", "R1", "2025-03-05 10:00:00", "120", "1000 LOCUST ST", "2025-03-05"),
        ("4", "R3", "2025-03-06 10:00:00", "240", "9 ELM ST", "2025-03-06"),
    )
    return execute


@pytest.fixture
def platform(tmp_path: Path, department: Query) -> Platform:
    settings = load_settings({"KC_DATA_DIR": str(tmp_path), "KC_DEPARTMENT_DB": f"sqlite:///{tmp_path / 'department.sqlite'}"})
    return Platform(replace(settings, drop_dir=None).at_portal("http://127.0.0.1:9"), lambda: NOW)


def refresh_and_clean(platform: Platform) -> dict[str, dict]:
    """Clean reports by event id after a refresh in which the portal fails."""
    with pytest.raises(SourceError, match="no portal answers"):
        feeds.refresh_raw(platform, FEEDS["police_reports"], "2026-05")
    feeds.clean_feed(platform, FEEDS["police_reports"])
    rows = platform.lake.read("clean/police_reports").to_pylist()
    assert len({row["event_id"] for row in rows}) == len(rows)
    return {row["event_id"].split(":")[1]: row for row in rows}


def test_a_failed_portal_is_noted_and_the_departments_rows_are_kept(platform: Platform) -> None:
    assert set(refresh_and_clean(platform)) == {"R1", "R2", "R3"}
    assert "no portal answers" in read_failures(platform.settings.raw_dir)["police_reports"]


@pytest.mark.parametrize(("changed", "beside"), [("3", "4"), ("1", "2")], ids=["the later", "the earlier"])
def test_a_report_of_two_months_stays_one_event_when_only_one_of_them_changes(
    platform: Platform, department: Query, changed: str, beside: str
) -> None:
    before = refresh_and_clean(platform)
    department(f"update reports set address = '1004 LOCUST ST', updated_at = '2025-04-01' where row_id = '{changed}'")
    after = refresh_and_clean(platform)
    assert before["R1"]["source_row_count"] == after["R1"]["source_row_count"] == 2
    department(f"update reports set address = '8 OAK ST', updated_at = '2025-04-02' where row_id = '{beside}'")
    assert refresh_and_clean(platform)["R1"] == after["R1"]


def test_months_that_share_a_report_are_read_together_and_rows_without_a_date_alone(platform: Platform, department: Query) -> None:
    department("insert into reports values ('5', 'R2', null, '220', '7 OAK ST', '2025-01-07')")
    refresh_and_clean(platform)
    latest = feeds.newest_pulls(platform, POLICE)
    assert read_with_kin(platform, POLICE, latest, {"2025-01"})[0] == {"2025-01", "2025-03"}
    assert read_with_kin(platform, POLICE, latest, {"undated"})[0] == {"undated"}


def test_a_report_whose_record_in_one_month_goes_moves_to_the_other(platform: Platform, department: Query) -> None:
    before = refresh_and_clean(platform)
    place = {"2025-01": "1", "2025-03": "3"}[before["R1"]["month"]]
    department(f"delete from reports where row_id = '{place}'")
    after = refresh_and_clean(platform)
    assert (after["R1"]["source_row_count"], after["R1"]["month"]) == (1, {"1": "2025-03", "3": "2025-01"}[place])
    assert after["R1"]["report_date"] <= after["R1"]["available_date"]


def test_a_correction_gets_new_provenance_and_keeps_the_day_it_was_first_seen(platform: Platform, department: Query) -> None:
    before = refresh_and_clean(platform)
    department("update reports set address = '11 ELM ST', updated_at = '2025-04-01' where row_id = '4'")
    later = Platform(platform.settings, lambda: datetime(2026, 7, 9, 10, 30, tzinfo=UTC))
    after = refresh_and_clean(later)
    assert (before["R3"]["address"], after["R3"]["address"]) == ("9 ELM ST", "11 ELM ST")
    assert (before["R3"]["pull_id"], after["R3"]["pull_id"]) == ("000001", "000002")
    assert after["R3"]["first_seen_utc"] == before["R3"]["first_seen_utc"]
    assert after["R2"] == before["R2"]


def test_a_deleted_row_leaves_the_table_and_stays_in_its_history(platform: Platform, department: Query) -> None:
    refresh_and_clean(platform)
    version = platform.lake.version("clean/police_reports")
    department("delete from reports where row_id = '4'")
    assert set(refresh_and_clean(platform)) == {"R1", "R2"}
    assert platform.lake.read("clean/police_reports", version=version).num_rows == 3


def test_raw_pulls_that_are_lost_and_made_again_are_cleaned_again_where_they_differ(platform: Platform, department: Query) -> None:
    refresh_and_clean(platform)
    shutil.rmtree(platform.settings.raw_dir / "police_reports" / "reports")
    department("update reports set address = '11 ELM ST' where row_id = '4'")
    after = refresh_and_clean(platform)
    assert (after["R3"]["address"], after["R3"]["pull_id"]) == ("11 ELM ST", "000001")


@pytest.mark.fault(16)
@pytest.mark.fault(17)
def test_a_data_set_that_is_issued_again_under_another_id_is_counted_once(
    platform: Platform, department: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    department("insert into reports values ('5', 'R4', '2025-05-06 10:00:00', '240', '9 ELM ST', '2025-05-06')")
    assert set(refresh_and_clean(platform)) == {"R1", "R2", "R3", "R4"}
    named_anew = tuple(replace(d, id="reports_2") if d.id == "reports" else d for d in POLICE.data_sets)
    monkeypatch.setitem(FEEDS, "police_reports", replace(POLICE, data_sets=named_anew))
    assert set(refresh_and_clean(platform)) == {"R1", "R2", "R3", "R4"}, "nothing goes before the new one is there"
    department("alter table reports rename to reports_2")
    department("delete from reports_2 where row_id = '5'")
    after = refresh_and_clean(platform)
    assert {number: row["source_row_count"] for number, row in after.items()} == {"R1": 2, "R2": 1, "R3": 1}
    account = platform.lake.read("quality/reconciliation", partitions=["police_reports"]).to_pylist()
    assert {row["data_set"] for row in account} == {"reports_2"}
    assert sum(row["good_count"] for row in account) == 4
    version = platform.lake.version("clean/police_reports")
    refresh_and_clean(platform)
    assert platform.lake.version("clean/police_reports") == version
    assert platform.raw.latest("police_reports", "reports", "2025-05") is not None, "what was pulled before stays in the raw store"


def test_nothing_new_means_no_commit(platform: Platform) -> None:
    refresh_and_clean(platform)
    version = platform.lake.version("clean/police_reports")
    refresh_and_clean(platform)
    assert platform.lake.version("clean/police_reports") == version


def test_a_column_that_the_source_adds_is_told_for_a_month(platform: Platform, department: Query) -> None:
    law = RULE_OF_DRIFT["column_new"]

    def told(platform: Platform) -> tuple[str, ...]:
        return {finding.law: finding.sentences for finding in drifts.check_drift(platform, "police_reports")}[law]

    refresh_and_clean(platform)
    assert told(platform) == ()
    department("alter table reports add column weather text")
    department("update reports set address = '11 ELM ST', updated_at = '2025-04-01' where row_id = '4'")
    later = NOW + timedelta(days=1)
    refresh_and_clean(Platform(platform.settings, lambda: later))
    (sentence,) = told(Platform(platform.settings, lambda: later))
    assert sentence == "police_reports: data set reports has a new column 'weather' (TEXT); we do not read it."
    assert told(Platform(platform.settings, lambda: later + timedelta(days=drifts.SCHEMA_NEWS_DAYS + 1))) == ()
