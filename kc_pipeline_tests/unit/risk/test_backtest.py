"""The back-test judges what was known before against what came after; sources and areas can be left out."""

import numpy as np
import pytest
import shapely

from kc_pipeline.risk.backtest import AREA_SHARES, judge, leave_areas_out, leave_factors_out
from kc_pipeline.risk.rivals import BOOSTING, KERNEL, OUR_MODEL, RTM, TIE_BREAK, Training, expectations, kernel_density
from kc_pipeline.risk.terrain import build_grid

GRID = build_grid(shapely.box(0, 0, 4_000, 4_000), 65)
RNG = np.random.default_rng(12)
FEATURES = {name: RNG.uniform(0, 4_000, (50, 2)) for name in ("bars", "lights")}
MEAN = 0.05 * np.exp(2.0 * np.exp(-GRID.distance(FEATURES["bars"]) / 150)) * RNG.gamma(0.8, 1 / 0.8, GRID.size)
PAST = RNG.poisson(MEAN, (4, GRID.size)).astype(float)
LATER = RNG.poisson(MEAN).astype(float)
TRAINING = Training(GRID, FEATURES, PAST, (130.0, 260.0))


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return expectations(TRAINING)


def test_every_rival_says_something_of_every_cell(expected: dict[str, np.ndarray]) -> None:
    counts = {"last year", "three years", "all years"}
    assert set(expected) == {OUR_MODEL, "terrain only", RTM, BOOSTING, KERNEL, *counts, *(name + TIE_BREAK for name in counts)}
    assert all(score.shape == (GRID.size,) and np.isfinite(score).all() for score in expected.values())
    assert (expected["three years"] == PAST[:3].sum(axis=0)).all()


def test_counts_of_years_that_are_not_there_are_not_told() -> None:
    names = set(expectations(Training(GRID, FEATURES, PAST[:1], (130.0,)), (RTM, BOOSTING)))
    assert {name for name in names if "year" in name} == {"last year", "last year" + TIE_BREAK}
    names = set(expectations(Training(GRID, FEATURES, PAST[:3], (130.0,)), (RTM, BOOSTING)))
    assert {name for name in names if name.endswith(("year", "years"))} == {"last year", "three years"}


def test_a_tie_break_changes_no_order_but_that_of_equals(expected: dict[str, np.ndarray]) -> None:
    plain, broken = expected["last year"], expected["last year" + TIE_BREAK]
    assert np.abs(plain - broken).max() < 0.01
    assert len(np.unique(broken)) > len(np.unique(plain))


def test_the_truth_is_judged_best_and_our_model_ahead_of_its_terrain(expected: dict[str, np.ndarray]) -> None:
    judged = judge({**expected, "truth": MEAN}, LATER, TRAINING, draws=20).set_index(["model_name", "area_share_pct"])
    assert len(judged) == (len(expected) + 1) * len(AREA_SHARES)
    pai = judged["pai"].xs(5.0, level="area_share_pct")
    assert pai["truth"] >= pai.max() - 0.3
    assert pai[OUR_MODEL] > pai["terrain only"] > 1
    assert judged.loc[(OUR_MODEL, 5.0), "calibration_slope"] == pytest.approx(1, abs=0.2)
    assert np.isnan(judged.loc[("last year", 5.0), "calibration_slope"])
    ours = judged.loc[(OUR_MODEL, 5.0)]
    assert ours["pai_less_ours_low_90"] == ours["pai_less_ours_high_90"] == 0
    assert ours["pai_low_90"] <= ours["pai"] <= ours["pai_high_90"]
    assert (judged["pei"] <= 1).all()


def test_kernel_density_counts_the_cells_own_events_too() -> None:
    score = kernel_density(TRAINING)
    alone = PAST.copy()
    alone[0, 777] += 10
    assert kernel_density(Training(GRID, FEATURES, alone, (130.0,)))[777] > score[777]


def test_leaving_out_what_matters_changes_the_order_more() -> None:
    found = leave_factors_out(TRAINING, {"licences": ["bars"], "lights": ["lights"], "nothing": ["no such factor"]}).set_index("left_out")
    assert set(found.index) == {"licences", "lights"}
    assert found.loc["licences", "rank_correlation"] < found.loc["lights", "rank_correlation"] <= 1
    assert found.loc["lights", "top_overlap_pct"] > 80


def test_the_model_holds_where_it_did_not_learn() -> None:
    area = (GRID.centres()[:, 0] > 3_000).astype(np.int64) - 1
    found = leave_areas_out(TRAINING, area, ["the east"], LATER)
    assert found["left_out"].tolist() == ["the east"]
    assert 0.5 < found["observed_over_expected"].iloc[0] < 1.7
    assert found["deviance_blind"].iloc[0] == pytest.approx(found["deviance_seen"].iloc[0], rel=0.1)
