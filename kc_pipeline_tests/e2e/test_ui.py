"""The Dagster UI as `kc ui` serves it: to look at, not to touch; and what remains true without Dagster's records."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from kc_runs import copied, kc

WIPE = """mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["marts", "business_risk"]}}]) { __typename } }"""
ASSETS = "{ assetsOrError { ... on AssetConnection { nodes { key { path } assetMaterializations(limit: 1) { runId } } } } }"


@pytest.fixture(scope="module")
def served(finished_run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the GraphQL interface of `kc ui` on a finished run."""
    folder = copied(finished_run[0], tmp_path_factory.mktemp("ui") / "copy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "KC_DATA_DIR": str(folder)}
    environ.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "kc_pipeline.cli", "ui", "--port", str(port)]
    server = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    address = f"http://127.0.0.1:{port}/graphql"
    try:
        for _ in range(400):
            try:
                ask(address, "{ version }")
                break
            except OSError:
                assert server.poll() is None, "it ended by itself"
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def ask(address: str, query: str) -> dict:
    """The answer to a GraphQL query."""
    request = urllib.request.Request(address, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


@pytest.mark.fault(40)
def test_what_ran_can_be_looked_at_and_nothing_can_be_wiped(served: str) -> None:
    nodes = ask(served, ASSETS)["data"]["assetsOrError"]["nodes"]
    made = {"/".join(node["key"]["path"]) for node in nodes if node["assetMaterializations"]}
    assert {"marts/business_risk", "warehouse/published_snapshots", "clean/calls_911"} <= made
    assert ask(served, WIPE)["data"]["wipeAssets"]["__typename"] == "UnauthorizedError"
    again = ask(served, ASSETS)["data"]["assetsOrError"]["nodes"]
    assert made == {"/".join(node["key"]["path"]) for node in again if node["assetMaterializations"]}


@pytest.mark.fault(40)
def test_what_the_tables_rest_on_is_told_without_dagsters_records(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    folder = copied(finished_run[0], tmp_path / "copy")
    shutil.rmtree(folder / "sandbox" / "dagster")
    for words in (["trace", "EXPRESS STOP"], ["verify"], ["snapshots"]):
        done = kc(folder, *words)
        assert done.returncode == 0, done.stdout + done.stderr
