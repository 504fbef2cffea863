"""Rejected rows: counted, listed, written to a file, and cleaned again when the data or a rule was mended."""

import csv
import io
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.cli import main
from kc_pipeline.defs.quarantine import Readmission, Wanted, readmit, rejected_csv, rejected_rows
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import feeds
from kc_pipeline.extract.errors import PermanentSourceError, SourceError
from kc_pipeline.settings import load_settings
from kc_pipeline.transform import times

NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
POLICE = FEEDS["police_reports"]
GERMAN_DATE = (r"\d{2}\.\d{2}\.\d{4}", "%d.%m.%Y")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "department.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table reports (row_id, report_number, reported_at, nibrs, address, updated_at)")
        connection.executemany(
            "insert into reports values (?, ?, ?, ?, ?, ?)",
            [
                ("1", "R1", "2025-01-05 10:00:00", "13A", "1000 LOCUST ST", "2025-01-05"),
                ("2", "R2", "06.01.2025", "220", "=7 OAK ST", "2025-01-06"),
                ("3", None, "2025-01-07 10:00:00", "220", "9 OAK ST", "2025-01-07"),
            ],
        )
    return path


@pytest.fixture
def platform(tmp_path: Path, database: Path) -> Platform:
    settings = load_settings({"KC_DATA_DIR": str(tmp_path), "KC_DEPARTMENT_DB": f"sqlite:///{database}"})
    platform = Platform(replace(settings, drop_dir=None).at_portal("http://127.0.0.1:9"), lambda: NOW)
    refresh_and_clean(platform)
    return platform


def refresh_and_clean(platform: Platform) -> None:
    with pytest.raises(SourceError, match="no portal answers"):
        feeds.refresh_raw(platform, POLICE, "2025-01")
    feeds.clean_feed(platform, POLICE)


def rejected(platform: Platform, wanted: Wanted = Wanted()) -> list[tuple[str, str]]:  # noqa: B008 - frozen
    return list(rejected_rows(platform, wanted)[["rule", "month"]].itertuples(index=False, name=None))


def test_rejected_rows_are_found_by_feed_rule_and_month(platform: Platform) -> None:
    assert rejected(platform) == [("identity_missing", "2025-01"), ("report_date_unreadable", "undated")]
    assert rejected(platform, Wanted("police_reports", "identity_missing")) == [("identity_missing", "2025-01")]
    assert rejected(platform, Wanted(month="undated")) == [("report_date_unreadable", "undated")]
    assert rejected(platform, Wanted("calls_911")) == []


@pytest.mark.fault(21)
def test_a_mended_rule_lets_its_rows_leave_and_join_their_month(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert readmit(platform, Wanted(rule="report_date_unreadable")) == [
        Readmission("police_reports", "identity_missing", 0, 1, 0),
        Readmission("police_reports", "report_date_unreadable", 0, 1, 0),
    ]
    monkeypatch.setattr(times, "_FORMS", (*times._FORMS, GERMAN_DATE))
    assert readmit(platform, Wanted(rule="report_date_unreadable")) == [
        Readmission("police_reports", "identity_missing", 0, 1, 0),
        Readmission("police_reports", "report_date_unreadable", 1, 0, 0),
    ]
    events = platform.lake.read("clean/police_reports").sort_by("event_id").to_pylist()
    assert [(event["event_id"], event["month"]) for event in events] == [("police_reports:R1", "2025-01"), ("police_reports:R2", "2025-01")]
    account = platform.lake.read("quality/reconciliation", partitions=["police_reports"]).to_pylist()
    assert sorted((row["month"], row["good_count"], row["quarantined_count"]) for row in account) == [("2025-01", 1, 1), ("undated", 1, 0)]
    assert readmit(platform, Wanted(rule="report_date_unreadable")) == []


def test_a_row_mended_at_the_source_leaves_by_itself(platform: Platform, database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("update reports set report_number = 'R3', updated_at = '2026-06-30' where row_id = '3'")
    refresh_and_clean(platform)
    assert rejected(platform) == [("report_date_unreadable", "undated")]
    assert platform.lake.count("clean/police_reports") == 2


def test_new_cleaning_code_judges_every_row_again(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "_FORMS", (*times._FORMS, GERMAN_DATE))
    feeds.clean_feed(platform, POLICE)
    assert len(rejected(platform)) == 2  # nothing says that the code changed
    monkeypatch.setattr("kc_pipeline.transform.ledger.CODE_VERSION", "next")
    feeds.clean_feed(platform, POLICE)
    assert rejected(platform) == [("identity_missing", "2025-01")]


def test_a_lost_raw_page_is_named_and_nothing_changes(platform: Platform) -> None:
    for page in (platform.settings.raw_dir / "police_reports").rglob("page-*"):
        page.unlink()
    with pytest.raises(PermanentSourceError, match="the bytes are not those that were received"):
        readmit(platform, Wanted())
    assert len(rejected(platform)) == 2


@pytest.mark.fault(28)
def test_the_file_has_every_column_and_no_formula(platform: Platform) -> None:
    rows = list(csv.DictReader(io.StringIO(rejected_csv(rejected_rows(platform, Wanted())))))
    assert [row["rule"] for row in rows] == ["identity_missing", "report_date_unreadable"]
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert '"address": "=7 OAK ST"' in rows[1]["raw_row"]


def test_the_command_counts_lists_writes_and_waits_for_no_run(
    platform: Platform, tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KC_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KC_DEPARTMENT_DB", f"sqlite:///{database}")

    def quarantine(*words: str) -> str:
        return CliRunner().invoke(main, ["quarantine", *words]).output

    assert "2 source rows are in quarantine" in quarantine()
    assert "reports / undated / pull 000001 / page 0 / line 0" in quarantine("-n", "5", "--rule", "report_date_unreadable")
    file = tmp_path / "rejected.csv"
    assert "wrote 2 rejected rows" in quarantine("--export", str(file))
    assert "exists; choose another name" in quarantine("--export", str(file))
    assert "still in it" in quarantine("--readmit")
    with FileLock(platform.settings.data_dir / ".run.lock"):
        assert "a run works on" in quarantine("--readmit")
    assert "No source row is in quarantine" in quarantine("--feed", "parcels")
