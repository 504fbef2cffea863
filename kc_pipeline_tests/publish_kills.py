"""Kill a process at any step of a publication."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from published_rows import day, publish

from kc_pipeline.store import bulk
from kc_pipeline.store.warehouse import Warehouse


@contextmanager
def dying_at(step: int) -> Iterator[list[int]]:
    """Kill this process at the given step of what it does with a database; 0: count the steps only.

    Steps are before and after every statement, every block of rows, and every commit.
    """
    done = [0]

    def count(*_: object) -> None:
        done[0] += 1
        if done[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    blocks = bulk._blocks

    def counted(rows):
        for block in blocks(rows):
            count()
            yield block
            count()

    events = ["before_cursor_execute", "after_cursor_execute", "begin", "commit"]
    bulk._blocks = counted
    for event in events:
        sa.event.listen(sa.Engine, event, count)
    try:
        yield done
    finally:
        bulk._blocks = blocks
        for event in events:
            sa.event.remove(sa.Engine, event, count)


def publish_and_die(url: str, step: int, number: int) -> None:
    """Publish a day in a process of its own, which dies at a step."""
    bulk._ROWS_PER_BLOCK = 1
    warehouse = Warehouse(url)
    with dying_at(step):
        publish(warehouse, day(number), number)
