"""A folder of recorded rows as a record store: each file is named by the portal id it was recorded from.

Person columns are left out before the first write.  Row identifiers follow the order in the file; times of change are one
fixed moment, since recordings do not have them.
"""

import gzip
import hashlib
import json
import re
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

RECORDED_AT = datetime(2000, 1, 1, tzinfo=UTC)
_FILE = re.compile(r"([a-z0-9]{4}-[a-z0-9]{4})(\.[\w-]+)*?\.json(\.gz)?")
_PERSON = re.compile(r"race|sex|gender|age|age_range|dob|.*phone.*|.*birth.*|victim_name|suspect_name")
_TIMESTAMP = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{3})?"
_SHAPE_TYPES = {
    "Point": "point",
    "MultiPolygon": "multipolygon",
    "Polygon": "polygon",
    "MultiLineString": "multiline",
    "LineString": "line",
}
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = "3"


class RecordingError(ValueError):
    """A folder or a file of it is no recording."""


def load_recordings(folder: Path, store_path: Path) -> RecordStore:
    """The rows of every `<portal id>*.json` or `.json.gz` file of a folder, in the form SODA gave them.

    Args:
        folder: the recordings; other files in it are passed over.
        store_path: SQLite file to make; kept as long as the folder does not change.

    Raises:
        RecordingError: a file cannot be read, is not a list of records or has no column to keep, two are of one data set, or
            there is none; the message names them.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if match := _FILE.fullmatch(path.name):
            if match[1] in files:
                raise RecordingError(f"{folder}: {files[match[1]].name} and {path.name} hold the same data set; leave one of them")
            files[match[1]] = path
    if not files:
        raise RecordingError(f"{folder}: no file is named by a portal id, such as d4px-6rwg.json.gz")
    seen = "\n".join(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files.values())
    fingerprint = hashlib.sha256(f"{_VERSION}\n{seen}".encode()).hexdigest()
    if store_path.exists() and RecordStore(store_path).note("recordings") == fingerprint:
        return RecordStore(store_path)
    temporary = store_path.with_name(f".{store_path.name}.new")
    temporary.unlink(missing_ok=True)
    store = RecordStore(temporary)
    for data_set, path in files.items():
        columns, rows = _read(path)
        store.replace(data_set, "socrata", path.name, columns, rows, RECORDED_AT)
    store.set_note("recordings", fingerprint)
    store.close()
    temporary.replace(store_path)
    return RecordStore(store_path)


def _read(path: Path) -> tuple[list[DeclaredColumn], pd.DataFrame]:
    content = path.read_bytes()
    try:
        records = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordingError(f"{path} cannot be read: {error}; record it again, or take it out of the folder") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise RecordingError(f"{path}: not a list of records")
    names = dict.fromkeys(name for record in records for name in record)
    kept = [name for name in names if not name.startswith(":") and not _PERSON.fullmatch(name.lower())]
    if not kept:
        raise RecordingError(f"{path}: no record has a column that is kept; take the file out of the folder")
    if strange := [name for name in kept if not _FIELD_NAME.fullmatch(name)]:
        raise RecordingError(f"{path}: {strange[0]!r} is no field name; is this a list of records as SODA gives them?")
    columns, values = [], {}
    for name in kept:
        given = [record.get(name) for record in records]
        columns.append(DeclaredColumn(name, _declared_type(given)))
        values[name] = [_text(value) for value in given]
    moment = RECORDED_AT.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    rows = pd.DataFrame(values, dtype=object)
    rows[":id"] = [f"row-{number:08d}" for number in range(len(records))]
    rows[":created_at"] = rows[":updated_at"] = moment
    return columns, rows


def _declared_type(values: list[Any]) -> str:
    """The Socrata type that a column must have had."""
    given = [value for value in values if value is not None]
    if len({type(value) for value in given} - {int, float}) + any(type(value) in (int, float) for value in given) > 1:
        return "text"
    first = given[0] if given else ""
    if isinstance(first, dict):
        other = "location" if {"latitude", "human_address"} & set(first) else "url" if "url" in first else "text"
        return _SHAPE_TYPES.get(first.get("type", ""), other)
    if isinstance(first, bool):
        return "checkbox"
    if isinstance(first, (int, float)):
        return "number"
    return "calendar_date" if given and all(isinstance(v, str) and re.fullmatch(_TIMESTAMP, v) for v in given) else "text"


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
