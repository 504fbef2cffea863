"""The Socrata side of the local portal, by value, over loopback."""

import csv
import gzip
import io
import json
import socket
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pandas as pd
import pytest

from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import DataSetInfo, DeclaredColumn, RecordStore

DATA_SET = "dmnp-9ajg"
UPDATED = datetime(2026, 7, 1, 12, tzinfo=UTC)
COLUMNS = [
    DeclaredColumn("report_no", "text"),
    DeclaredColumn("report_date", "calendar_date"),
    DeclaredColumn("shots", "number"),
    DeclaredColumn("note", "text"),
    DeclaredColumn("firearm", "checkbox"),
    DeclaredColumn("point", "point"),
    DeclaredColumn("location", "location"),
    DeclaredColumn("area", "multipolygon"),
]
POINT = '{"type": "Point", "coordinates": [-94.549192969, 39.071624659]}'
ADDRESS = json.dumps({"address": "3663 NORTON AV", "city": "KANSAS CITY", "state": "MO", "zip": "64128"})
LOCATION = json.dumps({"latitude": "39.1", "longitude": "-94.5", "human_address": ADDRESS})
HOLED = (
    '{"type": "MultiPolygon", "coordinates": [[[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]],'
    " [[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 1.0], [1.0, 1.0]]]]}"
)
ROWS = [
    ("KC1", "2026-05-30T09:57:57.000", "9", 'said "no"\nand left, twice', "true", POINT, None, None, "row-c", "2026-06-01T00:00:00.000Z"),
    ("KC2", "2026-06-01T00:00:00.000", "10", "O'Brien", "false", None, LOCATION, HOLED, "row-a", "2026-06-03T00:00:00.000Z"),
    ("KC3", "2026-06-30T23:59:59.000", "2.50", None, None, None, None, None, "row-b", "2026-06-02T00:00:00.000Z"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = RecordStore(tmp_path_factory.mktemp("portal") / "portal.sqlite")
    frame = pd.DataFrame(ROWS, columns=[*(c.field_name for c in COLUMNS), ":id", ":updated_at"], dtype=object)
    store.replace(DATA_SET, "socrata", "KCPD Crime Data 2025", COLUMNS, frame.assign(**{":created_at": None}), UPDATED)
    with Portal(store) as portal:
        yield portal.url


def soda(url: str, form: str = "json", **arguments: str) -> httpx.Response:
    return httpx.get(f"{url}/resource/{DATA_SET}.{form}", params={f"${name}": text for name, text in arguments.items()})


def numbers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [record["report_no"] for record in answer.json()]


def test_json_has_text_scalars_json_shapes_and_no_null_keys(url: str) -> None:
    first, second, third = soda(url).json()
    assert first == {
        "report_no": "KC1", "report_date": "2026-05-30T09:57:57.000", "shots": "9", "note": 'said "no"\nand left, twice',
        "firearm": True, "point": json.loads(POINT),
    }  # fmt: skip
    assert second["location"] == {"latitude": "39.1", "longitude": "-94.5", "human_address": ADDRESS}
    assert second["firearm"] is False
    assert second["area"]["type"] == "MultiPolygon"
    assert third == {"report_no": "KC3", "report_date": "2026-06-30T23:59:59.000", "shots": "2.50"}


def test_csv_quotes_texts_and_writes_shapes_as_text(url: str) -> None:
    answer = soda(url, "csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=UTF-8"
    assert answer.text.startswith('"report_no","report_date","shots","note","firearm","point","location","area"\n"KC1",')
    header, first, second, third = csv.reader(io.StringIO(answer.text))
    assert header == [c.field_name for c in COLUMNS]
    assert first == [
        "KC1", "2026-05-30T09:57:57.000", "9", 'said "no"\nand left, twice', "true", "POINT (-94.549192969 39.071624659)", "", "",
    ]  # fmt: skip
    assert second[6] == "3663 NORTON AV\nKANSAS CITY, MO 64128\n(39.1, -94.5)"
    assert second[7] == ("MULTIPOLYGON (((0.0 0.0, 4.0 0.0, 4.0 4.0, 0.0 4.0, 0.0 0.0), (1.0 1.0, 1.0 2.0, 2.0 2.0, 2.0 1.0, 1.0 1.0)))")
    assert third[2:5] == ["2.50", "", ""]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("report_no = 'KC2'", ["KC2"]),
        ("note = 'O''Brien'", ["KC2"]),
        ("`report_no` != 'KC2'", ["KC1", "KC3"]),
        ("shots > 9", ["KC2"]),
        ("shots between 2 and 9", ["KC1", "KC3"]),
        ("report_date >= '2026-06-01T00:00:00' and report_date < '2026-07-01T00:00:00'", ["KC2", "KC3"]),
        ("report_no in ('KC3','KC1')", ["KC1", "KC3"]),
        ("report_no not in ('KC3','KC1')", ["KC2"]),
        ("note is null", ["KC3"]),
        ("(note is not null or shots < 3) and not report_no = 'KC1'", ["KC2", "KC3"]),
        ("note like '%Bri%'", ["KC2"]),
        ("starts_with(note, 'said')", ["KC1"]),
        ("upper(note) = 'O''BRIEN'", ["KC2"]),
        (":updated_at > '2026-06-02T00:00:00.000Z'", ["KC2"]),
    ],
)
def test_filters_keep_the_rows_they_describe(url: str, where: str, expected: list[str]) -> None:
    assert numbers(soda(url, where=where, order="report_no")) == expected


def test_order_limit_and_offset_cut_pages(url: str) -> None:
    assert numbers(soda(url, order="shots desc")) == ["KC2", "KC1", "KC3"]
    assert numbers(soda(url, order="shots", limit="1", offset="1")) == ["KC1"]
    assert numbers(soda(url, limit="0")) == []


def test_keyset_pages_hold_every_row_once(url: str) -> None:
    seen: list[str] = []
    last = ""
    while page := soda(url, select=":id,report_no", where=f":id > '{last}'", order=":id", limit="2").json():
        seen += [record["report_no"] for record in page]
        last = page[-1][":id"]
    assert seen == ["KC2", "KC3", "KC1"]


def test_months_are_counted_with_their_latest_change(url: str) -> None:
    answer = soda(
        url,
        select="date_trunc_ym(report_date) as month,count(*) as held,max(:updated_at) as changed",
        group="date_trunc_ym(report_date)",
        order="month",
    )
    assert answer.json() == [
        {"month": "2026-05-01T00:00:00.000", "held": "1", "changed": "2026-06-01T00:00:00.000Z"},
        {"month": "2026-06-01T00:00:00.000", "held": "2", "changed": "2026-06-03T00:00:00.000Z"},
    ]


def test_a_count_without_alias_is_called_count(url: str) -> None:
    assert soda(url, select="count(*)").json() == [{"count": "3"}]


def test_headers_tell_fields_types_and_age(url: str) -> None:
    headers = soda(url, select=":id,report_date,point").headers
    assert json.loads(headers["X-SODA2-Fields"]) == [":id", "report_date", "point"]
    assert json.loads(headers["X-SODA2-Types"]) == ["row_identifier", "floating_timestamp", "point"]
    assert headers["Last-Modified"] == "Wed, 01 Jul 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"select": "nothing"}, "query.soql.no-such-column"),
        ({"where": "nothing = 'x'"}, "query.soql.no-such-column"),
        ({"where": "soundex(note) = 'x'"}, "query.soql.no-such-function"),
        ({"where": "note = 'open"}, "query.compiler.malformed"),
        ({"where": "note ="}, "query.compiler.malformed"),
        ({"where": "(note is null"}, "query.compiler.malformed"),
        ({"where": "count(*) > 1"}, "query.compiler.malformed"),
        ({"limit": "many"}, "query.compiler.malformed"),
        ({"having": "count(*) > 1"}, "query.compiler.malformed"),
    ],
)
def test_a_refused_query_says_why(url: str, arguments: dict[str, str], code: str) -> None:
    answer = soda(url, **arguments)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    assert answer.json()["errorCode"] == code
    assert set(answer.json()) == {"message", "errorCode", "data"}


def test_an_unknown_data_set_is_missing(url: str) -> None:
    answer = httpx.get(f"{url}/resource/zzzz-9999.json")
    assert (answer.status_code, answer.json()["code"]) == (404, "dataset.missing")
    assert httpx.get(f"{url}/api/views/zzzz-9999.json").status_code == 404
    assert httpx.get(f"{url}/nowhere").status_code == 404


def test_metadata_lists_columns_and_age(url: str) -> None:
    view = httpx.get(f"{url}/api/views/{DATA_SET}.json").json()
    assert (view["id"], view["name"], view["rowsUpdatedAt"]) == (DATA_SET, "KCPD Crime Data 2025", int(UPDATED.timestamp()))
    assert [(c["fieldName"], c["dataTypeName"]) for c in view["columns"]] == [(c.field_name, c.data_type) for c in COLUMNS]
    assert httpx.get(f"{url}/api/views.json").json() == [
        {"id": DATA_SET, "name": "KCPD Crime Data 2025", "rowsUpdatedAt": int(UPDATED.timestamp())}
    ]


def test_the_same_page_has_the_same_compressed_bytes(url: str) -> None:
    def wire() -> tuple[str | None, bytes]:
        with httpx.stream("GET", f"{url}/resource/{DATA_SET}.csv", headers={"Accept-Encoding": "gzip"}) as answer:
            return answer.headers.get("Content-Encoding"), b"".join(answer.iter_raw())

    first, second = wire(), wire()
    assert first == second
    content = gzip.decompress(first[1]) if first[0] == "gzip" else first[1]
    assert content == soda(url, "csv").content


def test_one_connection_serves_many_requests(url: str) -> None:
    with httpx.Client() as client:
        for _ in range(3):
            answer = client.get(f"{url}/resource/{DATA_SET}.json", params={"$where": "nothing = 1"})
            assert (answer.status_code, answer.http_version) == (400, "HTTP/1.1")


@pytest.mark.parametrize("length", ["many", "-1", "²"])
def test_a_body_of_no_known_length_is_refused(url: str, length: str) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=10) as connection:
        connection.sendall(f"POST /api/views.json HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode("latin-1", "replace"))
        assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_a_client_that_hangs_up_is_no_noise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = threading.Event()

    class Store(RecordStore):
        def data_sets(self) -> list[DataSetInfo]:
            connection.close()
            return super().data_sets()

        def info(self, data_set: str) -> DataSetInfo | None:
            done.set()
            return super().info(data_set)

    with Portal(Store(tmp_path / "portal.sqlite")) as portal:
        connection = socket.create_connection(("127.0.0.1", httpx.URL(portal.url).port or 0))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
        connection.sendall(b"GET /api/views.json HTTP/1.1\r\nHost: x\r\n\r\n")
        assert httpx.get(f"{portal.url}/api/views/{DATA_SET}.json").status_code == 404
        assert done.wait(10)
    assert capfd.readouterr().err == ""


def test_a_portal_that_has_closed_answers_no_more(tmp_path: Path) -> None:
    with httpx.Client() as client:
        with Portal(RecordStore(tmp_path / "portal.sqlite")) as portal:
            assert client.get(f"{portal.url}/api/views.json").json() == []
        with pytest.raises(httpx.TransportError):
            client.get(f"{portal.url}/api/views.json")
