"""What comes back over HTTP: the body as received and unpacked, within limits."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError


@dataclass(frozen=True)
class Limits:
    """How long and how often one request is tried, and how large an answer may be.

    Attributes:
        attempts: tries of one request, the first included.
        deadline_seconds: total time of one try.
        read_seconds: longest silence within a try.
        wait_seconds: longest wait between tries, also where the server asks for more.
        body_bytes: largest body, unpacked.
    """

    attempts: int = 6
    deadline_seconds: float = 300.0
    read_seconds: float = 60.0
    wait_seconds: float = 120.0
    body_bytes: int = 1 << 30


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

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)


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
