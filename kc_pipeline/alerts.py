"""What people are told of without looking: failed runs and checks, sources that fell silent; by log, webhook and e-mail.

The same thing is told once, and again after a day if it still holds or when its text changed.  What is told holds no secret, and
a way that cannot be reached is written to the log: telling never makes a run fail.
"""

import hashlib
import json
import logging
import smtplib
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from kc_pipeline.extract.errors import redact
from kc_pipeline.settings import Settings

LOG = logging.getLogger(__name__)
REPEATED_AFTER = timedelta(days=1)
_WAIT_SECONDS = 10.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Alert:
    """One thing to tell.

    Attributes:
        kind: 'run failed', 'check failed', 'source', or 'warning'.
        about: a job, a table and rule, or a feed; with the kind it says what is the same thing.
        text: a sentence or two.
    """

    kind: str
    about: str
    text: str


class Way(Protocol):
    """One way of telling."""

    name: str

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Tell; raises where that was not possible."""


class Log:
    """Into the log."""

    name = "log"

    def tell(self, alerts: Sequence[Alert]) -> None:
        """A warning for each."""
        for alert in alerts:
            LOG.warning("%s: %s: %s", alert.kind, alert.about, alert.text)


class Webhook:
    """As JSON to a URL, in the shape that chat services read, with the alerts beside it."""

    name = "webhook"

    def __init__(self, url: str) -> None:
        self._url = url

    def tell(self, alerts: Sequence[Alert]) -> None:
        """One POST for all of them."""
        import httpx

        body = {"text": _plain_text(alerts), "alerts": [vars(alert) for alert in alerts]}
        httpx.post(self._url, json=body, timeout=_WAIT_SECONDS).raise_for_status()


class Mail:
    """As one e-mail by SMTP."""

    name = "mail"

    def __init__(self, server: str, sender: str, receivers: str, password: str | None) -> None:
        """Prepare.

        Args:
            server: 'smtp://user@host:587' (encrypted if the server offers it) or 'smtps://user@host:465'.
            sender: address.
            receivers: addresses, comma-separated.
            password: of the user; sent over an encrypted connection alone, or to this machine.
        """
        self._server, self._sender, self._receivers, self._password = urlsplit(server), sender, receivers, password

    def tell(self, alerts: Sequence[Alert]) -> None:
        """One message for all of them."""
        message = EmailMessage()
        message["Subject"] = f"kc_pipeline: {alerts[0].kind}: {alerts[0].about}" + (f" and {len(alerts) - 1} more" if alerts[1:] else "")
        message["From"], message["To"] = self._sender, self._receivers
        message.set_content(_plain_text(alerts))
        with self._connected() as server:
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        host, encrypted = self._server.hostname or "", self._server.scheme == "smtps"
        context = ssl.create_default_context()
        if encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._server.port or 465, timeout=_WAIT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, self._server.port or 25, timeout=_WAIT_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                encrypted = True
        if self._server.username and self._password:
            if not encrypted and host not in _LOOPBACK:
                server.close()
                raise smtplib.SMTPException("the server offers no encryption, so the password is not sent")
            server.login(unquote(self._server.username), self._password)
        return server


def ways(settings: Settings) -> list[Way]:
    """The ways that the settings name; the log always."""
    named: list[Way] = [Log()]
    if settings.notify_webhook:
        named.append(Webhook(settings.notify_webhook))
    if settings.notify_smtp:
        named.append(Mail(settings.notify_smtp, settings.notify_from, settings.notify_to, settings.notify_password))
    return named


class Notifier:
    """Tells each thing once by each way."""

    def __init__(self, told_by: Iterable[Way], memory: Path, now: Callable[[], datetime], secrets: Sequence[str | None] = ()) -> None:
        """Prepare.

        Args:
            told_by: the ways.
            memory: file that keeps what was told when.
            now: the time, UTC.
            secrets: texts that must never be told.
        """
        self._ways, self._memory, self._now, self._secrets = tuple(told_by), memory, now, tuple(secrets)

    def tell(self, alerts: Iterable[Alert]) -> dict[str, int]:
        """Tell what was not told yet; returns the number told by each way.

        What holds no longer is forgotten, so that it is told again should it come back: so give all that holds now.
        """
        clean = {(a.kind, a.about): Alert(a.kind, a.about, redact(a.text, *self._secrets)) for a in alerts}
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        count = {}
        with FileLock(f"{self._memory}.lock"):
            memory = self._read()
            for way in self._ways:
                known = memory.get(way.name, {})
                fresh = [alert for alert in clean.values() if not self._is_known(alert, known)]
                kept = {_key(a): known[_key(a)] for a in clean.values() if _key(a) in known}
                if fresh and self._told(way, fresh):
                    kept |= {_key(alert): {"text": _digest(alert), "at": self._now().isoformat()} for alert in fresh}
                    count[way.name] = len(fresh)
                memory[way.name] = kept
            temporary = self._memory.with_suffix(".writing")
            temporary.write_text(json.dumps(memory, indent=1, sort_keys=True), encoding="utf-8")
            temporary.replace(self._memory)
        return count

    def _told(self, way: Way, alerts: Sequence[Alert]) -> bool:
        try:
            way.tell(alerts)
        except Exception as error:  # whatever a mail server or a webhook does, the run goes on
            LOG.warning("%d alerts could not be told by %s: %s", len(alerts), way.name, redact(str(error), *self._secrets))
            return False
        return True

    def _is_known(self, alert: Alert, known: dict[str, dict[str, str]]) -> bool:
        before = known.get(_key(alert))
        if before is None or before["text"] != _digest(alert):
            return False
        return self._now() - datetime.fromisoformat(before["at"]) < REPEATED_AFTER

    def _read(self) -> dict[str, dict[str, dict[str, str]]]:
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}


def _plain_text(alerts: Sequence[Alert]) -> str:
    return "\n".join(f"{alert.kind}: {alert.about}: {alert.text}" for alert in alerts)


def _key(alert: Alert) -> str:
    return f"{alert.kind}|{alert.about}"


def _digest(alert: Alert) -> str:
    return hashlib.sha256(alert.text.encode()).hexdigest()
