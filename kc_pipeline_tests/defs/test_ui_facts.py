"""What the UI shows of every asset before anything ran, and what its selections pick."""

import base64
import io
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image

import kc_pipeline
from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.raw_fields import raw_columns
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.metadata import picture, spans
from kc_pipeline.defs.previews import MOST_CHARACTERS, PERSONAL, PLACES_OF_INCIDENTS, preview_columns, rows_table
from kc_pipeline.store.warehouse_schema import SNAPSHOTS

GRAPH = build_defs(environ={}).resolve_asset_graph()
KEYS = sorted(GRAPH.get_all_asset_keys())
PACKAGE = Path(kc_pipeline.__file__).parent


def value(key: dg.AssetKey, name: str) -> object:
    entry = GRAPH.get(key).metadata[name]
    return getattr(entry, "value", entry)


def picked(selection: str) -> set[str]:
    return {key.to_user_string() for key in dg.AssetSelection.from_string(selection).resolve(GRAPH)}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.to_user_string())
def test_every_asset_says_what_it_is_whose_it_is_and_where_its_code_is(key: dg.AssetKey) -> None:
    node, layer = GRAPH.get(key), key.path[0]
    assert node.group_name == node.tags["layer"] == layer
    assert node.tags.get("source") == (key.path[1] if layer in ("raw", "clean", "quarantine") else None)
    assert len(node.description.split()) >= 6
    assert node.description.endswith(".")
    assert all(owner.startswith("team:") for owner in node.owners)
    assert 1 <= len(node.kinds) <= 3
    body, contract = value(key, "dagster/code_references").code_references
    lines = Path(body.file_path).read_text(encoding="utf-8").splitlines()
    assert PACKAGE in Path(body.file_path).parents
    assert lines[body.line_number - 1].lstrip().startswith("@dg.")
    assert Path(contract.file_path).is_relative_to(PACKAGE / "catalog")
    assert Path(contract.file_path).exists()
    columns = value(key, "dagster/column_schema").columns
    assert columns
    assert all(column.description for column in columns)


def test_raw_rows_are_described_by_the_names_of_their_sources() -> None:
    columns = {column.name: column.description for column in value(dg.AssetKey(["raw", "calls_911"]), "dagster/column_schema").columns}
    assert list(columns) == [column.name for column in raw_columns(FEEDS["calls_911"])]
    assert columns["called_at"].startswith("At the source: `incident_date`, `called_at`.")


@pytest.mark.parametrize("name", sorted(name for name, table in TABLES.items() if table.layer not in ("kept", "quality")))
def test_columns_come_from_assets_that_the_asset_is_made_after(name: str) -> None:
    key = dg.AssetKey(name.split("/"))
    lineage = value(key, "dagster/column_lineage").deps_by_column
    named = {dependency.asset_key for dependencies in lineage.values() for dependency in dependencies}
    # It judges every feed, also those whose refresh is no reason to judge anew.
    judged = {dg.AssetKey([layer, feed]) for feed in FEEDS for layer in ("raw", "clean")} if name == "marts/source_quality" else set()
    assert named <= GRAPH.get_ancestor_asset_keys(key) | judged
    assert set(lineage) <= set(TABLES[name].column_names)


def test_the_publications_columns_are_those_of_the_warehouse() -> None:
    columns = value(dg.AssetKey(["warehouse", "published_snapshots"]), "dagster/column_schema").columns
    assert [(c.name, c.constraints.nullable) for c in columns] == [(c.name, c.nullable) for c in SNAPSHOTS.c]


def test_a_column_says_where_it_comes_from() -> None:
    columns = {
        column.name: column.description for column in value(dg.AssetKey(["marts", "business_risk"]), "dagster/column_schema").columns
    }
    assert columns["address"].endswith(" From core/business_parcels.address.")
    assert columns["run_id"].endswith(" Not from a source: the run's own id.")
    assert "and " in columns["risk_score"]


@pytest.mark.parametrize(
    ("months", "said"),
    [
        ([], "none"),
        (["2026-05"], "2026-05"),
        (["2025-01", "2024-11", "2024-12", "2026-05"], "2024-11 to 2025-01, 2026-05"),
        (["undated", "2026-05", "2026-06", "whole"], "2026-05 to 2026-06, undated, whole"),
        ([""], "the whole table"),
    ],
)
def test_months_are_told_as_spans(months: list[str], said: str) -> None:
    assert spans(months) == said


def test_previews_show_columns_that_their_tables_have_and_nobody_by_name() -> None:
    for name, table in TABLES.items():
        columns = preview_columns(table)
        assert set(columns) <= set(table.column_names), name
        assert not PERSONAL & set(columns), name
        assert "event_id" not in table.column_names or not PLACES_OF_INCIDENTS & set(columns), name


def test_a_long_table_ends_where_the_ui_would_hide_it() -> None:
    told = str(rows_table(("place", "count"), [("x | y\n" * 30, 1.23456)] * 100).value).splitlines()
    assert sum(map(len, told)) <= MOST_CHARACTERS < sum(map(len, told)) + len(told) + len(told[-1])
    assert told[:2] == ["| place | count |", "|---|---|"]
    assert set(told[2:]) == {"| " + ("x / y " * 30)[:44] + "… | 1.235 |"}


def test_a_picture_is_made_small_enough_for_an_event_log(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    noise = np.random.default_rng(1).integers(0, 255, (600, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    code = str(picture(path, "noise").value).partition("base64,")[2].removesuffix(")")
    assert len(code) <= 30_000 < path.stat().st_size
    assert Image.open(io.BytesIO(base64.b64decode(code))).width >= 100


SELECTIONS = {
    'group:"raw"': {f"raw/{feed}" for feed in FEEDS},
    'group:"core"': {name for name, table in TABLES.items() if table.layer == "core"},
    'tag:"layer"="eval"': {name for name, table in TABLES.items() if table.layer == "eval"},
    'tag:"source"="calls_911"': {"raw/calls_911", "clean/calls_911", "quarantine/calls_911"},
    'tag:"feed_kind"="event" and group:"clean"': {f"clean/{feed}" for feed in EVENT_FEEDS},
    'kind:"sqlalchemy"': {"warehouse/published_snapshots"},
    'kind:"arcgis"': {"raw/parcels", "raw/streets"},
    'kind:"database"': {"raw/police_reports", "raw/calls_911", "raw/health_inspections"},
    'kind:"deltalake" and not group:"core"': {
        name for name, table in TABLES.items() if table.layer in ("clean", "quarantine", "eval", "marts")
    },
    'owner:"team:ordinance"': {"marts/threshold_status", "marts/threshold_events"},
    '+key:"clean/bus_stops"': {"raw/bus_stops", "clean/bus_stops"},
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_a_selection_picks_exactly_these(selection: str) -> None:
    assert picked(selection) == SELECTIONS[selection]
