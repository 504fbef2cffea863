"""What a real portal does wrong, on demand: so that an operator or a test can rehearse it."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

_COUNT = re.compile(r"[0-9]{1,9}")


@dataclass
class Faults:
    """Misbehaviours of the next pages of rows; a number says how many pages, and is counted down.

    Attributes:
        server_error: answer 503.
        throttle: answer 429 with Retry-After 1.
        accepted: answer 202.
        html: answer 200 with a maintenance page.
        cut_body: break the connection in the middle of the body.
        truncate_page: leave out the end of the body, with a consistent length.
        early_empty: answer an empty page.
        short_pages: give at most so many rows a page, always.
        no_id_compare: 1: refuse filters that compare :id, always.
    """

    server_error: int = 0
    throttle: int = 0
    accepted: int = 0
    html: int = 0
    cut_body: int = 0
    truncate_page: int = 0
    early_empty: int = 0
    short_pages: int = 0
    no_id_compare: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> "Faults":
        """Faults from texts such as 'server-error=2' or 'no-id-compare'.

        Raises:
            ValueError: a text names no fault; the message lists them.
        """
        known = [f.name for f in fields(cls) if not f.name.startswith("_")]
        faults = cls()
        for text in texts:
            name, _, number = text.partition("=")
            if name.replace("-", "_") not in known or not _COUNT.fullmatch(number or "1"):
                raise ValueError(f"{text!r} is no fault; there are {', '.join(n.replace('_', '-') + '=N' for n in known)}")
            setattr(faults, name.replace("-", "_"), int(number or "1"))
        return faults

    def strikes(self, name: str) -> bool:
        """Whether a counted fault befalls this page."""
        with self._lock:
            left = int(getattr(self, name))
            setattr(self, name, max(left - 1, 0))
        return left > 0
