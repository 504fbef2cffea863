"""The benchmark suite at its smallest: it prints its tables, and the contenders find the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[2] / "benchmarks" / "suite.py"


@pytest.mark.slow
def test_contenders_find_the_same_and_have_figures(tmp_path: Path) -> None:
    command = [sys.executable, str(SUITE), "--size", "tiny", "--only", "J1,J2,J4", "--repeats", "1", "--folder", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(SUITE.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=environ)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line.startswith("| ")]
    walls = {row[0]: row[1] for row in cells}
    for contender in ("ours, cold", "ours, warm", "geopandas script", "floor: the files read once", "floor: bare STRtree query", "ours"):
        assert float(walls[contender]) > 0
    assert done.stdout.count("every one the same") >= 3
    assert "10 columns, 0 values differ" in done.stdout
    assert "PROBLEM" not in done.stdout
