"""A deadline that ends an exchange whatever it waits for.

A client's read timeout begins anew with each byte, so that a server that sends one now and then holds it for ever.
Here a timer shuts the sockets; whatever waits for them then fails.
"""

import socket
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any


class Watch:
    """One exchange under a deadline.

    Attributes:
        is_over: whether the deadline came.
    """

    def __init__(self, sockets: "weakref.WeakSet[socket.socket]") -> None:
        self._sockets = sockets
        self.is_over = False

    def ring(self) -> None:
        """End the exchange."""
        self.is_over = True
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Deadline:
    """Watches the connections of one client, which makes one exchange at a time."""

    def __init__(self) -> None:
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the socket of a new connection; pass this to httpx as the extension 'trace'."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            made = info["return_value"].get_extra_info("socket")
            if isinstance(made, socket.socket):
                self._sockets.add(made)

    @contextmanager
    def watched(self, seconds: float) -> Iterator[Watch]:
        """An exchange that ends after so many seconds at the latest."""
        watch = Watch(self._sockets)
        timer = threading.Timer(seconds, watch.ring)
        timer.daemon = True
        timer.start()
        try:
            yield watch
        finally:
            timer.cancel()
