"""Recorded rows as a record store."""

import gzip
import json
from pathlib import Path

import httpx
import pytest

from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.replay import RecordingError, load_recordings

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


def test_the_portal_gives_back_what_was_recorded_without_persons(folder: Path, tmp_path: Path) -> None:
    with Portal(load_recordings(folder, tmp_path / "store.sqlite")) as portal:
        first, second = httpx.get(f"{portal.url}/resource/abcd-1234.json", params={"$order": ":id"}).json()
    assert first == {
        "report": "R1", "report_date": "2023-01-01T10:00:00.000", "flag": True, "total": "3",
        "location": ROWS[0]["location"], "site": ROWS[0]["site"],
    }  # fmt: skip
    assert second == ROWS[1]


def test_links_stay_links_and_times_with_a_zone_stay_text(folder: Path, tmp_path: Path) -> None:
    link = {"url": "http://city.example/case?id=1"}
    (folder / "wxyz-0001.json").write_text(json.dumps([{"case_url": link, "assessed": "2008-09-29T00:00:00.000Z"}]))
    with Portal(load_recordings(folder, tmp_path / "store.sqlite")) as portal:
        view = httpx.get(f"{portal.url}/api/views/wxyz-0001.json").json()
        record = httpx.get(f"{portal.url}/resource/wxyz-0001.json").json()[0]
        page = httpx.get(f"{portal.url}/resource/wxyz-0001.csv").text
    assert {c["fieldName"]: c["dataTypeName"] for c in view["columns"]} == {"case_url": "url", "assessed": "text"}
    assert record["case_url"] == link
    assert page.splitlines()[1] == '"http://city.example/case?id=1","2008-09-29T00:00:00.000Z"'


def test_the_same_folder_always_gives_the_same_rows(folder: Path, tmp_path: Path) -> None:
    def rows(name: str) -> list[tuple[object, ...]]:
        with load_recordings(folder, tmp_path / name).reading() as connection:
            return connection.execute("SELECT * FROM rows_1").fetchall()

    assert rows("one.sqlite") == rows("other.sqlite")


def test_two_files_of_one_data_set_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "abcd-1234.json").write_text("[]")
    with pytest.raises(ValueError, match=r"abcd-1234\.json and abcd-1234\.sample\.json\.gz hold the same data set"):
        load_recordings(folder, tmp_path / "store.sqlite")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("wxyz-0001.json", b'[{"a": ', r"wxyz-0001\.json cannot be read"),
        ("wxyz-0001.json", b"\xff\xfe", r"wxyz-0001\.json cannot be read"),
        ("wxyz-0001.json.gz", b"[]", r"wxyz-0001\.json\.gz cannot be read"),
        ("wxyz-0001.json.gz", gzip.compress(b'[{"a": "1"}]')[:-6], r"wxyz-0001\.json\.gz cannot be read"),
        ("wxyz-0001.json.gz", gzip.compress(b"[]")[:10] + b"damaged", r"wxyz-0001\.json\.gz cannot be read"),
        ("wxyz-0001.json", b"[]", r"wxyz-0001\.json: no record has a column that is kept"),
        ("wxyz-0001.json", b'[{"race": "W"}]', r"wxyz-0001\.json: no record has a column that is kept"),
        ("wxyz-0001.json", b'[{"a\\"b": "1"}]', r"wxyz-0001\.json: 'a\"b' is no field name"),
    ],
    ids=["cut JSON", "no UTF-8", "no gzip", "cut gzip", "damaged gzip", "no records", "only persons", "a strange name"],
)
def test_a_file_that_cannot_be_served_is_named(folder: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        load_recordings(folder, tmp_path / "store.sqlite")
    assert not (tmp_path / "store.sqlite").exists()


@pytest.mark.parametrize(
    "values", [(True, "maybe"), ({"type": "Point", "coordinates": [1, 2]}, "nowhere"), (3, "many"), (True, 3)]
)  # fmt: skip
def test_a_column_of_several_kinds_is_text(folder: Path, tmp_path: Path, values: tuple[object, object]) -> None:
    (folder / "wxyz-0001.json").write_text(json.dumps([{"mixed": value} for value in values]))
    store = load_recordings(folder, tmp_path / "store.sqlite")
    assert [c.data_type for c in store.data_sets()[1].columns] == ["text"]
    with Portal(store) as portal:
        for form in ("json", "csv"):
            assert httpx.get(f"{portal.url}/resource/wxyz-0001.{form}").status_code == 200


def test_recorded_system_fields_give_way_to_our_own(folder: Path, tmp_path: Path) -> None:
    (folder / "wxyz-0001.json").write_text(json.dumps([{":id": "row-z", ":updated_at": "now", "a": "1"}, {":id": "row-a", "a": "2"}]))
    with Portal(load_recordings(folder, tmp_path / "store.sqlite")) as portal:
        assert httpx.get(f"{portal.url}/resource/wxyz-0001.json").json() == [{"a": "1"}, {"a": "2"}]
        ordered = httpx.get(f"{portal.url}/resource/wxyz-0001.json", params={"$select": ":id,a", "$order": ":id"}).json()
    assert ordered == [{":id": "row-00000000", "a": "1"}, {":id": "row-00000001", "a": "2"}]
