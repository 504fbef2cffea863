"""Mutation testing: how many small changes of the code the tests notice.

    python3 -m venv env && env/bin/pip install -c constraints.txt -e '.[dev]' cosmic-ray==8.7.0 coverage==7.17.5
    env/bin/python benchmarks/mutation.py [--only clock,publish] [--sample 120] [--seed 1] [--again SURVIVORS]

Cosmic Ray makes the mutants (another operator, number, constant, a dropped `not`, a decorator less ...). Each is tested in
a process forked from a server that has the libraries loaded, on a copy of the package, by the tests that reach its line, the
quickest first. A sample is drawn per group, evenly over its modules and with one of a kind at a place; annotations are left out,
since no run can tell them. Prints every survivor as it is found, and a table. --again takes what an earlier run printed, and tests
only the survivors named in it.
"""

import argparse
import ast
import contextlib
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

PROJECT = Path(__file__).parents[1]
TESTS = "kc_pipeline_tests"
PRELOADED = [
    "pytest",
    "hypothesis",
    "pandas",
    "pyarrow",
    "pyarrow.compute",
    "pyarrow.csv",
    "sqlalchemy",
    "requests",
    "shapely",
    "deltalake",
]


# Tests that start many processes: too long to be asked of every mutant.
_NOT_ASKED = "not kill and not side_by_side and not postgresql and not crashes"


# A mutant whose tests take so many times as long as on the code as it is hangs; some seconds are granted to each.
_PATIENCE, _GRANTED_S = 4, 20
_WALL_PER_CPU_S = 10
_OUT_OF_TIME = (-signal.SIGKILL, -signal.SIGXCPU)


class Group(NamedTuple):
    """Modules that belong together, and the tests that are asked."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = {
    "extract": Group(
        tuple(
            f"extract/{name}.py" for name in ("http", "guard", "socrata", "soda", "arcgis", "database", "files", "raw", "refresh", "pages")
        ),
        ("unit/extract", "faults/test_faults_pages.py", "faults/test_faults_change.py", "faults/test_faults_http.py"),
    ),
    "merge": Group(
        ("transform/ledger.py", "transform/events.py", "transform/versions.py", "transform/times.py", "store/lake.py"),
        ("unit/transform", "unit/store/test_lake.py", "defs/test_steps.py"),
    ),
    "publish": Group(
        ("store/warehouse.py", "store/bulk.py", "store/retention.py", "store/seals.py", "store/whole_folder.py"),
        ("unit/store", "faults/test_faults_safety.py"),
    ),
    "clock": Group(
        ("ordinance/clock.py", "ordinance/windows.py", "ordinance/repeats.py", "ordinance/status.py", "ordinance/timeline.py"),
        ("unit/ordinance",),
    ),
}


class Mutant(NamedTuple):
    """One change: of a module, at a place in it, by an operator of Cosmic Ray."""

    module: str
    line: int
    column: int
    operator: str
    occurrence: int

    @property
    def family(self) -> str:
        """Its operator without the variant: 'ReplaceComparisonOperator' for each of the ten that replace one."""
        return self.operator.partition("/")[2].partition("_")[0]

    def code(self) -> str | None:
        """The changed module; None where Cosmic Ray cannot make the change."""
        from cosmic_ray import plugins
        from cosmic_ray.mutating import mutate_code

        source = (PROJECT / "kc_pipeline" / self.module).read_text()
        try:
            changed = mutate_code(source, plugins.get_operator(self.operator)(), self.occurrence)
        except AttributeError:  # of an except clause with a dotted name
            return None
        return None if changed == source else changed

    @property
    def place(self) -> str:
        """What names it in the list of survivors."""
        return f"{self.module}:{self.line}:{self.column} {self.operator}"

    def change(self) -> str:
        """The line before and after."""
        before, after = (PROJECT / "kc_pipeline" / self.module).read_text().splitlines(), (self.code() or "").splitlines()
        was, now = next((a, b) for a, b in zip(before, after, strict=False) if a != b)
        return f"    - {was.strip()}\n    + {now.strip()}"


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a module that a run could notice."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    source = (PROJECT / "kc_pipeline" / module).read_text()
    silent, nodes = _silent_spans(source), list(ast_nodes(get_ast(source)))
    for name in plugins.operator_names():
        kind = plugins.get_operator(name)
        if kind.arguments():
            continue
        operator = kind()
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(starts):
            if not any(first <= start <= last for first, last in silent):
                yield Mutant(module, *start, name, occurrence)


def _silent_spans(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations stand: from (line, column) to (line, column)."""
    spans = []
    for node in ast.walk(ast.parse(source)):
        annotations: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            annotations = [node.returns, *(argument.annotation for argument in every if argument)]
        elif isinstance(node, ast.AnnAssign):
            annotations = [node.annotation]
        spans += [((a.lineno, a.col_offset), (a.end_lineno or a.lineno, a.end_col_offset or 0)) for a in annotations if a]
    return spans


class Reached(NamedTuple):
    """A test that reaches a line: its name for pytest, and the CPU seconds that it takes."""

    test: str
    cpu_s: float


def run_tests(folder: str, tests: Sequence[str], cpu_limit_s: float = 3600.0, told: str | None = None) -> None:
    """Run tests on the copy in a folder, quietly, until the first that fails; ends this process with pytest's exit code.

    Args:
        folder: the copy.
        tests: files, folders or single tests.
        cpu_limit_s: CPU seconds after which the process is killed.
        told: JSON file that takes 'module:line' -> [(test, CPU seconds)]; None: lines are not traced.
    """
    import hypothesis
    import pytest

    # Finding that a property fails is enough; the smallest example is not looked for.
    hypothesis.settings.register_profile("mutation", phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
    hypothesis.settings.load_profile("mutation")
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_limit_s) + 1, int(cpu_limit_s) + 1))
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    watching = [] if told is None else [_Watching(Path(folder) / "kc_pipeline", Path(told))]
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", "-k", _NOT_ASKED]
        code = pytest.main([*options, *(f"{TESTS}/{test}" for test in tests)], plugins=watching)
    os._exit(int(code))


def _name(nodeid: str) -> str:
    """A name by which pytest finds a test again: without its case, where that holds what a command line does not bring back."""
    name = nodeid if re.fullmatch(r"[\w./:\[\], -]+", nodeid, re.ASCII) else nodeid.partition("[")[0]
    return name.removeprefix(f"{TESTS}/")


class _Watching:
    """A pytest plugin that notes which lines each test reaches, and what it costs."""

    def __init__(self, package: Path, told: Path) -> None:
        self._package, self._told, self._reached = package, told, {}  # type: ignore[var-annotated]

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> bool:
        """Run a test under coverage, with its fixtures."""
        import coverage
        from _pytest.runner import runtestprotocol

        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        tracer = coverage.Coverage(data_file=None, include=[f"{self._package}/*"], messages=False)
        begun = time.process_time()
        tracer.start()
        try:
            runtestprotocol(item, nextitem=nextitem)
        finally:
            tracer.stop()
        took, data = time.process_time() - begun, tracer.get_data()
        for file in data.measured_files():
            for line in data.lines(file) or ():
                place = f"{Path(file).relative_to(self._package)}:{line}"
                self._reached.setdefault(place, []).append((_name(item.nodeid), took))
        return True

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._told.write_text(json.dumps(self._reached))


def tests_of_module(reached: dict[str, list[Reached]], module: str) -> list[Reached]:
    """The tests that reach any line of a module, each with the CPU seconds that it takes, the quickest first."""
    of_module = (test for place, tests in reached.items() if place.rpartition(":")[0] == module for test in tests)
    return sorted(set(of_module), key=lambda each: each.cpu_s)


def outcome(folder: str, tests: Sequence[str], cpu_limit_s: float, told: str | None = None) -> str:
    """'passed', 'failed', or 'timeout'."""
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=run_tests, args=(folder, tests, cpu_limit_s, told))
    process.start()
    process.join(_WALL_PER_CPU_S * cpu_limit_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        return "timeout"
    return "passed" if process.exitcode == 0 else "timeout" if process.exitcode in _OUT_OF_TIME else "failed"


def sampled(group: Group, size: int, seed: int) -> list[Mutant]:
    """At most so many mutants of a group, as many of each module; one of a kind at a place, so that variants do not weigh."""
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    drawn: list[Mutant] = []
    for module in group.modules:
        at_place: dict[tuple[int, int, str], list[Mutant]] = {}
        for mutant in mutants(module):
            at_place.setdefault((mutant.line, mutant.column, mutant.family), []).append(mutant)
        ones = [mutant for variants in at_place.values() if (mutant := chance.choice(variants)).code() is not None]
        share = -(-size // len(group.modules)) if size else len(ones)
        drawn += chance.sample(ones, min(share, len(ones)))
    return drawn


class Workshop:
    """Copies of the package on which mutants are tested side by side."""

    def __init__(self, root: Path, workers: int) -> None:
        self._workers = workers
        self._copies: Queue[Path] = Queue()
        for number in range(workers):
            copy = root / str(number)
            for name in ("kc_pipeline", TESTS, "docs"):
                shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            for file in PROJECT.iterdir():
                if file.is_file():
                    shutil.copy(file, copy)
            self._copies.put(copy)

    def reached(self, tests: tuple[str, ...]) -> dict[str, list[Reached]]:
        """'module:line' -> the tests that reach it, the quickest first.

        Raises:
            SystemExit: they do not pass on the code as it is.
        """
        copy = self._copies.get()
        told = copy / "reached.json"
        if outcome(str(copy), tests, 3600, str(told)) != "passed":
            raise SystemExit(f"the tests do not pass on the code as it is: {' '.join(tests)}")
        reached = {
            place: sorted((Reached(*test) for test in reaching), key=lambda each: each.cpu_s)
            for place, reaching in json.loads(told.read_text()).items()
        }
        named = sorted({test.test for reaching in reached.values() for test in reaching})
        if outcome(str(copy), named, 3600) != "passed":
            raise SystemExit(f"the tests do not pass by their names on the code as it is: {' '.join(tests)}")
        self._copies.put(copy)
        return reached

    def outcomes(self, drawn: list[Mutant], reached: dict[str, list[Reached]]) -> list[str]:
        """What the tests say of each mutant; survivors are printed."""
        by_module = {mutant.module: tests_of_module(reached, mutant.module) for mutant in drawn}

        def judged(mutant: Mutant) -> str:
            result = "passed"
            # What a shared fixture or an import reaches is noted of one test, or of none: a survivor is shown to all of its module.
            of_line, of_module = reached.get(f"{mutant.module}:{mutant.line}", []), by_module.get(mutant.module, [])
            copy = self._copies.get()
            target = copy / "kc_pipeline" / mutant.module
            whole = target.read_text()
            try:
                target.write_text(mutant.code() or "")
                for asked in (of_line, [test for test in of_module if test not in of_line]):
                    if asked and result == "passed":
                        limit_s = _PATIENCE * sum(test.cpu_s for test in asked) + _GRANTED_S
                        result = outcome(str(copy), [test.test for test in asked], limit_s)
            finally:
                target.write_text(whole)
                self._copies.put(copy)
            print("." if result == "failed" else result[0], end="", file=sys.stderr, flush=True)
            if result == "passed":
                print(f"  {mutant.place} ({len(of_line)} tests reach it)\n{mutant.change()}", flush=True)
            return result

        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(judged, drawn))


def main() -> None:
    """Make the mutants, test them, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, comma-separated")
    parser.add_argument("--sample", type=int, default=120, help="mutants per group; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", type=Path, help="what an earlier run printed: only the survivors named there are tested")
    arguments = parser.parse_args()
    again = None if arguments.again is None else set(re.findall(r"^  (\S+:\d+:\d+ \S+) ", arguments.again.read_text(), re.MULTILINE))
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    rows: list[tuple[str, str, int, int, int]] = []
    with tempfile.TemporaryDirectory() as root:
        workshop = Workshop(Path(root), arguments.workers)
        for name in arguments.only.split(","):
            group = GROUPS[name]
            print(f"{name}:", flush=True)
            drawn = [mutant for mutant in sampled(group, arguments.sample, arguments.seed) if again is None or mutant.place in again]
            results = workshop.outcomes(drawn, workshop.reached(group.tests))
            for module in group.modules:
                said = [result for mutant, result in zip(drawn, results, strict=True) if mutant.module == module]
                rows.append((name, module, len(said), len(said) - said.count("passed"), said.count("timeout")))
    rows.append(("all", "", *(sum(counts) for counts in list(zip(*rows, strict=True))[2:])))  # type: ignore[arg-type]
    print("\n| group | module | mutants | noticed | share | of these by a hang |\n|---|---|--:|--:|--:|--:|")
    for name, module, count, noticed, hangs in rows:
        print(f"| {name} | {module} | {count} | {noticed} | {noticed / max(count, 1):.1%} | {hangs} |")


if __name__ == "__main__":
    main()
