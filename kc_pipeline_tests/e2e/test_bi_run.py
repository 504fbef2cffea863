"""What a finished run publishes, as its readers get it: contracts kept, keys that point somewhere, exports whole."""

import json
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import sqlalchemy as sa
from kc_runs import kc, platform

from kc_pipeline.catalog.compatibility import columns_of
from kc_pipeline.catalog.releases import contract_text, read_released
from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.quality.contracts import breaches

RELEASED = read_released()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_keeps_its_released_contract(finished_run: tuple[Path, str], view: str) -> None:
    warehouse = platform(finished_run[0]).warehouse
    assert [str(one) for one in breaches(view, RELEASED[view], warehouse.read_view(view))] == []
    laws = [rule for rule in RELEASED[view]["schema"][0]["quality"] if rule.get("type") == "sql"]
    with warehouse.engine.connect() as connection:
        assert {law["name"]: connection.scalar(sa.text(law["query"])) for law in laws} == {law["name"]: law["mustBe"] for law in laws}


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_column_points_to_is_there(finished_run: tuple[Path, str], view: str) -> None:
    with platform(finished_run[0]).warehouse.engine.connect() as connection:
        for name, column in columns_of(RELEASED[view]).items():
            for relation in column.get("relationships", ()):
                target, key = relation["to"].partition("#/schema/")[2].split("/properties/")
                lost = f"select count(*) from {view} where {name} not in (select {key} from {target})"
                assert connection.scalar(sa.text(lost)) == 0, relation["to"]


def test_an_export_holds_every_view_with_its_contract(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    done = kc(finished_run[0], "export", str(tmp_path / "bi"))
    assert done.returncode == 0, done.stderr
    views = json.loads((tmp_path / "bi" / "export.json").read_text())["views"]
    assert set(views) == set(VIEWS)
    warehouse = platform(finished_run[0]).warehouse
    for view in VIEWS:
        rows = warehouse.read_view(view)
        assert (
            views[view][f"{view}.csv"]["rows"]
            == rows.num_rows
            == len(pd.read_csv(tmp_path / "bi" / view / f"{view}.csv", low_memory=False))
        )
        assert (tmp_path / "bi" / view / f"{view}.odcs.yaml").read_text() == contract_text(view)
    points = gpd.read_file(tmp_path / "bi" / "v1_business_risk_current" / "v1_business_risk_current.gpkg")
    model_case = points[points["business_names"] == "EXPRESS STOP"]
    assert (model_case["homicide_count_365d"].tolist(), model_case["police_reports_count_365d"].tolist()) == ([1], [14])


def test_an_export_of_one_view_and_day_in_one_format(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    chosen = ["--view", "v1_source_quality", "--format", "csv", "--as-of", "2026-07-01"]
    assert kc(finished_run[0], "export", str(tmp_path / "one"), *chosen).returncode == 0
    assert sorted(path.name for path in (tmp_path / "one" / "v1_source_quality").iterdir()) == [
        "datapackage.json", "v1_source_quality.csv", "v1_source_quality.odcs.yaml",
    ]  # fmt: skip
    assert set(pd.read_csv(tmp_path / "one" / "v1_source_quality" / "v1_source_quality.csv")["as_of"]) == {"2026-07-01"}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--as-of", "2026-01-01"], "nothing of 2026-01-01 was published"),
     (["--view", "v1_source_quality", "--format", "geojson"], "none of v1_source_quality has positions")],
)  # fmt: skip
def test_an_export_that_cannot_be_made_says_why_and_writes_nothing(
    finished_run: tuple[Path, str], tmp_path: Path, words, said: str
) -> None:
    done = kc(finished_run[0], "export", str(tmp_path / "none"), *words)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert not (tmp_path / "none").exists()


def test_an_export_never_replaces_a_foreign_folder(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    done = kc(finished_run[0], "export", str(tmp_path / "mine"))
    assert (done.returncode, "choose another one" in done.stderr) == (1, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
