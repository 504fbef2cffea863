"""A finished city is run again: something deleted, something spoilt, another run beside it."""

import re
import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from kc_runs import SCALE, fingerprint, kc, platform

from kc_pipeline.catalog.tables import TABLES

DAY = "2026-07-01"


def test_what_was_deleted_is_pulled_and_cleaned_again_and_nothing_else_changes(copied_city: Path, finished_run: tuple[Path, str]) -> None:
    home, lake = copied_city / "sandbox", platform(copied_city).lake
    before, reports = lake.versions(TABLES), lake.count("clean/police_reports")
    pulls = {manifest.parent for manifest in (home / "raw").rglob("manifest.json")}
    raw = [folder for folder in (home / "raw" / "dumping_complaints").rglob("2025-03") if folder.is_dir()]
    clean = home / "lake" / "clean" / "police_reports" / "month=2025-04"  # the files of a month, from under the table
    assert raw
    for folder in (*raw, clean):
        shutil.rmtree(folder)
    calls = lake.read("clean/calls_911", partitions=["2025-05"])
    lake.write("clean/calls_911", calls.slice(0, 0), partitions=["2025-05"])  # the rows of a month, through the table
    done = kc(copied_city, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(done.stdout) == fingerprint(finished_run[1])
    after = platform(copied_city).lake
    assert after.count("clean/police_reports") == reports
    assert after.read("clean/calls_911", partitions=["2025-05"]).num_rows == calls.num_rows
    written = {table for table, version in after.versions(TABLES).items() if version != before[table]}
    judged = {"quality/reconciliation", "quality/audit", "kept/attribution_counts"}  # they name the files that were judged
    assert written <= {"clean/police_reports", "clean/calls_911", *judged}
    assert {manifest.parent for manifest in (home / "raw").rglob("manifest.json")} == pulls


@pytest.mark.fault(35)
def test_rows_that_break_a_rule_stop_the_publication_and_the_report_says_why(copied_city: Path) -> None:
    lake = platform(copied_city).lake
    month = lake.read("clean/dumping_complaints", partitions=["2026-05"])
    elsewhere = pa.array([41.5, *month["latitude"].to_pylist()[1:]], pa.float64())
    lake.write(
        "clean/dumping_complaints", month.set_column(month.column_names.index("latitude"), "latitude", elsewhere), partitions=["2026-05"]
    )
    done = kc(copied_city, "run", "--scale", SCALE, "--as-of", "2026-07-02")
    assert done.returncode == 1
    assert "blocking check failed clean/dumping_complaints: rows_keep_the_contract" in done.stdout
    with sqlite3.connect(copied_city / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select distinct as_of from v1_business_risk_current").fetchall() == [(DAY,)]
    report = Path(re.search(r"What the audit found: (\S+)", done.stdout)[1]).read_text()
    (failed,) = (line for line in report.splitlines() if "latitude_is_in_range" in line)
    assert "**blocks**" in failed
    assert month["event_id"][0].as_py() in failed


@pytest.mark.fault(31)
def test_a_run_beside_another_is_refused(copied_city: Path) -> None:
    from filelock import FileLock

    with FileLock(copied_city / "sandbox" / ".run.lock"):
        done = kc(copied_city, "run", "--scale", SCALE)
    assert done.returncode != 0
    assert "another run works on" in done.stderr
