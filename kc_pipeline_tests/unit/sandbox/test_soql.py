"""SoQL to SQLite: texts stay texts, whatever they hold."""

import sqlite3
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.sandbox.query import NO_COLUMN, QueryError, add_functions, translate_soda
from kc_pipeline.sandbox.records import DataSetInfo, DeclaredColumn

INFO = DataSetInfo(
    "abcd-1234", "socrata", "Things",
    (DeclaredColumn("name", "text"), DeclaredColumn("size", "number"), DeclaredColumn("day", "calendar_date")),
    datetime(2026, 1, 1, tzinfo=UTC), 3, "rows_1",
)  # fmt: skip
NASTY = st.text(alphabet=st.sampled_from("'\"`;-)(%=\\ ?:\x00\nabOR1")) | st.text()


def found(rows: list[tuple[str | None, str | None, str | None]], **arguments: str) -> list[tuple[object, ...]]:
    query = translate_soda(INFO, {f"${name}": text for name, text in arguments.items()})
    with sqlite3.connect(":memory:") as connection:
        add_functions(connection)
        connection.execute("CREATE TABLE rows_1 (c0 TEXT, c1 TEXT, c2 TEXT, c3 TEXT, c4 TEXT, c5 TEXT)")
        connection.executemany("INSERT INTO rows_1 (c0, c1, c2) VALUES (?, ?, ?)", rows)
        return connection.execute(query.sql, query.values).fetchall()


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(NASTY)
@pytest.mark.fault(27)
def test_a_quoted_text_is_nothing_but_that_text(text: str) -> None:
    rows = [("kept", None, None), (text, "1", None)]
    assert found(rows, select="size", where=f"name = {quoted(text)} and size is not null") == [("1",)]
    query = translate_soda(INFO, {"$where": f"name = {quoted(text)}"})
    assert query.values == (text,)
    assert "WHERE c0 = ? LIMIT" in query.sql


@given(NASTY, st.sampled_from(["$select", "$where", "$group", "$order"]))
@pytest.mark.fault(27)
def test_no_unquoted_text_reaches_a_table_it_was_not_given(text: str, clause: str) -> None:
    try:
        query = translate_soda(INFO, {clause: text})
    except QueryError:
        return
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE rows_1 (c0 TEXT, c1 TEXT, c2 TEXT, c3 TEXT, c4 TEXT, c5 TEXT)")
        touched: set[str | None] = set()

        def watch(action: int, first: str | None, *_: str | None) -> int:
            if action not in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION):
                touched.add(first if action == sqlite3.SQLITE_READ else f"action {action}")
            return sqlite3.SQLITE_OK

        connection.set_authorizer(watch)
        try:
            connection.execute(query.sql, query.values)
        except sqlite3.Error:
            return
    assert touched <= {"rows_1"}


@pytest.mark.parametrize(
    "where",
    [
        "name = 'x'; drop table rows_1", "1=1 union select * from data_sets", "name = (select table_name from data_sets)",
        "c0 = 'x'", "rows_1.c0 = 'x'", "load_extension('x')", "name = \"x\"", "name = 'x' -- rest", "name glob 'x'", "rowid = 1",
    ],
)  # fmt: skip
@pytest.mark.fault(27)
def test_sql_that_is_no_soql_is_refused_or_void(where: str) -> None:
    with pytest.raises((QueryError, sqlite3.Error)):
        found([("x", None, None)], where=where)


def test_an_error_names_the_column() -> None:
    with pytest.raises(QueryError, match="No such column: nothing") as caught:
        translate_soda(INFO, {"$where": "nothing = 1"})
    assert (caught.value.code, caught.value.subject) == (NO_COLUMN, "nothing")


def test_numbers_are_served_as_given_and_ordered_as_numbers() -> None:
    rows = [("a", "10", None), ("b", "9.50", None), ("c", "-1", None)]
    assert found(rows, select="size", order="size") == [("-1",), ("9.50",), ("10",)]
    assert found(rows, select="name", where="size > -2 and size < 10") == [("b",), ("c",)]


def test_pages_and_groups_are_told_apart() -> None:
    assert translate_soda(INFO, {"$where": ":id > 'a'"}).is_page
    assert translate_soda(INFO, {"$where": ":id > 'a'"}).compares_id
    assert not translate_soda(INFO, {"$select": "count(*)"}).is_page
    assert not translate_soda(INFO, {"$select": "name", "$group": "name"}).is_page


DAYS = [("a", "9", "2026-06-01T00:00:00.000"), ("b", "10", "2026-06-02T00:00:00.000"), ("c", "9", None)]


def test_a_number_in_quotes_is_compared_as_a_number() -> None:
    assert found(DAYS, select="name", where="size > '9'") == [("b",)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"select": "max(size)"}, [("10",)], id="aggregates compare numbers as numbers"),
        pytest.param({"select": "name", "where": "day = '2026-06-01'"}, [("a",)], id="a day is its midnight"),
        pytest.param({"select": "name", "where": "day <= '2026-06-02'", "order": "name"}, [("a",), ("b",)], id="up to a midnight"),
        pytest.param({"select": "name", "order": "day"}, [("a",), ("b",), ("c",)], id="nulls come last"),
        pytest.param({"select": "name", "where": "name like 'A%'"}, [], id="like minds the case"),
        pytest.param({"select": "distinct size", "order": "size"}, [("9",), ("10",)], id="distinct"),
    ],
)
def test_what_the_portals_do_ours_does(arguments: dict[str, str], expected: list[tuple[str]]) -> None:
    assert found(DAYS, **arguments) == expected
