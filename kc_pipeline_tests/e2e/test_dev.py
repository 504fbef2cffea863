"""`kc dev` as an engineer starts it, from any folder, and stops it: UI, daemon, and what the switch turns on."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kc_runs import ask

PATIENCE_SECONDS = 120
STATES = """{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name }
  schedules { name scheduleState { status } } sensors { name sensorState { status } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"""
NOWHERE = "http://127.0.0.1:9"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answer(address: str, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """What the UI says of schedules and sensors, once it serves and its daemons have reported."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "it ended by itself"
        try:
            data = ask(f"{address}/graphql", STATES)["data"]
        except OSError:
            data = None
        if data and any(daemon["healthy"] for daemon in data["instance"]["daemonHealth"]["allDaemonStatuses"]):
            return dict(data)
        time.sleep(0.5)
    raise AssertionError(f"nothing is served at {address}")


@pytest.mark.slow
def test_schedule_and_sensors_run_until_it_is_interrupted(tmp_path: Path) -> None:
    port = free_port()
    environ = {
        **os.environ,
        "KC_DATA_DIR": str(tmp_path / "data"),
        "KC_SOURCE": "live",
        "KC_SOCRATA_URL": NOWHERE,
        "KC_ARCGIS_URL": NOWHERE,
    }
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    environ.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "kc_pipeline.cli", "dev", "--port", str(port)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environ, cwd=tmp_path, start_new_session=True, **silent)  # noqa: S603
    try:
        (served,) = answer(f"http://127.0.0.1:{port}", process)["repositoriesOrError"]["nodes"]
        states = {s["name"]: s["scheduleState"]["status"] for s in served["schedules"]}
        states |= {s["name"]: s["sensorState"]["status"] for s in served["sensors"]}
        assert served["location"]["name"] == "kc_pipeline"
        assert states == dict.fromkeys(
            ("daily_ingest", "marts_follow_inputs", "portals_changed", "tell_of_failed_runs", "tell_what_stands_open"), "RUNNING"
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5).close()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
