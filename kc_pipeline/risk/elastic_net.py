"""Poisson regression with an elastic-net penalty and coefficients that are not negative.

Minimised is the mean negative log likelihood plus

    strength * (l1_share * sum(b) + (1 - l1_share) / 2 * sum(b^2)),    b >= 0,

over columns brought to unit standard deviation; the constant is not penalised.  Solved by iteratively reweighted
non-negative least squares on the columns that can matter (sequential strong rules, checked against the optimality
conditions), along a path of strengths.  No kept library has this penalty together with the sign and a Poisson likelihood.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from scipy.special import xlogy

Floats = npt.NDArray[np.float64]
Design = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

L1_SHARE = 0.5
STRENGTHS = 20
WEAKEST = 1e-2  # of the strength at which the first column enters
_TOLERANCE, _MOST_STEPS = 1e-6, 50


@dataclass(frozen=True)
class Path:
    """Fits along a path of strengths, strongest first.

    Attributes:
        strengths: penalty of each fit.
        constants: log mean where every column is zero.
        coefficients: fits by columns, in the columns' own units.
    """

    strengths: Floats
    constants: Floats
    coefficients: Floats


def strength_path(design: Design, counts: Floats, offset: Floats | None = None, l1_share: float = L1_SHARE) -> Floats:
    """Strengths from the one at which the first column enters down to a small share of it."""
    offset = np.zeros(len(counts)) if offset is None else offset
    mean = np.exp(offset) * counts.sum() / np.exp(offset).sum()
    centre, spread = _moments(design)
    gradient = (design.T @ (counts - mean).astype(design.dtype) - centre * (counts - mean).sum()) / spread / len(counts)
    largest = max(float(gradient.max()) / l1_share, 1e-12)
    return np.asarray(largest * np.geomspace(1, WEAKEST, STRENGTHS))


def fit_path(
    design: Design, counts: Floats, strengths: Sequence[float] | Floats, offset: Floats | None = None, l1_share: float = L1_SHARE
) -> Path:
    """Fit every strength, each from where the stronger one ended.

    Args:
        design: rows by columns, without a constant; columns without spread get no coefficient.
        counts: count of each row.
        strengths: penalties, strongest first.
        offset: log exposure of each row; None: zero.
        l1_share: share of the penalty that makes coefficients zero.
    """
    offset = np.zeros(len(counts)) if offset is None else offset
    centre, spread = _moments(design)
    scaled = np.zeros(design.shape[1])
    constant = float(np.log(max(counts.sum(), 0.5) / np.exp(offset).sum()))
    eta = constant + offset
    constants, coefficients = [], []
    previous = float(strengths[0])
    for strength in strengths:
        gradient = _gradient(design, counts - np.exp(eta), centre, spread)
        active = np.flatnonzero((scaled > 0) | (gradient >= l1_share * (2 * strength - previous)))
        while True:
            constant, scaled, eta = _fit_active(design, counts, offset, active, constant, scaled, (strength, l1_share), (centre, spread))
            gradient = _gradient(design, counts - np.exp(eta), centre, spread)
            broken = np.setdiff1d(np.flatnonzero(gradient > l1_share * strength * (1 + 1e-4)), active)
            if not len(broken):
                break
            active = np.union1d(active, broken)
        constants.append(constant)
        coefficients.append(scaled / spread)
        previous = float(strength)
    shift = np.asarray(coefficients) @ centre
    return Path(np.asarray(strengths, dtype=float), np.asarray(constants) - shift, np.asarray(coefficients))


def cross_validate(
    design: Design, counts: Floats, strengths: Floats, folds: Numbers, offset: Floats | None = None, l1_share: float = L1_SHARE
) -> Floats:
    """Mean Poisson deviance of held-out rows for each strength.

    Args:
        design: as for `fit_path`.
        counts: count of each row.
        strengths: penalties, strongest first.
        folds: number of the fold that each row is held out in.
        offset: log exposure of each row; None: zero.
        l1_share: share of the penalty that makes coefficients zero.
    """
    offset = np.zeros(len(counts)) if offset is None else offset
    total = np.zeros(len(strengths))
    for fold in np.unique(folds):
        out = folds == fold
        path = fit_path(design[~out], counts[~out], strengths, offset[~out], l1_share)
        for place in range(len(strengths)):
            eta = path.constants[place] + design[out] @ path.coefficients[place].astype(design.dtype) + offset[out]
            total[place] += poisson_deviance(counts[out], np.exp(eta.astype(float))).sum()
    return np.asarray(total / len(counts))


def poisson_deviance(counts: Floats, mean: Floats) -> Floats:
    """Deviance of each row."""
    return np.asarray(2 * (xlogy(counts, counts / mean) - (counts - mean)))


def _moments(design: Design) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column; 1 for a column without spread, which stays at its mean."""
    centre = design.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->j", design, design, dtype=np.float64) / len(design)
    spread = np.sqrt(np.maximum(squares - centre**2, 0))
    return centre, np.where(spread > 1e-9, spread, 1.0)


def _gradient(design: Design, residual: Floats, centre: Floats, spread: Floats) -> Floats:
    raw = (design.T @ residual.astype(design.dtype)).astype(float)
    return np.asarray((raw - centre * residual.sum()) / spread / len(residual))


def _fit_active(
    design: Design,
    counts: Floats,
    offset: Floats,
    active: Numbers,
    constant: float,
    scaled: Floats,
    penalty: tuple[float, float],
    moments: tuple[Floats, Floats],
) -> tuple[float, Floats, Floats]:
    """One strength on the active columns: constant, coefficients of unit columns, linear predictor."""
    centre, spread = moments[0][active], moments[1][active]
    part = (design[:, active] - centre.astype(design.dtype)) / spread.astype(design.dtype)
    coefficients = scaled[active].copy()
    eta = constant + offset + (part @ coefficients.astype(design.dtype)).astype(float)
    n = len(counts)
    for _ in range(_MOST_STEPS):
        mean = np.exp(np.minimum(eta, 30.0))
        weighted = part * mean.astype(design.dtype)[:, None]
        gram = (part.T @ weighted).astype(float) / n
        cross, total = weighted.sum(axis=0, dtype=np.float64) / n, mean.sum() / n
        residual = counts - mean
        slope, level = (part.T @ residual.astype(design.dtype)).astype(float) / n, residual.sum() / n
        # The constant is profiled out: its best value for any coefficients is known in closed form.
        curvature = gram - np.outer(cross, cross) / total
        target = slope - cross * level / total + curvature @ coefficients
        new = _minimize(curvature, target, penalty)
        change = new - coefficients
        step = level / total - cross @ change / total
        constant, coefficients = constant + step, new
        eta = eta + step + (part @ change.astype(design.dtype)).astype(float)
        if max(np.abs(change).max(initial=0.0), abs(step)) < _TOLERANCE:
            break
    result = np.zeros(len(scaled))
    result[active] = coefficients
    return constant, result, eta


def _minimize(curvature: Floats, target: Floats, penalty: tuple[float, float]) -> Floats:
    """Minimum of 1/2 b'Cb - t'b with the penalty, b >= 0: a least-squares problem, since such a b makes the penalty smooth."""
    strength, l1_share = penalty
    if not len(target):
        return target
    ridge = strength * (1 - l1_share) + 1e-12 * float(np.trace(curvature))
    root = np.linalg.cholesky(curvature + ridge * np.eye(len(target)))
    return np.asarray(nnls(root.T, solve_triangular(root, target - strength * l1_share, lower=True))[0])
