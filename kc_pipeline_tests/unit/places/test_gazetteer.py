"""The gazetteer and what is located with it, on a small grid of streets.

Lots are 0.001 degrees wide; house numbers of LOCUST ST grow to the north, those of E 10TH ST and E 12TH ST to the east.
"""

import numpy as np
import pandas as pd
import pytest
from frames import SOUTH, STEP, WEST, no_streets, parcels, streets
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.places.blocks import place_on_blocks
from kc_pipeline.places.gazetteer import build_gazetteer
from kc_pipeline.places.geometry import project
from kc_pipeline.places.locate import locate

NO_PARCELS = parcels(("none", None, 0)).iloc[:0]


def register(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """A register of exact points: address, columns east, rows north."""
    frame = pd.DataFrame(rows, columns=["address", "x", "y"])
    return frame.assign(longitude=WEST + frame["x"] * STEP, latitude=SOUTH + frame["y"] * STEP).drop(columns=["x", "y"])


def houses(street: str, *hundreds: int, x: float = 0.0, along_y: bool = True) -> list[tuple[str, float, float]]:
    """Three houses in each hundred of a street; a hundred is 1.5 lots long."""
    at = [(hundred * 100 + offset, 1.5 * (hundred + offset / 100)) for hundred in hundreds for offset in (5, 20, 45)]
    return [(f"{number} {street}", x, y) if along_y else (f"{number} {street}", y, x) for number, y in at]


LOCUST = houses("LOCUST ST", 10, 11, 14, 15)
TENTH = houses("E 10TH ST", 0, 1, 2, 3, 4, 5, 6, x=15.0, along_y=False)
GROUND = register(
    *LOCUST, *houses("OAK ST", 10, 11, 12, 13, 14, 15, x=2.0), *houses("HOLMES ST", 10, 11, 12, 13, 14, 15, 25, x=4.0), *TENTH
)
GAZETTEER = build_gazetteer({"dumping_complaints": GROUND}, NO_PARCELS, no_streets())


def find(text: str, exact: bool = False, gazetteer: pd.DataFrame = GAZETTEER) -> pd.Series:
    return locate(pd.Series([text], dtype="str"), gazetteer, exact).iloc[0]


def metres_off(found: pd.Series, x: float, y: float) -> float:
    there = project(pd.Series([found["longitude"], WEST + x * STEP]), pd.Series([found["latitude"], SOUTH + y * STEP]))
    return float(np.hypot(*(there[0] - there[1])))


def test_an_exact_address_is_at_its_points_and_a_block_address_amid_its_block() -> None:
    exact, block = find("1005 Locust Street", exact=True), find("1000  LOCUST ST")
    assert (exact["found_kind"], exact["found_key"], exact["position_method"]) == ("numbered", "1005 LOCUST ST", "address_points")
    assert metres_off(exact, 0, 15.075) < 1
    assert (block["found_kind"], block["found_key"], block["position_method"]) == ("block", "1000 LOCUST ST", "block_points")
    assert metres_off(block, 0, 15.3) < 1
    assert block["error_radius_m"] > exact["error_radius_m"]


def test_an_address_at_its_parcel_has_the_parcels_point() -> None:
    lots = parcels(("7", "1005 Locust St", 3))
    found = find(
        "1005 LOCUST ST", exact=True, gazetteer=build_gazetteer({"parcels": lots, "dumping_complaints": GROUND}, lots, no_streets())
    )
    assert (found["parcel_id"], found["position_method"]) == ("7", "parcel")
    assert metres_off(found, 3.5, 0.5) < 1


def test_a_block_between_known_ones_is_set_between_them_with_a_wider_radius() -> None:
    known, between = find("1100 LOCUST ST"), find("1200 LOCUST ST")
    assert between["position_method"] == "interpolated"
    assert metres_off(between, 0, 18.3) < 5
    assert between["error_radius_m"] > known["error_radius_m"]


def test_a_block_just_past_the_end_goes_straight_on_and_far_ones_are_not_guessed() -> None:
    beyond = find("1600 LOCUST ST")
    assert beyond["position_method"] == "extrapolated"
    assert metres_off(beyond, 0, 24.3) < 20
    assert find("5000 LOCUST ST")["candidates"] == 0


def test_a_block_far_off_is_set_by_the_streets_beside_it() -> None:
    beside = [houses(f"AVENUE{letter} AVE", *range(10, 31), x=6.0 + 2 * place) for place, letter in enumerate("QRSTU")]
    ground = register(*houses("LOCUST ST", 10, 11, x=2.0), *(row for street in beside for row in street))
    found = find("2500 LOCUST ST", gazetteer=build_gazetteer({"dumping_complaints": ground}, NO_PARCELS, no_streets()))
    assert found["position_method"] == "streets_beside"
    assert metres_off(found, 2.0, 37.8) < 5


def test_a_corner_is_where_lines_through_the_houses_meet() -> None:
    corner = find("OAK ST and E 10 ST")
    assert (corner["found_kind"], corner["found_key"], corner["position_method"]) == ("intersection", "E 10TH ST & OAK ST", "drawn_lines")
    assert metres_off(corner, 2.0, 15.0) < 60
    assert find("OAK ST and LOCUST ST")["candidates"] == 0


def test_centre_lines_go_before_houses_and_their_corners_are_sharper() -> None:
    lines = streets(
        ("Locust St", 1000, 1099, [(0, 15), (0, 16.5)]), ("Locust St", 1100, 1199, [(0, 16.5), (0, 18)]),
        ("E 10th St", 1, 99, [(0, 15), (1.5, 15)]),
    )  # fmt: skip
    table = build_gazetteer({"dumping_complaints": GROUND}, NO_PARCELS, lines)
    block, corner = find("1000 LOCUST ST", gazetteer=table), find("E 10 ST & LOCUST ST", gazetteer=table)
    assert (block["position_method"], corner["position_method"]) == ("centre_line", "centre_line")
    assert metres_off(block, 0, 15.75) < 1
    assert metres_off(corner, 0, 15) < 1
    assert corner["error_radius_m"] < find("E 10 ST & OAK ST")["error_radius_m"]


def test_empty_and_null_centre_lines_are_left_out() -> None:
    lines = streets(("Locust St", 1000, 1099, [(0, 15), (0, 16.5)]), ("Oak St", None, None, []))
    lines = pd.concat([lines, lines.iloc[:1].assign(geometry=None), lines.iloc[:1].assign(street_name=None)], ignore_index=True)
    table = build_gazetteer({"dumping_complaints": GROUND}, NO_PARCELS, lines)
    assert find("1000 LOCUST ST", gazetteer=table)["position_method"] == "centre_line"


@pytest.mark.parametrize(
    ("text", "key", "match"),
    [
        ("1000 LOCUST", "1000 LOCUST ST", "type"),
        ("1000 LOCUST AVE", "1000 LOCUST ST", "type"),
        ("500 10TH ST", "500 E 10TH ST", "direction"),
        ("1000 HOLMS ST", "1000 HOLMES ST", "spelling"),
        ("1000 LOUCST ST", "1000 LOCUST ST", "spelling"),
    ],
)
def test_a_name_that_is_nearly_a_known_one_is_found_and_says_how(text: str, key: str, match: str) -> None:
    found = find(text)
    assert (found["found_key"], found["name_match"], found["candidates"]) == (key, match, 1)


@pytest.mark.parametrize(
    "text", ["1000 N LOCUST ST", "1000 LOCUST CT", "500 W 10TH ST", "500 E 10TH TER", "1000 OKA ST", "1000 LOCUSTDALE ST", "99999 X"]
)
def test_what_may_be_another_street_is_not_corrected(text: str) -> None:
    found = find(text)
    assert found["found_key"] is None or pd.isna(found["found_key"])
    assert np.isnan(found["latitude"])


def test_a_slip_that_fits_two_streets_is_no_match_and_says_how_many() -> None:
    ground = register(*houses("MARION ST", 10, x=0.0), *houses("MARTON ST", 10, x=9.0))
    found = find("1000 MARON ST", gazetteer=build_gazetteer({"dumping_complaints": ground}, NO_PARCELS, no_streets()))
    assert found["candidates"] == 2
    assert np.isnan(found["latitude"])


def test_one_bad_point_does_not_move_a_street() -> None:
    bad = register(("1210 LOCUST ST", 300.0, 300.0), ("1012 LOCUST ST", 300.0, 300.0))
    table = build_gazetteer({"dumping_complaints": pd.concat([GROUND, bad])}, NO_PARCELS, no_streets())
    assert metres_off(find("1200 LOCUST ST", gazetteer=table), 0, 18.3) < 5
    assert metres_off(find("1000 LOCUST ST", gazetteer=table), 0, 15.3) < 5


def test_corners_of_numbered_streets_follow_the_house_numbers_where_known_corners_do() -> None:
    rows = [row for number in range(30, 56) for row in houses(f"E {number} ST", 0, 1, 2, x=1.5 * number, along_y=False)]
    rows += [row for x, name in ((0.5, "ALPHA ST"), (2.0, "BRAVO ST")) for row in houses(name, *range(30, 56), x=x)]
    rows += houses("CHARLIE ST", *range(30, 56), x=60.0)
    found = find("E 40 ST and CHARLIE ST", gazetteer=build_gazetteer({"dumping_complaints": register(*rows)}, NO_PARCELS, no_streets()))
    assert found["position_method"] == "numbering"
    assert metres_off(found, 60.0, 60.0) < 100


def test_parcels_stand_on_the_blocks_of_their_addresses_else_on_the_nearest() -> None:
    lots = parcels(("7", "1005 Locust St", 0), ("8", None, 0), ("9", None, 300))
    lots["longitude"] = WEST + np.array([0.2, 0.3, 300]) * STEP
    lots["latitude"] = SOUTH + np.array([15.2, 16.0, 0]) * STEP
    table = build_gazetteer({"parcels": lots, "dumping_complaints": GROUND}, lots, no_streets())
    placed = place_on_blocks(table, lots).dropna(subset="parcel_id").set_index("parcel_id")
    assert placed.loc["7", ["block_key", "placed_by"]].tolist() == ["1000 LOCUST ST", "address"]
    assert placed.loc["8", ["block_key", "placed_by"]].tolist() == ["1000 LOCUST ST", "nearest_block"]
    assert "9" not in placed.index


def test_an_empty_city_locates_nothing() -> None:
    table = build_gazetteer({"dumping_complaints": GROUND.iloc[:0]}, NO_PARCELS, no_streets())
    assert table.empty
    assert find("1000 LOCUST ST", gazetteer=table)["candidates"] == 0


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(len(GROUND))))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    shuffled = build_gazetteer({"dumping_complaints": GROUND.iloc[list(order)]}, NO_PARCELS, no_streets())
    pd.testing.assert_frame_equal(shuffled, GAZETTEER)


def test_missing_and_repeated_addresses_keep_their_index() -> None:
    found = locate(pd.Series(["1000 LOCUST ST", None, "1000 LOCUST ST"], index=[5, 3, 9], dtype="str"), GAZETTEER, False)
    assert found.index.tolist() == [5, 3, 9]
    assert found["candidates"].tolist() == [1, 0, 1]
