"""Bytes, texts, numbers and moments that no source should send and some do: rows 6, 8, 14, 20, 21, 36."""

import json
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pytest
import shapely
from fault_rig import KINDS, ROW_COUNT, ScriptedRig
from scripted_portal import Answer, answer_json

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.extract.errors import TransientSourceError
from kc_pipeline.extract.pages import PageError, read_page
from kc_pipeline.extract.refresh import newest
from kc_pipeline.extract.table import read_pull
from kc_pipeline.transform.cleaners import CLEANERS
from kc_pipeline.transform.times import clock_status, parse_local

Script = Callable[..., ScriptedRig]
each_kind = pytest.mark.parametrize("kind", KINDS)
SQUARE = {"rings": [[[0, 0], [0, 1], [1, 1], [0, 0]]]}


@pytest.mark.fault(6)
def test_utf16_that_is_cut_within_a_letter_is_asked_for_again(script: Script) -> None:
    rig = script("soda2")
    rig.portal.on(rig.pages, Answer(b"\xff\xfea\x00\n", type="text/csv"))
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.parametrize("count", [-1, "-1", "thirty", 3.5, True, None, [30]], ids=str)
@pytest.mark.fault(8)
def test_a_count_that_is_none_is_not_believed(script: Script, kind: str, count: object) -> None:
    rig = script(kind)
    told = {"count": count} if kind == "arcgis" else [{"row_count": count, "changed_at": "2026-07-01T00:00:00.000Z"}]
    honest = rig.portal.handlers[rig.counts]

    def lying(params: dict[str, str]) -> Answer:
        return answer_json(told) if "returnCountOnly" in params or "count(" in params.get("$select", "") else honest(params)

    rig.portal.handlers[rig.counts] = lying
    with pytest.raises(TransientSourceError):
        rig.survey()
    assert rig.nothing_kept()


@pytest.mark.parametrize(("limit", "asked"), [(-5, "10"), (0, "10"), (7, "7"), (10**9, "10")])
@pytest.mark.fault(11)
def test_a_layer_with_a_strange_limit_is_read(script: Script, limit: int, asked: str) -> None:
    rig = script("arcgis")
    told = {**json.loads(rig.fake.layer({}).body), "maxRecordCount": limit}
    rig.portal.handlers[rig.description] = lambda _: answer_json(told)
    assert rig.pull().row_count == ROW_COUNT
    assert {params["resultRecordCount"] for params in rig.portal.asked(rig.pages) if "resultRecordCount" in params} == {asked}


@pytest.mark.parametrize("moment", [-1, 253402300800000, -(10**17), 10**30])
@pytest.mark.fault(8)
def test_a_last_edit_beyond_the_calendar_still_tells_a_change(script: Script, moment: int) -> None:
    rig = script("arcgis")
    rig.fake.edited = moment
    first = rig.survey().partitions[rig.partition]
    assert rig.pull(first).row_count == ROW_COUNT
    rig.fake.edited += 1000
    assert rig.survey().partitions[rig.partition].changed_at not in (None, first.changed_at)


@pytest.mark.fault(21)
def test_a_newest_change_beyond_the_calendar_is_passed_over() -> None:
    assert newest(["2026-07-01T00:00:00Z", "9999-12-31T23:59:59.999", "0001-01-01T00:00:00+14:00"]) == "2026-07-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "shape",
    [
        {"rings": [[[None, None], [1, 1], [2, 2], [None, None]]]}, {"rings": [[["a", "b"], ["c", "d"], ["e", "f"]]]}, {"rings": [None]},
        {"rings": [[[0], [1, 1], [2]]]}, {"rings": 5}, {"rings": {"a": 1}}, {"paths": [[["NaN", "NaN"], [1, 1]]]}, {"x": 10**400, "y": 1},
        {"rings": [[[0, 0], [0, 1], [1, None]], [[0, 0], [0, 1], [1, 1]]]}, {"x": float("inf"), "y": 1}, {"x": "NaN", "y": "NaN"},
        {"x": float("nan"), "y": float("nan")}, "POINT (1 2)", [1], {"rings": [[[float("nan"), 0], [0, 1], [1, 1]]]},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.fault(21)
def test_a_shape_that_cannot_be_read_is_missing_and_the_others_are_there(shape: object) -> None:
    features = [{"attributes": {"OBJECTID": n}, "geometry": each} for n, each in enumerate([SQUARE, shape, {"x": 1, "y": 2}])]
    found = read_page(json.dumps({"features": features}).encode(), "esri")["(geometry)"].to_pylist()
    assert [wkb and shapely.from_wkb(wkb).geom_type for wkb in found] == ["Polygon", None, "Point"]


@pytest.mark.parametrize("kind", ["soda3", "arcgis"])
@pytest.mark.fault(21)
def test_half_a_letter_is_marked_and_the_row_stays(script: Script, kind: str) -> None:
    rig = script(kind)
    row = rig.fake.rows[3]
    if kind == "arcgis":
        row["attributes"]["KIVAPIN"] = "A\ud83dB"
    else:
        honest = rig.portal.handlers[rig.pages]
        row["reported_issue"] = "A@B"
        rig.portal.handlers[rig.pages] = lambda params: Answer(honest(params).body.replace(b"A@B", b"A\\ud83dB"))
    assert "A\ufffdB" in read_pull(rig.store, rig.pull())[rig.data_set.required[0]].to_pylist()
    assert len(rig.kept()) == ROW_COUNT


@pytest.mark.parametrize("coordinates", [[], [1], {"x": 1}, 5], ids=str)
@pytest.mark.fault(6)
def test_a_point_that_is_none_is_no_crash(coordinates: object) -> None:
    feature = {"type": "Feature", "properties": {"id": "1"}, "geometry": {"type": "Point", "coordinates": coordinates}}
    content = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
    if coordinates:
        with pytest.raises(PageError, match="not a readable json page"):
            read_page(content, "json")
    else:
        assert read_page(content, "json")["id"].to_pylist() == ["1"]


def _raw(**columns: str) -> pa.Table:
    front = {"data_set": "x", "partition": "whole", "pull_id": "000001", "row_id": "r1"}
    table = pa.table({name: pa.array([value], pa.string()) for name, value in (front | columns).items()})
    numbers = {"page": pa.array([0], pa.int32()), "line": pa.array([0], pa.int32())}
    numbers["pulled_at"] = pa.array([pd.Timestamp("2026-07-01", tz="UTC")], pa.timestamp("us", tz="UTC"))
    for name, value in numbers.items():
        table = table.append_column(name, value)
    return table


@pytest.mark.parametrize("number", ["1e400", "inf", "nan", "9" * 30, "-1e300"])
@pytest.mark.fault(20)
def test_a_number_beyond_all_bounds_is_not_known(number: str) -> None:
    street = CLEANERS["streets"](_raw(street_name="MAIN ST", from_number=number, to_number="100")).clean.to_pylist()[0]
    assert (street["from_number"], street["to_number"]) == (100, 100)
    inspection = _raw(
        data_set=FEEDS["health_inspections"].data_sets[0].id,
        inspection_id="1",
        inspection_date="2026-06-01",
        critical_violations=number,
        violations="",
    )
    assert CLEANERS["health_inspections"](inspection).clean["critical_violation_count"].to_pylist() == [None]


@pytest.mark.fault(21)
def test_nul_does_not_reach_a_table() -> None:
    assert CLEANERS["bus_stops"](_raw(stop_id="7", stop_name="10TH\0 AND LOCUST\0")).clean["stop_name"].to_pylist() == ["10TH AND LOCUST"]


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59", "12/31/9999 11:59:59 PM", "9999-12-31T23:59:59-12:00", "9999-12-31"])
@pytest.mark.fault(36)
def test_the_end_of_all_calendars_has_no_utc_and_breaks_nothing(text: str) -> None:
    status = clock_status(parse_local(pd.Series([text, "2026-06-10T10:11:12"], dtype="str")))
    assert status["reported_clock"].tolist() == ["date_only", "exact"]
    assert status["reported_utc"].notna().tolist() == [False, True]


@pytest.mark.parametrize("content", [b"id,id\n1,2\n", b'id,a\n"1,2\n', b"id,a\n1\n"], ids=["name twice", "open quote", "ragged"])
@pytest.mark.fault(6)
def test_a_csv_that_is_ambiguous_is_no_page(content: bytes) -> None:
    with pytest.raises(PageError):
        read_page(content, "csv")
