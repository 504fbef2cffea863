"""A folder is the old one or the new one: after a kill at any step, a disk error, a second writer."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_table import KILL_POINTS
from filelock import FileLock

from kc_pipeline.store import whole_folder as module
from kc_pipeline.store.whole_folder import FolderError, swap, whole_folder

MARKER = "marker.txt"
STEPS = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"}
Swapped = Callable[[Path, Path], bool]


def never_swaps(_first: Path, _second: Path) -> bool:
    return False


SWAPS = [pytest.param(swap, id="exchange"), pytest.param(never_swaps, id="two renames")]


def write(target: Path, word: str, swapped: Swapped = swap) -> None:
    with whole_folder(target, MARKER, swapped) as new:
        (new / "sub").mkdir()
        for name in ("a", "b"):
            (new / "sub" / name).write_text(word)
        (new / MARKER).write_text(word)


def read(target: Path) -> str:
    """The word that all files have; a mix or a missing file fails."""
    words = {path.read_text() for path in (target / MARKER, target / "sub" / "a", target / "sub" / "b")}
    (word,) = words
    return word


def killed_at(step: int, target: Path, word: str, swapped: Swapped) -> bool:
    """Write in a forked process that is killed at a step of what it does with files; whether it was."""

    def counted(first: Path, second: Path) -> bool:
        die()
        done = swapped(first, second)
        die()
        return done

    seen = 0

    def die() -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        sys.addaudithook(lambda event, _: die() if event in STEPS else None)
        write(target, word, counted)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.fault(29)
@pytest.mark.parametrize("swapped", SWAPS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_folder(
    tmp_path: Path, swapped: Swapped, record_property: Callable[[str, object], None]
) -> None:
    target = tmp_path / "folder"
    write(target, "0", swapped)
    before, step, gone = "0", 0, 0
    while True:
        step += 1
        killed = killed_at(step, target, str(step), swapped)
        if not target.exists():  # between two renames; the next writer puts it back, even one that fails
            gone += 1
            with pytest.raises(ZeroDivisionError), whole_folder(target, MARKER, swapped):
                raise ZeroDivisionError
        now = read(target)
        assert now in (before, str(step))
        before = now
        if not killed:
            break
    assert step > 15, "opening, making, renaming and removing are all counted"
    record_property(KILL_POINTS, step - 1)
    assert now == str(step)
    assert (gone > 0) == (swapped is never_swaps)
    write(target, "last", swapped)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".kc-lock") == ["folder"], "no debris is left"


def test_the_folder_is_there_at_every_moment_where_the_system_can_exchange_two(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        (folder / folder.name).touch()
    assert swap(first, second)
    assert [path.name for path in first.iterdir()] == ["2"]


@pytest.mark.fault(30)
@pytest.mark.parametrize("swapped", SWAPS)
@pytest.mark.parametrize("call", range(1, 7))
def test_a_disk_error_while_it_is_forced_to_the_disk_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swapped: Swapped, call: int
) -> None:
    target, calls = tmp_path / "folder", 0
    write(target, "old", swapped)

    def fails(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(module.os, "fsync", fails)
    if call < 6:  # three files and two folders are forced before it is shown, the parent after
        with pytest.raises(OSError, match="input/output error"):
            write(target, "new", swapped)
        assert read(target) == "old"
    else:
        with pytest.raises(OSError, match="input/output error"):
            write(target, "new", swapped)
        assert read(target) == "new"
    assert not list(tmp_path.glob(".*.kc-new"))


@pytest.mark.fault(30)
def test_a_rename_that_fails_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "folder"
    write(target, "old")
    rename = Path.rename

    def fails(self: Path, to: Path) -> Path:
        if self.suffix == ".kc-new":
            raise OSError(errno.ENOSPC, "no space left")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no space left"):
        write(target, "new", never_swaps)
    assert read(target) == "old"


def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "folder", "old")

    def fails() -> None:
        with whole_folder(tmp_path / "folder", MARKER) as new:
            (new / "half").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert read(tmp_path / "folder") == "old"
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".kc-lock"] == ["folder"]


def test_a_folder_without_its_marker_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="without marker"), whole_folder(tmp_path / "folder", MARKER):
        pass
    assert not (tmp_path / "folder").exists()


def test_an_empty_folder_may_be_filled_and_a_foreign_one_or_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new")
    assert read(tmp_path / "empty") == "new"
    (tmp_path / "file").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("mine")
    for name in ("file", "foreign"):
        with pytest.raises(FolderError, match="choose another"):
            write(tmp_path / name, "new")
    assert (tmp_path / "file").read_text() == (tmp_path / "foreign" / "thesis.tex").read_text() == "mine"


@pytest.mark.fault(31)
def test_a_second_writer_is_told_to_wait(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".folder.kc-lock"), pytest.raises(FolderError, match="being written by another process"):
        write(tmp_path / "folder", "new")


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real") == "new"
