"""The ArcGIS side of the local portal, by value, over loopback."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pandas as pd
import pytest

from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

LAYER = "AGOL/MapServer/6"
COLUMNS = [
    DeclaredColumn("OBJECTID", "esriFieldTypeOID"),
    DeclaredColumn("KIVAPIN", "esriFieldTypeString"),
    DeclaredColumn("ADDR", "esriFieldTypeInteger"),
    DeclaredColumn("SHAPE", "polygon"),
]
OUTER = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]]  # counter-clockwise
HOLE = [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0], [1.0, 1.0]]  # counter-clockwise
HOLED = f'{{"type": "Polygon", "coordinates": [{OUTER}, {HOLE}]}}'

# 94.5 W 39 N in Missouri West, US survey feet: the false easting of 850,000 m, and the meridian arc on GRS 80 from the
# origin at 36 degrees 10 minutes, scaled by 1 - 1/17000 (the arc integrated by hand).
CORNER_FEET = (2_788_708.3333, 1_031_656.0465)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RecordStore:
    store = RecordStore(tmp_path_factory.mktemp("layers") / "portal.sqlite")
    rows = [(str(number), f"P{number}", str(number * 5), HOLED if number == 7 else None) for number in range(1, 2501)]
    frame = pd.DataFrame(rows, columns=[c.field_name for c in COLUMNS], dtype=object)
    store.replace(LAYER, "arcgis", "Parcels", COLUMNS, frame, datetime(2026, 7, 1, tzinfo=UTC))
    return store


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A layer of one triangle whose south-west corner lies on the central meridian of Missouri West."""
    store = RecordStore(tmp_path_factory.mktemp("corner") / "portal.sqlite")
    triangle = '{"type": "Polygon", "coordinates": [[[-94.5, 39.0], [-94.4, 39.0], [-94.5, 39.1], [-94.5, 39.0]]]}'
    frame = pd.DataFrame([("1", "P1", "5", triangle)], columns=[c.field_name for c in COLUMNS], dtype=object)
    store.replace(LAYER, "arcgis", "Parcels", COLUMNS, frame, datetime(2026, 7, 1, tzinfo=UTC))
    with Portal(store) as portal:
        yield f"{portal.url}/arcgis/rest/services/{LAYER}"


@pytest.fixture(scope="module")
def url(store: RecordStore) -> Iterator[str]:
    with Portal(store) as portal:
        yield f"{portal.url}/arcgis/rest/services/{LAYER}"


def query(url: str, **arguments: str | int) -> dict[str, object]:
    answer = httpx.get(f"{url}/query", params={"f": "json", "outSR": 4326, **arguments})
    assert answer.status_code == 200
    told: dict[str, object] = answer.json()
    return told


def ids(answer: dict[str, object]) -> list[int]:
    return [feature["attributes"]["OBJECTID"] for feature in answer["features"]]  # type: ignore[attr-defined]


def test_the_layer_describes_itself(url: str) -> None:
    told = httpx.get(url, params={"f": "json"}).json()
    assert (told["id"], told["name"], told["geometryType"], told["maxRecordCount"]) == (6, "Parcels", "esriGeometryPolygon", 2000)
    assert [(f["name"], f["type"]) for f in told["fields"]][-1] == ("SHAPE", "esriFieldTypeGeometry")
    assert told["advancedQueryCapabilities"]["supportsPagination"] is True


def test_a_page_ends_at_the_servers_limit_and_says_so(url: str) -> None:
    first = query(url, where="1=1", outFields="OBJECTID", resultRecordCount=9000, returnGeometry="false")
    assert ids(first) == list(range(1, 2001))
    assert first["exceededTransferLimit"] is True
    second = query(url, where="OBJECTID > 2000", outFields="OBJECTID", returnGeometry="false")
    assert ids(second) == list(range(2001, 2501))
    assert "exceededTransferLimit" not in second


def test_offset_order_and_post_give_the_same_rows(url: str) -> None:
    asked = {"where": "KIVAPIN like 'P24%'", "outFields": "*", "resultOffset": "2", "resultRecordCount": "3", "returnGeometry": "false"}
    asked |= {"orderByFields": "OBJECTID DESC", "outSR": "4326", "f": "json"}
    assert ids(query(url, **asked)) == [2497, 2496, 2495]
    assert httpx.post(f"{url}/query", data=asked).json() == query(url, **asked)


def test_counts_and_ids_are_not_cut(url: str) -> None:
    assert query(url, where="1=1", returnCountOnly="true") == {"count": 2500}
    assert query(url, where="ADDR <= 50 and KIVAPIN in ('P1','P2','P900')", returnCountOnly="true") == {"count": 2}
    told = query(url, where="1=1", returnIdsOnly="true")
    assert (told["objectIdFieldName"], told["objectIds"]) == ("OBJECTID", list(range(1, 2501)))


def test_exterior_rings_run_clockwise_and_holes_the_other_way(url: str) -> None:
    told = query(url, where="OBJECTID = 7", outFields="*")
    feature = told["features"][0]  # type: ignore[index]
    assert feature == {"attributes": {"OBJECTID": 7, "KIVAPIN": "P7", "ADDR": 35}, "geometry": {"rings": [OUTER[::-1], HOLE]}}
    assert told["spatialReference"] == {"wkid": 4326, "latestWkid": 4326}


@pytest.mark.parametrize("asked", [{"outSR": "102698"}, {"outSR": '{"wkid": 102698}'}, {"outSR": ""}])
def test_geometry_comes_in_the_layers_own_feet_unless_degrees_are_asked_for(corner: str, asked: dict[str, str]) -> None:
    told = query(corner, where="OBJECTID = 1", **asked)
    assert told["spatialReference"] == {"wkid": 102698, "latestWkid": 102698}
    ring = told["features"][0]["geometry"]["rings"][0]  # type: ignore[index]
    assert sum(point[0] < 2_790_000 for point in ring) == 3  # the corner, the point north of it, the corner again
    assert [min(axis) for axis in zip(*ring, strict=True)] == pytest.approx(CORNER_FEET, abs=0.001)
    assert sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring)) < 0  # clockwise


def test_geojson_is_in_degrees_unless_feet_are_asked_for(corner: str) -> None:
    def first(**asked: str) -> object:
        told = query(corner, where="OBJECTID = 1", f="geojson", **asked)
        return told["features"][0]["geometry"]["coordinates"][0][0]  # type: ignore[index]

    assert first(outSR="") == first() == [-94.5, 39.0]
    assert first(outSR="102698") == pytest.approx(CORNER_FEET, abs=0.001)


def test_the_layer_says_where_it_lies_in_its_own_feet(url: str) -> None:
    extent = httpx.get(url, params={"f": "json"}).json()["extent"]
    assert extent.pop("spatialReference") == {"wkid": 102698, "latestWkid": 102698}
    assert extent["xmin"] < CORNER_FEET[0] < extent["xmax"]
    assert extent["ymin"] < CORNER_FEET[1] < extent["ymax"]


def test_a_feature_without_geometry_has_none(url: str) -> None:
    assert query(url, where="OBJECTID = 8", outFields="ADDR")["features"] == [{"attributes": {"ADDR": 40}}]


def test_geojson_says_under_properties_that_there_is_more(url: str) -> None:
    told = query(url, where="OBJECTID >= 7", outFields="KIVAPIN", resultRecordCount=1, f="geojson")
    assert told["features"] == [
        {"type": "Feature", "properties": {"KIVAPIN": "P7"}, "geometry": {"type": "Polygon", "coordinates": [OUTER, HOLE]}}
    ]
    assert told["properties"] == {"exceededTransferLimit": True}


@pytest.mark.parametrize(
    "arguments",
    [
        {"where": "NOTHING = 1"}, {"where": "OBJECTID = "}, {"where": "(1=1"}, {"where": "1=1; drop table data_sets"},
        {"where": "1=1", "outFields": "NOTHING"}, {"where": "1=1", "resultRecordCount": "many"},
        {"where": "1=1", "resultRecordCount": "-5"}, {"where": "1=1", "resultOffset": "-1"}, {"where": "1=1", "outSR": "3857"},
    ],
)  # fmt: skip
def test_errors_come_with_status_200(url: str, arguments: dict[str, str]) -> None:
    error = query(url, **arguments)["error"]
    assert (error["code"], bool(error["message"]), len(error["details"])) == (400, True, 1)  # type: ignore[index,call-overload]


def test_an_unknown_layer_is_an_error_with_status_200(url: str) -> None:
    answer = httpx.get(url.replace("/6", "/99"), params={"f": "json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, 404)


def test_an_empty_page_still_says_that_there_is_more(store: RecordStore) -> None:
    with Portal(store, faults=Faults.parse(["early-empty=1", "short-pages=3"])) as portal:
        at = f"{portal.url}/arcgis/rest/services/{LAYER}"
        first, second = (query(at, where="1=1", outFields="OBJECTID", returnGeometry="false") for _ in range(2))
    assert (ids(first), first["exceededTransferLimit"]) == ([], True)
    assert (ids(second), second["exceededTransferLimit"]) == ([1, 2, 3], True)
