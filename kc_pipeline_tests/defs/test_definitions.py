"""The code location: what exists, how it is wired, how lean it loads."""

import subprocess
import sys

import dagster as dg
import pytest

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.build import build_defs

DEFS = build_defs(environ={})
GRAPH = DEFS.resolve_asset_graph()
HEAVY = ("pandas", "geopandas", "great_expectations", "scipy", "pyarrow", "deltalake", "shapely", "sklearn")


def test_the_code_location_loads_without_heavy_libraries() -> None:
    program = f"import sys, kc_pipeline.definitions; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_the_assets_are_those_of_the_design() -> None:
    keys = {key.to_user_string() for key in GRAPH.get_all_asset_keys()}
    layers = {f"{layer}/{feed}" for feed in FEEDS for layer in ("raw", "clean", "quarantine")}
    rest = {
        *(name for name in TABLES if name.split("/")[0] in ("core", "eval", "marts")),
        "warehouse/published_snapshots",
    }
    assert keys == layers | rest


def test_jobs_schedule_and_sensor_exist() -> None:
    assert {job.name for job in DEFS.resolve_all_job_defs()} >= {"ingest", "marts"}
    (schedule,) = DEFS.schedules
    assert (schedule.name, schedule.cron_schedule, schedule.execution_timezone) == ("daily_ingest", "30 5 * * *", "America/Chicago")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_one_switch_starts_schedule_and_automation() -> None:
    on = build_defs(environ={"KC_SCHEDULES": "on"})
    assert [s.default_status for s in on.schedules] == [dg.DefaultScheduleStatus.RUNNING]
    assert {s.default_status for s in on.sensors} == {dg.DefaultSensorStatus.RUNNING}
    assert len(on.sensors) == 4


@pytest.mark.parametrize("key", sorted(GRAPH.get_all_asset_keys()), ids=lambda key: key.to_user_string())
def test_every_asset_tells_what_it_is(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.group_name == key.path[0]
    assert node.description
    assert node.owners
    assert node.kinds
    name = key.to_user_string()
    if name in TABLES:
        schema = node.metadata["dagster/column_schema"]
        assert [column.name for column in getattr(schema, "value", schema).columns] == list(TABLES[name].column_names)


def test_events_are_partitioned_by_month_and_marts_by_day() -> None:
    for feed in EVENT_FEEDS:
        assert isinstance(GRAPH.get(dg.AssetKey(["clean", feed])).partitions_def, dg.MonthlyPartitionsDefinition)
    assert isinstance(GRAPH.get(dg.AssetKey(["marts", "business_risk"])).partitions_def, dg.DailyPartitionsDefinition)


def test_every_clean_core_and_mart_table_and_the_publication_have_blocking_checks() -> None:
    blocking = {key.asset_key.to_user_string() for key in GRAPH.asset_check_keys if GRAPH.get(key).blocking}
    tables = {name for name, table in TABLES.items() if table.layer in {"clean", "core", "marts"}}
    assert blocking == {*tables, "warehouse/published_snapshots"}


def test_event_feeds_have_a_freshness_policy_of_their_own_lag() -> None:
    windows = {feed: GRAPH.get(dg.AssetKey(["clean", feed])).freshness_policy for feed in EVENT_FEEDS}
    assert {feed: policy.warn_window.to_timedelta().days for feed, policy in windows.items()} == {
        "police_reports": 9, "calls_911": 56, "health_inspections": 2, "streetlight_outages": 7, "dumping_complaints": 7,
    }  # fmt: skip
    assert all(policy.fail_window.to_timedelta() > policy.warn_window.to_timedelta() for policy in windows.values())
    assert GRAPH.get(dg.AssetKey(["clean", "parcels"])).freshness_policy is None
    assert GRAPH.get(dg.AssetKey(["marts", "business_risk"])).freshness_policy is not None


def test_marts_descend_from_every_raw_feed() -> None:
    ancestors = GRAPH.get_ancestor_asset_keys(dg.AssetKey(["warehouse", "published_snapshots"]))
    assert {f"raw/{feed}" for feed in FEEDS} <= {key.to_user_string() for key in ancestors}
