"""Dagster's own storage, on SQLite and on PostgreSQL: what is written is read back, and old runs are taken out of it."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner

from kc_pipeline.cli import main
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.partitions import DAYS, MONTHS
from kc_pipeline.defs.purge import OldRuns, delete_runs, find_old_runs
from kc_pipeline.defs.resources import Platform
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.replay import load_recordings
from kc_pipeline.settings import load_settings

LATER = timedelta(seconds=5)
STOPS = [
    {"stop_id": str(n), "stop_name": f"ON {n} ST AT OAK", "location": {"type": "Point", "coordinates": [-94.57, 39.0]}} for n in (1, 2)
]


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance configured by our own dagster.yaml; for PostgreSQL, with the lines that stand there as a comment."""
    config = resources.files("kc_pipeline.deploy").joinpath("dagster.yaml").read_text()
    if request.param == "postgresql":
        pytest.importorskip("dagster_postgres", reason="the extra 'postgres' is not installed")
        url = sa.make_url(request.getfixturevalue("postgres_database")())
        told = url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        monkeypatch.setenv("DAGSTER_PG_URL", told)
        before, mark, shown = config.partition("# storage:\n")
        assert mark, "dagster.yaml shows how PostgreSQL is switched on"
        config = before + "storage:\n" + "\n".join(line.removeprefix("# ") for line in shown.splitlines())
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(config)
    with dg.DagsterInstance.from_config(str(home)) as made:
        assert made.event_log_storage.__class__.__module__.startswith("dagster_postgres") is (request.param == "postgresql")
        yield made


def test_a_run_is_read_back_from_either_storage(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    (recordings / "ydqf-pvmx.json").write_text(json.dumps(STOPS))
    with Portal(load_recordings(recordings, tmp_path / "portal.sqlite")) as portal:
        settings = load_settings({"KC_SOURCE": "replay", "KC_DATA_DIR": str(tmp_path / "data")}).at_portal(portal.url)
        keys = [dg.AssetKey([layer, "bus_stops"]) for layer in ("raw", "clean", "quarantine")]
        job = build_defs(platform=Platform(settings)).resolve_job_def("ingest")
        done = job.execute_in_process(instance=instance, asset_selection=keys, tags={"asked_by": "test"})
    [run] = instance.get_runs(dg.RunsFilter(tags={"asked_by": "test"}))
    assert (run.run_id, run.status) == (done.run_id, dg.DagsterRunStatus.SUCCESS)
    assert set(instance.get_asset_keys()) == set(keys)
    clean = instance.get_latest_materialization_event(keys[1])
    assert clean.run_id == run.run_id
    assert clean.asset_materialization.metadata["dagster/row_count"].value == 2
    logged = [entry.dagster_event.event_type_value for entry in instance.all_logs(run.run_id) if entry.is_dagster_event]
    assert (logged.count("ASSET_MATERIALIZATION"), logged[-1]) == (3, "PIPELINE_SUCCESS")


@dg.asset(partitions_def=MONTHS)
def monthly() -> None:
    """A table with a partition for each month."""


@dg.asset(partitions_def=DAYS)
def daily() -> None:
    """A table with a partition for each day."""


@dg.asset
def plain() -> None:
    """A table without partitions."""


@dg.asset_check(asset=plain)
def plain_is_sound() -> dg.AssetCheckResult:
    """A check of it."""
    return dg.AssetCheckResult(passed=True)


@dg.asset
def broken() -> None:
    """A table that cannot be made."""
    raise dg.Failure("it cannot be made", allow_retries=False)


def make(instance: dg.DagsterInstance, *made: object, partition: str | None = None) -> str:
    done = dg.materialize(list(made), instance=instance, partition_key=partition, raise_on_error=False)
    return done.run_id


def fill(instance: dg.DagsterInstance) -> dict[str, str]:
    """Runs by what they are; see the names."""
    return {
        "month, made again later": make(instance, monthly, partition="2026-05"),
        "newest of May": make(instance, monthly, partition="2026-05"),
        "newest of June": make(instance, monthly, partition="2026-06"),
        "table, made again later": make(instance, plain),
        "newest check": make(instance, plain, plain_is_sound),
        "newest of the table": make(instance, plain),
        "an older day": make(instance, daily, partition="2026-06-01"),
        "newest day": make(instance, daily, partition="2026-06-02"),
        "failed": make(instance, broken),
    }


def test_old_runs_go_unless_they_hold_the_newest_word(instance: dg.DagsterInstance) -> None:
    runs = fill(instance)
    names = {run: name for name, run in runs.items()}
    assert find_old_runs(instance, datetime.now(UTC) - timedelta(days=1), [plain_is_sound.check_key]) == OldRuns([], [])
    old = find_old_runs(instance, datetime.now(UTC) + LATER, [plain_is_sound.check_key])
    assert {names[run] for run in old.purgeable} == {"month, made again later", "table, made again later", "an older day", "failed"}
    assert {names[run] for run in old.needed} == set(runs) - {names[run] for run in old.purgeable}
    freed = delete_runs(instance, old.purgeable)
    assert (freed.runs, freed.busy) == (4, [])
    assert {run.run_id for run in instance.get_runs()} == set(old.needed)
    left = instance.fetch_materializations(plain.key, limit=100).records
    assert {names[record.run_id] for record in left} == {"newest check", "newest of the table"}
    assert instance.get_materialized_partitions(monthly.key) == {"2026-05", "2026-06"}
    assert instance.get_materialized_partitions(daily.key) == {"2026-06-02"}
    assert instance.get_latest_asset_check_evaluation_record(plain_is_sound.check_key).run_id == runs["newest check"]
    assert find_old_runs(instance, datetime.now(UTC) + LATER, [plain_is_sound.check_key]).purgeable == []


@contextmanager
def held(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield


def test_a_database_in_use_is_named_and_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kc_pipeline.defs.purge._BUSY_SECONDS", 0.1)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        make(instance, plain)
        with held(tmp_path / "schedules" / "schedules.db"):
            assert delete_runs(instance, []).busy == ["schedules.db"]


@pytest.fixture
def old_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Two runs of a year ago in the folder of a city, of which one is needed; returns how many runs there are."""
    home = tmp_path / "sandbox" / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        first, _ = make(instance, plain), make(instance, plain)
        shards = {path.stem for path in (home / "history" / "runs").glob("*.db")}
        assert first in shards
    with closing(sqlite3.connect(home / "history" / "runs.db")) as client, client:
        client.execute("update runs set create_timestamp = '2025-01-01 00:00:00'")

    def count() -> int:
        with closing(sqlite3.connect(home / "history" / "runs.db")) as client:
            in_runs = client.execute("select count(*) from runs").fetchone()[0]
        assert len([path for path in (home / "history" / "runs").glob("*.db") if path.stem != "index"]) == in_runs
        return int(in_runs)

    return count


def test_the_command_deletes_only_when_told_to(tmp_path: Path, old_runs: Callable[[], int]) -> None:
    lake = tmp_path / "sandbox" / "lake" / "clean" / "calls_911"
    lake.mkdir(parents=True)
    (lake / "part.parquet").write_bytes(b"rows")

    def kc(*words: str) -> str:
        done = CliRunner().invoke(main, ["purge", *words], env={"KC_DATA_DIR": str(tmp_path), "DAGSTER_HOME": None})
        assert done.exit_code == 0, done.output
        return done.output

    assert "1 runs from before" in kc("--older-than", "180")
    assert "nothing was deleted" in kc("--older-than", "180")
    assert old_runs() == 2
    assert "0 runs from before" in kc("--older-than", "100000")
    told = kc("--older-than", "180", "--delete")
    assert "deleted 1 runs" in told
    assert float(told.split("folder is ")[1].split(" MB")[0]) >= 0
    assert old_runs() == 1
    assert "nothing to delete" in kc("--older-than", "180")
    assert (lake / "part.parquet").read_bytes() == b"rows"


def test_a_command_that_loads_the_assets_says_nothing_of_beta_features(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "PYTHONWARNINGS")}
    command = [sys.executable, "-m", "kc_pipeline.cli", "purge"]
    done = subprocess.run(command, env=environ | {"KC_DATA_DIR": str(tmp_path)}, capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.endswith("nothing to delete\n")
    assert done.stderr == ""


def test_the_code_location_loads_without_a_word(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "PYTHONWARNINGS")}
    command = [sys.executable, "-c", "import kc_pipeline.definitions"]
    done = subprocess.run(command, env=environ | {"KC_DATA_DIR": str(tmp_path)}, capture_output=True, text=True, check=True)  # noqa: S603
    assert (done.stdout, done.stderr) == ("", "")


def test_records_of_ticks_do_not_grow_for_ever() -> None:
    config = yaml.safe_load(resources.files("kc_pipeline.deploy").joinpath("dagster.yaml").read_text())
    assert config["retention"]["schedule"]["purge_after_days"] == 90
    assert set(config["retention"]["sensor"]["purge_after_days"]) == {"skipped", "failure", "success"}
    assert config["run_monitoring"]["enabled"] is True
