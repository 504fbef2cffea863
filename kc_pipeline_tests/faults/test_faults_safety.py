"""What must not get in or out: bombs, redirects, secrets, injected queries (rows 24 to 27); bytes on disk (38, 39)."""

import gzip
import json
import logging
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fault_feeds import FeedRig
from fault_rig import KINDS, MONTHS, ROW_COUNT, SODA, Rig, ScriptedRig, expected_ids, quick_limits, transport_of
from scripted_portal import PARCELS, QUERY, TOKEN, Answer, answer_json, now, request_row, requests_data_set

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.extract.errors import PermanentSourceError, SourceError, TransientSourceError, redact
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.replies import Limits
from kc_pipeline.extract.status import note_failure
from kc_pipeline.extract.table import read_pull
from kc_pipeline.sandbox.misbehaviour import gzip_bomb

Serve = Callable[..., Rig]
Script = Callable[..., ScriptedRig]
Feeds = Callable[[str], FeedRig]
each_kind = pytest.mark.parametrize("kind", KINDS)


# --- row 24 ----------------------------------------------------------------------------------------------
@each_kind
@pytest.mark.fault(24)
def test_a_megabyte_that_unpacks_to_a_gibibyte_is_refused(serve: Serve, kind: str) -> None:
    rig = serve(kind, "gzip-bomb=1")
    survey = rig.survey()
    gzip_bomb()
    tracemalloc.start()
    with pytest.raises(PermanentSourceError, match="unpacks to more than 4,000,000 bytes"):
        rig.pull(survey.partitions[rig.partition])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000
    assert (rig.waits, rig.nothing_kept()) == ([], True)


@pytest.mark.fault(24)
def test_the_usual_limit_is_far_below_a_gibibyte() -> None:
    assert Limits().body_bytes <= 1 << 28
    assert 1_000_000 < len(gzip_bomb()) < 2_000_000


@each_kind
@pytest.mark.fault(24)
def test_a_body_without_end_is_cut_off(script: Script, kind: str) -> None:
    rig = script(kind, quick_limits(body_bytes=20_000))
    rig.portal.on(rig.pages, Answer(b" " * 100_000, type=rig.media_type))
    with pytest.raises(PermanentSourceError, match="sent more than 20,000 bytes"):
        rig.pull(rig.held())
    assert rig.nothing_kept()


@pytest.mark.parametrize(("name", "packed"), [("x.csv.gz", True), ("x.json.gz", True), ("x.csv", False)])
@pytest.mark.fault(24)
def test_a_dropped_bomb_is_refused_and_named(tmp_path: Path, name: str, packed: bool) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    body = b"id\n" + b"1\n" * 1_000_000
    (folder / name).write_bytes(gzip.compress(body) if packed else body)
    files = FileTransport(folder, RawStore(tmp_path / "raw"), now, file_bytes=500_000)
    with pytest.raises(PermanentSourceError, match=rf"health_inspections x\*: {name}.* more than 500,000 bytes"):
        files.survey(DataSet("health_inspections", "x*", Transport.FILES, {"request_id": ("id",)}), MONTHS)


# --- row 25 ----------------------------------------------------------------------------------------------
@each_kind
@pytest.mark.fault(25)
def test_a_redirect_to_a_private_address_is_refused(serve: Serve, kind: str) -> None:
    rig = serve(kind, "redirect=1")
    with pytest.raises(PermanentSourceError, match=r"redirects to another host \(http://10\.0\.0\.1\); not followed"):
        rig.pull()
    assert (rig.waits, rig.nothing_kept()) == ([], True)


GOALS = (
    "http://169.254.169.254/latest/meta-data", "http://192.168.1.1/", "http://[::1]/", "http://127.0.0.2/x", "https://127.0.0.1/x",
    "http://127.0.0.1:1/x", "//elsewhere.example/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://localhost.example/x",
    "http://user:pass@elsewhere.example/", "gopher://127.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://2130706433/", "http://0x7f.1/",
    "http://127.0.0.1@elsewhere.example/", "http://elsewhere.example\\@127.0.0.1/",
)  # fmt: skip


@each_kind
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.fault(25)
def test_a_redirect_out_of_the_portal_is_refused(script: Script, kind: str, goal: str) -> None:
    rig = script(kind)
    rig.portal.on(rig.pages, Answer(status=307, headers={"Location": goal}))
    with pytest.raises(PermanentSourceError, match="redirects to another host") as caught:
        rig.pull(rig.held())
    assert "pass@" not in str(caught.value)
    assert rig.nothing_kept()


@pytest.mark.parametrize("goal", ["http://xn--a/", "data:text/html,x", "javascript:1", "http:x", "http://[zz]/", "http://127.0.0.1:abc/"])
@pytest.mark.fault(25)
def test_a_redirect_to_what_is_no_address_is_no_crash(script: Script, goal: str) -> None:
    rig = script("soda2", quick_limits(attempts=1))
    rig.portal.on(rig.pages, Answer(status=302, headers={"Location": goal}))
    with pytest.raises(SourceError, match=r"streetlight_outages aaaa-1111: "):
        rig.pull(rig.held())
    assert rig.nothing_kept()


@each_kind
@pytest.mark.fault(25)
def test_a_redirect_within_the_portal_is_followed(script: Script, kind: str) -> None:
    rig = script(kind)
    rig.portal.handlers["/moved"] = rig.portal.handlers[rig.pages]
    first = rig.good_page()
    rig.portal.on(rig.pages, Answer(status=307, headers={"Location": "/moved"}))
    rig.portal.on("/moved", Answer(first, type=rig.media_type))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert rig.kept() == expected_ids(kind)


@each_kind
@pytest.mark.fault(25)
def test_redirects_in_a_circle_end(script: Script, kind: str) -> None:
    rig = script(kind)
    rig.portal.handlers[rig.pages] = lambda _: Answer(status=308, headers={"Location": rig.pages})
    with pytest.raises(PermanentSourceError, match="redirects in a circle"):
        rig.pull(rig.held())
    assert len(rig.portal.asked(rig.pages)) == 4


@pytest.mark.fault(25)
def test_a_query_is_not_turned_into_another_request(script: Script) -> None:
    rig = script("soda3")
    rig.portal.on(rig.pages, Answer(status=303, headers={"Location": "/elsewhere"}))
    with pytest.raises(PermanentSourceError, match="redirects a query; not followed"):
        rig.pull(rig.held())


# --- row 26 ----------------------------------------------------------------------------------------------
@each_kind
@pytest.mark.parametrize("status", [200, 202, 400, 403, 429, 500])
@pytest.mark.fault(26)
def test_a_portal_that_repeats_the_token_does_not_spread_it(
    script: Script, kind: str, status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    rig = script(kind)
    words = f"X-App-Token: {TOKEN} is bad"
    body = {"message": words, "error": {"code": 400, "message": words}} if kind == "arcgis" else {"message": words, "error": True}
    rig.portal.handlers[rig.pages] = lambda _: answer_json(body, status)
    with pytest.raises(SourceError) as caught:
        rig.pull(rig.held())
    note_failure(tmp_path / "raw", "feed", str(caught.value), now())
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert TOKEN not in str(caught.value) + repr(caught.value) + caplog.text
    assert TOKEN.encode() not in written
    assert rig.portal.request_headers[0]["X-App-Token"] == TOKEN


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.fault(26)
def test_no_file_of_a_refresh_holds_the_token(
    feed: Feeds, kind: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    rig = feed(kind)
    told: list[str] = []
    refresh = rig.refresh(progress=told.append)
    printed = capfd.readouterr()
    assert TOKEN not in "".join([*told, repr(refresh), repr(rig.settings), caplog.text, printed.out, printed.err])
    files = [path for path in rig.store.root.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)
    assert all(headers.get("X-App-Token") == TOKEN for headers in rig.portal.request_headers)


@pytest.mark.fault(26)
def test_the_token_goes_to_its_own_portal_alone(feed: Feeds) -> None:
    rig = feed("arcgis")
    rig.refresh()
    assert rig.portal.request_headers
    assert not any("token" in name.lower() or TOKEN in value for headers in rig.portal.request_headers for name, value in headers.items())


@each_kind
@pytest.mark.fault(26)
def test_a_token_that_the_sandbox_repeats_is_redacted(serve: Serve, kind: str) -> None:
    rig = serve(kind, "token-echo=99")
    with pytest.raises(TransientSourceError, match=r"cannot check X-App-Token \*\*\*"):
        rig.pull()


@each_kind
@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.fault(26)
def test_a_token_in_the_address_of_a_redirect_is_not_spread(
    script: Script, kind: str, status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = script(kind, quick_limits(attempts=1))
    caplog.set_level("DEBUG", "kc_pipeline")
    for goal in (f"http://ann:{TOKEN}@elsewhere.example/x?app_token={TOKEN}", f"{rig.pages}?access_token={TOKEN}"):
        rig.portal.handlers[rig.pages] = lambda _, goal=goal: Answer(status=status, headers={"Location": goal})  # type: ignore[misc]
        with pytest.raises(PermanentSourceError, match="redirects") as caught:
            rig.pull(rig.held())
        assert TOKEN not in str(caught.value) + caplog.text
    assert rig.nothing_kept()


@each_kind
@pytest.mark.fault(26)
def test_a_password_in_the_portals_address_is_in_no_manifest_and_no_message(script: Script, tmp_path: Path, kind: str) -> None:
    rig = script(kind)
    address = rig.portal.url.replace("http://", "http://clerk:pa55word@")
    with PortalClient(now, app_token=TOKEN, limits=quick_limits(attempts=1), sleep=lambda _: None) as client:
        rig.transport = transport_of(kind, address, client, rig.store)
        rig.pull()
        rig.portal.handlers[rig.pages] = lambda _: answer_json({"message": "no"}, 403)
        with pytest.raises(PermanentSourceError) as caught:
            rig.pull(rig.held())
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"pa55word" not in written
    assert b"http://127.0.0.1" in written
    assert "pa55word" not in str(caught.value)
    assert rig.portal.request_headers[0]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "text",
    [
        "https://ann:s3cret@h/x", "?$$app_token=s3cret&x=1", "app_token%3Ds3cret", "X-App-Token: s3cret", '{"app_token": "s3cret"}',
        "{'password': 's3cret'}", 'api_key="s3cret"', "Authorization: Bearer s3cret", '"Authorization": "Basic s3cret"', "apikey = s3cret",
        "PGPASSWORD=s3cret psql", "client-secret: s3cret", "postgresql+psycopg2://u:s3cret@db:5432/kc", "token=s3cret;", "passwd:s3cret,",
        "postgresql://u:p@s3cret@db/kc",
    ],
)  # fmt: skip
@pytest.mark.fault(26)
def test_secrets_are_redacted_in_whatever_form(text: str) -> None:
    assert "s3cret" not in redact(text)
    assert "***" in redact(text)
    assert "s3cret" not in str(TransientSourceError(f"feed x: {text}"))


@pytest.mark.fault(26)
def test_what_is_no_secret_stays_readable() -> None:
    text = "police_reports dmnp-9ajg: http://h:80/resource/x.json answered HTTP 404: no column 'token_count'"
    assert redact(text) == text


@pytest.mark.fault(26)
def test_soda3_without_a_token_says_so_and_asks_nothing(script: Script) -> None:
    rig = script("soda3")
    with PortalClient(now, limits=quick_limits(), sleep=rig.waits.append) as client:
        rig.transport = transport_of("soda3", rig.portal.url, client, rig.store)
        with pytest.raises(PermanentSourceError, match="SODA 3 answers only with an application token; set KC_APP_TOKEN, or KC_SODA=2"):
            rig.survey()
    assert rig.portal.asked(rig.pages) == []


# --- row 27 ----------------------------------------------------------------------------------------------
NASTY = ("O'Hara's", "x') or 1=1 --", "'; drop table rows_1; --", "a'' or ''a'='a", "\\'", "100%", "a\nb", "é'", ":id")


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.parametrize("value", NASTY)
@pytest.mark.fault(27)
def test_a_filter_value_is_nothing_but_a_value(script: Script, kind: str, value: str) -> None:
    rig = script(kind)
    rig.data_set = requests_data_set(filters={"issue_type": (value,)})
    rig.fake.rows[0]["issue_type"] = value
    rig.fake.matching = lambda where: [
        row for row in rig.fake.rows if f"'{str(row['issue_type']).replace(chr(39), chr(39) * 2)}'" in (where or "")
    ]
    assert rig.survey().total == 1
    asked = [params["$where"] for _, params in rig.portal.seen if "$where" in params]
    assert asked
    assert all(text.startswith("issue_type in ('" + value.replace("'", "''") + "')") for text in asked)


@pytest.mark.parametrize("value", NASTY)
@pytest.mark.fault(27)
def test_a_layers_filter_value_is_nothing_but_a_value(script: Script, value: str) -> None:
    rig = script("arcgis")
    rig.data_set = replace(PARCELS, filters={"KIVAPIN": (value,)})
    rig.survey()
    assert [params["where"] for params in rig.portal.asked(QUERY)] == ["KIVAPIN IN ('" + value.replace("'", "''") + "')"]


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.parametrize("value", ["row-1' or '1'='1", "row-'); --", "é'ß"])
@pytest.mark.fault(27)
def test_a_row_id_from_the_portal_is_nothing_but_a_value(script: Script, kind: str, value: str) -> None:
    rig = script(kind)
    rig.fake.rows = [{**request_row(0, "2026-06-01T00:00:00.000"), ":id": value}]
    rig.transport.pull(rig.data_set, rig.partition, MONTHS, rig.held())
    assert any(":id > '" + value.replace("'", "''") + "'" in params.get("$where", "") for params in rig.portal.asked(rig.pages))


@pytest.mark.parametrize("name", ["issue_type) or (1=1", "a b", "x;y", "x'", "", "date_trunc_ym(x)", "x--"])
@each_kind
@pytest.mark.fault(27)
def test_a_column_name_that_is_none_stops_at_once(script: Script, kind: str, name: str) -> None:
    rig = script(kind)
    if kind == "arcgis":
        rig.data_set = replace(PARCELS, filters={name: ("x",)})
        rig.portal.on(rig.description, _description_with(rig, name))
    else:
        rig.fake.columns = {**rig.fake.columns, name: "text"}
        rig.data_set = requests_data_set(filters={name: ("x",)})
    with pytest.raises(PermanentSourceError, match="is no column name"):
        rig.survey()
    assert not [params for path, params in rig.portal.seen if path != rig.description]


def _description_with(rig: ScriptedRig, name: str) -> Answer:
    told = json.loads(rig.fake.layer({}).body)
    return answer_json({**told, "fields": [*told["fields"], {"name": name, "type": "esriFieldTypeString"}]})


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/../../b", "/etc/passwd", "x\0y", "a" * 50 + "/" + "b" * 50])
@pytest.mark.fault(27)
def test_a_name_from_outside_never_leaves_the_raw_folder(tmp_path: Path, name: str) -> None:
    store = RawStore(tmp_path / "raw")
    folder = store.folder(name, name, name)
    assert folder.resolve().is_relative_to(store.root.resolve())
    assert len(folder.relative_to(store.root).parts) == 3


# --- rows 38 and 39 --------------------------------------------------------------------------------------
@each_kind
@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
@pytest.mark.fault(38)
def test_a_changed_page_is_named_and_not_read(serve: Serve, kind: str, change: str) -> None:
    rig = serve(kind)
    manifest = rig.pull()
    place = (manifest.feed, manifest.data_set, manifest.partition)
    path = rig.store.folder(*place) / manifest.pull_id / manifest.pages[1].file
    wire = path.read_bytes()
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes(bytes([wire[0] ^ 1]) + wire[1:] if change == "flip" else wire[:-1])
    for reading in (lambda: read_pull(rig.store, manifest), lambda: rig.store.verify(*place)):
        with pytest.raises(PermanentSourceError, match=path.name):
            reading()


@each_kind
@pytest.mark.fault(39)
def test_raw_rows_are_read_again_without_the_source(serve: Serve, stack: ExitStack, kind: str) -> None:
    rig = serve(kind)
    manifest = rig.pull()
    first = read_pull(rig.store, manifest)
    stack.close()  # the portal is gone
    assert read_pull(RawStore(rig.store.root), manifest).equals(first)
