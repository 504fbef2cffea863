"""The grid, and how factors are read off it."""

import numpy as np
import pytest
import shapely

from kc_pipeline.risk.terrain import DENSITY, PROXIMITY, bands, build_grid, operationalize

SQUARE = shapely.box(0, 0, 1_000, 500)
GRID = build_grid(SQUARE, 50)


def test_cells_cover_the_city_and_no_more() -> None:
    assert GRID.size == 20 * 10
    triangle = build_grid(shapely.Polygon([(0, 0), (1_000, 0), (0, 1_000)]), 50)
    assert triangle.size == pytest.approx(20 * 20 / 2, rel=0.06)
    assert shapely.contains_xy(shapely.Polygon([(0, 0), (1_000, 0), (0, 1_000)]), *triangle.centres().T).all()


def test_points_fall_into_the_cell_around_them_and_outside_into_none() -> None:
    points = np.array([[25, 25], [49.9, 0], [50, 0], [999, 499], [1_001, 10], [-1, 10], [10, -0.1]])
    cell = GRID.cell_of(points)
    assert cell.tolist() == [0, 0, 1, 199, -1, -1, -1]
    assert GRID.centres()[cell[3]].tolist() == [975, 475]
    assert GRID.count(points).sum() == 4


def test_a_density_holds_all_its_points_and_is_as_wide_as_it_says() -> None:
    far = build_grid(shapely.box(0, 0, 4_000, 4_000), 20)
    density = far.smooth(np.array([[2_010.0, 2_010.0]]), 200)
    assert density.sum() * 0.02**2 == pytest.approx(1, rel=1e-3)
    away = np.hypot(*(far.centres() - 2_010).T)
    at_one_deviation = density[np.abs(away - 200) < 5].mean()
    assert at_one_deviation / density.max() == pytest.approx(np.exp(-0.5), rel=0.03)
    assert far.density(np.array([[2_010.0, 2_010.0]]), 200 * np.sqrt(8)) == pytest.approx(density)


def test_around_a_cell_means_the_other_cells() -> None:
    values = np.zeros(GRID.size)
    values[55] = 10.0
    around = GRID.around(values, 100)
    assert around[55] == 0
    assert around[54] > around[53] > 0
    assert GRID.around(np.full(GRID.size, 3.0), 100) == pytest.approx(np.full(GRID.size, 3.0))


def test_distances_are_metres_from_the_centre() -> None:
    assert GRID.distance(np.array([[25.0, 125.0]]))[0] == 100
    assert np.isinf(GRID.distance(np.empty((0, 2)))).all()


def test_the_forms_of_the_leeds_report_are_174() -> None:
    factors = {f"factor {n}": np.array([[100.0, 100.0]]) for n in range(15)}
    reaches = bands(500, 3, "half")
    assert reaches == (250, 500, 750, 1_000, 1_250, 1_500)
    _, variables = operationalize(GRID, factors, reaches, {"factor 14": (PROXIMITY,)})
    assert len(variables) == 14 * 2 * 6 + 1 * 6 == 174
    assert len(bands(500, 3, "whole")) * 2 == 6


def test_proximity_is_within_reach_and_density_is_unusual() -> None:
    points = np.array([[500.0, 250.0]])
    forms, variables = operationalize(GRID, {"a": points}, [100])
    assert [variable.kind for variable in variables] == [PROXIMITY, DENSITY]
    away = np.hypot(*(GRID.centres() - points).T)
    assert (forms[:, 0] == (away <= 100)).all()
    dense = GRID.density(points, 100)
    assert (forms[:, 1] == (dense > dense.mean() + 2 * dense.std())).all()
    assert set(np.unique(forms)) == {0, 1}


def test_read_at_the_cells_centres_the_forms_are_those_of_the_cells() -> None:
    features = {"a": np.array([[500.0, 250.0], [510.0, 240.0]]), "b": np.array([[20.0, 480.0]])}
    of_cells, _ = operationalize(GRID, features, [100, 150])
    at_centres, _ = operationalize(GRID, features, [100, 150], at=GRID.centres())
    assert (at_centres == of_cells).all()


def test_distances_are_metres_from_the_places_asked_for() -> None:
    points = np.array([[30.0, 40.0]])
    assert GRID.distance(points, at=np.array([[0.0, 0.0], [30.0, 40.0]])).tolist() == [50, 0]
    assert np.isinf(GRID.distance(np.empty((0, 2)), at=points)).tolist() == [True]


def test_a_density_between_centres_lies_between_theirs() -> None:
    points = np.array([[510.0, 240.0]])
    of_cells = GRID.smooth(points, 60)
    one, next_to_it = (GRID.cell_of(np.array([place]))[0] for place in ([475.0, 225.0], [525.0, 225.0]))
    between = GRID.smooth(points, 60, at=np.array([[475.0, 225.0], [500.0, 225.0], [512.5, 225.0]]))
    shares = np.array([[1, 0], [0.5, 0.5], [0.25, 0.75]])
    assert between == pytest.approx(shares @ of_cells[[one, next_to_it]])
    corner = GRID.smooth(points, 200, at=np.array([[0.0, 0.0], [-400.0, -400.0]]))
    assert corner == pytest.approx(np.full(2, GRID.smooth(points, 200)[0]))


def test_a_density_is_unusual_among_the_places_asked_for() -> None:
    points = np.array([[500.0, 250.0]])
    near = points + np.random.default_rng(1).uniform(-60, 60, (200, 2))
    forms, _ = operationalize(GRID, {"a": points}, [100], {"a": (DENSITY,)}, at=near)
    density = GRID.density(points, 100, near)
    assert (forms[:, 0] == (density > density.mean() + 2 * density.std())).all()
    everywhere = GRID.density(points, 100)
    assert (density > everywhere.mean() + 2 * everywhere.std()).mean() > 0.5 > forms.mean()
