"""A small synthetic city, run once through the command line, for the tests of this folder."""

import os
from pathlib import Path

import pytest
from filelock import FileLock
from kc_runs import SCALE, copied, kc


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one finished run, and what the run printed; not to be changed by a test.

    Workers that test side by side share it: the first that needs it makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, printed = shared / "finished", shared / "finished.txt"
    with FileLock(shared / "finished.lock"):
        if not printed.exists():
            done = kc(folder, "run", "--scale", SCALE)
            assert done.returncode == 0, done.stdout + done.stderr
            printed.write_text(done.stdout, encoding="utf-8")
    return folder, printed.read_text(encoding="utf-8")


@pytest.fixture
def copied_city(finished_run: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return copied(finished_run[0], tmp_path / "data")
