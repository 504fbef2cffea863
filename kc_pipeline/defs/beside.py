"""What is done beside a run's steps, by a second process that has Great Expectations loaded.

The steps of a run follow one another, while some of their work needs nothing but files: some feeds are cleaned as soon as they are
pulled, a table is judged as soon as its step is done, a mart that no other step makes ready is made as soon as the tables it follows
from are judged, its rows are written ahead for its publication, and who is flagged is audited while the day is published.  The step
that it belongs to takes what was found, or does it itself.  What was found of tables is kept once, when a run is over: both processes
judge, and would otherwise both write quality/audit.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from kc_pipeline.catalog.rule_model import Severity
from kc_pipeline.catalog.rules import AUDITED_TABLES, RULES
from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.views import PUBLISHED_MARTS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.second_process import SecondProcess, Task, second_process
from kc_pipeline.defs.steps import audits, evaluation, feeds, marts, ordinance, public_counts
from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.defs.steps.audits import JudgedRows
    from kc_pipeline.quality.checks import Finding
    from kc_pipeline.store.lake import Commit
    from kc_pipeline.store.staged import Staged

_R = TypeVar("_R")
_QUALITY = "marts/source_quality"
# What is found of the tables before the marts, and of the sources, is waited for soonest; what is found of other marts, last.
_FIRST, _NEXT, _LAST = (0,), (1,), (2,)

# Feeds that are cleaned beside a run, unless its own step comes first.
CLEANED_BESIDE = frozenset({"health_inspections", "streetlight_outages", "dumping_complaints", "property_violations"})


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
    marts.list_dimensions: MartBeside(
        ("marts/dim_business", "marts/dim_business_parcel"), frozenset({"core/business_history", "core/business_parcel_history"})
    ),
}


class Beside:
    """The second process, and what was found of the tables of a run."""

    def __init__(self, process: SecondProcess) -> None:
        self.process = process
        self._lock = RLock()
        self._passed: dict[str, dict[str, bool]] = {}
        self._audits: dict[str, tuple[JudgedRows, list[Finding]]] = {}
        self._waiting: list[tuple[frozenset[str], Callable[[], None]]] = []
        process.on_done, process.meanwhile = self._take_note, _load

    def begin_marts(self, platform: Platform, day: date, run_id: str) -> None:
        """Begin the marts of a run of a day, each as soon as the tables that it needs are judged in that run; then judge it."""
        with self._lock:
            self._waiting = [
                (mart.needed, partial(self.process.begin, platform, _mart(work, day, run_id), _following(mart.made, day)))
                for work, mart in MARTS_BESIDE.items()
            ]
            self._go_on()

    def audit_table(self, platform: Platform, table: str, day: date | None) -> "list[Finding]":
        """What was found of a table: of its rows there, of its laws here if that still waits; it is not kept yet."""
        of_rows, of_laws = _audit(table, day)
        self.process.begin(platform, of_rows)
        self.process.hurry(of_rows)
        laws = self.process.outcome(platform, of_laws)
        rows = self.process.outcome(platform, of_rows)
        findings = [*rows.findings, *laws]
        self._note(table, findings)
        with self._lock:
            self._audits[table] = rows, laws
        return findings

    def keep_audits(self, platform: Platform) -> None:
        """Keep what was found and is not kept yet."""
        with self._lock:
            found, self._audits = self._audits, {}
        if found:
            audits.keep_audits(platform, found)

    def _take_note(self, task: Task[Any], found: Any) -> None:
        if task.work is audits.judge_rows:
            self._note(task.arguments[0], found.findings)
        elif task.work is audits.judge_laws:
            self._note(task.arguments[0], found)

    def _note(self, table: str, findings: "Iterable[Finding]") -> None:
        with self._lock:
            self._passed.setdefault(table, {}).update((finding.law, finding.passed) for finding in findings)
            self._go_on()

    def _go_on(self) -> None:
        """Begin the marts whose tables are sound: all their blocking rules were found to hold."""
        sound = {
            table
            for table, passed in self._passed.items()
            if all(passed.get(rule.name) for rule in RULES[table] if rule.severity is Severity.BLOCKS)
        }
        ready = [begin for needed, begin in self._waiting if needed <= sound]
        self._waiting = [waiting for waiting in self._waiting if not waiting[0] <= sound]
        for begin in ready:
            begin()


def _load() -> None:
    """Import what scoring needs, which takes long, while nothing else can be done."""
    import scipy.spatial  # noqa: F401

    from kc_pipeline.risk import rtm  # noqa: F401


def begin_cleaning(platform: Platform, feed: Feed) -> None:
    """Begin to clean a feed and to judge it, now that its pull is done, if it is one of those that are cleaned beside a run."""
    if platform.beside is not None and feed.name in CLEANED_BESIDE:
        platform.beside.process.begin(platform, _cleaning(feed), _audit(f"clean/{feed.name}"))


def forget_cleaning(platform: Platform, feed: Feed) -> None:
    """Begin anew with a feed that was perhaps begun to be cleaned, since it is pulled once more."""
    if platform.beside is not None:
        for task in (_cleaning(feed), *_audit(f"clean/{feed.name}")):
            platform.beside.process.forget(task)


def clean_feed(platform: Platform, feed: Feed) -> feeds.CleanReport:
    """What cleaning a feed did, beside the run or here; see `feeds.clean_feed`."""
    return _outcome(platform, _cleaning(feed))


def begin_audits(platform: Platform, tables: Iterable[str], day: date | None = None) -> None:
    """Begin to judge tables, now that the step that makes them is done; without a process beside the run, their checks do it.

    Args:
        platform: what to work on.
        tables: names in the catalogue.
        day: of marts, the day that was made; their rows are also written ahead for its publication.
    """
    if platform.beside is not None:
        for task in _following(tables, day):
            platform.beside.process.begin(platform, task)


def audit_table(platform: Platform, table: str, day: date | None = None) -> "list[Finding]":
    """What was found of a table, beside the run or here; see `audits.audit_table`.  With a second process it is kept by `keep_audits`."""
    if platform.beside is not None:
        return platform.beside.audit_table(platform, table, day)
    return audits.audit_table(platform, table, day)


def keep_audits(platform: Platform) -> None:
    """Keep what was found of the tables of a run, now that it is over; without a second process, each check has."""
    if platform.beside is not None:
        platform.beside.keep_audits(platform)


def begin_marts(platform: Platform, day: date, run_id: str) -> None:
    """Begin the marts of a run of a day, each as soon as what it needs was made and judged; without a second process, nothing."""
    if platform.beside is not None:
        platform.beside.begin_marts(platform, day, run_id)


def make_mart(platform: Platform, work: Callable[[Platform, date, str], _R], day: date, run_id: str) -> _R:
    """What the work of MARTS_BESIDE came to that makes a mart, beside the run or here."""
    return _outcome(platform, _mart(work, day, run_id))


def begin_fairness(platform: Platform, day: date) -> None:
    """Begin to audit the fairness of a day's scores, for when nothing else is to be done; without a second process, its step does it."""
    if platform.beside is not None:
        platform.beside.process.begin(platform, _fairness(day))


def audit_fairness(platform: Platform, day: date) -> "tuple[Commit, pd.DataFrame, list[str]]":
    """What `evaluation.audit_fairness` found, beside the run or here."""
    return _outcome(platform, _fairness(day))


def stage_mart(platform: Platform, mart: str, day: date) -> "Staged | None":
    """Write a mart's rows of a day ahead for its publication; None where that saves nothing, or cannot be done."""
    rows = platform.lake.read(mart, partitions=[day.isoformat()])
    with suppress(OSError, sqlite3.Error):  # such as a full disk, of which the publication will speak
        return platform.warehouse.stage(mart, rows, platform.settings.staged_dir)
    return None


def staged_mart(platform: Platform, mart: str, day: date) -> "Staged | None":
    """Where the rows of a mart wait, if they were written ahead beside the run."""
    return None if platform.beside is None else platform.beside.process.outcome_if_begun(_staging(mart, day))


@contextmanager
def working_beside(settings: Settings) -> Iterator[Beside | None]:
    """What works beside one run of these settings; None if nothing shall."""
    _clear(settings)  # a run that was killed left it
    try:
        with second_process(settings) as process:
            yield None if process is None else Beside(process)
    finally:
        _clear(settings)


def _clear(settings: Settings) -> None:
    shutil.rmtree(settings.staged_dir, ignore_errors=True)


def _outcome(platform: Platform, task: Task[_R]) -> _R:
    if platform.beside is not None:
        return platform.beside.process.outcome(platform, task)
    return task.work(platform, *task.arguments)


def _cleaning(feed: Feed) -> Task[feeds.CleanReport]:
    return Task(_clean, (feed.name,), order=(*_NEXT, feeds.IN_ORDER.index(feed)))


def _clean(platform: Platform, feed: str) -> feeds.CleanReport:
    return feeds.clean_feed(platform, FEEDS[feed])


def _audit(table: str, day: date | None = None) -> "tuple[Task[JudgedRows], Task[list[Finding]]]":
    """Both halves of a table's audit; only of the first has the second process loaded what it needs."""
    order = _LAST if table.startswith("marts/") and table != _QUALITY else _FIRST
    rows = Task(audits.judge_rows, (table, day), order=order, is_cheaper_there=True)
    return rows, Task(audits.judge_laws, (table, day), order=order)


def _fairness(day: date) -> "Task[tuple[Commit, pd.DataFrame, list[str]]]":
    return Task(evaluation.audit_fairness, (day,), order=(*_LAST, 1))


def _staging(mart: str, day: date) -> "Task[Staged | None]":
    return Task(stage_mart, (mart, day), order=(*_LAST, 0))


def _following(tables: Iterable[str], day: date | None) -> list[Task[Any]]:
    """What follows once tables are made; of marts, on a day."""
    judging = [task for table in tables if table in AUDITED_TABLES for task in _audit(table, day)]
    return judging if day is None else [*judging, *(_staging(table, day) for table in tables if table in PUBLISHED_MARTS)]


def _mart(work: Callable[[Platform, date, str], _R], day: date, run_id: str) -> Task[_R]:
    return Task(work, (day, run_id), order=_NEXT)
