"""A second process that works for a run: on one thing at a time, first on what a step waits for."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.util import Finalize
from threading import RLock, Thread
from typing import Any, Generic, TypeVar

from kc_pipeline.defs.resources import Platform
from kc_pipeline.settings import Settings

_R = TypeVar("_R")


@dataclass(frozen=True)
class Task(Generic[_R]):
    """Something that either process can do.

    Attributes:
        work: a function of a module, of a platform and arguments.
        arguments: what it is called with; they can be compared, and sent to another process.
        order: of tasks that nobody waits for yet, those of the lowest order are done first.
        is_cheaper_there: whether the second process has loaded what it needs.
    """

    work: Callable[..., _R]
    arguments: tuple[Any, ...]
    order: tuple[int, ...] = field(default=(), compare=False)
    is_cheaper_there: bool = field(default=False, compare=False)


@dataclass
class _Begun:
    """A task and what it will come to."""

    task: Task[Any]
    settings: Settings
    moment: datetime
    then: Sequence[Task[Any]] = ()
    is_awaited: bool = False
    promised: Future[Any] = field(default_factory=Future)


class SecondProcess:
    """The run's end of it.

    Attributes:
        on_done: told each task that was done there and what it came to, in a thread of this process.
        meanwhile: what this process does, once, when it first has to wait for the other one.
    """

    def __init__(self, pool: Executor) -> None:
        self.on_done: Callable[[Task[Any], Any], None] = lambda _task, _found: None
        self.meanwhile: Callable[[], None] = _nothing
        self._pool = pool
        self._lock = RLock()
        self._begun: dict[Task[Any], _Begun] = {}
        self._waiting: dict[Task[Any], _Begun] = {}
        self._is_busy = False

    def begin(self, platform: Platform, task: Task[Any], then: Sequence[Task[Any]] = ()) -> None:
        """Begin a task, unless it is begun.

        Args:
            platform: what it works on.
            task: what to do.
            then: what to begin once it is done, there and without an error.
        """
        self._begin(_Begun(task, platform.settings, platform.now(), then))

    def hurry(self, task: Task[Any]) -> None:
        """Do a task, if it waits, before those whose outcome nobody waits for."""
        with self._lock:
            if task in self._waiting:
                self._waiting[task].is_awaited = True

    def outcome(self, platform: Platform, task: Task[_R]) -> _R:
        """What a task came to, once; it is done here if it was not begun, if it still waits there, or if the process died."""
        begun = self._taken(task, even_if_it_waits=task.is_cheaper_there)
        if begun is not None:
            if not begun.promised.done():
                meanwhile, self.meanwhile = self.meanwhile, _nothing
                meanwhile()
            with suppress(BrokenProcessPool):
                found: _R = begun.promised.result()
                return found
        return task.work(platform, *task.arguments)

    def outcome_if_begun(self, task: Task[_R]) -> _R | None:
        """What a task came to, once; None if it was not begun, if it still waits there, or if the process died: it is not done then."""
        begun = self._taken(task, even_if_it_waits=False)
        if begun is not None:
            with suppress(BrokenProcessPool):
                found: _R = begun.promised.result()
                return found
        return None

    def forget(self, task: Task[Any]) -> None:
        """Leave undone what was begun, or let it end: what it comes to is no longer asked for."""
        with self._lock:
            begun, is_waiting = self._begun.pop(task, None), self._waiting.pop(task, None) is not None
        if begun is not None and not is_waiting:
            wait([begun.promised])

    def end(self) -> None:
        """Do nothing more; what is being done is not waited for."""
        with self._lock:
            self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _taken(self, task: Task[Any], *, even_if_it_waits: bool) -> _Begun | None:
        """A task that was begun, whose outcome is now asked for; None if it is not done there, and then it is left to the caller."""
        with self._lock:
            begun = self._begun.pop(task, None)
            if begun is not None and task in self._waiting:
                if not even_if_it_waits:
                    del self._waiting[task]
                    return None
                begun.is_awaited = True
        return begun

    def _begin(self, begun: _Begun) -> None:
        with self._lock:
            if begun.task in self._begun:
                return
            self._begun[begun.task] = self._waiting[begun.task] = begun
        self._go_on()

    def _go_on(self) -> None:
        """Give the next task to the other process, if it has none; not while the lock is held, since it may be done at once."""
        while (next_one := self._next()) is not None:
            begun, given = next_one
            given.add_done_callback(partial(self._done, begun))

    def _next(self) -> tuple[_Begun, Future[Any]] | None:
        with self._lock:
            while self._waiting and not self._is_busy:
                # Of those that are alike, what was begun first.
                begun = min(self._waiting.values(), key=lambda waiting: (not waiting.is_awaited, waiting.task.order))
                del self._waiting[begun.task]
                try:
                    given = self._pool.submit(_do, begun.settings, begun.moment, begun.task.work, begun.task.arguments)
                except RuntimeError as error:  # the other process died, or the run is over and nobody asks any more
                    begun.promised.set_exception(error)
                else:
                    self._is_busy = True
                    return begun, given
        return None

    def _done(self, begun: _Begun, given: Future[Any]) -> None:
        error = BrokenProcessPool("the run is over") if given.cancelled() else given.exception()
        try:
            if error is None:  # what follows waits until the process is free, and is then chosen from
                self.on_done(begun.task, given.result())
                for task in begun.then:
                    self._begin(_Begun(task, begun.settings, begun.moment))
        finally:
            with self._lock:
                self._is_busy = False
            self._go_on()
            if error is None:
                begun.promised.set_result(given.result())
            else:
                begun.promised.set_exception(error)


def _nothing() -> None:
    """Nothing is to be done."""


@contextmanager
def second_process(settings: Settings) -> Iterator[SecondProcess | None]:
    """Start one, which loads its libraries meanwhile; none with one processor, or by KC_AUDITOR."""
    if settings.auditor == "here" or (os.cpu_count() or 1) < 2:
        yield None
        return
    pool = ProcessPoolExecutor(1, get_context("spawn"), _set_up, (gc.get_threshold(),))
    pool.submit(_load)
    process = SecondProcess(pool)
    try:
        yield process
    finally:
        process.end()


def _set_up(patience: tuple[int, int, int]) -> None:
    """End with the run, and at once, with all libraries as they are; before anything is asked for, which a killed run no longer does.

    Args:
        patience: thresholds of the garbage collector.
    """
    Thread(target=_end_with_the_run, daemon=True).start()
    Finalize(None, os._exit, args=(0,), exitpriority=-100)
    gc.set_threshold(*patience)


def _load() -> None:
    """Import what judging needs, while nothing is to be judged yet."""
    from kc_pipeline.quality import audit, expectations  # noqa: F401

    gc.freeze()  # what was imported stays, and need not be searched for cycles


def _end_with_the_run() -> None:
    """A run that was killed cannot tell: without it, nobody would take what is made here, and the next run makes it too."""
    run = parent_process()
    if run is not None:
        run.join()
        os._exit(1)


def _do(settings: Settings, moment: datetime, work: Callable[..., _R], arguments: tuple[object, ...]) -> _R:
    platform, clock = _platform(settings)
    clock.moment = moment
    return work(platform, *arguments)


class _Clock:
    """Stands where the run's clock stood when some work was given over."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment


@lru_cache(maxsize=1)
def _platform(settings: Settings) -> tuple[Platform, _Clock]:
    clock = _Clock()
    return Platform(settings, clock), clock
