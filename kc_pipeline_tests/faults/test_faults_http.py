"""Faults of the server and of the connection: rows 1 to 6, 8 and 9, 23."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fault_rig import ATTEMPTS, KINDS, ROW_COUNT, Rig, ScriptedRig, expected_ids, quick_limits
from scripted_portal import NOW, Answer, answer_json, now, requests_data_set

from kc_pipeline.extract.errors import PermanentSourceError, SourceError, TransientSourceError
from kc_pipeline.extract.guard import Guards, Manners, PortalGuard
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.replies import Limits
from kc_pipeline.extract.sources import POLITE, open_sources
from kc_pipeline.settings import load_settings

Serve = Callable[..., Rig]
Script = Callable[..., ScriptedRig]
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        pytest.param("server-error", 1, marks=pytest.mark.fault(1)),
        pytest.param("server-error", 2, marks=pytest.mark.fault(1)),
        pytest.param("throttle", 2, marks=pytest.mark.fault(3)),
        pytest.param("throttle-date", 1, marks=pytest.mark.fault(3)),
        pytest.param("accepted", 2, marks=pytest.mark.fault(4)),
        pytest.param("hang-up", 2, marks=pytest.mark.fault(5)),
        pytest.param("cut-body", 2, marks=pytest.mark.fault(5)),
        pytest.param("truncated-page", 2, marks=pytest.mark.fault(6)),
        pytest.param("damaged-gzip", 2, marks=pytest.mark.fault(6)),
        pytest.param("wrong-encoding", 2, marks=pytest.mark.fault(6)),
        pytest.param("html", 2, marks=pytest.mark.fault(9)),
    ],
)
def test_a_page_that_comes_in_the_end_is_kept_whole(serve: Serve, kind: str, fault: str, times: int) -> None:
    rig = serve(kind, f"{fault}={times}")
    manifest = rig.pull()
    assert rig.kept() == expected_ids(kind)
    assert [page.rows for page in manifest.pages] == [10, 10, 10]
    assert len(rig.waits) == times


@each_kind
@pytest.mark.fault(8)
def test_a_passing_error_object_is_asked_again(serve: Serve, kind: str) -> None:
    rig = serve(kind, "error-object=2")
    assert rig.pull().row_count == ROW_COUNT
    assert len(rig.waits) == 2


@each_kind
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.fault(1)
def test_waits_grow_and_are_jittered(script: Script, kind: str, status: int) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, *[Answer(status=status)] * 3)
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    low = [0.5, 1.0, 2.0]
    assert [least <= wait <= 2 * least for least, wait in zip(low, rig.waits, strict=True)] == [True] * 3


@each_kind
@pytest.mark.parametrize("fault", ["server-error", "accepted", "html", "hang-up", "cut-body", "truncated-page", "error-object"])
@pytest.mark.fault(2)
def test_a_fault_without_end_names_the_source_and_keeps_nothing(serve: Serve, kind: str, fault: str) -> None:
    rig = serve(kind, f"{fault}=1000")
    with pytest.raises(TransientSourceError, match=rf"{rig.data_set.feed} {rig.data_set.id}: .*tried {ATTEMPTS} times"):
        rig.pull()
    assert rig.nothing_kept()
    assert len(rig.waits) == ATTEMPTS - 1


@each_kind
@pytest.mark.fault(2)
def test_an_outage_leaves_the_last_good_pull_readable(serve: Serve, script: Script, kind: str) -> None:
    rig = script(kind)
    good = rig.pull()
    rig.portal.handlers[rig.pages] = lambda _: answer_json({}, 503)
    with pytest.raises(TransientSourceError, match="HTTP 503"):
        rig.pull(rig.held())
    assert rig.latest() == good
    assert len(rig.kept()) == ROW_COUNT


@each_kind
@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7.0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("86400", 120.0),
        ("9" * 400, 120.0),
    ],
    ids=["seconds", "date", "past date", "a day", "absurd"],
)
@pytest.mark.fault(3)
def test_waits_as_long_as_it_is_told_up_to_a_cap(script: Script, kind: str, value: str, wait: float) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, Answer(status=429, headers={"Retry-After": value}))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert rig.waits == [wait]


@each_kind
@pytest.mark.parametrize("value", ["soon", "\xb2", "-5", "1.5", "Wed, 99 Foo 9999"])
@pytest.mark.fault(3)
def test_a_retry_after_that_says_nothing_is_passed_over(script: Script, kind: str, value: str) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, Answer(status=503, headers={"Retry-After": value}))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert 0.5 <= rig.waits[0] <= 1.0


@each_kind
@pytest.mark.parametrize("keep", [0, 1, 40])
@pytest.mark.fault(5)
def test_a_body_cut_after_some_bytes_is_asked_for_again(script: Script, kind: str, keep: int) -> None:
    rig = script(kind)
    body = rig.good_page()
    rig.portal.on(rig.pages, Answer(body, type=rig.media_type, cut=keep))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("part", [0.3, 0.9])
@pytest.mark.fault(6)
def test_a_short_body_of_consistent_length_is_asked_for_again(script: Script, kind: str, packed: bool, part: float) -> None:
    rig = script(kind)
    body = gzip.compress(rig.good_page()) if packed else rig.good_page()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    rig.portal.on(rig.pages, Answer(body[: int(len(body) * part)], type=rig.media_type, headers=headers))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


_NONSENSE = {
    "empty": b"",
    "null": b"null",
    "deep": b"[" * 100_000,
    "wrong shapes": b'{"columns": 3, "fields": [3], "features": [{}], "count": "many"}',
    "error true": b'{"error": true, "message": "Internal error"}',
}


@each_kind
@pytest.mark.parametrize("what", ["description", "counts", "pages"])
@pytest.mark.parametrize("body", list(_NONSENSE.values()), ids=list(_NONSENSE))
@pytest.mark.fault(8)
def test_a_body_that_is_no_answer_is_asked_for_again(script: Script, kind: str, what: str, body: bytes) -> None:
    rig = script(kind)
    held = rig.held()
    if what == "pages":
        rig.survey()
    path = {"description": rig.description, "counts": rig.counts, "pages": rig.pages}[what]
    rig.portal.on(path, Answer(body, type=rig.media_type if what == "pages" else "application/json"))
    if what == "pages":
        rig.pull(held)
    else:
        assert rig.survey().total == ROW_COUNT
        rig.pull()
    assert len(rig.kept()) == ROW_COUNT
    assert len(rig.waits) == 1


@pytest.mark.parametrize("code", [400, 403, 404, 498, 499])
@pytest.mark.fault(8)
def test_a_refusal_with_http_200_fails_at_once_by_its_code(script: Script, code: int) -> None:
    rig = script("arcgis")
    rig.portal.on(rig.pages, answer_json({"error": {"code": code, "message": "Token Required", "details": []}}))
    with pytest.raises(PermanentSourceError, match=f"error {code}: Token Required") as caught:
        rig.pull(rig.held())
    assert caught.value.status == code
    assert rig.waits == []
    assert rig.nothing_kept()


@pytest.mark.parametrize("code", [429, 500, 504, "\xb2", None])
@pytest.mark.fault(8)
def test_a_passing_error_with_http_200_is_asked_again(script: Script, code: object) -> None:
    rig = script("arcgis")
    rig.portal.on(rig.pages, answer_json({"error": {"code": code, "message": "Wait operation timed out"}}))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
@pytest.mark.fault(2)
def test_what_is_refused_is_not_asked_twice(script: Script, kind: str, status: int) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, answer_json({"message": "No such column: nope"}, status))
    with pytest.raises(PermanentSourceError, match=f"HTTP {status}: No such column: nope"):
        rig.pull(rig.held())
    assert (rig.waits, rig.nothing_kept()) == ([], True)


@each_kind
@pytest.mark.parametrize("media_type", ["text/html", "application/xml", ""])
@pytest.mark.fault(9)
def test_another_content_type_is_refused_and_asked_again(script: Script, kind: str, media_type: str) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, Answer(b"<html>back at 5 am</html>", type=media_type))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.fault(9)
def test_a_portal_under_maintenance_is_said_to_be(serve: Serve, kind: str) -> None:
    with pytest.raises(TransientSourceError, match=r"answered text/html, not .*a maintenance page"):
        serve(kind, "html=99").pull()


class RawServer:
    """A server of bytes: what it does with each connection is written out."""

    def __init__(self, talk: Callable[[socket.socket, threading.Event], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.over = threading.Event()
        self.talk = talk
        self.asked = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.asked += 1
                try:
                    connection.recv(65536)
                    self.talk(connection, self.over)
                except OSError:
                    continue

    def close(self) -> None:
        self.over.set()
        self.listener.close()


def _say(connection: socket.socket, over: threading.Event, text: bytes, then: bytes) -> None:
    connection.sendall(text)
    while then and not over.wait(0.02):
        connection.sendall(then)
    if not then:
        over.wait(5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SLOW = {
    "hangs before a byte": (b"", b""),
    "hangs after the headers": (HEAD + b"Content-Length: 100\r\n\r\n", b""),
    "hangs within the body": (HEAD + b"Content-Length: 100\r\n\r\n[1,", b""),
    "drips the body": (HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "drips chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "drips headers": (HEAD + b"X-Long: ", b"x"),
    "drips the status line": (b"HTTP/1.1 200 ", b"O"),
}


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    opened: list[RawServer] = []

    def start(talk: Callable[[socket.socket, threading.Event], None]) -> RawServer:
        opened.append(RawServer(talk))
        return opened[-1]

    yield start
    for server in opened:
        server.close()


@pytest.mark.parametrize("texts", list(SLOW.values()), ids=list(SLOW))
@pytest.mark.fault(23)
def test_a_deadline_ends_what_a_read_timeout_does_not(raw_server: Callable[..., RawServer], texts: tuple[bytes, bytes]) -> None:
    server = raw_server(lambda connection, over: _say(connection, over, *texts))
    limits = Limits(attempts=2, deadline_seconds=0.25, read_seconds=30.0)
    with (
        PortalClient(now, limits=limits, sleep=lambda _: None) as client,
        pytest.raises(TransientSourceError, match=r"feed x: .*took more than 0\.25 s \(tried 2 times\)"),
    ):
        client.get(f"{server.url}/x", what="feed x")
    assert server.asked >= 1


@pytest.mark.fault(23)
def test_silence_is_noticed_by_the_read_timeout(raw_server: Callable[..., RawServer]) -> None:
    server = raw_server(lambda connection, over: _say(connection, over, b"", b""))
    with (
        PortalClient(now, limits=Limits(attempts=1, deadline_seconds=30, read_seconds=0.2), sleep=lambda _: None) as client,
        pytest.raises(TransientSourceError, match="ReadTimeout"),
    ):
        client.get(f"{server.url}/x", what="feed x")


@each_kind
@pytest.mark.parametrize("fault", ["slow-drip", "slow-headers", "hang"])
@pytest.mark.fault(23)
def test_a_page_that_drips_is_ended_and_nothing_is_kept(serve: Serve, kind: str, fault: str) -> None:
    rig = serve(kind, f"{fault}=1", limits=quick_limits(attempts=1, deadline_seconds=0.3))
    with pytest.raises(TransientSourceError, match=r"took more than 0\.3 s"):
        rig.pull()
    assert rig.nothing_kept()


@each_kind
@pytest.mark.parametrize("fault", ["slow-drip", "slow-headers", "hang"])
@pytest.mark.fault(23)
def test_after_a_deadline_the_next_try_has_a_fresh_connection(serve: Serve, kind: str, fault: str) -> None:
    rig = serve(kind, f"{fault}=1", limits=quick_limits(attempts=2, deadline_seconds=0.3))
    assert rig.pull().row_count == ROW_COUNT
    assert len(rig.waits) == 1


@pytest.mark.fault(23)
def test_all_tries_together_have_a_deadline(script: Script) -> None:
    rig = script("soda2")
    seconds = [0.0]

    def sleep(wait: float) -> None:
        seconds[0] += wait

    limits = quick_limits(attempts=50, total_seconds=100)
    rig.portal.handlers["/x"] = lambda _: Answer(status=503, headers={"Retry-After": "30"})
    with (
        PortalClient(now, limits=limits, sleep=sleep, monotonic=lambda: seconds[0]) as client,
        pytest.raises(TransientSourceError, match="tried 4 times"),
    ):
        client.get(f"{rig.portal.url}/x", what="feed x")
    assert seconds == [90.0]


@pytest.mark.parametrize(
    "talk",
    [b"", b"HTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", HEAD + b"Content-Length: 9\r\n\r\n[1", HEAD + b"Content-Length: x\r\n\r\n"],
    ids=["nothing", "no HTTP", "no status", "short", "no length"],
)
@pytest.mark.fault(5)
def test_what_is_no_http_is_asked_again(raw_server: Callable[..., RawServer], talk: bytes) -> None:
    server = raw_server(lambda connection, _: connection.sendall(talk))
    waits: list[float] = []
    with (
        PortalClient(now, limits=quick_limits(), sleep=waits.append) as client,
        pytest.raises(TransientSourceError, match=f"tried {ATTEMPTS} times"),
    ):
        client.get(f"{server.url}/x", what="feed x")
    assert (len(waits), server.asked) == (ATTEMPTS - 1, ATTEMPTS)


@pytest.mark.fault(2)
def test_a_portal_that_is_down_is_left_alone_and_tried_again_later(script: Script) -> None:
    rig = script("soda2")
    seconds = [0.0]
    guard = PortalGuard("http://portal", Manners(failures=2, rest_seconds=60), monotonic=lambda: seconds[0])
    rig.portal.handlers["/x"] = lambda _: answer_json({}, 503)

    def ask() -> None:
        with PortalClient(now, limits=quick_limits(attempts=2), guard=guard, sleep=lambda _: None) as client:
            client.get(f"{rig.portal.url}/x", what="feed x")

    for expected in ("HTTP 503", "HTTP 503", "failed 2 requests in a row and is left alone for another 60 s"):
        with pytest.raises(TransientSourceError, match=expected):
            ask()
    assert len(rig.portal.asked("/x")) == 4  # the third request was not sent
    seconds[0] = 61.0
    with pytest.raises(TransientSourceError, match="HTTP 503"):
        ask()
    assert len(rig.portal.asked("/x")) == 6
    seconds[0] = 130.0
    rig.portal.handlers["/x"] = lambda _: answer_json([])
    ask()
    rig.portal.handlers["/x"] = lambda _: answer_json({}, 503)
    with pytest.raises(TransientSourceError, match="HTTP 503"):
        ask()


@pytest.mark.fault(2)
def test_a_refusal_is_an_answer_and_no_outage(script: Script) -> None:
    rig = script("soda2")
    guard = PortalGuard("http://portal", Manners(failures=2))
    with PortalClient(now, limits=quick_limits(attempts=1), guard=guard, sleep=lambda _: None) as client:
        for status in (503, 404, 503, 404, 503):
            rig.portal.on("/x", answer_json({}, status))
            with pytest.raises(SourceError, match=f"HTTP {status}"):
                client.get(f"{rig.portal.url}/x", what="feed x")


@pytest.mark.fault(2)
def test_one_portal_that_is_down_does_not_stop_another() -> None:
    guards = Guards(Manners(failures=1))
    guards.of("http://down").failed()
    with pytest.raises(TransientSourceError, match="http://down failed 1 requests"):
        guards.of("http://down").check()
    guards.of("http://up").check()


@pytest.mark.fault(3)
def test_requests_keep_their_distance() -> None:
    seconds, waits = [0.0], []
    guard = PortalGuard("p", Manners(least_seconds_between=0.5), sleep=waits.append, monotonic=lambda: seconds[0])
    for moment in (10.0, 10.1, 10.2, 13.0):
        seconds[0] = moment
        guard.wait()
    assert waits == pytest.approx([0.4, 0.8])


@each_kind
@pytest.mark.parametrize("status", [203, 204, 206])
@pytest.mark.fault(4)
def test_an_answer_that_is_not_the_whole_one_is_asked_again(script: Script, kind: str, status: int) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, Answer(status=status))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.parametrize("what", ["description", "counts"])
@pytest.mark.fault(4)
def test_a_description_or_a_count_that_is_not_ready_is_asked_again(script: Script, kind: str, what: str) -> None:
    rig = script(kind)
    rig.portal.on(rig.description if what == "description" else rig.counts, Answer(status=202), Answer(status=202))
    assert rig.survey().total == ROW_COUNT
    assert len(rig.waits) == 2


@each_kind
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", 0), ("gzip", 2), ("identity", 1), ("deflate", 0), ("br", 0), ("gzip, gzip", 2), ("zstd", 0)],
    ids=["plain as gzip", "gzip twice as once", "gzip as plain", "deflate", "br", "gzip twice", "zstd"],
)
@pytest.mark.fault(6)
def test_a_body_that_is_not_packed_as_it_says_is_asked_again(script: Script, kind: str, encoding: str, packed: int) -> None:
    rig = script(kind)
    body = rig.good_page()
    for _ in range(packed):
        body = gzip.compress(body)
    rig.portal.on(rig.pages, Answer(body, type=rig.media_type, headers={"Content-Encoding": encoding}))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert rig.kept() == expected_ids(kind)
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.fault(6)
def test_gzip_by_its_old_name_is_gzip(script: Script, kind: str) -> None:
    rig = script(kind)
    body = gzip.compress(rig.good_page())
    rig.portal.on(rig.pages, Answer(body, type=rig.media_type, headers={"Content-Encoding": "X-GZip"}))
    manifest = rig.pull(rig.held())
    assert (manifest.pages[0].encoding, rig.waits, rig.kept()) == ("gzip", [], expected_ids(kind))


@pytest.mark.fault(3)
def test_every_try_and_every_redirect_keeps_its_distance(script: Script) -> None:
    rig, seconds, waits = script("soda2"), [100.0], []
    guard = PortalGuard("p", Manners(least_seconds_between=0.5), sleep=waits.append, monotonic=lambda: seconds[0])
    rig.portal.on("/x", answer_json({}, 503), Answer(status=302, headers={"Location": "/y"}))
    rig.portal.on("/y", answer_json([]))
    with PortalClient(now, limits=quick_limits(), guard=guard, sleep=lambda _: None) as client:
        client.get(f"{rig.portal.url}/x", what="feed x")
    assert waits == [0.5, 1.0]


def _seen_by_a_proxy(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socrata_url: str) -> tuple[list[str], Guards]:
    """Paths that a proxy of the machine was asked for by a listing of a portal, and what is known of the portals then."""
    proxy, guards = script("soda2").portal, Guards()
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = replace(load_settings({"KC_DATA_DIR": str(tmp_path)}, "sandbox"), socrata_url=socrata_url, arcgis_url=socrata_url)
    with open_sources(settings, RawStore(tmp_path / "raw"), now, 10, lambda _: None, guards) as sources:
        data_set = requests_data_set()
        with suppress(SourceError):
            sources.of(data_set).state(data_set)  # type: ignore[union-attr]
    return [path for path, _ in proxy.seen], guards


@pytest.mark.fault(25)
def test_a_portal_elsewhere_is_asked_through_the_proxy_and_politely(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, guards = _seen_by_a_proxy(script, tmp_path, monkeypatch, "http://portal.example")
    assert seen == ["/api/views/aaaa-1111.json"]
    assert guards.of("http://portal.example")._manners == POLITE
    assert POLITE.least_seconds_between > 0


@pytest.mark.fault(25)
def test_a_portal_on_this_machine_is_asked_without_the_proxy(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seen, _ = _seen_by_a_proxy(script, tmp_path, monkeypatch, f"http://127.0.0.1:{port}")
    assert seen == []
