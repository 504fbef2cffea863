"""Feeds are pulled ahead of the steps of a run, some at a time: most of a pull is waiting for its source.

The steps of a run follow one another; the step of a feed takes what its pull found, or the error that it ended with.
"""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

from kc_pipeline.catalog.sources import Feed
from kc_pipeline.defs.beside import begin_cleaning, forget_cleaning
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import feeds

if TYPE_CHECKING:
    from kc_pipeline.extract.refresh import FeedRefresh


class Puller:
    """Pulls feeds in threads, which end with the process: a pull that is cut off leaves nothing half."""

    def __init__(self, platform: Platform, wanted: Iterable[tuple[Feed, str]]) -> None:
        """Begin to pull.

        Args:
            platform: what to work on.
            wanted: feeds in the order in which they are pulled, each with its first open month.
        """
        self._begun: dict[str, tuple[str, Future[FeedRefresh]]] = {}
        self._queue: SimpleQueue[tuple[Feed, str, Future[FeedRefresh]]] = SimpleQueue()
        self._ended = Event()
        for feed, open_from in wanted:
            begun: Future[FeedRefresh] = Future()
            self._begun[feed.name] = open_from, begun
            self._queue.put((feed, open_from, begun))
        # Made before the threads start, so that all of them know of each portal what one has learnt.
        _ = platform.raw, platform.guards
        for _number in range(platform.settings.pulls_at_once):
            Thread(target=self._work, args=(platform,), daemon=True).start()

    def refresh(self, platform: Platform, feed: Feed, open_from: str) -> "FeedRefresh":
        """What the pull of a feed found, once; a feed that was not begun so is pulled now.  See `feeds.refresh_raw`."""
        begun_from, begun = self._begun.pop(feed.name, (None, None))
        if begun is not None:
            found = begun.result()
            if begun_from == open_from:
                return found
            forget_cleaning(platform, feed)
        return feeds.refresh_raw(platform, feed, open_from)

    def end(self, *, waits: bool) -> None:
        """Begin no more pulls, and perhaps wait for those that are under way."""
        self._ended.set()
        for _, begun in self._begun.values():
            if not begun.cancel() and waits:
                begun.exception()

    def _work(self, platform: Platform) -> None:
        while not self._ended.is_set():
            try:
                feed, open_from, begun = self._queue.get_nowait()
            except Empty:
                return
            if begun.set_running_or_notify_cancel():
                try:
                    found = feeds.refresh_raw(platform, feed, open_from)
                    begin_cleaning(platform, feed)  # before anybody can know that it is pulled
                    begun.set_result(found)
                except Exception as error:  # whoever waits for the pull gets it
                    begun.set_exception(error)


def refresh(platform: Platform, feed: Feed, open_from: str) -> "FeedRefresh":
    """Pull what is open, missing or changed of one feed, or take what was pulled ahead; see `feeds.refresh_raw`."""
    if platform.puller is not None:
        return platform.puller.refresh(platform, feed, open_from)
    return feeds.refresh_raw(platform, feed, open_from)


@contextmanager
def pulling_ahead(platform: Platform, wanted: Iterable[tuple[Feed, str]]) -> Iterator[Platform]:
    """The same platform, whose feeds are being pulled; as it is where KC_PULLS_AT_ONCE is 1."""
    if platform.settings.pulls_at_once == 1:
        yield platform
        return
    puller = Puller(platform, wanted)
    try:
        yield replace(platform, puller=puller)
    finally:
        puller.end(waits=not isinstance(sys.exception(), KeyboardInterrupt))
