"""Run `kc` as a user would, and open what it left behind."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
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


def fingerprint(printed: str) -> str:
    """The content hash that a run printed."""
    found = re.search(r"content sha256 ([0-9a-f]{64})", printed)
    assert found
    return found[1]
