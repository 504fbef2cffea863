"""Days are published, replayed, pruned, and the publisher is killed, in any order: what is shown is what was published last."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fault_table import KILL_POINTS, MACHINE
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from kill_points import exit_code
from publish_kills import publish_and_die
from published_rows import MART, NOW, day, publish, shown

from kc_pipeline.store.retention import prune
from kc_pipeline.store.warehouse import Warehouse

DAYS = st.integers(1, 6)


class Publishing(RuleBasedStateMachine):
    """The model: what was published, in order, and which day is shown."""

    kills = 0

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.url = f"sqlite:///{folder / 'w.sqlite'}"
        self.warehouse = Warehouse(self.url)
        self.number, self.shown_day = 0, 0
        self.published: dict[str, int] = {}  # snapshot -> the count in all its rows
        self.shown: list[int] = []

    def teardown(self) -> None:
        self.warehouse.engine.dispose()
        self.stack.close()

    def note(self, snapshot: str, on: int) -> None:
        self.published[snapshot] = self.number
        if on >= self.shown_day:
            self.shown, self.shown_day = [self.number], on

    @rule(on=DAYS)
    def a_day_is_published(self, on: int) -> None:
        self.number += 1
        done = publish(self.warehouse, day(on), self.number)
        assert done.is_current == (on >= self.shown_day)
        self.note(done.snapshots[MART], on)

    @rule(step=st.integers(1, 48))
    def the_publisher_is_killed(self, step: int) -> None:
        self.number += 1
        held = set(self.published)
        status = exit_code(publish_and_die, self.url, step, self.number)
        now = {str(row["snapshot_id"]) for row in self.warehouse.snapshots()} - held
        assert len(now) <= 1
        type(self).kills += status == -signal.SIGKILL
        assert status != 0 or len(now) == 1, "what was said to be published is published"
        for snapshot in now:
            self.note(snapshot, self.number)  # it publishes the day of its number

    @precondition(lambda self: self.published)
    @rule()
    def what_was_published_is_published_again(self) -> None:
        snapshot = max(self.published)
        (row,) = (row for row in self.warehouse.snapshots() if row["snapshot_id"] == snapshot and row["mart"] == MART)
        on = (row["as_of"] - day(1)).days + 1
        done = publish(self.warehouse, day(on), self.published[snapshot], snapshot)
        assert set(done.row_counts.values()) == {0}

    @rule()
    def old_snapshots_are_pruned(self) -> None:
        prune(self.warehouse.engine, NOW + timedelta(days=400))

    @invariant()
    def one_snapshot_is_shown_whole(self) -> None:
        assert shown(Warehouse(self.url)) == (self.shown, self.shown)

    @invariant()
    def every_snapshot_is_known_and_its_rows_are_there_or_pruned(self) -> None:
        rows = [row for row in self.warehouse.snapshots() if row["mart"] == MART]
        assert {str(row["snapshot_id"]) for row in rows} == set(self.published)
        for row in rows:
            counts = self.warehouse.read_snapshot(MART, row["snapshot_id"])["received_count"].to_pylist()
            assert counts == ([] if row["pruned_utc"] else [self.published[row["snapshot_id"]]] * 3)


@pytest.mark.fault(29)
@pytest.mark.fault(31)
def test_publishing_with_crashes(record_property: Callable[[str, object], None]) -> None:
    machine = type("Publishing", (Publishing,), {"kills": 0})
    quick = settings(max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=quick)
    record_property(MACHINE, "publish with crashes")
    record_property(KILL_POINTS, machine.kills)
