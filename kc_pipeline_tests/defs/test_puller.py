"""Feeds that are pulled ahead of a run's steps: each once, some at a time, and an error where its step is."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.defs import puller
from kc_pipeline.defs.beside import CLEANED_BESIDE, Beside
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.second_process import SecondProcess, Task
from kc_pipeline.extract.errors import TransientSourceError
from kc_pipeline.extract.refresh import FeedRefresh
from kc_pipeline.settings import load_settings

WANTED = [(feed, "2026-05") for feed in list(FEEDS.values())[:4]]
FIRST, LAST = WANTED[0][0], WANTED[-1][0]


@pytest.fixture
def stores(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}))


class Pulls:
    """Stands in for `feeds.refresh_raw`, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self.together = threading.Barrier(3, timeout=10)
        self.goes_on = threading.Event()
        self.goes_on.set()
        monkeypatch.setattr(puller.feeds, "refresh_raw", self)

    def __call__(self, _platform: Platform, feed: Feed, open_from: str) -> FeedRefresh:
        self.asked.append((feed.name, open_from))
        if len(self.asked) <= 3:
            self.together.wait()
        assert self.goes_on.wait(10)
        if self.asked.count((feed.name, open_from)) == 1 and feed is LAST:
            raise TransientSourceError(f"{feed.name} is down")
        return FeedRefresh(feed.name)


def test_three_feeds_are_pulled_together_and_each_step_takes_its_own(stores: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pulls = Pulls(monkeypatch)
    with puller.pulling_ahead(stores, WANTED) as pulled:
        for feed, open_from in WANTED[:-1]:
            assert puller.refresh(pulled, feed, open_from).feed == feed.name
    assert sorted(pulls.asked) == sorted((feed.name, open_from) for feed, open_from in WANTED)


def test_an_error_is_raised_where_the_step_is_and_a_retry_pulls_again(stores: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pulls = Pulls(monkeypatch)
    with puller.pulling_ahead(stores, WANTED) as pulled:
        with pytest.raises(TransientSourceError, match="is down"):
            puller.refresh(pulled, LAST, "2026-05")
        assert puller.refresh(pulled, LAST, "2026-05").feed == LAST.name
    assert pulls.asked.count((LAST.name, "2026-05")) == 2


def test_a_step_that_wants_other_months_pulls_them(stores: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pulls = Pulls(monkeypatch)
    with puller.pulling_ahead(stores, WANTED) as pulled:
        puller.refresh(pulled, FIRST, "2026-01")
    assert {opened for name, opened in pulls.asked if name == FIRST.name} == {"2026-05", "2026-01"}


class Noted(SecondProcess):
    """Does nothing, but notes what it was asked to begin, or to forget."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def begin(self, _platform: Platform, task: Task[Any], then: Sequence[Task[Any]] = ()) -> None:
        self.told += [("begin", task.arguments[0]), *(("then", follows.arguments[0]) for follows in then)]

    def forget(self, task: Task[Any]) -> None:
        self.told.append(("forget", task.arguments[0]))


def test_some_feeds_are_cleaned_beside_the_run_as_soon_as_they_are_pulled(stores: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    Pulls(monkeypatch)
    noted, cleaned = Noted(), [feed for feed, _ in WANTED[:-1] if feed.name in CLEANED_BESIDE]
    with puller.pulling_ahead(replace(stores, beside=Beside(noted)), WANTED) as pulled:
        for feed, open_from in WANTED[:-1]:
            puller.refresh(pulled, feed, open_from)
        with pytest.raises(TransientSourceError):
            puller.refresh(pulled, LAST, "2026-05")
    assert cleaned
    assert LAST.name in CLEANED_BESIDE  # and yet it is not begun: its pull failed
    begun = [(("begin", feed.name), *[("then", f"clean/{feed.name}")] * 2) for feed in cleaned]  # rows and laws are judged apart
    assert sorted(noted.told) == sorted(told for all_of in begun for told in all_of)


def test_cleaning_begins_anew_for_a_step_that_wants_other_months(stores: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    Pulls(monkeypatch)
    noted, feed = Noted(), next(feed for feed, _ in WANTED[:-1] if feed.name in CLEANED_BESIDE)
    with puller.pulling_ahead(replace(stores, beside=Beside(noted)), WANTED) as pulled:
        puller.refresh(pulled, feed, "2026-01")
    own, clean = feed.name, f"clean/{feed.name}"
    told = [("begin", own), *[("then", clean)] * 2, ("forget", own), *[("forget", clean)] * 2]
    assert [each for each in noted.told if each[1] in (own, clean)] == told


def test_what_was_not_begun_is_not_begun_after_the_run(stores: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    pulls = Pulls(monkeypatch)
    pulls.goes_on.clear()

    def breaks_off() -> None:
        with puller.pulling_ahead(stores, WANTED):
            while len(pulls.asked) < 3:
                threading.Event().wait(0.01)
            threading.Timer(0.2, pulls.goes_on.set).start()
            raise RuntimeError("the run broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        breaks_off()
    assert len(pulls.asked) == 3


def test_one_at_a_time_is_left_to_the_steps(stores: Platform) -> None:
    with puller.pulling_ahead(replace(stores, settings=replace(stores.settings, pulls_at_once=1)), WANTED) as pulled:
        assert pulled.puller is None
