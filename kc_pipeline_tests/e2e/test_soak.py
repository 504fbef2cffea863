"""Days of the city lived through with every kind of fault end equal to a clean rebuild; and an altered row would be named."""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def soak(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SOAK), *words], capture_output=True, text=True, check=False)  # noqa: S603 - our own script


@pytest.mark.slow
def test_days_with_every_fault_end_equal_to_a_clean_rebuild() -> None:
    done = soak("--days", "8", "--marts-every", "4", "--full-every", "0", "--replay", "calls_911")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| against a clean rebuild | EQUAL |" in done.stdout
    assert "| verified, and made again from raw: calls_911 | the same |" in done.stdout
    faults = next(line for line in done.stdout.splitlines() if line.startswith("| faults injected |"))
    for kind in ("database gone", "disk", "full replace", "issued anew", "killed", "outage", "repeat-pages", "short-pages", "torn drop"):
        assert f"{kind} " in faults, faults


@pytest.mark.slow
def test_a_row_that_was_altered_is_named() -> None:
    done = soak("--days", "3", "--marts-every", "3", "--full-every", "0", "--alter")
    assert done.returncode == 1, done.stdout + done.stderr
    event = next(line for line in done.stdout.splitlines() if line.startswith("altered ")).removeprefix("altered ")
    assert "| against a clean rebuild | DIFFERS |" in done.stdout
    named = [line for line in done.stdout.splitlines() if line.startswith("- clean/dumping_complaints:") and event in line]
    assert any("current_status is 'altered'" in line for line in named), done.stdout
