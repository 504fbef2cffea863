"""What runs when: the daily ingest, and the core tables and marts that follow by themselves."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import dagster as dg

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.defs.partitions import OPEN, RANGE_END, RANGE_START, REFRESH, open_from

_INGEST = dg.AssetSelection.groups("raw", "clean", "quarantine")
_MARTS = dg.AssetSelection.groups("core", "eval", "marts", "warehouse")

# Months that a feed never had are no reason to wait; a failed blocking check is.
_EAGER = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
_CHECKED = dg.AutomationCondition.all_deps_blocking_checks_passed()
# Core tables, and marts of a day, are asked for together, so that their own blocking checks hold up the rest inside the run.
_CLEAN_CHECKED = _CHECKED.ignore(dg.AssetSelection.groups("core"))
_CORE_CHECKED = _CHECKED.ignore(dg.AssetSelection.groups("eval", "marts"))
WHEN_INPUTS_CHANGED = (_EAGER & _CLEAN_CHECKED).with_label("when an input changed and its checks passed")

# Core tables and marts are partitioned differently, so they run apart: a mart waits until the core run is done instead of
# being asked for together with it. Marts of one day are asked for together. Of the days, only the newest is asked for.
_CORE_IS_DONE = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.newly_updated()).ignore(
    dg.AssetSelection.groups("clean")
) | dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested()).ignore(dg.AssetSelection.groups("core", "clean"))
WHEN_CORE_IS_DONE = (_EAGER.replace("any_deps_updated", _CORE_IS_DONE) & _CORE_CHECKED).with_label(
    "today's, when an input was made and checked"
)

ingest_job = dg.define_asset_job(
    "ingest",
    selection=_INGEST,
    description=(
        "Refresh every feed. By the schedule: open months, and by itself whatever is missing or changed at the source. "
        "By hand or as a backfill: the months asked for and no other."
    ),
)
marts_job = dg.define_asset_job(
    "marts",
    selection=_MARTS,
    description="Tie events to business parcels, score a day and publish it.",
)


def month_range_tags(as_of: date) -> dict[str, str]:
    """Tags that make one run refresh the months that are open on a day, and whatever is missing."""
    return {RANGE_START: open_from(as_of), RANGE_END: as_of.strftime("%Y-%m"), REFRESH: OPEN}


def build_schedule(is_on: bool) -> dg.ScheduleDefinition:
    """The ingest of every morning at 05:30, America/Chicago."""
    status = dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name="daily_ingest", job=ingest_job, cron_schedule="30 5 * * *", execution_timezone=TIME_ZONE, default_status=status,
        description="Refreshes the open months of every feed; core tables and today's marts follow by automation.",
    )  # fmt: skip
    def daily_ingest(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        morning: datetime = context.scheduled_execution_time.astimezone(ZoneInfo(TIME_ZONE))
        return dg.RunRequest(run_key=morning.date().isoformat(), tags=month_range_tags(morning.date()))

    return daily_ingest


def build_automation_sensor(is_on: bool) -> dg.AutomationConditionSensorDefinition:
    """The sensor that lets core tables and marts follow their inputs."""
    status = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED
    return dg.AutomationConditionSensorDefinition("marts_follow_inputs", target=_MARTS, default_status=status, minimum_interval_seconds=30)
