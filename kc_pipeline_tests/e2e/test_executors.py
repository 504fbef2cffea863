"""A run whose steps are carried out in processes of their own, as Dagster launches it, over a portal of recorded rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from kc_pipeline.defs.resources import Platform
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.replay import load_recordings
from kc_pipeline.settings import load_settings

STOPS = [
    {"stop_id": str(n), "stop_name": f"ON {n} ST AT OAK", "lighting": "true", "shelter": "false",
     "location": {"type": "Point", "coordinates": [-94.57, 39.0 + n / 1000]}}
    for n in range(1, 31)
]  # fmt: skip


@pytest.mark.slow
def test_steps_run_in_other_processes_and_give_the_rows(tmp_path: Path) -> None:
    recordings, home = tmp_path / "recordings", tmp_path / "home"
    recordings.mkdir()
    home.mkdir()
    (recordings / "ydqf-pvmx.json").write_text(json.dumps(STOPS))
    with Portal(load_recordings(recordings, tmp_path / "portal.sqlite")) as portal:
        told = {"KC_SOURCE": "replay", "KC_DATA_DIR": str(tmp_path / "data"), "KC_EXECUTOR": "multiprocess", "KC_SOCRATA_URL": portal.url}
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        words = [sys.executable, "-W", "ignore", "-m", "dagster", "asset", "materialize", "-m", "kc_pipeline.definitions"]
        words += ["--select", "raw/bus_stops,clean/bus_stops,quarantine/bus_stops"]
        done = subprocess.run(  # noqa: S603
            words, capture_output=True, text=True, env={**os.environ, **told, "DAGSTER_HOME": str(home)}, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    stores = Platform(load_settings(told))
    assert stores.lake.read("clean/bus_stops")["stop_id"].to_pylist() == sorted(stop["stop_id"] for stop in STOPS)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        [run] = instance.get_runs()
        logs = instance.all_logs(run.run_id)
    events = [log.dagster_event for log in logs if log.is_dagster_event]
    told_by = [event.engine_event_data.metadata for event in events if event.event_type_value in ("ENGINE_EVENT", "STEP_WORKER_STARTED")]
    assert len({metadata["pid"].value for metadata in told_by if "pid" in metadata}) > 1
