"""SODA 3 as the local portal speaks it, by value, over loopback; and the misbehaviours that an operator may name."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pandas as pd
import pytest
from click.testing import CliRunner

from kc_pipeline.cli import main
from kc_pipeline.sandbox.faults import FAULTS, Faults
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.query import QueryError
from kc_pipeline.sandbox.records import DataSetInfo, DeclaredColumn, RecordStore
from kc_pipeline.sandbox.soda3 import read_request

DATA_SET = "abcd-1234"
SYSTEM = {":id", ":created_at", ":updated_at"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = RecordStore(tmp_path_factory.mktemp("soda3") / "portal.sqlite")
    frame = pd.DataFrame({"name": list("edcba"), "size": ["1", "2", None, "10", "9"], ":id": [f"row-{n}" for n in range(5)]}, dtype=object)
    frame[":created_at"] = frame[":updated_at"] = "2026-06-01T00:00:00.000Z"
    columns = [DeclaredColumn("name", "text"), DeclaredColumn("size", "number")]
    store.replace(DATA_SET, "socrata", "Things", columns, frame, datetime(2026, 6, 1, tzinfo=UTC))
    with Portal(store) as portal:
        yield f"{portal.url}/api/v3/views/{DATA_SET}/query.json"


def ask(url: str, query: str, *, token: str | None = "t", **options: object) -> httpx.Response:  # noqa: S107 - a test's
    body = {"query": query, "includeSystem": False, **options}
    return httpx.post(url, json=body, headers={"X-App-Token": token} if token else {})


def test_a_query_is_answered_with_rows_without_their_nulls(url: str) -> None:
    answer = ask(url, "SELECT name, size WHERE name in ('c', 'd') ORDER BY name")
    assert answer.json() == [{"name": "c"}, {"name": "d", "size": "2"}]


def test_clauses_may_stand_in_strings_and_small_letters(url: str) -> None:
    assert ask(url, "select name where name = 'x order by limit 3'").json() == []
    assert ask(url, "select max(size) as m, count(*) as n group by name order by n limit 1").json() == [{"m": "9", "n": "1"}]
    assert ask(url, "select max(size) as m").json() == [{"m": "10"}]


def test_system_fields_come_unless_they_are_declined(url: str) -> None:
    assert set(ask(url, "SELECT name LIMIT 1", includeSystem=True).json()[0]) == {"name", *SYSTEM}
    assert set(ask(url, "SELECT :id, name LIMIT 1").json()[0]) == {":id", "name"}


def test_pages_are_numbered_from_one_and_ordered(url: str) -> None:
    pages = [ask(url, "SELECT name", page={"pageNumber": number, "pageSize": 2}).json() for number in (1, 2, 3, 4)]
    assert [[row["name"] for row in page] for page in pages] == [["e", "d"], ["c", "b"], ["a"], []]
    assert [row["name"] for row in ask(url, "SELECT name ORDER BY name", page={"pageNumber": 2, "pageSize": 2}).json()] == ["c", "d"]


def test_without_a_page_or_a_limit_everything_comes(url: str) -> None:
    assert len(ask(url, "SELECT name").json()) == 5
    assert len(ask(url, "SELECT name LIMIT 2 OFFSET 4").json()) == 1


def test_csv_has_the_same_rows(url: str) -> None:
    assert ask(url.replace("query.json", "query.csv"), "SELECT name, size WHERE size > 2").text == '"name","size"\n"b","10"\n"a","9"\n'


def test_without_a_token_nothing_is_answered(url: str) -> None:
    assert (ask(url, "SELECT name", token=None).status_code, ask(url, "SELECT name").status_code) == (403, 200)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("WHERE name = 'x'", {}), ("name", {}), ("SELECT nothing", {}), ("SELECT name", {"page": {"pageNumber": 0, "pageSize": 2}}),
        ("SELECT name", {"page": {"pageSize": 2}}), ("SELECT name", {"page": "2"}), ("SELECT name", {"pages": 2}),
        ("SELECT name LIMIT x", {}),
    ],
)  # fmt: skip
def test_a_request_that_means_nothing_is_refused(url: str, query: str, options: dict[str, object]) -> None:
    answer = ask(url, query, **options)
    assert answer.status_code == 400
    assert answer.json()["errorCode"]


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"query": 3}'])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(QueryError):
        read_request(body)


def test_help_lists_every_misbehaviour_in_a_line() -> None:
    shown = CliRunner().invoke(main, ["sandbox", "serve", "--help"], terminal_width=80).output.splitlines()
    for name, fault in FAULTS.items():
        left = f"{name}={fault.argument}" if fault.argument else name
        assert any(line.split() == [left, *fault.description.split()] for line in shown), name


@pytest.mark.parametrize("text", ["earthquake=1", "throttle=often", "data-set-gone", "column-removed=a b", "short-pages=-1"])
def test_a_misbehaviour_that_is_none_is_refused_by_the_command(text: str) -> None:
    result = CliRunner().invoke(main, ["sandbox", "serve", "--fault", text])
    assert result.exit_code == 2
    assert f"{text!r} is no fault; there are server-error=N" in result.output


def test_every_misbehaviour_can_be_named() -> None:
    texts = [{"N": f"{n}=2", "ROWS": f"{n}=2", "ID": f"{n}=abcd-1234", "FIELD": f"{n}=name"}.get(f.argument, n) for n, f in FAULTS.items()]
    faults = Faults.parse(texts)
    assert {*faults.left, *faults.named} == set(FAULTS)
    assert faults.number("no-id-compare") == 1
    assert (faults.taken("throttle"), faults.taken("throttle"), faults.taken("throttle")) == (2, 1, 0)


def test_columns_under_faults_keep_their_places() -> None:
    columns = tuple(DeclaredColumn(name, "text") for name in ("a", "b", "c", "d"))
    info = DataSetInfo(DATA_SET, "socrata", "Things", columns, datetime(2026, 6, 1, tzinfo=UTC), 0, "rows_1")
    faults = Faults.parse(["column-removed=A", "column-renamed=b", "column-retyped=c", "column-added=e"])
    read = faults.declared(info)
    assert [(c.field_name, c.data_type) for c in read.columns] == [
        (":removed_a", "text"), ("b_new", "text"), ("c", "number"), ("d", "text"),
    ]  # fmt: skip
    assert [c.field_name for c in faults.described(read).columns] == ["b_new", "c", "d", "e"]
