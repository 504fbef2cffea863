"""A process beside a run finds of its tables what the run itself would find, and its errors are the run's."""

import multiprocessing
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from kc_runs import copied, platform

from kc_pipeline.defs.beside import audit_table, begin_audits, working_beside
from kc_pipeline.defs.steps import audits
from kc_pipeline.sandbox.city import ANCHOR_DATE
from kc_pipeline.sandbox.serving import city_clock

TABLES: list[tuple[str, date | None]] = [
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
            begin_audits(judged, [table for table, day in TABLES if day is None])
            found.append([audit_table(judged, table, day) for table, day in TABLES])
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
