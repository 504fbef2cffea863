"""Dagster's own records while a run writes its events."""

from pathlib import Path
from uuid import uuid4

import dagster as dg

from kc_pipeline.defs.instance import dagster_instance, kept_open
from kc_pipeline.settings import load_settings


@dg.asset
def table() -> dg.MaterializeResult[None]:
    """An asset with a row count."""
    return dg.MaterializeResult(metadata={"dagster/row_count": 3})


@dg.asset_check(asset=table)
def holds() -> dg.AssetCheckResult:
    """A check."""
    return dg.AssetCheckResult(passed=True)


def test_events_are_there_for_others_during_a_run_that_keeps_its_files_open_and_after_it(tmp_path: Path) -> None:
    settings, run_id = load_settings({"KC_DATA_DIR": str(tmp_path)}), str(uuid4())
    job = dg.Definitions(assets=[table], asset_checks=[holds], jobs=[dg.define_asset_job("all_of_it")]).resolve_job_def("all_of_it")
    with dagster_instance(settings) as instance:
        before = dict(vars(instance.event_log_storage))
        with kept_open(instance, run_id):
            assert "_connect" in vars(instance.event_log_storage)
            assert job.execute_in_process(instance=instance, run_id=run_id).success
            with dg.DagsterInstance.get() as other:
                made = other.get_latest_materialization_event(table.key)
                assert made is not None
                assert made.run_id == run_id
        assert {name: vars(instance.event_log_storage)[name] for name in before} == before
        assert "_connect" not in vars(instance.event_log_storage)
    with dg.DagsterInstance.get() as later:
        assert later.all_logs(run_id)[-1].dagster_event_type == dg.DagsterEventType.PIPELINE_SUCCESS
        assert later.event_log_storage.get_asset_check_execution_history(holds.check_key, limit=5)[0].run_id == run_id
