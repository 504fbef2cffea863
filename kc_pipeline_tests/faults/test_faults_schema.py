"""Columns that come, go, or change their name or type: rows 19 and 20."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fault_rig import KINDS, MONTHS, ROW_COUNT, SODA, Rig, ScriptedRig, expected_ids
from scripted_portal import Answer, answer_json, now

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.extract.errors import PermanentSourceError
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.table import read_pull
from kc_pipeline.quality.drift.schemas import schema_drift

Serve = Callable[..., Rig]
Script = Callable[..., ScriptedRig]
each_kind = pytest.mark.parametrize("kind", KINDS)
REQUIRED = {"soda2": "reported_issue", "soda3": "reported_issue", "arcgis": "KIVAPIN"}
OPTIONAL = {"soda2": "lat_long", "soda3": "lat_long", "arcgis": "LANDUSECODE"}


def drift(serve: Serve, kind: str, *faults: str) -> dict[str, str]:
    """Kind of drift -> the column, from a pull before the fault to one after it."""
    before, after = serve(kind).pull(), serve(kind, *faults).pull()
    found = schema_drift(before.feed, before.data_set, before.declared, after.declared, set(after.resolution.values()))
    return {one.kind: one.subject.rsplit(" ", 1)[1] for one in found}


@each_kind
@pytest.mark.fault(19)
def test_a_new_column_is_named_and_not_asked_for(serve: Serve, kind: str) -> None:
    assert drift(serve, kind, "column-added=inspector_name") == {"column_new": "inspector_name"}
    rig = serve(kind, "column-added=inspector_name")
    manifest = rig.pull()
    assert rig.kept() == expected_ids(kind)
    assert not any("inspector_name" in value for request in manifest.requests for value in request.params.values())
    assert ("inspector_name") in dict(manifest.declared)


@each_kind
@pytest.mark.fault(19)
def test_a_lost_column_that_is_not_required_is_named_and_its_values_are_null(serve: Serve, kind: str) -> None:
    column = OPTIONAL[kind]
    assert drift(serve, kind, f"column-removed={column}") == {"column_missing": column}
    rig = serve(kind, f"column-removed={column}")
    table = read_pull(rig.store, rig.pull())
    assert table["row_id"].to_pylist() == expected_ids(kind)
    assert not {"longitude", "land_use_code"} & set(table.column_names)


@each_kind
@pytest.mark.fault(19)
def test_a_lost_column_that_is_required_stops_at_once_and_says_what_to_edit(serve: Serve, kind: str) -> None:
    rig = serve(kind, f"column-removed={REQUIRED[kind]}")
    expected = (
        rf"{rig.data_set.feed} {rig.data_set.id}: no column for .*{REQUIRED[kind]}.*edit kc_pipeline/catalog/sources\.py.*Declared are: "
    )
    with pytest.raises(PermanentSourceError, match=expected):
        rig.survey()
    assert (rig.waits, rig.nothing_kept()) == ([], True)


@each_kind
@pytest.mark.fault(19)
def test_a_renamed_column_is_two_findings(serve: Serve, kind: str) -> None:
    column = OPTIONAL[kind]
    assert drift(serve, kind, f"column-renamed={column}") == {"column_missing": column, "column_new": f"{column}_new"}


@each_kind
@pytest.mark.fault(19)
def test_a_renamed_column_is_read_under_a_name_that_is_declared_for_it(serve: Serve, kind: str) -> None:
    rig = serve(kind, f"column-renamed={REQUIRED[kind]}")
    canonical = rig.data_set.required[0]
    rig.data_set = replace(rig.data_set, fields={**rig.data_set.fields, canonical: (REQUIRED[kind], f"{REQUIRED[kind]}_new")})
    manifest = rig.pull()
    assert manifest.resolution[canonical] == f"{REQUIRED[kind]}_new"
    assert read_pull(rig.store, manifest)[canonical].to_pylist() == [str(n) for n in range(ROW_COUNT)]


@each_kind
@pytest.mark.fault(19)
def test_a_column_that_goes_between_its_declaration_and_the_pages_stops_at_once(script: Script, kind: str) -> None:
    rig = script(kind)
    words = "No such column: lat_long"
    refusal = answer_json({"message": words, "errorCode": "query.soql.no-such-column"}, 400)
    rig.portal.on(rig.pages, answer_json({"error": {"code": 400, "message": words}}) if kind == "arcgis" else refusal)
    with pytest.raises(PermanentSourceError, match=words):
        rig.pull(rig.held())
    assert (rig.waits, rig.nothing_kept()) == ([], True)


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.parametrize("change", ["swapped", "more", "fewer"])
@pytest.mark.fault(19)
def test_a_page_with_other_columns_than_asked_for_is_asked_again(script: Script, kind: str, change: str) -> None:
    rig = script(kind)
    header = {"swapped": ":id,open_date_time,reported_issue", "more": ":id,reported_issue,phone", "fewer": "reported_issue"}[change]
    cells = ",".join("1" for _ in header.split(","))
    record = dict.fromkeys(header.split(","), "1")
    if kind == "soda3" and change == "swapped":
        record = {"reported_issue": "1"}  # JSON has no order; a row without :id is none
    page = Answer(f"{header}\n{cells}\n".encode(), type="text/csv") if kind == "soda2" else answer_json([record])
    rig.portal.on(rig.pages, page)
    assert rig.pull(rig.held()).row_count == ROW_COUNT
    assert len(rig.waits) == 1


@each_kind
@pytest.mark.fault(20)
def test_a_column_of_another_type_is_named_and_its_values_stay_text(serve: Serve, kind: str) -> None:
    column = REQUIRED[kind]
    assert drift(serve, kind, f"column-retyped={column}") == {"column_retyped": column}
    rig = serve(kind, f"column-retyped={column}")
    values = read_pull(rig.store, rig.pull())[rig.data_set.required[0]].to_pylist()
    assert [float(value) for value in values] == list(range(ROW_COUNT))
    assert all(isinstance(value, str) for value in values)


@pytest.mark.parametrize("kind", SODA)
@pytest.mark.fault(19)
def test_a_missing_filter_column_stops_before_foreign_rows_are_read(serve: Serve, kind: str) -> None:
    rig = serve(kind, "column-removed=issue_type")
    with pytest.raises(PermanentSourceError, match="no column for issue_type"):
        rig.survey()


@pytest.mark.parametrize(
    ("fault", "words"), [("data-set-gone", "HTTP 404|error 404: Layer not found"), ("data-set-refused", "HTTP 403|error 403")]
)
@each_kind
@pytest.mark.fault(19)
def test_a_data_set_that_is_gone_or_closed_is_named(serve: Serve, kind: str, fault: str, words: str) -> None:
    rig = serve(kind, f"{fault}={'AGOL/MapServer/6' if kind == 'arcgis' else 'aaaa-1111'}")
    with pytest.raises(PermanentSourceError, match=rf"{rig.data_set.feed} {rig.data_set.id}: .*({words})"):
        rig.survey()
    assert rig.waits == []


DROP = DataSet("health_inspections", "x*", Transport.FILES, {"request_id": ("id", "number"), "opened_at": ("day",)}, ("request_id",))


@pytest.mark.parametrize(
    ("header", "resolved"),
    [
        ("id,day", {"request_id": "id", "opened_at": "day"}),
        ("number,day", {"request_id": "number", "opened_at": "day"}),
        (" ID ,DAY", {"request_id": " ID ", "opened_at": "DAY"}),
        ("id", {"request_id": "id"}),
        ("day,extra,id", {"request_id": "id", "opened_at": "day"}),
    ],
)
@pytest.mark.fault(19)
def test_a_drop_with_other_columns_is_read_by_their_names(tmp_path: Path, header: str, resolved: dict[str, str]) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / "x.csv").write_text(f"{header}\n{','.join(header.upper().split(','))}\n")
    store = RawStore(tmp_path / "raw")
    files = FileTransport(folder, store, now)
    survey = files.survey(DROP, MONTHS)
    assert survey is not None
    manifest = files.pull(DROP, "whole", MONTHS, survey.partitions["whole"]).manifest
    assert manifest.resolution == resolved
    [row] = read_pull(store, manifest).to_pylist()
    assert {name: row[name] for name in resolved} == {name: column.upper() for name, column in resolved.items()}
    assert manifest.dropped_columns == (("extra",) if "extra" in header else ())


@pytest.mark.fault(19)
def test_a_drop_without_a_required_column_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    (folder / "x.csv").write_text("day\n1\n")
    files = FileTransport(folder, RawStore(tmp_path / "raw"), now)
    survey = files.survey(DROP, MONTHS)
    assert survey is not None
    with pytest.raises(PermanentSourceError, match=r"no column for request_id \(looked for id, number\)"):
        files.pull(DROP, "whole", MONTHS, survey.partitions["whole"])
