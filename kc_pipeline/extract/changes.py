"""Which data sets say that they changed, without reading a row of them."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from kc_pipeline.catalog.sources import Feed, MissingDataSetError, planned_data_sets
from kc_pipeline.extract.errors import SourceError
from kc_pipeline.extract.guard import Guards
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.sources import open_sources
from kc_pipeline.extract.transport import DEFAULT_PAGE_SIZE, month_of
from kc_pipeline.settings import Settings


class States(NamedTuple):
    """What sources said.

    Attributes:
        said: 'feed/data set' -> its state, of those that have one.
        failed: 'feed/data set' -> why it could not be asked.
    """

    said: dict[str, str]
    failed: dict[str, str]


def ask_states(
    feeds: Iterable[Feed],
    settings: Settings,
    store: RawStore,
    now: Callable[[], datetime],
    *,
    sleep: Callable[[float], None] = time.sleep,
    guards: Guards | None = None,
) -> States:
    """Ask every data set of some feeds for its state; what cannot be asked keeps nobody from answering."""
    said: dict[str, str] = {}
    failed: dict[str, str] = {}
    with open_sources(settings, store, now, DEFAULT_PAGE_SIZE, sleep, guards) as sources:
        for feed in feeds:
            try:
                planned = planned_data_sets(feed, settings.history_start, month_of(now()))
            except MissingDataSetError as error:
                failed[feed.name] = str(error)
                continue
            for data_set in planned:
                name = f"{feed.name}/{data_set.id}"
                try:
                    transport = sources.of(data_set)
                    state = transport.state(data_set) if transport else None
                except SourceError as error:
                    failed[name] = str(error)
                else:
                    if state is not None:
                        said[name] = state
    return States(said, failed)
