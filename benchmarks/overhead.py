"""What Dagster itself costs: loading the code, a run of ten assets, the code server's memory, and its share of the daily run.

    .venv/bin/python benchmarks/overhead.py [--scale 0.05] [--data DIR] [--as-of 2026-07-01] [--repeats 3]

Each row is a process of its own, imports included, with its CPU seconds and its peak memory; the smallest of the repeats counts,
since other work on the machine can only add.  The floor is ten empty assets in a job on a fresh SQLite instance.  Of the daily run the
seconds inside the bodies of our assets and checks are summed: what is left is Dagster's (planning, events and their storage) and
the start of the process.  --data names a finished city, which is copied; without it a new one of --scale is built.
"""

import argparse
import inspect
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import psutil
from suite_measure import Run, run_measured

_CHILD = "--child"


def floor() -> None:
    """Ten empty assets, one after the other, in a job on a fresh instance."""
    import dagster as dg

    def chained(number: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"asset_{number}", deps=[f"asset_{number - 1}"] if number else [])
        def empty() -> None:
            pass

        return empty

    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        dg.materialize([chained(number) for number in range(10)], instance=instance, raise_on_error=True)


def load() -> None:
    """The code location, as the webserver's code server loads it."""
    from kc_pipeline.definitions import defs

    defs.get_repository_def().load_all_definitions()


def ten_assets() -> None:
    """Raw, clean and quarantine of three small registers, with a portal in this process; and their checks."""
    import dagster as dg

    from kc_pipeline.defs.automation import month_range_tags
    from kc_pipeline.defs.build import build_defs
    from kc_pipeline.defs.resources import Platform
    from kc_pipeline.defs.run import execute_quietly
    from kc_pipeline.sandbox.city import ANCHOR_DATE
    from kc_pipeline.sandbox.serving import city_clock, open_source
    from kc_pipeline.settings import load_settings

    registers = ("bus_stops", "streets", "dangerous_buildings")
    keys = [dg.AssetKey([layer, register]) for register in registers for layer in ("raw", "clean", "quarantine")]
    with (
        tempfile.TemporaryDirectory() as home,
        dg.DagsterInstance.local_temp(home) as instance,
        open_source(load_settings(os.environ, "sandbox"), through=ANCHOR_DATE, scale=0.01) as opened,
    ):
        job = build_defs(platform=Platform(opened, city_clock(ANCHOR_DATE))).resolve_job_def("ingest")
        execute_quietly(job, instance, asset_selection=keys, tags=month_range_tags(ANCHOR_DATE))


def daily(scale: str, as_of: str) -> None:
    """`kc run`, telling at its end how long the bodies of its assets and checks took."""
    from dagster._core.execution.plan import compute_generator

    from kc_pipeline.cli import main

    inside = [0.0, 0.0, 0.0]
    whole = compute_generator.invoke_compute_fn
    compute_generator.invoke_compute_fn = _timing(whole, inside)
    try:
        main(["run", "--scale", scale, "--as-of", as_of], standalone_mode=False)
    finally:
        print(f"MARK inside {inside[0]:.3f} {inside[1]:.3f} {inside[2]:.0f}", flush=True)


def _timing(invoke: Callable[..., Any], inside: list[float]) -> Callable[..., Any]:
    """The function that calls a body, adding up wall seconds, CPU seconds and bodies in `inside`; also of bodies that yield."""

    def timed(work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return work()
        finally:
            inside[0] += time.perf_counter() - wall
            inside[1] += time.process_time() - cpu

    def stepwise(results: Iterator[Any]) -> Iterator[Any]:
        end = object()
        while (result := timed(lambda: next(results, end))) is not end:
            yield result

    @wraps(invoke)
    def invoking(*given: Any, **named: Any) -> Any:
        inside[2] += 1
        result = timed(lambda: invoke(*given, **named))
        return stepwise(result) if inspect.isgenerator(result) else result

    return invoking


def code_server(environ: Mapping[str, str]) -> tuple[float, float]:
    """Resident memory in MB of a code server with our code location, and CPU seconds until it answers."""
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port), "-m", "kc_pipeline.definitions"]
    server = subprocess.Popen(command, env=dict(environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        client, deadline = DagsterGrpcClient(port=port, host="127.0.0.1"), time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                client.list_repositories()
                break
            except DagsterUserCodeUnreachableError:
                time.sleep(0.5)
        else:
            raise SystemExit("the code server did not answer within two minutes")
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        memory = sum(process.memory_info().rss for process in processes) / 1e6
        return memory, sum(sum(process.cpu_times()[:2]) for process in processes)
    finally:
        server.terminate()
        server.wait(30)


def smallest(command: list[str], environ: Mapping[str, str], repeats: int, before: Callable[[], None] = lambda: None) -> Run:
    """The run with the fewest CPU seconds of several."""
    runs = []
    for _ in range(repeats):
        before()
        runs.append(run_measured(command, environ))
        if runs[-1].problem:
            raise SystemExit(runs[-1].problem)
    return min(runs, key=lambda run: run.cpu_s)


def row(name: str, run: Run) -> None:
    """A row of the table."""
    print(f"| {name} | {run.wall_s:.1f} | {run.cpu_s:.1f} | {run.peak_mb:.0f} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="0.05")
    parser.add_argument("--data", type=Path, help="a finished city's data folder; it is copied")
    parser.add_argument("--as-of", default="2026-07-01")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(_CHILD, choices=("floor", "load", "ten_assets", "daily"))
    arguments = parser.parse_args()
    if arguments.child == "daily":
        daily(arguments.scale, arguments.as_of)
    elif arguments.child:
        globals()[arguments.child]()
    else:
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Every row of the table, each in processes of its own."""
    here = [sys.executable, __file__]
    with tempfile.TemporaryDirectory() as folder:
        small, working = Path(folder) / "small", Path(folder) / "working"
        environ = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | {"KC_DATA_DIR": str(small)}
        run_measured([*here, _CHILD, "ten_assets"], environ)  # builds its city
        print("| process | wall s | CPU s | peak MB |\n|---|--:|--:|--:|")
        row("floor: ten empty assets", smallest([*here, _CHILD, "floor"], environ, arguments.repeats))
        row("our code location loaded", smallest([*here, _CHILD, "load"], environ, arguments.repeats))

        def empty() -> None:
            for name in ("raw", "lake"):
                shutil.rmtree(small / "sandbox" / name, ignore_errors=True)

        row("nine of our assets and their checks", smallest([*here, _CHILD, "ten_assets"], environ, arguments.repeats, empty))
        memory, cpu = code_server(environ)
        print(f"| code server, until it answers | | {cpu:.1f} | {memory:.0f} |", flush=True)
        command = [*here, _CHILD, "daily", "--scale", arguments.scale, "--as-of", arguments.as_of]
        environ["KC_DATA_DIR"] = str(working)
        if arguments.data:
            shutil.copytree(arguments.data, working, symlinks=True)
        else:
            row(f"first run of a city of scale {arguments.scale}", run_measured(command, environ))
        run = run_measured(command, environ)
        row("the run of a day", run)
        if run.problem:
            raise SystemExit(run.problem)
    wall, cpu, bodies = next(text.split()[1:] for _, text, _ in run.marks if text.startswith("inside"))
    for name, whole, inside in (("wall", run.wall_s, float(wall)), ("CPU", run.cpu_s, float(cpu))):
        print(f"\nOf {whole:.1f} s {name} of that run {inside:.1f} s pass inside the {bodies} bodies; outside: {1 - inside / whole:.1%}")


if __name__ == "__main__":
    main()
