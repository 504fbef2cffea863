"""A department's own tables, on SQLite."""

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from scripted_portal import now

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.extract.database import DatabaseTransport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import UNDATED, Held, Months

MONTHS = Months("2021-01", "2026-07")
CALLS = DataSet(
    "calls_911",
    "calls",
    Transport.DATABASE,
    {
        "incident_number": ("incident_number",),
        "called_at": ("called at",),
        "address": ("address",),
        "officer_initiated": ("officer_initiated",),
    },
    ("incident_number", "called_at"),
    "called_at",
    key_field="row_id",
    updated_field="updated_at",
    record_system="department",
)
ROWS = [
    (1, "A1", "2026-06-03 10:00:00", "1001 LOCUST ST", True, "2026-06-04T00:00:00", "Jane"),
    (2, "A2", "2026-06-04 10:00:00", None, False, "2026-06-09T00:00:00", "Jane"),
    (3, "A3", "2026-07-01 00:00:00", 'say "x"\n', None, "2026-07-02T00:00:00", "Jane"),
    (4, "A4", None, "x", None, "2026-07-03T00:00:00", "Jane"),
    (5, "A5", "03/06/2026", "x", None, None, "Jane"),
    (6, "A6", "2031-01-01", "x", None, None, "Jane"),
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'department.sqlite'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        columns = 'row_id INTEGER, incident_number TEXT, "called at" TEXT, address TEXT, officer_initiated BOOLEAN'
        columns += ", updated_at TEXT, caller TEXT"
        connection.execute(sa.text(f"CREATE TABLE calls ({columns})"))
        for row in ROWS:
            connection.execute(sa.text("INSERT INTO calls VALUES (:a, :b, :c, :d, :e, :f, :g)"), dict(zip("abcdefg", row, strict=True)))
    engine.dispose()
    return url


@pytest.fixture
def database(url: str, store: RawStore) -> DatabaseTransport:
    return DatabaseTransport(url, store, now, page_size=1)


def test_survey_by_month(database: DatabaseTransport) -> None:
    survey = database.survey(CALLS, MONTHS)
    assert survey is not None
    assert survey.total == 6
    assert survey.partitions == {
        "2026-06": Held(2, "2026-06-09T00:00:00"),
        "2026-07": Held(1, "2026-07-02T00:00:00"),
        UNDATED: Held(3, "2026-07-03T00:00:00"),
    }


def test_a_month_in_batches_without_columns_that_are_not_allowed(database: DatabaseTransport, store: RawStore) -> None:
    manifest = database.pull(CALLS, "2026-06", MONTHS, Held(2, "2026-06-09T00:00:00")).manifest
    assert [page.rows for page in manifest.pages] == [1, 1]
    table = read_pull(store, manifest).select(["row_id", "incident_number", "called_at", "address", "page", "line"])
    assert table.to_pylist() == [
        {"row_id": "1", "incident_number": "A1", "called_at": "2026-06-03 10:00:00", "address": "1001 LOCUST ST", "page": 0, "line": 0},
        {"row_id": "2", "incident_number": "A2", "called_at": "2026-06-04 10:00:00", "address": None, "page": 1, "line": 0},
    ]
    assert not any(b"Jane" in gzip.decompress(store.page_bytes(manifest, page)) for page in manifest.pages)
    assert not database.pull(CALLS, "2026-06", MONTHS, Held(2, "2026-06-09T00:00:00")).is_new


def test_whatever_a_database_holds_is_kept_as_its_text(url: str, store: RawStore) -> None:
    texts = {
        "": None, " x ": " x ", "NULL": "NULL", 'a "b", c': 'a "b", c', "1\r\n2\r3\n": "1\r\n2\r3\n", "\0": "\0", "é😀": "é😀", None: None,
        0: "0", -7: "-7", 2.50: "2.5", 1e-7: "1e-07", 1e300: "1e+300", "0001": "0001", "\ufeffmark": "\ufeffmark",
    }  # fmt: skip
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("DELETE FROM calls")
        connection.execute("ALTER TABLE calls DROP COLUMN address")
        connection.execute("ALTER TABLE calls ADD COLUMN address")  # of no type, so that it keeps any
        for number, value in enumerate(texts):
            row = (number, f"A{number}", "2026-06-03", value)
            connection.execute('INSERT INTO calls (row_id, incident_number, "called at", address) VALUES (?, ?, ?, ?)', row)
    manifest = DatabaseTransport(url, store, now).pull(CALLS, "2026-06", MONTHS, Held(len(texts), None)).manifest
    assert read_pull(store, manifest)["address"].to_pylist() == list(texts.values())


def test_undated_rows(database: DatabaseTransport, store: RawStore) -> None:
    manifest = database.pull(CALLS, UNDATED, MONTHS, Held(3, None)).manifest
    assert read_pull(store, manifest)["incident_number"].to_pylist() == ["A4", "A5", "A6"]


def test_a_count_that_moved_since_the_survey_is_read_again(database: DatabaseTransport) -> None:
    assert database.pull(CALLS, "2026-06", MONTHS, Held(7, None)).manifest.count_before == 2


def test_what_is_not_handed_over_is_not_available(database: DatabaseTransport, store: RawStore, tmp_path: Path) -> None:
    assert database.survey(DataSet("police_reports", "reports", Transport.DATABASE, {}), MONTHS) is None
    nowhere = tmp_path / "nowhere.sqlite"
    assert DatabaseTransport(f"sqlite:///{nowhere}", store, now).survey(CALLS, MONTHS) is None
    assert not nowhere.exists()


def test_a_key_that_repeats_is_named(url: str, database: DatabaseTransport) -> None:
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("UPDATE calls SET row_id = 1"))
    with pytest.raises(PermanentSourceError, match="calls_911 calls 2026-06: row_id repeats"):
        database.pull(CALLS, "2026-06", MONTHS, Held(2, None))


def test_a_missing_required_column_names_the_fix(database: DatabaseTransport) -> None:
    fields = {"incident_number": ("number",)}
    data_set = DataSet("calls_911", "calls", Transport.DATABASE, fields, ("incident_number",))
    with pytest.raises(PermanentSourceError, match=r"looked for number\); edit kc_pipeline/catalog/sources\.py"):
        database.survey(data_set, MONTHS)


def test_no_password_in_messages(store: RawStore, tmp_path: Path) -> None:
    with pytest.raises(PermanentSourceError) as caught:
        DatabaseTransport("nosuchdb://ann:pa55word@host/x", store, now)
    assert "pa55word" not in str(caught.value)
    (tmp_path / "not.sqlite").write_text("no database at all, far from it" * 50)
    with pytest.raises(TransientSourceError, match="KC_DEPARTMENT_DB answered"):
        DatabaseTransport(f"sqlite:///{tmp_path / 'not.sqlite'}", store, now).survey(CALLS, MONTHS)


@pytest.fixture
def plans(url: str) -> Iterator[list[str]]:
    """How the database finds the rows of each query on the calls that it is asked."""
    found: list[str] = []

    def explain(_connection: object, _cursor: object, statement: str, values: tuple[object, ...], *_: object) -> None:
        if statement.startswith("SELECT") and 'FROM "calls"' in statement:
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
                found.append(str(connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()))

    sa.event.listen(sa.Engine, "before_cursor_execute", explain)
    yield found
    sa.event.remove(sa.Engine, "before_cursor_execute", explain)


def test_an_index_on_the_month_serves_survey_and_pull(url: str, database: DatabaseTransport, plans: list[str]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute('CREATE INDEX of_month ON calls (substr(CAST("called at" AS VARCHAR), 1, 7), updated_at)')
    survey = database.survey(CALLS, MONTHS)
    assert survey is not None
    assert database.pull(CALLS, "2026-06", MONTHS, survey.partitions["2026-06"]).manifest.row_count == 2
    assert len(plans) >= 4
    assert all("of_month" in plan for plan in plans)


def test_an_index_on_a_column_of_times_serves_the_pull(store: RawStore, url: str, plans: list[str]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("ALTER TABLE calls RENAME TO texts")
        columns = 'row_id INTEGER, incident_number TEXT, "called at" TIMESTAMP, address TEXT, officer_initiated BOOLEAN, updated_at TEXT'
        connection.execute(f"CREATE TABLE calls ({columns})")
        connection.execute("INSERT INTO calls SELECT row_id, incident_number, \"called at\", '', TRUE, updated_at FROM texts")
        connection.execute('CREATE INDEX of_time ON calls ("called at")')
    database = DatabaseTransport(url, store, now)
    survey = database.survey(CALLS, MONTHS)
    assert survey is not None
    plans.clear()
    manifest = database.pull(CALLS, "2026-06", MONTHS, survey.partitions["2026-06"]).manifest
    assert sorted(read_pull(store, manifest)["incident_number"].to_pylist()) == ["A1", "A2"]
    assert plans
    assert all("of_time" in plan for plan in plans)
