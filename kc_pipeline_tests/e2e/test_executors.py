"""A run whose steps are carried out in processes of their own or by a Dask cluster, as Dagster launches it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from kc_runs import platform

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.replay import load_recordings
from kc_pipeline.settings import load_settings
from kc_pipeline.store.lake import canonical_rows

LEDGER = "core/event_attribution"

STOPS = [
    {"stop_id": str(n), "stop_name": f"ON {n} ST AT OAK", "lighting": "true", "shelter": "false",
     "location": {"type": "Point", "coordinates": [-94.57, 39.0 + n / 1000]}}
    for n in range(1, 31)
]  # fmt: skip


def materialize(home: Path, selection: str, told: dict[str, str]) -> list[dg.DagsterEvent]:
    """Let Dagster launch a run of some assets; the events of its log."""
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    words = [sys.executable, "-W", "ignore", "-m", "dagster", "asset", "materialize", "-m", "kc_pipeline.definitions"]
    environ = {**os.environ, **told, "DAGSTER_HOME": str(home)}
    done = subprocess.run([*words, "--select", selection], capture_output=True, text=True, env=environ, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        [run] = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
        return [log.dagster_event for log in instance.all_logs(run.run_id) if log.is_dagster_event]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["multiprocess", "dask"])
def test_steps_run_in_other_processes_and_give_the_rows(tmp_path: Path, executor: str) -> None:
    if executor == "dask":
        pytest.importorskip("dagster_dask", reason="the extra 'dask' is not installed")
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    (recordings / "ydqf-pvmx.json").write_text(json.dumps(STOPS))
    with Portal(load_recordings(recordings, tmp_path / "portal.sqlite")) as portal:
        told = {"KC_SOURCE": "replay", "KC_DATA_DIR": str(tmp_path / "data"), "KC_EXECUTOR": executor, "KC_SOCRATA_URL": portal.url}
        events = materialize(tmp_path / "home", "raw/bus_stops,clean/bus_stops,quarantine/bus_stops", told)
    stores = Platform(load_settings(told))
    assert stores.lake.read("clean/bus_stops")["stop_id"].to_pylist() == sorted(stop["stop_id"] for stop in STOPS)
    [of_run] = [event.pid for event in events if event.event_type_value == "PIPELINE_START"]
    assert of_run not in {event.pid for event in events if event.event_type_value == "STEP_START"}


@pytest.mark.slow
def test_a_step_on_a_dask_worker_gives_its_parts_to_the_same_cluster(
    copied_city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    pytest.importorskip("dagster_dask", reason="the extra 'dask' is not installed")
    lake = platform(copied_city).lake
    ledger = canonical_rows(TABLES[LEDGER], lake.read(LEDGER))
    for table in (LEDGER, "kept/loose_points"):
        shutil.rmtree(lake.path(table))
    told = {"KC_SOURCE": "sandbox", "KC_DATA_DIR": str(copied_city), "KC_EXECUTOR": "dask", "KC_DASK_ADDRESS": "local"}
    for name, value in told.items():  # workers know what they are started with
        monkeypatch.setenv(name, value)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        materialize(tmp_path / "home", LEDGER, {**told, "KC_DASK_ADDRESS": cluster.scheduler_address})
        done = set(cluster.scheduler.task_prefixes)
    assert {"attribute_part", "loose_points_of_part", "ASSET_JOB.core__event_attribution"} <= done
    assert canonical_rows(TABLES[LEDGER], platform(copied_city).lake.read(LEDGER)).equals(ledger)
