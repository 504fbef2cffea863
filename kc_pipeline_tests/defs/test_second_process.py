"""Tasks for a second process: in which order they are done, by whom, and that each comes to what it would have come to here."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.second_process import SecondProcess, Task
from kc_pipeline.settings import load_settings


@pytest.fixture
def stores(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}))


def double(_platform: Platform, number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is below zero")
    return 2 * number


class Held(Executor):
    """Notes what it is given, and does it when it is told to."""

    def __init__(self) -> None:
        self.given: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, do: Callable[..., Any], /, *arguments: Any, **_named: Any) -> "Future[Any]":
        self.given.append((Future(), do, arguments))
        return self.given[-1][0]

    def numbers(self) -> list[int]:
        return [arguments[-1][0] for _, _, arguments in self.given]

    def go_on(self) -> None:
        future, do, arguments = self.given[-1]
        try:
            result = do(*arguments)
        except ValueError as error:
            future.set_exception(error)
        else:
            future.set_result(result)


def task(number: int, order: int = 0, **more: Any) -> Task[int]:
    return Task(double, (number,), (order,), **more)


def test_of_what_waits_the_lowest_order_is_done_first_and_then_what_was_begun_first(stores: Platform) -> None:
    pool = Held()
    process = SecondProcess(pool)
    for number, order in ((1, 2), (2, 2), (3, 1), (4, 0), (5, 0), (1, 0)):
        process.begin(stores, task(number, order))
    for _ in range(5):
        pool.go_on()
    assert pool.numbers() == [1, 4, 5, 3, 2]
    assert [process.outcome(stores, task(number)) for number in range(1, 6)] == [2, 4, 6, 8, 10]


def test_a_task_that_still_waits_is_done_by_whoever_asks_for_it(stores: Platform) -> None:
    pool = Held()
    process = SecondProcess(pool)
    process.begin(stores, task(1))
    process.begin(stores, task(2), then=[task(3)])
    assert process.outcome(stores, task(2)) == 4
    pool.go_on()
    assert pool.numbers() == [1], "neither what was done here nor what would have followed it there"


def test_a_task_that_is_hurried_is_done_before_those_that_nobody_waits_for(stores: Platform) -> None:
    pool = Held()
    process = SecondProcess(pool)
    for number in (1, 2, 3):
        process.begin(stores, task(number))
    for number in (3, 9):
        process.hurry(task(number))
    for _ in range(3):
        pool.go_on()
    assert pool.numbers() == [1, 3, 2]


def test_a_task_is_left_undone_where_its_outcome_is_wanted_only_if_it_was_begun(stores: Platform) -> None:
    pool = Held()
    process = SecondProcess(pool)
    for number in (1, 2, 3):
        process.begin(stores, task(number))
    assert process.outcome_if_begun(task(2)) is None, "it still waits"
    assert process.outcome_if_begun(task(4)) is None, "it was never begun"
    pool.go_on()
    assert process.outcome_if_begun(task(1)) == 2
    assert process.outcome_if_begun(task(1)) is None, "once"
    assert pool.numbers() == [1, 3], "what nobody waits for is not done any more"
    pool.given[-1][0].set_exception(BrokenProcessPool())
    assert process.outcome_if_begun(task(3)) is None


def test_the_first_wait_is_used_for_what_can_be_done_meanwhile(stores: Platform) -> None:
    pool = Held()
    process, done = SecondProcess(pool), []

    def meanwhile() -> None:
        done.append("meanwhile")
        pool.go_on()

    process.meanwhile = meanwhile
    process.begin(stores, task(1))
    pool.go_on()
    assert process.outcome(stores, task(1)) == 2
    assert done == [], "what it asked for was done already"
    for number in (2, 3):
        process.begin(stores, task(number))
    assert process.outcome(stores, task(2)) == 4
    pool.go_on()
    assert process.outcome(stores, task(3)) == 6
    assert done == ["meanwhile"]


def test_what_follows_is_begun_after_a_success_and_not_after_an_error(stores: Platform) -> None:
    pool = Held()
    process = SecondProcess(pool)
    told: list[tuple[int, int]] = []
    process.on_done = lambda done, found: told.append((done.arguments[0], found))
    process.begin(stores, task(-1), then=[task(5)])
    process.begin(stores, task(1), then=[task(6)])
    for _ in range(3):
        pool.go_on()
    assert pool.numbers() == [-1, 1, 6]
    assert told == [(1, 2), (6, 12)]
    with pytest.raises(ValueError, match="-1 is below zero"):
        process.outcome(stores, task(-1))


def test_what_is_forgotten_is_not_done_or_not_taken(stores: Platform) -> None:
    pool = Held()
    process = SecondProcess(pool)
    process.begin(stores, task(1))
    process.begin(stores, task(2))
    process.forget(task(2))
    process.forget(task(3))
    pool.go_on()
    process.forget(task(1))
    assert pool.numbers() == [1]
    process.begin(stores, task(1))
    assert pool.numbers() == [1, 1], "it is begun anew"


def test_tasks_are_done_here_once_the_other_process_died(stores: Platform) -> None:
    class Dead(Executor):
        def submit(self, *_given: Any, **_named: Any) -> "Future[Any]":
            raise BrokenProcessPool("it died")

    process = SecondProcess(Dead())
    process.begin(stores, task(4))
    assert process.outcome(stores, task(4, is_cheaper_there=True)) == 8


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_many_who_begin_and_ask_at_once_each_get_their_own(stores: Platform, threads: ThreadPoolExecutor) -> None:
    with ThreadPoolExecutor(1) as pool:
        process = SecondProcess(pool)
        process.on_done = lambda done, _found: (
            process.begin(stores, task(done.arguments[0] + 100_000)) if done.arguments[0] < 1000 else None
        )

        def ask(start: int) -> list[int]:
            numbers = range(start, 8 * 100, 8)
            for number in numbers:
                process.begin(stores, task(number, number % 3, is_cheaper_there=number % 2 == 0), then=[task(number + 10_000)])
            return [process.outcome(stores, task(number, is_cheaper_there=number % 2 == 0)) for number in numbers]

        found = [future.result(60) for future in [threads.submit(ask, start) for start in range(8)]]
    assert sorted(result for results in found for result in results) == [2 * number for number in range(800)]
