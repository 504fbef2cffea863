"""Poisson and negative binomial regression agree with statsmodels, also where rows carry weights and exposure."""

import numpy as np
import pytest
import statsmodels.api as sm

from kc_pipeline.risk.count_models import NB1, NB2, POISSON, fit_counts

RNG = np.random.default_rng(7)
ROWS = 4_000
DESIGN = np.column_stack([np.ones(ROWS), RNG.normal(size=(ROWS, 2)), RNG.random(ROWS) < 0.3]).astype(float)
MEAN = np.exp(DESIGN @ np.array([-0.5, 0.4, -0.2, 0.6]))
COUNTS = RNG.poisson(MEAN * RNG.gamma(1.5, 1 / 1.5, ROWS)).astype(float)
EXPOSURE = np.log(RNG.uniform(0.5, 2.0, ROWS))


@pytest.mark.parametrize("exposure", [None, EXPOSURE], ids=["no exposure", "exposure"])
@pytest.mark.parametrize(
    ("family", "theirs"),
    [
        (POISSON, lambda **data: sm.Poisson(COUNTS, DESIGN, **data)),
        (NB1, lambda **data: sm.NegativeBinomial(COUNTS, DESIGN, loglike_method="nb1", **data)),
        (NB2, lambda **data: sm.NegativeBinomial(COUNTS, DESIGN, loglike_method="nb2", **data)),
    ],
)
def test_it_agrees_with_statsmodels(family: str, theirs: object, exposure: np.ndarray | None) -> None:
    other = theirs(offset=exposure).fit(disp=0, maxiter=500, method="bfgs", gtol=1e-8)  # type: ignore[operator]
    ours = fit_counts(family, DESIGN, COUNTS, offset=exposure)
    assert ours.log_likelihood == pytest.approx(other.llf, abs=1e-4)
    assert ours.bic == pytest.approx(other.bic, abs=1e-3)
    assert ours.coefficients == pytest.approx(other.params[:4], abs=1e-4)
    if family != POISSON:
        assert ours.dispersion == pytest.approx(other.params[-1], abs=1e-4)


@pytest.mark.parametrize("family", [POISSON, NB1, NB2])
def test_a_row_with_a_weight_is_that_many_rows(family: str) -> None:
    design = (DESIGN[:, [0, 3]] > 0.5).astype(float)
    cells, weights = np.unique(np.column_stack([design, COUNTS]), axis=0, return_counts=True)
    ours = fit_counts(family, cells[:, :2], cells[:, 2], weights.astype(float))
    whole = fit_counts(family, design, COUNTS)
    assert ours.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-5)
    assert ours.coefficients == pytest.approx(whole.coefficients, abs=1e-5)
    assert ours.observation_count == ROWS


@pytest.mark.parametrize("family", [NB1, NB2])
def test_columns_that_nearly_separate_the_zeros_are_fitted_all_the_same(family: str) -> None:
    # The cross-table of a small city: every event lies where the third and the fourth column are 1.
    cells = np.array([
        [0, 0, 0, 0, 0, 9], [0, 0, 1, 0, 0, 11], [0, 1, 1, 0, 0, 1], [0, 0, 0, 1, 0, 34], [0, 0, 1, 1, 0, 135], [0, 0, 1, 1, 1, 13],
        [0, 0, 1, 1, 2, 1], [1, 0, 1, 1, 0, 7], [1, 0, 1, 1, 1, 9], [1, 0, 1, 1, 2, 1], [1, 0, 1, 1, 3, 1], [0, 1, 1, 1, 0, 2],
        [0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 2, 1], [0, 1, 1, 1, 4, 1],
    ], dtype=float)  # fmt: skip
    design = np.column_stack([np.ones(len(cells)), cells[:, :4]])
    fit = fit_counts(family, design, cells[:, 4], cells[:, 5])
    assert np.isfinite(fit.coefficients).all()
    assert fit.log_likelihood >= fit_counts(POISSON, design, cells[:, 4], cells[:, 5]).log_likelihood - 1e-6
    expected = (np.exp(design @ fit.coefficients) * cells[:, 5]).sum()
    assert expected == pytest.approx((cells[:, 4] * cells[:, 5]).sum(), rel=0.05)
