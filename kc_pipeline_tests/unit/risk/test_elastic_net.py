"""The elastic net agrees with independent solvers, keeps its signs, and its quick cross-validation agrees with the exact one."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import PoissonRegressor

from kc_pipeline.risk.elastic_net import approximate_cross_validation, cross_validate, fit_path, strength_path

RNG = np.random.default_rng(11)
ROWS, COLUMNS = 3_000, 15
BASE = RNG.normal(size=(ROWS, COLUMNS))
DESIGN = BASE + 0.6 * BASE[:, [0]] * np.arange(COLUMNS) / COLUMNS  # columns that lean on one another
TRUTH = np.where(np.arange(COLUMNS) % 3 == 0, 0.2, 0.0) - np.where(np.arange(COLUMNS) == 4, 0.3, 0.0)
OFFSET = np.log(RNG.uniform(0.5, 2.0, ROWS))
COUNTS = RNG.poisson(np.exp(-1 + DESIGN @ TRUTH + OFFSET)).astype(float)


def bounded_solution(strength: float, l1_share: float) -> tuple[float, np.ndarray]:
    """The same minimum by a bounded quasi-Newton method on the standardised columns."""
    centre, spread = DESIGN.mean(axis=0), DESIGN.std(axis=0)
    unit = (DESIGN - centre) / spread

    def cost(free: np.ndarray) -> tuple[float, np.ndarray]:
        eta = free[0] + unit @ free[1:] + OFFSET
        mean = np.exp(eta)
        penalty = strength * (l1_share * free[1:].sum() + (1 - l1_share) / 2 * (free[1:] ** 2).sum())
        slope = unit.T @ (mean - COUNTS) / ROWS + strength * (l1_share + (1 - l1_share) * free[1:])
        return float((mean - COUNTS * eta).mean() + penalty), np.concatenate([[(mean - COUNTS).mean()], slope])

    start = np.zeros(COLUMNS + 1)
    bounds = [(None, None), *[(0, None)] * COLUMNS]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5_000})
    coefficients = found.x[1:] / spread
    return found.x[0] - coefficients @ centre, coefficients


@pytest.mark.parametrize("l1_share", [0.2, 0.5, 1.0])
def test_every_strength_agrees_with_a_bounded_solver(l1_share: float) -> None:
    strengths = strength_path(DESIGN, COUNTS, OFFSET, l1_share, strengths=6)
    path = fit_path(DESIGN, COUNTS, strengths, OFFSET, l1_share)
    for place, strength in enumerate(strengths):
        constant, coefficients = bounded_solution(strength, l1_share)
        assert path.coefficients[place] == pytest.approx(coefficients, abs=1e-5)
        assert path.constants[place] == pytest.approx(constant, abs=1e-5)


def test_a_ridge_without_bounds_that_bind_agrees_with_scikit_learn() -> None:
    kept = [0, 3, 6, 9]  # columns with positive effects
    unit = (DESIGN[:, kept] - DESIGN[:, kept].mean(axis=0)) / DESIGN[:, kept].std(axis=0)
    strength = 0.05
    path = fit_path(unit, COUNTS, [strength], None, 0.0)
    theirs = PoissonRegressor(alpha=strength, tol=1e-10, max_iter=2_000).fit(unit, COUNTS)
    assert (theirs.coef_ > 0).all()
    assert path.coefficients[0] == pytest.approx(theirs.coef_, abs=1e-5)
    assert path.constants[0] == pytest.approx(theirs.intercept_, abs=1e-5)


def test_the_first_strength_keeps_nothing_and_no_effect_is_negative() -> None:
    path = fit_path(DESIGN, COUNTS, strength_path(DESIGN, COUNTS, OFFSET), OFFSET)
    assert path.coefficients[0] == pytest.approx(np.zeros(COLUMNS), abs=1e-6)
    assert (path.coefficients >= 0).all()
    assert path.coefficients[-1, 4] == 0


def test_a_column_without_spread_gets_no_effect() -> None:
    design = np.column_stack([DESIGN[:, 0], np.full(ROWS, 3.0)])
    path = fit_path(design, COUNTS, strength_path(design, COUNTS))
    assert path.coefficients[-1, 0] > 0
    assert path.coefficients[-1, 1] == 0


def test_the_quick_cross_validation_agrees_with_the_exact_one() -> None:
    strengths = strength_path(DESIGN, COUNTS, OFFSET, strengths=8)
    folds = RNG.permutation(np.arange(ROWS) % 5)
    exact = cross_validate(DESIGN, COUNTS, strengths, folds, OFFSET)
    quick = approximate_cross_validation(DESIGN, COUNTS, fit_path(DESIGN, COUNTS, strengths, OFFSET), folds, OFFSET)
    assert quick == pytest.approx(exact, rel=2e-3)
    assert exact[np.argmin(quick)] <= exact.min() * 1.001
