"""Mutation testing: how many small changes of the code the tests notice.

    python3 -m venv env && env/bin/pip install -c constraints.txt -e '.[dev]' cosmic-ray==8.7.0
    env/bin/python benchmarks/mutation.py [--only clock,publish] [--sample 120] [--seed 1]

Cosmic Ray makes the mutants (another operator, number, constant, a dropped `not`, a decorator less ...). Each is tested in
a process forked from a server that has the libraries loaded, on a copy of the package. A sample is drawn per group, evenly over
its modules and with one of a kind at a place; annotations are left out, since no run can tell them. Prints a table, and every
survivor.
"""

import argparse
import ast
import contextlib
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

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


class Group(NamedTuple):
    """Modules that belong together, and the tests that are asked, the most likely to notice first."""

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
        ("unit/store",),
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


def run_tests(folder: str, tests: tuple[str, ...]) -> None:
    """Run tests on the copy in a folder, quietly, until the first that fails; ends this process with pytest's exit code."""
    import hypothesis
    import pytest

    # Finding that a property fails is enough; the smallest example is not looked for.
    hypothesis.settings.register_profile("mutation", phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate])
    hypothesis.settings.load_profile("mutation")
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        code = pytest.main(
            [
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:xdist",
                "-m",
                "not slow",
                "-k",
                _NOT_ASKED,
                *(f"{TESTS}/{test}" for test in tests),
            ]
        )
    os._exit(int(code))


def outcome(folder: str, tests: tuple[str, ...], limit_s: float) -> str:
    """'passed', 'failed', or 'timeout'."""
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=run_tests, args=(folder, tests))
    process.start()
    process.join(limit_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        return "timeout"
    return "passed" if process.exitcode == 0 else "failed"


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

    def seconds_unchanged(self, tests: tuple[str, ...]) -> float:
        """How long the tests take on the code as it is.

        Raises:
            SystemExit: they do not pass.
        """
        started, copy = time.monotonic(), self._copies.get()
        if outcome(str(copy), tests, 1800) != "passed":
            raise SystemExit(f"the tests do not pass on the code as it is: {' '.join(tests)}")
        self._copies.put(copy)
        return time.monotonic() - started

    def outcomes(self, drawn: list[Mutant], tests: tuple[str, ...], limit_s: float) -> list[str]:
        """What the tests say of each mutant."""

        def judged(mutant: Mutant) -> str:
            copy = self._copies.get()
            target = copy / "kc_pipeline" / mutant.module
            whole = target.read_text()
            try:
                target.write_text(mutant.code() or "")
                result = outcome(str(copy), tests, limit_s)
                print("." if result == "failed" else result[0], end="", file=sys.stderr, flush=True)
                return result
            finally:
                target.write_text(whole)
                self._copies.put(copy)

        with ThreadPoolExecutor(self._workers) as pool:
            return list(pool.map(judged, drawn))


def main() -> None:
    """Make the mutants, test them, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, comma-separated")
    parser.add_argument("--sample", type=int, default=120, help="mutants per group; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    rows: list[tuple[str, str, int, int, int]] = []
    with tempfile.TemporaryDirectory() as root:
        workshop = Workshop(Path(root), arguments.workers)
        for name in arguments.only.split(","):
            started, group = time.monotonic(), GROUPS[name]
            unchanged_s = workshop.seconds_unchanged(group.tests)
            drawn = sampled(group, arguments.sample, arguments.seed)
            results = workshop.outcomes(drawn, group.tests, 3 * unchanged_s + 30)
            for module in group.modules:
                said = [result for mutant, result in zip(drawn, results, strict=True) if mutant.module == module]
                rows.append((name, module, len(said), len(said) - said.count("passed"), said.count("timeout")))
            alive = [mutant for mutant, result in zip(drawn, results, strict=True) if result == "passed"]
            print(f"{name}: {len(drawn) - len(alive)} of {len(drawn)} noticed; tests take {unchanged_s:.0f} s", end="")
            print(f", all {time.monotonic() - started:.0f} s", flush=True)
            for mutant in alive:
                print(f"  {mutant.module}:{mutant.line} {mutant.operator}\n{mutant.change()}", flush=True)
    rows.append(("all", "", *(sum(counts) for counts in list(zip(*rows, strict=True))[2:])))  # type: ignore[arg-type]
    print("\n| group | module | mutants | noticed | share | of these by a hang |\n|---|---|--:|--:|--:|--:|")
    for name, module, count, noticed, hangs in rows:
        print(f"| {name} | {module} | {count} | {noticed} | {noticed / max(count, 1):.1%} | {hangs} |")


if __name__ == "__main__":
    main()
