"""A process beside a run finds and makes what the run itself would, and its errors are the run's."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from kc_runs import copied, platform

from kc_pipeline.catalog.rules import AUDITED_TABLES
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.beside import MARTS_BESIDE, Beside, audit_table, begin_audits, begin_marts, outcome, working_beside
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.steps import audits, marts, ordinance, public_counts
from kc_pipeline.sandbox.city import ANCHOR_DATE
from kc_pipeline.sandbox.serving import city_clock

JUDGED: list[tuple[str, date | None]] = [
    ("clean/dumping_complaints", None), ("core/event_attribution", None), ("marts/business_risk", ANCHOR_DATE),
]  # fmt: skip


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_tables_are_judged_alike_beside_the_run_and_in_it(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    found = []
    for name in ("here", "beside"):
        stores = replace(platform(copied(finished_run[0], tmp_path / name)), now=city_clock(ANCHOR_DATE))
        stores = replace(stores, settings=replace(stores.settings, auditor=name))
        stores.lake.path("quality/audit").rename(tmp_path / f"audit-{name}")  # so that all of it is judged anew
        with working_beside(stores) as judged:
            assert (judged.beside is not None) is (name == "beside")
            begin_audits(judged, [table for table, day in JUDGED if day is None])
            found.append([audit_table(judged, table, day) for table, day in JUDGED])
        columns = ["table_name", "rule", "month", "checked_count", "failed_count", "sample", "facts"]
        found.append(audits.read_audit(stores)[columns].sort_values(columns[:3]).to_dict("records"))
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert sum(len(findings) for findings in found[0]) > 30


def test_an_error_beside_the_run_is_an_error_of_its_check(finished_run: tuple[Path, str]) -> None:
    with working_beside(platform(finished_run[0])) as judged, pytest.raises(KeyError, match="clean/nothing"):
        audit_table(judged, "clean/nothing")


def test_a_run_judges_by_itself_once_the_other_process_was_killed(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    stores = platform(copied(finished_run[0], tmp_path / "data"))
    with working_beside(stores) as judged:
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        found = [audit_table(judged, table) for table in ("clean/streets", "clean/districts")]
    assert found == [audits.audit_table(stores, table) for table in ("clean/streets", "clean/districts")]


MART_OF_WORK: dict[Callable[..., object], str] = {
    marts.judge_sources: "marts/source_quality",
    ordinance.count_thresholds: "marts/threshold_status",
    marts.list_actions: "marts/action_items",
    public_counts.count_for_the_public: "marts/public_neighborhood_quarter",
}


class Noted(ProcessPoolExecutor):
    """Begins nothing, but notes what it was asked to begin."""

    def __init__(self) -> None:
        self.begun: list[object] = []

    def submit(self, _do: object, /, *given: object, **_named: object) -> "Future[object]":  # type: ignore[override]
        self.begun.append(given[2])
        return Future()


def test_marts_beside_a_run_are_those_that_the_run_makes(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    made = []
    for name in ("here", "beside"):
        stores = replace(platform(copied(finished_run[0], tmp_path / name)), now=city_clock(ANCHOR_DATE))
        stores = replace(stores, settings=replace(stores.settings, auditor=name))
        shutil.rmtree(stores.settings.lake_dir / "marts")
        with working_beside(stores) as helped:
            if helped.beside is not None:
                for work in MARTS_BESIDE:
                    helped.beside.begin(helped, work, ANCHOR_DATE, "a run")
            for work in MARTS_BESIDE:
                outcome(helped, work, ANCHOR_DATE, "a run")
        of_mart = {mart: stores.lake.read(mart).drop_columns("snapshot_id") for mart in (*MART_OF_WORK.values(), "marts/threshold_events")}
        made.append({mart: rows.sort_by([(name, "ascending") for name in TABLES[mart].key]) for mart, rows in of_mart.items()})
    assert made[0] == made[1]
    assert all(set(rows["run_id"].to_pylist()) == {"a run"} for rows in made[0].values())


def test_a_mart_is_begun_once_all_tables_before_it_are_sound(tmp_path: Path) -> None:
    pool = Noted()
    stores = replace(platform(tmp_path), beside=Beside(pool))
    for table in ("core/located_addresses", "core/business_parcels", "core/event_attribution"):
        begin_marts(stores, table, ANCHOR_DATE, "run")
    assert pool.begun == [marts.judge_sources]
    begin_marts(stores, "marts/source_quality", ANCHOR_DATE, "run")
    assert pool.begun[1:] == [ordinance.count_thresholds, public_counts.count_for_the_public]
    begin_marts(stores, "core/factor_observations", ANCHOR_DATE, "run")
    assert pool.begun[3:] == [marts.list_actions]


@pytest.mark.parametrize(("work", "mart"), MART_OF_WORK.items(), ids=MART_OF_WORK.values())
def test_a_mart_beside_waits_for_what_its_step_waits_for(work: Callable[..., object], mart: str, tmp_path: Path) -> None:
    graph = build_defs(platform=platform(tmp_path)).resolve_asset_graph()
    before = {parent.to_user_string() for parent in graph.get(dg.AssetKey(mart.split("/"))).parent_keys}
    assert MARTS_BESIDE[work] == {table for table in before if not table.startswith("clean/")}
    assert MARTS_BESIDE[work] <= set(AUDITED_TABLES)
