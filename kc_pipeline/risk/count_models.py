"""Regression of counts: Poisson and negative binomial, by maximum likelihood with a log link.

Two negative binomials are known by the power of the mean in their variance: NB1 has mean * (1 + d), linear as gamlss NBII
has it, NB2 has mean * (1 + d * mean).  Rows may carry a weight, the number of observations that they stand for: cells that
are alike in all variables and in their count need to be looked at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

Floats = npt.NDArray[np.float64]

POISSON, NB1, NB2 = "poisson", "nb1", "nb2"
_TOLERANCE, _MOST_STEPS = 1e-10, 100
_MOST_LOG_MEAN = 30.0
_LEAST_LOG_MEAN, _MOST_SPREAD = -60.0, 1e4


class ConvergenceError(ArithmeticError):
    """A likelihood has no maximum that could be found."""


@dataclass(frozen=True)
class CountFit:
    """A fitted model.

    Attributes:
        family: 'poisson', 'nb1' or 'nb2'.
        coefficients: of the columns of the design.
        dispersion: d of the negative binomials; 0 for Poisson.
        log_likelihood: at the maximum.
        observation_count: observations, weights counted.
    """

    family: str
    coefficients: Floats
    dispersion: float
    log_likelihood: float
    observation_count: float

    @property
    def parameter_count(self) -> int:
        """Coefficients, and the dispersion where there is one."""
        return len(self.coefficients) + (self.family != POISSON)

    @property
    def bic(self) -> float:
        """Bayesian information criterion; lower is better."""
        return float(-2 * self.log_likelihood + self.parameter_count * np.log(self.observation_count))


def fit_counts(
    family: str, design: Floats, counts: Floats, weights: Floats | None = None, offset: Floats | None = None, start: Floats | None = None
) -> CountFit:
    """Fit a model.

    Args:
        family: 'poisson', 'nb1' or 'nb2'.
        design: rows by columns, the constant among them.
        counts: count of each row.
        weights: observations that each row stands for; None: one.
        offset: log exposure of each row; None: zero.
        start: coefficients to start from.

    Raises:
        ConvergenceError: no maximum was found.
    """
    weights = np.ones(len(counts)) if weights is None else weights
    offset = np.zeros(len(counts)) if offset is None else offset
    poisson = _fit_poisson(design, counts, weights, offset, start)
    if family == POISSON:
        return poisson
    likelihood = {NB1: _nb1, NB2: _nb2}[family]
    return _fit_negative_binomial(family, likelihood, design, counts, weights, offset, poisson.coefficients)


def _fit_poisson(design: Floats, counts: Floats, weights: Floats, offset: Floats, start: Floats | None) -> CountFit:
    coefficients = _null_start(design, counts, weights, offset) if start is None else start.copy()
    constant = float((weights * gammaln(counts + 1)).sum())
    value = -np.inf
    for _ in range(_MOST_STEPS):
        eta = np.minimum(design @ coefficients + offset, _MOST_LOG_MEAN)
        mean = np.exp(eta)
        new = float((weights * (counts * eta - mean)).sum())
        gradient = design.T @ (weights * (counts - mean))
        information = design.T @ (design * (weights * mean)[:, None])
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        if abs(new - value) <= _TOLERANCE * (1 + abs(new)):
            return CountFit(POISSON, coefficients, 0.0, new - constant, float(weights.sum()))
        value, coefficients = new, coefficients + np.clip(step, -5, 5)
    raise ConvergenceError("Poisson: no maximum after many steps; a column may separate the zeros")


def _null_start(design: Floats, counts: Floats, weights: Floats, offset: Floats) -> Floats:
    """Coefficients of the mean alone, by least squares on the constant that the columns can make."""
    mean = max(float((weights * counts).sum()), 0.5) / float((weights * np.exp(offset)).sum())
    return np.asarray(np.linalg.lstsq(design, np.full(len(counts), np.log(mean)), rcond=None)[0])


_Likelihood = Callable[[Floats, Floats, float], tuple[Floats, Floats, Floats]]


def _nb1(mean: Floats, counts: Floats, dispersion: float) -> tuple[Floats, Floats, Floats]:
    """Log likelihood of each row without its constant, and its derivatives by log mean and by log dispersion."""
    size = mean / dispersion
    by_size = digamma(counts + size) - digamma(size) - np.log1p(dispersion)
    value = gammaln(counts + size) - gammaln(size) - size * np.log1p(dispersion) - counts * np.log1p(1 / dispersion)
    direct = (counts - size * dispersion) / (1 + dispersion)
    return value, by_size * size, direct - by_size * size


def _nb2(mean: Floats, counts: Floats, dispersion: float) -> tuple[Floats, Floats, Floats]:
    """The same with a variance that grows with the square of the mean."""
    size = 1 / dispersion
    total = size + mean
    value = gammaln(counts + size) - gammaln(size) + size * np.log(size / total) + counts * np.log(mean / total)
    by_size = digamma(counts + size) - digamma(size) + np.log(size / total) + 1 - (counts + size) / total
    return value, counts - (counts + size) * mean / total, -size * by_size


def _fit_negative_binomial(
    family: str, likelihood: _Likelihood, design: Floats, counts: Floats, weights: Floats, offset: Floats, start: Floats
) -> CountFit:
    constant, scale = float((weights * gammaln(counts + 1)).sum()), float(weights.sum())

    def objective(parameters: Floats) -> tuple[float, Floats]:
        mean = np.exp(np.clip(design @ parameters[:-1] + offset, _LEAST_LOG_MEAN, _MOST_LOG_MEAN))
        value, by_log_mean, by_log_dispersion = likelihood(mean, counts, float(np.exp(np.clip(parameters[-1], -20, 20))))
        gradient = np.append(design.T @ (weights * by_log_mean), (weights * by_log_dispersion).sum())
        return -float((weights * value).sum()) / scale, -gradient / scale

    # Newton's step of Poisson makes the columns alike in scale, so that few steps are enough.
    mean = np.exp(np.minimum(design @ start + offset, _MOST_LOG_MEAN))
    information = design.T @ (design * (weights * mean)[:, None]) / scale
    root = _root(np.linalg.pinv(information) + 1e-12 * np.eye(len(start)))
    spread = _excess(counts, mean, weights, family)

    def scaled(free: Floats) -> tuple[float, Floats]:
        value, gradient = objective(np.append(start + root @ free[:-1], free[-1]))
        return value, np.append(root.T @ gradient[:-1], gradient[-1])

    found = minimize(
        scaled, np.append(np.zeros(len(start)), np.log(spread)), jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9}
    )
    if not np.isfinite(found.fun):
        raise ConvergenceError(f"{family}: no maximum was found: {found.message}")
    return CountFit(family, start + root @ found.x[:-1], float(np.exp(found.x[-1])), -found.fun * scale - constant, scale)


def _root(curvature: Floats) -> Floats:
    """A square root of a positive definite matrix, or of what is left of one that rounding made indefinite.

    Where columns nearly separate the zeros, steps are kept short in directions of hardly any information.
    """
    try:
        return np.asarray(np.linalg.cholesky(curvature))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0, _MOST_SPREAD)))


def _excess(counts: Floats, mean: Floats, weights: Floats, family: str) -> float:
    """A first guess of the dispersion, from the squared residuals."""
    power = 1 if family == NB1 else 2
    excess = float((weights * ((counts - mean) ** 2 - mean)).sum() / (weights * mean**power).sum())
    return max(excess, 0.01)
