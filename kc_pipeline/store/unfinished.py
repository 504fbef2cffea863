"""Folders that are being written: hidden, locked while their writer lives, and cleared away once it does not.

The lock is on the folder itself, so the kernel lifts it in whatever way the writer ends, and never takes a living one for dead.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

_PREFIX = ".writing-"


class UnfinishedFolder:
    """A new folder beside its place to be; it becomes visible by one rename."""

    def __init__(self, parent: Path) -> None:
        """Make it, and its parents.

        Args:
            parent: folder that it will stand in.
        """
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._handle: int | None = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            if self.path.exists():  # nobody cleared it away before it was locked
                break
            self._unlock()
        self.path.chmod(0o755)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of it, and force it to the disk."""
        with (self.path / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def put(self, target: Path) -> None:
        """Force it to the disk and give it its name.

        Raises:
            OSError: something stands there; the folder is still unfinished.
        """
        fsync_folder(self.path)
        self.path.rename(target)
        self._unlock()
        fsync_folder(target.parent)

    def discard(self) -> None:
        """Throw it away."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle = None


def clear_unfinished(parents: Iterable[Path]) -> int:
    """Remove what writers left that are no more; returns the number of folders."""
    count = 0
    for folder in [folder for parent in parents for folder in parent.glob(f"{_PREFIX}*")]:
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
        except BlockingIOError:
            pass
        finally:
            os.close(handle)
    return count


def fsync_folder(folder: Path) -> None:
    """Force a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
