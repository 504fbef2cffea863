"""Indices of a ranking, on cases whose answer is known."""

import numpy as np
import pytest

from kc_pipeline.risk.metrics import (
    bootstrap_interval,
    calibrate,
    hit_counts,
    poisson_deviance,
    prediction_accuracy_index,
    prediction_efficiency_index,
)

EVENTS = np.array([5.0, 3.0, 1.0, 1.0, 0, 0, 0, 0, 0, 0])


def test_a_right_order_has_the_highest_index() -> None:
    score = np.arange(10.0)[::-1]
    assert prediction_accuracy_index(score, EVENTS, 0.1) == pytest.approx(5 / 10 / 0.1)
    assert prediction_efficiency_index(score, EVENTS, 0.2) == 1
    assert prediction_efficiency_index(-score, EVENTS, 0.2) == 0


def test_ties_are_broken_at_random() -> None:
    assert prediction_accuracy_index(np.ones(10), EVENTS, 0.5) == pytest.approx(1, abs=0.3)
    assert hit_counts(np.ones(10), EVENTS, [10])[0] == 10
    assert hit_counts(np.ones(10), EVENTS, [1], draws=2_000)[0] == pytest.approx(1, abs=0.15)


def test_deviance_and_calibration() -> None:
    rng = np.random.default_rng(1)
    expected = rng.gamma(1.0, 1.0, 20_000) + 0.01
    events = rng.poisson(expected).astype(float)
    assert calibrate(expected, events).slope == pytest.approx(1, abs=0.03)
    assert calibrate(2 * expected, events).observed_over_expected == pytest.approx(0.5, abs=0.02)
    assert calibrate(expected**2, events).slope == pytest.approx(0.5, abs=0.03)
    assert poisson_deviance(expected, events) < poisson_deviance(np.ones(20_000), events)
    assert poisson_deviance(3 * expected, events) == pytest.approx(poisson_deviance(expected, events))
    assert np.isnan(calibrate(np.ones(20_000), events).slope)


def test_an_interval_of_a_mean_is_as_wide_as_its_blocks_make_it() -> None:
    rng = np.random.default_rng(2)
    blocks = np.repeat(np.arange(100), 50)
    values = rng.normal(size=100)[blocks]
    low, high = bootstrap_interval(blocks, lambda cells: float(values[cells].mean()))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.645 * values.std() / 10, rel=0.25)


def test_a_nearly_flat_expectation_has_a_slope_all_the_same() -> None:
    # A small city: 37 cells are expected to have a thousandth more than the other 190.
    expected = np.repeat([0.08823, 0.08831], [190, 37])
    events = np.zeros(227)
    events[:33], events[190:200] = 1.0, 1.0
    rate = np.log((10 / 37) / (33 / 190)) / np.log(0.08831 / 0.08823)
    assert calibrate(expected, events).slope == pytest.approx(rate, rel=1e-6)


def test_events_that_separate_what_is_expected_have_a_large_slope() -> None:
    assert calibrate(np.array([0.1, 0.1, 0.2, 0.2]), np.array([0.0, 0.0, 1.0, 1.0])).slope > 20
    assert np.isnan(calibrate(np.full(3, 0.5), np.ones(3)).slope)
