"""What each table of the lake was last made of: where that is still so, making it again would give the same rows.

Delta keeps beside a commit what its rows were made from, but a table that was made anew and came out the same has no new
commit.  So the newest making is noted beside the log, in a file that can be deleted at any time: then the table is made again.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NOTE = "_made_of.json"


def digest_of(states: Mapping[str, str]) -> str:
    """SHA-256 of the states of all parts of a table; see `Lake.states`."""
    return hashlib.sha256(repr(sorted(states.items())).encode()).hexdigest()


def note_making(table: Path, version: int | None, made_of: Mapping[str, object]) -> None:
    """Note what a version of a table was made of.

    Args:
        table: its folder.
        version: the version that holds the rows; None: it was never written, and there is nothing to note.
        made_of: what its rows follow from; must survive JSON.
    """
    if version is None:
        return
    writing = table / f"{_NOTE}.{os.getpid()}.writing"
    writing.write_text(json.dumps({"version": version, "made_of": dict(made_of)}, sort_keys=True), encoding="utf-8")
    writing.replace(table / _NOTE)


def making_of(table: Path, version: int | None) -> dict[str, Any]:
    """What a version of a table was made of; nothing where that is not noted, or only of another version."""
    try:
        note = json.loads((table / _NOTE).read_text(encoding="utf-8"))
        return dict(note["made_of"]) if note["version"] == version else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
