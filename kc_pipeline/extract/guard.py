"""What is known of each portal between requests: when it was last asked, and whether it is down.

A portal that fails several requests in a row is left alone for a while, so that an outage costs one feed its retries and
not every feed; and requests keep a distance, so that a city's server is not run over.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from kc_pipeline.extract.errors import TransientSourceError, redact


@dataclass(frozen=True)
class Manners:
    """How a portal is treated.

    Attributes:
        failures: requests in a row that fail, every try of each, before the portal is left alone.
        rest_seconds: how long it is left alone; then one request tries again.
        least_seconds_between: least time from the start of one try to the start of the next.
    """

    failures: int = 3
    rest_seconds: float = 300.0
    least_seconds_between: float = 0.0


class PortalGuard:
    """One portal; may be shared by threads."""

    def __init__(
        self,
        portal: str,
        manners: Manners | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start as if the portal had never been asked.

        Args:
            portal: its base URL, named in messages.
            manners: how it is treated.
            sleep: waits, in seconds.
            monotonic: a clock, in seconds.
        """
        self._portal, self._manners = portal, manners or Manners()
        self._sleep, self._monotonic = sleep, monotonic
        self._lock = threading.Lock()
        self._failed = 0
        self._rests_until: float | None = None
        self._next_at = 0.0

    def check(self) -> None:
        """Let a request pass, unless the portal is being left alone.

        Raises:
            TransientSourceError: it is; the message says for how long.
        """
        with self._lock:
            if self._rests_until is None:
                return
            left = self._rests_until - self._monotonic()
            if left <= 0:
                self._rests_until = self._monotonic() + self._manners.rest_seconds  # one request tries; others go on waiting
                return
            failed = self._failed
        raise TransientSourceError(
            f"{redact(self._portal)} failed {failed} requests in a row and is left alone for another {left:.0f} s; run again later"
        )

    def wait(self) -> None:
        """Keep the distance between two tries."""
        if not self._manners.least_seconds_between:
            return
        with self._lock:
            now = self._monotonic()
            start = max(now, self._next_at)
            self._next_at = start + self._manners.least_seconds_between
        if start > now:
            self._sleep(start - now)

    def answered(self) -> None:
        """Note that the portal answered, be it with a refusal."""
        with self._lock:
            self._failed, self._rests_until = 0, None

    def failed(self) -> None:
        """Note that every try of a request failed."""
        with self._lock:
            self._failed += 1
            if self._failed >= self._manners.failures:
                self._rests_until = self._monotonic() + self._manners.rest_seconds


class Guards:
    """The guards of every portal, for as long as a process remembers."""

    def __init__(self, manners: Manners | None = None) -> None:
        self._manners = manners
        self._lock = threading.Lock()
        self._guards: dict[str, PortalGuard] = {}

    def of(self, portal: str, usual: Manners | None = None) -> PortalGuard:
        """The guard of a portal.

        Args:
            portal: its base URL.
            usual: how it is treated, where the guards were not told otherwise.
        """
        with self._lock:
            return self._guards.setdefault(portal, PortalGuard(portal, self._manners or usual))
