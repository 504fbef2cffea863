"""A pytest plugin: counts the tests of each row of the fault matrix, and writes the table of docs/faults.md.

python -m pytest kc_pipeline_tests -m fault --fault-table docs/faults.md
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from fault_rows import ROWS

HEADER = "| row | fault | what happens | tests | passed |"
KILL_POINTS, MACHINE = "kill points", "state machine"  # what tests tell of themselves by `record_property`
_PROPERTY, _LAW = "fault", "law"
_FIGURES = "In this run: {} kill points gone through, {} hypothesis properties, {} state machines."
_ABOUT = """# Faults, and what happens then

Each row is provoked for real, against servers on this machine, files and clocks; no part of the extraction is replaced.
The table is written by a test run: `python -m pytest kc_pipeline_tests -m fault --fault-table docs/faults.md`. A test checks that it has
every row and the number of tests that there are. A row without tests is not provoked yet.

Rehearse one by hand: `kc sandbox serve --help` lists what the local portal can do wrong.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    parser.addoption("--fault-table", type=Path, help="write the table of faults, from this run, to this file")
    parser.addoption("--fault-counts", type=Path, help="write the number of collected tests of each row to this file, as JSON")


def rows_of(item: pytest.Item) -> list[int]:
    """Rows that a test provokes.

    Raises:
        pytest.UsageError: it names a row that does not exist.
    """
    rows = sorted({row for mark in item.iter_markers("fault") for row in mark.args})
    if unknown := [row for row in rows if row not in ROWS]:
        raise pytest.UsageError(f"{item.nodeid}: no such row of the fault matrix: {unknown}")
    return rows


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note the rows of each test where reports carry them, from other processes too; write the counts where they are wanted."""
    for item in items:
        item.user_properties += [(_PROPERTY, row) for row in rows_of(item)]
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.user_properties.append((_LAW, item.nodeid.partition("[")[0]))
    if path := config.getoption("--fault-counts"):
        path.write_text(json.dumps(Counter(row for item in items for row in rows_of(item))))


class Figures(NamedTuple):
    """What the passed tests of a run went through: processes killed at a step, laws over drawn examples, state machines."""

    kill_points: int
    properties: int
    machines: int


class Recorder:
    """What became of the tests of each row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, bool] = {}
        self._rows: dict[str, list[int]] = {}
        self._kill_points = 0
        self._named: dict[str, set[str]] = {_LAW: set(), MACHINE: set()}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed if none of its three phases failed or was skipped."""
        if rows := [int(str(row)) for name, row in report.user_properties if name == _PROPERTY]:
            self._rows[report.nodeid] = rows
            self._outcomes[report.nodeid] = self._outcomes.get(report.nodeid, True) and report.passed
            if report.when == "teardown" and self._outcomes[report.nodeid]:
                self._note(report.user_properties)

    def _note(self, properties: Sequence[tuple[str, object]]) -> None:
        for name, value in properties:
            if name == KILL_POINTS:
                self._kill_points += int(str(value))
            elif name in self._named:
                self._named[name].add(str(value))

    def pytest_sessionfinish(self) -> None:
        """Write the table."""
        tests = Counter(row for rows in self._rows.values() for row in rows)
        passed = Counter(row for test, rows in self._rows.items() for row in rows if self._outcomes[test])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(table(tests, passed, Figures(self._kill_points, len(self._named[_LAW]), len(self._named[MACHINE]))))


def pytest_configure(config: pytest.Config) -> None:
    """Record only where a table is wanted, and once where tests run in several processes."""
    path = config.getoption("--fault-table")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(path), "fault-recorder")


def table(tests: Mapping[int, int], passed: Mapping[int, int], figures: Figures) -> str:
    """The page: the figures of a run, and one line per row of the matrix."""
    lines = [
        f"| {number} | {row.fault} | {row.outcome} | {tests.get(number, 0)} | {passed.get(number, 0)} |" for number, row in ROWS.items()
    ]
    return "\n".join([_ABOUT, _FIGURES.format(*figures), "", HEADER, "|--:|---|---|--:|--:|", *lines]) + "\n"


def counted(path: Path) -> dict[int, tuple[str, str, int, int]]:
    """Row -> fault, what happens, tests and passed tests, of a table that was written."""
    cells = [line.strip("| ").split(" | ") for line in path.read_text().splitlines() if re.match(r"\| \d", line)]
    return {int(number): (fault, outcome, int(tests), int(passed)) for number, fault, outcome, tests, passed in cells}


def figures_of(path: Path) -> Figures:
    """The figures of a table that was written."""
    found = re.search(_FIGURES.replace("{}", r"(\d+)"), path.read_text())
    return Figures(*map(int, found.groups())) if found else Figures(0, 0, 0)
