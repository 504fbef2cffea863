"""The disk is full, or fails (row 30): the last good stays, the error says so, and nothing is left once there is room again."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from kill_points import fail_from
from published_rows import FACTORS, NOW, day, factors, publish, shown
from written_whole import PROTOCOLS, TABLE, places

from kc_pipeline.store.lake import Lake, LakeError
from kc_pipeline.store.warehouse import Warehouse


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "failing"])
@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.fault(30)
def test_a_disk_that_fails_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, name: str, error: int) -> None:
    protocol, folder, told = PROTOCOLS[name], tmp_path / "disk", tmp_path / "told.txt"
    folder.mkdir()
    protocol.write(folder, 1)
    before, failures = {1}, 0
    for step in range(1, protocol.points + 3, 2):
        told.unlink(missing_ok=True)
        status = fail_from(step, error, protocol.write, folder, step + 1, told)
        seen = protocol.read(folder)
        assert seen in (before, {step + 1}), f"torn, or lost, at step {step}"
        assert status != 0 or seen == {step + 1}
        if status:
            failures += 1
            assert os.strerror(error).lower() in told.read_text().lower()
        before = seen
    assert failures >= protocol.points // 4
    protocol.write(folder, 1000)
    assert protocol.read(folder) == {1000}
    assert not [path for path in folder.rglob(".*") if not path.name.endswith("lock")], "nothing is left of what failed"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if mount.returncode:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


def fill(disk: Path, leave: int) -> Path:
    """Take up the room of a disk, but for some bytes."""
    filler = disk / "filler"
    room = os.statvfs(disk)
    filler.write_bytes(b"x" * max(room.f_bavail * room.f_frsize - leave, 0))
    return filler


@pytest.mark.parametrize("name", ["a pull", "a table of the lake", "a folder", "a folder without swapping"])
@pytest.mark.fault(30)
def test_a_small_disk_that_is_really_full(small_disk: Path, name: str) -> None:
    protocol, folder = PROTOCOLS[name], small_disk / "data"
    folder.mkdir()
    protocol.write(folder, 1)
    before, failures = {1}, 0
    for number, leave in enumerate([0, 4096, 8192, 16384, 32768, 0], 2):
        filler = fill(small_disk, leave)
        try:
            protocol.write(folder, number)
        except (OSError, LakeError):
            failures += 1
            assert protocol.read(folder) in (before, {number})
        else:
            assert protocol.read(folder) == {number}
        before = protocol.read(folder)
        filler.unlink()
    assert failures >= 2
    protocol.write(folder, 100)
    assert protocol.read(folder) == {100}


@pytest.mark.fault(30)
def test_a_table_that_does_not_fit_leaves_the_old_one(small_disk: Path) -> None:
    lake = Lake(small_disk)
    lake.write(TABLE, places(1, 1000))
    with pytest.raises(LakeError, match=r"core/block_places: it cannot be written under .* No space left on device"):
        lake.write(TABLE, places(2, 1_500_000))
    assert set(lake.read(TABLE)["parcel_id"].to_pylist()) == {"1"}
    lake.write(TABLE, places(3, 1000))
    assert set(Lake(small_disk).read(TABLE)["parcel_id"].to_pylist()) == {"3"}
    assert Lake(small_disk).alterations(TABLE) == []


@pytest.mark.fault(30)
def test_a_publication_that_does_not_fit_leaves_the_old_one(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk / 'w.sqlite'}"
    publish(Warehouse(url), day(1), 1)
    filler = fill(small_disk, 65536)
    marts = {FACTORS: factors("s0000000099", day(2), 2, places=20_000)}
    with pytest.raises(sa.exc.DBAPIError, match=r"full|I/O"):
        Warehouse(url).publish(marts, day(2), "r", NOW, {})
    assert shown(Warehouse(url)) == ([1], [1])
    filler.unlink()
    publish(Warehouse(url), day(50), 50)
    assert shown(Warehouse(url)) == ([50], [50])
