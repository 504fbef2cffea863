"""Sensors that tell people how runs ended and how the platform stands (kc_pipeline/alerts.py says how)."""

from collections.abc import Mapping

import dagster as dg

from kc_pipeline.defs.resources import Platform


def said_of_failure(event: dg.DagsterEvent) -> str:
    """Why a step failed, in the words of whoever raised it."""
    data = event.step_failure_data
    said = data.user_failure_data.description if data.user_failure_data else None
    cause = data.error.cause or data.error if data.error else None
    return said or (cause.message.strip() if cause else "unknown error")


def build_alert_sensors(platform: Platform, is_on: bool) -> list[dg.SensorDefinition]:
    """One sensor for runs that failed, one for runs that ended well: a run that ends well may have found something."""
    status = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED

    def tell(job: str, failures: Mapping[str, str]) -> None:
        from kc_pipeline.defs.steps.alerts import notifier, run_alerts, state_alerts

        notifier(platform).tell([*run_alerts(job, failures), *state_alerts(platform)])

    @dg.run_failure_sensor(
        name="tell_of_failed_runs",
        default_status=status,
        description="Tells by log, webhook or e-mail why a run failed, and what stands open.",
    )
    def tell_of_failed_runs(context: dg.RunFailureSensorContext) -> None:
        failures = {str(event.step_key): said_of_failure(event) for event in context.get_step_failure_events()}
        tell(context.dagster_run.job_name, failures or {"run": context.failure_event.message or "unknown error"})

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="tell_what_stands_open",
        default_status=status,
        description="Tells of sources that are not fresh and of rules that are broken, once until it changes or a day has passed.",
    )
    def tell_what_stands_open(context: dg.RunStatusSensorContext) -> None:
        tell(context.dagster_run.job_name, {})

    return [tell_of_failed_runs, tell_what_stands_open]
