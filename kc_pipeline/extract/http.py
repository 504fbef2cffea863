"""Ask a portal over HTTP: what is worth asking again is asked again, bodies are kept as they came over the wire.

Knows nothing of SODA or ArcGIS beyond the shape of their error bodies.
"""

import hashlib
import ipaddress
import json
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from kc_pipeline.extract.errors import PermanentSourceError, SourceError, TransientSourceError, redact
from kc_pipeline.extract.replies import Limits, Reply, unpack

JSON = ("application/json", "application/geo+json", "text/plain", "text/json")
CSV = ("text/csv",)
_KEPT_HEADERS = ("content-type", "etag", "last-modified", "x-soda2-truth-last-modified", "x-soda2-secondary-last-modified")
_TRANSIENT_STATUSES = frozenset({202, 408, 425, 429})
_MAX_REDIRECTS = 3
_FIRST_WAIT_SECONDS = 1.0


def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class PortalClient:
    """One connection pool for one refresh; close it, or use it in a `with`."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        app_token: str | None = None,
        limits: Limits | None = None,
        trust_env: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            now: the time, UTC; reads a Retry-After that is a date.
            app_token: sent in a header, never in a message.
            limits: how long, how often, how much.
            trust_env: use the machine's proxy settings.
            sleep: waits between tries.
            monotonic: seconds, for the deadline.
        """
        self._now, self._sleep, self._monotonic = now, sleep, monotonic
        self._token = app_token
        self.limits = limits or Limits()
        headers = {"Accept-Encoding": "gzip", "User-Agent": "kc-pipeline"}
        self._client = httpx.Client(
            headers=headers | ({"X-App-Token": app_token} if app_token else {}),
            timeout=httpx.Timeout(self.limits.read_seconds, connect=min(15.0, self.limits.read_seconds)),
            follow_redirects=False,
            trust_env=trust_env,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        *,
        what: str,
        accept: tuple[str, ...] = JSON,
        check: Callable[[bytes], object] | None = None,
    ) -> Reply:
        """Ask, and ask again where that can help.

        Args:
            url: address without parameters.
            params: parameters; no secrets.
            what: names the feed and the data set in messages.
            accept: media types that an answer may have.
            check: reads the unpacked body; an error that it raises counts as the server's.

        Raises:
            TransientSourceError: every try failed in a way that may pass.
            PermanentSourceError: the request is refused.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.limits.attempts),
            wait=self._wait,
            retry=retry_if_exception_type(TransientSourceError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._once, url, dict(params or {}), accept, check)
        except SourceError as error:
            tries = f" (tried {self.limits.attempts} times)" if isinstance(error, TransientSourceError) else ""
            message = redact(f"{what}: {error}{tries}", self._token)
            raise type(error)(message, status=error.status, retry_after=error.retry_after) from None

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, SourceError) else None
        grown = _FIRST_WAIT_SECONDS * 2 ** (state.attempt_number - 1)
        wait = asked if asked is not None else grown * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        return min(max(wait, 0.0), self.limits.wait_seconds)

    def _once(self, url: str, params: dict[str, str], accept: tuple[str, ...], check: Callable[[bytes], object] | None) -> Reply:
        target = httpx.URL(url, params=params) if params else httpx.URL(url)
        for _ in range(_MAX_REDIRECTS + 1):
            response, wire = self._receive(target)
            if response.status_code not in {301, 302, 303, 307, 308}:
                break
            goal = target.join(response.headers.get("location", ""))
            if (goal.scheme, goal.host, goal.port) != (target.scheme, target.host, target.port):
                raise PermanentSourceError(f"{_shown(target)} redirects to another host ({goal.scheme}://{goal.host}); not followed")
            target = goal
        else:
            raise PermanentSourceError(f"{_shown(httpx.URL(url))} redirects in a circle")
        encoding = response.headers.get("content-encoding", "identity").strip().lower() or "identity"
        if response.status_code != 200:
            raise self._refusal(response, wire, encoding)
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type not in accept:
            raise TransientSourceError(f"{_shown(target)} answered {media_type or 'no content type'}, not {accept[0]}: a maintenance page?")
        content = unpack(wire, encoding, self.limits.body_bytes)
        if check:
            check(content)
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        return Reply(url, wire, content, encoding, hashlib.sha256(wire).hexdigest(), kept)

    def _receive(self, target: httpx.URL) -> tuple[httpx.Response, bytes]:
        """One exchange; the body as it came, read within the deadline."""
        end = self._monotonic() + self.limits.deadline_seconds
        parts: list[bytes] = []
        size = 0
        try:
            with self._client.stream("GET", target) as response:
                for part in response.iter_raw():
                    parts.append(part)
                    size += len(part)
                    if self._monotonic() > end:
                        raise TransientSourceError(f"{_shown(target)} took more than {self.limits.deadline_seconds:g} s")
                    if size > self.limits.body_bytes:
                        raise PermanentSourceError(
                            f"{_shown(target)} sent more than {self.limits.body_bytes:,} bytes; ask for smaller pages"
                        )
        except httpx.ConnectError as error:
            if is_loopback(str(target)):
                base = f"{target.scheme}://{target.host}:{target.port or 80}"
                advice = "start it with `kc sandbox serve` or `make dev`"
                raise PermanentSourceError(f"no portal answers at {base}; {advice}") from error
            raise TransientSourceError(f"{_shown(target)} cannot be reached: {error}") from error
        except httpx.HTTPError as error:
            raise TransientSourceError(f"{_shown(target)}: {type(error).__name__}: {error}") from error
        return response, b"".join(parts)

    def _refusal(self, response: httpx.Response, wire: bytes, encoding: str) -> SourceError:
        """The error that a status stands for, with the portal's own words."""
        status = response.status_code
        try:
            words = _own_words(unpack(wire, encoding, 1 << 20))
        except SourceError:
            words = ""
        message = f"{_shown(response.url)} answered HTTP {status}{': ' + words if words else ''}"
        if status in _TRANSIENT_STATUSES or status >= 500:
            return TransientSourceError(message, status=status, retry_after=self._retry_after(response.headers.get("retry-after")))
        return PermanentSourceError(message, status=status)

    def _retry_after(self, value: str | None) -> float | None:
        """Seconds from a Retry-After header, which holds seconds or a date."""
        if value is None:
            return None
        if value.strip().isdigit():
            return float(value)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - self._now()).total_seconds()


def _shown(url: httpx.URL) -> str:
    return redact(str(url.copy_with(query=None)))


def _own_words(body: bytes) -> str:
    """The message in an error body of Socrata or ArcGIS; empty where there is none."""
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    error = told["error"] if isinstance(told.get("error"), dict) else told
    parts = (error.get("message"), error.get("errorCode"), error.get("code"))
    return " / ".join(str(part) for part in parts if part)[:500]
