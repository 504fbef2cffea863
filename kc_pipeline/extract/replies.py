"""What comes back over HTTP: the body as received and unpacked, within limits."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError

Told = TypeVar("Told")

_LEVEL = 6  # the highest, which Python takes by itself, needs three times as long for a fiftieth less


@dataclass(frozen=True)
class Limits:
    """How long and how often one request is tried, and how large an answer may be.

    Attributes:
        attempts: tries of one request, the first included.
        deadline_seconds: total time of one try, from the connection to the last byte.
        total_seconds: total time of all tries and the waits between them; no try starts after it.
        read_seconds: longest silence within a try.
        wait_seconds: longest wait between tries, also where the server asks for more.
        body_bytes: largest body, as received and unpacked.
    """

    attempts: int = 6
    deadline_seconds: float = 300.0
    total_seconds: float = 1200.0
    read_seconds: float = 60.0
    wait_seconds: float = 120.0
    body_bytes: int = 1 << 28


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        url: what was asked, without parameters.
        wire: the body as received.
        content: the body, unpacked.
        encoding: 'gzip' or 'identity'.
        sha256: of `wire`.
        headers: those worth keeping.
    """

    url: str
    wire: bytes
    content: bytes
    encoding: str
    sha256: str
    headers: Mapping[str, str]


class JsonAnswer(Generic[Told]):
    """Reads a JSON answer as it arrives, so that one that is cut short or is something else is asked for again.

    Attributes:
        value: what was read; there once a body has been read.
    """

    value: Told

    def __init__(self, read: Callable[[Any], Told]) -> None:
        """Prepare to read.

        Args:
            read: makes something of the parsed body; where it stumbles over its shape, the body is not what was asked for.
        """
        self._read = read

    def __call__(self, content: bytes) -> None:
        """Read a body.

        Raises:
            TransientSourceError: the body is not JSON, or not what was asked for.
        """
        try:
            self.value = self._read(parsed_json(content))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError, OSError) as error:
            raise TransientSourceError(f"the answer is not what was asked for ({type(error).__name__}: {error})") from error


def parsed_json(content: bytes) -> Any:
    """A body as JSON.

    Raises:
        TransientSourceError: it is not JSON, or nested beyond reason.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TransientSourceError(f"the answer is not JSON: {error}") from error


def pack(content: bytes) -> bytes:
    """Gzip of a page that a source did not send packed; the same content always gives the same bytes."""
    return gzip.compress(content, _LEVEL, mtime=0)


def unpack(wire: bytes, encoding: str, limit: int) -> bytes:
    """A body unpacked, never more than `limit` bytes of it in memory.

    Raises:
        TransientSourceError: the body is cut short or damaged.
        PermanentSourceError: it unpacks to more than the limit.
    """
    if encoding == "identity":
        content = wire
    elif encoding == "gzip":
        parts, room, rest = [], limit + 1, wire
        while rest and room > 0:
            member = zlib.decompressobj(wbits=31)
            try:
                part = member.decompress(rest, room)
            except zlib.error as error:
                raise TransientSourceError(f"the gzip body is damaged: {error}") from error
            parts.append(part)
            room -= len(part)
            if room > 0 and not member.eof:
                raise TransientSourceError("the gzip body is cut short")
            rest = member.unused_data
        content = b"".join(parts)
    else:
        raise TransientSourceError(f"the body has the encoding {encoding!r}, asked for was gzip")
    if len(content) > limit:
        raise PermanentSourceError(f"the body unpacks to more than {limit:,} bytes; ask for smaller pages or raise the limit")
    return content
