"""Points among parcels: every way of searching gives the same answer, and a known point asks no geometry."""

import numpy as np
import pandas as pd
import pytest
import shapely
from frames import STEP, WEST, middle, parcels
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.places import geometry
from kc_pipeline.places.geometry import PolygonIndex, project
from kc_pipeline.places.locations import COLUMNS, Locations

LOTS = parcels(("1", None, 0), ("2", None, 1), ("3", None, 4))
HEIGHT = middle(0)[1]
# Inside 1; on the edge of 1 and 2, whose middles are equally far; 3 m beside 3; far from all.
POINTS = pd.DataFrame(
    {"longitude": [middle(0)[0], WEST + STEP, WEST + 4 * STEP - 0.00003, WEST + 9 * STEP], "latitude": HEIGHT},
    index=[7, 5, 3, 1],
)


def index(around: np.ndarray) -> PolygonIndex:
    return PolygonIndex(LOTS["parcel_id"], LOTS["geometry"], around)


def never(_around: np.ndarray) -> PolygonIndex:
    raise AssertionError("known points must not ask for the parcels")


def test_each_point_gets_its_parcel_or_its_only_neighbor() -> None:
    found = Locations().at(POINTS, index)
    assert list(found.index) == [7, 5, 3, 1]
    assert found["holding_parcel_id"].fillna("").to_list() == ["1", "1", "", ""]
    assert found["neighbor_parcel_id"].fillna("").to_list() == ["", "", "3", ""]
    assert found["distance_m"].isna().to_list() == [True, True, False, True]
    assert 2.0 < found["distance_m"][3] < 3.0


def test_known_points_ask_no_geometry_and_say_the_same() -> None:
    first = Locations()
    placed = first.at(POINTS, index)
    again = Locations(first.rows)
    pd.testing.assert_frame_equal(again.at(POINTS, never), placed)
    assert (first.added, again.added) == (4, 0)


def test_only_new_points_are_added() -> None:
    first = Locations()
    first.at(POINTS.iloc[:2], index)
    second = Locations(first.rows)
    repeated = pd.concat([POINTS, POINTS.iloc[:1]])
    found = second.at(repeated, index)
    assert found["holding_parcel_id"].fillna("").to_list() == ["1", "1", "", "", "1"]
    assert second.added == 2
    assert list(second.rows.columns) == COLUMNS
    assert not second.rows[["longitude", "latitude"]].duplicated().any()


def test_no_points_give_no_rows() -> None:
    found = Locations().at(POINTS.iloc[:0], never)
    assert len(found) == 0
    assert list(found.columns) == ["holding_parcel_id", "neighbor_parcel_id", "distance_m"]


@pytest.mark.parametrize(
    ("threads_from", "many"), [(1, 10**9), (10**9, 10**9), (10**9, 0)], ids=["threads", "one thread", "points indexed"]
)
def test_every_way_to_search_answers_as_brute_force_does(monkeypatch: pytest.MonkeyPatch, threads_from: int, many: int) -> None:
    monkeypatch.setattr(geometry, "_WORTH_THREADS", threads_from)
    monkeypatch.setattr(geometry, "_MANY_POINTS", many)
    draw = np.random.default_rng(5)
    corner = project(pd.Series([WEST]), pd.Series([HEIGHT]))[0]
    points = corner + draw.uniform(-100, 600, (500, 2)) * (1, 0.2)
    shapes = geometry.project_shapes(shapely.from_wkb(LOTS["geometry"].to_numpy(dtype=object)))
    inside = np.column_stack([shapely.intersects(shape, shapely.points(points)) for shape in shapes])
    wanted = [LOTS["parcel_id"][row.argmax()] if row.any() else None for row in inside]
    assert {"1", "2", "3", None} == set(wanted)
    assert PolygonIndex(LOTS["parcel_id"], LOTS["geometry"]).containing(points).tolist() == wanted
    near = np.column_stack([shapely.distance(shape, shapely.points(points)) <= 5.0 for shape in shapes])
    alone = [LOTS["parcel_id"][row.argmax()] if row.sum() == 1 else None for row in near]
    neighbor, metres = PolygonIndex(LOTS["parcel_id"], LOTS["geometry"]).only_neighbor(points)
    assert neighbor.tolist() == alone
    assert np.isnan(metres).tolist() == [name is None for name in alone]


def test_few_points_are_answered_from_the_parcels_around_them_alone() -> None:
    lots = parcels(*((str(number), None, number) for number in range(200)), ("nowhere", None, 300))
    lots.loc[200, "geometry"] = None
    points = project(pd.Series([middle(7)[0], WEST + 400 * STEP]), pd.Series([HEIGHT, HEIGHT]))
    around = PolygonIndex(lots["parcel_id"], lots["geometry"], points)
    assert around.containing(points).tolist() == ["7", None]
    assert around.containing(project(pd.Series([middle(150)[0]]), pd.Series([HEIGHT]))).tolist() == [None]
    edge = project(pd.Series([WEST + 20 * STEP]), pd.Series([HEIGHT]))
    whole = PolygonIndex(lots["parcel_id"], lots["geometry"])
    few = PolygonIndex(lots["parcel_id"], lots["geometry"], edge)
    assert few.containing(edge).tolist() == whole.containing(edge).tolist() == ["19"]
    beside = edge + np.array([0, 1000.0])
    assert few.only_neighbor(beside)[0].tolist() == whole.only_neighbor(beside)[0].tolist() == [None]


_DEGREES = st.floats(-0.05, 0.05) | st.sampled_from([0.0, 0.002, 0.004, 60.0, -40.0])


@given(st.lists(st.tuples(_DEGREES, _DEGREES), min_size=1, max_size=6), st.lists(st.tuples(*[_DEGREES] * 4), max_size=20))
def test_no_box_that_holds_a_point_is_passed_over(spots: list[tuple[float, float]], ends: list[tuple[float, ...]]) -> None:
    points = np.array(spots)
    boxes = np.array([*(np.sort(np.reshape(each, (2, 2)), axis=0).ravel() for each in ends), [np.nan] * 4, [-90, -90, 90, 90]])
    touched = geometry._touch_cells_of(*points.T, boxes.T)
    holds = [((points >= box[:2]) & (points <= box[2:])).all(axis=1).any() for box in boxes]
    assert not (np.array(holds) & ~touched).any()
    assert touched[-2:].tolist() == [False, True]


def test_boxes_far_from_all_points_are_passed_over() -> None:
    points = np.array([[0.0, 0.0], [0.1, 0.1]])
    boxes = np.array([[0.04, 0.04, 0.05, 0.05], [-1, -1, -0.5, -0.5], [0.0, 0.0, 0.001, 0.001], [0.05, -1, 0.06, 1]])
    assert geometry._touch_cells_of(*points.T, boxes.T).tolist() == [False, False, True, False]
