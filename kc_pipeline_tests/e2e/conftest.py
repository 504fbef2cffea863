"""A small synthetic city, run once through the command line, for the tests of this folder."""

from pathlib import Path

import pytest
from kc_runs import SCALE, kc


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one finished run, and what the run printed; not to be changed by a test."""
    folder = tmp_path_factory.mktemp("finished")
    done = kc(folder, "run", "--scale", SCALE)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout
