"""Work beside a run, in a second process that has Great Expectations loaded by the time the first table is clean.

The steps of a run follow one another, while some of their work needs nothing but the lake's files: a table is judged as soon as its
step is done, and a mart that no other step makes ready is made as soon as the tables it follows from are judged.  The step
that it belongs to takes what was found, or does it itself.  One process does it all, one thing after the other: two would both
write quality/audit.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, TypeVar

from kc_pipeline.catalog.rules import AUDITED_TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import audits, marts, ordinance, public_counts
from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding

_R = TypeVar("_R")
_QUALITY = "marts/source_quality"
# What makes a mart -> the tables that a run makes before it, whose checks have to hold.
MARTS_BESIDE: Mapping[Callable[[Platform, date, str], Any], frozenset[str]] = {
    marts.judge_sources: frozenset({"core/event_attribution"}),
    ordinance.count_thresholds: frozenset({*(name for name in ordinance.COUNT_INPUTS if name.startswith("core/")), _QUALITY}),
    marts.list_actions: frozenset({"core/factor_observations", _QUALITY}),
    public_counts.count_for_the_public: frozenset({"core/located_addresses", _QUALITY}),
}


class Beside:
    """Works in another process."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._begun: dict[tuple[Any, ...], Future[Any]] = {}
        self._sound: set[str] = set()

    def begin(self, platform: Platform, work: Callable[..., object], *arguments: object) -> None:
        """Begin some work, unless it is begun.

        Args:
            platform: what it works on.
            work: a function of a module, of a platform and arguments.
            arguments: what it is called with; they can be compared, and sent to another process.
        """
        with suppress(BrokenProcessPool):
            if (work, *arguments) not in self._begun:
                self._begun[work, *arguments] = self._pool.submit(_do, platform.settings, platform.now(), work, arguments)

    def outcome(self, platform: Platform, work: Callable[..., _R], *arguments: object) -> _R:
        """What some work came to, once; it is done here if it was not begun, or the other process died."""
        begun: Future[_R] | None = self._begun.pop((work, *arguments), None)
        if begun is not None:
            with suppress(BrokenProcessPool):
                return begun.result()
        return work(platform, *arguments)

    def begin_marts(self, platform: Platform, table: str, day: date, run_id: str) -> None:
        """Begin the marts of a day that waited for nothing but a table, whose checks hold now."""
        self._sound.add(table)
        for work, needed in MARTS_BESIDE.items():
            if table in needed and needed <= self._sound:
                self.begin(platform, work, day, run_id)


def begin_audits(platform: Platform, tables: Iterable[str], day: date | None = None) -> None:
    """Begin to judge tables, now that the step that makes them is done; without a process beside the run, their checks do it.

    Args:
        platform: what to work on.
        tables: names in the catalogue.
        day: of marts, the day that was made.
    """
    if platform.beside is not None:
        for table in tables:
            if table in AUDITED_TABLES:
                platform.beside.begin(platform, audits.audit_table, table, day)


def audit_table(platform: Platform, table: str, day: date | None = None) -> "list[Finding]":
    """What was found of a table, beside the run or here; see `audits.audit_table`."""
    if platform.beside is not None:  # the other process has loaded what it needs for it
        platform.beside.begin(platform, audits.audit_table, table, day)
    return outcome(platform, audits.audit_table, table, day)


def begin_marts(platform: Platform, table: str, day: date, run_id: str) -> None:
    """Begin the marts of a day that waited for nothing but a table, whose checks hold now; without a second process, nothing."""
    if platform.beside is not None:
        platform.beside.begin_marts(platform, table, day, run_id)


def outcome(platform: Platform, work: Callable[..., _R], *arguments: object) -> _R:
    """What some work came to that may have been begun beside the run; else it is done here."""
    if platform.beside is not None:
        return platform.beside.outcome(platform, work, *arguments)
    return work(platform, *arguments)


@contextmanager
def working_beside(platform: Platform) -> Iterator[Platform]:
    """The same platform, with a process beside the run; with one processor, or by KC_AUDITOR, as it is."""
    if platform.settings.auditor == "here" or (os.cpu_count() or 1) < 2:
        yield platform
        return
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    pool.submit(_load)
    try:
        yield replace(platform, beside=Beside(pool))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # the process ends while the run is reported


def _load() -> None:
    """Import what judging needs, while nothing is to be judged yet; and end at once in the end, with all its libraries as they are."""
    from kc_pipeline.quality import audit, expectations  # noqa: F401

    Finalize(None, os._exit, args=(0,), exitpriority=-100)


def _do(settings: Settings, moment: datetime, work: Callable[..., _R], arguments: tuple[object, ...]) -> _R:
    platform, clock = _beside(settings)
    clock.moment = moment
    return work(platform, *arguments)


class _Clock:
    """Stands where the run's clock stood when some work was given over."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment


@lru_cache(maxsize=1)
def _beside(settings: Settings) -> tuple[Platform, _Clock]:
    clock = _Clock()
    return Platform(settings, clock), clock
