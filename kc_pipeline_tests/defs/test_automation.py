"""Schedule and automation, ticked for real against a Dagster instance."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator  # what the daemon ticks by

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.partitions import MONTHS

DEFS = build_defs(environ={})
NOW = datetime(2026, 7, 1, 11, tzinfo=UTC)
CHECKS = sorted(DEFS.resolve_asset_graph().asset_check_keys, key=str)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def report(instance: dg.DagsterInstance, *path: str, partition: str | None = None) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(list(path)), partition=partition))


def report_ingest(instance: dg.DagsterInstance, *, passed: bool = True) -> None:
    """What an ingest of the open months leaves behind."""
    for feed in FEEDS.values():
        for month in ("2026-06", "2026-07") if feed.kind == "event" else (None,):
            report(instance, "clean", feed.name, partition=month)
    report_checks(instance, "clean", passed=passed)


def report_checks(instance: dg.DagsterInstance, layer: str, *, passed: bool = True) -> None:
    """The outcome of a layer's checks, which run with its tables."""
    for key in (key for key in CHECKS if key.asset_key.path[0] == layer):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                key.asset_key, key.name, passed=passed, metadata={}, severity=dg.AssetCheckSeverity.ERROR, blocking=True
            )
        )


def tick(instance: dg.DagsterInstance, cursor=None):
    return dg.evaluate_automation_conditions(DEFS, instance, evaluation_time=NOW, cursor=cursor)


def requested(result) -> set[str]:
    keys = DEFS.resolve_asset_graph().get_all_asset_keys()
    return {key.to_user_string() for key in keys if result.get_num_requested(key)}


def test_nothing_is_asked_for_while_nothing_changed(instance: dg.DagsterInstance) -> None:
    first = tick(instance)
    second = tick(instance, first.cursor)
    assert requested(second) == set()


DAILY = [name for name in TABLES if name.split("/")[0] in ("eval", "marts")]


def test_core_and_todays_marts_follow_an_ingest_once(instance: dg.DagsterInstance) -> None:
    cursor = tick(instance).cursor
    report_ingest(instance)
    asked: list[tuple[str, str | None]] = []
    for _ in range(6):
        result = tick(instance, cursor)
        cursor = result.cursor
        layers = {name.split("/")[0] for name in requested(result)}
        assert layers <= {"core"} or layers <= {"eval", "marts", "warehouse"}, "marts are asked for only when the core tables are made"
        for name in sorted(requested(result)):
            parts = result.get_requested_partitions(dg.AssetKey(name.split("/")))
            for part in parts or {None}:
                asked.append((name, part))
                report(instance, *name.split("/"), partition=part)
        if "core" in layers:
            report_checks(instance, "core")
    core = {(name, None) for name in TABLES if name.startswith("core/")}
    marts = {(name, "2026-07-01") for name in (*DAILY, "warehouse/published_snapshots")}
    assert set(asked) == core | marts
    assert len(asked) == len(set(asked))


def test_a_failed_blocking_check_keeps_the_marts_as_they_were(instance: dg.DagsterInstance) -> None:
    cursor = tick(instance).cursor
    report_ingest(instance, passed=False)
    for _ in range(3):
        result = tick(instance, cursor)
        cursor = result.cursor
        assert requested(result) == set()


def test_the_schedule_asks_for_the_open_months_in_one_run(instance: dg.DagsterInstance) -> None:
    (schedule,) = DEFS.schedules
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2026, 7, 1, 10, 30, tzinfo=UTC))
    (request,) = schedule.evaluate_tick(context).run_requests
    assert request.run_key == "2026-07-01"
    assert request.tags["dagster/asset_partition_range_start"] == "2026-05"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-07"


def test_the_schedule_ticks_at_half_past_five_of_kansas_citys_clock_all_year() -> None:
    (schedule,) = DEFS.schedules
    start = datetime(2026, 10, 30, 12, tzinfo=UTC).timestamp()
    ticks = cron_string_iterator(start, schedule.cron_schedule, schedule.execution_timezone)
    utc = [next(ticks).astimezone(UTC) for _ in range(4)]
    assert [f"{tick:%m-%d %H:%M}" for tick in utc] == ["10-31 10:30", "11-01 11:30", "11-02 11:30", "11-03 11:30"]


def test_a_run_that_the_schedule_asks_for_is_of_the_ingest_and_of_all_open_months(instance: dg.DagsterInstance) -> None:
    (schedule,) = DEFS.schedules
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2026, 7, 1, 10, 30, tzinfo=UTC))
    (request,) = schedule.evaluate_tick(context).run_requests
    ingest = DEFS.resolve_job_def(schedule.job_name)
    assert {key.path[0] for key in ingest.asset_layer.executable_asset_keys} == {"raw", "clean", "quarantine"}
    assert MONTHS.get_partition_keys_in_range(
        dg.PartitionKeyRange(request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"])
    ) == ["2026-05", "2026-06", "2026-07"]
