"""The table of faults in docs/ names every row and the tests that there are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fault_rows import ROWS
from fault_table import Figures, counted, figures_of, table

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "faults.md"
ADVICE = f"write it anew: python -m pytest kc_pipeline_tests -m fault --fault-table {PAGE.relative_to(REPOSITORY)}"


def test_a_table_can_be_read_back(tmp_path: Path) -> None:
    (tmp_path / "faults.md").write_text(table({1: 12, 40: 1}, {1: 11}, Figures(120, 12, 3)))
    read = counted(tmp_path / "faults.md")
    assert list(read) == list(range(1, 41))
    assert (read[1], read[40][2:]) == ((*ROWS[1], 12, 11), (1, 0))
    assert figures_of(tmp_path / "faults.md") == (120, 12, 3)


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, int]:
    """Tests of each row, counted by collecting every file that marks one."""
    path = tmp_path_factory.mktemp("counts") / "counts.json"
    files = [str(file) for file in sorted((REPOSITORY / "kc_pipeline_tests").rglob("test_*.py")) if "mark.fault(" in file.read_text()]
    options = ["--collect-only", "-q", "-m", "fault", f"--fault-counts={path}", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *files, *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return {int(row): count for row, count in json.loads(path.read_text()).items()}


def test_the_page_has_every_row_and_the_tests_that_there_are(counts: dict[int, int]) -> None:
    page = counted(PAGE)
    assert {row: entry[:2] for row, entry in page.items()} == {row: tuple(one) for row, one in ROWS.items()}, ADVICE
    assert {row: entry[2] for row, entry in page.items()} == {row: counts.get(row, 0) for row in ROWS}, ADVICE


def test_every_fault_of_extraction_is_provoked() -> None:
    tests = {row: entry[2] for row, entry in counted(PAGE).items()}
    assert [row for row in range(1, 29) if not tests[row]] == []
    assert sum(tests[row] for row in range(1, 29)) >= 100


def test_kills_laws_and_machines_are_many() -> None:
    figures = figures_of(PAGE)
    assert (figures.kill_points >= 100, figures.properties >= 12, figures.machines >= 3) == (True, True, True), figures
