"""Each misbehaviour of the local portal, as a client meets it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pandas as pd
import pytest

from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

DATA_SET = "4cef-rqti"
COUNT = {"$select": "count(*)"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RecordStore:
    store = RecordStore(tmp_path_factory.mktemp("faults") / "portal.sqlite")
    frame = pd.DataFrame({"beat": [f"b{number}" for number in range(500)], ":id": [f"row-{number:04d}" for number in range(500)]})
    frame[":created_at"] = frame[":updated_at"] = "2026-06-01T00:00:00.000Z"
    store.replace(DATA_SET, "socrata", "Calls", [DeclaredColumn("beat", "text")], frame, datetime(2026, 6, 1, tzinfo=UTC))
    return store


def answers(store: RecordStore, faults: Sequence[str], *queries: dict[str, str]) -> list[httpx.Response]:
    with Portal(store, faults=Faults.parse(faults)) as portal:
        return [httpx.get(f"{portal.url}/resource/{DATA_SET}.csv", params=query) for query in queries]


@pytest.mark.parametrize(
    ("fault", "status"), [("server-error=2", 503), ("throttle=2", 429), ("accepted=2", 202)]
)  # fmt: skip
def test_counted_faults_befall_pages_only_and_run_out(store: RecordStore, fault: str, status: int) -> None:
    assert [a.status_code for a in answers(store, [fault], COUNT, {}, {}, {})] == [200, status, status, 200]


def test_a_throttled_client_is_told_when_to_come_back(store: RecordStore) -> None:
    assert answers(store, ["throttle=1"], {})[0].headers["Retry-After"] == "1"


def test_a_maintenance_page_comes_with_status_200(store: RecordStore) -> None:
    answer = answers(store, ["html=1"], {})[0]
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")


def test_a_cut_body_breaks_the_connection(store: RecordStore) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        answers(store, ["cut-body=1"], {})


def test_a_truncated_page_looks_whole(store: RecordStore) -> None:
    damaged, whole = answers(store, ["truncated-page=1"], {}, {})
    assert whole.text.startswith(damaged.text)
    assert 0 < len(damaged.text) < len(whole.text)


def test_an_early_empty_page_has_a_header_and_no_rows(store: RecordStore) -> None:
    empty, whole = answers(store, ["early-empty=1"], {}, {})
    assert empty.text == '"beat"\n'
    assert len(whole.text.splitlines()) == 501


def test_pages_can_be_shorter_than_asked_for(store: RecordStore) -> None:
    short, refused = answers(store, ["short-pages=7"], {"$limit": "50"}, {"$limit": "many"})
    assert len(short.text.splitlines()) == 8
    assert refused.status_code == 400


def test_a_portal_can_refuse_to_compare_row_ids(store: RecordStore) -> None:
    refused, ordered = answers(store, ["no-id-compare"], {"$where": ":id > 'row-0001'"}, {"$order": ":id", "$offset": "499"})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "query.soql.type-mismatch")
    assert ordered.text == '"beat"\n"b499"\n'


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        ("lost-rows=40", [300, 300, 300]), ("rows-come=2", [498, 499, 500]), ("rows-go=2", [500, 499, 498]),
        ("bad-count=1", [-1, 500, 500]),
    ],
)  # fmt: skip
def test_rows_that_come_go_or_are_lost_are_counted_as_they_are(store: RecordStore, fault: str, counts: list[int]) -> None:
    told = answers(store, [fault], COUNT, {}, COUNT, {}, COUNT)
    assert [int(answer.text.splitlines()[1].strip('"')) for answer in told[::2]] == counts


def test_every_row_can_have_been_touched(store: RecordStore) -> None:
    (told,) = answers(store, ["touched-rows"], {"$select": "min(:updated_at)"})
    assert told.text.splitlines()[1] == '"2099-01-01T00:00:00.000Z"'
    assert answers(store, [], {"$select": "max(:updated_at)"})[0].text.splitlines()[1] == '"2026-06-01T00:00:00.000Z"'


def test_faults_are_independent(store: RecordStore) -> None:
    assert [a.status_code for a in answers(store, ["throttle=1", "server-error=1"], {}, {}, {})] == [503, 429, 200]


@pytest.mark.parametrize("text", ["earthquake=1", "throttle=often", "throttle=-1", "throttle=²", ""])
def test_an_unknown_fault_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault; there are server-error=N, throttle=N"):
        Faults.parse([text])
