"""Drift on recorded dumping rows, replayed as of each Monday of five years."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

import pandas as pd
import pytest
from real_rows import NEEDS_REAL_DATA, raw_table

from kc_pipeline.quality.drift.categories import category_drift
from kc_pipeline.quality.drift.closes import bulk_closes
from kc_pipeline.quality.drift.finding import Drift
from kc_pipeline.quality.drift.volume import volume_drift
from kc_pipeline.transform.cleaners import CLEANERS

pytestmark = NEEDS_REAL_DATA
FEED, LAG = "dumping_complaints", 7
MONDAYS = [date(2021, 6, 7) + timedelta(days=7 * week) for week in range(267)]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return CLEANERS[FEED](raw_table(FEED, "p227-55mh", "p227-55mh.json.gz")).clean.to_pandas().rename(columns={"report_date": "day"})


def replay(look: Callable[[date], Iterable[Drift]]) -> dict[tuple[str, str, date | None], date]:
    raised: dict[tuple[str, str, date | None], date] = {}
    for monday in MONDAYS:
        for drift in look(monday):
            raised.setdefault((drift.kind, drift.subject, drift.since), monday)
    return raised


def test_the_silence_of_june_2026_and_the_rename_of_2023_are_told_and_nothing_else(rows: pd.DataFrame) -> None:
    assert MONDAYS[-1] == date(2026, 7, 13)
    counts = rows.groupby(["day", "source_category"]).size().rename("event_count").reset_index()
    raised = replay(lambda monday: category_drift(FEED, counts[counts["day"] <= monday - timedelta(days=LAG)], monday, LAG))
    silent = raised.pop(("category_silent", "Dumping in a Right-of-Way", date(2026, 6, 18)))
    renamed = raised.pop(("category_renamed", "Dumping in the Right-of-Way -> Dumping in a Right-of-Way", date(2023, 10, 8)))
    assert silent <= date(2026, 7, 6)
    assert renamed <= date(2023, 11, 6)
    assert len(raised) <= 3, raised


def test_weeks_without_the_larger_part_of_the_rows_are_told(rows: pd.DataFrame) -> None:
    daily = rows.groupby("day").size().rename("event_count").reset_index()
    raised = replay(lambda monday: volume_drift(FEED, daily[daily["day"] <= monday - timedelta(days=LAG)], monday, LAG))
    assert ("volume_low", FEED, date(2026, 6, 15)) in raised
    assert len(raised) <= 3


def test_the_bulk_close_of_march_2026_is_told(rows: pd.DataFrame) -> None:
    closed = rows.groupby("resolved_date").size().rename("event_count").reset_index()
    assert [(drift.subject, drift.facts["closed"]) for drift in bulk_closes(FEED, closed)] == [("2026-03-27", 1_395)]
