"""What Dagster makes of a source's error: it asks again where that can help, and only there."""

from pathlib import Path

import dagster as dg
import pytest

from kc_pipeline.catalog.sources import FEEDS, MissingDataSetError
from kc_pipeline.defs.assets.raw import build_raw_asset
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import feeds
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.settings import load_settings


@pytest.mark.parametrize(
    ("error", "retries"),
    [
        pytest.param(TransientSourceError("parcels: HTTP 503"), 2, marks=pytest.mark.fault(1)),
        pytest.param(OSError(28, "No space left on device"), 2, marks=pytest.mark.fault(30)),
        pytest.param(PermanentSourceError("parcels: HTTP 404"), 0, marks=pytest.mark.fault(8)),
        pytest.param(MissingDataSetError("parcels 2027: no data set"), 0, marks=pytest.mark.fault(19)),
    ],
    ids=["transient", "disk", "permanent", "missing data set"],
)
def test_dagster_asks_again_only_where_that_can_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, retries: int
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(feeds, "refresh_raw", fails)
    job = dg.define_asset_job("refresh", "*", op_retry_policy=dg.RetryPolicy(max_retries=2))
    platform = Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}))
    definitions = dg.Definitions(assets=[build_raw_asset(FEEDS["parcels"])], jobs=[job], resources={"platform": platform})
    done = definitions.resolve_job_def("refresh").execute_in_process(raise_on_error=False)
    told = [event.event_type_value for event in done.all_events]
    assert (done.success, told.count("STEP_UP_FOR_RETRY"), told.count("STEP_FAILURE")) == (False, retries, 1)
