"""Ingest and marts in one process, the way the schedule and the automation run them one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from kc_pipeline.defs.alerts import said_of_failure
from kc_pipeline.defs.automation import month_range_tags
from kc_pipeline.defs.beside import begin_marts, keep_audits
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.instance import kept_open
from kc_pipeline.defs.partitions import open_from
from kc_pipeline.defs.puller import pulling_ahead
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.audits import write_report
from kc_pipeline.defs.steps.feeds import PULL_ORDER

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RunReport:
    """How a run went.

    Attributes:
        as_of: the day that was scored.
        failures: step -> message, for steps that failed.
        failed_checks: 'asset: check' of blocking checks that failed.
        published: whether the marts were made and published.
        pulls: feed -> parts (months or snapshots) newly pulled, and parts that hold what they held before.
        audit: the report of the audit; None if no table was judged.
    """

    as_of: date
    failures: dict[str, str]
    failed_checks: list[str]
    published: bool
    pulls: dict[str, tuple[int, int]]
    audit: Path | None


def run_once(platform: Platform, as_of: date | Callable[[Platform], date], instance: dg.DagsterInstance) -> RunReport:
    """Refresh every feed, then score and publish a day.

    A feed that fails leaves its last good data and the others go on; a failed blocking check leaves the published marts
    as they were.

    Args:
        platform: what to work on.
        as_of: the day, or a function that finds it once the feeds are refreshed.
        instance: Dagster instance that records the runs.
    """
    open_day = platform.now().date() if callable(as_of) else as_of
    opens = {"event": open_from(open_day), "reference": open_from(platform.now().date())}
    with pulling_ahead(platform, [(feed, opens[feed.kind]) for feed in PULL_ORDER]) as pulled:
        defs = build_defs(platform=pulled)
        ingest = execute_quietly(defs.resolve_job_def("ingest"), instance, tags=month_range_tags(open_day))
    failures, pulls = step_failures(ingest), pulled_parts(ingest)
    failed_checks, audit = blocking_failures(ingest), _audit(platform, ingest)
    day = as_of(platform) if callable(as_of) else as_of
    if failed_checks:
        return RunReport(day, failures, failed_checks, False, pulls, audit)
    run_id = str(uuid4())
    begin_marts(platform, day, run_id)
    marts = execute_quietly(defs.resolve_job_def("marts"), instance, run_id, partition_key=day.isoformat())
    audit = _audit(platform, marts) or audit
    return RunReport(day, failures | step_failures(marts), blocking_failures(marts), marts.success, pulls, audit)


def execute_quietly(
    job: dg.JobDefinition, instance: dg.DagsterInstance, run_id: str | None = None, **how: Any
) -> dg.ExecuteInProcessResult:
    """Run a job in this process, with nothing on the console; a step that fails does not raise.

    Args:
        job: the job.
        instance: Dagster instance that records the run.
        run_id: its id; None: a new one.
        how: tags, partition_key or asset_selection, as `execute_in_process` takes them.
    """
    run_id = run_id or str(uuid4())
    with kept_open(instance, run_id):
        return job.execute_in_process(instance=instance, run_id=run_id, run_config=_QUIET, raise_on_error=False, **how)


def _audit(platform: Platform, run: dg.ExecuteInProcessResult) -> Path | None:
    """The report of a run, written now that it is over, when what was found is kept; None if it judged no table."""
    keep_audits(platform)
    return write_report(platform, run.run_id) if run.get_asset_check_evaluations() else None


def blocking_failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """'asset: check' of each blocking check of a run that failed."""
    return [
        f"{check.asset_key.to_user_string()}: {check.check_name}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.blocking
    ]


def step_failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Step -> message, of each step of a run that failed."""
    failures = {}
    for event in result.all_events:
        if event.is_step_failure:
            failures[str(event.step_key)] = said_of_failure(event)
    return failures


def pulled_parts(result: dg.ExecuteInProcessResult) -> dict[str, tuple[int, int]]:
    """Feed -> parts that a run pulled anew, and parts that hold what they held before."""
    pulls = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        if "pulled_parts" in materialization.metadata:
            counts = [materialization.metadata[name].value for name in ("pulled_parts", "unchanged_parts")]
            pulls[materialization.asset_key.path[-1]] = (int(str(counts[0])), int(str(counts[1])))
    return pulls
