"""A small synthetic city, run once through the command line, for the tests of this folder."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kc_pipeline.defs.resources import Platform
from kc_pipeline.settings import load_settings

SCALE = "0.01"


def kc(folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `kc` as a user would, with its data in a folder."""
    env = {**os.environ, "KC_DATA_DIR": str(folder), "COLUMNS": "200", **(environ or {})}
    env.pop("DAGSTER_HOME", None)
    return subprocess.run([sys.executable, "-m", "kc_pipeline.cli", *words], capture_output=True, text=True, env=env, check=False)  # noqa: S603


def platform(folder: Path, source: str = "sandbox") -> Platform:
    """The stores that a run left in a folder."""
    return Platform(load_settings({"KC_DATA_DIR": str(folder)}, source))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one finished run, and what the run printed; not to be changed by a test."""
    folder = tmp_path_factory.mktemp("finished")
    done = kc(folder, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout
