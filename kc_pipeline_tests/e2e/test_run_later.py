"""A finished city goes on to later days, goes back to an older one, and survives a run that is killed."""

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kc_runs import SCALE, fingerprint, kc, platform

DAY = "2026-07-01"


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


@pytest.mark.slow
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
