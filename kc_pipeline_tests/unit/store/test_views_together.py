"""Several views read as one publication left them, whatever is published meanwhile."""

from collections.abc import Callable
from pathlib import Path

import pytest
from published_rows import FACTORS_VIEW, VIEW, day, publish

from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.store import time_travel
from kc_pipeline.store.engines import WarehouseError
from kc_pipeline.store.lake import Lake
from kc_pipeline.store.time_travel import NothingPublishedError, Told, all_told
from kc_pipeline.store.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(f"sqlite:///{tmp_path / 'w.sqlite'}")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def published_after_each_view(monkeypatch: pytest.MonkeyPatch, publish_once: Callable[[int], object], times: int) -> None:
    """Let something be published after each of the first readings of a view."""
    read, done = time_travel.as_told, [0]

    def as_told(*words: object) -> Told:
        told = read(*words)
        done[0] += 1
        if done[0] <= times:
            publish_once(done[0])
        return told

    monkeypatch.setattr(time_travel, "as_told", as_told)


def counts(told: dict[str, Told]) -> set[int]:
    columns = {VIEW: "received_count", FACTORS_VIEW: "observation_count"}
    return {count for view, name in columns.items() for count in told[view].rows[name].to_pylist()}


def test_every_view_of_which_something_was_published_is_there_and_the_reference_tables(warehouse: Warehouse, lake: Lake) -> None:
    publish(warehouse, day(1), 1)
    told = all_told(warehouse, lake, VIEWS)
    assert set(told) == {VIEW, FACTORS_VIEW, "v1_dim_date", "v1_dim_feed"}
    assert counts(told) == {1}


def test_a_publication_between_two_views_is_seen_by_both(warehouse: Warehouse, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(warehouse, day(1), 1)
    published_after_each_view(monkeypatch, lambda turn: publish(warehouse, day(1 + turn), 1 + turn), 1)
    assert counts(all_told(warehouse, lake, [VIEW, FACTORS_VIEW])) == {2}


def test_a_day_is_told_as_it_was_published_last(warehouse: Warehouse, lake: Lake) -> None:
    for number in (1, 2, 11):
        publish(warehouse, day(number % 10), number)
    assert counts(all_told(warehouse, lake, [VIEW, FACTORS_VIEW], day(1))) == {11}


def test_without_a_quiet_moment_it_says_so(warehouse: Warehouse, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(warehouse, day(1), 1)
    published_after_each_view(monkeypatch, lambda turn: publish(warehouse, day(1 + turn), 1 + turn), 99)
    with pytest.raises(WarehouseError, match="others published each of the 3 times"):
        all_told(warehouse, lake, [VIEW, FACTORS_VIEW])


def test_where_nothing_was_published_it_says_what_was(warehouse: Warehouse, lake: Lake) -> None:
    publish(warehouse, day(1), 1)
    with pytest.raises(NothingPublishedError, match="nothing of 2026-07-05 was published; the days published go from 2026-07-01"):
        all_told(warehouse, lake, VIEWS, day(5))
