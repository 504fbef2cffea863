"""The process is killed (row 29): whatever was being written is there whole or not at all, and the next writer goes on.

Publication to the warehouse has its kill points in unit/store/test_publish_faults.py, a folder of files in test_whole_folder.py.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_table import KILL_POINTS
from filelock import FileLock, Timeout
from kill_points import exit_code, kill_at, killed_after, started
from written_whole import PROTOCOLS, TABLE, read_table, write_large_table, write_table

from kc_pipeline.store.lake import Lake
from kc_pipeline.store.unfinished import UnfinishedFolder, clear_unfinished

Note = Callable[[str, object], None]


@pytest.mark.parametrize("name", ["a pull", "a table of the lake", "a step of a case"])
@pytest.mark.fault(29)
def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, name: str, record_property: Note) -> None:
    protocol = PROTOCOLS[name]
    protocol.write(tmp_path, 1)
    before, step, status = {1}, 0, -signal.SIGKILL
    while status != 0:
        step += 1
        status = kill_at(step, protocol.write, tmp_path, step + 1)
        assert status in {0, -signal.SIGKILL}, f"it failed at step {step} for another reason"
        seen = protocol.read(tmp_path)
        assert seen in (before, {step + 1}), f"torn, or lost, at step {step}"
        assert status != 0 or seen == {step + 1}, "what was said to be written is there"
        before = seen
    assert step - 1 >= protocol.points, "the steps are all counted"
    record_property(KILL_POINTS, step - 1)


@pytest.mark.parametrize("name", ["a table of the lake", "a pull", "a folder"])
@pytest.mark.fault(29)
def test_what_kills_left_is_gone_with_the_next_writing(tmp_path: Path, name: str, record_property: Note) -> None:
    protocol = PROTOCOLS[name]
    ends = [kill_at(step, protocol.write, tmp_path / "killed", step) for step in range(1, protocol.points, 3)]
    record_property(KILL_POINTS, ends.count(-signal.SIGKILL))
    for folder in ("killed", "never"):
        protocol.write(tmp_path / folder, 99)
        protocol.write(tmp_path / folder, 100)

    def kinds(folder: Path) -> set[str]:
        return {path.name for path in folder.rglob("*") if path.name.startswith(".") and not path.name.endswith("lock")}

    assert kinds(tmp_path / "killed") == kinds(tmp_path / "never")
    assert protocol.read(tmp_path / "killed") == {100}
    assert not list((tmp_path / "killed").rglob("*.writing"))


@pytest.mark.fault(29)
def test_a_kill_within_delta_leaves_the_old_or_the_new(tmp_path: Path, record_property: Note) -> None:
    """Delta writes in its own threads, where no step can be counted: the kills come at moments spread over a large write."""
    write_large_table(tmp_path, 1)
    assert exit_code(write_once_and_tell, tmp_path, 2) == 0
    took_s = json.loads((tmp_path / "took.json").read_text())
    before, kills = {2}, 0
    for moment in range(48):
        if moment >= 12 and kills >= 6:
            break
        number = 3 + moment
        was_killed = killed_after(took_s * (moment % 12 + 1) / 12, write_large_table, tmp_path, number)
        kills += was_killed
        took_s *= 1.0 if was_killed else 0.8  # it was timed while the machine had more to do than now
        seen = read_table(tmp_path)
        assert seen in (before, {number})
        before = seen
    assert kills >= 6, "most kills came while it was writing"
    record_property(KILL_POINTS, kills)
    write_large_table(tmp_path, 100)
    assert read_table(tmp_path) == {100}
    assert Lake(tmp_path).alterations(TABLE) == []
    data = {file for file in Lake(tmp_path).path(TABLE).rglob("*.parquet") if "_delta_log" not in file.parts}
    for file in data:
        os.utime(file, (time.time() - 200_000, time.time() - 200_000))
    removed = Lake(tmp_path).clear_orphans()
    kept = {file for file in data if file.exists()}
    assert len(data) - len(kept) == removed
    assert read_table(tmp_path) == {100}
    assert Lake(tmp_path).alterations(TABLE) == []


def write_once_and_tell(folder: Path, number: int) -> None:
    """Write the large table, and note how long it took."""
    began = time.monotonic()
    write_large_table(folder, number)
    (folder / "took.json").write_text(json.dumps(time.monotonic() - began))


@pytest.mark.fault(29)
def test_a_commit_whose_seal_a_kill_prevented_is_sealed_by_the_next_run(tmp_path: Path) -> None:
    write_table(tmp_path, 1)
    write_table(tmp_path, 2)
    seals = sorted((Lake(tmp_path).path(TABLE) / "_seals").glob("*.json"))
    seals[-1].unlink()
    assert len(Lake(tmp_path).alterations(TABLE)) == 1
    write_table(tmp_path, 2)  # the same rows: no commit
    assert Lake(tmp_path).version(TABLE) == 1
    assert Lake(tmp_path).alterations(TABLE) == []


@pytest.mark.fault(30)
def test_files_without_a_log_entry_are_removed_once_they_are_old(tmp_path: Path) -> None:
    write_table(tmp_path, 1)
    write_table(tmp_path, 2)
    lake = Lake(tmp_path)
    whole = lake.read(TABLE, version=0)
    (first, *_) = lake.path(TABLE).glob("*.parquet")
    young, old = (shutil.copy(first, first.with_name(f"part-{age}.parquet")) for age in ("young", "old"))
    for file in lake.path(TABLE).glob("*.parquet"):
        if file != young:
            os.utime(file, (time.time() - 100_000, time.time() - 100_000))
    assert lake.clear_orphans() == 1
    assert (young.exists(), old.exists()) == (True, False)
    assert lake.read(TABLE, version=0).equals(whole)
    log = sorted((lake.path(TABLE) / "_delta_log").glob("*.json"))
    os.utime(young, (time.time() - 100_000, time.time() - 100_000))
    log[0].rename(log[0].with_suffix(".gone"))
    log.append(shutil.copy(log[1], log[1].with_name(f"{3:020d}.json")))
    assert lake.clear_orphans() == 0, "with a gap in the log nothing is known to be an orphan"


@pytest.mark.fault(29)
def test_a_folder_that_a_living_process_writes_is_not_cleared(tmp_path: Path) -> None:
    assert killed_after(2, write_and_wait, tmp_path, 1)
    (left,) = tmp_path.glob(".writing-*")
    assert (left / "seen.txt").read_text() == "0", "nothing was cleared while it lived"
    assert clear_unfinished([tmp_path]) == 1
    assert not left.exists()


def write_and_wait(folder: Path, _number: int) -> None:
    unfinished = UnfinishedFolder(folder)
    unfinished.write("seen.txt", str(clear_unfinished([folder])).encode())
    time.sleep(60)


@pytest.mark.fault(32)
def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / ".run.lock", timeout=0)
    process = started(hold_the_lock, tmp_path)
    while not (tmp_path / "held").exists():
        assert process.exitcode is None
        time.sleep(0.01)
    with pytest.raises(Timeout):
        lock.acquire()
    process.kill()
    process.join(60)
    with lock:
        assert lock.is_locked


def hold_the_lock(folder: Path) -> None:
    with FileLock(folder / ".run.lock", timeout=0):
        (folder / "held").touch()
        time.sleep(60)
