"""How much of a critical finding is the place's and how much is the inspector's.

In Chicago a model of critical findings puts the critical inspections 7.43 days earlier where it knows who inspected, and 2.29
days where it does not (`benchmarks/food_inspections.py` measures both again): most of the gain is the inspector's strictness, which
says nothing about a place.  So a factor made of health violations must not be a factor 'who inspected': counts are divided by
the inspector's ratio of findings to expected findings before they speak for a place.

A ratio is only as good as the expectation: what a model that is blind to the inspector cannot tell (districts that always
have the same inspector, say) is counted as strictness.  Names of columns come with the frames; nothing here knows a city.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, gammaln

Floats = npt.NDArray[np.float64]

# Penalty on half the squared coefficients of unit columns, beside the mean negative log likelihood.
STRENGTHS: Floats = np.geomspace(1e-4, 10, 16)
FOLDS, SEED = 10, 0
# Shapes of the gamma distribution of ratios that are tried: from wildly different inspectors to inspectors that are all alike.
_SHAPES = (1e-2, 1e6)
_MOST_STEPS, _TOLERANCE = 1000, 1e-8


@dataclass(frozen=True)
class FindingModel:
    """Probability of a critical finding, by ridge logistic regression.

    Attributes:
        columns: names of the features, in the order of the coefficients.
        constant: log odds where every feature is zero.
        coefficients: change of the log odds for one more of each feature, in its own unit.
        strength: the penalty that was chosen.
    """

    columns: tuple[str, ...]
    constant: float
    coefficients: Floats
    strength: float

    def predict(self, features: pd.DataFrame) -> Floats:
        """Probability of a critical finding in each row.

        Raises:
            ValueError: if a feature is missing, holds no numbers or is empty somewhere.
        """
        if missing := [name for name in self.columns if name not in features]:
            raise ValueError(f"features {missing}: not among the columns; give the columns that the model was fitted on")
        return np.asarray(expit(self.constant + _matrix(features[list(self.columns)]) @ self.coefficients))


def fit_findings(
    features: pd.DataFrame, found: npt.ArrayLike, *, strengths: Floats = STRENGTHS, folds: int = FOLDS, seed: int = SEED
) -> FindingModel:
    """Fit the probability of a critical finding, with the penalty of the least held-out deviance.

    Columns are brought to unit (population) standard deviation within each fit; the constant is not penalised.

    Args:
        features: a row per inspection, numbers only; kinds (of places, of inspectors) as columns of zeros and ones.
        found: per inspection whether it found a critical violation, 0 or 1.
        strengths: penalties to choose from, above zero.
        folds: parts that are held out in turn, with equal shares of findings.
        seed: of the dealing of inspections to folds.

    Raises:
        ValueError: if the input is not as described, or holds too few findings (or inspections without) for the folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    matrix, flags = _matrix(features), _flags(found, len(features))
    rarer = min(int(flags.sum()), int((~flags).sum()))
    if rarer < folds:
        raise ValueError(
            f"found: {rarer} inspections of the rarer outcome do not fill {folds} folds; give more rows or ask for fewer folds"
        )
    steps = [("unit", StandardScaler()), ("ridge", LogisticRegression(solver="newton-cholesky", tol=_TOLERANCE, max_iter=_MOST_STEPS))]
    dealt = StratifiedKFold(folds, shuffle=True, random_state=seed)
    search = GridSearchCV(Pipeline(steps), {"ridge__C": 1 / (strengths * len(flags))}, scoring="neg_log_loss", cv=dealt)
    best = search.fit(matrix, flags).best_estimator_
    unit, ridge = best["unit"], best["ridge"]
    coefficients = ridge.coef_[0] / unit.scale_
    constant = float(ridge.intercept_[0] - coefficients @ unit.mean_)
    return FindingModel(tuple(map(str, features.columns)), constant, coefficients, float(strengths[search.best_index_]))


def days_earlier(dates: Iterable[object], found: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Days by which the critical inspections move forward, on average, if the highest scores are inspected first.

    The dates stay as many a day as they were; they are dealt out, earliest first, by falling score, equal scores in the order
    given.  Negative: the order by score is later.

    Args:
        dates: day of each inspection.
        found: per inspection whether it found a critical violation, 0 or 1.
        score: per inspection, higher is more urgent.

    Raises:
        ValueError: if lengths differ, a date or score is missing, or nothing was found.
    """
    day = pd.to_datetime(pd.Series(list(dates))).to_numpy(dtype="datetime64[D]")
    flags, urgency = _flags(found, len(day)), _numbers("score", score, len(day))
    if np.isnat(day).any():
        raise ValueError(f"dates: {int(np.isnat(day).sum())} of {len(day)} are missing; leave out inspections without a date")
    if not flags.any():
        raise ValueError("found: no critical inspection, so that there is nothing to find earlier")
    dealt = np.empty_like(day)
    dealt[np.argsort(-urgency, kind="stable")] = np.sort(day)
    return float((day - dealt)[flags].astype(np.float64).mean())


def inspector_effects(found: npt.ArrayLike, expected: npt.ArrayLike, inspector: Iterable[object]) -> pd.Series:
    """Log ratio of each inspector's findings to the findings expected of the inspections they were given.

    Findings of an inspector are Poisson about ratio times expectation; ratios are gamma about 1, as widely as fits the findings
    of all best (empirical Bayes).  The ratio is the mean given the findings: (shape + findings) / (shape + expectation), so that
    few inspections stay near 1.  The expectation is first brought to the level of all findings: ratios compare inspectors with
    each other, they do not judge the model.

    Args:
        found: critical findings of each inspection, zero or more.
        expected: findings to expect of each inspection whoever inspects: by a model that is blind to the inspector.
        inspector: who inspected; inspections where that is missing are left out.

    Returns:
        Log ratio by inspector, named 'log_ratio'; above 0: stricter than most.

    Raises:
        ValueError: if lengths differ, a number is missing or negative, or nothing was found or expected.
    """
    who = pd.Series(list(inspector), name="inspector")
    rows = pd.DataFrame({"found": _amounts("found", found, len(who)), "expected": _amounts("expected", expected, len(who))})
    sums = rows.groupby(who).sum()
    findings, expectation = (sums[name].to_numpy(dtype=np.float64) for name in ("found", "expected"))
    for name, total in (("found", findings.sum()), ("expected", expectation.sum())):
        if not total > 0:
            raise ValueError(f"{name}: sums to {total:g} over inspections with an inspector; a ratio needs some")
    expectation = expectation * findings.sum() / expectation.sum()
    shape = _likeliest_shape(findings, expectation)
    return pd.Series(np.log((shape + findings) / (shape + expectation)), index=sums.index, name="log_ratio")


def adjusted_count(counts: npt.ArrayLike, inspector: Iterable[object], effects: pd.Series) -> Floats:
    """Counts of critical violations, each divided by its inspector's ratio.

    What a strict inspector finds counts for less and what a lenient one finds for more; over the
    inspections that the effects came from the total stays about the same.

    Args:
        counts: critical violations of each row, zero or more.
        inspector: who counted them; ratio 1 where that is missing or has no effect.
        effects: log ratio by inspector, from `inspector_effects`.

    Raises:
        ValueError: if lengths differ or a number is missing or negative.
    """
    who = pd.Series(list(inspector), dtype=object)
    log_ratio = who.map(effects.to_dict()).astype(float).fillna(0.0).to_numpy(dtype=np.float64)
    return np.asarray(_amounts("counts", counts, len(who)) / np.exp(log_ratio))


def _likeliest_shape(findings: Floats, expectation: Floats) -> float:
    """Shape of the gamma distribution about 1 under which the findings of all inspectors are most likely."""

    def surprise(log_shape: float) -> float:
        shape = np.exp(log_shape)
        likelihood = gammaln(shape + findings) - gammaln(shape) + shape * np.log(shape) - (shape + findings) * np.log(shape + expectation)
        return -float(likelihood.sum())

    return float(np.exp(minimize_scalar(surprise, bounds=tuple(np.log(_SHAPES)), method="bounded").x))


def _matrix(features: pd.DataFrame) -> Floats:
    for name, column in features.items():
        if not pd.api.types.is_numeric_dtype(column):
            raise ValueError(f"feature '{name}': holds {column.dtype}, not numbers; turn kinds into columns of zeros and ones")
        if not np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan)).all():
            raise ValueError(f"feature '{name}': empty or infinite in some rows; fill or leave out those rows")
    return np.asarray(features.to_numpy(dtype=np.float64))


def _numbers(name: str, values: npt.ArrayLike, rows: int) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (rows,):
        raise ValueError(f"{name}: shape {numbers.shape} for {rows} inspections; give one value per inspection")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: {int((~np.isfinite(numbers)).sum())} of {rows} are missing or infinite; leave out those inspections")
    return numbers


def _amounts(name: str, values: npt.ArrayLike, rows: int) -> Floats:
    numbers = _numbers(name, values, rows)
    if (numbers < 0).any():
        raise ValueError(f"{name}: {numbers.min():g} is below zero; give counts or expected counts")
    return numbers


def _flags(found: npt.ArrayLike, rows: int) -> npt.NDArray[np.bool_]:
    numbers = _numbers("found", found, rows)
    if not np.isin(numbers, (0, 1)).all():
        raise ValueError("found: holds more than 0 and 1; give whether an inspection found a critical violation, not how many")
    return np.asarray(numbers == 1)
