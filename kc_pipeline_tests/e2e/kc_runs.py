"""Run `kc` as a user would, and open what it left behind."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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
