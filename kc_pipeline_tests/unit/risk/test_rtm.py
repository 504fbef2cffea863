"""Risk terrain modelling: its arithmetic, its choice of forms, and its card."""

import json

import numpy as np
import pytest
import shapely

from kc_pipeline.risk.count_models import NB1, POISSON, CountFit, fit_counts
from kc_pipeline.risk.rtm import RiskTerrain, choose_stepwise, fit_rtm, relative_scores, scores_of_card
from kc_pipeline.risk.terrain import PROXIMITY, Variable, build_grid, operationalize

GRID = build_grid(shapely.box(0, 0, 3_000, 3_000), 50)
RNG = np.random.default_rng(3)
FEATURES = {name: RNG.uniform(0, 3_000, (40, 2)) for name in ("bars", "lights", "stops")}


def test_the_scores_of_the_leeds_report() -> None:
    design = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=np.float32)
    coefficients = np.array([-4.0, np.log(21.3638), np.log(8.6521)])
    scores = relative_scores(design, [0, 1], coefficients)
    assert scores == pytest.approx([1, 21.3638, 8.6521, 184.8], abs=0.05)
    fit = CountFit("nb1", coefficients, 0.5, -1.0, 4)
    variables = (Variable("a", PROXIMITY, 250), Variable("b", PROXIMITY, 500))
    terrain = RiskTerrain(variables, fit, {"nb1": 1.0}, variables, scores)
    assert terrain.factor_table()["relative_risk_value"].tolist() == pytest.approx([21.3638, 8.6521])
    assert terrain.is_highest_risk().tolist() == [False, False, False, False]


def test_planted_forms_are_found_one_for_each_factor_and_a_useless_factor_is_left_out() -> None:
    design, variables = operationalize(GRID, FEATURES, [100, 200, 300])
    names = [variable.name for variable in variables]
    bars, lights = names.index("bars: proximity 200 m"), names.index("lights: density 300 m")
    mean = 0.15 * np.exp(1.0 * design[:, bars] + 1.2 * design[:, lights])
    counts = RNG.poisson(mean * RNG.gamma(2.0, 0.5, GRID.size)).astype(float)
    terrain = fit_rtm(design, variables, counts)
    assert {variable.name for variable in terrain.variables} == {names[bars], names[lights]}
    assert terrain.fit.family == "nb1"
    assert terrain.bic_by_family["nb1"] < terrain.bic_by_family["poisson"]
    table = terrain.factor_table().set_index("factor")["coefficient"]
    assert table["bars"] == pytest.approx(1.0, abs=0.2)
    assert table["lights"] == pytest.approx(1.2, abs=0.2)


def test_a_score_is_computed_again_from_its_card() -> None:
    design, variables = operationalize(GRID, FEATURES, [100, 200])
    counts = RNG.poisson(0.2 * np.exp(design[:, 0])).astype(float)
    terrain = fit_rtm(design, variables, counts)
    card = json.loads(json.dumps(terrain.to_card()))
    assert scores_of_card(card, GRID, FEATURES) == pytest.approx(terrain.relative_scores)
    assert scores_of_card(card, GRID, {}) == pytest.approx(np.ones(GRID.size))


def test_no_event_at_all_gives_a_terrain_without_factors() -> None:
    design, variables = operationalize(GRID, FEATURES, [100])
    terrain = fit_rtm(design, variables, np.zeros(GRID.size))
    assert terrain.variables == ()
    assert terrain.relative_scores == pytest.approx(np.ones(GRID.size))


def test_an_equal_exposure_moves_the_constant_only() -> None:
    design, variables = operationalize(GRID, FEATURES, [100, 200])
    counts = np.random.default_rng(5).poisson(0.2 * np.exp(design[:, 0])).astype(float)
    plain = fit_rtm(design, variables, counts)
    exposed = fit_rtm(design, variables, counts, exposure=np.full(GRID.size, 500.0))
    assert exposed.variables == plain.variables
    assert exposed.candidates == plain.candidates
    assert exposed.fit.bic == pytest.approx(plain.fit.bic)
    constant, *effects = plain.fit.coefficients
    assert exposed.fit.coefficients == pytest.approx([constant - np.log(500), *effects], abs=1e-6)
    assert exposed.relative_scores == pytest.approx(plain.relative_scores)


def test_a_factor_that_only_goes_with_exposure_is_left_out() -> None:
    rng = np.random.default_rng(6)
    design, variables = operationalize(GRID, FEATURES, [100, 200, 300])
    names = [variable.name for variable in variables]
    bars, lights = names.index("bars: proximity 200 m"), names.index("lights: proximity 200 m")
    exposure = rng.lognormal(0, 0.3, GRID.size) * np.where(design[:, lights] > 0, 3.0, 1.0)
    counts = rng.poisson(0.15 * exposure * np.exp(design[:, bars])).astype(float)
    blind, exposed = fit_rtm(design, variables, counts), fit_rtm(design, variables, counts, exposure=exposure)
    assert "lights" in {variable.factor for variable in blind.variables}
    assert [variable.name for variable in exposed.variables] == [names[bars]]
    assert exposed.fit.coefficients == pytest.approx([np.log(0.15), 1.0], abs=0.15)


@pytest.mark.parametrize("family", [POISSON, NB1])
def test_exposures_looked_at_together_give_the_fit_of_single_cells(family: str) -> None:
    rng = np.random.default_rng(7)
    design, variables = operationalize(GRID, {"bars": FEATURES["bars"]}, [200], {"bars": (PROXIMITY,)})
    exposure = rng.lognormal(0, 0.5, GRID.size)
    counts = rng.poisson(0.3 * exposure * np.exp(design[:, 0]) * rng.gamma(2.0, 0.5, GRID.size)).astype(float)
    grouped, chosen = choose_stepwise(design, variables, counts, [0], family, exposure)
    single = fit_counts(family, np.column_stack([np.ones(GRID.size), design]).astype(float), counts, offset=np.log(exposure))
    assert chosen == [0]
    assert grouped.coefficients == pytest.approx(single.coefficients, abs=2e-3)
    assert grouped.bic == pytest.approx(single.bic, rel=1e-3)


def test_no_event_at_all_leaves_a_constant_for_the_exposure() -> None:
    design, variables = operationalize(GRID, FEATURES, [100])
    terrain = fit_rtm(design, variables, np.zeros(GRID.size), exposure=np.full(GRID.size, 500.0))
    assert terrain.variables == ()
    assert np.exp(terrain.fit.coefficients[0]) * 500 * GRID.size == pytest.approx(0.5)


def test_the_quick_search_keeps_the_forms_of_the_exact_one() -> None:
    design, variables = operationalize(GRID, FEATURES, [100, 200, 300])
    counts = RNG.poisson(0.15 * np.exp(1.0 * design[:, 0] + 0.8 * design[:, 9])).astype(float)
    quick, exact = (fit_rtm(design, variables, counts, is_exact=is_exact) for is_exact in (False, True))
    assert quick.variables == exact.variables
    assert quick.fit.coefficients == pytest.approx(exact.fit.coefficients)
