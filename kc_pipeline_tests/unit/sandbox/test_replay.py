"""Recorded rows as a record store."""

import gzip
import json
from pathlib import Path

import pytest

from kc_pipeline.sandbox.replay import load_recordings

ROWS = [
    {
        "report": "R1", "report_date": "2023-01-01T10:00:00.000", "race": "W", "sex": "M", "age": "40", "flag": True, "total": 3,
        "location": {"type": "Point", "coordinates": [-94.5, 39.1]}, "site": {"latitude": "39.1", "longitude": "-94.5"},
        ":@computed_region_x": "7",
    },
    {"report": "R2", "report_date": "2023-01-02T10:00:00.000", "note": "first\nsecond"},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "abcd-1234.sample.json.gz").write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    (folder / "parcel_points_2015.csv.gz").write_bytes(b"not for the portal")
    return folder


def test_types_are_inferred_and_person_columns_never_written(folder: Path, tmp_path: Path) -> None:
    store = load_recordings(folder, tmp_path / "store.sqlite")
    (info,) = store.data_sets()
    assert {c.field_name: c.data_type for c in info.columns} == {
        "report": "text", "report_date": "calendar_date", "flag": "checkbox", "total": "number", "location": "point",
        "site": "location", "note": "text",
    }  # fmt: skip
    assert (info.data_set, info.row_count) == ("abcd-1234", 2)
    assert b"race" not in (tmp_path / "store.sqlite").read_bytes()


def test_a_folder_that_did_not_change_is_not_loaded_again(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    load_recordings(folder, path)
    before = path.stat().st_mtime_ns
    load_recordings(folder, path)
    assert path.stat().st_mtime_ns == before
    (folder / "wxyz-0001.json").write_text(json.dumps([{"a": "1"}]))
    assert [i.data_set for i in load_recordings(folder, path).data_sets()] == ["abcd-1234", "wxyz-0001"]


def test_a_folder_without_recordings_or_with_a_broken_one_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="no file is named by a portal id"):
        load_recordings(empty, tmp_path / "s.sqlite")
    (empty / "abcd-1234.json").write_text('{"error": true}')
    with pytest.raises(ValueError, match="not a list of records"):
        load_recordings(empty, tmp_path / "s.sqlite")
