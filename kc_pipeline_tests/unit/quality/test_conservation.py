"""Conservation between pulls, account, quarantine and clean table: each law holds on a sound feed and finds its own fault."""

import pandas as pd
import pytest

from kc_pipeline.quality.checks import Finding
from kc_pipeline.quality.conservation import check_conservation, check_history

ACCOUNT = pd.DataFrame(
    [("a", "2026-05", "000002", 10, 7, 2, 1), ("b", "2026-05", "000001", 5, 5, 0, 0)],
    columns=["data_set", "month", "pull_id", "received_count", "good_count", "quarantined_count", "duplicate_count"],
)
PULLS = pd.DataFrame(
    [("a", "2026-05", "000002", 10, 0), ("b", "2026-05", "000001", 5, 0)],
    columns=["data_set", "month", "pull_id", "row_count", "largest_before"],
)
QUARANTINED = pd.DataFrame({"data_set": ["a"], "row_count": [2]})


def failed(findings: list[Finding]) -> dict[str, str]:
    return {finding.law: str(finding.facts.get("sample", "")) for finding in findings if not finding.passed}


def test_a_sound_feed_keeps_every_law() -> None:
    assert failed(check_conservation(ACCOUNT, PULLS, QUARANTINED, 4, 12)) == {}
    assert failed(check_conservation(ACCOUNT, PULLS, QUARANTINED, 12, None)) == {}
    assert failed(check_conservation(ACCOUNT.iloc[:0], PULLS.iloc[:0], QUARANTINED.iloc[:0], 0, 0)) == {}


@pytest.mark.parametrize(
    ("account", "pulls", "quarantined", "law", "sample"),
    [
        (ACCOUNT.assign(duplicate_count=[2, 0]), PULLS, QUARANTINED, "every_received_row_is_accounted_for", "a 2026-05"),
        (ACCOUNT, PULLS.assign(pull_id=["000002", "000002"]), QUARANTINED, "the_account_is_that_of_the_pulls", "b 2026-05"),
        (ACCOUNT, PULLS.assign(row_count=[11, 5]), QUARANTINED, "the_account_is_that_of_the_pulls", "a 2026-05"),
        (
            ACCOUNT,
            pd.concat([PULLS, PULLS.iloc[:1].assign(month="2026-06")]),
            QUARANTINED,
            "the_account_is_that_of_the_pulls",
            "a 2026-06",
        ),
        (ACCOUNT, PULLS, QUARANTINED.assign(row_count=1), "every_rejected_row_is_in_quarantine", "a"),
        (ACCOUNT, PULLS, QUARANTINED.assign(data_set="b"), "every_rejected_row_is_in_quarantine", "a, b"),
    ],
)
@pytest.mark.fault(21)
def test_each_law_finds_its_own_fault(account: pd.DataFrame, pulls: pd.DataFrame, quarantined: pd.DataFrame, law: str, sample: str) -> None:
    assert failed(check_conservation(account, pulls, quarantined, 4, 12)) == {law: sample}


@pytest.mark.parametrize(("clean_rows", "source_rows"), [(4, 11), (4, 13), (13, None), (0, None)])
def test_events_are_made_of_the_good_rows(clean_rows: int, source_rows: int | None) -> None:
    assert failed(check_conservation(ACCOUNT, PULLS, QUARANTINED, clean_rows, source_rows)) == {"every_good_row_is_in_an_event": ""}


@pytest.mark.parametrize(("now", "before", "passed"), [(50, 100, True), (49, 100, False), (0, 49, True), (0, 50, False), (9, 0, True)])
@pytest.mark.fault(22)
def test_a_month_that_lost_most_of_its_rows_is_not_believed(now: int, before: int, passed: bool) -> None:
    pulls = PULLS.assign(row_count=[now, 5], largest_before=[before, 0])
    found = check_history(pulls)
    assert found.passed is passed
    if not passed:
        assert f"a 2026-05: {now} rows now, {before} before" in found.sentences[0]
        assert check_history(pulls, {("a", "2026-05")}).passed
