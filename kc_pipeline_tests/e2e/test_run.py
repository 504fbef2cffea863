"""The whole line on a small synthetic city, through the command line."""

import gzip
import json
import re
import sqlite3
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kc_runs import kc, platform

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.steps.risk import score_day

DAY = "2026-07-01"


def _first_line(page: Path) -> list[bytes]:
    content = page.read_bytes()
    return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).splitlines()[:1]


def test_the_express_stop_has_the_counts_of_the_model_case(finished_run: tuple[Path, str]) -> None:
    folder, printed = finished_run
    with sqlite3.connect(folder / "sandbox" / "warehouse.sqlite") as client:
        rows = client.execute(
            "select homicide_count_365d, police_reports_count_365d, calls_911_count_365d, risk_rank from v1_business_risk_current "
            "where business_names = 'EXPRESS STOP'"
        ).fetchall()
    assert rows == [(1, 14, 59, 1)]
    assert "EXPRESS STOP" in printed


def test_the_interval_of_a_place_is_shown_whole_in_a_file_or_narrow_pipe(finished_run: tuple[Path, str]) -> None:
    done = kc(finished_run[0], "top", environ={"COLUMNS": "80"})
    assert len(re.findall(r"│ +\d\.\d\d \(\d\.\d\d-\d\.\d\d\) │", done.stdout)) == 10


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


def test_the_outputs_say_what_day_and_contract_they_are_of(finished_run: tuple[Path, str]) -> None:
    mart = platform(finished_run[0]).lake.read("marts/business_risk")
    assert set(mart["as_of"].to_pylist()) == {date.fromisoformat(DAY)}
    assert mart["snapshot_id"].null_count == 0
    assert mart["business_parcel_id"].null_count == 0
    ranks = mart["risk_rank"].to_pylist()
    assert ranks.count(1) >= 1
    assert max(ranks) <= mart.num_rows
