"""The code location put together; tests, the command line and the UI all get it from here."""

import os
from collections.abc import Mapping

import dagster as dg

from kc_pipeline.defs.alerts import build_alert_sensors
from kc_pipeline.defs.assets.bi import BI_ASSETS, BI_CHECKS
from kc_pipeline.defs.assets.clean import CLEAN_ASSETS
from kc_pipeline.defs.assets.core import CORE_ASSETS
from kc_pipeline.defs.assets.evaluation import EVALUATION_ASSETS
from kc_pipeline.defs.assets.marts import MART_ASSETS
from kc_pipeline.defs.assets.raw import RAW_ASSETS
from kc_pipeline.defs.automation import build_automation_sensor, build_schedule, ingest_job, marts_job
from kc_pipeline.defs.changes import build_change_sensor
from kc_pipeline.defs.checks import ASSET_CHECKS
from kc_pipeline.defs.describe import describe_assets
from kc_pipeline.defs.executors import find_executor
from kc_pipeline.defs.resources import Platform
from kc_pipeline.settings import load_settings


def build_defs(*, platform: Platform | None = None, environ: Mapping[str, str] | None = None) -> dg.Definitions:
    """All definitions of the code location.

    Args:
        platform: what the assets work on; None: made from the environment.
        environ: the environment; None: this process's own.
    """
    platform = platform or Platform(load_settings(os.environ if environ is None else environ))
    is_on = platform.settings.schedules_on
    return dg.Definitions(
        assets=describe_assets([*RAW_ASSETS, *CLEAN_ASSETS, *CORE_ASSETS, *EVALUATION_ASSETS, *MART_ASSETS, *BI_ASSETS]),
        asset_checks=[*ASSET_CHECKS, *BI_CHECKS],
        jobs=[ingest_job, marts_job],
        schedules=[build_schedule(is_on)],
        sensors=[build_automation_sensor(is_on), build_change_sensor(platform, is_on), *build_alert_sensors(platform, is_on)],
        resources={"platform": dg.ResourceDefinition.hardcoded_resource(platform)},
        executor=find_executor(platform.settings.executor, platform.settings.dask_address),
    )
