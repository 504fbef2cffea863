"""Publication as an asset: rows that do not keep a released contract are not shown, and what was shown stays."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from rows_of_contracts import some_rows

from kc_pipeline.catalog import releases
from kc_pipeline.catalog.contracts import to_yaml
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.assets.bi import published_snapshots
from kc_pipeline.defs.resources import Platform
from kc_pipeline.settings import load_settings

NOW = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
DAYS = (date(2026, 6, 30), date(2026, 7, 1))
CHECK = "rows_keep_the_released_contracts"
RISK, QUALITY = "marts/business_risk", "marts/source_quality"


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}), lambda: NOW)


def score(platform: Platform, day: date, **wrong: object) -> None:
    """A day's marts in the lake: two places and a feed, the second place with what is wrong."""
    given = {"as_of": day, "snapshot_id": platform.warehouse.next_snapshot_id()}
    places = [{**given, "business_parcel_id": "parcel:1"}, {**given, "business_parcel_id": "parcel:2", **wrong}]
    platform.lake.write(RISK, some_rows(TABLES[RISK], places), partitions=[day.isoformat()])
    platform.lake.write(QUALITY, some_rows(TABLES[QUALITY], [{**given, "feed": "calls_911"}]), partitions=[day.isoformat()])


def publish(platform: Platform, day: date) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [published_snapshots],
            partition_key=day.isoformat(), resources={"platform": platform}, instance=instance, raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )  # fmt: skip


def shown(platform: Platform) -> tuple[set[date], set[str]]:
    """Day and places that the view shows."""
    rows = platform.warehouse.read_view("v1_business_risk_current")
    return set(rows["as_of"].to_pylist()), set(rows["business_parcel_id"].to_pylist())


def test_rows_that_keep_the_contracts_are_published(platform: Platform) -> None:
    score(platform, DAYS[0])
    done = publish(platform, DAYS[0])
    assert done.success
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.blocking, check.metadata["rows"].value) == (CHECK, True, True, 3)
    assert shown(platform) == ({DAYS[0]}, {"parcel:1", "parcel:2"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"risk_score": 120.0}, "v1_business_risk_current.risk_score: is above 100: 120.0 (1 rows)"),
     ({"risk_rank": 0}, "risk_rank: is below 1: 0"),
     ({"risk_score": float("nan")}, "risk_score: is no number"),
     ({"division": "Downtown"}, "division: is none of the known values: 'Downtown'"),
     ({"zip_code": "6410"}, "zip_code: has not the form"),
     ({"longitude": 94.5}, "longitude: is above -94: 94.5")],
)  # fmt: skip
def test_rows_that_break_a_contract_are_not_shown_and_the_pointer_stays(platform: Platform, wrong: dict, said: str) -> None:
    score(platform, DAYS[0])
    assert publish(platform, DAYS[0]).success
    before = platform.warehouse.snapshots()
    score(platform, DAYS[1], **wrong)
    done = publish(platform, DAYS[1])
    assert not done.success
    (check,) = done.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert said in check.description
    assert not done.get_asset_materialization_events()
    assert platform.warehouse.snapshots() == before
    assert shown(platform)[0] == {DAYS[0]}
    score(platform, DAYS[1])
    assert publish(platform, DAYS[1]).success
    assert shown(platform)[0] == {DAYS[1]}


@pytest.fixture
def other_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of released contracts that a test may change."""
    folder = tmp_path / "released"
    folder.mkdir()
    for view, contract in releases.read_released().items():
        (folder / f"{view}.odcs.yaml").write_text(to_yaml(contract))
    monkeypatch.setattr(releases, "released_folder", lambda: folder)
    return folder


def test_the_released_contract_binds_not_the_catalogue(platform: Platform, other_release: Path) -> None:
    """A column that was promised and that the catalogue no longer has is missed, as is a value that may not lack."""
    path = other_release / "v1_source_quality.odcs.yaml"
    promised = path.read_text().replace("name: received_count", "name: delivered_count")
    path.write_text(promised)
    score(platform, DAYS[0])
    done = publish(platform, DAYS[0])
    assert [check.description for check in done.get_asset_check_evaluations()] == [
        "v1_source_quality.delivered_count: the column is not there"
    ]
    assert platform.warehouse.snapshots() == []


def test_a_view_that_was_never_released_is_not_published(platform: Platform, other_release: Path) -> None:
    (other_release / "v1_source_quality.odcs.yaml").unlink()
    score(platform, DAYS[0])
    done = publish(platform, DAYS[0])
    assert not done.success
    assert "was never released: kc contracts release" in done.get_asset_check_evaluations()[0].description
    assert platform.warehouse.snapshots() == []
