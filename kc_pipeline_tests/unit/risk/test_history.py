"""Place effects: their posterior, their interval, and the parameters that made them."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma, nbinom

from kc_pipeline.risk.history import PlaceEffects, fit_place_effects

RNG = np.random.default_rng(5)
PLACES = 20_000
EXPECTED = RNG.gamma(1.0, 0.2, PLACES) + 0.01


def years_of(shape: float, power: float, count: int) -> np.ndarray:
    of_place = shape * (EXPECTED / EXPECTED.mean()) ** power
    effect = RNG.gamma(of_place, 1 / of_place)
    return RNG.poisson(EXPECTED * effect, (count, PLACES)).astype(float)


def test_the_parameters_that_made_the_years_are_found() -> None:
    found = fit_place_effects(EXPECTED, years_of(0.8, 0.5, 4))
    assert found.shape == pytest.approx(0.8, rel=0.15)
    assert found.power == pytest.approx(0.5, abs=0.15)
    assert found.decay > 0.85  # effects that last need no decay


def test_a_past_that_fades_is_weighted_less() -> None:
    lasting, fading = years_of(0.5, 0.0, 5), np.array([years_of(0.5, 0.0, 1)[0] for _ in range(5)])
    assert fit_place_effects(EXPECTED, fading).decay < 0.3 < 0.8 < fit_place_effects(EXPECTED, lasting).decay


def test_one_year_is_enough_for_shape_and_power() -> None:
    found = fit_place_effects(EXPECTED, years_of(0.8, 0.5, 1))
    assert found.shape == pytest.approx(0.8, rel=0.3)


def test_the_posterior_mean_and_interval_are_those_of_bayes() -> None:
    effects = PlaceEffects(0.7, 0.0, 1.0, 0.5)
    expected, years = np.array([0.5, 0.5]), np.array([[3.0, 1.0]])
    level = years.sum() / expected.sum()
    shape, rate = 0.7 + years[0], 0.7 + expected * level
    assert effects.multiplier(expected, years) == pytest.approx(shape / rate)
    low, high = effects.interval(expected, years)
    for place in (0, 1):
        posterior = gamma(shape[place], scale=expected[place] / rate[place])
        assert posterior.cdf(high[place]) - posterior.cdf(low[place]) == pytest.approx(0.8)
        assert quad(posterior.pdf, low[place], high[place])[0] == pytest.approx(0.8, abs=1e-6)


def test_decay_weighs_older_years_less() -> None:
    effects = PlaceEffects(1.0, 0.0, 0.5, 0.5)
    expected = np.array([0.5, 0.5])
    newer, older = np.array([[4.0, 0.0], [2.0, 2.0]]), np.array([[2.0, 2.0], [4.0, 0.0]])
    assert effects.multiplier(expected, newer)[0] > effects.multiplier(expected, older)[0] > 1


def test_a_place_without_record_is_drawn_down_and_never_to_zero() -> None:
    effects = fit_place_effects(EXPECTED, years_of(0.8, 0.5, 3))
    multiplier = effects.multiplier(EXPECTED, np.zeros((3, PLACES)) + 1e-12)
    assert (multiplier > 0).all()
    years = years_of(0.8, 0.5, 3)
    assert effects.multiplier(EXPECTED, years)[years.sum(axis=0) == 0].mean() < 1


def test_the_likelihood_is_the_negative_binomial_one() -> None:
    from kc_pipeline.risk.history import _log_likelihood

    events, shape, rate, expected = (
        np.array([0.0, 1.0, 4.0]),
        np.array([0.5, 1.5, 2.0]),
        np.array([1.0, 2.0, 0.5]),
        np.array([0.2, 1.0, 3.0]),
    )
    theirs = nbinom.logpmf(events, shape, rate / (rate + expected))
    ours = _log_likelihood(events, shape, rate, expected) - np.array([0.0, 0.0, np.log(24)])
    assert ours == pytest.approx(theirs)


def test_no_event_anywhere_leaves_every_place_at_its_expectation() -> None:
    effects = fit_place_effects(EXPECTED, np.zeros((2, PLACES)))
    assert effects.multiplier(EXPECTED, np.zeros((2, PLACES))) == pytest.approx(np.ones(PLACES))


def test_years_without_any_record_teach_nothing() -> None:
    years = years_of(0.8, 0.5, 3)
    silent = np.vstack([np.zeros((2, PLACES)), years])
    assert fit_place_effects(EXPECTED, silent) == fit_place_effects(EXPECTED, years)
