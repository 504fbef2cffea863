"""The whole line on the city's recorded rows."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

REAL = os.environ.get("KC_REAL_DATA")
pytestmark = [pytest.mark.real, pytest.mark.skipif(not REAL, reason="KC_REAL_DATA names no folder of recorded city rows")]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("replay")
    env = {**os.environ, "KC_DATA_DIR": str(folder), "COLUMNS": "200"}
    env.pop("DAGSTER_HOME", None)
    words = [sys.executable, "-m", "kc_pipeline.cli", "run", "--source", "replay", str(Path(str(REAL)) / "kcdata")]
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "replay", done.stdout


def account(printed: str, feed: str) -> list[int]:
    """Received, good, quarantined, duplicates and events of a feed, as printed."""
    (line,) = [
        line for line in printed.splitlines() if re.match(rf"\W*{feed}\b", line) and line.count(",") + line.count("0") and "│" in line
    ][:1]
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", line.split("│", 2)[2])[:5]]


@pytest.mark.parametrize(
    ("feed", "received"),
    [("dumping_complaints", 27_914), ("business_licenses", 28_245), ("police_reports", 4_444), ("property_violations", 5_945),
     ("food_permits", 3_681), ("dangerous_buildings", 7_703), ("parcels", 204_762 + 2_358), ("districts", 252),
     ("bus_stops", 2_467)],
)  # fmt: skip
def test_every_recorded_row_is_accounted_for(replayed: tuple[Path, str], feed: str, received: int) -> None:
    total, good, quarantined, duplicates, _ = account(replayed[1], feed)
    assert total == received
    assert good + quarantined + duplicates == total
    assert good + duplicates >= 0.97 * total


def test_person_rows_are_distinct_reports(replayed: tuple[Path, str]) -> None:
    assert account(replayed[1], "police_reports")[4] == 1_784 + 926


def test_feeds_without_rows_are_silent_not_safe(replayed: tuple[Path, str]) -> None:
    with sqlite3.connect(replayed[0] / "warehouse.sqlite") as client:
        status = dict(client.execute("select feed, source_status from v1_source_quality"))
        (stale,) = client.execute("select distinct stale_sources from v1_business_risk_current").fetchone()
    assert {status[feed] for feed in ("calls_911", "health_inspections", "streetlight_outages")} == {"silent"}
    assert {"calls_911", "health_inspections", "streetlight_outages"} <= set(stale.split(";"))


def test_a_feed_whose_largest_category_fell_silent_is_degraded(replayed: tuple[Path, str]) -> None:
    with sqlite3.connect(replayed[0] / "warehouse.sqlite") as client:
        status, reason = client.execute(
            "select source_status, status_reason from v1_source_quality where feed = 'dumping_complaints'"
        ).fetchone()
    assert status == "degraded"
    assert "'Dumping in a Right-of-Way' (74 % of rows) has had no row since 2026-06-18" in reason  # of the weeks before


def test_real_business_addresses_have_a_risk_row(replayed: tuple[Path, str]) -> None:
    with sqlite3.connect(replayed[0] / "warehouse.sqlite") as client:
        places, tied, on_parcel = client.execute(
            "select count(*), sum(dumping_complaints_count_365d > 0), sum(parcel_id is not null) from v1_business_risk_current"
        ).fetchone()
        outside = client.execute("select count(*) from v1_business_risk_current where latitude not between 38.7 and 39.6").fetchone()[0]
    assert places > 8_000
    assert tied > 20
    assert on_parcel > 200  # recorded parcels have no addresses; violations and building cases name the parcels of a few
    assert outside == 0
