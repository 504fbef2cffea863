"""Whole processes, measured from outside: wall and CPU time, and the memory of the process tree over time."""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MEGABYTE = 1024 * 1024
MISSING = "not installable here"
_SAMPLE_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run of a process.

    Attributes:
        wall_s: seconds from start to end, imports included.
        cpu_s: CPU seconds of the process, its children and the server it worked with.
        peak_mb: largest sum of resident memory over the process tree (pages that processes share count for each).
        marks: (seconds, text, MB) for each line 'MARK text' that the process printed.
        problem: what it said when it failed; None if it did not.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    marks: tuple[tuple[float, str, float], ...] = ()
    problem: str | None = None


@dataclass
class Measured:
    """The runs of one contender at one job."""

    runs: list[Run] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        """Why there are no figures; None if there are."""
        return next((run.problem for run in self.runs if run.problem), None)

    def median(self, name: str) -> float:
        """Median of one measure over the runs."""
        return statistics.median(getattr(run, name) for run in self.runs)


def run_measured(command: Sequence[str], environ: Mapping[str, str], *, server: int | None = None, limit_s: float = 3600.0) -> Run:
    """Run a command to its end.

    Args:
        command: program and arguments.
        environ: its environment.
        server: process id of a server that works for it, whose time and memory count too.
        limit_s: it is ended after so many seconds.
    """
    peak, marks, output = [0.0], [], []
    before = _cpu_of_tree(server) if server else 0.0
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own commands
        list(command), env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    ended = threading.Event()

    def memory() -> float:
        return sum(_resident_mb(root) for root in (process.pid, server) if root)

    def sample() -> None:
        while not ended.wait(_SAMPLE_S):
            peak[0] = max(peak[0], memory())

    def listen() -> None:
        for line in process.stdout or ():
            output.append(line)
            if line.startswith("MARK "):
                marks.append((time.perf_counter() - begun, line[5:].strip(), memory()))

    watchers = [threading.Thread(target=work, daemon=True) for work in (sample, listen)]
    for watcher in watchers:
        watcher.start()
    timer = threading.Timer(limit_s, process.kill)
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    timer.cancel()
    ended.set()
    for watcher in watchers:
        watcher.join(timeout=10)
    served = _cpu_of_tree(server) - before if server else 0.0
    said = "".join(output).strip().splitlines()
    last = said[-1] if said else ""
    failure = last if MISSING in last else f"exit code {process.returncode}: {last}"
    problem = None if process.returncode == 0 else failure
    return Run(wall, usage.ru_utime + usage.ru_stime + served, peak[0], tuple(marks), problem)


def _tree(root: int) -> list[int]:
    """A process and those that it started, by the kernel's own lists: looking for them among all processes took 2 % of what is measured."""
    found, open_ = [], [root]
    while open_:
        found.append(open_.pop())
        for task in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            with suppress(OSError):  # it has ended
                open_ += map(int, task.read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/pid/stat after the program's name; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _resident_mb(root: int) -> float:
    pages = [int(fields[21]) for pid in _tree(root) if (fields := _stat(pid))]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def _cpu_of_tree(root: int) -> float:
    """CPU seconds of a tree, and of those of its processes that have ended and were waited for."""
    ticks = [sum(int(fields[place]) for place in (11, 12, 13, 14)) for pid in _tree(root) if (fields := _stat(pid))]
    return sum(ticks) / _TICKS
