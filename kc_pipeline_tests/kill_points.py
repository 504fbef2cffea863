"""Kill a process for real at any step of what it does with files, or after some time.

The process is forked from a server without threads: Arrow's may not be forked.  In it every opening for writing, write (before,
half done, after), flush to disk, renaming, making and removing counts as a step, and SIGKILL comes at the one that is asked for.
"""

import builtins
import io
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_PRELOADED = [
    "kc_pipeline.store.warehouse", "kc_pipeline.store.lake", "kc_pipeline.extract.raw", "kc_pipeline.ordinance.cases", "psycopg", "pytest",
    "hypothesis",
]  # fmt: skip
_CALLS = ("fsync", "rename", "replace", "mkdir", "rmdir", "unlink", "ftruncate", "chmod", "link")
_NEED_ROOM = {"write", "open", "fsync", "mkdir"}  # on a full disk names can still be changed and taken away
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def started(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """A new process that does something."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def exit_code(work: Callable[..., None], *arguments: object) -> int:
    """Exit code of a new process that does something, negative for the signal that ended it."""
    process = started(work, *arguments)
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def killed_after(seconds: float, work: Callable[..., None], *arguments: object) -> bool:
    """Kill a new process that does something after some time; whether it had not ended by then."""
    process = started(work, *arguments)
    time.sleep(seconds)
    process.kill()
    process.join(120)
    return process.exitcode == -signal.SIGKILL


def kill_at(step: int, work: Callable[[Path, int], None], folder: Path, number: int) -> int:
    """Exit code of a new process that does something to a folder and is killed at a step of it; 0 if it ended before that step."""
    return exit_code(_dying, step, work, folder, number)


def fail_from(step: int, error: int, work: Callable[[Path, int], None], folder: Path, number: int, told: Path) -> int:
    """Exit code of a new process in which, from a step on, nothing can be written any more: 0 if it ended well before that.

    Args:
        step: the first that fails.
        error: an errno, such as ENOSPC.
        work: what it does.
        folder: where.
        number: what it writes.
        told: file into which it writes what went wrong.
    """
    return exit_code(_failing, step, error, work, folder, number, told)


def _failing(step: int, error: int, work: Callable[[Path, int], None], folder: Path, number: int, told: Path) -> None:
    _Steps(step, folder, error).count_everything()
    try:
        work(folder, number)
    except Exception as failure:
        told.write_text(f"{type(failure).__name__}: {failure}")
        raise SystemExit(1) from None


def _dying(step: int, work: Callable[[Path, int], None], folder: Path, number: int) -> None:
    _Steps(step, folder).count_everything()
    work(folder, number)


class _Steps:
    """Counts what this process does to files under a folder, and kills it at a step, or lets that and all later writing fail."""

    def __init__(self, fatal: int, folder: Path, error: int | None = None) -> None:
        self._fatal, self._folder, self._error, self._done = fatal, str(folder), error, 0

    def one(self, call: str = "write") -> None:
        """A step."""
        self._done += 1
        if self._error is None and self._done == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._error is not None and self._done >= self._fatal and call in _NEED_ROOM:
            raise OSError(self._error, os.strerror(self._error))

    def count_everything(self) -> None:
        """From now on."""
        for name in _CALLS:
            setattr(os, name, self._around(getattr(os, name)))
        plain_write = os.write

        def written(handle: int, content: bytes) -> int:
            self.one()
            half = plain_write(handle, content[: len(content) // 2])
            self.one()
            rest = plain_write(handle, content[half:])
            self.one("after")
            return half + rest

        os.write = written  # type: ignore[assignment]
        os.open = self._opening(os.open, lambda flags: bool(flags & _WRITING), os.O_RDONLY)  # type: ignore[assignment]
        of_files = self._opening(io.open, lambda mode: bool(set(mode) & set("wax+")), "r", lambda file: _CountedFile(file, self.one))
        io.open = builtins.open = of_files  # type: ignore[assignment]

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any, **named: Any) -> Any:
            self.one(call.__name__)
            result = call(*arguments, **named)
            self.one("after")
            return result

        return around

    def _opening(
        self, call: Callable[..., Any], writes: Callable[[Any], bool], usual: object, wrapped: Callable[[Any], Any] = lambda made: made
    ) -> Callable[..., Any]:
        def opened(path: Any, how: Any = usual, *arguments: Any, **named: Any) -> Any:
            if not writes(how) or not str(path).startswith(self._folder):
                return call(path, how, *arguments, **named)
            return wrapped(self._around(call)(path, how, *arguments, **named))

        return opened


class _CountedFile:
    """A file in which every write has steps before it and at half of it."""

    def __init__(self, file: Any, step: Callable[[], None]) -> None:
        self._file, self._step = file, step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_CountedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: Any) -> int:
        """Write it in two halves."""
        half = len(content) // 2
        for part in (content[:half], content[half:]):
            self._step()
            self._file.write(part)
            self._file.flush()
        return len(content)
