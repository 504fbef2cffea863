"""File drops and a department's database that are not as they should be: rows 2, 6, 17, 23, 24, 27 and 31."""

import gzip
import os
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from fault_rig import MONTHS
from scripted_portal import now

from kc_pipeline.catalog.sources import DataSet, Feed, Transport
from kc_pipeline.extract.database import DatabaseTransport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.refresh import FeedRefresh, refresh_feed
from kc_pipeline.extract.table import read_pull
from kc_pipeline.settings import load_settings

DROP = DataSet("health_inspections", "x*", Transport.FILES, {"request_id": ("id",)}, ("request_id",))
CALLS = DataSet(
    "calls_911", "calls", Transport.DATABASE, {"incident_number": ("number",), "called_at": ("called",)}, ("incident_number",), "called_at",
    key_field="number",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "drops"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")


@pytest.fixture
def files(folder: Path, store: RawStore) -> FileTransport:
    return FileTransport(folder, store, now)


def pulled(files: FileTransport, store: RawStore) -> list[str]:
    survey = files.survey(DROP, MONTHS)
    assert survey is not None
    return list(read_pull(store, files.pull(DROP, "whole", MONTHS, survey.partitions["whole"]).manifest)["request_id"].to_pylist())


def refreshed(tmp_path: Path, store: RawStore, folder: Path) -> FeedRefresh:
    environ = {"KC_DATA_DIR": str(tmp_path), "KC_DROP_DIR": str(folder), "KC_DEPARTMENT_DB": ""}
    settings = replace(load_settings(environ, "sandbox"), history_start="2026-01")
    feed = Feed(DROP.feed, "", "", "event", "", 21, (DROP,))
    return refresh_feed(feed, settings, store, now, "2026-07", sleep=lambda _: None)


@pytest.mark.parametrize("away", ["file", "folder"])
@pytest.mark.fault(2)
@pytest.mark.fault(17)
def test_a_share_that_is_away_is_no_deletion(tmp_path: Path, folder: Path, store: RawStore, away: str) -> None:
    (folder / "x.csv").write_text("id\n1\n2\n")
    refreshed(tmp_path, store, folder)
    (folder / "x.csv").rename(tmp_path / "elsewhere.csv")
    if away == "folder":
        folder.rmdir()
    with pytest.raises(TransientSourceError, match=r"health_inspections x\*: was handed over before and is not there now; what was pulled"):
        refreshed(tmp_path, store, folder)
    assert [manifest.row_count for manifest in store.latest_of_feed(DROP.feed)] == [2]
    folder.mkdir(exist_ok=True)
    (folder / "x.csv").write_text("id\n1\n")
    refreshed(tmp_path, store, folder)
    assert [manifest.row_count for manifest in store.latest_of_feed(DROP.feed)] == [1]


@pytest.mark.parametrize("reading", ["state", "survey", "pull"])
@pytest.mark.fault(14)
def test_a_file_that_is_renamed_while_it_is_read_may_be_there_the_next_time(
    folder: Path, files: FileTransport, monkeypatch: pytest.MonkeyPatch, reading: str
) -> None:
    (folder / "x.csv").write_text("id\n1\n")
    survey = files.survey(DROP, MONTHS)
    assert survey is not None
    found = files.files(DROP)
    (folder / "x.csv").rename(folder / "y.csv")
    monkeypatch.setattr(files, "files", lambda _: found)
    readings: dict[str, Callable[[], object]] = {
        "state": lambda: files.state(DROP),
        "survey": lambda: files.survey(DROP, MONTHS),
        "pull": lambda: files.pull(DROP, "whole", MONTHS, survey.partitions["whole"]),
    }
    with pytest.raises(TransientSourceError, match=r"health_inspections x\*: a dropped file cannot be read now: .*No such file"):
        readings[reading]()


@pytest.mark.fault(27)
def test_names_in_any_bytes_are_kept_as_text(folder: Path, files: FileTransport, store: RawStore) -> None:
    for number, name in enumerate((b"x\xfc.csv", b"x\nid.csv", b"x'; --.csv", b"x<b>.csv")):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text(f"id\n{number}\n")  # noqa: PTH118 - bytes
    assert files.state(DROP)
    assert sorted(pulled(files, store)) == ["0", "1", "2", "3"]
    [manifest] = store.latest_of_feed(DROP.feed)
    assert {page.original_name for page in manifest.pages} == {"x\ufffd.csv", "x\nid.csv", "x'; --.csv", "x<b>.csv"}
    assert store.verify(DROP.feed, DROP.id, "whole") == 1


@pytest.mark.fault(27)
def test_what_is_no_file_of_the_folder_is_passed_over(folder: Path, files: FileTransport) -> None:
    (folder / "xloop.csv").symlink_to(folder / "xloop.csv")
    (folder / "xnowhere.csv").symlink_to(folder / "none.csv")
    (folder / "xdir.csv").mkdir()
    os.mkfifo(folder / "xpipe.csv")
    assert files.survey(DROP, MONTHS) is None


@pytest.mark.fault(24)
def test_a_file_beyond_the_limit_is_not_taken_into_memory(folder: Path, store: RawStore) -> None:
    with (folder / "x.csv").open("wb") as file:
        file.truncate(1 << 30)
    files = FileTransport(folder, store, now, file_bytes=1_000_000)
    tracemalloc.start()
    with pytest.raises(PermanentSourceError, match=r"x\.csv has more than 1,000,000 bytes"):
        files.survey(DROP, MONTHS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv.gz", b"id\n1\n"), ("x.csv", gzip.compress(b"id\n1\n")), ("x.csv.gz", gzip.compress(gzip.compress(b"id\n1\n"))),
        ("x.csv", b"\xff\xfei\0d\0\n"), ("x.csv", b"PK\3\4" + b"\0" * 100),
        ("x.json", b'{"features": [null]}'), ("x.csv", "id\n1\n".encode("utf-16-be")),
        ("x.geojson", b'{"features": [{"properties": {"id": 1}, "geometry": {"type": "Point", "coordinates": [1]}}]}'),
    ],
    ids=["plain as gzip", "gzip as plain", "gzip twice", "cut utf-16", "spreadsheet", "null feature",
         "utf-16 without mark", "half a point"],
)  # fmt: skip
@pytest.mark.fault(6)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    folder: Path, files: FileTransport, store: RawStore, name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(PermanentSourceError, match=r"^health_inspections x\*: "):
        pulled(files, store)
    assert not list(store.root.rglob("page-*"))


def _department(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE calls (number TEXT, called TEXT)")
    connection.execute("INSERT INTO calls VALUES ('A1', '2026-06-01')")
    return connection


@pytest.mark.fault(31)
def test_a_database_that_another_has_locked_is_asked_another_time(tmp_path: Path, store: RawStore) -> None:
    path = tmp_path / "department.sqlite"
    with closing(_department(path)) as writer:
        database = DatabaseTransport(f"sqlite:///{path}?timeout=0", store, now)
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TransientSourceError, match="calls_911 calls: the database at KC_DEPARTMENT_DB answered: database is locked"):
            database.survey(CALLS, MONTHS)
        writer.execute("COMMIT")
        survey = database.survey(CALLS, MONTHS)
        database.close()
    assert survey is not None
    assert survey.total == 1


@pytest.mark.fault(6)
def test_a_database_that_is_cut_short_keeps_nothing(tmp_path: Path, store: RawStore) -> None:
    path = tmp_path / "department.sqlite"
    with closing(_department(path)) as writer:
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO calls VALUES (?, '2026-06-02')", [(f"B{n}" * 50,) for n in range(2000)])
        writer.execute("COMMIT")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    database = DatabaseTransport(f"sqlite:///{path}", store, now)
    with pytest.raises(TransientSourceError, match="malformed"):
        database.survey(CALLS, MONTHS)


@pytest.mark.fault(20)
def test_values_of_other_types_than_declared_stay_text(tmp_path: Path, store: RawStore) -> None:
    path = tmp_path / "department.sqlite"
    with closing(_department(path)) as writer:
        writer.execute("INSERT INTO calls VALUES (5, 20260601), (2.5, NULL), (X'00FF', X'41')")
    database = DatabaseTransport(f"sqlite:///{path}", store, now)
    survey = database.survey(CALLS, MONTHS)
    assert survey is not None
    assert {name: held.rows for name, held in survey.partitions.items()} == {"2026-06": 1, "undated": 3}
    manifest = database.pull(CALLS, "undated", MONTHS, survey.partitions["undated"]).manifest
    assert sorted(read_pull(store, manifest)["incident_number"].to_pylist()) == ["2.5", "5", "b'\\x00\\xff'"]


@pytest.mark.fault(23)
@pytest.mark.fault(31)
def test_a_table_that_is_held_for_long_ends_the_statement(postgres_database: Callable[..., str], store: RawStore) -> None:
    url = sa.make_url(postgres_database()).set(drivername="postgresql+psycopg")
    department = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with department.begin() as connection:
        connection.execute(sa.text("CREATE TABLE calls (number text, called text)"))
        connection.execute(sa.text("INSERT INTO calls VALUES ('A1', '2026-06-01')"))
    database = DatabaseTransport(url.render_as_string(hide_password=False), store, now, statement_seconds=0.2)
    with department.begin() as connection:
        connection.execute(sa.text("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(TransientSourceError, match=r"calls_911 calls: .*statement timeout"):
            database.survey(CALLS, MONTHS)
    survey = database.survey(CALLS, MONTHS)
    assert survey is not None
    assert database.pull(CALLS, "2026-06", MONTHS, survey.partitions["2026-06"]).manifest.row_count == 1
    database.close()
