"""Volume of a whole feed: collapses and floods are told, holidays, seasons and single bulk loads are told apart."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from kc_pipeline.quality.drift.volume import volume_drift

START = date(2022, 1, 3)  # a Monday


def daily(factor: dict[range, float], days: int = 900, rate: float = 12.0, season: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for day in range(days):
        mean = rate * (0.4 if day % 7 >= 5 else 1.24) * (1 + season * np.sin(2 * np.pi * day / 364))
        mean *= next((by for span, by in factor.items() if day in span), 1.0)
        rows.append((START + timedelta(days=day), rng.poisson(mean)))
    return pd.DataFrame(rows, columns=["day", "event_count"])


def alarms(rows: pd.DataFrame, first: int = 200, last: int = 900) -> dict[tuple[object, ...], date]:
    raised: dict[tuple[object, ...], date] = {}
    for day in range(first, last, 7):
        as_of = START + timedelta(days=day)
        for drift in volume_drift("f", rows[rows["day"] < as_of], as_of, 1):
            raised.setdefault((drift.kind, drift.since), as_of)
    return raised


def test_weekends_seasons_and_a_holiday_are_usual() -> None:
    assert alarms(daily({range(600, 602): 0.0}, season=0.35)) == {}


@pytest.mark.fault(22)
def test_a_collapse_is_told_within_three_weeks_with_the_week_it_began() -> None:
    raised = alarms(daily({range(700, 760): 0.2}))
    ((kind, since),) = raised
    assert kind == "volume_low"
    assert abs((since - (START + timedelta(days=700))).days) <= 7
    assert raised[kind, since] <= START + timedelta(days=721)


@pytest.mark.fault(22)
def test_a_flood_is_told_and_one_huge_day_is_a_bulk_load() -> None:
    assert {kind for kind, _ in alarms(daily({range(700, 760): 4.0}))} == {"volume_high"}
    raised = alarms(daily({range(700, 701): 60.0}))
    assert ("bulk_load", START + timedelta(days=700)) in raised


def test_a_small_or_young_feed_is_not_judged() -> None:
    assert alarms(daily({range(700, 760): 0.0}, rate=0.3)) == {}
    assert volume_drift("f", daily({}, days=40), START + timedelta(days=40), 1) == []
    assert volume_drift("f", daily({}).iloc[:0], START, 1) == []
