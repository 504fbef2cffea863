"""Work beside a run, in a second process that has Great Expectations loaded by the time the first table is clean.

The steps of a run follow one another, while some of their work needs nothing but files: some feeds are cleaned as soon as they are
pulled, a table is judged as soon as its step is done, and a mart that no other step makes ready is made as soon as the tables it
follows from are judged.  The step that it belongs to takes what was found, or does it itself.  One process does it all, one thing
after the other: two would both write quality/audit.
"""

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.util import Finalize
from threading import RLock, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from kc_pipeline.catalog.rule_model import Severity
from kc_pipeline.catalog.rules import AUDITED_TABLES, RULES
from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import audits, feeds, marts, ordinance, public_counts
from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding

_R = TypeVar("_R")
# Feeds that are cleaned beside a run: about as much work as leaves both processes busy until all feeds are clean.
CLEANED_BESIDE = frozenset({"health_inspections", "streetlight_outages", "dumping_complaints", "property_violations"})
_QUALITY = "marts/source_quality"


@dataclass(frozen=True)
class MartBeside:
    """Marts of a day that one piece of work makes.

    Attributes:
        made: the marts.
        needed: tables that a run of a day makes before and that the work reads: their checks have to hold.
    """

    made: tuple[str, ...]
    needed: frozenset[str]


MARTS_BESIDE: Mapping[Callable[[Platform, date, str], Any], MartBeside] = {
    marts.judge_sources: MartBeside((_QUALITY,), frozenset()),
    public_counts.count_for_the_public: MartBeside(("marts/public_neighborhood_quarter",), frozenset({"core/located_addresses", _QUALITY})),
    ordinance.count_thresholds: MartBeside(
        ("marts/threshold_status", "marts/threshold_events"),
        frozenset({*(name for name in ordinance.COUNT_INPUTS if name.startswith("core/")), _QUALITY}),
    ),
    marts.list_actions: MartBeside(("marts/action_items",), frozenset({"core/factor_observations", _QUALITY})),
}


@dataclass(frozen=True)
class _Work:
    """Something to do in the other process; what it comes to is asked for by the same function and arguments."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...]


class Beside:
    """Works in another process, on one thing at a time: on what a step waits for, else on what was begun first."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._lock = RLock()
        self._begun: dict[_Work, Future[Any]] = {}
        self._waiting: dict[_Work, tuple[Future[Any], Settings, datetime]] = {}
        self._is_busy = False
        self._sound: set[str] = set()
        self._marts = dict(MARTS_BESIDE)

    def begin(self, platform: Platform, work: Callable[..., object], *arguments: object) -> None:
        """Begin some work, unless it is begun.

        Args:
            platform: what it works on.
            work: a function of a module, of a platform and arguments.
            arguments: what it is called with; they can be compared, and sent to another process.
        """
        wanted = _Work(work, arguments)
        with self._lock:
            if wanted not in self._begun:
                self._begun[wanted] = Future()
                self._waiting[wanted] = (self._begun[wanted], platform.settings, platform.now())
                self._go_on()

    def outcome(self, platform: Platform, work: Callable[..., _R], *arguments: object) -> _R:
        """What some work came to, once; it is done here if it was not begun, or the other process died."""
        wanted = _Work(work, arguments)
        with self._lock:
            begun: Future[_R] | None = self._begun.pop(wanted, None)
            if wanted in self._waiting:
                self._waiting = {wanted: self._waiting[wanted], **self._waiting}
        if begun is not None:
            with suppress(BrokenProcessPool):
                return begun.result()
        return work(platform, *arguments)

    def forget(self, work: Callable[..., object], *arguments: object) -> None:
        """Leave undone what was begun, or let it end: what it comes to is no longer asked for."""
        wanted = _Work(work, arguments)
        with self._lock:
            begun, is_waiting = self._begun.pop(wanted, None), self._waiting.pop(wanted, None) is not None
        if begun is not None and not is_waiting:
            wait([begun])

    def begin_marts(self, platform: Platform, table: str, day: date, run_id: str) -> None:
        """Begin the marts of a day that waited for nothing but a table, whose checks hold now; each is judged once it is made."""
        self._sound |= {table, *(mart for mart in self._made() if self._is_known_to_be_sound(mart, day))}
        for work in [work for work, mart in self._marts.items() if mart.needed <= self._sound]:
            mart = self._marts.pop(work)
            self.begin(platform, work, day, run_id)
            for made in mart.made:
                self.begin(platform, audits.audit_table, made, day)

    def _made(self) -> Iterator[str]:
        return (made for work, mart in MARTS_BESIDE.items() if work not in self._marts for made in mart.made)

    def _is_known_to_be_sound(self, mart: str, day: date) -> bool:
        """Whether a mart was judged here already, and no rule that blocks is broken; its check will find the same."""
        judged = self._begun.get(_Work(audits.audit_table, (mart, day)))
        return judged is not None and judged.done() and judged.exception() is None and keeps_blocking_rules(mart, judged.result())

    def _go_on(self) -> None:
        """Give the next work to the other process, if it has none."""
        with self._lock:
            while self._waiting and not self._is_busy:
                wanted = next(iter(self._waiting))
                promised, settings, moment = self._waiting.pop(wanted)
                try:
                    given = self._pool.submit(_do, settings, moment, wanted.work, wanted.arguments)
                except RuntimeError as error:  # the other process died, or the run is over and nobody asks any more
                    promised.set_exception(error)
                else:
                    self._is_busy = True
                    given.add_done_callback(partial(self._done, promised))

    def _done(self, promised: "Future[Any]", given: "Future[Any]") -> None:
        with self._lock:
            self._is_busy = False
        self._go_on()
        if given.cancelled():
            promised.cancel()
        elif (error := given.exception()) is not None:
            promised.set_exception(error)
        else:
            promised.set_result(given.result())


def keeps_blocking_rules(table: str, findings: "Iterable[Finding]") -> bool:
    """Whether no rule of a table is broken that blocks what follows from it."""
    passed = {finding.law: finding.passed for finding in findings}
    return all(passed[rule.name] for rule in RULES[table] if rule.severity is Severity.BLOCKS)


def begin_cleaning(platform: Platform, feed: Feed) -> None:
    """Begin to clean a feed and to judge it, now that its pull is done, if it is one of those that are cleaned beside a run."""
    if platform.beside is not None and feed.name in CLEANED_BESIDE:
        platform.beside.begin(platform, _clean, feed.name)
        begin_audits(platform, [f"clean/{feed.name}"])


def forget_cleaning(platform: Platform, feed: Feed) -> None:
    """Begin anew with a feed that was perhaps begun to be cleaned, since it is pulled once more."""
    if platform.beside is not None:
        platform.beside.forget(_clean, feed.name)
        platform.beside.forget(audits.audit_table, f"clean/{feed.name}", None)


def clean_feed(platform: Platform, feed: Feed) -> feeds.CleanReport:
    """What cleaning a feed did, beside the run or here; see `feeds.clean_feed`."""
    return outcome(platform, _clean, feed.name)


def _clean(platform: Platform, feed: str) -> feeds.CleanReport:
    return feeds.clean_feed(platform, FEEDS[feed])


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
    pool.submit(_load, gc.get_threshold())
    try:
        yield replace(platform, beside=Beside(pool))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # the process ends while the run is reported


def _load(patience: tuple[int, int, int]) -> None:
    """Import what judging needs, while nothing is to be judged yet; and end at once in the end, with all its libraries as they are.

    Args:
        patience: thresholds of the garbage collector.
    """
    gc.set_threshold(*patience)
    Thread(target=_end_with_the_run, daemon=True).start()
    Finalize(None, os._exit, args=(0,), exitpriority=-100)
    from kc_pipeline.quality import audit, expectations  # noqa: F401


def _end_with_the_run() -> None:
    """A run that was killed cannot tell: without it, nobody would take what is made here, and the next run makes it too."""
    run = parent_process()
    if run is not None:
        run.join()
        os._exit(1)


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
