"""Counts, ranks, scores and trends of business parcels."""

from datetime import date, timedelta
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.catalog.factors import BUSINESS_TYPES, OTHER_TYPE
from kc_pipeline.risk.risk_model import Risks
from kc_pipeline.risk.score import count_events, score_places, trends

AS_OF = date(2026, 7, 1)
PLACES = pd.DataFrame({"business_parcel_id": ["a", "b", "c"]})


def shares(*rows: dict) -> pd.DataFrame:
    default = {
        "business_parcel_id": "a", "feed": "police_reports", "report_date": AS_OF - timedelta(days=1), "available_date": AS_OF,
        "category": "robbery", "exclusion_reason": None, "precision": "EXACT", "weight": 1.0,
    }  # fmt: skip
    frame = pd.DataFrame([{**default, **row} for row in rows])
    return frame.astype({"exclusion_reason": "str"})


def at_a(*rows: dict) -> dict:
    return count_events(PLACES, shares(*rows), AS_OF).set_index("business_parcel_id").loc["a"].to_dict()


@pytest.mark.parametrize(
    ("days_before", "in_90", "in_365"), [(0, 0, 0), (1, 1, 1), (90, 1, 1), (91, 0, 1), (365, 0, 1), (366, 0, 0), (-1, 0, 0)]
)
def test_a_window_holds_the_days_before_as_of(days_before: int, in_90: int, in_365: int) -> None:
    row = at_a({"report_date": AS_OF - timedelta(days=days_before), "available_date": AS_OF - timedelta(days=400)})
    assert (row["police_reports_count_90d"], row["police_reports_count_365d"]) == (in_90, in_365)


def test_what_became_available_later_is_not_used() -> None:
    assert at_a({"available_date": AS_OF + timedelta(days=1)})["police_reports_count_365d"] == 0
    assert at_a({"available_date": AS_OF})["police_reports_count_365d"] == 1


def test_block_shares_stand_apart_from_counts() -> None:
    row = at_a({"precision": "BLOCK", "weight": 0.25}, {"precision": "BLOCK", "weight": 0.5}, {"precision": "NEAR"})
    assert row["police_reports_count_365d"] == 1
    assert row["police_reports_weighted_365d"] == 0.75


def test_excluded_and_unattributed_events_are_not_counted() -> None:
    row = at_a({"exclusion_reason": "officer_initiated"}, {"business_parcel_id": None})
    assert row["police_reports_count_365d"] == 0


def test_homicides_are_counted_where_they_are_tied() -> None:
    row = at_a({"category": "homicide"}, {"category": "homicide", "precision": "BLOCK", "weight": 0.5}, {"category": "robbery"})
    assert row["homicide_count_365d"] == 1


def test_counts_are_integers_and_every_place_has_a_row() -> None:
    counted = count_events(PLACES, shares({}), AS_OF)
    assert counted["business_parcel_id"].tolist() == ["a", "b", "c"]
    assert counted["calls_911_count_90d"].dtype == "int64"


def scored(expected: list[float], types: list[bool] | None = None, past: list[list[float]] | None = None) -> pd.DataFrame:
    """Places a, b, c … with these expectations; a type flag says whether each is a convenience store."""
    names = [chr(ord("a") + n) for n in range(len(expected))]
    counted = pd.DataFrame({"business_parcel_id": names})
    values = np.array(expected)
    flags = {name: np.zeros(len(values), dtype=bool) for name in BUSINESS_TYPES}
    flags["convenience_store"] = np.array(types or [False] * len(values))
    risks = Risks({}, values, values / 2, values * 2)
    return score_places(counted, risks, flags, np.ones(len(values)), np.array(past or [[0.0] * len(values)]))


def test_what_is_expected_more_ranks_higher_and_equal_places_share_a_rank() -> None:
    rows = scored([0.5, 2.0, 0.5])
    assert rows[["business_parcel_id", "risk_rank", "risk_score"]].to_numpy().tolist() == [["b", 1, 100.0], ["a", 2, 0.0], ["c", 2, 0.0]]
    assert rows["relative_risk"].tolist() == [2.0, 0.5, 0.5]


def test_a_place_is_ranked_among_its_type_too() -> None:
    rows = scored([3.0, 2.0, 1.0, 0.5], [False, True, True, False]).set_index("business_parcel_id")
    assert rows["main_business_type"].to_dict() == {"a": OTHER_TYPE, "b": "convenience_store", "c": "convenience_store", "d": OTHER_TYPE}
    assert rows["risk_rank_in_type"].to_dict() == {"a": 1, "b": 1, "c": 2, "d": 2}
    assert set(rows["places_in_type"]) == {2}


def test_a_single_place_can_be_scored() -> None:
    assert scored([0.2])[["risk_rank", "relative_risk", "risk_score"]].to_numpy().tolist() == [[1, 1.0, 0.0]]


@given(st.lists(st.floats(1e-6, 50), min_size=2, max_size=12), st.randoms())
def test_scores_follow_the_expectation_whatever_the_order_of_places(expected: list[float], random: Random) -> None:
    rows = scored(expected)
    ordered = rows["expected_events_per_year"].to_numpy()
    assert (np.diff(ordered) <= 0).all()
    assert (np.diff(rows["risk_score"]) <= 0).all()
    assert (np.diff(rows["risk_rank"]) >= 0).all()
    shuffled = random.sample(expected, len(expected))
    assert sorted(scored(shuffled)["risk_score"]) == sorted(rows["risk_score"])


@pytest.mark.parametrize(
    ("newer", "older", "trend"),
    [(5, 0, "rising"), (4, 0, "steady"), (0, 5, "falling"), (12, 9, "steady"), (30, 12, "rising"), (0, 0, "steady")],
)
def test_a_trend_is_told_where_chance_does_not_explain_it(newer: float, older: float, trend: str) -> None:
    assert trends(np.array([[newer], [older]])).tolist() == [trend]
    assert trends(np.array([[newer]])).tolist() == ["unknown"]
