"""Exports: every file says to another program what the view says, and a folder is the old one or the new one."""

import codecs
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_of_contracts import some_rows

from kc_pipeline.catalog.tables import SCHEMA_VERSION, TABLES
from kc_pipeline.catalog.views import EXPORT_FORMATS
from kc_pipeline.store import export_files
from kc_pipeline.store.csv_cells import FORMULA_STARTS, original_text
from kc_pipeline.store.exports import ViewRows, write_export
from kc_pipeline.store.whole_folder import FolderError

VIEW, CONTRACT = "v1_business_risk_current", TABLES["marts/business_risk"]
FLAT, FLAT_CONTRACT = "v1_source_quality", TABLES["marts/source_quality"]
STATUS = TABLES["marts/threshold_status"]
NAMES = ["=HYPERLINK(1)", 'Café "Zur Ecke", Süd\nnebenan', "", None, "'QUOTED"]
PLACES = [
    {"business_parcel_id": f"parcel:{number}", "business_names": name, "latitude": 39.1 + number / 1e9, "longitude": -94.5 - number / 3,
     "risk_rank": 2**53 + number, "risk_score": 100 / 3, "main_business_type": name or "", "relative_risk_score": None}
    for number, name in enumerate(NAMES)
]  # fmt: skip
PLACES[3] |= {"latitude": None, "longitude": None}
ROWS = some_rows(CONTRACT, PLACES)
FLAT_ROWS = some_rows(FLAT_CONTRACT, [{"feed": "calls_911", "newest_report_date": None}, {"feed": "parcels", "status_reason": "-1"}])
VIEWS = {VIEW: ViewRows(CONTRACT, ROWS, "kind: DataContract\n"), FLAT: ViewRows(FLAT_CONTRACT, FLAT_ROWS, "kind: DataContract\n")}
POSITIONED = [row for row in ROWS.to_pylist() if row["latitude"] is not None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exports") / "bi"
    write_export(target, VIEWS)
    return target


def as_texts(rows: list[dict], *, of_csv: bool) -> list[dict]:
    """Rows as text where a file knows no dates; CSV has everything as text, a missing value as nothing."""

    def text(value: object) -> object:
        if of_csv:
            return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        return value.isoformat() if hasattr(value, "isoformat") else value

    return [{name: text(value) for name, value in row.items()} for row in rows]


def test_each_view_has_a_folder_with_its_files_descriptor_and_contract(folder: Path) -> None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    both = {f"{view}/{name}" for view in VIEWS for name in (f"{view}.csv", f"{view}.parquet", "datapackage.json", f"{view}.odcs.yaml")}
    assert names == {"export.json", *both, f"{VIEW}/{VIEW}.geojson", f"{VIEW}/{VIEW}.gpkg"}


def test_csv_is_read_by_the_csv_module_to_the_same_values(folder: Path) -> None:
    content = (folder / VIEW / f"{VIEW}.csv").read_bytes()
    assert content.startswith(codecs.BOM_UTF8)
    with (folder / VIEW / f"{VIEW}.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    original = [{name: original_text(cell) for name, cell in row.items()} for row in found]
    numbers = [name for name in CONTRACT.column_names if pa.types.is_floating(ROWS.schema.field(name).type)]
    for row, wanted in zip(original, as_texts(ROWS.to_pylist(), of_csv=True), strict=True):
        for name in numbers:
            assert (float(row.pop(name) or "nan")) == pytest.approx(float(wanted.pop(name) or "nan"), abs=0, rel=0, nan_ok=True)
        assert row == wanted
    assert [row["business_names"][:2] for row in found] == ["'=", "Ca", "", "", "'Q"]


def test_csv_tells_missing_from_empty(folder: Path) -> None:
    path = folder / VIEW / f"{VIEW}.csv"
    read = duckdb.sql(f"select business_names from read_csv('{path}', all_varchar=true, nullstr='', allow_quoted_nulls=false)").fetchall()
    assert [None if name is None else original_text(name) for (name,) in read] == NAMES


def test_csv_is_read_by_pandas_and_duckdb_to_the_same_values(folder: Path) -> None:
    path = folder / VIEW / f"{VIEW}.csv"
    frame = pd.read_csv(path, encoding="utf-8-sig")
    assert frame["risk_rank"].tolist() == ROWS["risk_rank"].to_pylist()
    assert frame["longitude"].dropna().tolist() == [row["longitude"] for row in POSITIONED]
    assert frame["risk_score"].tolist() == [100 / 3] * 5
    rows = duckdb.sql(f"select risk_rank, risk_score, as_of, latitude from read_csv('{path}')").fetchall()
    assert rows == [(row["risk_rank"], row["risk_score"], row["as_of"], row["latitude"]) for row in ROWS.to_pylist()]


def test_geoparquet_is_read_by_geopandas_gdal_and_duckdb(folder: Path) -> None:
    path = folder / VIEW / f"{VIEW}.parquet"
    frame = gpd.read_parquet(path)
    assert (frame.crs.to_epsg(), set(frame.geom_type)) == (4326, {"Point"})
    assert (
        pa.Table.from_pandas(pd.DataFrame(frame.drop(columns="geometry")), schema=ROWS.schema, preserve_index=False).to_pylist()
        == POSITIONED
    )
    assert [(point.x, point.y) for point in frame.geometry] == [(row["longitude"], row["latitude"]) for row in POSITIONED]
    described = json.loads(pq.read_metadata(path).metadata[b"geo"])
    assert (described["version"], described["columns"]["geometry"]["geometry_types"]) == ("1.1.0", ["Point"])
    found = duckdb.sql(f"select business_names, risk_rank, as_of, longitude from '{path}'").fetchall()
    assert found == [(row["business_names"], row["risk_rank"], row["as_of"], row["longitude"]) for row in POSITIONED]


@pytest.mark.parametrize(("ending", "driver"), [("geojson", "GeoJSON"), ("gpkg", "GPKG")])
def test_gdal_reads_one_layer_of_points_in_epsg_4326(folder: Path, ending: str, driver: str) -> None:
    path = folder / VIEW / f"{VIEW}.{ending}"
    told = pyogrio.read_info(path)
    assert (told["driver"], told["crs"], told["geometry_type"], told["features"]) == (driver, "EPSG:4326", "Point", 4)
    assert [name for name, _ in pyogrio.list_layers(path)] == [VIEW]
    _, read = pyogrio.read_arrow(path)
    found = read.drop_columns([told["geometry_name"] or "wkb_geometry"]).select(ROWS.column_names).to_pylist()
    wanted = as_texts(POSITIONED, of_csv=False)
    assert as_texts(found, of_csv=False) == wanted
    points = gpd.read_file(path).geometry
    rounded = 1e-7 if ending == "geojson" else 0  # the RFC's seven decimals are a centimetre; the columns have them all
    for axis, name in (("x", "longitude"), ("y", "latitude")):
        assert list(getattr(points, axis)) == pytest.approx([row[name] for row in POSITIONED], abs=rounded, rel=0)


def test_geojson_is_that_of_the_rfc(folder: Path) -> None:
    content = json.loads((folder / VIEW / f"{VIEW}.geojson").read_text(encoding="utf-8"))
    assert "crs" not in content
    assert {feature["geometry"]["type"] for feature in content["features"]} == {"Point"}
    assert content["features"][0]["geometry"]["coordinates"] == [-94.5, 39.1]
    assert [feature["properties"]["business_names"] for feature in content["features"]] == [NAMES[0], NAMES[1], "", NAMES[4]]


def test_plain_parquet_where_there_are_no_positions(folder: Path) -> None:
    table = pq.read_table(folder / FLAT / f"{FLAT}.parquet")
    assert b"geo" not in (table.schema.metadata or {})
    assert table.to_pylist() == FLAT_ROWS.to_pylist()
    assert table.schema.field("usual_lag_days").metadata[b"unit"] == b"day"


def test_the_descriptor_speaks_of_the_files_that_are_there(folder: Path) -> None:
    package = json.loads((folder / VIEW / "datapackage.json").read_text(encoding="utf-8"))
    assert package["version"] == SCHEMA_VERSION
    for resource in package["resources"]:
        content = (folder / VIEW / resource["path"]).read_bytes()
        assert (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}") == (resource["bytes"], resource["hash"])
    by_format = {resource["format"]: resource for resource in package["resources"]}
    assert {name: resource["rowCount"] for name, resource in by_format.items()} == {"csv": 5, "parquet": 4, "geojson": 4, "gpkg": 4}
    assert by_format["geojson"]["rowsWithoutPositionLeftOut"] == 1
    fields = {field["name"]: field for field in by_format["csv"]["schema"]["fields"]}
    assert list(fields) == list(CONTRACT.column_names)
    assert fields["risk_score"]["constraints"] == {"minimum": 0, "maximum": 100, "required": True}
    assert by_format["csv"]["schema"]["primaryKey"] == list(CONTRACT.key)
    marker = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert {view: set(files) for view, files in marker["views"].items()} == {
        VIEW: {f"{VIEW}.{ending}" for ending in ("csv", "parquet", "geojson", "gpkg")}, FLAT: {f"{FLAT}.csv", f"{FLAT}.parquet"},
    }  # fmt: skip


def test_a_view_without_rows_is_a_file_without_rows(tmp_path: Path) -> None:
    write_export(tmp_path / "e", {VIEW: ViewRows(CONTRACT, ROWS.slice(0, 0), "")})
    assert pd.read_csv(tmp_path / "e" / VIEW / f"{VIEW}.csv").columns.tolist() == list(CONTRACT.column_names)
    assert len(gpd.read_parquet(tmp_path / "e" / VIEW / f"{VIEW}.parquet")) == 0
    assert json.loads((tmp_path / "e" / VIEW / f"{VIEW}.geojson").read_text())["features"] == []
    told = pyogrio.read_info(tmp_path / "e" / VIEW / f"{VIEW}.gpkg")
    assert (told["features"], told["geometry_type"], told["crs"]) == (0, "Point", "EPSG:4326")


TEXTS = st.text() | st.builds("".join, st.tuples(st.sampled_from(["", "'", "''", " "]), st.sampled_from(FORMULA_STARTS), st.text()))


@pytest.mark.fault(28)
@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS.filter(lambda text: "\x00" not in text) | st.none(), min_size=1, max_size=8))
def test_no_text_of_any_csv_file_is_a_formula_and_every_text_comes_back(texts: list[str | None]) -> None:
    rows = pa.table({"text": pa.array(texts, pa.string()), "number": pa.array([-1.5] * len(texts))})
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "t.csv"
        export_files.write_csv(rows, path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = list(csv.reader(file))[1:]
    assert [row[0].startswith(FORMULA_STARTS) for row in cells] == [False] * len(texts)
    assert [original_text(row[0]) for row in cells] == [text or "" for text in texts]
    assert {row[1] for row in cells} == {"-1.5"}


def test_moments_are_written_with_their_zone_and_wall_clocks_without_one(tmp_path: Path) -> None:
    moment = datetime(2026, 7, 1, 5, 30, 15, 250_000, tzinfo=UTC)
    rows = pa.table(
        {
            "at_utc": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "at_local": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
            "day": pa.array([moment.date(), None]),
            "latitude": [39.1, 39.2], "longitude": [-94.5, -94.6],
        }
    )  # fmt: skip
    export_files.write_csv(rows, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["2026-07-01T05:30:15.250000Z", "2026-07-01T05:30:15.250000", "2026-07-01", "39.1", "-94.5"], ["", "", "", "39.2", "-94.6"],
        ]  # fmt: skip
    export_files.write_geojson(rows, tmp_path / "t.geojson")
    first, second = (feature["properties"] for feature in json.loads((tmp_path / "t.geojson").read_text())["features"])
    assert (first["at_utc"], first["at_local"], first["day"]) == ("2026-07-01T05:30:15.250000Z", "2026-07-01T05:30:15.250000", "2026-07-01")
    assert (second["at_utc"], second["at_local"], second["day"]) == (None, None, None)


def test_score_and_count_never_stand_in_one_file(tmp_path: Path, folder: Path) -> None:
    both = ROWS.append_column("confirmed_count", pa.array([1] * ROWS.num_rows))
    with pytest.raises(ValueError, match="never stand in one file"):
        write_export(tmp_path / "e", {VIEW: ViewRows(CONTRACT, both, "")})
    assert not (tmp_path / "e").exists()
    write_export(tmp_path / "s", {VIEW: VIEWS[VIEW], "v1_threshold_status": ViewRows(STATUS, some_rows(STATUS, [{}]), "")})
    for path in (tmp_path / "s").rglob("*.csv"):
        header = path.read_text(encoding="utf-8-sig").splitlines()[0]
        assert ("risk_score" in header) != ("confirmed_count" in header)


@pytest.mark.parametrize(
    ("views", "formats", "said"),
    [(VIEWS, ["shapefile"], "no such format: shapefile"), (VIEWS, [], "none given"),
     ({FLAT: VIEWS[FLAT]}, ["geojson"], "none of v1_source_quality has positions")],
)  # fmt: skip
def test_what_cannot_be_exported_is_said_and_nothing_is_written(tmp_path: Path, views, formats, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write_export(tmp_path / "e", views, formats)
    assert not (tmp_path / "e").exists()


def test_an_export_replaces_the_one_before(tmp_path: Path) -> None:
    write_export(tmp_path / "e", VIEWS)
    write_export(tmp_path / "e", {FLAT: VIEWS[FLAT]}, ["csv"])
    assert sorted(path.name for path in (tmp_path / "e").rglob("*")) == [
        "datapackage.json", "export.json", FLAT, f"{FLAT}.csv", f"{FLAT}.odcs.yaml",
    ]  # fmt: skip


def test_a_folder_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    foreign = tmp_path / "documents"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear")
    with pytest.raises(FolderError, match="was written by this command"):
        write_export(foreign, VIEWS)
    assert [(path.name, path.read_text()) for path in foreign.iterdir()] == [("letter.txt", "dear")]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    """In another process too: all but the GeoPackage, in which GDAL writes the time."""
    write_export(tmp_path / "e", VIEWS)
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".csv", ".parquet", ".geojson", ".yaml"):
            assert (tmp_path / "e" / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name


DISK_FULL = """
import resource, sys
from pathlib import Path
from test_exports import VIEW, VIEWS
from kc_pipeline.store.exports import write_export
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write_export(Path(sys.argv[1]), VIEWS, [sys.argv[3]])
except (OSError, RuntimeError) as error:
    print("failed", type(error).__name__)
"""


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_a_file_that_cannot_grow_leaves_the_export_before(tmp_path: Path, kind: str) -> None:
    """The system refuses every write past a size, as it does on a full disk."""
    target = tmp_path / "e"
    write_export(target, {FLAT: VIEWS[FLAT]}, ["csv"])
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", DISK_FULL, str(target), "1500", kind]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)  # noqa: S603
    assert done.stdout.startswith("failed"), done.stderr
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".kc-lock"] == ["e"]
