"""A process beside a run finds and makes what the run itself would, and its errors are the run's."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from kc_runs import copied, platform

from kc_pipeline.catalog.rule_model import TableLaw
from kc_pipeline.catalog.rules import AUDITED_TABLES, RULES
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.catalog.views import PUBLISHED_MARTS, VIEWS
from kc_pipeline.defs.beside import (
    CLEANED_BESIDE,
    MARTS_BESIDE,
    Beside,
    audit_fairness,
    audit_table,
    begin_audits,
    begin_cleaning,
    begin_fairness,
    begin_marts,
    clean_feed,
    keep_audits,
    make_mart,
    stage_mart,
    staged_mart,
    working_beside,
)
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.second_process import SecondProcess
from kc_pipeline.defs.steps import audits, marts, ordinance, public_counts
from kc_pipeline.quality.checks import Finding
from kc_pipeline.sandbox.city import ANCHOR_DATE
from kc_pipeline.sandbox.serving import city_clock

JUDGED: list[tuple[str, date | None]] = [
    ("clean/dumping_complaints", None), ("core/event_attribution", None), ("marts/business_risk", ANCHOR_DATE),
]  # fmt: skip


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@contextmanager
def beside(stores: Platform) -> Iterator[Platform]:
    """The same stores, with a process beside a run on them, if their settings want one."""
    with working_beside(stores.settings) as working:
        yield replace(stores, beside=working)


def test_tables_are_judged_alike_beside_the_run_and_in_it(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    found = []
    for name in ("here", "beside"):
        stores = replace(platform(copied(finished_run[0], tmp_path / name)), now=city_clock(ANCHOR_DATE))
        stores = replace(stores, settings=replace(stores.settings, auditor=name))
        stores.lake.path("quality/audit").rename(tmp_path / f"audit-{name}")  # so that all of it is judged anew
        with beside(stores) as judged:
            assert (judged.beside is not None) is (name == "beside")
            begin_audits(judged, [table for table, day in JUDGED if day is None])
            found.append([audit_table(judged, table, day) for table, day in JUDGED])
            keep_audits(judged)
        columns = ["table_name", "rule", "month", "checked_count", "failed_count", "sample", "facts"]
        found.append(audits.read_audit(stores)[columns].sort_values(columns[:3]).to_dict("records"))
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert sum(len(findings) for findings in found[0]) > 30


def test_an_error_beside_the_run_is_an_error_of_its_check(finished_run: tuple[Path, str]) -> None:
    with beside(platform(finished_run[0])) as judged, pytest.raises(KeyError, match="clean/nothing"):
        audit_table(judged, "clean/nothing")


def test_a_run_judges_by_itself_once_the_other_process_was_killed(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    stores = platform(copied(finished_run[0], tmp_path / "data"))
    with beside(stores) as judged:
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
        found = [audit_table(judged, table) for table in ("clean/streets", "clean/districts")]
        keep_audits(judged)
    assert found == [audits.audit_table(stores, table) for table in ("clean/streets", "clean/districts")]


def test_feeds_are_cleaned_alike_beside_the_run_and_in_it(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    """Also while the run cleans another feed: both write the account of all feeds."""
    made = []
    for name in ("here", "beside"):
        stores = replace(platform(copied(finished_run[0], tmp_path / name)), now=city_clock(ANCHOR_DATE))
        stores = replace(stores, settings=replace(stores.settings, auditor=name))
        for layer in ("clean", "quarantine", "quality"):
            shutil.rmtree(stores.settings.lake_dir / layer)
        with beside(stores) as helped:
            for feed in FEEDS.values():
                begin_cleaning(helped, feed)
            reports = {feed.name: clean_feed(helped, feed) for feed in FEEDS.values()}
        assert stores.lake.alterations("quality/reconciliation") == []
        kept = {table: stores.lake.read(table) for table in TABLES if table.startswith(("clean/", "quarantine/", "quality/reconciliation"))}
        rows = {table: held.sort_by([(key, "ascending") for key in TABLES[table].key]) for table, held in kept.items()}
        made.append((rows, {name: (report.row_count, report.total("received_count")) for name, report in reports.items()}))
    assert made[0] == made[1]
    assert all(made[0][1][feed][0] for feed in CLEANED_BESIDE)


def test_an_error_of_cleaning_beside_the_run_is_an_error_of_its_step(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    stores = platform(copied(finished_run[0], tmp_path / "data"))
    feed = FEEDS["dumping_complaints"]
    for page in (stores.settings.raw_dir / feed.name).rglob("*page*"):
        page.unlink()
    shutil.rmtree(stores.settings.lake_dir / "clean" / feed.name)
    with beside(stores) as helped:
        begin_cleaning(helped, feed)
        with pytest.raises(Exception, match=feed.name):
            clean_feed(helped, feed)


_RUN = """
import os, sys, time
from multiprocessing import active_children
from pathlib import Path
from kc_pipeline.defs.beside import working_beside
from kc_pipeline.settings import load_settings

if __name__ == "__main__":
    os.cpu_count = lambda: 2
    with working_beside(load_settings({"KC_DATA_DIR": sys.argv[1]})) as beside:
        assert beside is not None
        print(*(child.pid for child in active_children()), flush=True)
        time.sleep(600)
"""


def test_the_process_beside_a_run_ends_with_it_also_when_it_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(_RUN)
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True) as run:  # noqa: S603 - ours
        assert run.stdout is not None
        beside = int(run.stdout.readline())
        assert Path(f"/proc/{beside}").exists()
        run.kill()
    until = time.monotonic() + 60
    while _lives(beside):
        assert time.monotonic() < until, "it outlived its run"
        time.sleep(0.1)


def _lives(process: int) -> bool:
    """Whether a process is there, and is no zombie that waits for somebody to ask after it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


MART_OF_WORK: dict[Callable[..., object], str] = {
    marts.judge_sources: "marts/source_quality",
    ordinance.count_thresholds: "marts/threshold_status",
    marts.list_actions: "marts/action_items",
    marts.list_dimensions: "marts/dim_business",
    public_counts.count_for_the_public: "marts/public_neighborhood_quarter",
}


def audited(table: str) -> list[tuple[object, ...]]:
    """Both halves of its audit."""
    return [(audits.judge_rows, table), (audits.judge_laws, table)]


class Noted(ProcessPoolExecutor):
    """Does nothing, but notes what it was given; tables that it is to judge are found sound, or not."""

    def __init__(self, *unsound: str) -> None:
        self.given: list[tuple[object, ...]] = []
        self._unsound = unsound

    def submit(self, _do: object, _settings: object, _moment: object, work: object, arguments: tuple[str, ...]) -> "Future[object]":  # type: ignore[override]
        self.given.append((work, arguments[0]) if work in (audits.judge_rows, audits.judge_laws) else (work,))
        found = [Finding(rule.name, arguments[0] not in self._unsound, {}) for rule in RULES.get(arguments[0], ())]
        of_laws = [finding for finding, rule in zip(found, RULES.get(arguments[0], ()), strict=True) if isinstance(rule.test, TableLaw)]
        of_rows = [finding for finding in found if finding not in of_laws]
        done: Future[object] = Future()
        done.set_result(audits.JudgedRows(of_rows, pd.DataFrame(), "") if work is audits.judge_rows else of_laws)
        return done


def test_marts_beside_a_run_are_those_that_the_run_makes(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    made = []
    for name in ("here", "beside"):
        stores = replace(platform(copied(finished_run[0], tmp_path / name)), now=city_clock(ANCHOR_DATE))
        stores = replace(stores, settings=replace(stores.settings, auditor=name))
        shutil.rmtree(stores.settings.lake_dir / "marts")
        with beside(stores) as helped:
            if helped.beside is not None:
                begin_marts(helped, ANCHOR_DATE, "a run")
                begin_audits(helped, {table for mart in MARTS_BESIDE.values() for table in mart.needed if table.startswith("core/")})
            for work in MARTS_BESIDE:
                make_mart(helped, work, ANCHOR_DATE, "a run")
        of_mart = {mart: stores.lake.read(mart).drop_columns("snapshot_id") for mart in (*MART_OF_WORK.values(), "marts/threshold_events")}
        made.append({mart: rows.sort_by([(name, "ascending") for name in TABLES[mart].key]) for mart, rows in of_mart.items()})
    assert made[0] == made[1]
    assert all(set(rows["run_id"].to_pylist()) == {"a run"} for rows in made[0].values())


def test_the_fairness_audit_beside_a_run_is_that_of_the_run(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    made = []
    for name in ("here", "beside"):
        stores = replace(platform(copied(finished_run[0], tmp_path / name)), now=city_clock(ANCHOR_DATE))
        stores = replace(stores, settings=replace(stores.settings, auditor=name))
        shutil.rmtree(stores.settings.lake_dir / "eval" / "fairness_audit")
        with beside(stores) as helped:
            begin_fairness(helped, ANCHOR_DATE)
            commit, rows, sentences = audit_fairness(helped, ANCHOR_DATE)
        assert stores.lake.read("eval/fairness_audit").num_rows == commit.row_count == len(rows) > 0
        made.append((rows.to_dict("records"), sentences))
    assert made[0] == made[1]


def test_a_publication_takes_over_what_was_written_ahead_beside_the_run(
    finished_run: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kc_pipeline.store.warehouse._WORTH_STAGING", 100)  # rows; the city is small
    made, taken = [], []
    for name in ("here", "beside"):
        stores = platform(copied(finished_run[0], tmp_path / name))
        Path(stores.warehouse.location).unlink()
        with ThreadPoolExecutor(1) as pool:
            process = SecondProcess(pool)
            helped = replace(stores, beside=Beside(process) if name == "beside" else None)
            begin_audits(helped, PUBLISHED_MARTS, ANCHOR_DATE)
            while process._waiting or process._is_busy:
                time.sleep(0.01)
            day = marts.read_marts(helped, ANCHOR_DATE)

            def ahead(mart: str, helped: Platform = helped) -> object:
                found = staged_mart(helped, mart, ANCHOR_DATE)
                taken.extend([mart] if found else [])
                return found

            marts.publish_marts(helped, day, "a run", ahead)  # type: ignore[arg-type]
        made.append(
            {view: helped.warehouse.read_view(view).sort_by([(n, "ascending") for n in VIEWS[view].contract.key]) for view in VIEWS}
        )
    assert made[0] == made[1]
    assert {"marts/business_risk", "marts/business_risk_factors", "marts/action_items"} <= set(taken)


def test_what_was_written_ahead_is_gone_when_the_run_is_over(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    stores = platform(copied(finished_run[0], tmp_path / "data"))
    folder = stores.settings.staged_dir
    folder.mkdir()
    (folder / "left.sqlite").write_text("of a run that was killed")
    with beside(stores):
        assert not folder.exists()
        folder.mkdir()
    assert not folder.exists()


def test_where_nothing_can_be_written_ahead_the_publication_hands_everything_over(
    finished_run: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kc_pipeline.store.warehouse._WORTH_STAGING", 1)
    stores = platform(copied(finished_run[0], tmp_path / "data"))
    stores.settings.staged_dir.write_text("a file where the folder would be")
    assert stage_mart(stores, "marts/business_risk", ANCHOR_DATE) is None


def test_a_mart_is_begun_and_judged_once_all_tables_before_it_are_sound(tmp_path: Path) -> None:
    pool = Noted()
    stores = replace(platform(tmp_path), beside=Beside(SecondProcess(pool)))
    begin_marts(stores, ANCHOR_DATE, "run")
    assert pool.given == [(marts.judge_sources,), *audited("marts/source_quality"), (stage_mart,)]

    def follows(table: str) -> list[tuple[object, ...]]:
        """What is begun when a table is judged."""
        before = len(pool.given)
        begin_audits(stores, [table])
        assert pool.given[before : before + 2] == audited(table)
        return pool.given[before + 2 :]

    def judged(*names: str) -> list[tuple[object, ...]]:
        return [*(half for name in names for half in audited(f"marts/{name}")), *[(stage_mart,)] * len(names)]

    assert follows("core/gazetteer") == []
    assert follows("core/located_addresses") == [(public_counts.count_for_the_public,), *judged("public_neighborhood_quarter")]
    assert follows("core/business_parcels") == []
    assert follows("core/event_attribution") == [(ordinance.count_thresholds,), *judged("threshold_status", "threshold_events")]
    assert follows("core/factor_observations") == [(marts.list_actions,), *judged("action_items")]
    assert follows("core/business_history") == []
    assert follows("core/business_parcel_history") == [(marts.list_dimensions,), *judged("dim_business", "dim_business_parcel")]


def test_no_mart_follows_from_a_table_that_was_found_unsound(tmp_path: Path) -> None:
    pool = Noted("marts/source_quality", "core/business_history")
    stores = replace(platform(tmp_path), beside=Beside(SecondProcess(pool)))
    begin_marts(stores, ANCHOR_DATE, "run")
    begin_audits(stores, {table for mart in MARTS_BESIDE.values() for table in mart.needed if table.startswith("core/")})
    made = {work for work, *_ in pool.given} - {audits.judge_rows, audits.judge_laws, stage_mart}
    assert made == {marts.judge_sources}


class Held(Noted):
    """Gives nothing back until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.promised: list[Future[object]] = []

    def submit(self, *given: object, **_named: object) -> "Future[object]":  # type: ignore[override]
        super().submit(*given)  # type: ignore[arg-type]
        self.promised.append(Future())
        return self.promised[-1]


def test_what_a_step_waits_for_is_done_before_what_was_begun_earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audits, "judge_laws", lambda _platform, table, _day: [Finding(f"laws of {table}", True, {})])
    pool, tables = Held(), ["clean/streets", "clean/districts", "clean/parcels"]
    process = SecondProcess(pool)
    stores = replace(platform(tmp_path), beside=Beside(process))
    begin_audits(stores, tables)
    assert pool.given == [(audits.judge_rows, tables[0])]
    with ThreadPoolExecutor(1) as step:
        waiting = step.submit(audit_table, stores, tables[2])
        while len(process._begun) > 4:  # the step has not judged the laws, nor asked for the rows, yet
            time.sleep(0.01)
        pool.promised[0].set_result(audits.JudgedRows([], pd.DataFrame(), ""))
        assert pool.given[1:] == [(audits.judge_rows, tables[2])]
        pool.promised[1].set_result(audits.JudgedRows([Finding("of rows", True, {})], pd.DataFrame(), ""))
        assert [finding.law for finding in waiting.result()] == ["of rows", "laws of clean/parcels"]
    assert [table for _, table in pool.given[2:]] == [tables[0]], "its laws were begun before the next table"


@pytest.mark.parametrize(("work", "mart"), MART_OF_WORK.items(), ids=MART_OF_WORK.values())
def test_a_mart_beside_waits_for_what_its_step_waits_for(work: Callable[..., object], mart: str, tmp_path: Path) -> None:
    graph = build_defs(platform=platform(tmp_path)).resolve_asset_graph()
    parents = {parent.to_user_string() for parent in graph.get(dg.AssetKey(mart.split("/"))).parent_keys}
    before = {table for table in parents if not table.startswith("clean/")}
    if work is marts.judge_sources:  # it reads clean tables only, and waits so that automation asks for all marts of a day together
        before -= {"core/event_attribution"}
    assert MARTS_BESIDE[work].needed == before
    assert mart in MARTS_BESIDE[work].made
    assert {*before, *MARTS_BESIDE[work].made} <= set(AUDITED_TABLES)
