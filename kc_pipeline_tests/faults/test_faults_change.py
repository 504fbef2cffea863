"""Rows that come late, are corrected, go, or are published anew: rows 15 to 18; outages of a whole refresh: row 2."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from datetime import timedelta
from pathlib import Path

import fault_feeds
import pyarrow as pa
import pytest
from fault_feeds import HISTORY, NEWER, OLD, FeedRig
from fault_rig import KINDS, SODA, Rig
from scripted_portal import REQUEST_COLUMNS, FakeSocrata, answer_json, now, requests_data_set

from kc_pipeline.catalog.sources import FEEDS, DataSet, Transport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.guard import Guards, Manners
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import Months
from kc_pipeline.transform.requests_311 import clean_streetlights
from kc_pipeline.transform.versions import carry_forward

Feeds = Callable[[str], FeedRig]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_soda = pytest.mark.parametrize("kind", SODA)


@each_kind
@pytest.mark.fault(15)
def test_a_late_row_with_an_old_time_of_change_is_counted(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    rig.fake.rows.append(rig.row(50, "2026-05", OLD))
    whys = [part.why for part in rig.refresh().pulled]
    assert whys == ["12 rows became 13" if kind == "arcgis" else "4 rows became 5"]
    assert rig.ids() == rig.source_ids()


@each_soda
@pytest.mark.fault(15)
def test_a_late_row_in_place_of_another_is_found_by_the_overlap(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    july = next(i for i, row in enumerate(rig.fake.rows) if row["open_date_time"].startswith("2026-07"))
    rig.fake.rows[july] = rig.row(50, "2026-07", OLD)
    assert [(part.partition, part.why) for part in rig.refresh().pulled] == [("2026-07", "open")]
    assert rig.ids() == rig.source_ids()


@each_soda
@pytest.mark.parametrize("month", ["2026-05", None])
@pytest.mark.fault(15)
def test_a_late_row_in_place_of_another_in_an_old_month_is_found_by_a_sweep(feed: Feeds, kind: str, month: str | None) -> None:
    rig = feed(kind)
    if month is None:
        for row in rig.fake.rows[:2]:
            row["open_date_time"] = None
    rig.refresh()
    rig.fake.rows[0] = rig.row(50, "2026-05", OLD) if month else {**rig.row(50, updated=OLD), "open_date_time": None}
    assert rig.refresh().pulled == []
    assert rig.ids() != rig.source_ids()
    assert [(part.partition, part.why) for part in rig.refresh(HISTORY).pulled] == [(month or "undated", "open")]
    assert rig.ids() == rig.source_ids()


@pytest.mark.fault(15)
def test_a_layer_that_changes_without_saying_so_is_found_by_a_sweep(feed: Feeds) -> None:
    rig = feed("arcgis")
    rig.refresh()
    rig.fake.rows[-1] = rig.row(50)
    assert rig.refresh().pulled == []
    assert [part.why for part in rig.refresh(HISTORY).pulled] == ["open"]
    assert rig.ids() == rig.source_ids()


@each_soda
@pytest.mark.fault(16)
def test_a_corrected_row_is_read_again_and_its_old_version_stays_readable(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    rig.fake.rows[0] |= {"lat_long": "POINT (-94.6 39.2)", ":updated_at": NEWER}
    assert [(part.partition, part.why) for part in rig.refresh().pulled] == [("2026-05", "changed at the source")]
    data_set = rig.data_sets[0]
    first, second = (read_pull(rig.store, m).to_pylist()[0] for m in rig.store.pulls(data_set.feed, data_set.id, "2026-05"))
    assert (first["latitude"], second["latitude"]) == ("39.1", "39.2")
    assert rig.store.verify(data_set.feed, data_set.id, "2026-05") == 2


@pytest.mark.fault(16)
def test_a_corrected_parcel_is_read_again_by_the_layers_last_edit(feed: Feeds) -> None:
    rig = feed("arcgis")
    rig.refresh()
    rig.fake.rows[0]["attributes"]["LANDUSECODE"] = 9
    honest = rig.fake.layer
    rig.portal.handlers["/AGOL/MapServer/6"] = lambda params: type(a := honest(params))(a.body.replace(b"1780000000000", b"1780000099000"))
    assert [part.why for part in rig.refresh().pulled] == ["changed at the source"]
    assert rig.current()[0]["land_use_code"] == "9"


@each_soda
@pytest.mark.fault(16)
def test_a_row_that_moves_to_another_month_is_in_one_of_them(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    rig.fake.rows[0] |= {"open_date_time": "2026-06-20T00:00:00.000", ":updated_at": NEWER}
    assert [part.partition for part in rig.refresh().pulled] == ["2026-05", "2026-06"]
    assert sorted(row["row_id"] for row in rig.current()) == sorted(rig.source_ids())


@each_kind
@pytest.mark.parametrize("gone", [1, 4])
@pytest.mark.fault(17)
def test_deleted_rows_are_gone_now_and_still_in_the_pull_before(feed: Feeds, kind: str, gone: int) -> None:
    rig = feed(kind)
    rig.refresh()
    before = rig.source_ids()
    del rig.fake.rows[:gone]
    rig.refresh()
    assert rig.ids() == rig.source_ids() == before - (before - rig.source_ids())
    first, second = rig.versions()
    assert len(first - second) == gone


@each_kind
@pytest.mark.fault(17)
def test_a_row_that_comes_back_is_there_again(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    kept = rig.fake.rows.pop(0)
    rig.refresh()
    rig.fake.rows.insert(0, kept)
    rig.refresh()
    first, second, third = rig.versions()
    assert first == third != second
    assert rig.ids() == rig.source_ids()


@each_soda
@pytest.mark.fault(18)
def test_a_full_replace_changes_no_clean_row(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    before = clean_streetlights(_raw(rig)).clean
    for row in rig.fake.rows:
        row[":updated_at"] = NEWER
    assert [part.why for part in rig.refresh().pulled] == ["changed at the source"] * 3
    again = carry_forward(clean_streetlights(_raw(rig)).clean, before, "event_id")
    assert again.num_rows == 12
    assert again.equals(before)


@each_soda
@pytest.mark.fault(18)
def test_rows_issued_anew_under_other_row_ids_change_no_clean_row(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    before = clean_streetlights(_raw(rig)).clean
    for number, row in enumerate(rig.fake.rows):
        row |= {":id": f"new-{number:04d}", ":updated_at": NEWER}
    rig.refresh()
    assert rig.ids() == rig.source_ids()
    assert carry_forward(clean_streetlights(_raw(rig)).clean, before, "event_id").equals(before)


def _raw(rig: FeedRig) -> pa.Table:
    latest = rig.store.latest_of_feed("streetlight_outages")
    raw = pa.concat_tables([read_pull(rig.store, manifest) for manifest in latest], promote_options="permissive")
    return raw.set_column(0, "data_set", pa.repeat(FEEDS["streetlight_outages"].data_sets[0].id, raw.num_rows))


@each_soda
@pytest.mark.fault(39)
def test_clean_rows_come_again_from_raw_pages_when_the_source_is_gone(feed: Feeds, stack: ExitStack, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    before = clean_streetlights(_raw(rig))
    stack.close()  # the portal is gone
    with pytest.raises(PermanentSourceError, match="no portal answers"):
        rig.refresh()
    after = clean_streetlights(_raw(rig))
    assert before.clean.num_rows == 12
    for ours, theirs in ((before.clean, after.clean), (before.quarantine, after.quarantine)):
        assert _bytes(ours) == _bytes(theirs)


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@each_soda
@pytest.mark.fault(19)
def test_a_data_set_that_was_issued_under_another_id_says_what_to_edit(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.data_sets = (requests_data_set(id="gone-0000"), *rig.data_sets)
    with pytest.raises(
        PermanentSourceError, match=r"gone-0000: .*HTTP 404: Cannot find view.*retired id\? edit kc_pipeline/catalog/sources"
    ):
        rig.refresh()
    assert rig.ids() == rig.source_ids()


@each_soda
@pytest.mark.fault(2)
def test_of_two_data_sets_the_one_that_answers_is_kept(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.data_sets = (requests_data_set(id="down-0000"), *rig.data_sets)
    rig.portal.handlers["/api/views/down-0000.json"] = lambda _: answer_json({}, 503)
    with pytest.raises(TransientSourceError, match=r"down-0000: .*HTTP 503"):
        rig.refresh()
    assert rig.ids() == rig.source_ids()


@each_soda
@pytest.mark.fault(2)
def test_an_outage_costs_a_city_its_retries_once(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    guards = Guards(Manners(failures=2))
    rig.data_sets = tuple(requests_data_set(id=f"down-000{n}") for n in range(5))
    for data_set in rig.data_sets:
        rig.portal.handlers[f"/api/views/{data_set.id}.json"] = lambda _: answer_json({}, 503)
    with pytest.raises(TransientSourceError, match="5 data sets failed"):
        rig.refresh(guards=guards)
    assert len(rig.portal.seen) == 2 * 6
    with pytest.raises(TransientSourceError, match="left alone"):
        rig.refresh(guards=guards)
    assert len(rig.portal.seen) == 2 * 6


@each_soda
@pytest.mark.fault(14)
def test_a_row_that_comes_during_a_refresh_is_in_it(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    path = "/resource/aaaa-1111.csv" if kind == "soda2" else "/api/v3/views/aaaa-1111/query.json"
    honest = rig.portal.handlers[path]
    late = rig.row(60, "2026-05")

    def growing(params: dict[str, str]) -> object:
        if "2026-07" in params.get("$where", "") and late not in rig.fake.rows:
            rig.fake.rows += [late, rig.row(61, "2026-07")]
        return honest(params)

    rig.portal.handlers[path] = growing  # type: ignore[assignment]
    refresh = rig.refresh()
    assert refresh.totals["aaaa-1111"].total == 14
    assert rig.ids() == rig.source_ids()


@each_kind
@pytest.mark.fault(37)
def test_pulls_by_a_clock_that_was_set_back_stay_in_order(feed: Feeds, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = feed(kind)
    rig.refresh()
    rig.fake.rows.append(rig.row(50, "2026-05"))
    monkeypatch.setattr(fault_feeds, "now", lambda: now() - timedelta(days=3))
    rig.refresh()
    assert rig.ids() == rig.source_ids()
    assert len(rig.versions()) == 2


@each_kind
@pytest.mark.fault(37)
def test_a_clock_that_was_set_back_beyond_a_month_loses_nothing_and_doubles_nothing(
    feed: Feeds, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = feed(kind)
    rig.refresh()
    with monkeypatch.context() as patched:
        patched.setattr(fault_feeds, "now", lambda: now() - timedelta(days=40))
        with pytest.raises(TransientSourceError, match="fails closed") if kind != "arcgis" else nullcontext():
            rig.refresh()
        assert rig.ids() >= rig.source_ids()
    rig.refresh()
    assert sorted(row["row_id"] for row in rig.current()) == sorted(rig.source_ids())


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.fault(18)
def test_a_full_replace_by_the_sandbox_is_read_again_and_says_the_same(serve: Callable[..., Rig], kind: str) -> None:
    first, again = serve(kind).pull(), serve(kind, "touched-rows").pull()
    assert (first.changed_at != again.changed_at, again.pull_id) == (True, "000002")
    assert first.content_sha256() == again.content_sha256()


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
@pytest.mark.parametrize("rows", [["1", "2", "3"], ["1", "9"], ["1"]], ids=["late", "corrected", "deleted"])
@pytest.mark.fault(17)
def test_a_drop_that_changed_is_a_new_pull_and_the_old_one_stays(tmp_path: Path, ending: str, rows: list[str]) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    store = RawStore(tmp_path / "raw")
    files = FileTransport(folder, store, now)
    data_set = DataSet("health_inspections", "x*", Transport.FILES, {"request_id": ("id",)})

    def drop(values: list[str]) -> list[str]:
        lines = [f'{{"id": "{value}"}}' for value in values]
        text = {"csv": "id\n" + "\n".join(values) + "\n", "json": f"[{','.join(lines)}]", "jsonl": "\n".join(lines)}[ending]
        (folder / f"x.{ending}").write_text(text)
        survey = files.survey(data_set, Months("2000-01", "2026-07"))
        assert survey is not None
        manifest = files.pull(data_set, "whole", Months("2000-01", "2026-07"), survey.partitions["whole"]).manifest
        return list(read_pull(store, manifest)["request_id"].to_pylist())

    assert drop(["1", "2"]) == ["1", "2"]
    assert drop(rows) == rows
    old, new = (read_pull(store, m)["request_id"].to_pylist() for m in store.pulls("health_inspections", "x*", "whole"))
    assert (old, new) == (["1", "2"], rows)


@each_soda
@pytest.mark.fault(18)
def test_two_refreshes_without_a_change_write_nothing(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    files = {path: path.read_bytes() for path in rig.store.root.rglob("*") if path.is_file()}
    for open_from in ("2026-07", HISTORY):
        assert rig.refresh(open_from).pulled == []
    assert {path: path.read_bytes() for path in rig.store.root.rglob("*") if path.is_file()} == files


@each_soda
@pytest.mark.fault(16)
def test_both_interfaces_give_the_same_raw_rows(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.fake.rows[2] |= {"lat_long": None}
    rig.refresh()
    shown = [(row["row_id"], row["opened_at"], row["longitude"], row["issue_type"]) for row in rig.current()]
    assert shown == [
        (row[":id"], row["open_date_time"], None if row["lat_long"] is None else f"-94.5{n}", "Streetlights")
        for n, row in enumerate(rig.fake.rows)
    ]


@each_soda
@pytest.mark.fault(15)
def test_a_year_that_appears_is_read_when_it_is_declared(feed: Feeds, kind: str) -> None:
    rig = feed(kind)
    rig.refresh()
    FakeSocrata(rig.portal, "bbbb-2222", REQUEST_COLUMNS, [rig.row(70, "2026-07")], "open_date_time")
    rig.data_sets = (*rig.data_sets, requests_data_set(id="bbbb-2222"))
    refresh = rig.refresh()
    assert [(part.data_set, part.why, part.rows) for part in refresh.pulled] == [("bbbb-2222", "missing", 1)]
    assert len(rig.current()) == 13
