"""A portal that says when its rows last changed, as Socrata does: the sensor's ticks, the run they ask for, and one of its checks alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.resources import Platform
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore
from kc_pipeline.settings import load_settings

NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
STOPS, BUILDINGS = "ydqf-pvmx", "ax3m-jhxx"
COLUMNS = {
    STOPS: (DeclaredColumn("stop_id", "text"), DeclaredColumn("stop_name", "text"), DeclaredColumn("location", "point")),
    BUILDINGS: (DeclaredColumn("casenumber", "text"), DeclaredColumn("statusofcase", "text")),
}


def publish(store: RecordStore, data_set: str, names: list[str], at: datetime) -> None:
    """Put rows of these names in place of those that the portal has."""
    columns = COLUMNS[data_set]
    point = '{"type": "Point", "coordinates": [-94.57, 39.0]}'
    rows = pd.DataFrame([[name if c.data_type == "text" else point for c in columns] for name in names], dtype=object)
    rows.columns = [column.field_name for column in columns]
    moment = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    rows = rows.assign(**{":id": [f"row-{name}" for name in names], ":created_at": moment, ":updated_at": moment})
    store.replace(data_set, "socrata", data_set, columns, rows, at)


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    made = RecordStore(tmp_path / "portal.sqlite")
    for data_set in COLUMNS:
        publish(made, data_set, ["1", "2"], NOW - timedelta(days=3))
    return made


@pytest.fixture
def platform(tmp_path: Path, store: RecordStore) -> Iterator[Platform]:
    with Portal(store) as portal:
        settings = load_settings({"KC_DATA_DIR": str(tmp_path / "data"), "KC_HISTORY_START": "2026-06"}).at_portal(portal.url)
        yield Platform(settings, lambda: NOW)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def tick(platform: Platform, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    defs = build_defs(platform=platform)
    return defs.resolve_sensor_def("portals_changed")(dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs))


def ran(platform: Platform, instance: dg.DagsterInstance, selection: dg.AssetSelection) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("asked", selection=selection)
    defs = dg.Definitions.merge(build_defs(platform=platform), dg.Definitions(jobs=[job]))
    return defs.resolve_job_def("asked").execute_in_process(instance=instance)


def test_only_the_feed_whose_rows_the_portal_changed_is_refreshed(
    platform: Platform, store: RecordStore, instance: dg.DagsterInstance
) -> None:
    first = tick(platform, instance, None)
    assert tick(platform, instance, first.cursor).run_requests == []
    publish(store, STOPS, ["1", "2", "3"], NOW - timedelta(hours=1))
    (request,) = tick(platform, instance, first.cursor).run_requests
    assert request.asset_selection == [dg.AssetKey([layer, "bus_stops"]) for layer in ("raw", "clean", "quarantine")]
    done = ran(platform, instance, dg.AssetSelection.assets(*request.asset_selection))
    rows = {e.asset_key.path[0]: e.step_materialization_data.materialization.metadata for e in done.get_asset_materialization_events()}
    assert {layer: metadata["dagster/row_count"].value for layer, metadata in rows.items()} == {"raw": 3, "clean": 3, "quarantine": 0}
    assert {check.check_name: check.passed for check in done.get_asset_check_evaluations()} == {
        "rows_are_accounted_for": True, "rows_keep_the_contract": True,
    }  # fmt: skip


def test_a_feed_that_is_unchanged_keeps_its_row_count(platform: Platform, instance: dg.DagsterInstance) -> None:
    raw = dg.AssetKey(["raw", "bus_stops"])
    for pulled in (2, 0):
        (event,) = ran(platform, instance, dg.AssetSelection.assets(raw)).get_asset_materialization_events()
        metadata = event.step_materialization_data.materialization.metadata
        assert (metadata["dagster/row_count"].value, metadata["rows_pulled"].value) == (2, pulled)


def test_a_check_can_be_run_alone(platform: Platform, instance: dg.DagsterInstance) -> None:
    ran(platform, instance, dg.AssetSelection.assets(*(dg.AssetKey([layer, "bus_stops"]) for layer in ("raw", "clean", "quarantine"))))
    alone = dg.AssetCheckKey(dg.AssetKey(["clean", "bus_stops"]), "rows_keep_the_contract")
    (judged,) = ran(platform, instance, dg.AssetSelection.checks(alone)).get_asset_check_evaluations()
    assert (judged.asset_check_key, judged.passed) == (alone, True)
