"""What a refresh reads again, what it leaves alone, and how it fails."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_portal import REQUEST_COLUMNS, TOKEN, FakeSocrata, ScriptedPortal, answer_json, now, request_row, requests_data_set

from kc_pipeline.catalog.sources import DataSet, Feed, Transport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.manifest import Manifest
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.refresh import MONTH_WITHOUT_END, FeedRefresh, Totals, newest, refresh_feed, why_to_pull
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import Held
from kc_pipeline.settings import Settings, load_settings

ROWS = [
    request_row(1, "2024-03-01T00:00:00.000"),
    request_row(2, "2026-05-01T00:00:00.000"),
    request_row(3, "2026-06-01T00:00:00.000"),
    request_row(4, "2026-07-01T00:00:00.000"),
    request_row(5, None),
]
NEW = "2026-07-14T00:00:00.000Z"
PLACE = ("streetlight_outages", "aaaa-1111")


def feed_of(*data_sets: DataSet) -> Feed:
    return Feed("streetlight_outages", "Streetlights", "", "event", "", 21, data_sets)


@pytest.fixture
def settings(portal: ScriptedPortal, tmp_path: Path) -> Settings:
    environ = {
        "KC_DATA_DIR": str(tmp_path),
        "KC_APP_TOKEN": TOKEN,
        "KC_HISTORY_START": "2026-01",
        "KC_DROP_DIR": "",
        "KC_DEPARTMENT_DB": "",
    }
    return replace(load_settings(environ, "sandbox"), socrata_url=portal.url, arcgis_url=portal.url)


@pytest.fixture
def fake(portal: ScriptedPortal) -> FakeSocrata:
    return FakeSocrata(portal, "aaaa-1111", REQUEST_COLUMNS, [dict(row) for row in ROWS], "open_date_time")


def refreshed(settings: Settings, store: RawStore, *data_sets: DataSet, open_from: str = "2026-07") -> FeedRefresh:
    return refresh_feed(feed_of(*(data_sets or (requests_data_set(),))), settings, store, now, open_from, page_size=2, sleep=lambda _: None)


def whys(refresh: FeedRefresh) -> list[tuple[str, str]]:
    return [(part.partition, part.why) for part in refresh.pulled]


def test_the_first_refresh_reads_every_month_that_has_rows(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    refresh = refreshed(settings, store)
    assert whys(refresh) == [("2026-05", "missing"), ("2026-06", "missing"), ("2026-07", "missing"), ("undated", "missing")]
    assert refresh.totals == {"aaaa-1111": Totals(total=5, months=3, whole=0, undated=1, elsewhere=1)}
    assert refresh.rows_by_data_set == {"aaaa-1111": 5}
    assert (refresh.unchanged, refresh.newest_change) == (0, "2026-07-01T00:00:00+00:00")
    assert store.partitions(*PLACE) == ["2026-05", "2026-06", "2026-07", "undated"]


def test_months_after_the_last_one_asked_for_stay_as_they_are(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    def filled(through: str) -> FeedRefresh:
        feed = feed_of(requests_data_set())
        return refresh_feed(feed, settings, store, now, MONTH_WITHOUT_END, through=through, page_size=2, sleep=lambda _: None)

    first = filled("2026-05")
    assert whys(first) == [("2026-05", "missing"), ("undated", "missing")]
    assert first.totals == {"aaaa-1111": Totals(total=5, months=1, whole=0, undated=1, elsewhere=3)}
    second = filled("2026-06")
    assert (whys(second), second.unchanged) == ([("2026-06", "missing")], 2)
    assert whys(refreshed(settings, store)) == [("2026-07", "missing")]


def test_an_unchanged_month_is_not_read_and_an_open_one_is(
    portal: ScriptedPortal, fake: FakeSocrata, settings: Settings, store: RawStore
) -> None:
    refreshed(settings, store)
    portal.seen.clear()
    again = refreshed(settings, store)
    assert (again.pulled, again.unchanged) == ([], 4)
    assert {p["$where"].split(" and ", 1)[1][:40] for p in portal.asked("/resource/aaaa-1111.csv")} == {
        "open_date_time >= '2026-07-01T00:00:00' "
    }
    assert [m.pull_id for m in store.latest_of_feed("streetlight_outages")] == ["000001"] * 4


@pytest.mark.fault(17)
def test_changed_grown_and_vanished_months_are_read_again(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    refreshed(settings, store)
    del fake.rows[3]  # July's only row
    fake.rows[1] = request_row(2, "2026-05-01T00:00:00.000", NEW)
    fake.rows.append(request_row(6, "2026-06-09T00:00:00.000"))
    refresh = refreshed(settings, store)
    assert whys(refresh) == [("2026-05", "changed at the source"), ("2026-06", "1 rows became 2"), ("2026-07", "vanished at the source")]
    assert [part.rows for part in refresh.pulled] == [1, 2, 0]
    assert refresh.unchanged == 1
    july = store.latest(*PLACE, "2026-07")
    assert july is not None
    assert (july.pull_id, july.row_count, read_pull(store, july).num_rows) == ("000002", 0, 0)
    assert [m.row_count for m in store.pulls(*PLACE, "2026-07")] == [1, 0]
    assert refreshed(settings, store).pulled == []


@pytest.mark.fault(19)
def test_a_closed_month_that_was_read_while_a_column_was_missing_is_read_again(
    fake: FakeSocrata, settings: Settings, store: RawStore
) -> None:
    refreshed(settings, store)
    kind = fake.columns.pop("lat_long")
    fake.rows[1] = request_row(2, "2026-05-01T00:00:00.000", NEW)
    assert ("2026-05", "changed at the source") in whys(refreshed(settings, store))
    fake.columns["lat_long"] = kind
    assert ("2026-05", "a column is there again") in whys(refreshed(settings, store))
    assert refreshed(settings, store).pulled == []


@pytest.mark.fault(11)
def test_a_portal_that_repeats_a_small_month_is_found_out_by_its_second_page(
    portal: ScriptedPortal, fake: FakeSocrata, settings: Settings, store: RawStore
) -> None:
    honest = fake.page
    portal.handlers["/resource/aaaa-1111.csv"] = lambda params: honest({**params, "$where": params["$where"].partition(" and :id >")[0]})
    with pytest.raises(TransientSourceError, match="repeats pages"):
        refresh_feed(feed_of(requests_data_set()), settings, store, now, "2026-07", sleep=lambda _: None)
    assert len(portal.asked("/resource/aaaa-1111.csv")) == 2
    assert store.partitions(*PLACE) == []


def test_a_table_that_was_handed_over_and_is_gone_fails_and_what_was_pulled_stays(
    fake: FakeSocrata, settings: Settings, store: RawStore, tmp_path: Path
) -> None:
    table = DataSet("streetlight_outages", "reports", Transport.DATABASE, {"request_id": ("id",)}, key_field="id")
    with closing(sqlite3.connect(tmp_path / "department.sqlite")) as connection:
        connection.executescript("CREATE TABLE reports (id TEXT); INSERT INTO reports VALUES ('1');")
    settings = replace(settings, department_url=f"sqlite:///{tmp_path / 'department.sqlite'}")
    assert whys(refreshed(settings, store, table)) == [("whole", "missing")]
    (tmp_path / "department.sqlite").unlink()
    with pytest.raises(TransientSourceError, match="reports: was handed over before and is not there now"):
        refreshed(settings, store, table)
    kept = store.latest("streetlight_outages", "reports", "whole")
    assert kept is not None
    assert kept.row_count == 1


def test_an_undated_row_that_gets_a_date_moves(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    refreshed(settings, store)
    fake.rows[4] = request_row(5, "2026-04-01T00:00:00.000", NEW)
    assert whys(refreshed(settings, store)) == [("2026-04", "missing"), ("undated", "vanished at the source")]


@pytest.mark.parametrize(
    ("partition", "held", "rows", "open_from", "why"),
    [
        ("2026-05", Held(0, None), None, "2026-01", None),
        ("2026-05", Held(2, "a"), 2, "2026-06", None),
        ("2026-05", Held(2, "a"), 2, "2026-05", "open"),
        ("2026-05", Held(2, "a"), 2, None, None),
        ("2026-05", Held(0, None), 0, "2026-05", None),
        ("undated", Held(2, "a"), 2, "2026-05", None),
        ("whole", Held(2, "a"), 2, "2026-05", None),
        ("whole", Held(2, "b"), 2, "2026-05", "changed at the source"),
    ],
)
def test_why_to_pull(
    fake: FakeSocrata,
    settings: Settings,
    store: RawStore,
    partition: str,
    held: Held,
    rows: int | None,
    open_from: str | None,
    why: str | None,
) -> None:
    refreshed(settings, store)
    some: Manifest | None = store.latest(*PLACE, "2026-05")
    assert some is not None
    latest = None if rows is None else replace(some, row_count=rows, changed_at="a")
    assert why_to_pull(partition, held, latest, open_from) == why


@pytest.mark.fault(2)
def test_one_data_set_that_fails_does_not_stop_the_others(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    with pytest.raises(PermanentSourceError, match=r"gone-0000.*HTTP 404"):
        refreshed(settings, store, requests_data_set(id="gone-0000"), requests_data_set())
    assert len(store.partitions(*PLACE)) == 4


def test_errors_together_are_transient_if_any_is(portal: ScriptedPortal, fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    portal.handlers["/api/views/down-0000.json"] = lambda _: answer_json({}, 503)
    with pytest.raises(TransientSourceError, match="2 data sets failed") as caught:
        refreshed(settings, store, requests_data_set(id="gone-0000"), requests_data_set(id="down-0000"), requests_data_set())
    assert [type(cause) for cause in caught.value.causes] == [PermanentSourceError, TransientSourceError]
    assert TOKEN not in str(caught.value)


@pytest.mark.fault(14)
def test_a_row_that_comes_during_the_refresh_is_read_in_a_second_round(
    portal: ScriptedPortal, fake: FakeSocrata, settings: Settings, store: RawStore
) -> None:
    honest = fake.page

    def late(params: dict[str, str]) -> object:
        if len(fake.rows) == 5 and "2026-07" in params["$where"]:
            fake.rows.append(request_row(9, "2026-05-30T00:00:00.000"))
            fake.rows.append(request_row(10, "2026-07-02T00:00:00.000"))
        return honest(params)

    portal.handlers["/resource/aaaa-1111.csv"] = late  # type: ignore[assignment]
    refresh = refreshed(settings, store)
    assert whys(refresh)[-1] == ("2026-05", "1 rows became 2")
    assert refresh.totals["aaaa-1111"].total == 7


def test_what_is_not_configured_is_skipped_and_named(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    drop = DataSet("streetlight_outages", "x*", Transport.FILES, {})
    table = DataSet("streetlight_outages", "reports", Transport.DATABASE, {})
    assert refreshed(settings, store, drop, table).skipped == ["x*: not configured", "reports: not configured"]
    configured = replace(settings, drop_dir=settings.data_dir, department_url=f"sqlite:///{settings.data_dir / 'no.sqlite'}")
    refresh = refreshed(configured, store, drop, table)
    assert refresh.skipped == ["x*: not handed over", "reports: not handed over"]
    assert refresh.totals == {}


def test_a_database_that_cannot_be_used_does_not_stop_the_portal(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    table = DataSet("streetlight_outages", "reports", Transport.DATABASE, {})
    with pytest.raises(PermanentSourceError, match="KC_DEPARTMENT_DB"):
        refreshed(replace(settings, department_url="nosuchdb://a:b@c/d"), store, table, requests_data_set())
    assert len(store.partitions(*PLACE)) == 4


def test_a_drop_is_read_again_only_when_its_files_change(settings: Settings, store: RawStore, tmp_path: Path) -> None:
    (tmp_path / "drops").mkdir()
    settings = replace(settings, drop_dir=tmp_path / "drops")
    drop = DataSet("streetlight_outages", "x*", Transport.FILES, {"request_id": ("id",)})
    (tmp_path / "drops" / "x1.csv").write_text("id\n1\n")
    assert whys(refreshed(settings, store, drop)) == [("whole", "missing")]
    assert refreshed(settings, store, drop).unchanged == 1
    (tmp_path / "drops" / "x1.csv").write_text("id\n2\n")
    assert whys(refreshed(settings, store, drop)) == [("whole", "changed at the source")]


def test_a_replay_reads_what_was_recorded_and_no_view_beside_its_source(
    portal: ScriptedPortal, fake: FakeSocrata, settings: Settings, store: RawStore
) -> None:
    view = requests_data_set(id="view-0000", is_primary=False, view_of="aaaa-1111")
    other = requests_data_set(id="view-1111", is_primary=False, view_of="not-recorded", filters={})
    absent = requests_data_set(id="gone-0000")
    layer = DataSet("streetlight_outages", "AGOL/MapServer/6", Transport.ARCGIS, {})
    FakeSocrata(portal, "view-1111", REQUEST_COLUMNS, [dict(row) for row in ROWS], "open_date_time")
    portal.handlers["/api/views.json"] = lambda _: answer_json([{"id": "aaaa-1111"}, {"id": "view-0000"}, {"id": "view-1111"}])
    refresh = refreshed(replace(settings, source="replay"), store, requests_data_set(), view, other, absent, layer)
    assert refresh.skipped == ["view-0000: not available", "gone-0000: not available", "AGOL/MapServer/6: not available"]
    assert sorted(refresh.totals) == ["aaaa-1111", "view-1111"]


@pytest.mark.fault(26)
def test_progress_and_manifests_hold_no_token(fake: FakeSocrata, settings: Settings, store: RawStore) -> None:
    told: list[str] = []
    refresh_feed(feed_of(requests_data_set()), settings, store, now, "2026-07", progress=told.append)
    assert told[0] == "streetlight_outages aaaa-1111 2026-05: 1 rows (missing)"
    manifests = [json.dumps(m.to_json().decode()) for m in store.latest_of_feed("streetlight_outages")]
    assert not any(TOKEN in text for text in [*told, *manifests])


def test_newest_change() -> None:
    assert newest([None, "sha256:00", "2026-07-01 00:00:00", "2026-07-01T04:59:00.000Z"]) == "2026-07-01T05:00:00+00:00"
    assert newest([None]) is None
