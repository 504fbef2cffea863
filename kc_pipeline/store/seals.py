"""Seals of the lake: for each version of a table the SHA-256 of its log entry and of every file that it added, chained.

Delta keeps no digest of its files, so nothing would tell that one was altered.  A seal is written when its version has been
committed; one that a crash kept from being written is made up for with the table's next commit.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock

_FOLDER = "_seals"
_NO_SEAL = "0" * 64


def seal(table: Path, newest: int) -> None:
    """Seal every version up to the newest that has no seal yet.

    Args:
        table: a Delta table's folder.
        newest: its newest version.
    """
    folder = table / _FOLDER
    folder.mkdir(exist_ok=True)
    if not _unsealed(folder, newest):
        return
    with FileLock(folder / ".lock"):  # two writers of a table may seal at once
        for version in _unsealed(folder, newest):
            entry = _log_entry(table, version)
            content = {
                "version": version,
                "log_sha256": _sha256(entry),
                "files": {name: _sha256(table / name) for name in files_added(entry)},
                "previous_seal_sha256": _digest_of_seal(folder, version - 1),
            }
            _write(folder / _seal_name(version), json.dumps(content, indent=1, sort_keys=True).encode())


def broken_seals(table: Path, newest: int) -> Iterator[str]:
    """What differs from what was sealed, a sentence each; nothing if all is as it was."""
    folder = table / _FOLDER
    for version in range(newest + 1):
        path = folder / _seal_name(version)
        try:
            sealed = json.loads(path.read_bytes())
        except (OSError, ValueError):
            yield f"{path}: the seal is gone or cannot be read; version {version} may have been altered"
            continue
        if sealed["previous_seal_sha256"] != _digest_of_seal(folder, version - 1):
            yield f"{folder / _seal_name(version - 1)}: the seal was replaced after version {version} was sealed"
        entry = _log_entry(table, version)
        if _sha256(entry) != sealed["log_sha256"]:
            yield f"{entry}: the log entry of version {version} is not the one that was committed"
        for name, digest in sorted(sealed["files"].items()):
            if _sha256(table / name) != digest:
                yield f"{table / name}: {'altered' if (table / name).exists() else 'gone'} since version {version}"


def files_added(entry: Path) -> list[str]:
    """Files that a log entry adds, by their path within the table."""
    actions = (json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines() if line.strip())
    return sorted(unquote(action["add"]["path"]) for action in actions if "add" in action)


def _unsealed(folder: Path, newest: int) -> list[int]:
    """Versions without a seal; those before the newest seal were sealed together with it."""
    missing: list[int] = []
    for version in range(newest, -1, -1):
        if (folder / _seal_name(version)).exists():
            break
        missing.append(version)
    return missing[::-1]


def _seal_name(version: int) -> str:
    return f"{version:020d}.json"


def _log_entry(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020d}.json"


def _digest_of_seal(folder: Path, version: int) -> str:
    return _sha256(folder / _seal_name(version)) if version >= 0 else _NO_SEAL


def _sha256(path: Path) -> str:
    """Digest of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _write(path: Path, data: bytes) -> None:
    """Write a file whole, and force it to the disk."""
    temporary = path.with_suffix(".writing")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
