"""File drops: kept as dropped, or without the columns that are not allowed."""

import gzip
import hashlib
import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scripted_portal import now

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.manifest import Pulled
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import Held, Months

MONTHS = Months("2000-01", "2026-07")
INSPECTIONS = DataSet(
    "health_inspections",
    "health_inspections*",
    Transport.FILES,
    {
        "inspection_id": ("inspection_id",),
        "inspection_date": ("inspection_date",),
        "permit_number": ("permit_number", "license_"),
        "violations": ("violations",),
        "latitude": ("latitude",),
        "longitude": ("longitude",),
    },
    ("inspection_id", "inspection_date"),
)
PLAIN = b'inspection_id,inspection_date,violations\n001,2026-07-01,"two\nlines, ""quoted"""\n002,2026-07-02,\n'
ROWS = [("001", "2026-07-01", 'two\nlines, "quoted"'), ("002", "2026-07-02", None)]


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drops"
    folder.mkdir()
    return folder


@pytest.fixture
def files(drop: Path, store: RawStore) -> FileTransport:
    return FileTransport(drop, store, now)


def pull(files: FileTransport) -> Pulled:
    survey = files.survey(INSPECTIONS, MONTHS)
    assert survey is not None
    return files.pull(INSPECTIONS, "whole", MONTHS, survey.partitions["whole"])


def rows(store: RawStore, pulled: Pulled) -> list[tuple[str | None, ...]]:
    table = read_pull(store, pulled.manifest)
    return [(r["inspection_id"], r["inspection_date"], r["violations"]) for r in table.to_pylist()]


@pytest.mark.parametrize("name", ["health_inspections.csv", "health_inspections_2026.csv.gz"])
def test_a_file_of_allowed_columns_is_kept_as_dropped(drop: Path, files: FileTransport, store: RawStore, name: str) -> None:
    wire = gzip.compress(PLAIN) if name.endswith("gz") else b"\xef\xbb\xbf" + PLAIN
    (drop / name).write_bytes(wire)
    pulled = pull(files)
    [page] = pulled.manifest.pages
    assert store.page_bytes(pulled.manifest, page) == wire
    assert (page.rows, page.original_name, page.original_sha256) == (2, name, None)
    assert rows(store, pulled) == ROWS
    assert read_pull(store, pulled.manifest)["row_id"].to_pylist() == ["0:0", "0:1"]


def test_person_columns_are_taken_out_before_the_first_write(drop: Path, files: FileTransport, store: RawStore) -> None:
    wire = (
        b"\xef\xbb\xbfInspection_ID,inspector_name,inspection_date,violations,owner phone\n"
        b'001,"Doe,\nJane",2026-07-01,"two\nlines, ""quoted""",816-555-0100\n002,Roe,2026-07-02,,\n'
    )
    (drop / "health_inspections.csv").write_bytes(wire)
    pulled = pull(files)
    assert pulled.manifest.dropped_columns == ("inspector_name", "owner phone")
    assert pulled.manifest.pages[0].original_sha256 == hashlib.sha256(wire).hexdigest()
    assert rows(store, pulled) == ROWS
    kept = store.page_bytes(pulled.manifest, pulled.manifest.pages[0])
    assert not any(secret in gzip.decompress(kept) for secret in (b"Doe", b"Jane", b"Roe", b"555"))
    assert not pull(files).is_new


def test_one_column_that_is_left_keeps_its_empty_rows(drop: Path, files: FileTransport, store: RawStore) -> None:
    data_set = DataSet("health_inspections", "health_inspections*", Transport.FILES, {"inspection_id": ("inspection_id",)})
    (drop / "health_inspections.csv").write_text("inspection_id,phone\n1,5\n,6\n")
    survey = files.survey(data_set, MONTHS)
    assert survey is not None
    manifest = files.pull(data_set, "whole", MONTHS, survey.partitions["whole"]).manifest
    assert read_pull(store, manifest)["inspection_id"].to_pylist() == ["1", None]


RECORDS = [
    {"inspection_id": "001", "inspection_date": "2026-07-01", "violations": 'two\nlines, "quoted"', "phone": "816"},
    {"inspection_id": "002", "inspection_date": "2026-07-02", "violations": None, "phone": "816"},
]


@pytest.mark.parametrize(
    "name", ["health_inspections.json", "health_inspections.jsonl", "health_inspections.json.gz", "health_inspections.geojson"]
)
def test_json_drops(drop: Path, files: FileTransport, store: RawStore, name: str) -> None:
    point = {"type": "Point", "coordinates": [-94.5, 39.1]}
    features = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "geometry": point, "properties": record} for record in RECORDS],
    }
    text = "\n".join(map(json.dumps, RECORDS)) if "jsonl" in name else json.dumps(features if "geojson" in name else RECORDS)
    (drop / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    pulled = pull(files)
    assert rows(store, pulled) == ROWS
    assert pulled.manifest.dropped_columns == ("phone",)
    if "geojson" in name:
        table = read_pull(store, pulled.manifest)
        assert (table["longitude"][0].as_py(), table["latitude"][0].as_py()) == ("-94.5", "39.1")


def test_parquet_drops_become_text(drop: Path, files: FileTransport, store: RawStore) -> None:
    table = pa.table({"inspection_id": [1, 2], "inspection_date": [date(2026, 7, 1), None], "latitude": [39.1, None], "phone": ["816", ""]})
    pq.write_table(table, drop / "health_inspections.parquet")
    pulled = pull(files)
    assert pulled.manifest.dropped_columns == ("phone",)
    raw = read_pull(store, pulled.manifest)
    assert raw["inspection_id"].to_pylist() == ["1", "2"]
    assert [str(day)[:10] for day in raw["inspection_date"].to_pylist()] == ["2026-07-01", "None"]
    assert raw["latitude"].to_pylist() == ["39.1", None]


def test_files_with_other_names_for_a_column_are_one_pull(drop: Path, files: FileTransport, store: RawStore) -> None:
    (drop / "health_inspections_1.csv").write_text("inspection_id,inspection_date,license_\n1,2026-07-01,A\n")
    (drop / "health_inspections_2.csv").write_text("inspection_id,inspection_date,permit_number\n2,2026-07-02,B\n")
    pulled = pull(files)
    table = read_pull(store, pulled.manifest)
    assert list(zip(table["row_id"].to_pylist(), table["permit_number"].to_pylist(), strict=True)) == [("0:0", "A"), ("1:0", "B")]


def test_nothing_dropped_is_nothing_handed_over(files: FileTransport, drop: Path) -> None:
    (drop / "health_inspections.csv.part").write_bytes(PLAIN)
    (drop / "other.csv").write_bytes(PLAIN)
    assert files.survey(INSPECTIONS, MONTHS) is None


def test_a_file_that_changes_meanwhile_is_transient(drop: Path, files: FileTransport) -> None:
    (drop / "health_inspections.csv").write_bytes(PLAIN)
    with pytest.raises(TransientSourceError, match="changed while"):
        files.pull(INSPECTIONS, "whole", MONTHS, Held(2, "sha256:other"))


@pytest.mark.fault(27)
def test_names_that_leave_the_folder_are_refused(drop: Path, files: FileTransport, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(PLAIN)
    (drop / "health_inspections.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(PermanentSourceError, match="link out of the drop folder"):
        files.survey(INSPECTIONS, MONTHS)
    with pytest.raises(PermanentSourceError, match="leaves the drop folder"):
        files.survey(DataSet("health_inspections", "../secret*", Transport.FILES, {}), MONTHS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("health_inspections.xlsx", b"PK", "drop it as one of"),
        ("health_inspections.csv.gz", gzip.compress(PLAIN)[:-9], r"health_inspections\.csv\.gz cannot be read"),
        ("health_inspections.csv", b"a,b\n1,2,3\n", r"health_inspections\.csv cannot be read"),
        ("health_inspections.csv", b"inspection_id\n1\n", r"no column for inspection_date.*edit kc_pipeline/catalog/sources\.py"),
    ],
)
@pytest.mark.fault(6)
def test_files_that_cannot_be_read_are_named(drop: Path, files: FileTransport, name: str, content: bytes, message: str) -> None:
    (drop / name).write_bytes(content)
    with pytest.raises(PermanentSourceError, match=message):
        pull(files)
