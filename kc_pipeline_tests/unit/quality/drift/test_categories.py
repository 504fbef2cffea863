"""Silences, renames and new categories, on small feeds whose truth is known."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.quality.drift.categories import category_drift
from kc_pipeline.quality.drift.finding import Drift

START, LAG = date(2023, 1, 2), 7
Rate = Callable[[int], float]


def feed(rates: Mapping[str, Rate], days: int, seed: int = 1) -> pd.DataFrame:
    """Poisson counts of categories whose rate may change with the day."""
    rng = np.random.default_rng(seed)
    rows = [(START + timedelta(days=day), name, rng.poisson(rate(day))) for name, rate in rates.items() for day in range(days)]
    table = pd.DataFrame(rows, columns=["day", "source_category", "event_count"])
    return table[table["event_count"] > 0]


def after(days: int) -> date:
    return START + timedelta(days=days)


def found(rows: pd.DataFrame, as_of: date, **more: object) -> list[tuple[str, str, date | None]]:
    return [(drift.kind, drift.subject, drift.since) for drift in category_drift("f", rows, as_of, LAG, **more)]


def until(day: int, rate: float) -> Rate:
    return lambda now: rate if now < day else 0.0


def since(day: int, rate: float) -> Rate:
    return lambda now: rate if now >= day else 0.0


STEADY = {"Potholes": until(10_000, 3.0), "Graffiti": until(10_000, 2.0)}


def test_nothing_is_said_of_a_steady_feed() -> None:
    rows = feed(STEADY, 500)
    assert all(found(rows[rows["day"] < after(day)], after(day)) == [] for day in range(200, 500, 25))


@pytest.mark.fault(22)
def test_a_silence_is_told_with_its_last_day_once_and_until_the_category_is_back() -> None:
    rows = feed(STEADY | {"Dumping": lambda day: 8.0 if day < 300 or day >= 380 else 0.0}, 450)
    told = {day: [f for f in found(rows[rows["day"] < after(day)], after(day)) if f[0] == "category_silent"] for day in range(280, 450, 7)}
    days = [day for day, drifts in told.items() if drifts]
    assert 300 + LAG < days[0] <= 300 + LAG + 21
    assert {drift for drifts in told.values() for drift in drifts} == {("category_silent", "Dumping", after(299))}
    assert days[-1] < 380 + LAG + 28
    (drift,) = category_drift("f", rows[rows["day"] < after(350)], after(350), LAG)
    assert drift.sentence == f"f: 'Dumping' (61 % of rows) has had no row since {after(299)}."
    assert drift.facts["silent_days"] == 350 - LAG - 299


def test_the_feeds_own_delay_and_a_gap_of_the_whole_feed_are_nobodys_silence() -> None:
    rows = feed(STEADY | {"Dumping": until(300, 8.0)}, 302)
    assert found(rows, after(306)) == []
    gap = feed({name: (lambda day, rate=rate: 0.0 if 300 <= day < 420 else rate(day)) for name, rate in STEADY.items()}, 460)
    assert all(found(gap[gap["day"] < after(day)], after(day)) == [] for day in range(300, 460, 10))


def test_a_rare_category_is_not_judged() -> None:
    rows = feed(STEADY | {"Rare": until(200, 0.1)}, 500)
    assert found(rows, after(500)) == []


def test_a_known_end_is_no_alarm() -> None:
    rows = feed(STEADY | {"Dumping": until(300, 8.0)}, 400)
    assert found(rows, after(400)) != []
    assert found(rows, after(400), known=["Dumping"]) == []


@pytest.mark.parametrize("overlap", [-3, 0, 5])
def test_another_name_that_takes_over_is_a_rename_and_stays_one(overlap: int) -> None:
    names = {"Dumping in the Street": until(300 + overlap, 8.0), "Dumping in a Street": since(300, 6.0)}
    rows = feed(STEADY | names, 420)
    stragglers = pd.DataFrame({"day": [after(340), after(360)], "source_category": "Dumping in the Street", "event_count": 1})
    rows = pd.concat([rows, stragglers])
    told = {drift for day in range(280, 400, 7) for drift in found(rows[rows["day"] < after(day)], after(day))}
    assert {(kind, subject) for kind, subject, _ in told} == {("category_renamed", "Dumping in the Street -> Dumping in a Street")}
    assert all(abs((day - after(300)).days) <= 3 for _, _, day in told if day)


def test_a_name_unlike_the_one_that_ended_is_new_and_the_end_is_told() -> None:
    rows = feed(STEADY | {"Dumping": until(300, 8.0), "Streetlight out": since(300, 8.0)}, 360)
    assert {kind for kind, _, _ in found(rows, after(360))} == {"category_silent", "category_new"}


def test_the_news_of_a_new_category_ends() -> None:
    rows = feed(STEADY | {"Scooters": since(300, 2.0)}, 450)
    assert [kind for kind, _, _ in found(rows[rows["day"] < after(330)], after(330))] == ["category_new"]
    assert found(rows, after(450)) == []


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random) -> None:
    rows = feed(STEADY | {"Dumping": until(300, 8.0)}, 330)
    order = list(range(len(rows)))
    random.shuffle(order)
    whole: list[Drift] = category_drift("f", rows, after(330), LAG)
    assert category_drift("f", rows.iloc[order], after(330), LAG) == whole
    assert whole


def test_an_empty_feed_and_rows_without_a_category_say_nothing() -> None:
    assert found(feed({}, 10), after(10)) == []
    nameless = pd.DataFrame({"day": [after(day) for day in range(200)], "source_category": None, "event_count": 3})
    assert found(nameless, after(200)) == []
