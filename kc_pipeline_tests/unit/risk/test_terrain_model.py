"""Our terrain: planted factors are found, contributions add up, a card gives the same again."""

import numpy as np
import pytest
import shapely

from kc_pipeline.risk import terrain_model
from kc_pipeline.risk.terrain import build_grid
from kc_pipeline.risk.terrain_model import PAST_CRIME, TerrainModel, block_folds, fit_terrain_model

GRID = build_grid(shapely.box(0, 0, 6_000, 6_000), 60)
RNG = np.random.default_rng(8)
FEATURES = {name: RNG.uniform(0, 6_000, (60, 2)) for name in ("bars", "lights", "stops")}
MEAN = 0.04 * np.exp(1.6 * np.exp(-GRID.distance(FEATURES["bars"]) / 140) + 0.8 * np.log1p(GRID.smooth(FEATURES["lights"], 120) / 2))
PAST = RNG.poisson(MEAN, (3, GRID.size)).astype(float)


@pytest.fixture(scope="module")
def model() -> TerrainModel:
    return fit_terrain_model(GRID, FEATURES, PAST)


def test_what_was_planted_is_found_and_what_was_not_hardly(model: TerrainModel) -> None:
    parts = model.parts(GRID, FEATURES, PAST)
    spread = {name: float(np.std(part)) for name, part in parts.items()}
    assert spread["bars"] > 0.1
    assert spread["lights"] > 0.1
    assert spread.get("stops", 0.0) < 0.3 * spread["bars"]
    assert all(coefficient > 0 for coefficient in model.coefficients)


def test_the_expectation_is_the_product_of_what_is_told(model: TerrainModel) -> None:
    parts = model.parts(GRID, FEATURES, PAST)
    product = np.exp(model.constant) * np.prod([np.exp(part) for part in parts.values()], axis=0)
    assert model.expected(GRID, FEATURES, PAST) == pytest.approx(product, rel=1e-9)


def test_it_expects_as_many_as_there_were_and_orders_cells_rightly(model: TerrainModel) -> None:
    expected = model.expected(GRID, FEATURES, PAST)
    assert expected.sum() == pytest.approx(PAST.sum() / 3, rel=1e-3)
    assert np.corrcoef(np.log(expected), np.log(MEAN))[0, 1] > 0.85


def test_a_cells_own_past_does_not_speak_for_itself(model: TerrainModel) -> None:
    alone = PAST.copy()
    alone[:, 500] += 30
    before, after = (model.parts(GRID, FEATURES, past).get(PAST_CRIME, np.zeros(GRID.size)) for past in (PAST, alone))
    assert after[500] == pytest.approx(before[500], abs=1e-9)


def test_a_factor_that_went_away_adds_nothing(model: TerrainModel) -> None:
    gone = model.parts(GRID, {name: points for name, points in FEATURES.items() if name != "bars"}, PAST)
    assert gone["bars"] == pytest.approx(np.zeros(GRID.size))


def test_few_events_give_every_cell_the_same() -> None:
    few = np.zeros((2, GRID.size))
    few[0, :6] = 1
    model = fit_terrain_model(GRID, FEATURES, few)
    assert model.terms == ()
    assert model.expected(GRID, FEATURES, few) == pytest.approx(np.full(GRID.size, 3 / GRID.size), rel=1e-4)


def test_folds_are_whole_blocks_and_the_same_every_time() -> None:
    folds = block_folds(GRID, 5, 20, 0)
    column, row = np.floor(GRID.centres() / (60 * 20)).astype(int).T
    pairs = np.unique(np.column_stack([row * 100 + column, folds]), axis=0)
    assert len(pairs) == 25
    assert set(folds) == {0, 1, 2, 3, 4}
    assert (folds == block_folds(GRID, 5, 20, 0)).all()


def test_cells_of_one_fold_hold_nothing_out_and_give_every_cell_the_same() -> None:
    here = block_folds(GRID, terrain_model.FOLDS, terrain_model._FOLD_BLOCK_CELLS, 0) == 0
    assert PAST[:, here].sum() > terrain_model.LEAST_EVENTS
    assert fit_terrain_model(GRID, FEATURES, PAST, learn_from=here).terms == ()
