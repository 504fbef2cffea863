"""How the last refresh of each feed went: a small file per feed, replaced whole."""

import json
import os
from datetime import datetime
from pathlib import Path

_FILE = "last_refresh.json"


def note_success(raw_dir: Path, feed: str, at: datetime) -> None:
    """Note that a feed was refreshed without error."""
    _write(raw_dir / feed, {"ok": True, "at": at.isoformat(), "message": None})


def note_failure(raw_dir: Path, feed: str, message: str, at: datetime) -> None:
    """Note that a feed could not be refreshed; its last good data stays."""
    _write(raw_dir / feed, {"ok": False, "at": at.isoformat(), "message": message})


def read_failures(raw_dir: Path) -> dict[str, str]:
    """Feeds whose last refresh failed, with the message."""
    notes = {path.parent.name: _read(path) for path in sorted(raw_dir.glob(f"*/{_FILE}"))}
    return {feed: str(note["message"]) for feed, note in notes.items() if not note["ok"]}


def _read(path: Path) -> dict[str, object]:
    """A note; one that a failing disk left unreadable says that nothing is known."""
    try:
        note = json.loads(path.read_text())
        return {"ok": bool(note["ok"]), "message": note["message"]}
    except (OSError, ValueError, LookupError, TypeError):
        return {"ok": False, "message": "how its last refresh went cannot be read; refresh it again"}


def _write(folder: Path, note: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(note, indent=2))
    temporary.replace(folder / _FILE)
