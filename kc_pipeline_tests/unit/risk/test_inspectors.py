"""Findings, the order they suggest, and what of them is the inspector."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.risk.inspectors import adjusted_count, days_earlier, fit_findings, inspector_effects

DAYS = pd.date_range("2014-09-01", periods=4)
STRICTNESS = {"lenient": 0.5, "usual": 1.0, "strict": 2.0}


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    """Visits of three inspectors to places alike for all of them."""
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"inspector": rng.choice(list(STRICTNESS), 60_000), "expected": rng.uniform(0.05, 0.3, 60_000)})
    return rows.assign(found=rng.random(60_000) < rows["expected"] * rows["inspector"].map(STRICTNESS))


@pytest.fixture(scope="module")
def inspections() -> pd.DataFrame:
    """Inspections whose log odds are -1 + 1.2 a (in hundreds) - 0.5 b, with a column that says nothing."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"a": rng.normal(0, 100, 8000), "b": rng.integers(0, 2, 8000), "constant": 3.0})
    return rows.assign(found=rng.random(8000) < 1 / (1 + np.exp(1 - 0.012 * rows["a"] + 0.5 * rows["b"])))


def test_the_fit_finds_coefficients_in_the_units_of_the_features(inspections: pd.DataFrame) -> None:
    model = fit_findings(inspections[["a", "b", "constant"]], inspections["found"])
    assert model.columns == ("a", "b", "constant")
    assert model.coefficients == pytest.approx([0.012, -0.5, 0], abs=0.1)
    assert model.coefficients[0] == pytest.approx(0.012, rel=0.1)
    predicted = model.predict(inspections)
    assert predicted.mean() == pytest.approx(inspections["found"].mean(), abs=1e-4)
    assert np.corrcoef(predicted, inspections["a"])[0, 1] > 0.9


def test_the_fit_is_the_same_again_and_a_stronger_penalty_brings_it_nearer_zero(inspections: pd.DataFrame) -> None:
    few = inspections[:500]
    free, held = (fit_findings(few[["a", "b"]], few["found"], strengths=np.array([strength]), folds=5) for strength in (1e-4, 1.0))
    again = fit_findings(few[["a", "b"]], few["found"], strengths=np.array([1.0]), folds=5)
    assert (np.abs(held.coefficients) < np.abs(free.coefficients)).all()
    assert held.coefficients.tolist() == again.coefficients.tolist()
    assert (free.strength, held.strength) == (1e-4, 1.0)


def test_the_penalty_is_strong_where_nothing_is_to_be_learnt_and_weak_where_much_is(inspections: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    noise = pd.DataFrame(rng.normal(size=(400, 20)))
    assert fit_findings(noise, rng.permutation(np.repeat([0, 1], 200))).strength >= 0.5
    assert fit_findings(inspections[["a", "b"]], inspections["found"]).strength <= 0.05


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ([1, 2, 3, 4], (-1 + 3) / 2),  # reversed: from days 2 and 4 to days 3 and 1
        ([4, 3, 2, 1], 0.0),
        ([0, 1, 0, 1], (1 + 2) / 2),  # equal scores in the order given: to days 1 and 2
        ([1, 0, 1, 0], (-1 + 0) / 2),  # to days 3 and 4
    ],
)
def test_days_earlier_of_two_critical_inspections(score: list[int], expected: float) -> None:
    assert days_earlier(DAYS, [0, 1, 0, 1], score) == pytest.approx(expected)


def test_dates_are_dealt_as_often_as_they_were() -> None:
    days = pd.to_datetime(["2014-09-10", "2014-09-01", "2014-09-01", "2014-09-05"])
    assert days_earlier(days, [1, 0, 0, 1], [9, 1, 2, 8]) == pytest.approx((9 + 4) / 2)


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.integers(-5, 5)), min_size=1, max_size=30))
def test_only_the_order_of_scores_matters_and_all_inspections_together_move_nowhere(rows: list[tuple[int, bool, int]]) -> None:
    offset, found, score = (np.array(column) for column in zip(*rows, strict=True))
    days = pd.Timestamp("2014-09-01") + pd.to_timedelta(offset, unit="D")
    assert days_earlier(days, np.ones(len(rows)), score) == pytest.approx(0)
    if found.any():
        best = days_earlier(days, found, found)
        assert days_earlier(days, found, score) == days_earlier(days, found, np.exp(score / 2)) <= best + 1e-9


def test_effects_are_recovered(visits: pd.DataFrame) -> None:
    effects = inspector_effects(visits["found"], visits["expected"], visits["inspector"])
    assert effects.name == "log_ratio"
    level = visits["found"].sum() / visits["expected"].sum()
    for name, ratio in STRICTNESS.items():
        assert np.exp(effects[name]) == pytest.approx(ratio / level, rel=0.05)


def test_the_level_of_the_expectation_does_not_matter(visits: pd.DataFrame) -> None:
    once, thrice = (inspector_effects(visits["found"], visits["expected"] * factor, visits["inspector"]) for factor in (1, 3))
    pd.testing.assert_series_equal(once, thrice)


def test_an_inspector_of_few_inspections_stays_near_one(visits: pd.DataFrame) -> None:
    new = pd.DataFrame({"inspector": "new", "expected": 0.2, "found": [True, True]})
    rows = pd.concat([visits, new])
    effects = inspector_effects(rows["found"], rows["expected"], rows["inspector"])
    raw = 2 / 0.4
    assert 1 < np.exp(effects["new"]) < raw / 2


def test_inspectors_who_are_alike_get_ratio_one() -> None:
    rows = pd.DataFrame({"inspector": ["a", "b"] * 50, "found": [0, 0, 1, 1] * 25})
    assert inspector_effects(rows["found"], np.full(100, 0.5), rows["inspector"]).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_inspections_without_an_inspector_are_left_out() -> None:
    effects = inspector_effects([1, 0, 1, 5], [0.5, 0.5, 0.5, 0.5], ["a", "b", "a", None])
    assert list(effects.index) == ["a", "b"]
    pd.testing.assert_series_equal(effects, inspector_effects([1, 0, 1], [0.5, 0.5, 0.5], ["a", "b", "a"]))


def test_counts_are_divided_by_the_ratio_and_unknown_inspectors_change_nothing() -> None:
    effects = pd.Series({"strict": np.log(2.0), "lenient": np.log(0.5)})
    adjusted = adjusted_count([4, 4, 4, 4], ["strict", "lenient", "stranger", None], effects)
    assert adjusted.tolist() == pytest.approx([2, 8, 4, 4])


def test_adjusted_counts_keep_the_total_and_lose_the_inspector(visits: pd.DataFrame) -> None:
    effects = inspector_effects(visits["found"], visits["expected"], visits["inspector"])
    visits = visits.assign(adjusted=adjusted_count(visits["found"], visits["inspector"], effects))
    assert visits["adjusted"].sum() == pytest.approx(visits["found"].sum(), rel=0.01)
    per_visit = visits.groupby("inspector")[["found", "adjusted"]].mean()
    assert per_visit["found"].max() > 3 * per_visit["found"].min()
    assert per_visit["adjusted"].max() < 1.1 * per_visit["adjusted"].min()


@pytest.mark.parametrize(
    ("features", "found", "message"),
    [
        ({"kind": ["bar", "shop"] * 20}, [0, 1] * 20, "feature 'kind': holds .*, not numbers"),
        ({"age": [1.0, np.nan] * 20}, [0, 1] * 20, "feature 'age': empty"),
        ({"age": [1.0, 2.0] * 20}, [0, 2] * 20, "found: holds more than 0 and 1"),
        ({"age": [1.0, 2.0] * 20}, [0, 1], "found: shape .* for 40 inspections"),
        ({"age": [1.0, 2.0] * 20}, [1] + [0] * 39, "found: 1 inspections of the rarer outcome do not fill 10 folds"),
    ],
)
def test_a_fit_says_what_is_wrong_with_its_input(features: dict[str, list], found: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_findings(pd.DataFrame(features), found)


def test_a_prediction_names_the_missing_features(inspections: pd.DataFrame) -> None:
    model = fit_findings(inspections[:500][["a", "b"]], inspections["found"][:500], strengths=np.array([0.1]))
    with pytest.raises(ValueError, match=r"features \['b'\]: not among the columns"):
        model.predict(inspections[["a"]])


@pytest.mark.parametrize(
    ("dates", "found", "score", "message"),
    [
        (DAYS, [0, 0, 0, 0], [1, 2, 3, 4], "no critical inspection"),
        (DAYS, [0, 1, 0, 1], [1, 2, 3, np.nan], "score: 1 of 4 are missing"),
        (DAYS, [0, 1, 0, 1], [1, 2, 3], "score: shape"),
        ([*DAYS[:3], None], [0, 1, 0, 1], [1, 2, 3, 4], "dates: 1 of 4 are missing"),
    ],
)
def test_days_earlier_says_what_is_wrong_with_its_input(dates: list, found: list[int], score: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        days_earlier(dates, found, score)


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        ([0, 0], [1, 1], "found: sums to 0"),
        ([1, 0], [0, 0], "expected: sums to 0"),
        ([1, 0], [1, -1], "expected: -1 is below zero"),
        ([1, 0], [1], "expected: shape"),
    ],
)
def test_effects_say_what_is_wrong_with_their_input(found: list[int], expected: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inspector_effects(found, expected, ["a", "b"])


def test_adjusted_counts_refuse_counts_below_zero() -> None:
    with pytest.raises(ValueError, match="counts: -1 is below zero"):
        adjusted_count([-1], ["a"], pd.Series({"a": 0.0}))
