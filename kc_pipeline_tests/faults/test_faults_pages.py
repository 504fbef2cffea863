"""Faults of pages and counts: rows 7, 10 to 12 and 14, and dropped files that are cut."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from fault_rig import KINDS, MONTHS, ROW_COUNT, SODA, Rig, ScriptedRig, expected_ids
from scripted_portal import Answer, answer_csv, answer_json, now, request_row

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import Held

Serve = Callable[..., Rig]
Script = Callable[..., ScriptedRig]
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.fault(7)
def test_what_a_page_lacks_at_its_end_comes_with_the_next(serve: Serve, kind: str, times: int) -> None:
    rig = serve(kind, f"line-cut={times}")
    assert rig.pull().row_count == ROW_COUNT
    assert rig.kept() == expected_ids(kind)


@each_kind
@pytest.mark.fault(7)
def test_a_page_that_is_always_cut_to_nothing_keeps_nothing(serve: Serve, kind: str) -> None:
    rig = serve(kind, "line-cut=1000", "short-pages=1")  # half of one row is none
    with pytest.raises(TransientSourceError, match="fails closed"):
        rig.pull()
    assert rig.nothing_kept()


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.fault(7)
def test_a_cut_page_read_by_offset_loses_nothing(serve: Serve, kind: str) -> None:
    rig = serve(kind, "no-id-compare", "line-cut=2")
    manifest = rig.pull()
    assert (manifest.paging, rig.kept()) == ("offset fallback", expected_ids(kind))


@pytest.mark.fault(7)
def test_a_csv_cut_at_a_newline_within_quotes_is_no_page(script: Script) -> None:
    rig = script("soda2")
    header = ":id,reported_issue,open_date_time,issue_type,lat_long\n"
    rig.portal.on(rig.pages, answer_csv(header + '"row-000000","0","2026-06-01T08:00:00.000","Street\n'))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert rig.kept() == expected_ids("soda2")
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.fault(10)
def test_an_empty_page_once_or_twice_is_made_up_for(serve: Serve, kind: str, times: int) -> None:
    rig = serve(kind, f"early-empty={times}")
    assert rig.pull().row_count == ROW_COUNT
    assert rig.kept() == expected_ids(kind)


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.parametrize("empty_from", [0, 10, 20])
@pytest.mark.fault(10)
def test_an_end_too_early_keeps_nothing(script: Script, kind: str, empty_from: int) -> None:
    rig = script(kind)
    rig.fake.rows = rig.fake.rows[:empty_from]  # pages know fewer rows than the counts
    count = answer_json([{"row_count": str(ROW_COUNT), "changed_at": "2026-07-01T00:00:00.000Z"}])
    rig.fake.aggregate = lambda _: count
    rig.portal.handlers["/resource/aaaa-1111.json"] = rig.fake.aggregate
    with pytest.raises(TransientSourceError, match=f"{empty_from} rows received.* after 3 pulls; fails closed"):
        rig.pull(Held(ROW_COUNT, "2026-07-01T00:00:00.000Z"))
    assert rig.nothing_kept()


@pytest.mark.parametrize("empty_from", [0, 10, 20])
@pytest.mark.fault(10)
def test_a_layer_that_ends_too_early_keeps_nothing(script: Script, empty_from: int) -> None:
    rig = script("arcgis")
    honest = rig.fake.query

    def short(params: dict[str, str]) -> Answer:
        return answer_json({"count": ROW_COUNT}) if params.get("returnCountOnly") else honest(params)

    rig.fake.rows = rig.fake.rows[:empty_from]
    rig.portal.handlers[rig.pages] = short
    with pytest.raises(TransientSourceError, match=f"{empty_from} rows received.* after 3 pulls; fails closed"):
        rig.pull(Held(ROW_COUNT, None))
    assert rig.nothing_kept()


@each_kind
@pytest.mark.parametrize("rows", [1, 3, 7, 9])
@pytest.mark.fault(11)
def test_pages_shorter_than_asked_for_are_stepped_over(serve: Serve, kind: str, rows: int) -> None:
    rig = serve(kind, f"short-pages={rows}")
    manifest = rig.pull()
    assert rig.kept() == expected_ids(kind)
    assert {page.rows for page in manifest.pages[:-1]} == {rows}


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.parametrize("rows", [3, 10])
@pytest.mark.fault(11)
def test_short_pages_read_by_offset_are_stepped_over(serve: Serve, kind: str, rows: int) -> None:
    rig = serve(kind, f"short-pages={rows}", "no-id-compare")
    assert (rig.pull().paging, rig.kept()) == ("offset fallback", expected_ids(kind))


@each_kind
@pytest.mark.fault(11)
def test_a_server_that_repeats_its_first_page_is_found_out(serve: Serve, kind: str) -> None:
    rig = serve(kind, "repeat-pages")
    with pytest.raises(TransientSourceError, match=r"repeats pages|does not agree"):
        rig.pull()
    assert rig.nothing_kept()


@pytest.mark.parametrize("empty", [1, 4])
@pytest.mark.fault(12)
def test_a_layer_with_more_behind_an_empty_page_is_read_on(script: Script, empty: int) -> None:
    rig = script("arcgis")
    rig.fake.empty_first = empty
    assert rig.pull().row_count == ROW_COUNT
    assert rig.kept() == expected_ids("arcgis")


@pytest.mark.fault(12)
def test_a_layer_that_says_more_on_its_last_full_page_is_read_on(script: Script) -> None:
    rig = script("arcgis")
    honest = rig.fake.query

    def always_more(params: dict[str, str]) -> Answer:
        answer = honest(params)
        return answer if b'"features": []' in answer.body else Answer(answer.body.replace(b"}]}", b'}], "exceededTransferLimit": true}'))

    rig.portal.handlers[rig.pages] = always_more
    assert rig.pull().row_count == ROW_COUNT


@each_kind
@pytest.mark.parametrize("moves", [1, 2])
@pytest.mark.fault(14)
def test_a_count_that_settles_is_pulled_again(script: Script, kind: str, moves: int) -> None:
    rig = script(kind)
    left = [moves]
    path, honest = rig.pages, rig.portal.handlers[rig.pages]

    def growing(params: dict[str, str]) -> Answer:
        is_page = (
            "outFields" in params or "$order" in params or ("returnCountOnly" not in params and "count(" not in params.get("$select", ""))
        )
        if is_page and left[0] and ("OBJECTID > " in params.get("where", "") or ":id > " in params.get("$where", "")):
            left[0] -= 1
            new = len(rig.fake.rows)
            if kind == "arcgis":
                rig.fake.rows.insert(0, {"attributes": {"OBJECTID": -new, "KIVAPIN": str(new), "LANDUSECODE": 1}})
            else:
                rig.fake.rows.insert(0, {**request_row(new, "2026-06-01T00:00:00.000"), ":id": f"row-0000000{new}"})
        return honest(params)

    rig.portal.handlers[path] = growing
    manifest = rig.pull(rig.held())
    assert (manifest.row_count, manifest.count_before, manifest.count_after) == (ROW_COUNT + moves,) * 3
    assert len(set(rig.kept())) == ROW_COUNT + moves


@each_kind
@pytest.mark.parametrize(("faults", "rows"), [(["rows-come=1"], 30), (["rows-come=2"], 30), (["rows-go=1"], 29), (["rows-go=4"], 26)])
@pytest.mark.fault(13)
@pytest.mark.fault(14)
def test_rows_that_come_and_go_while_pages_are_read_are_read_again(serve: Serve, kind: str, faults: list[str], rows: int) -> None:
    rig = serve(kind, *faults)
    manifest = rig.pull()
    assert (manifest.row_count, manifest.count_before, manifest.count_after) == (rows, rows, rows)
    assert rig.kept() == expected_ids(kind)[-rows:]


@each_kind
@pytest.mark.parametrize("fault", ["rows-come=20", "rows-go=20"])
@pytest.mark.fault(13)
@pytest.mark.fault(14)
def test_rows_that_never_stop_coming_or_going_keep_nothing(serve: Serve, kind: str, fault: str) -> None:
    rig = serve(kind, fault)
    with pytest.raises(TransientSourceError, match=r"does not agree .* after 3 pulls; fails closed"):
        rig.pull()
    assert rig.nothing_kept()


@each_kind
@pytest.mark.fault(13)
def test_a_row_that_stands_on_two_pages_in_place_of_another_is_found_out(script: Script, kind: str) -> None:
    """The numbers agree: as many rows as the source counts, of which one is there twice and one is not."""
    rig = script(kind)
    path, honest = rig.pages, rig.portal.handlers[rig.pages]
    twice, lost = (b'"OBJECTID": 41,', b'"OBJECTID": 151,') if kind == "arcgis" else (b"row-000004", b"row-000015")

    def repeating(params: dict[str, str]) -> Answer:
        answer = honest(params)
        return Answer(answer.body.replace(lost, twice), type=answer.type)

    rig.portal.handlers[path] = repeating
    with pytest.raises(TransientSourceError, match=r"30 rows received, 29 distinct\) after 3 pulls; fails closed"):
        rig.pull(rig.held())
    assert rig.nothing_kept()


@each_kind
@pytest.mark.fault(8)
def test_a_count_below_zero_is_not_believed(serve: Serve, kind: str) -> None:
    rig = serve(kind, "bad-count=1")
    with pytest.raises(TransientSourceError) if kind != "arcgis" else nullcontext():
        assert rig.pull().row_count == ROW_COUNT
    assert rig.pull().row_count == ROW_COUNT


@each_kind
@pytest.mark.parametrize("empty", [1, 3])
@pytest.mark.fault(12)
def test_an_empty_page_before_the_end_is_read_past(serve: Serve, kind: str, empty: int) -> None:
    """A layer says that there is more; a data set says nothing, and its count tells."""
    rig = serve(kind, "short-pages=4", f"early-empty={min(empty, 2) if kind != 'arcgis' else empty}")
    assert rig.pull().row_count == ROW_COUNT
    assert rig.kept() == expected_ids(kind)


@each_kind
@pytest.mark.fault(14)
def test_a_count_that_never_settles_keeps_nothing(serve: Serve, kind: str) -> None:
    rig = serve(kind, "moving-count=1000")
    with pytest.raises(TransientSourceError, match=r"does not agree .* after 3 pulls; fails closed|do not add up"):
        rig.pull()
    assert rig.nothing_kept()


@each_kind
@pytest.mark.fault(14)
def test_a_count_that_moved_since_the_survey_is_asked_anew(serve: Serve, kind: str) -> None:
    rig = serve(kind)
    held = rig.survey().partitions[rig.partition]
    manifest = rig.pull(Held(ROW_COUNT - 1, held.changed_at))
    assert (manifest.row_count, manifest.count_before) == (ROW_COUNT, ROW_COUNT)


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.fault(14)
def test_a_row_that_goes_while_another_comes_is_noticed(script: Script, kind: str) -> None:
    rig = script(kind)
    path, honest = rig.pages, rig.portal.handlers[rig.pages]
    swapped: list[int] = []

    def swap(params: dict[str, str]) -> Answer:
        if ":id > " in params.get("$where", "") and not swapped:
            swapped.append(1)
            del rig.fake.rows[3]  # read already
            rig.fake.rows.insert(0, {**request_row(99, "2026-06-02T00:00:00.000", "2026-07-02T00:00:00.000Z"), ":id": "row-000000a"})
        return honest(params)

    rig.portal.handlers[path] = swap
    manifest = rig.pull(rig.held())
    assert manifest.row_count == ROW_COUNT
    assert manifest.changed_at == "2026-07-02T00:00:00.000Z"
    assert set(rig.kept()) == {row[":id"] for row in rig.fake.rows}


DROP = DataSet("health_inspections", "x*", Transport.FILES, {"request_id": ("id",), "opened_at": ("day",)}, ("request_id",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b"id,day\n1,2026-06-01\n2,2026"[:-6] + b",\n3"),
        ("x.csv", b'id,day\n1,"2026-06-01\n'),
        ("x.json", b'[{"id": 1}, {"id"'),
        ("x.jsonl", b'{"id": 1}\n{"id": 2'),
        ("x.geojson", b'{"type": "FeatureCollection", "features": [{"type": "Feature"'),
        ("x.json", b"[" * 100_000),
        ("x.parquet", b"PAR1\x15\x04"),
    ],
    ids=["cells", "quote", "json", "json lines", "geojson", "deep", "parquet"],
)
@pytest.mark.fault(6)
def test_a_dropped_file_that_is_cut_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / name).write_bytes(content)
    files = FileTransport(folder, RawStore(tmp_path / "raw"), now)
    with pytest.raises(
        PermanentSourceError, match=rf"health_inspections x\*: {name.replace('.', chr(92) + '.')} cannot be read .*drop it again"
    ):
        files.survey(DROP, MONTHS)


@pytest.mark.fault(14)
def test_a_dropped_file_that_grows_meanwhile_is_read_another_time(tmp_path: Path) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / "x.csv").write_text("id,day\n1,a\n")
    store = RawStore(tmp_path / "raw")
    files = FileTransport(folder, store, now)
    survey = files.survey(DROP, MONTHS)
    assert survey is not None
    with (folder / "x.csv").open("a") as file:
        file.write("2,b\n")
    with pytest.raises(TransientSourceError, match="changed while they were being read"):
        files.pull(DROP, "whole", MONTHS, survey.partitions["whole"])
    again = files.survey(DROP, MONTHS)
    assert again is not None
    assert read_pull(store, files.pull(DROP, "whole", MONTHS, again.partitions["whole"]).manifest)["request_id"].to_pylist() == ["1", "2"]
