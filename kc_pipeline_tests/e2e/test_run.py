"""The whole line on a small synthetic city, through the command line."""

import gzip
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kc_runs import SCALE, kc, platform

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.steps.risk import score_day

DAY = "2026-07-01"


@pytest.fixture
def copied_run(finished_run: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    shutil.copytree(finished_run[0], tmp_path / "copy")
    return tmp_path / "copy"


def _first_line(page: Path) -> list[bytes]:
    content = page.read_bytes()
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).splitlines()[:1]


def fingerprint(printed: str) -> str:
    found = re.search(r"content sha256 ([0-9a-f]{64})", printed)
    assert found
    return found[1]


def test_the_express_stop_has_the_counts_of_the_model_case(finished_run: tuple[Path, str]) -> None:
    folder, printed = finished_run
    with sqlite3.connect(folder / "sandbox" / "warehouse.sqlite") as client:
        rows = client.execute(
            "select homicide_count_365d, police_reports_count_365d, calls_911_count_365d, risk_rank from v1_business_risk_current "
            "where business_names = 'EXPRESS STOP'"
        ).fetchall()
    assert rows == [(1, 14, 59, 1)]
    assert "EXPRESS STOP" in printed


def test_the_counts_come_from_source_rows(finished_run: tuple[Path, str]) -> None:
    done = kc(finished_run[0], "explain", "EXPRESS STOP")
    assert done.returncode == 0, done.stderr
    exact = [line for line in done.stdout.splitlines() if "EXACT" in line]
    assert sum("police_reports:" in line for line in exact) == 14
    assert sum("calls_911:" in line for line in exact) == 59
    assert sum("homicide" in line for line in exact) == 1


def test_every_score_is_computed_again_from_its_card_and_is_the_product_of_its_factors(finished_run: tuple[Path, str]) -> None:
    used = platform(finished_run[0])
    mart = used.lake.read("marts/business_risk", partitions=[DAY]).to_pandas().set_index("business_parcel_id")
    again = score_day(used, date.fromisoformat(DAY))
    expected = dict(zip(again.inputs.business_parcels["business_parcel_id"], again.risks.expected, strict=True))
    assert mart["expected_events_per_year"].to_dict() == pytest.approx(expected, abs=1e-11)
    assert set(mart["model_id"]) == {again.model_id}
    factors = used.lake.read("marts/business_risk_factors", partitions=[DAY]).to_pandas()
    product = factors.groupby("business_parcel_id")["risk_multiplier"].prod()
    assert product.to_dict() == pytest.approx(mart["expected_events_per_year"].to_dict(), rel=1e-9, abs=1e-12)


def test_the_model_case_is_explained(finished_run: tuple[Path, str]) -> None:
    done = kc(finished_run[0], "explain", "EXPRESS STOP")
    assert re.search(r"1 of \d+ of its type \(convenience store\)", done.stdout)
    assert "Associations with past events, never causes" in done.stdout
    assert re.search(r"a streetlight outage\s+│ Public Works", done.stdout)
    assert "The place's own record" in done.stdout


def test_the_model_is_tested_and_its_flags_are_audited(finished_run: tuple[Path, str]) -> None:
    lake = platform(finished_run[0]).lake
    assert set(lake.read("eval/fairness_audit")["district_kind"].to_pylist()) == {"council_district", "patrol_division"}
    models = set(lake.read("eval/backtest")["model_name"].to_pylist())
    assert {"our model", "RTM", "gradient boosting", "last year + kernel tie-break"} <= models or not models
    assert lake.count("eval/model_card") == 1


def test_every_received_row_of_every_feed_is_accounted_for(finished_run: tuple[Path, str]) -> None:
    account = platform(finished_run[0]).lake.read("quality/reconciliation")
    assert set(account["feed"].to_pylist()) == set(FEEDS)
    parts = pc.add(pc.add(account["good_count"], account["quarantined_count"]), account["duplicate_count"])
    assert parts.equals(account["received_count"])
    assert pc.sum(account["good_count"]).as_py() >= 0.97 * pc.sum(account["received_count"]).as_py()


def test_the_portals_rows_all_arrived(finished_run: tuple[Path, str]) -> None:
    folder, _ = finished_run
    account = platform(folder).lake.read("quality/reconciliation").to_pandas()
    received = account[account["data_set"] == "4cef-rqti"]["received_count"].sum()
    with sqlite3.connect(folder / "sandbox" / "city" / "department.sqlite") as city:
        calls = city.execute("select count(*) from calls").fetchone()[0]
    assert account[account["data_set"] == "calls"]["received_count"].sum() == calls
    assert 0 < received <= calls


def test_no_person_field_was_written_anywhere(finished_run: tuple[Path, str]) -> None:
    folder, _ = finished_run
    person = re.compile(r"\b(race|sex|age|age_range|phone|inspector_phone)\b")
    raw = folder / "sandbox" / "raw"
    headers = [line.decode() for page in raw.rglob("page-*.csv*") for line in _first_line(page)]
    manifests = [json.loads(path.read_text()) for path in raw.rglob("manifest.json")]
    assert headers
    assert not [header for header in headers if person.search(header)]
    assert not [m for m in manifests if person.search(" ".join([*m["resolution"].values(), *(str(r["params"]) for r in m["requests"])]))]
    assert any("inspector_phone" in m["dropped_columns"] for m in manifests)
    assert not {"race", "sex", "age"} & {name for table in TABLES.values() for name in table.column_names}


def test_shares_conserve_every_event(finished_run: tuple[Path, str]) -> None:
    lake = platform(finished_run[0]).lake
    attribution = lake.read("core/event_attribution")
    events = pa.concat_tables([lake.read(f"clean/{feed}", columns=["event_id"]) for feed in EVENT_FEEDS])
    distinct = len(pc.unique(events["event_id"]))
    assert pc.sum(attribution["weight"]).as_py() == pytest.approx(distinct, rel=1e-9)


def test_one_incident_in_open_and_department_data_is_one_event(finished_run: tuple[Path, str]) -> None:
    reports = platform(finished_run[0]).lake.read("clean/police_reports").to_pandas()
    assert not reports["event_id"].duplicated().any()
    both = reports[reports["record_systems"].str.contains("open") & reports["record_systems"].str.contains("department")]
    assert len(both) > 0.5 * len(reports)
    assert set(both["address_precision"]) <= {"exact", "intersection"}  # never the open record's block


def test_a_second_run_changes_nothing(copied_run: Path, finished_run: tuple[Path, str]) -> None:
    before = {name: platform(copied_run).lake.version(name) for name in TABLES}
    pulls = {manifest.parent for manifest in (copied_run / "sandbox" / "raw").rglob("manifest.json")}
    done = kc(copied_run, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(done.stdout) == fingerprint(finished_run[1])
    assert {name: platform(copied_run).lake.version(name) for name in TABLES} == before
    assert {manifest.parent for manifest in (copied_run / "sandbox" / "raw").rglob("manifest.json")} == pulls


def test_a_deleted_month_is_pulled_and_cleaned_again(copied_run: Path, finished_run: tuple[Path, str]) -> None:
    home, lake = copied_run / "sandbox", platform(copied_run).lake
    reports = lake.count("clean/police_reports")
    raw = [folder for folder in (home / "raw" / "dumping_complaints").rglob("2025-03") if folder.is_dir()]
    clean = home / "lake" / "clean" / "police_reports" / "month=2025-04"  # the files of a month, from under the table
    assert raw
    for folder in (*raw, clean):
        shutil.rmtree(folder)
    calls = lake.read("clean/calls_911", partitions=["2025-05"])
    lake.write("clean/calls_911", calls.slice(0, 0), partitions=["2025-05"])  # the rows of a month, through the table
    done = kc(copied_run, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [folder for folder in (home / "raw" / "dumping_complaints").rglob("2025-03") if folder.is_dir()] == raw
    assert lake.count("clean/police_reports") == reports
    assert lake.read("clean/calls_911", partitions=["2025-05"]).num_rows == calls.num_rows
    assert fingerprint(done.stdout) == fingerprint(finished_run[1])


@pytest.mark.fault(35)
def test_rows_that_break_a_rule_stop_the_publication_and_the_report_says_why(copied_run: Path) -> None:
    lake = platform(copied_run).lake
    month = lake.read("clean/dumping_complaints", partitions=["2026-05"])
    elsewhere = pa.array([41.5, *month["latitude"].to_pylist()[1:]], pa.float64())
    lake.write(
        "clean/dumping_complaints", month.set_column(month.column_names.index("latitude"), "latitude", elsewhere), partitions=["2026-05"]
    )
    done = kc(copied_run, "run", "--scale", SCALE, "--as-of", "2026-07-02")
    assert done.returncode == 1
    assert "blocking check failed clean/dumping_complaints: contract" in done.stdout
    with sqlite3.connect(copied_run / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select distinct as_of from v1_business_risk_current").fetchall() == [(DAY,)]
    report = Path(re.search(r"What the audit found: (\S+)", done.stdout)[1]).read_text()
    (failed,) = (line for line in report.splitlines() if "latitude_is_in_range" in line)
    assert "**blocks**" in failed
    assert month["event_id"][0].as_py() in failed


def test_a_later_day_appends_and_the_older_one_can_be_said_again(copied_run: Path, finished_run: tuple[Path, str]) -> None:
    done = kc(copied_run, "run", "--scale", SCALE, "--as-of", "2026-07-03")
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(copied_run / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select distinct as_of from v1_business_risk_current").fetchall() == [("2026-07-03",)]
        history = client.execute("select distinct as_of from business_risk_history order by 1").fetchall()
        express = client.execute(
            "select police_reports_count_365d from business_risk_history where as_of = ? and business_names = 'EXPRESS STOP'", (DAY,)
        ).fetchall()
    assert history == [(DAY,), ("2026-07-03",)]
    assert express == [(14,)]
    replayed = kc(copied_run, "run", "--scale", SCALE, "--as-of", DAY)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert fingerprint(replayed.stdout) == fingerprint(finished_run[1])


@pytest.mark.fault(32)
def test_a_killed_run_leaves_the_last_good_tables_readable(copied_run: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kc_pipeline.cli", "run", "--scale", SCALE, "--as-of", "2026-07-10"]
    raw = copied_run / "sandbox" / "raw"
    before = set(raw.rglob("manifest.json"))
    mart = platform(copied_run).lake.read("marts/business_risk", partitions=[DAY])
    env = {"KC_DATA_DIR": str(copied_run), "PATH": "/usr/bin:/bin"}
    running = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    deadline = time.monotonic() + 120
    while running.poll() is None and set(raw.rglob("manifest.json")) == before and time.monotonic() < deadline:
        pass
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert platform(copied_run).lake.read("marts/business_risk", partitions=[DAY]).equals(mart)
    with sqlite3.connect(copied_run / "sandbox" / "warehouse.sqlite") as client:
        assert client.execute("select count(*) from v1_business_risk_current where as_of = ?", (DAY,)).fetchone()[0] == mart.num_rows
    done = kc(copied_run, "run", "--scale", SCALE, "--as-of", "2026-07-10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert platform(copied_run).lake.read("marts/business_risk", partitions=["2026-07-10"]).num_rows == mart.num_rows


@pytest.mark.fault(31)
def test_a_run_beside_another_is_refused(copied_run: Path) -> None:
    from filelock import FileLock

    with FileLock(copied_run / "sandbox" / ".run.lock"):
        done = kc(copied_run, "run", "--scale", SCALE)
    assert done.returncode != 0
    assert "another run works on" in done.stderr


def test_the_outputs_say_what_day_and_contract_they_are_of(finished_run: tuple[Path, str]) -> None:
    mart = platform(finished_run[0]).lake.read("marts/business_risk")
    assert set(mart["as_of"].to_pylist()) == {date.fromisoformat(DAY)}
    assert mart["snapshot_id"].null_count == 0
    assert mart["business_parcel_id"].null_count == 0
    ranks = mart["risk_rank"].to_pylist()
    assert ranks.count(1) >= 1
    assert max(ranks) <= mart.num_rows
