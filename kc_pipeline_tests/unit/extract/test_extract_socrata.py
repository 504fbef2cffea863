"""SODA: keyset paging, reconciliation, what is asked for."""

import pytest
from scripted_portal import (
    REQUEST_COLUMNS,
    TOKEN,
    FakeSocrata,
    ScriptedPortal,
    answer_csv,
    answer_json,
    now,
    request_row,
    requests_data_set,
)

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.socrata import SocrataTransport
from kc_pipeline.extract.soql import quoted
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import UNDATED, Held, Months

MONTHS = Months("2021-02", "2026-07")
JUNE = [request_row(n, f"2026-06-{n + 1:02d}T08:00:00.000") for n in range(10)]
CSV_PATH = "/resource/aaaa-1111.csv"


@pytest.fixture
def fake(portal: ScriptedPortal) -> FakeSocrata:
    return FakeSocrata(portal, "aaaa-1111", REQUEST_COLUMNS, list(JUNE), "open_date_time")


@pytest.fixture
def socrata(portal: ScriptedPortal, client: PortalClient, store: RawStore) -> SocrataTransport:
    return SocrataTransport(portal.url, client, store, now, page_size=4)


def held(rows: int) -> Held:
    return Held(rows, "2026-07-01T00:00:00.000Z")


def test_the_portals_word_on_a_data_set_costs_one_question(portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport) -> None:
    assert socrata.state(requests_data_set()) == "2026-05-28T20:26:40+00:00"
    assert socrata.state(requests_data_set()) == "2026-05-28T20:26:40+00:00"
    assert len(portal.asked("/api/views/aaaa-1111.json")) == 2, "it is asked anew each time"
    assert portal.asked(CSV_PATH) == []


def test_survey_by_month_with_undated_rows(fake: FakeSocrata, socrata: SocrataTransport) -> None:
    fake.rows += [
        request_row(20, "2026-05-02T00:00:00.000", "2026-07-09T00:00:00.000Z"),
        request_row(21, None),
        request_row(22, "1923-01-01T00:00:00.000", "2026-07-10T00:00:00.000Z"),
        request_row(23, "2026-08-01T00:00:00.000"),
        request_row(24, "2026-06-01T00:00:00.000", issue_type="Potholes"),
    ]
    survey = socrata.survey(requests_data_set(), MONTHS)
    assert survey is not None
    assert survey.total == 14
    assert survey.partitions == {
        "2026-06": held(10),
        "2026-05": Held(1, "2026-07-09T00:00:00.000Z"),
        UNDATED: Held(3, "2026-07-10T00:00:00.000Z"),
    }


def test_a_survey_whose_months_do_not_add_up_fails(portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport) -> None:
    fake.before_count = lambda: fake.rows.append(request_row(len(fake.rows) + 100, None))
    with pytest.raises(TransientSourceError, match="streetlight_outages aaaa-1111: the months do not add up"):
        socrata.survey(requests_data_set(), MONTHS)


def test_a_whole_data_set_falls_back_on_when_the_portal_says_rows_changed(fake: FakeSocrata, socrata: SocrataTransport) -> None:
    fake.rows = [{**row, ":updated_at": None} for row in fake.rows]
    survey = socrata.survey(requests_data_set(month_field=None), MONTHS)
    assert survey is not None
    assert survey.partitions == {"whole": Held(10, "2026-05-28T20:26:40+00:00")}


@pytest.mark.fault(11)
def test_keyset_paging_steps_over_short_pages(
    portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport, store: RawStore
) -> None:
    fake.cap = 3  # below the limit asked for
    pulled = socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10))
    assert pulled.is_new
    assert [page.rows for page in pulled.manifest.pages] == [3, 3, 3, 1]
    assert (pulled.manifest.paging, pulled.manifest.count_before, pulled.manifest.count_after) == ("keyset", 10, 10)
    asked = portal.asked(CSV_PATH)
    assert ":id > 'row-000008'" in asked[3]["$where"]
    assert len(asked) == 5  # the last, empty page is what ends it
    assert all(params["$order"] == ":id" and params["$limit"] == "4" and "$offset" not in params for params in asked)
    table = read_pull(store, pulled.manifest)
    assert table["row_id"].to_pylist() == [row[":id"] for row in JUNE]
    assert table["page"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert table["line"].to_pylist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert table["opened_at"][0].as_py() == "2026-06-01T08:00:00.000"
    assert table["longitude"][3].as_py() == "-94.53"
    assert "zip_code" not in table.column_names


def test_only_allowed_and_declared_columns_are_asked_for(portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport) -> None:
    manifest = socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10)).manifest
    assert {params["$select"] for params in portal.asked(CSV_PATH)} == {":id,reported_issue,open_date_time,issue_type,lat_long"}
    assert portal.asked(CSV_PATH)[0]["$where"] == (
        "issue_type in ('Streetlights','O''Hara''s') and open_date_time >= '2026-06-01T00:00:00' and open_date_time < '2026-07-01T00:00:00'"
    )
    assert ("phone", "text") in manifest.declared
    assert "zip_code" not in manifest.resolution


def test_undated_rows_have_their_own_query(fake: FakeSocrata, socrata: SocrataTransport, store: RawStore) -> None:
    fake.rows += [request_row(21, None), request_row(22, "1923-01-01T00:00:00.000"), request_row(23, "2026-08-01T00:00:00.000")]
    manifest = socrata.pull(requests_data_set(filters={}), UNDATED, MONTHS, held(3)).manifest
    assert read_pull(store, manifest)["opened_at"].to_pylist() == [None, "1923-01-01T00:00:00.000", "2026-08-01T00:00:00.000"]


def test_a_count_that_moves_and_settles_is_pulled_again(fake: FakeSocrata, socrata: SocrataTransport) -> None:
    manifest = socrata.pull(requests_data_set(), "2026-06", MONTHS, held(9)).manifest  # one came since the survey
    assert (manifest.row_count, manifest.count_before) == (10, 10)
    assert sum(page.rows for page in manifest.pages) == 10


@pytest.mark.fault(14)
def test_a_count_that_never_settles_fails_closed(fake: FakeSocrata, socrata: SocrataTransport, store: RawStore) -> None:
    fake.before_count = lambda: fake.rows.append(request_row(len(fake.rows) + 100, "2026-06-30T00:00:00.000"))
    with pytest.raises(TransientSourceError, match=r"2026-06: the count does not agree .* after 3 pulls; fails closed"):
        socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10))
    assert not list(store.root.rglob("*"))


@pytest.mark.fault(10)
def test_an_empty_page_too_early_fails_closed(
    portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport, store: RawStore
) -> None:
    header = ":id,reported_issue,open_date_time,issue_type,lat_long\n"
    portal.on(CSV_PATH, *[answer_csv(header)] * 3)
    with pytest.raises(TransientSourceError, match="fails closed"):
        socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10))
    assert store.latest("streetlight_outages", "aaaa-1111", "2026-06") is None


@pytest.mark.parametrize(
    "broken", [":id,reported_issue,open_date_time,issue_type,lat_long\nrow-000000,0,2026-06-01T08", ":id,reported_issue\n1,2\n", "a,b\n1\n"]
)
@pytest.mark.fault(6)
def test_a_damaged_page_is_asked_for_again(
    portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport, waits: list[float], broken: str
) -> None:
    portal.on(CSV_PATH, answer_csv(broken))
    assert socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10)).manifest.row_count == 10
    assert len(waits) == 1


def test_a_portal_that_ignores_the_keyset_fails(portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport) -> None:
    honest = fake.page
    portal.handlers[CSV_PATH] = lambda params: honest({**params, "$where": params["$where"].split(" and :id >")[0]})
    with pytest.raises(TransientSourceError, match="repeats pages"):
        socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10))


def test_a_portal_that_does_not_compare_ids_is_paged_by_offset(
    portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport
) -> None:
    fake.compares_id = False
    manifest = socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10)).manifest
    assert (manifest.paging, manifest.row_count) == ("offset fallback", 10)
    assert [request.params.get("$offset") for request in manifest.requests] == [None, "4", "8", "10"]


@pytest.mark.fault(19)
def test_a_missing_required_column_names_the_fix(fake: FakeSocrata, socrata: SocrataTransport) -> None:
    fake.columns = {"reported_issue": "text", "lat_long": "point"}
    with pytest.raises(
        PermanentSourceError, match=r"streetlight_outages aaaa-1111: .*open_date_time.*edit kc_pipeline/catalog/sources\.py"
    ):
        socrata.survey(requests_data_set(), MONTHS)


def test_a_retired_id_names_the_fix(socrata: SocrataTransport, fake: FakeSocrata) -> None:
    with pytest.raises(PermanentSourceError, match=r"zzzz-9999.*HTTP 404: Cannot find view.*edit kc_pipeline/catalog/sources\.py"):
        socrata.survey(requests_data_set(id="zzzz-9999"), MONTHS)


def test_a_refused_query_fails_at_once(portal: ScriptedPortal, fake: FakeSocrata, socrata: SocrataTransport, waits: list[float]) -> None:
    portal.on(CSV_PATH, answer_json({"message": "No such column: x", "errorCode": "query.soql.no-such-column"}, 400))
    with pytest.raises(PermanentSourceError, match="No such column: x"):
        socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10))
    assert waits == []


@pytest.mark.fault(26)
def test_the_token_is_in_no_file(fake: FakeSocrata, socrata: SocrataTransport, store: RawStore) -> None:
    socrata.pull(requests_data_set(), "2026-06", MONTHS, held(10))
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert files
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)


def test_a_shape_column_becomes_wkb(portal: ScriptedPortal, socrata: SocrataTransport, store: RawStore) -> None:
    rows: list[dict[str, str | None]] = [
        {":id": "row-1", ":updated_at": "2026-01-01", "nbhname": "Northeast", "the_geom": "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))"}
    ]
    FakeSocrata(portal, "bbbb-2222", {"the_geom": "multipolygon", "nbhname": "text"}, rows, None)
    fields = {"district_name": ("nbhname",), "shape": ("the_geom",)}
    data_set = requests_data_set(
        id="bbbb-2222", fields=fields, required=("shape",), month_field=None, filters={}, implied={"district_kind": "n"}
    )
    table = read_pull(store, socrata.pull(data_set, "whole", MONTHS, Held(1, None)).manifest)
    [row] = table.drop_columns(["pulled_at", "partition", "data_set"]).to_pylist()
    assert row.pop("geometry")[:5] == b"\x01\x06\x00\x00\x00"
    assert row == {"pull_id": "000001", "page": 0, "line": 0, "row_id": "row-1", "district_name": "Northeast", "district_kind": "n"}


@pytest.mark.fault(27)
def test_soql_text_is_quoted() -> None:
    assert quoted("O'Hara' or 1=1") == "'O''Hara'' or 1=1'"
