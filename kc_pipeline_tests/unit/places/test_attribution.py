"""Events to business places: precision is never climbed, weight is never lost."""

import numpy as np
import pandas as pd
import pytest
from frames import STEP, WEST, events, licenses, middle, no_streets, parcels
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.places.attribution import attribute_events, distinct_events, locate_addresses
from kc_pipeline.places.blocks import place_on_blocks
from kc_pipeline.places.gazetteer import build_gazetteer
from kc_pipeline.places.geometry import PolygonIndex, project

LOTS = parcels(("1", "1000 Locust St", 0), ("2", "1004 Locust St", 1), ("3", "1008 Locust St", 2), ("4", None, 5))
LICENSES = licenses(("1", "EXPRESS STOP", "x", "1000 LOCUST ST", None, None), ("2", "CAFE", "x", "1004 LOCUST ST", None, None))
GAZETTEER = build_gazetteer({"parcels": LOTS, "business_licenses": LICENSES}, LOTS, no_streets())
BLOCK_PLACES = place_on_blocks(GAZETTEER, LOTS)
PLACES = pd.DataFrame({"business_parcel_id": ["parcel:1", "parcel:2"]}, dtype="str")


def attribute(*rows: dict) -> pd.DataFrame:
    asked = events(*rows)
    return attribute_events(asked, locate_addresses(asked, GAZETTEER), PLACES, LOTS, BLOCK_PLACES)


def only(rows: pd.DataFrame) -> tuple:
    assert len(rows) == 1
    row = rows.iloc[0]
    place = None if pd.isna(row["business_parcel_id"]) else row["business_parcel_id"]
    return place, row["attribution_method"], row["precision"], row["weight"]


def test_a_parcel_key_ties_exactly_and_wins_over_the_address() -> None:
    rows = attribute({"parcel_id": "2", "address": "1000 Locust St"})
    assert only(rows) == ("parcel:2", "parcel_key", "EXACT", 1.0)


def test_an_unknown_parcel_key_is_not_used() -> None:
    assert only(attribute({"parcel_id": "999", "address": "1000 Locust St"})) == ("parcel:1", "equal_address", "EXACT", 1.0)


def test_an_equal_address_ties_exactly() -> None:
    assert only(attribute({"address": "1000 LOCUST ST Kansas City 64106"})) == ("parcel:1", "equal_address", "EXACT", 1.0)


def test_a_point_in_a_parcel_ties_exactly() -> None:
    longitude, latitude = middle(1)
    assert only(attribute({"longitude": longitude, "latitude": latitude})) == ("parcel:2", "point_in_polygon", "EXACT", 1.0)


def test_a_point_just_outside_one_parcel_is_near() -> None:
    rows = attribute({"longitude": WEST - 0.00003, "latitude": middle(0)[1]})
    assert only(rows) == ("parcel:1", "near_parcel", "NEAR", 1.0)
    assert 2.0 < rows["distance_m"].iloc[0] < 3.0


def test_a_point_beside_two_parcels_is_near_none() -> None:
    edge = (WEST + STEP, middle(0)[1] - 0.5 * STEP - 0.00001)
    assert only(attribute({"longitude": edge[0], "latitude": edge[1]}))[2] == "AREA"


def test_a_place_without_a_business_keeps_the_event_unattributed() -> None:
    assert only(attribute({"address": "1008 Locust St"})) == (None, "equal_address", "EXACT", 1.0)


def test_a_block_event_is_shared_over_all_places_of_the_block() -> None:
    rows = attribute({"address": "1000  LOCUST ST", "address_precision": "block"})
    shares = {None if pd.isna(place) else place: weight for place, weight in zip(rows["business_parcel_id"], rows["weight"], strict=True)}
    assert shares == pytest.approx({"parcel:1": 1 / 3, "parcel:2": 1 / 3, None: 1 / 3})
    assert set(rows["precision"]) == {"BLOCK"}


def test_a_range_of_house_numbers_is_no_exact_address() -> None:
    assert only(attribute({"address": "1000-1008 LOCUST ST"})) == (None, "none", "BLOCK", 1.0)


def test_a_misspelt_exact_address_ties_to_no_place() -> None:
    assert only(attribute({"address": "1000 LOCUSST ST"})) == (None, "none", "BLOCK", 1.0)


def test_a_point_in_a_parcel_that_has_another_address_ties_nothing() -> None:
    longitude, latitude = middle(1)
    rows = attribute({"address": "1030 Locust St", "longitude": longitude, "latitude": latitude})
    assert only(rows) == (None, "none", "BLOCK", 1.0)


def test_a_point_that_many_addresses_share_is_no_place() -> None:
    longitude, latitude = middle(3)
    default = [{"address": f"{number} UNKNOWN ST", "longitude": longitude, "latitude": latitude} for number in range(1, 13)]
    assert set(attribute(*default)["precision"]) == {"BLOCK"}


def test_blocks_are_shared_where_no_register_gives_a_position() -> None:
    nowhere = LOTS.assign(geometry=None, latitude=np.nan, longitude=np.nan)
    gazetteer = build_gazetteer({"parcels": nowhere}, nowhere, no_streets())
    asked = events({"address": "1000  LOCUST ST", "address_precision": "block"})
    places = place_on_blocks(gazetteer, nowhere)
    rows = attribute_events(asked, locate_addresses(asked, gazetteer), PLACES, nowhere, places)
    assert rows["weight"].sum() == pytest.approx(1.0)
    assert rows["business_parcel_id"].notna().sum() == 2


def test_an_open_block_address_that_equals_a_house_number_is_not_upgraded() -> None:
    rows = attribute({"address": "1000  LOCUST ST", "address_precision": "block", "parcel_id": "1"})
    assert set(rows["precision"]) == {"BLOCK"}


def test_an_intersection_stays_unattributed() -> None:
    rows = attribute({"address": "E 10 ST and LOCUST ST", "address_precision": "intersection"})
    assert only(rows) == (None, "none", "INTERSECTION", 1.0)


def test_officer_initiated_and_canceled_events_say_why_they_do_not_count() -> None:
    rows = attribute(
        {"address": "1000 Locust St", "is_officer_initiated": True},
        {"address": "1000 Locust St", "current_status": "canceled"},
        {"address": "1000 Locust St", "current_status": "resolved"},
    )
    assert rows["exclusion_reason"].fillna("").tolist() == ["officer_initiated", "canceled_at_source", ""]


def test_an_event_in_two_months_is_taken_once_with_the_better_precision() -> None:
    block = events({"event_id": "x", "address_precision": "block", "month": "2026-05"})
    exact = events({"event_id": "x", "address_precision": "exact"})
    merged = distinct_events([block, exact])
    assert merged[["month", "address_precision"]].to_dict("records") == [{"month": "2026-06", "address_precision": "exact"}]


def test_one_rule_decides_for_points_on_edges_and_corners() -> None:
    index = PolygonIndex(LOTS["parcel_id"], LOTS["geometry"])
    on_edge = project(pd.Series([WEST + STEP] * 2), pd.Series([middle(0)[1]] * 2))
    found = index.containing(on_edge)
    assert set(found) <= {"1", "2"}
    assert len(set(found)) == 1


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "address": st.sampled_from(
                    [None, "1000 Locust St", "1000  LOCUST ST", "1008 LOCUST ST", "77 NOWHERE AVE", "E 10 ST and LOCUST ST"]
                ),
                "address_precision": st.sampled_from(["exact", "block", "intersection", "none"]),
                "parcel_id": st.sampled_from([None, "1", "3", "999"]),
                "longitude": st.sampled_from([None, middle(0)[0], middle(5)[0], WEST - 1]),
                "latitude": st.just(middle(0)[1]),
            }
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_shares_of_every_event_sum_to_one(rows: list[dict]) -> None:
    rows = [row if row["longitude"] is not None else {**row, "latitude": None} for row in rows]
    attributed = attribute(*rows)
    total = attributed.groupby("event_id")["weight"].sum()
    assert len(total) == len(rows)
    assert np.allclose(total, 1.0)
    assert (attributed["weight"] > 0).all()
    tied = attributed[attributed["precision"].isin(["EXACT", "NEAR"])]
    assert not tied["event_id"].duplicated().any()
