"""Alerts by log, webhook and mail, against servers on this machine: each thing once, no secrets, and no run that fails of it."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from kc_pipeline.alerts import Alert, Log, Mail, Notifier, Webhook, ways
from kc_pipeline.settings import load_settings

SILENT = Alert("source", "calls_911", "silent: calls_911: no row since 2026-06-18.")
FAILED = Alert("run failed", "ingest", "raw__parcels: portal answered 500 at http://u:secret-word@portal/x?$$app_token=abc")
NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)


class Hook:
    """A webhook that keeps what it got, and answers with a status."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/secret-word"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Mailbox:
    def __init__(self) -> None:
        self.got: list[tuple[list[str], str, str]] = []
        self.users: list[str] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content)
        self.got.append((envelope.rcpt_tos, message["Subject"], message.get_payload(decode=True).decode()))
        return "250 taken"

    def login(self, server, session, envelope, mechanism, data) -> AuthResult:
        self.users.append(data.login.decode())
        return AuthResult(success=isinstance(data, LoginPassword) and data.password == b"pass-word")


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=30, authenticator=box.login, auth_require_tls=False)
    controller.start()
    yield box, port
    controller.stop()


def notifier(tmp_path: Path, *told_by, at: datetime = NOW) -> Notifier:
    return Notifier(told_by, tmp_path / "alerts.json", lambda: at, ["secret-word"])


def test_a_webhook_gets_all_alerts_in_one_request_without_secrets(hook: Hook, tmp_path: Path) -> None:
    assert notifier(tmp_path, Webhook(hook.url)).tell([SILENT, FAILED]) == {"webhook": 2}
    (body,) = hook.got
    assert body["alerts"][0] == {"kind": "source", "about": "calls_911", "text": SILENT.text}
    assert body["text"].splitlines()[0] == f"source: calls_911: {SILENT.text}"
    assert "secret-word" not in json.dumps(body)
    assert "abc" not in json.dumps(body)


def test_a_mail_goes_to_every_receiver(mailbox: tuple[Mailbox, int], tmp_path: Path) -> None:
    box, port = mailbox
    way = Mail(f"smtp://night@127.0.0.1:{port}", "kc@city.example", "a@city.example, b@city.example", "pass-word")
    assert notifier(tmp_path, way).tell([SILENT, FAILED]) == {"mail": 2}
    ((receivers, subject, text),) = box.got
    assert receivers == ["a@city.example", "b@city.example"]
    assert subject == "kc_pipeline: source: calls_911 and 1 more"
    assert SILENT.text in text
    assert box.users == ["night"]


def test_a_password_is_not_sent_over_an_open_line(
    monkeypatch: pytest.MonkeyPatch, mailbox: tuple[Mailbox, int], tmp_path: Path, caplog
) -> None:
    box, port = mailbox
    monkeypatch.setattr("kc_pipeline.alerts._LOOPBACK", set())
    way = Mail(f"smtp://night@127.0.0.1:{port}", "kc@city.example", "a@city.example", "pass-word")
    assert notifier(tmp_path, way).tell([SILENT]) == {}
    assert (box.users, box.got) == ([], [])
    assert "offers no encryption" in caplog.text


def test_the_same_thing_is_told_again_after_a_day_or_when_it_changed(hook: Hook, tmp_path: Path) -> None:
    way = Webhook(hook.url)
    for at, alert, told in (
        (NOW, SILENT, {"webhook": 1}),
        (NOW + timedelta(hours=23), SILENT, {}),
        (NOW + timedelta(hours=24), SILENT, {"webhook": 1}),
        (NOW + timedelta(hours=25), Alert(SILENT.kind, SILENT.about, "silent for longer"), {"webhook": 1}),
    ):
        assert notifier(tmp_path, way, at=at).tell([alert]) == told
    assert notifier(tmp_path, way, at=NOW + timedelta(hours=26)).tell([]) == {}
    assert notifier(tmp_path, way, at=NOW + timedelta(hours=27)).tell([SILENT]) == {"webhook": 1}, "it had gone in between"


def test_what_could_not_be_told_is_logged_and_told_later(hook: Hook, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 500
    with caplog.at_level(logging.WARNING):
        assert notifier(tmp_path, Log(), Webhook(hook.url)).tell([SILENT]) == {"log": 1}
    assert "1 alerts could not be told by webhook" in caplog.text
    assert "secret-word" not in caplog.text
    hook.status = 200
    assert notifier(tmp_path, Log(), Webhook(hook.url)).tell([SILENT]) == {"webhook": 1}


def test_a_memory_that_cannot_be_read_means_that_nothing_was_told(hook: Hook, tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text("{")
    assert notifier(tmp_path, Webhook(hook.url)).tell([SILENT]) == {"webhook": 1}


def test_the_settings_name_the_ways() -> None:
    assert [way.name for way in ways(load_settings({}))] == ["log"]
    environ = {"KC_NOTIFY_WEBHOOK": "http://127.0.0.1:1/x", "KC_NOTIFY_SMTP": "smtp://127.0.0.1"}
    addresses = {"KC_NOTIFY_FROM": "a@x.example", "KC_NOTIFY_TO": "b@x.example", "KC_NOTIFY_PASSWORD": "pass-word"}
    settings = load_settings({**environ, **addresses})
    assert [way.name for way in ways(settings)] == ["log", "webhook", "mail"]
    assert "pass-word" not in repr(settings)
    with pytest.raises(ValueError, match="KC_NOTIFY_FROM"):
        load_settings(environ)
    with pytest.raises(ValueError, match="put it into KC_NOTIFY_PASSWORD"):
        load_settings({**environ, **addresses, "KC_NOTIFY_SMTP": "smtp://night:pass-word@127.0.0.1"})
