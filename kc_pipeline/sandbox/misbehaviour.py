"""How each misbehaviour of the portal looks on the wire: wrong answers in place of a page, and pages that are spoilt."""

import json
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache

from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.records import DataSetInfo

_BOMB_BYTES = 1 << 30
_CHUNK = 1 << 24
_DRIP_SECONDS = 0.02
_TOUCHED_AT = "2099-01-01T00:00:00.000Z"
_PRIVATE = "http://10.0.0.1/elsewhere"


@dataclass(frozen=True)
class Wrong:
    """An answer that is not what was asked for.

    Attributes:
        status: HTTP status; None: the connection is closed without an answer.
        media_type: its content type.
        body: its body, packed as the headers say.
        headers: further headers.
    """

    status: int | None
    media_type: str = "application/json;charset=utf-8"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def wrong_answer(faults: Faults, now: datetime | None = None) -> Wrong | None:
    """What takes the place of this page; None where nothing does."""
    throttled = json.dumps({"error": True, "message": "Too Many Requests"}).encode()
    later = format_datetime((now or datetime.now(UTC)) + timedelta(seconds=2), usegmt=True)
    answers = {
        "server-error": Wrong(503, "text/plain", b"Service Unavailable"),
        "throttle": Wrong(429, body=throttled, headers={"Retry-After": "1"}),
        "throttle-date": Wrong(429, body=throttled, headers={"Retry-After": later}),
        "accepted": Wrong(202),
        "html": Wrong(200, "text/html", b"<html><body>Down for maintenance</body></html>"),
        "error-object": Wrong(200, body=json.dumps({"error": {"code": 500, "message": "Unable to complete operation."}}).encode()),
        "hang-up": Wrong(None),
        "redirect": Wrong(302, headers={"Location": _PRIVATE}),
    }
    for name, answer in answers.items():
        if faults.strikes(name):
            return answer
    return Wrong(200, "", gzip_bomb(), {"Content-Encoding": "gzip"}) if faults.strikes("gzip-bomb") else None


def changed_rows(faults: Faults, info: DataSetInfo) -> str | None:
    """SQL that puts a view of a data set's rows before its table, for one connection; None where no fault changes them."""
    hidden, lost = faults.number("rows-come") + faults.gone, faults.number("lost-rows")
    is_touched = bool(faults.number("touched-rows"))
    if not (hidden or lost or is_touched):
        return None
    columns = [
        f"'{_TOUCHED_AT}' AS c{place}" if is_touched and column.field_name == ":updated_at" else f"c{place}"
        for place, column in enumerate(info.stored_columns)
    ]
    rows = f"main.{info.table_name}"
    kept = f"rowid % 100 >= {lost} AND rowid NOT IN (SELECT rowid FROM {rows} ORDER BY rowid LIMIT {hidden})"  # noqa: S608 - numbers
    return f"CREATE TEMP VIEW {info.table_name} AS SELECT {', '.join(columns)} FROM {rows} WHERE {kept}"  # noqa: S608 - our own names


def spoilt(faults: Faults, body: bytes) -> bytes:
    """A page without its end, where a fault says so; the length that is told fits."""
    if faults.strikes("truncated-page"):
        return body[: len(body) * 2 // 3]
    return _without_last_rows(body) if faults.strikes("line-cut") else body


def drips(body: bytes) -> "list[bytes]":
    """A page in single bytes, each after a pause when it is taken."""
    return [body[i : i + 1] for i in range(len(body))]


def pause() -> None:
    """Wait between two bytes of a slow page."""
    time.sleep(_DRIP_SECONDS)


@cache
def gzip_bomb() -> bytes:
    """About a megabyte of gzip that unpacks to a gibibyte of zeros; made of one block, repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"\0" * _CHUNK) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (_BOMB_BYTES // _CHUNK)


def _without_last_rows(body: bytes) -> bytes:
    """A page cut between rows, as whole as before to whoever does not count."""
    if not body.lstrip().startswith((b"[", b"{")):
        lines = body.splitlines(keepends=True)
        return b"".join(lines[: max(1, len(lines) // 2)])
    told = json.loads(body)
    if isinstance(told, list):
        return json.dumps(told[: len(told) // 2]).encode()
    told.pop("exceededTransferLimit", None)
    return json.dumps({**told, "features": told["features"][: len(told["features"]) // 2]}).encode()
