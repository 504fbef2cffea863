"""Two writers at once (row 31), step by step in any order, and side by side: one wins, the other says why, nothing is lost or twice."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fault_table import MACHINE
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from kill_points import started
from published_rows import day, publish, shown
from written_whole import PLACE, PROTOCOLS, TABLE, now, places, pull_facts

from kc_pipeline.extract.errors import TransientSourceError
from kc_pipeline.extract.raw import PullWriter, RawStore
from kc_pipeline.ordinance.cases import CaseLedger
from kc_pipeline.store.lake import Lake, LakeConflictError
from kc_pipeline.store.warehouse import PublishConflictError, Warehouse

WRITERS = st.sampled_from(["first", "second"])


class Writers(RuleBasedStateMachine):
    """Two writers of one partition, one table and one warehouse; the model: what was acknowledged, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.stores = {name: RawStore(self.folder / "raw") for name in ("first", "second")}
        self.lakes = {name: Lake(self.folder / "lake") for name in ("first", "second")}
        self.url = f"sqlite:///{self.folder / 'w.sqlite'}"
        self.warehouses = {name: Warehouse(self.url) for name in ("first", "second")}
        self.open: dict[str, tuple[PullWriter, int]] = {}
        self.number = 0
        self.pulls: list[int] = []
        self.versions: list[int] = []
        self.shown: list[int] = []

    def teardown(self) -> None:
        for warehouse in self.warehouses.values():
            warehouse.engine.dispose()
        self.stack.close()

    @precondition(lambda self: len(self.open) < 2)
    @rule(name=WRITERS)
    def a_pull_begins(self, name: str) -> None:
        if name not in self.open:
            self.number += 1
            writer = self.stores[name].begin(*PLACE)
            page = b":id,name\n1,%d\n" % self.number
            writer.add_page(page, "csv", "identity", page, 1)
            self.open[name] = (writer, self.number)

    @precondition(lambda self: self.open)
    @rule(name=WRITERS)
    def a_pull_is_committed(self, name: str) -> None:
        if name in self.open:
            writer, number = self.open.pop(name)
            with writer:
                writer.commit(pull_facts(number, rows=1), now)
            self.pulls.append(number)

    @precondition(lambda self: self.open)
    @rule(name=WRITERS)
    def a_pull_is_given_up(self, name: str) -> None:
        if name in self.open:
            with self.open.pop(name)[0]:
                pass

    @rule(name=WRITERS)
    def debris_is_cleared(self, name: str) -> None:
        assert self.stores[name].clear_debris() == 0, "what the other is writing is no debris"

    @rule(name=WRITERS)
    def a_table_is_written(self, name: str) -> None:
        self.number += 1
        self.lakes[name].write(TABLE, places(self.number, 2), made_from={"number": self.number})
        self.versions.append(self.number)

    @rule(name=WRITERS)
    def a_table_is_written_as_it_is(self, name: str) -> None:
        if self.versions:
            assert self.lakes[name].write(TABLE, places(self.versions[-1], 2)).changed == ()

    @rule(name=WRITERS)
    def a_day_is_published(self, name: str) -> None:
        self.number += 1
        publish(self.warehouses[name], day(self.number), self.number)
        self.shown = [self.number]

    @invariant()
    def every_acknowledged_pull_is_there_in_order(self) -> None:
        for store in self.stores.values():
            assert store.verify(*PLACE) == len(self.pulls)
            found = [int(store.page_bytes(pull, pull.pages[0]).split(b",")[-1]) for pull in store.pulls(*PLACE)]
            assert found == self.pulls

    @invariant()
    def both_read_the_newest_version(self) -> None:
        for lake in self.lakes.values():
            assert set(lake.read(TABLE)["parcel_id"].to_pylist()) == {str(number) for number in self.versions[-1:]}
            assert lake.alterations(TABLE) == []
        assert self.lakes["first"].version(TABLE) == (len(self.versions) - 1 if self.versions else None)

    @invariant()
    def both_show_the_newest_day(self) -> None:
        assert {str(shown(warehouse)) for warehouse in self.warehouses.values()} == {str((self.shown, self.shown))}


@pytest.mark.fault(31)
def test_two_writers_in_any_order(record_property: Callable[[str, object], None]) -> None:
    quick = settings(max_examples=10, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Writers, settings=quick)
    record_property(MACHINE, "two writers")


def write_many(folder: Path, name: str, first: int, told: Path) -> None:
    """Write ten times; what was acknowledged, and what was said of the rest, goes into a file."""
    acknowledged, refused = [], []
    for number in range(first, first + 10):
        try:
            PROTOCOLS[name].write(folder, number)
            acknowledged.append(number)
        except (TransientSourceError, LakeConflictError) as error:
            refused.append(str(error))
    told.write_text(json.dumps([acknowledged, refused]))


@pytest.mark.parametrize("name", ["a pull", "a table of the lake", "a step of a case"])
@pytest.mark.fault(31)
def test_two_writers_side_by_side(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    PROTOCOLS[name].write(folder, 1)
    both = [started(write_many, folder, name, first, tmp_path / f"{first}.json") for first in (100, 200)]
    for process in both:
        process.join(120)
        assert process.exitcode == 0
    told = [json.loads((tmp_path / f"{first}.json").read_text()) for first in (100, 200)]
    acknowledged = [number for numbers, _ in told for number in numbers]
    assert len(acknowledged) >= 10
    assert all("another run" in said for _, refused in told for said in refused)
    assert all(len(numbers) + len(refused) == 10 for numbers, refused in told)
    written = {"a pull": pulls_of, "a table of the lake": versions_of, "a step of a case": steps_of}[name](folder)
    assert sorted(written) == sorted([1, *acknowledged]), "each that was acknowledged is there once"
    for numbers, _ in told:
        assert [number for number in written if number in numbers] == numbers, "in the order in which each wrote them"


def pulls_of(folder: Path) -> list[int]:
    store = RawStore(folder)
    store.verify(*PLACE)
    return [int(store.page_bytes(pull, pull.pages[0]).split(b",")[-1]) for pull in store.pulls(*PLACE)]


def versions_of(folder: Path) -> list[int]:
    lake = Lake(folder)
    assert lake.alterations(TABLE) == []
    return [int(str(lake.made_from(TABLE, version)["number"])) for version in range((lake.version(TABLE) or 0) + 1)]


def steps_of(folder: Path) -> list[int]:
    return [int(step.note) for step in CaseLedger(folder / "ledger.jsonl").steps()]


@pytest.mark.fault(33)
def test_a_reader_of_the_lake_sees_one_version_while_others_are_written(tmp_path: Path) -> None:
    write_versions(tmp_path, 1, 2)
    process, seen = started(write_versions, tmp_path, 2, 30), set()
    while process.is_alive():
        numbers = set(Lake(tmp_path).read(TABLE)["parcel_id"].to_pylist())
        assert len(numbers) == 1
        seen |= numbers
    process.join(60)
    assert process.exitcode == 0
    assert len(seen) > 1, "it read while it was written"
    assert set(Lake(tmp_path).read(TABLE)["parcel_id"].to_pylist()) == {"29"}


def write_versions(folder: Path, first: int, end: int) -> None:
    for number in range(first, end):
        Lake(folder).write(TABLE, places(number, 3), made_from={"number": number})


@pytest.mark.fault(31)
def test_a_pointer_that_another_moved_is_not_moved_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'w.sqlite'}"
    late, other = Warehouse(url), Warehouse(url)
    publish(late, day(1), 1)
    seen = late._pointers()
    publish(other, day(2), 2)
    monkeypatch.setattr(late, "_pointers", lambda: seen)  # what it saw before the other published
    with pytest.raises(PublishConflictError, match="run again"):
        publish(late, day(3), 3)
    assert shown(other) == ([2], [2])
