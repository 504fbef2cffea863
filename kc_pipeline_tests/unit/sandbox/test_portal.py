"""The local portal over loopback: SODA 2.1, ArcGIS REST, and what it does when told to misbehave."""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kc_pipeline.sandbox.portal import Faults, Portal
from kc_pipeline.sandbox.query import compared_columns, translate_text
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

NOW = datetime(2026, 7, 1, tzinfo=UTC)
ID = "abcd-1234"
RING_WITH_HOLE = {
    "type": "Polygon",
    "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], [[1, 1], [1, 2], [2, 2], [2, 1], [1, 1]]],
}


def requests_311() -> tuple[list[DeclaredColumn], pd.DataFrame]:
    columns = [
        DeclaredColumn("number", "text"),
        DeclaredColumn("opened", "calendar_date"),
        DeclaredColumn("text", "text"),
        DeclaredColumn("score", "number"),
        DeclaredColumn("place", "point"),
        DeclaredColumn("site", "location"),
    ]
    rows = pd.DataFrame(
        {
            "number": [f"n{i}" for i in range(10)],
            "opened": [f"2026-{1 + i % 3:02d}-0{1 + i % 9}T10:00:00.000" for i in range(9)] + [None],
            "text": ['say "hi"', "two\nlines", "comma, here", "O'Brien", *["x"] * 6],
            "score": ["7", "70", "9", *["1"] * 7],
            "place": [json.dumps({"type": "Point", "coordinates": [-94.5, 39.1]})] * 9 + [None],
            "site": [json.dumps({"latitude": "39.1", "longitude": "-94.5", "human_address": '{"address": "1 MAIN ST", "city": "KC"}'})]
            * 10,
            ":id": [f"row-{i:04d}" for i in range(10)],
            ":created_at": "2026-06-01T00:00:00.000Z",
            ":updated_at": [f"2026-06-{i + 1:02d}T00:00:00.000Z" for i in range(10)],
        }
    )
    return columns, rows


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RecordStore:
    store = RecordStore(tmp_path_factory.mktemp("portal") / "portal.sqlite")
    columns, rows = requests_311()
    store.replace(ID, "socrata", "Requests", columns, rows, NOW)
    layer = [
        DeclaredColumn("OBJECTID", "esriFieldTypeOID"),
        DeclaredColumn("NAME", "esriFieldTypeString"),
        DeclaredColumn("SHAPE", "polygon"),
    ]
    shapes = pd.DataFrame(
        {
            "OBJECTID": [str(i) for i in range(1, 2502)],
            "NAME": [f"lot {i}" for i in range(2501)],
            "SHAPE": [json.dumps(RING_WITH_HOLE)] * 2500 + [None],
        }
    )
    store.replace("AGOL/MapServer/6", "arcgis", "Parcels", layer, shapes, NOW)
    return store


@pytest.fixture(scope="module")
def base(store: RecordStore) -> Iterator[str]:
    with Portal(store) as portal:
        yield portal.url


def soda(base: str, form: str = "json", **arguments: str) -> httpx.Response:
    return httpx.get(f"{base}/resource/{ID}.{form}", params={f"${name}": value for name, value in arguments.items()})


def test_keyset_paging_meets_every_row_once(base: str) -> None:
    seen: list[str] = []
    while True:
        where = f":id > '{seen[-1]}'" if seen else ":id is not null"
        page = soda(base, select=":id,number", where=where, order=":id", limit="4").json()
        if not page:
            break
        seen += [row[":id"] for row in page]
    assert seen == [f"row-{i:04d}" for i in range(10)]


def test_a_survey_groups_by_month(base: str) -> None:
    answer = soda(
        base, select="date_trunc_ym(opened) as month,count(*) as row_count,max(:updated_at) as changed_at", group="month", order="month"
    ).json()
    assert answer[1] == {"month": "2026-01-01T00:00:00.000", "row_count": "3", "changed_at": "2026-06-07T00:00:00.000Z"}
    assert answer[0] == {"row_count": "1", "changed_at": "2026-06-10T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("text = 'O''Brien'", ["n3"]),
        ("score > 8", ["n1", "n2"]),
        ("number in ('n1','n9') and opened is null", ["n9"]),
        ("opened >= '2026-02-01T00:00:00' and opened < '2026-03-01T00:00:00' and not (number = 'n1')", ["n4", "n7"]),
        ("starts_with(text, 'two') or upper(text) like 'COMMA%'", ["n1", "n2"]),
        ("opened between '2026-01-01T00:00:00' and '2026-01-02T00:00:00'", ["n0"]),
    ],
)
def test_conditions(base: str, where: str, numbers: list[str]) -> None:
    assert [row["number"] for row in soda(base, select="number", where=where, order="number").json()] == numbers


def test_json_leaves_nulls_out_and_keeps_scalars_as_text(base: str) -> None:
    first, last = soda(base, where="number='n0'").json()[0], soda(base, where="number='n9'").json()[0]
    assert first["score"] == "7"
    assert first["place"] == {"type": "Point", "coordinates": [-94.5, 39.1]}
    assert "opened" not in last
    assert ":id" not in first


def test_csv_quotes_text_and_writes_points_as_well_known_text(base: str) -> None:
    reply = soda(base, "csv", select=":id,text,place,site", order=":id")
    assert reply.headers["content-type"] == "text/csv; charset=UTF-8"
    rows = list(csv.DictReader(io.StringIO(reply.text, newline="")))
    assert [row["text"] for row in rows[:4]] == ['say "hi"', "two\nlines", "comma, here", "O'Brien"]
    assert rows[0]["place"] == "POINT (-94.5 39.1)"
    assert rows[0]["site"] == "1 MAIN ST\nKC\n(39.1, -94.5)"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"select": "race"}, "query.soql.no-such-column"),
        ({"where": "nope = 1"}, "query.soql.no-such-column"),
        ({"where": "load_extension('x')"}, "query.soql.no-such-function"),
        ({"where": "number = 'x'; drop table rows_1"}, "query.compiler.malformed"),
        ({"limit": "-1"}, "query.compiler.malformed"),
    ],
)
def test_a_bad_query_is_refused_in_the_portals_words(base: str, arguments: dict[str, str], code: str) -> None:
    reply = soda(base, **arguments)
    assert (reply.status_code, reply.json()["errorCode"]) == (400, code)


def test_an_unknown_data_set_is_not_found(base: str) -> None:
    assert httpx.get(f"{base}/resource/none-0000.json").status_code == 404
    assert httpx.get(f"{base}/api/views/none-0000.json").status_code == 404


def test_the_view_declares_types_and_freshness(base: str) -> None:
    view = httpx.get(f"{base}/api/views/{ID}.json").json()
    assert view["rowsUpdatedAt"] == int(NOW.timestamp())
    assert {c["fieldName"]: c["dataTypeName"] for c in view["columns"]}["opened"] == "calendar_date"
    assert [v["id"] for v in httpx.get(f"{base}/api/views.json").json()] == [ID]


def layer(base: str, path: str = "/query", **arguments: str) -> dict:
    return httpx.get(f"{base}/arcgis/rest/services/AGOL/MapServer/6{path}", params={"f": "json", **arguments}).json()


def test_a_layer_pages_until_the_transfer_limit_ends(base: str) -> None:
    first = layer(base, where="1=1", outFields="OBJECTID", outSR="4326", orderByFields="OBJECTID")
    assert (len(first["features"]), first["exceededTransferLimit"]) == (2000, True)
    rest = layer(base, where="OBJECTID > 2000", outFields="OBJECTID,NAME", outSR="4326", orderByFields="OBJECTID")
    assert len(rest["features"]) == 501
    assert "exceededTransferLimit" not in rest
    assert "geometry" not in rest["features"][-1]
    assert layer(base, where="1=1", returnCountOnly="true") == {"count": 2501}


def test_esri_rings_run_clockwise_outside_and_the_other_way_in_holes(base: str) -> None:
    def area(ring: list[list[float]]) -> float:
        return sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring))

    rings = layer(base, where="OBJECTID = 1", outFields="NAME", outSR="4326")["features"][0]["geometry"]["rings"]
    assert area(rings[0]) < 0 < area(rings[1])


def test_a_layers_errors_come_with_status_200(base: str) -> None:
    assert layer(base, where="1=1", outFields="OWNER_PHONE")["error"]["code"] == 400
    assert layer(base, where="NOPE = 1")["error"]["code"] == 400
    assert httpx.get(f"{base}/arcgis/rest/services/AGOL/MapServer/99?f=json").json()["error"]["code"] == 404


def test_a_layer_describes_itself(base: str) -> None:
    told = layer(base, "")
    assert (told["geometryType"], told["maxRecordCount"], told["objectIdField"]) == ("esriGeometryPolygon", 2000, "OBJECTID")


def test_faults_strike_pages_and_then_end(store: RecordStore) -> None:
    faults = Faults.parse(["server-error=1", "throttle=1", "accepted=1", "html=1", "early-empty=1"])
    with Portal(store, faults=faults) as portal:
        assert soda(portal.url, select="count(*)").json() == [{"count": "10"}]  # counts are not pages
        assert [soda(portal.url).status_code for _ in range(3)] == [503, 429, 202]
        assert soda(portal.url).headers["content-type"] == "text/html"
        assert soda(portal.url).json() == []
        assert len(soda(portal.url).json()) == 10


def test_a_cut_body_breaks_the_connection(store: RecordStore) -> None:
    with Portal(store, faults=Faults.parse(["cut-body=1"])) as portal:
        with pytest.raises(httpx.RemoteProtocolError):
            soda(portal.url)
        assert len(soda(portal.url).json()) == 10


def test_short_pages_and_a_portal_that_cannot_compare_ids(store: RecordStore) -> None:
    with Portal(store, faults=Faults.parse(["short-pages=3", "no-id-compare"])) as portal:
        assert len(soda(portal.url, limit="1000").json()) == 3
        assert soda(portal.url, where=":id > 'row-0001'").status_code == 400


@pytest.mark.parametrize("text", ["meteor=1", "throttle=x", ""])
def test_an_unknown_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there are server-error=N"):
        Faults.parse([text])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_a_quoted_text_never_becomes_sql(store: RecordStore, text: str) -> None:
    info = store.info(ID)
    assert info is not None
    piece = translate_text("text = '" + text.replace("'", "''") + "'", compared_columns(info))
    assert (piece.sql, piece.values) == ("c2 = ?", (text,))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="abcxyz0159 '\"();,*-=<>:`/\\number", max_size=40))
def test_whatever_is_asked_is_answered_or_refused_and_the_rows_stay(base: str, text: str) -> None:
    assert soda(base, where=text).status_code in {200, 400}
    assert soda(base, select="count(*)").json() == [{"count": "10"}]
