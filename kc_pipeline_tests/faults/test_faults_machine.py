"""A source that changes in every way between refreshes, against the real transport and raw store."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fault_feeds import HISTORY, FeedRig, feed_rig
from fault_table import MACHINE
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from scripted_portal import request_row

from kc_pipeline.extract.table import read_pull

MONTHS = ("2026-05", "2026-06", "2026-07")
PLACES = st.integers(0, 99)
OLD = "2025-01-01T00:00:00.000Z"
Content = dict[str, tuple[str | None, str | None]]


class Source(RuleBasedStateMachine):
    """Rows come late, are corrected, deleted, moved and issued anew; refreshes and sweeps follow."""

    kind = "soda2"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.rig: FeedRig = feed_rig(self.stack, self.kind, Path(self.stack.enter_context(TemporaryDirectory())))
        self.clock = self.number = 0
        self.seen: dict[tuple[str, str], Content] = {}  # (partition, pull) -> what was kept when it was made

    def teardown(self) -> None:
        self.stack.close()

    def moment(self) -> str:
        """A time of change later than any before."""
        self.clock += 1
        return f"2026-07-10T00:{self.clock // 60:02d}:{self.clock % 60:02d}.000Z"

    def insert(self, month: str, updated: str) -> None:
        self.number += 1
        row = request_row(100 + self.number, f"{month}-10T00:00:00.000", updated)
        self.rig.fake.rows.append({**row, ":id": f"row-{(self.number * 7919) % 100_000:06d}"})

    @rule(month=st.sampled_from(MONTHS))
    def a_row_comes(self, month: str) -> None:
        self.insert(month, self.moment())

    @rule(month=st.sampled_from(MONTHS))
    def a_late_row_comes_with_an_old_time_of_change(self, month: str) -> None:
        self.insert(month, OLD)

    @precondition(lambda self: self.rig.fake.rows)
    @rule(place=PLACES)
    def a_row_is_corrected(self, place: int) -> None:
        row = self.rig.fake.rows[place % len(self.rig.fake.rows)]
        row |= {"lat_long": f"POINT (-94.{self.clock} 39.2)", ":updated_at": self.moment()}

    @precondition(lambda self: self.rig.fake.rows)
    @rule(place=PLACES)
    def a_row_is_deleted(self, place: int) -> None:
        del self.rig.fake.rows[place % len(self.rig.fake.rows)]

    @precondition(lambda self: self.rig.fake.rows)
    @rule(place=PLACES)
    def a_row_goes_and_a_late_one_takes_its_place(self, place: int) -> None:
        gone = self.rig.fake.rows.pop(place % len(self.rig.fake.rows))
        self.insert((gone["open_date_time"] or "2026-05")[:7], OLD)

    @precondition(lambda self: self.rig.fake.rows)
    @rule(place=PLACES, month=st.sampled_from([*MONTHS, None]))
    def a_row_moves(self, place: int, month: str | None) -> None:
        row = self.rig.fake.rows[place % len(self.rig.fake.rows)]
        row |= {"open_date_time": month and f"{month}-20T00:00:00.000", ":updated_at": self.moment()}

    @rule()
    def everything_is_replaced(self) -> None:
        moment = self.moment()
        for row in self.rig.fake.rows:
            row[":updated_at"] = moment

    @rule()
    def everything_is_issued_anew(self) -> None:
        moment = self.moment()
        for n, row in enumerate(self.rig.fake.rows):
            row |= {":id": f"issue{self.clock}-{n:04d}", ":updated_at": moment}

    @rule()
    def refresh(self) -> None:
        before = self.by_partition(self.rig.fake.rows)
        known = {partition: self.told(rows) for partition, rows in self.last.items()} if hasattr(self, "last") else {}
        self.rig.refresh()
        self.remember()
        for partition, rows in before.items():
            is_open = partition >= "2026-07" and partition != "undated"
            if is_open or self.told(rows) != known.get(partition):
                assert self.kept(partition) == self.content(rows)
        self.last = {p: rows if self.kept(p) == self.content(rows) else self.last[p] for p, rows in before.items()}
        assert sum(len(self.kept(partition)) for partition in before) == len(self.rig.fake.rows)

    @rule()
    def sweep(self) -> None:
        self.rig.refresh(HISTORY)
        self.remember()
        self.last = self.by_partition(self.rig.fake.rows)
        for partition in {*self.last, *self.rig.store.partitions("streetlight_outages", "aaaa-1111")}:
            assert self.kept(partition) == self.content(self.last.get(partition, []))

    def by_partition(self, rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault((row["open_date_time"] or "undated")[:7], []).append(dict(row))
        return found

    def told(self, rows: list[dict[str, Any]]) -> tuple[int, str | None]:
        """What a survey says of some rows."""
        return len(rows), max((row[":updated_at"] for row in rows), default=None)

    def content(self, rows: list[dict[str, Any]]) -> Content:
        return {row[":id"]: (row["open_date_time"], row["lat_long"].split()[1][1:]) for row in rows}

    def kept(self, partition: str) -> Content:
        latest = self.rig.store.latest("streetlight_outages", "aaaa-1111", partition)
        return self.read(latest) if latest else {}

    def read(self, manifest: Any) -> Content:
        rows = read_pull(self.rig.store, manifest).to_pylist()
        assert len(rows) == manifest.row_count == len({row["row_id"] for row in rows})
        return {row["row_id"]: (row["opened_at"], row["longitude"]) for row in rows}

    def remember(self) -> None:
        """Every pull still says what it said when it was made, and the chain holds."""
        for partition in self.rig.store.partitions("streetlight_outages", "aaaa-1111"):
            manifests = self.rig.store.pulls("streetlight_outages", "aaaa-1111", partition)
            assert self.rig.store.verify("streetlight_outages", "aaaa-1111", partition) == len(manifests)
            assert [manifest.pull_id for manifest in manifests] == [f"{n + 1:06d}" for n in range(len(manifests))]
            for manifest in manifests:
                content = self.read(manifest)
                assert self.seen.setdefault((partition, manifest.pull_id), content) == content


@pytest.mark.fault(15)
@pytest.mark.fault(16)
@pytest.mark.fault(17)
@pytest.mark.fault(18)
@pytest.mark.parametrize("kind", ["soda2", "soda3"])
def test_a_source_with_incremental_pulls(kind: str, record_property: Callable[[str, object], None]) -> None:
    machine = type("Source", (Source,), {"kind": kind})
    quick = settings(max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=quick)
    record_property(MACHINE, "source with incremental pulls")
