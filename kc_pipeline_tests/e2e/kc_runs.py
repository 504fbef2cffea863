"""Run `kc` as a user would, and open what it left behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from click.testing import CliRunner

from kc_pipeline.cli import main
from kc_pipeline.defs.resources import Platform
from kc_pipeline.settings import load_settings

SCALE = "0.01"


def kc(folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `kc` as a user would, with its data in a folder; what only reads runs in this process, whose libraries are loaded."""
    env = {"KC_DATA_DIR": str(folder), "COLUMNS": "200", **(environ or {})}
    if words[0] == "run":
        whole = {**os.environ, **env}
        whole.pop("DAGSTER_HOME", None)
        command = [sys.executable, "-m", "kc_pipeline.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, env=whole, check=False)  # noqa: S603
    done = CliRunner().invoke(main, words, prog_name="kc", env={"DAGSTER_HOME": None, **env})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def platform(folder: Path, source: str = "sandbox") -> Platform:
    """The stores that a run left in a folder."""
    return Platform(load_settings({"KC_DATA_DIR": str(folder)}, source))


def copied(folder: Path, target: Path) -> Path:
    """A copy of a run's folder, without the files that come and go beside a SQLite file while another test reads it."""
    return Path(shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*-shm", "*-wal")))


@contextmanager
def served_uis(folder: Path, *each: tuple[str, ...]) -> Iterator[list[str]]:
    """Addresses of `kc ui` on a run's folder, once with each of some options, for as long as they are needed."""
    with ExitStack() as stack:
        started = [stack.enter_context(_started_ui(folder, options)) for options in each]
        for address, server in started:
            for _ in range(400):
                try:
                    ask(f"{address}/graphql", "{ version }")
                    break
                except OSError:
                    assert server.poll() is None, "it ended by itself"
                    time.sleep(0.2)
        yield [address for address, _ in started]


@contextmanager
def _started_ui(folder: Path, options: tuple[str, ...]) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**os.environ, "KC_DATA_DIR": str(folder)}
    environ.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "kc_pipeline.cli", "ui", "--port", str(port), *options]
    server = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def ask(address: str, query: str) -> dict:
    """The answer to a GraphQL query."""
    request = urllib.request.Request(address, json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read())


def fingerprint(printed: str) -> str:
    """The content hash that a run printed."""
    found = re.search(r"content sha256 ([0-9a-f]{64})", printed)
    assert found
    return found[1]
