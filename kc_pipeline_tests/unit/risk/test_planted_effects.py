"""Risk terrain modelling against the synthetic city's truth: what is planted is found again, what is not stays out."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from kc_pipeline.sandbox.truth import EFFECTS

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "planted_effects.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script that measures it over many seeds."""
    spec = importlib.util.spec_from_file_location(BENCHMARK.stem, BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_most_planted_effects_are_recovered_and_decoys_stay_out(benchmark: ModuleType) -> None:
    rows = pd.concat([benchmark.recover(seed, scale=0.1, years=5) for seed in (1, 2, 3)], ignore_index=True)
    assert len(rows) == 3 * len(EFFECTS)
    verdict = benchmark.judge(rows)
    assert verdict.share_inside >= 0.6
    assert verdict.share_kept_out >= 0.8
    planted = rows[rows["beta"] > 0]
    assert planted["chosen"].notna().mean() >= 0.8
    assert (planted["estimate"] - planted["beta"]).abs().mean() < 0.15
    assert planted["is_inside_as_planted"].mean() >= 0.7


def test_a_city_has_events_on_parcels_with_ground_and_features_by_weight(benchmark: ModuleType) -> None:
    truth, units = benchmark.make_city(scale=0.02, seed=1, years=1)
    assert len(units.points) == len(truth.factors) - 1  # without the Express Stop
    assert (units.exposure > 0).all()
    assert units.counts.sum() > 50
    features = benchmark.features_of(truth)
    assert set(features) == {effect.factor for effect in EFFECTS}
    assert len(features["bars"]) == len(truth.spots("bars")) * benchmark.POINTS_PER_WEIGHT
    weights = truth.spots("dumping_complaints")["weight"]
    assert len(features["dumping_complaints"]) == pytest.approx(weights.sum() * benchmark.POINTS_PER_WEIGHT, abs=len(weights) / 2)


def test_a_refit_tells_the_ratio_of_rates_by_ground(benchmark: ModuleType) -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 8_000, (4_000, 2))
    form, exposure = rng.random(4_000) < 0.3, rng.uniform(1, 3, 4_000)
    units = benchmark.Units(points, exposure, rng.poisson(exposure * np.where(form, 1.0, 0.5)).astype(float))
    fit = benchmark.refit(form[:, None], units, seed=1)
    rates = [units.counts[part].sum() / exposure[part].sum() for part in (form, ~form)]
    assert fit.estimates == pytest.approx([np.log(rates[0] / rates[1])])
    assert fit.lows[0] < np.log(2) < fit.highs[0]
    wald = 2 * 1.645 * np.sqrt(sum(1 / units.counts[part].sum() for part in (form, ~form)))
    assert fit.highs[0] - fit.lows[0] == pytest.approx(wald, rel=0.3)


@pytest.mark.parametrize(("seeds", "least"), [(20, 16), (10, 7), (1, 0)])
def test_what_chance_leaves_of_an_honest_interval(benchmark: ModuleType, seeds: int, least: int) -> None:
    assert benchmark.least_inside(seeds) == least


def test_the_bar_asks_for_all_factors_and_for_the_decoys(benchmark: ModuleType) -> None:
    rows = pd.DataFrame(
        {
            "seed": np.tile(np.arange(20), 3),
            "factor": np.repeat(["bars", "hotels", "salons"], 20),
            "beta": np.repeat([0.6, 0.4, 0.0], 20),
            "chosen": ["a"] * 40 + [None] * 20,
            "is_inside": [True] * 36 + [False] * 24,
        }
    )
    verdict = benchmark.judge(rows)
    assert (verdict.share_inside, verdict.share_recovered, verdict.share_kept_out) == (0.9, 1.0, 1.0)
    assert verdict.is_met
    one_fails = rows.assign(is_inside=rows["is_inside"] & (rows.index < 35))
    assert benchmark.judge(one_fails).share_recovered == 0.5
    assert not benchmark.judge(one_fails).is_met
    let_in = rows.assign(chosen=rows["chosen"].mask(rows["seed"] < 3, "a"))
    assert benchmark.judge(let_in).share_kept_out == 0.85
    assert not benchmark.judge(let_in).is_met
