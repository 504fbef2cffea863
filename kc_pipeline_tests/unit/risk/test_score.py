"""Counts and the provisional score of business parcels."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.risk.score import count_events, score_places

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
    assert row["serious_violence"] == 2.5


def test_counts_are_integers_and_every_place_has_a_row() -> None:
    counted = count_events(PLACES, shares({}), AS_OF)
    assert counted["business_parcel_id"].tolist() == ["a", "b", "c"]
    assert counted["calls_911_count_90d"].dtype == "int64"


def test_more_events_rank_higher_and_equal_places_share_a_rank() -> None:
    scored = score_places(count_events(PLACES, shares({"business_parcel_id": "b"}), AS_OF))
    assert scored[["business_parcel_id", "risk_rank", "risk_score"]].to_numpy().tolist() == [["b", 1, 100.0], ["a", 2, 0.0], ["c", 2, 0.0]]


def test_a_single_place_can_be_scored() -> None:
    scored = score_places(count_events(PLACES.head(1), shares({}), AS_OF))
    assert scored[["risk_rank", "relative_risk", "risk_score"]].to_numpy().tolist() == [[1, 1.0, 0.0]]


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=20), st.randoms())
def test_the_order_of_events_does_not_matter(places: list[str], random) -> None:
    rows = [{"business_parcel_id": place} for place in places]
    first = score_places(count_events(PLACES, shares(*rows), AS_OF))
    random.shuffle(rows)
    pd.testing.assert_frame_equal(first, score_places(count_events(PLACES, shares(*rows), AS_OF)))


@given(st.integers(0, 30))
def test_one_more_event_never_lowers_a_places_rank(count: int) -> None:
    def rank(events: int) -> int:
        rows = [{"business_parcel_id": "b"}] * 3 + [{}] * events
        scored = score_places(count_events(PLACES, shares(*rows), AS_OF)).set_index("business_parcel_id")
        return int(scored.at["a", "risk_rank"])

    assert rank(count + 1) <= rank(count)
