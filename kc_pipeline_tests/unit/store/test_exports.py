"""Exports: read back by other programs as what was written, whole or not at all."""

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.catalog.contracts import as_text, contract
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import EXPORT_FORMATS, VIEWS
from kc_pipeline.store.csv_cells import original_text
from kc_pipeline.store.exports import MARKER, ViewRows, write_export
from kc_pipeline.store.whole_folder import FolderError, whole_folder

ACTIONS, QUALITY = VIEWS["v1_action_list"], VIEWS["v1_source_quality"]
NAMES = ("=HYPERLINK(1)", "O'HARA'S \"BAR\", ÉTÉ\nline two", "", "plain")


def example(field: pa.Field) -> object:
    if pa.types.is_string(field.type):
        return "x"
    if pa.types.is_date(field.type):
        return date(2026, 7, 1)
    return True if pa.types.is_boolean(field.type) else 1


def actions() -> pa.Table:
    """Four items: names that trouble spreadsheets, one without a position, numbers that are missing."""
    schema = to_arrow(TABLES[ACTIONS.table])
    row = {field.name: example(field) for field in schema}
    places = [(39.1, -94.58), (39.2, -94.5), (None, None), (39.0, -94.6)]
    rows = [
        row
        | {"observation_id": f"o{n}", "business_names": name, "latitude": lat, "longitude": lon, "open_days": None if n == 1 else 10 + n}
        for n, (name, (lat, lon)) in enumerate(zip(NAMES, places, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def view_rows(rows: pa.Table | None = None) -> dict[str, ViewRows]:
    return {ACTIONS.name: ViewRows(ACTIONS.contract, actions() if rows is None else rows, as_text(contract(ACTIONS)))}


@pytest.fixture
def export(tmp_path: Path) -> Path:
    write_export(tmp_path / "out", view_rows())
    return tmp_path / "out" / ACTIONS.name


def path_of(export: Path, ending: str) -> Path:
    return export / f"{ACTIONS.name}.{ending}"


def test_csv_is_read_as_what_it_was_and_no_cell_is_a_formula(export: Path) -> None:
    with path_of(export, "csv").open(encoding="utf-8-sig", newline="") as file:
        read = list(csv.DictReader(file))
    assert [original_text(row["business_names"]) for row in read] == list(NAMES)
    assert read[0]["business_names"] == "'=HYPERLINK(1)"
    assert [row["open_days"] for row in read] == ["10", "", "12", "13"]
    frame = pd.read_csv(path_of(export, "csv"), encoding="utf-8-sig", keep_default_na=False, na_values={"longitude": [""]})
    assert frame["longitude"].tolist()[:2] == [-94.58, -94.5], "a negative number is no formula"


def test_parquet_files_have_every_type_and_description(export: Path) -> None:
    read = pq.read_table(path_of(export, "parquet"))
    plain = actions().filter(pa.array([True, True, False, True]))
    for name in plain.column_names:
        assert read[name].to_pylist() == plain[name].to_pylist(), name
    frame = gpd.read_parquet(path_of(export, "parquet"))
    assert frame.crs.to_epsg() == 4326 or frame.crs.to_authority() == ("OGC", "CRS84")
    assert [(point.x, point.y) for point in frame.geometry] == [(-94.58, 39.1), (-94.5, 39.2), (-94.6, 39.0)]


@pytest.mark.parametrize(("ending", "driver"), [("geojson", "GeoJSON"), ("gpkg", "GPKG")])
def test_gdal_reads_one_layer_of_points_in_wgs_84(export: Path, ending: str, driver: str) -> None:
    facts = pyogrio.read_info(path_of(export, ending))
    assert (facts["driver"], facts["geometry_type"], facts["features"], facts["crs"]) == (driver, "Point", 3, "EPSG:4326")
    frame = pyogrio.read_dataframe(path_of(export, ending))
    assert frame["business_names"].tolist() == [NAMES[0], NAMES[1], NAMES[3]]
    assert shapely.get_coordinates(frame.geometry.to_numpy()).tolist() == [[-94.58, 39.1], [-94.5, 39.2], [-94.6, 39.0]]
    assert frame["open_days"].isna().tolist() == [False, True, False]


def test_geojson_is_what_the_rfc_asks_for(export: Path) -> None:
    collection = json.loads(path_of(export, "geojson").read_text())
    assert "crs" not in collection
    assert {feature["geometry"]["type"] for feature in collection["features"]} == {"Point"}
    assert collection["features"][0]["properties"]["as_of"] == "2026-07-01"


def test_the_descriptor_tells_a_whole_file_from_a_cut_one(export: Path) -> None:
    package = json.loads((export / "datapackage.json").read_text())
    assert {resource["path"] for resource in package["resources"]} == {
        f"{ACTIONS.name}.{end}" for end in ("csv", "parquet", "geojson", "gpkg")
    }
    for resource in package["resources"]:
        content = (export / resource["path"]).read_bytes()
        assert (resource["bytes"], resource["hash"]) == (len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
    csv_schema = package["resources"][0]["schema"]
    assert [field["name"] for field in csv_schema["fields"]] == list(ACTIONS.contract.column_names)
    assert (export / f"{ACTIONS.name}.odcs.yaml").read_text() == as_text(contract(ACTIONS))


def test_what_has_no_position_has_no_map(tmp_path: Path) -> None:
    schema = to_arrow(TABLES[QUALITY.table])
    rows = pa.Table.from_pylist([{field.name: example(field) for field in schema}], schema=schema)
    written = write_export(tmp_path / "out", {QUALITY.name: ViewRows(QUALITY.contract, rows, "")})
    assert [file.format for file in written[QUALITY.name]] == ["csv", "parquet"]
    with pytest.raises(ValueError, match="positions"):
        write_export(tmp_path / "maps", {QUALITY.name: ViewRows(QUALITY.contract, rows, "")}, ["geojson"])
    assert not (tmp_path / "maps").exists()


def test_moments_are_written_with_their_zone(tmp_path: Path) -> None:
    table = pa.table({"at_utc": pa.array([datetime(2026, 7, 1, 5, tzinfo=UTC)], pa.timestamp("us", "UTC")), "name": ["x"]})
    write_export(tmp_path / "out", {QUALITY.name: ViewRows(QUALITY.contract, table, "")}, ["csv"])
    assert "2026-07-01T05:00:00" in (tmp_path / "out" / QUALITY.name / f"{QUALITY.name}.csv").read_text(encoding="utf-8-sig")
    assert "Z" in (tmp_path / "out" / QUALITY.name / f"{QUALITY.name}.csv").read_text(encoding="utf-8-sig")


def test_unknown_formats_and_mixtures_of_score_and_count_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such format: xlsx"):
        write_export(tmp_path / "out", view_rows(), ["xlsx"])
    both = pa.table({"risk_score": [1.0], "confirmed_count": [1]})
    with pytest.raises(ValueError, match="never stand in one file"):
        write_export(tmp_path / "out", view_rows(both))
    assert not (tmp_path / "out").exists()


def test_an_export_is_replaced_whole_and_nothing_else_ever_is(tmp_path: Path) -> None:
    write_export(tmp_path / "out", view_rows())
    write_export(tmp_path / "out", view_rows(), ["csv"])
    assert [path.name for path in sorted((tmp_path / "out" / ACTIONS.name).iterdir())] == [
        "datapackage.json", f"{ACTIONS.name}.csv", f"{ACTIONS.name}.odcs.yaml",
    ]  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderError, match="no folder that was written by this command"):
        write_export(tmp_path / "mine", view_rows())
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def content(folder: Path) -> str:
    return (folder / MARKER).read_text()


@contextmanager
def failing_at(number: int) -> Iterator[list[int]]:
    """Let one call to the file system fail, the given one of those that follow."""
    calls = [0]

    def failing(original):
        def call(*arguments: object, **options: object):
            calls[0] += 1
            if calls[0] == number:
                raise OSError(28, "No space left on device")
            return original(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "rename", "mkdir", "open"):
            patch.setattr(os, name, failing(getattr(os, name)))
        yield calls


@pytest.mark.parametrize("can_swap", [True, False])
def test_an_error_at_any_moment_leaves_the_old_or_the_new_folder(tmp_path: Path, can_swap: bool) -> None:
    """Every call to the file system fails once; what a reader finds, at once and after the next write, is whole."""
    target = tmp_path / "out"

    def write(text: str) -> None:
        swapped = {} if can_swap else {"swapped": lambda _one, _other: False}
        with whole_folder(target, MARKER, **swapped) as new:
            (new / MARKER).write_text(text)

    write(told := "0")
    for number in range(1, 100):
        with failing_at(number) as calls, suppress(OSError):
            write(str(number))
        if calls[0] < number:
            break
        # Where the file system cannot swap, nothing stands there between two renames.
        assert content(target) in (told, str(number)) if target.exists() else not can_swap
        write(told := f"after {number}")
        assert content(target) == told
        assert [path.name for path in tmp_path.iterdir() if path.name.endswith((".new", ".old"))] == []
    assert 8 < number < 100


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXTS, st.sampled_from(["=1+1", "@x", "-1", "'=1", "\t=1", "\uff0b1"])), min_size=1, max_size=8))
def test_every_text_survives_csv_and_none_begins_a_formula(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    folder = tmp_path_factory.mktemp("csv") / "out"
    table = pa.table({"name": pa.array(texts, pa.string())})
    write_export(folder, {QUALITY.name: ViewRows(QUALITY.contract, table, "")}, ["csv"])
    with (folder / QUALITY.name / f"{QUALITY.name}.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [row[0] if row else "" for row in list(csv.reader(file))[1:]]
    assert [original_text(cell) for cell in cells] == [text or "" for text in texts]
    assert not [cell for cell in cells if cell.lstrip("\t\n ")[:1] in ("=", "+", "-", "@") and not cell.startswith((" ", "'"))]


def test_formats_are_those_of_the_command() -> None:
    assert EXPORT_FORMATS == ("csv", "geoparquet", "geojson", "geopackage")
