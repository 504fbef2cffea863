"""Run monitoring with our own dagster.yaml: what Dagster's daemon does with runs that hang. It has no public entrance for this."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test, freeze_time
from dagster._daemon.monitoring.run_monitoring import check_run_timeout, monitor_starting_run

LAUNCHED = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
LOG = logging.getLogger(__name__)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text(resources.files("kc_pipeline.deploy").joinpath("dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        assert made.run_monitoring_enabled
        yield made


def run_that_is(instance: dg.DagsterInstance, *events: dg.DagsterEventType) -> str:
    """The id of a run whose last news is of the moment of its launch."""
    with freeze_time(LAUNCHED):
        run = create_run_for_test(instance, status=dg.DagsterRunStatus.NOT_STARTED)
        for event in events:
            instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run.run_id)
    return run.run_id


def status_after(instance: dg.DagsterInstance, run_id: str, seconds: float) -> dg.DagsterRunStatus:
    """How the run stands once the daemon has looked at it so long after its launch."""
    with freeze_time(LAUNCHED + timedelta(seconds=seconds)):
        record = instance.get_run_record_by_id(run_id)
        if record.dagster_run.status == dg.DagsterRunStatus.STARTED:
            check_run_timeout(instance, record, LOG, float(instance.run_monitoring_max_runtime_seconds))
        else:
            monitor_starting_run(instance, record, LOG)
    return instance.get_run_by_id(run_id).status


def test_a_run_that_does_not_start_within_three_minutes_has_failed(instance: dg.DagsterInstance) -> None:
    run_id = run_that_is(instance, dg.DagsterEventType.RUN_STARTING)
    assert status_after(instance, run_id, 170) == dg.DagsterRunStatus.STARTING
    assert status_after(instance, run_id, 181) == dg.DagsterRunStatus.FAILURE


def test_a_run_that_takes_longer_than_three_hours_is_ended(instance: dg.DagsterInstance) -> None:
    run_id = run_that_is(instance, dg.DagsterEventType.RUN_STARTING, dg.DagsterEventType.RUN_START)
    assert status_after(instance, run_id, 3 * 3600 - 10) == dg.DagsterRunStatus.STARTED
    assert status_after(instance, run_id, 3 * 3600 + 1) == dg.DagsterRunStatus.FAILURE
