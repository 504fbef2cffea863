"""Ask a portal over HTTP: what is worth asking again is asked again, bodies are kept as they came over the wire.

Knows nothing of SODA or ArcGIS beyond the shape of their error bodies.
"""

import hashlib
import ipaddress
import json
import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from kc_pipeline.extract.deadline import Deadline
from kc_pipeline.extract.errors import PermanentSourceError, SourceError, TransientSourceError, redact
from kc_pipeline.extract.guard import PortalGuard
from kc_pipeline.extract.replies import Limits, Reply, unpack

JSON = ("application/json", "application/geo+json", "text/plain", "text/json")
CSV = ("text/csv",)
Check = Callable[[bytes], object]
_KEPT_HEADERS = ("content-type", "etag", "last-modified", "x-soda2-truth-last-modified", "x-soda2-secondary-last-modified")
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_FIRST_WAIT_SECONDS = 1.0
_MOST_SECONDS_ASKED = 10_000_000.0


def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_secrets(url: str) -> str:
    """A URL without user name and password, as it may stand in a manifest."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(username=None, password=None)) if parsed.userinfo else url


@cache
def _certificates(trust_env: bool) -> ssl.SSLContext:
    """The authorities that are trusted; reading them takes longer than a request."""
    return httpx.create_ssl_context(trust_env=trust_env)


@dataclass(frozen=True)
class _Question:
    method: str
    url: httpx.URL
    body: bytes | None = None


class PortalClient:
    """One connection pool for one portal and one refresh; close it, or use it in a `with`. Not for several threads at once."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        app_token: str | None = None,
        limits: Limits | None = None,
        trust_env: bool = False,
        guard: PortalGuard | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            now: the time, UTC; reads a Retry-After that is a date.
            app_token: sent in a header, never in a message.
            limits: how long, how often, how much.
            trust_env: use the machine's proxy settings.
            guard: what is known of the portal from other refreshes; without one, nothing.
            sleep: waits between tries.
            monotonic: seconds, for the deadlines.
        """
        self._now, self._sleep, self._monotonic = now, sleep, monotonic
        self._token = app_token
        self._guard = guard or PortalGuard("the portal", sleep=sleep, monotonic=monotonic)
        self._deadline = Deadline()
        self.limits = limits or Limits()
        headers = {"Accept-Encoding": "gzip", "User-Agent": "kc-pipeline"}
        self._client = httpx.Client(
            headers=headers | ({"X-App-Token": app_token} if app_token else {}),
            timeout=httpx.Timeout(self.limits.read_seconds, connect=min(15.0, self.limits.read_seconds)),
            follow_redirects=False,
            trust_env=trust_env,
            verify=_certificates(trust_env),
        )

    @property
    def has_token(self) -> bool:
        """Whether requests carry an application token."""
        return bool(self._token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self, url: str, params: Mapping[str, str] | None = None, *, what: str, accept: tuple[str, ...] = JSON, check: Check | None = None
    ) -> Reply:
        """Ask, and ask again where that can help.

        Args:
            url: address without parameters.
            params: parameters; no secrets.
            what: names the feed and the data set in messages.
            accept: media types that an answer may have.
            check: reads the unpacked body; an error that it raises counts as the server's.

        Raises:
            TransientSourceError: every try failed in a way that may pass, or the portal is being left alone.
            PermanentSourceError: the request is refused.
        """
        target = httpx.URL(url, params=dict(params)) if params else httpx.URL(url)
        return self._ask(_Question("GET", target), what, accept, check)

    def post(self, url: str, body: Mapping[str, Any], *, what: str, accept: tuple[str, ...] = JSON, check: Check | None = None) -> Reply:
        """Ask with a JSON body; arguments and errors as in `get`. Only for requests that change nothing: they are repeated."""
        return self._ask(_Question("POST", httpx.URL(url), json.dumps(body).encode()), what, accept, check)

    def _ask(self, question: _Question, what: str, accept: tuple[str, ...], check: Check | None) -> Reply:
        end = self._monotonic() + self.limits.total_seconds
        retrying = Retrying(
            stop=lambda state: state.attempt_number >= self.limits.attempts or self._monotonic() + self._wait(state) > end,
            wait=self._wait,
            retry=retry_if_exception_type(TransientSourceError),
            sleep=self._sleep,
            reraise=True,
        )
        tries = ""
        try:
            self._guard.check()
            try:
                reply: Reply = retrying(self._once, question, accept, check)
            except TransientSourceError:
                self._guard.failed()
                tries = f" (tried {retrying.statistics['attempt_number']} times)"
                raise
            except PermanentSourceError as error:
                if error.status is not None:
                    self._guard.answered()
                raise
        except SourceError as error:
            message = redact(f"{what}: {error}{tries}", self._token)
            raise type(error)(message, status=error.status, retry_after=error.retry_after) from None
        self._guard.answered()
        return reply

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, SourceError) else None
        grown = _FIRST_WAIT_SECONDS * 2 ** (state.attempt_number - 1)
        wait = asked if asked is not None else grown * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        return min(max(wait, 0.0), self.limits.wait_seconds)

    def _once(self, question: _Question, accept: tuple[str, ...], check: Check | None) -> Reply:
        response, wire = self._followed(question)
        encoding = response.headers.get("content-encoding", "identity").strip().lower().removeprefix("x-") or "identity"
        if response.status_code != 200:
            raise self._refusal(response, wire, encoding)
        media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type not in accept:
            raise TransientSourceError(
                f"{_shown(response.url)} answered {media_type or 'no content type'}, not {accept[0]}: a maintenance page?"
            )
        content = unpack(wire, encoding, self.limits.body_bytes)
        if check:
            check(content)
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        asked = without_secrets(str(question.url.copy_with(query=None)))
        return Reply(asked, wire, content, encoding, hashlib.sha256(wire).hexdigest(), kept)

    def _followed(self, question: _Question) -> tuple[httpx.Response, bytes]:
        """The answer at the end of redirects, which must not leave the portal."""
        start = question.url
        for _ in range(_MAX_REDIRECTS + 1):
            self._guard.wait()
            response, wire = self._receive(question)
            if response.status_code not in _REDIRECTS:
                return response, wire
            goal = question.url.join(response.headers.get("location", ""))
            if (goal.scheme, goal.host, goal.port) != (start.scheme, start.host, start.port):
                shown = f"{goal.scheme}://{goal.host}"
                raise PermanentSourceError(f"{_shown(question.url)} redirects to another host ({shown}); not followed")
            if question.method != "GET" and response.status_code not in {307, 308}:
                raise PermanentSourceError(f"{_shown(question.url)} redirects a query; not followed")
            question = replace(question, url=goal.copy_with(userinfo=start.userinfo))
        raise PermanentSourceError(f"{_shown(start)} redirects in a circle")

    def _receive(self, question: _Question) -> tuple[httpx.Response, bytes]:
        """One exchange; the body as it came, within the deadline."""
        target = question.url
        late = f"{_shown(target)} took more than {self.limits.deadline_seconds:g} s"
        end = self._monotonic() + self.limits.deadline_seconds
        parts: list[bytes] = []
        size = 0
        headers = {"Content-Type": "application/json"} if question.body is not None else {}
        trace = {"trace": self._deadline.note}
        with self._deadline.watched(self.limits.deadline_seconds) as watch:
            try:
                with self._client.stream(question.method, target, content=question.body, headers=headers, extensions=trace) as response:
                    for part in response.iter_raw():
                        parts.append(part)
                        size += len(part)
                        if self._monotonic() > end:
                            raise TransientSourceError(late)
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
            except (httpx.InvalidURL, UnicodeError) as error:  # httpx reads the address of a redirect before it can be refused
                raise PermanentSourceError(f"{_shown(target)} redirects to no address: {error}") from error
            except httpx.HTTPError as error:
                raise TransientSourceError(late if watch.is_over else f"{_shown(target)}: {type(error).__name__}: {error}") from error
        if watch.is_over:
            raise TransientSourceError(late)
        return response, b"".join(parts)

    def _refusal(self, response: httpx.Response, wire: bytes, encoding: str) -> SourceError:
        """The error that a status stands for, with the portal's own words."""
        status = response.status_code
        try:
            words = _own_words(unpack(wire, encoding, 1 << 20))
        except SourceError:
            words = ""
        message = f"{_shown(response.url)} answered HTTP {status}{': ' + words if words else ''}"
        if status in _TRANSIENT_STATUSES or status < 300 or status >= 500:
            return TransientSourceError(message, status=status, retry_after=self._retry_after(response.headers.get("retry-after")))
        return PermanentSourceError(message, status=status)

    def _retry_after(self, value: str | None) -> float | None:
        """Seconds from a Retry-After header, which holds seconds or a date; None where it holds neither."""
        if value is None:
            return None
        if value.strip().isascii() and value.strip().isdigit():
            return min(float(value), _MOST_SECONDS_ASKED)
        try:
            moment = parsedate_to_datetime(value)
            return (moment.replace(tzinfo=moment.tzinfo or UTC) - self._now()).total_seconds()
        except (ValueError, OverflowError):
            return None


def _shown(url: httpx.URL) -> str:
    return redact(str(url.copy_with(query=None)))


def _own_words(body: bytes) -> str:
    """The message in an error body of Socrata or ArcGIS; empty where there is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    error = told["error"] if isinstance(told.get("error"), dict) else told
    parts = (error.get("message"), error.get("errorCode"), error.get("code"))
    return " / ".join(str(part) for part in parts if part)[:500]
