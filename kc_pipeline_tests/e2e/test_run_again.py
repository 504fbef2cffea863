"""A finished city is run again: nothing new, something deleted, something spoilt, a later day, a killed run."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from kc_runs import SCALE, kc, platform

from kc_pipeline.catalog.tables import TABLES

DAY = "2026-07-01"


def fingerprint(printed: str) -> str:
    found = re.search(r"content sha256 ([0-9a-f]{64})", printed)
    assert found
    return found[1]


def test_a_second_run_changes_nothing(copied_city: Path, finished_run: tuple[Path, str]) -> None:
    before = {name: platform(copied_city).lake.version(name) for name in TABLES}
    pulls = {manifest.parent for manifest in (copied_city / "sandbox" / "raw").rglob("manifest.json")}
    done = kc(copied_city, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(done.stdout) == fingerprint(finished_run[1])
    assert {name: platform(copied_city).lake.version(name) for name in TABLES} == before
    assert {manifest.parent for manifest in (copied_city / "sandbox" / "raw").rglob("manifest.json")} == pulls


def test_a_deleted_month_is_pulled_and_cleaned_again(copied_city: Path, finished_run: tuple[Path, str]) -> None:
    home, lake = copied_city / "sandbox", platform(copied_city).lake
    reports = lake.count("clean/police_reports")
    raw = [folder for folder in (home / "raw" / "dumping_complaints").rglob("2025-03") if folder.is_dir()]
    clean = home / "lake" / "clean" / "police_reports" / "month=2025-04"  # the files of a month, from under the table
    assert raw
    for folder in (*raw, clean):
        shutil.rmtree(folder)
    calls = lake.read("clean/calls_911", partitions=["2025-05"])
    lake.write("clean/calls_911", calls.slice(0, 0), partitions=["2025-05"])  # the rows of a month, through the table
    done = kc(copied_city, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [folder for folder in (home / "raw" / "dumping_complaints").rglob("2025-03") if folder.is_dir()] == raw
    assert lake.count("clean/police_reports") == reports
    assert lake.read("clean/calls_911", partitions=["2025-05"]).num_rows == calls.num_rows
    assert fingerprint(done.stdout) == fingerprint(finished_run[1])


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
    assert "blocking check failed clean/dumping_complaints: contract" in done.stdout
    with sqlite3.connect(copied_city / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select distinct as_of from v1_business_risk_current").fetchall() == [(DAY,)]
    report = Path(re.search(r"What the audit found: (\S+)", done.stdout)[1]).read_text()
    (failed,) = (line for line in report.splitlines() if "latitude_is_in_range" in line)
    assert "**blocks**" in failed
    assert month["event_id"][0].as_py() in failed


def test_a_later_day_appends_and_the_older_one_can_be_said_again(copied_city: Path, finished_run: tuple[Path, str]) -> None:
    done = kc(copied_city, "run", "--scale", SCALE, "--as-of", "2026-07-03")
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(copied_city / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select distinct as_of from v1_business_risk_current").fetchall() == [("2026-07-03",)]
        history = client.execute("select distinct as_of from business_risk_history order by 1").fetchall()
        express = client.execute(
            "select police_reports_count_365d from business_risk_history where as_of = ? and business_names = 'EXPRESS STOP'", (DAY,)
        ).fetchall()
    assert history == [(DAY,), ("2026-07-03",)]
    assert express == [(14,)]
    replayed = kc(copied_city, "run", "--scale", SCALE, "--as-of", DAY)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert fingerprint(replayed.stdout) == fingerprint(finished_run[1])


@pytest.mark.fault(32)
def test_a_killed_run_leaves_the_last_good_tables_readable(copied_city: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kc_pipeline.cli", "run", "--scale", SCALE, "--as-of", "2026-07-10"]
    raw = copied_city / "sandbox" / "raw"
    before = set(raw.rglob("manifest.json"))
    mart = platform(copied_city).lake.read("marts/business_risk", partitions=[DAY])
    env = {"KC_DATA_DIR": str(copied_city), "PATH": "/usr/bin:/bin"}
    running = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    deadline = time.monotonic() + 120
    while running.poll() is None and set(raw.rglob("manifest.json")) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert platform(copied_city).lake.read("marts/business_risk", partitions=[DAY]).equals(mart)
    with sqlite3.connect(copied_city / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select count(*) from v1_business_risk_current where as_of = ?", (DAY,)).fetchone()[0] == mart.num_rows
    done = kc(copied_city, "run", "--scale", SCALE, "--as-of", "2026-07-10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert platform(copied_city).lake.read("marts/business_risk", partitions=["2026-07-10"]).num_rows == mart.num_rows


@pytest.mark.fault(31)
def test_a_run_beside_another_is_refused(copied_city: Path) -> None:
    from filelock import FileLock

    with FileLock(copied_city / "sandbox" / ".run.lock"):
        done = kc(copied_city, "run", "--scale", SCALE)
    assert done.returncode != 0
    assert "another run works on" in done.stderr
