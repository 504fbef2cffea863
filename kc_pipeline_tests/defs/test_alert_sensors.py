"""The sensors that tell people, on real runs of a real instance."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from kc_pipeline.alerts import Alert
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.alerts import build_alert_sensors
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.alerts import state_alerts
from kc_pipeline.settings import load_settings


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}), lambda: datetime(2026, 7, 1, 10, 30, tzinfo=UTC))


def quality(feed: str, as_of: date, status: str) -> dict:
    counts = dict.fromkeys(("received_count", "good_count", "quarantined_count", "duplicate_count", "event_count"), 0)
    return counts | {
        "as_of": as_of, "feed": feed, "source_status": status, "status_reason": f"{feed}: so it is.", "newest_report_date": None,
        "usual_lag_days": 1, "covered_days_365d": 300, "snapshot_id": "s1", "run_id": "r", "schema_version": "1",
    }  # fmt: skip


def audit(rule: str, month: str, severity: str, failed: int, sentences: list[str]) -> dict:
    return {
        "table_name": "clean.calls_911", "rule": rule, "month": month, "severity": severity, "checked_count": 10, "failed_count": failed,
        "sample": "", "facts": json.dumps({"sentences": sentences}), "state_sha256": "a", "rules_sha256": "b",
    }  # fmt: skip


def fill(platform: Platform) -> None:
    days = [date(2026, 6, 30), date(2026, 7, 1)]
    rows = [quality("calls_911", days[0], "failed"), quality("calls_911", days[1], "silent"), quality("parcels", days[1], "fresh")]
    mart = pa.Table.from_pylist(rows, schema=to_arrow(TABLES["marts/source_quality"]))
    platform.lake.write("marts/source_quality", mart, partitions=[day.isoformat() for day in days])
    found = [
        audit("category_silent", "2026-05", "warns", 1, ["calls_911: 'Alarm' has had no row since 2026-06-18."]),
        audit("category_silent", "2026-06", "warns", 1, ["calls_911: 'Fire' has had no row since 2026-06-19."]),
        audit("latitude_is_in_range", "2026-06", "blocks", 4, []),
        audit("key_is_unique", "2026-06", "blocks", 0, []),
    ]
    rules = pa.Table.from_pylist(found, schema=to_arrow(TABLES["quality/audit"]))
    platform.lake.write("quality/audit", rules, partitions=["clean.calls_911"])


def test_what_stands_open_is_told_from_the_newest_day_and_the_audit(platform: Platform) -> None:
    assert state_alerts(platform) == []
    fill(platform)
    assert state_alerts(platform) == [
        Alert("source", "calls_911", "silent: calls_911: so it is."),
        Alert(
            "warning",
            "clean.calls_911: category_silent",
            "calls_911: 'Alarm' has had no row since 2026-06-18. calls_911: 'Fire' has had no row since 2026-06-19.",
        ),
        Alert("check failed", "clean.calls_911: latitude_is_in_range", "4 rows break it; see the audit's report"),
    ]


@dg.op
def breaks() -> None:
    raise dg.Failure("the portal is gone")


@dg.job
def ingest() -> None:
    breaks()


@dg.op
def works() -> None:
    """Nothing to do."""


@dg.job
def marts() -> None:
    works()


def test_the_sensors_tell_why_a_run_failed_and_what_stands_open(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    of_failure, of_success = build_alert_sensors(platform, is_on=False)
    with dg.instance_for_test() as instance:
        failed = ingest.execute_in_process(instance=instance, raise_on_error=False)
        with dg.build_run_status_sensor_context(
            sensor_name="tell_of_failed_runs",
            dagster_instance=instance,
            dagster_run=failed.dagster_run,
            dagster_event=failed.get_run_failure_event(),
        ).for_run_failure() as context:
            of_failure(context)
        assert "run failed: ingest: breaks: the portal is gone" in caplog.text
        fill(platform)
        done = marts.execute_in_process(instance=instance)
        with dg.build_run_status_sensor_context(
            sensor_name="tell_what_stands_open",
            dagster_instance=instance,
            dagster_run=done.dagster_run,
            dagster_event=done.get_run_success_event(),
        ) as context:
            of_success(context)
    told = [record.getMessage() for record in caplog.records if record.name == "kc_pipeline.alerts"]
    assert len(told) == 4
    assert told[1] == "source: calls_911: silent: calls_911: so it is."


@pytest.mark.parametrize(("is_on", "status"), [(True, dg.DefaultSensorStatus.RUNNING), (False, dg.DefaultSensorStatus.STOPPED)])
def test_the_switch_of_the_schedules_is_theirs_too(platform: Platform, is_on: bool, status: dg.DefaultSensorStatus) -> None:
    assert {sensor.default_status for sensor in build_alert_sensors(platform, is_on)} == {status}
