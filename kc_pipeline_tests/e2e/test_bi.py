"""What a reader of the warehouse finds after a run: on SQLite and PostgreSQL, by SQL and by `kc`."""

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from kc_runs import kc, platform

from kc_pipeline.catalog.views import PUBLISHED_MARTS, VIEWS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import marts
from kc_pipeline.defs.steps.frames import read_frame
from kc_pipeline.store.engines import open_engine
from kc_pipeline.store.warehouse import Warehouse

AS_OF = date(2026, 7, 1)
PAGE = Path(__file__).parents[2] / "docs" / "reading-the-tables.md"


def question_of_the_readme() -> str:
    [sql] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(sql)


def published_to(url: str, stores: Platform) -> Warehouse:
    """The same marts in another warehouse."""
    other = Platform(replace(stores.settings, warehouse_url=url))
    assert marts.publish_marts(other, marts.read_marts(other, AS_OF), "by hand").is_current
    return other.warehouse


@pytest.fixture(scope="module")
def stores(finished_run: tuple[Path, str]) -> Platform:
    return platform(finished_run[0])


def test_every_view_has_rows_and_those_of_its_mart(stores: Platform) -> None:
    for mart, view in PUBLISHED_MARTS.items():
        assert stores.warehouse.read_view(view).num_rows == stores.lake.count(mart) > 0


def test_both_engines_say_the_same(stores: Platform, postgres_database: Callable[..., str]) -> None:
    other = published_to(postgres_database(with_postgis=True), stores)
    for view in VIEWS.values():
        order = [(name, "ascending") for name in view.contract.key]
        ours, theirs = (warehouse.read_view(view.name).sort_by(order) for warehouse in (stores.warehouse, other))
        assert ours.equals(theirs), view.name


def test_the_question_of_the_readme_is_answered_by_one_statement(stores: Platform, postgres_database: Callable[..., str]) -> None:
    url = postgres_database()
    published_to(url, stores)
    items, risk = read_frame(stores, "marts/action_items"), read_frame(stores, "marts/business_risk")
    lights = items[(items["condition"] == "streetlight_outage") & (items["distance_m"] <= 100)]
    both = lights.merge(
        risk[["business_parcel_id", "main_business_type", "council_district", "risk_trend", "risk_rank"]],
        on="business_parcel_id",
        suffixes=("", "_of_place"),
    )
    group = ["main_business_type", "council_district_of_place", "risk_trend"]
    kind, district, trend = both.groupby(group).size().idxmax()
    chosen = both[(both[group] == [kind, district, trend]).all(axis=1)]
    expected = chosen.groupby("risk_rank").agg(
        open_outages=("distance_m", "size"), nearest=("distance_m", "min"), days=("open_days", "max")
    )
    sql = question_of_the_readme()
    asked = {"'convenience_store'": f"'{kind}'", "= '3'": f"= '{district}'", "'rising'": f"'{trend}'"}
    for was, now in asked.items():
        assert was in sql
        sql = sql.replace(was, now)
    answers = []
    for engine in (stores.warehouse.engine, open_engine(url)):
        with engine.connect() as connection:
            connection.execute(sa.text(question_of_the_readme()))
            answers.append([tuple(row) for row in connection.execute(sa.text(sql))])
    assert answers[0] == answers[1]
    found = [(row[0], *row[5:8]) for row in answers[0]]
    assert found == [tuple(row) for row in expected.sort_index().head(10).reset_index().itertuples(index=False)]
    assert {row[8:] for row in answers[0]} == {("city", "Public Works")}


def test_the_score_and_the_count_stand_in_no_view_together(stores: Platform) -> None:
    for view in VIEWS:
        assert not {"risk_score", "confirmed_count"} <= set(stores.warehouse.read_view(view).column_names)


def test_plain_clients_read_the_views(stores: Platform, postgres_database: Callable[..., str]) -> None:
    url = postgres_database()
    published_to(url, stores)
    count = stores.lake.count("marts/business_risk")
    query = "select count(*) from v1_business_risk_current where latitude between 38.5 and 39.5 or latitude is null"
    with sqlite3.connect(f"file:{stores.warehouse.location}?mode=ro", uri=True) as client:
        assert client.execute(query).fetchone() == (count,)
    if shutil.which("psql"):
        done = subprocess.run(["psql", url, "-Atc", query], capture_output=True, text=True, check=True)  # noqa: S603, S607
        assert done.stdout.strip() == str(count)


def test_kc_says_what_was_published_and_what_was_said_by_when(finished_run: tuple[Path, str]) -> None:
    folder = finished_run[0]
    listed = kc(folder, "snapshots").stdout
    assert all(mart in listed for mart in PUBLISHED_MARTS)
    shown = kc(folder, "table", "v1_action_list", "--columns", "action,responsible_party", "--rows", "3").stdout
    assert "Repair the streetlight" in shown or "Correct the property violation" in shown
    assert re.search(r"3 of [\d,]+ rows, 2 of 25 columns", shown)
    same = kc(folder, "table", "v1_source_quality", "--as-of", "2026-07-01", "--known-at", "2027-01-01", "--changes")
    assert "0 of 0 changes since then" in same.stdout, same.stderr
    early = kc(folder, "table", "v1_source_quality", "--known-at", "2026-01-01")
    assert early.returncode == 1
    assert "nothing was published by 2026-01-01" in early.stderr
    wrong = kc(folder, "table", "v1_source_quality", "--columns", "feed,nothing")
    assert "has no column nothing" in wrong.stderr


def test_kc_exports_what_is_published(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    folder, target = finished_run[0], tmp_path / "exports"
    done = kc(folder, "export", str(target), "--view", "v1_business_risk_current", "--format", "csv", "--format", "geopackage")
    assert done.returncode == 0, done.stderr
    count = platform(folder).lake.count("marts/business_risk")
    assert re.search(rf"v1_business_risk_current\.csv\s+│ {count:,}\s+│", done.stdout)
    home = target / "v1_business_risk_current"
    assert {path.suffix for path in home.iterdir()} == {".csv", ".gpkg", ".json", ".yaml"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    refused = kc(folder, "export", str(tmp_path / "other"))
    assert refused.returncode == 1
    assert "choose another" in refused.stderr


def test_a_spoilt_view_is_noticed(stores: Platform, tmp_path: Path) -> None:
    other = Platform(replace(stores.settings, warehouse_url=f"sqlite:///{tmp_path / 'w.sqlite'}"))
    marts.publish_marts(other, marts.read_marts(other, AS_OF), "by hand")
    assert marts.check_views(other) == []
    with other.warehouse.engine.begin() as connection:
        connection.execute(sa.text("drop view v1_source_quality"))
        connection.execute(sa.text("create view v1_source_quality as select * from source_quality_history where feed <> 'calls_911'"))
        connection.execute(sa.text("drop view v1_dim_feed"))
        connection.execute(sa.text("create view v1_dim_feed as select feed from dim_feed"))
    said = [str(breach) for breach in marts.check_views(other)]
    assert len(said) == 2
    assert "v1_source_quality.view: shows 12 rows, and 13 were published" in said[0]
    assert "v1_dim_feed.view: cannot be read" in said[1]
