"""Publishing while others read, write, or pull the plug: what is shown is the old or the new snapshot, whole."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from fault_table import KILL_POINTS
from kill_points import exit_code, started
from publish_kills import dying_at, publish_and_die
from published_rows import FACTORS, NOW, day, factors, publish, shown

from kc_pipeline.store import bulk
from kc_pipeline.store.warehouse import PublishConflictError, Warehouse


def steps_of_a_publish(url: str) -> int:
    warehouse = Warehouse(url)
    with dying_at(0) as done:
        publish(warehouse, day(1), 1)
    return done[0]


@pytest.mark.fault(29)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_snapshot(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(bulk, "_ROWS_PER_BLOCK", 1)
    steps = steps_of_a_publish(warehouse_url)
    assert steps > 30, "statements, blocks and commits are all counted"
    before = 1
    for step in range(1, steps + 2):
        number = step + 1
        status = exit_code(publish_and_die, warehouse_url, step, number)
        opened = Warehouse(warehouse_url)
        now = shown(opened)
        assert now in (([before], [before]), ([number], [number])), f"torn at step {step} of {steps}"
        acknowledged = status == 0
        assert status == -signal.SIGKILL or acknowledged
        assert not acknowledged or now == ([number], [number]), "what was said to be published is published"
        before = now[0][0]
        held = {row["snapshot_id"] for row in opened.snapshots()}
        with opened.engine.connect() as connection:
            in_history = set(connection.scalars(sa.text("select distinct snapshot_id from source_quality_history")))
        assert in_history == held, "no rows without their snapshot, no snapshot without its rows"
    assert acknowledged, "the last round was past the last step"
    record_property(KILL_POINTS, steps)


@pytest.mark.fault(33)
def test_readers_see_one_snapshot_while_others_are_published(warehouse_url: str) -> None:
    warehouse = Warehouse(warehouse_url)
    publish(warehouse, day(1), 1)
    stop, failed, seen = threading.Event(), [], set()

    def read() -> None:
        own = Warehouse(warehouse_url)
        while not stop.is_set():
            try:
                with own.engine.connect() as connection:
                    counts = connection.scalars(sa.text("select distinct received_count from v1_source_quality")).all()
                    rows = connection.scalar(sa.text("select count(*) from v1_source_quality"))
            except sa.exc.DBAPIError as error:
                failed.append(str(error))
                return
            if len(counts) != 1 or rows != 3:
                failed.append(f"{counts} {rows}")
            seen.update(counts)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, 25):
        publish(warehouse, day(number), number)
    stop.set()
    for reader in readers:
        reader.join()
    assert not failed
    assert seen <= set(range(1, 25))
    assert len(seen) > 1, "the readers read while it went on"


@pytest.mark.fault(34)
def test_a_reader_that_stays_sees_what_it_saw(warehouse_url: str) -> None:
    warehouse = Warehouse(warehouse_url)
    publish(warehouse, day(1), 1)
    reader = Warehouse(warehouse_url).engine.execution_options(
        **({"isolation_level": "REPEATABLE READ"} if warehouse_url.startswith("postgresql") else {})
    )
    query = sa.text("select distinct received_count from v1_source_quality")
    with reader.begin() as connection:
        assert connection.scalars(query).all() == [1]
        for number in range(2, 6):
            publish(warehouse, day(number), number)
        assert connection.scalars(query).all() == [1]
    assert shown(warehouse) == ([5], [5])


@pytest.mark.fault(31)
def test_two_runs_at_once_both_publish_or_one_says_why(warehouse_url: str) -> None:
    """Every run that ends well is in the history, and the newest day is shown, whoever came last."""
    Warehouse(warehouse_url)
    start = threading.Barrier(2)
    told: dict[int, str] = {}

    def run(number: int) -> None:
        own = Warehouse(warehouse_url)
        for turn in range(10):
            start.wait()
            try:
                publish(own, day(2 * turn + number), 2 * turn + number)
                told[2 * turn + number] = "published"
            except PublishConflictError as error:
                told[2 * turn + number] = str(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    published = {number for number, said in told.items() if said == "published"}
    assert all("run again" in said for said in told.values() if said != "published")
    warehouse = Warehouse(warehouse_url)
    assert {row["as_of"] for row in warehouse.snapshots()} == {day(number) for number in published}
    assert len(published) >= 10, "at least one of the two gets through each time"
    (count,) = shown(warehouse)[0]
    assert count in published
    assert all(warehouse.read_snapshot(row["mart"], row["snapshot_id"]).num_rows == 3 for row in warehouse.snapshots())


@pytest.mark.fault(31)
def test_a_publish_that_finds_another_writing_for_long_says_so(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kc_pipeline.store.engines.WAIT_SECONDS", 0.2)
    warehouse, other = Warehouse(warehouse_url), Warehouse(warehouse_url)
    publish(warehouse, day(1), 1)
    with other._writer.begin() as connection:
        connection.execute(sa.text("update current_snapshot set as_of = as_of"))
        with pytest.raises(PublishConflictError, match="another run is publishing"):
            publish(warehouse, day(2), 2, "s0000000009")
    publish(warehouse, day(2), 2)
    assert shown(warehouse) == ([2], [2])


@pytest.mark.fault(32)
def test_a_publisher_that_is_killed_holds_no_lock(warehouse_url: str, tmp_path: Path) -> None:
    warehouse = Warehouse(warehouse_url)
    publish(warehouse, day(1), 1)
    process = started(hold_the_pointers, warehouse_url, tmp_path / "held")
    while not (tmp_path / "held").exists():
        assert process.exitcode is None
        time.sleep(0.01)
    process.kill()
    process.join(60)
    publish(warehouse, day(2), 2)
    assert shown(warehouse) == ([2], [2])


def hold_the_pointers(url: str, held: Path) -> None:
    with Warehouse(url)._writer.begin() as connection:
        connection.execute(sa.text("update current_snapshot set as_of = as_of"))
        held.touch()
        time.sleep(60)


@pytest.mark.fault(30)
def test_a_full_disk_leaves_what_was_shown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.sqlite'}"
    warehouse = Warehouse(url)
    publish(warehouse, day(1), 1)
    with warehouse.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def fill(connection, _record) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    full = Warehouse(url)
    sa.event.listen(full.engine, "connect", fill)
    with pytest.raises(sa.exc.DBAPIError, match="full"):
        full.publish({FACTORS: factors("s0000000002", day(2), 2, places=5000)}, day(2), "r", NOW, {})
    assert shown(Warehouse(url)) == ([1], [1])
    publish(Warehouse(url), day(3), 3)
    assert shown(Warehouse(url)) == ([3], [3])
