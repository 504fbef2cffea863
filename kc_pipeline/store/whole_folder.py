"""A folder that is written whole or not at all: a reader finds the old one or the new one, also after a crash.

The new folder is made beside the old one under a hidden name, forced to the disk, and then takes its place.  Linux can swap
two folders in one step.  Where the file system cannot (network shares, other systems), the old folder is renamed away first:
after a crash between the two renames it is put back when the folder is next written.
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}


class FolderError(RuntimeError):
    """The folder cannot be written; what was there is untouched."""


def swap(first: Path, second: Path) -> bool:
    """Exchange two folders of one file system in one step; False where system or file system cannot.

    Raises:
        OSError: they could be exchanged, but not these two, or not now.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in _CANNOT:
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(first), None, str(second))


@contextmanager
def whole_folder(target: Path, marker: str, swapped: Callable[[Path, Path], bool] = swap) -> Iterator[Path]:
    """A new folder to fill; it takes the target's place when the block ends, and is thrown away if the block fails.

    Args:
        target: the folder to make or to replace.
        marker: file that every such folder has; a folder without it is someone else's and is never replaced.
        swapped: how two folders are exchanged in one step, or False where that cannot be.

    Raises:
        FolderError: something else stands at the target, or another process writes it.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    new, old = (target.with_name(f".{target.name}.{word}") for word in ("kc-new", "kc-old"))
    try:
        with FileLock(target.with_name(f".{target.name}.kc-lock"), timeout=0):
            _mend(target, new, old)
            if target.exists() and not _is_ours(target, marker):
                raise FolderError(f"{target} is no folder that was written by this command; choose another one, or one that is empty")
            new.mkdir()
            try:
                yield new
                if not (new / marker).is_file():
                    raise FolderError(f"{new} was filled without {marker}; nothing was replaced")
                _fsync_tree(new)
                _put_in_place(new, target, old, swapped)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except Timeout:
        raise FolderError(f"{target} is being written by another process; wait until it ends") from None


def _mend(target: Path, new: Path, old: Path) -> None:
    """Put back or clear away what a crash left."""
    if old.exists() and not target.exists():
        old.rename(target)
    for debris in (new, old):
        if debris.exists():
            shutil.rmtree(debris)


def _is_ours(target: Path, marker: str) -> bool:
    return target.is_dir() and ((target / marker).is_file() or not any(target.iterdir()))


def _put_in_place(new: Path, target: Path, old: Path, swapped: Callable[[Path, Path], bool]) -> None:
    if not target.exists():
        new.rename(target)
    elif not swapped(new, target):
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
    _fsync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _fsync_tree(folder: Path) -> None:
    for path, _, names in os.walk(folder):
        for name in names:
            _fsync(Path(path) / name)
        _fsync(Path(path))


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
