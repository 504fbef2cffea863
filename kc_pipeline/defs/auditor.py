"""Tables are judged beside a run, in a second process that has Great Expectations loaded by the time the first table is clean.

The steps of a run follow one another; judging a table needs nothing but the lake's files, so it is begun as soon as its step is
done, and the check waits for what was found.  One process judges all tables, one after the other: two would both write quality/audit.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from kc_pipeline.catalog.rules import AUDITED_TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import audits
from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding


class Auditor:
    """Judges tables in another process."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._begun: dict[tuple[str, date | None], Future[list[Finding]]] = {}

    def begin(self, platform: Platform, table: str, day: date | None) -> None:
        """Begin to judge a table."""
        with suppress(BrokenProcessPool):
            self._begun[table, day] = self._pool.submit(_judge, platform.settings, platform.now(), table, day)

    def findings(self, platform: Platform, table: str, day: date | None) -> "list[Finding]":
        """What was found of a table; it is judged now if that was not begun, and here if the other process died."""
        if (table, day) not in self._begun:
            self.begin(platform, table, day)
        begun = self._begun.pop((table, day), None)
        if begun is not None:
            with suppress(BrokenProcessPool):
                return begun.result()
        return audits.audit_table(platform, table, day)


def begin_audits(platform: Platform, tables: Iterable[str], day: date | None = None) -> None:
    """Begin to judge tables, now that the step that makes them is done; without a process beside the run, their checks do it.

    Args:
        platform: what to work on.
        tables: names in the catalogue.
        day: of marts, the day that was made.
    """
    if platform.auditor is not None:
        for table in tables:
            if table in AUDITED_TABLES:
                platform.auditor.begin(platform, table, day)


def audit_table(platform: Platform, table: str, day: date | None = None) -> "list[Finding]":
    """What was found of a table, beside the run or here; see `audits.audit_table`."""
    if platform.auditor is not None:
        return platform.auditor.findings(platform, table, day)
    return audits.audit_table(platform, table, day)


@contextmanager
def auditing_beside(platform: Platform) -> Iterator[Platform]:
    """The same platform, whose tables are judged beside the run; with one processor, or by KC_AUDITOR, in the run itself."""
    if platform.settings.auditor == "here" or (os.cpu_count() or 1) < 2:
        yield platform
        return
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    pool.submit(_load)
    try:
        yield replace(platform, auditor=Auditor(pool))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # the process ends while the run is reported


def _load() -> None:
    """Import what judging needs, while nothing is to be judged yet; and end at once in the end, with all its libraries as they are."""
    from kc_pipeline.quality import audit, expectations  # noqa: F401

    Finalize(None, os._exit, args=(0,), exitpriority=-100)


def _judge(settings: Settings, moment: datetime, table: str, day: date | None) -> "list[Finding]":
    platform, clock = _beside(settings)
    clock.moment = moment
    return audits.audit_table(platform, table, day)


class _Clock:
    """Stands where the run's clock stood when a table was given over."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment


@lru_cache(maxsize=1)
def _beside(settings: Settings) -> tuple[Platform, _Clock]:
    clock = _Clock()
    return Platform(settings, clock), clock
