"""Months filled in batch by batch: a kill in the middle, months before the history that is kept, ranges that are none."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow.compute as pc
import pytest
from kc_runs import kc, platform

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.backfill import backfill, batches_of
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.resources import Platform
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import RecordStore

NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
WORDS = ("backfill", "--from", "2025-01", "--to", "2025-06", "--batch", "2", "--scale", "0.01")
FEED = "dumping_complaints"
HELD = [f"2025-{month:02}" for month in range(1, 7)]


@pytest.fixture
def city_alone(finished_run: tuple[Path, str], tmp_path: Path) -> Path:
    """A folder with the city of the finished run, and nothing pulled from it yet."""
    shutil.copytree(finished_run[0] / "sandbox" / "city", tmp_path / "data" / "sandbox" / "city")
    return tmp_path / "data"


@pytest.fixture
def at_portal(city_alone: Path) -> Iterator[tuple[Platform, dg.DagsterInstance]]:
    with Portal(RecordStore(city_alone / "sandbox" / "city" / "portal.sqlite")) as portal, dg.instance_for_test() as instance:
        settings = platform(city_alone).settings
        yield Platform(replace(settings.at_portal(portal.url), history_start="2026-01"), lambda: NOW), instance


def pulls(folder: Path) -> dict[Path, int]:
    """Every pull there is, and when its manifest was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "sandbox" / "raw").rglob("manifest.json")}


@pytest.mark.slow
def test_a_killed_backfill_goes_on_and_gives_the_rows_of_a_whole_run(city_alone: Path, finished_run: tuple[Path, str]) -> None:
    environ = {**os.environ, "KC_DATA_DIR": str(city_alone)}
    environ.pop("DAGSTER_HOME", None)
    running = subprocess.Popen([sys.executable, "-m", "kc_pipeline.cli", *WORDS], env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert running.stdout is not None
    assert running.stdout.readline().startswith("2025-01 to 2025-02: ")
    done, deadline = len(pulls(city_alone)), time.monotonic() + 60
    while running.poll() is None and len(pulls(city_alone)) == done and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    before = pulls(city_alone)
    assert len(before) > done
    resumed = kc(city_alone, *WORDS)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    first, *rest = resumed.stdout.splitlines()
    assert first.startswith("2025-01 to 2025-02: 0 parts pulled, ")
    assert [line[:18] for line in rest] == ["2025-03 to 2025-04", "2025-05 to 2025-06"]
    after = pulls(city_alone)
    assert before.items() <= after.items(), "what was there is not pulled again"
    assert {path.parent.name for path in after} == {"000001"}
    ours, whole = platform(city_alone).lake, platform(finished_run[0]).lake
    for feed in EVENT_FEEDS:
        filled = [month for month in HELD if month in whole.partitions(f"clean/{feed}")]
        rows, expected = (lake.read(f"clean/{feed}", partitions=filled).sort_by("event_id") for lake in (ours, whole))
        assert rows["event_id"].equals(expected["event_id"]), feed
        told = [name for name in rows.column_names if not name.endswith(("pull_id", "_utc")) and name not in ("pulled_at", "first_seen_at")]
        assert rows.select(told).equals(expected.select(told)), feed
    again = kc(city_alone, *WORDS)
    assert [line.partition(": ")[2][:15] for line in again.stdout.splitlines()] == ["0 parts pulled,"] * 3
    assert pulls(city_alone) == after


def test_months_before_the_history_are_filled_in_and_left_alone_by_the_daily_run(
    at_portal: tuple[Platform, dg.DagsterInstance],
) -> None:
    at, instance = at_portal
    reports = list(backfill(at, [("2025-01", "2025-02"), ("2025-03", "2025-03")], instance, [FEED]))
    assert [(done.first, done.last, done.failures, done.failed_checks) for done in reports] == [
        ("2025-01", "2025-02", {}, []), ("2025-03", "2025-03", {}, []),
    ]  # fmt: skip
    assert all(done.peak_bytes > 0 for done in reports)
    held = at.raw.partitions(FEED, "d4px-6rwg")
    assert [month for month in held if month.startswith("20")] == ["2025-01", "2025-02", "2025-03"]
    rows = at.lake.read(f"clean/{FEED}")
    assert set(rows["month"].to_pylist()) == {"2025-01", "2025-02", "2025-03"}
    assert instance.get_materialized_partitions(dg.AssetKey(["clean", FEED])) == {"2025-01", "2025-02", "2025-03"}
    job = build_defs(platform=at).resolve_job_def("ingest")
    keys = [dg.AssetKey([layer, FEED]) for layer in ("raw", "clean", "quarantine")]
    tags = {"dagster/asset_partition_range_start": "2026-05", "dagster/asset_partition_range_end": "2026-06", "kc/refresh": "open"}
    assert job.execute_in_process(instance=instance, asset_selection=keys, tags=tags).success
    months = [month for month in at.raw.partitions(FEED, "d4px-6rwg") if month.startswith("20")]
    assert months == ["2025-01", "2025-02", "2025-03", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06"]
    old = at.lake.read(f"clean/{FEED}", partitions=["2025-01", "2025-02", "2025-03"])
    assert old.sort_by("event_id").equals(rows.sort_by("event_id"))


def test_months_asked_for_by_hand_are_read_again_and_no_other(at_portal: tuple[Platform, dg.DagsterInstance]) -> None:
    at, instance = at_portal
    told: list[str] = []
    watched = Platform(at.settings, at.now, told.append)
    job = build_defs(platform=watched).resolve_job_def("ingest")
    keys = [dg.AssetKey([layer, FEED]) for layer in ("raw", "clean", "quarantine")]
    assert job.execute_in_process(instance=instance, asset_selection=keys, partition_key="2026-02").success
    assert [month for month in at.raw.partitions(FEED, "d4px-6rwg") if month.startswith("20")] == ["2026-02"]
    with_rows = pc.sum(pc.equal(at.lake.read(f"clean/{FEED}")["month"], "2026-02")).as_py()
    assert with_rows == at.lake.count(f"clean/{FEED}") > 0
    assert instance.get_materialized_partitions(dg.AssetKey(["raw", FEED])) == {"2026-02"}


@pytest.mark.parametrize(
    ("asked", "batches"),
    [
        (("2015-01", "2015-05", 2), [("2015-01", "2015-02"), ("2015-03", "2015-04"), ("2015-05", "2015-05")]),
        (("2024-12", "2025-01", 12), [("2024-12", "2025-01")]),
        (("2015-01", "2024-12", 12), [(f"{year}-01", f"{year}-12") for year in range(2015, 2025)]),
    ],
    ids=["a rest", "one", "ten years"],
)
def test_a_range_is_cut_into_batches(asked: tuple[str, str, int], batches: list[tuple[str, str]]) -> None:
    assert batches_of(*asked) == batches


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2025-03", "--to", "2025-01"), "2025-03 lies after 2025-01"),
        (("--from", "1999-01", "--to", "2025-01"), "'1999-01' is no month from 2015-01 to "),
        (("--from", "2025-1", "--to", "2025-03"), "'2025-1' is no month"),
    ],
)
def test_a_range_that_is_none_is_refused(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    refused = kc(tmp_path, "backfill", *words)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_backfill_beside_a_run_is_refused(tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "sandbox").mkdir()
    with FileLock(tmp_path / "sandbox" / ".run.lock"):
        refused = kc(tmp_path, *WORDS)
    assert refused.returncode == 1
    assert "a run works on" in refused.stderr
