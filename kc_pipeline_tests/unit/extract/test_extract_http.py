"""Retries, refusals, redirects, bodies."""

import gzip
import hashlib
import socket

import pytest
from scripted_portal import TOKEN, Answer, ScriptedPortal, answer_csv, answer_json, now

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError, collected, redact
from kc_pipeline.extract.http import CSV, PortalClient
from kc_pipeline.extract.replies import Limits, unpack

GOOD = answer_json([{"n": "1"}])
PAGE = "/resource/x.json"


@pytest.mark.parametrize(
    "bad",
    [
        answer_json({}, 503),
        answer_json({}, 500),
        answer_json({}, 429),
        answer_json({}, 202),
        Answer(b"<html>maintenance</html>", type="text/html"),
        Answer(GOOD.body, cut=4),
        Answer(gzip.compress(GOOD.body)[:-6], headers={"Content-Encoding": "gzip"}),
        Answer(b"not gzip at all", headers={"Content-Encoding": "gzip"}),
        Answer(GOOD.body, headers={"Content-Encoding": "br"}),
    ],
    ids=["503", "500", "429", "202", "html", "cut", "truncated gzip", "damaged gzip", "other encoding"],
)
@pytest.mark.fault(1)
def test_what_may_pass_is_asked_again(portal: ScriptedPortal, client: PortalClient, waits: list[float], bad: Answer) -> None:
    portal.on(PAGE, bad, bad, GOOD)
    assert client.get(portal.url + PAGE, what="feed x").content == GOOD.body
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0


@pytest.mark.fault(2)
def test_a_portal_that_stays_down_fails_with_the_name_of_the_source(portal: ScriptedPortal, client: PortalClient) -> None:
    portal.on(PAGE, *[answer_json({}, 503)] * 4)
    with pytest.raises(TransientSourceError, match=r"feed x: .*HTTP 503.*tried 4 times"):
        client.get(portal.url + PAGE, what="feed x")


@pytest.mark.parametrize(
    ("value", "wait"), [("7", 7.0), ("Wed, 15 Jul 2026 12:00:30 GMT", 30.0), ("99999", 120.0), ("Wed, 15 Jul 2026 11:00:00 GMT", 0.0)]
)
@pytest.mark.fault(3)
def test_retry_after_in_seconds_or_as_a_date_is_kept_and_capped(
    portal: ScriptedPortal, client: PortalClient, waits: list[float], value: str, wait: float
) -> None:
    portal.on(PAGE, Answer(b"{}", 429, headers={"Retry-After": value}), GOOD)
    client.get(portal.url + PAGE, what="feed x")
    assert waits == [wait]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_fails_at_once_with_the_portals_words(
    portal: ScriptedPortal, client: PortalClient, waits: list[float], status: int
) -> None:
    portal.on(PAGE, answer_json({"message": "No such column: nope", "errorCode": "query.soql.no-such-column"}, status).gzipped())
    with pytest.raises(PermanentSourceError, match=rf"feed x: .*HTTP {status}: No such column: nope / query.soql.no-such-column") as caught:
        client.get(portal.url + PAGE, what="feed x")
    assert caught.value.status == status
    assert waits == []


def test_wire_bytes_are_kept_as_received(portal: ScriptedPortal, client: PortalClient) -> None:
    answer = answer_csv("a,b\n1,2\n").gzipped()
    portal.on("/p.csv", answer)
    reply = client.get(portal.url + "/p.csv", what="feed x", accept=CSV)
    assert (reply.wire, reply.content, reply.encoding) == (answer.body, b"a,b\n1,2\n", "gzip")
    assert reply.sha256 == hashlib.sha256(answer.body).hexdigest()
    assert reply.headers["content-type"].startswith("text/csv")


@pytest.mark.fault(24)
def test_a_gzip_bomb_is_refused_within_bounds(portal: ScriptedPortal, client: PortalClient, waits: list[float]) -> None:
    portal.on(PAGE, Answer(gzip.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(PermanentSourceError, match="unpacks to more than 2,000,000 bytes"):
        client.get(portal.url + PAGE, what="feed x")
    assert waits == []


def test_gzip_members_in_a_row_are_one_body() -> None:
    assert unpack(gzip.compress(b"ab") + gzip.compress(b"cd"), "gzip", 4) == b"abcd"
    with pytest.raises(PermanentSourceError):
        unpack(gzip.compress(b"ab") + gzip.compress(b"cd"), "gzip", 3)


@pytest.mark.parametrize("goal", ["http://10.0.0.1/x", "http://localhost.example/x", "http://127.0.0.1:1/x"])
@pytest.mark.fault(25)
def test_a_redirect_to_another_host_is_refused(portal: ScriptedPortal, client: PortalClient, goal: str) -> None:
    portal.on(PAGE, Answer(status=302, headers={"Location": goal}))
    with pytest.raises(PermanentSourceError, match="redirects to another host"):
        client.get(portal.url + PAGE, what="feed x")


def test_a_redirect_within_the_host_is_followed(portal: ScriptedPortal, client: PortalClient) -> None:
    portal.on(PAGE, Answer(status=301, headers={"Location": "/elsewhere"}))
    portal.on("/elsewhere", GOOD)
    assert client.get(portal.url + PAGE, what="feed x").content == GOOD.body


def test_no_portal_on_this_machine_says_how_to_start_one(client: PortalClient, waits: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(PermanentSourceError, match=r"start it with `kc sandbox serve` or `make dev`"):
        client.get(f"http://127.0.0.1:{port}/x", what="feed x")
    assert waits == []


@pytest.mark.fault(23)
def test_a_request_has_a_total_deadline(portal: ScriptedPortal) -> None:
    ticks = iter(range(0, 10_000, 400))
    portal.on(PAGE, GOOD)
    with (
        PortalClient(now, limits=Limits(attempts=1), monotonic=lambda: float(next(ticks))) as slow,
        pytest.raises(TransientSourceError, match="more than 300 s"),
    ):
        slow.get(portal.url + PAGE, what="feed x")


@pytest.mark.fault(26)
def test_the_token_goes_into_a_header_and_into_no_message(portal: ScriptedPortal, client: PortalClient) -> None:
    portal.on(PAGE, answer_json({"message": f"bad token {TOKEN}"}, 403))
    with pytest.raises(PermanentSourceError) as caught:
        client.get(portal.url + PAGE, what="feed x")
    assert portal.request_headers[0]["X-App-Token"] == TOKEN
    assert TOKEN not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.fault(26)
def test_redact() -> None:
    text = "postgresql://ann:pa55@db/x https://h/p?app_token=abc&x=1 $$app_token: def password=ghi"
    assert redact(text) == "postgresql://***@db/x https://h/p?app_token=***&x=1 $$app_token: *** password=***"


def test_half_a_letter_in_the_portals_words_can_be_written_down(portal: ScriptedPortal, client: PortalClient) -> None:
    portal.on(PAGE, Answer(b'{"message": "no \\ud83d such column"}', 400))
    with pytest.raises(PermanentSourceError, match=r"no \? such column") as caught:
        client.get(portal.url + PAGE, what="feed x")
    assert str(caught.value).encode()


def test_several_errors_are_permanent_only_if_all_are() -> None:
    first, second = PermanentSourceError("a"), TransientSourceError("b")
    assert isinstance(collected("feed", [first, first]), PermanentSourceError)
    mixed = collected("feed", [first, second])
    assert isinstance(mixed, TransientSourceError)
    assert mixed.causes == (first, second)
