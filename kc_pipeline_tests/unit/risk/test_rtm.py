"""Risk terrain modelling: its arithmetic, its choice of forms, and its card."""

import json

import numpy as np
import pytest
import shapely

from kc_pipeline.risk.count_models import CountFit
from kc_pipeline.risk.rtm import RiskTerrain, fit_rtm, relative_scores, scores_of_card
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
