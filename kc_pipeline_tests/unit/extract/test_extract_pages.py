"""Pages to text columns, and geometry in every form that the sources write."""

import csv
import io
import json

import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.extract.geometry import esri_shapes, read_points, read_shapes
from kc_pipeline.extract.pages import GEOMETRY, PageError, as_text, read_csv, read_page, text_table

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)))
def test_a_csv_page_gives_back_every_cell_as_text(rows: list[list[str]]) -> None:
    names = [f"c{i}" for i in range(len(rows[0]))]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([names, *rows])
    table = read_csv(text.getvalue().encode())
    assert [list(row.values()) for row in table.to_pylist()] == [[cell or None for cell in row] for row in rows]


def test_csv_infers_nothing() -> None:
    content = '\ufeffid,when,flag,note\n007,2026-01-02,true,"a ""b""\nc"\n,NA,null,\n'.encode()
    assert read_csv(content).to_pylist() == [
        {"id": "007", "when": "2026-01-02", "flag": "true", "note": 'a "b"\nc'},
        {"id": None, "when": "NA", "flag": "null", "note": None},
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_in_the_encodings_of_spreadsheets(encoding: str) -> None:
    assert read_csv("name,n\nCafé,1\n".encode(encoding)).to_pylist() == [{"name": "Café", "n": "1"}]


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n", "a,a\n1,2\n"])
def test_csv_that_does_not_fit_its_header_is_refused(text: str) -> None:
    with pytest.raises(PageError):
        read_csv(text.encode())


@pytest.mark.parametrize("text", ['[{"a": 1, "b": null}, {"a": "x", "c": [1]}]', '{"a": 1}\n\n{"a": "x", "c": [1]}\n'])
def test_json_and_json_lines(text: str) -> None:
    rows = [{k: v for k, v in row.items() if v is not None} for row in read_page(text.encode(), "json").to_pylist()]
    assert rows == [{"a": "1"}, {"a": "x", "c": "[1]"}]


def test_geojson_points_stand_in_for_coordinates() -> None:
    features = [{"type": "Feature", "properties": {"id": 1.5}, "geometry": {"type": "Point", "coordinates": [-94.5, 39.1]}}]
    [row] = read_page(json.dumps({"type": "FeatureCollection", "features": features}).encode(), "json").to_pylist()
    assert (row["id"], row["longitude"], row["latitude"]) == ("1.5", "-94.5", "39.1")


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"features": 3}x'])
def test_json_that_holds_no_records_is_refused(content: bytes) -> None:
    with pytest.raises(PageError):
        read_page(content, "json")


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("POINT (-94.549192969 39.071624659)", "point", ("-94.549192969", "39.071624659")),
        ("(39.1, -94.5)", "location", ("-94.5", "39.1")),
        ("3400 NORTON AV\nKANSAS CITY, MO 64130\n(39.0661, -94.5412)", "location", ("-94.5412", "39.0661")),
        ("POINT (-94.5 39.1)", "location", ("-94.5", "39.1")),
        ('{"type":"Point","coordinates":[-94.5,39.1]}', "location", ("-94.5", "39.1")),
        ('{"latitude": "39.1", "longitude": "-94.5", "human_address": "{}"}', "location", ("-94.5", "39.1")),
        ("3663 PO Box\nKansas City, KANSAS 64103", "location", (None, None)),
        ("POINT EMPTY", "point", (None, None)),
        (None, "point", (None, None)),
    ],
)
def test_points_in_every_form(text: str | None, declared: str, expected: tuple[str | None, str | None]) -> None:
    mixed = pa.chunked_array([pa.array([text, "POINT (1 2)"], pa.string())])
    longitude, latitude = (column.to_pylist() for column in read_points(mixed, declared))
    assert (longitude, latitude) == ([expected[0], "1"], [expected[1], "2"])


def test_shapes_from_wkt_and_geojson() -> None:
    texts = [
        "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))",
        '{"type":"LineString","coordinates":[[0,0],[1,1]]}',
        None,
        "MULTIPOLYGON (((",
        "POINT Z (1 2 3)",
    ]
    shapes = read_shapes(pa.chunked_array([pa.array(texts, pa.string())])).to_pylist()
    wkt = [shapely.from_wkb(shape).wkt if shape else None for shape in shapes]
    assert wkt == ["MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))", "LINESTRING (0 0, 1 1)", None, None, "POINT (1 2)"]


def _clockwise(x: float, y: float, size: float) -> list[list[float]]:
    return [[x, y], [x, y + size], [x + size, y + size], [x + size, y], [x, y]]


def test_esri_rings_become_polygons_with_their_holes() -> None:
    outer, hole, island = _clockwise(0, 0, 10), _clockwise(2, 2, 6)[::-1], _clockwise(4, 4, 1)
    other = _clockwise(20, 0, 2)
    shapes = [
        {"rings": [outer]},
        {"rings": [outer, hole]},
        {"rings": [hole, island, outer, other]},
        None,
        {"rings": []},
        {"rings": [hole, _clockwise(30, 0, 1)[::-1]]},
    ]
    made = [shapely.from_wkb(shape) if shape else None for shape in esri_shapes(shapes).to_pylist()]
    assert [g and g.area for g in made] == [100, 64, 64 + 1 + 4, None, None, 36 + 1]
    assert all(g.is_valid for g in made if g)


def test_esri_points_and_paths() -> None:
    shapes = [
        {"x": -94.5, "y": 39.1},
        {"x": "NaN", "y": "NaN"},
        {"paths": [[[0, 0], [1, 1]]]},
        {"paths": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]},
    ]
    made = [shapely.from_wkb(shape).wkt if shape else None for shape in esri_shapes(shapes).to_pylist()]
    assert made == ["POINT (-94.5 39.1)", None, "LINESTRING (0 0, 1 1)", "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))"]


def test_an_esri_page_without_geometry_has_no_geometry_column() -> None:
    page = read_page(b'{"features":[{"attributes":{"OBJECTID":1,"PIN":null}}]}', "esri")
    assert page.to_pylist() == [{"OBJECTID": "1", "PIN": None}]
    assert GEOMETRY not in page.column_names


@pytest.mark.parametrize("text", ['a,b\n1,"cut\n', 'a,b\n"1","2"\n"3","'])
@pytest.mark.fault(7)
def test_csv_that_ends_within_quotes_is_refused(text: str) -> None:
    with pytest.raises(PageError, match="no closing quote"):
        read_csv(text.encode())


def test_a_quote_within_an_unquoted_cell_is_a_letter() -> None:
    assert read_csv(b'a,b\n5" pipe,2\n').to_pylist() == [{"a": '5" pipe', "b": "2"}]


TEXT_OR_NOTHING = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
ANYTHING = TEXT_OR_NOTHING | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.lists(st.integers(), max_size=2)


@given(st.lists(TEXT_OR_NOTHING, max_size=6) | st.lists(ANYTHING, max_size=6))
def test_a_column_taken_at_once_is_the_same_as_value_by_value(values: list[object]) -> None:
    column = text_table([{"row": "1", "value": value} for value in values] or [{"value": ""}])["value"]
    assert column.type == pa.string()
    assert column.to_pylist() == [as_text(value) for value in values or [""]]
