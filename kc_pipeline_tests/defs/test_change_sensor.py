"""The sensor that refreshes what changed: real ticks on a department's database and a drop folder, with the portals out of reach."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.resources import Platform
from kc_pipeline.settings import load_settings

NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    department = tmp_path / "department.sqlite"
    with sqlite3.connect(department) as connection:
        connection.execute("create table reports (row_id, report_number, reported_at, nibrs, address, updated_at)")
        connection.execute("insert into reports values ('1', 'R1', '2026-06-05 10:00:00', '13A', '1000 LOCUST ST', '2026-06-05')")
    (tmp_path / "drops").mkdir()
    environ = {
        "KC_DATA_DIR": str(tmp_path), "KC_DEPARTMENT_DB": f"sqlite:///{department}", "KC_DROP_DIR": str(tmp_path / "drops"),
        "KC_HISTORY_START": "2026-06",
    }  # fmt: skip
    settings = load_settings(environ).at_portal("http://127.0.0.1:9")
    return Platform(replace(settings, schedules_on=False), lambda: NOW)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def change(platform: Platform) -> None:
    with sqlite3.connect(str(platform.settings.department_url).removeprefix("sqlite:///")) as connection:
        connection.execute("update reports set address = '1004 LOCUST ST', updated_at = '2026-06-20'")


def tick(platform: Platform, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    defs = build_defs(platform=platform)
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    return defs.resolve_sensor_def("portals_changed")(context)


def test_what_changed_is_refreshed_once_and_alone(platform: Platform, instance: dg.DagsterInstance) -> None:
    first = tick(platform, instance, None)
    assert first.run_requests == []
    assert "not asked: " in str(first.skip_reason)
    assert [name for name in json.loads(first.cursor) if name.startswith("police_reports/")] == ["police_reports/reports"]
    assert tick(platform, instance, first.cursor).run_requests == []
    change(platform)
    (platform.settings.drop_dir / "health_inspections_2026.csv").write_text("inspection_id\n1\n")
    changed = tick(platform, instance, first.cursor)
    assert [request.asset_selection for request in changed.run_requests] == [
        [dg.AssetKey([layer, feed]) for layer in ("raw", "clean", "quarantine")] for feed in ("police_reports", "health_inspections")
    ]
    assert changed.run_requests[0].tags["dagster/asset_partition_range_end"] == "2026-07"
    assert tick(platform, instance, changed.cursor).run_requests == []
    again = tick(platform, instance, first.cursor)
    assert [r.run_key for r in again.run_requests] == [r.run_key for r in changed.run_requests], "the same change has the same key"


def test_a_source_that_does_not_answer_keeps_its_place(platform: Platform, instance: dg.DagsterInstance) -> None:
    first = tick(platform, instance, None)
    gone = Platform(replace(platform.settings, department_url="sqlite:////nowhere/at/all.sqlite"), platform.now)
    assert tick(gone, instance, first.cursor).run_requests == []
    assert json.loads(tick(gone, instance, first.cursor).cursor) == json.loads(first.cursor)


def test_the_run_that_is_asked_for_refreshes_the_feed_with_its_checks(platform: Platform, instance: dg.DagsterInstance) -> None:
    first = tick(platform, instance, None)
    change(platform)
    (request,) = tick(platform, instance, first.cursor).run_requests
    defs = build_defs(platform=platform)
    job = dg.define_asset_job("asked", selection=dg.AssetSelection.assets(*request.asset_selection))
    done = (
        dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
        .resolve_job_def("asked")
        .execute_in_process(instance=instance, tags=request.tags, raise_on_error=False)
    )
    failed = [event.step_key for event in done.all_events if event.is_step_failure]
    assert failed == ["raw__police_reports"], "the portal is out of reach"
    assert platform.raw.latest("police_reports", "reports", "2026-06").row_count == 1
