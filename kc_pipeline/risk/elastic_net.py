"""Poisson regression with an elastic-net penalty and coefficients that are not negative.

Minimised is the mean negative log likelihood plus

    strength * (l1_share * sum(b) + (1 - l1_share) / 2 * sum(b^2)),    b >= 0,

over columns brought to unit standard deviation; the constant is not penalised.  Solved by iteratively reweighted
non-negative least squares on a working set of columns that grows until the optimality conditions hold for all of them, along
a path of strengths.  No kept library has this penalty together with the sign and a Poisson likelihood.

Linear algebra runs on one thread here: the same rows give the same bits on any number of cores, and on a machine that is busy
the threads of a matrix product, which wait for one another, cost many times what they save.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Design = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

L1_SHARE = 0.5
STRENGTHS = 20
WEAKEST = 1e-2  # of the strength at which the first column enters
_COLUMNS_AT_ONCE, _SMALL_STEP = 12, 0.7
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


def strength_path(
    design: Design,
    counts: Floats,
    offset: Floats | None = None,
    l1_share: float = L1_SHARE,
    strengths: int = STRENGTHS,
    weakest: float = WEAKEST,
) -> Floats:
    """Strengths from the one at which the first column enters down to a small share of it, evenly by their logarithm."""
    offset = np.zeros(len(counts)) if offset is None else offset
    mean = np.exp(offset) * counts.sum() / np.exp(offset).sum()
    centre, spread = _moments(design)
    gradient = (design.T @ (counts - mean).astype(design.dtype) - centre * (counts - mean).sum()) / spread / len(counts)
    largest = max(float(gradient.max()) / l1_share, 1e-12)
    return np.asarray(largest * np.geomspace(1, weakest, strengths))


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _on_one_thread(work: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    @wraps(work)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with threadpool_limits(limits=1, user_api="blas"):
            return work(*args, **kwargs)

    return run


@_on_one_thread
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
        # A small step down: what can come in lies above the strong rule's bound (Tibshirani and others, 2012).
        bound = l1_share * (2 * strength - previous)
        is_small_step = strength >= _SMALL_STEP * previous
        worst = np.flatnonzero(gradient >= bound) if is_small_step else _most_broken(gradient, scaled > 0, l1_share * strength)
        previous = float(strength)
        while True:
            active = np.union1d(np.flatnonzero(scaled > 0), worst)
            constant, scaled, eta = _fit_active(design, counts, offset, active, constant, scaled, (strength, l1_share), (centre, spread))
            gradient = _gradient(design, counts - np.exp(eta), centre, spread)
            in_set = np.zeros(len(scaled), dtype=bool)
            in_set[active] = True
            worst = _most_broken(gradient, in_set, l1_share * strength)
            if not len(worst):
                break
        constants.append(constant)
        coefficients.append(scaled / spread)
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


@_on_one_thread
def approximate_cross_validation(
    design: Design, counts: Floats, path: Path, folds: Numbers, offset: Floats | None = None, l1_share: float = L1_SHARE
) -> Floats:
    """The same in a fraction of the time: each fold's fit is one Newton step away from the fit to all rows.

    Curvature and gradient of a fold are taken from those of all rows, so that a strength costs about one step of its fit.
    A column that the fit to all rows leaves out stays out.  For folds that are a small part of many rows.

    Args:
        design: as for `fit_path`.
        counts: count of each row.
        path: fits to all rows.
        folds: number of the fold that each row is held out in.
        offset: log exposure of each row; None: zero.
        l1_share: share of the penalty that makes coefficients zero.
    """
    offset = np.zeros(len(counts)) if offset is None else offset
    order = np.argsort(folds, kind="stable")
    edges = np.searchsorted(folds[order], np.unique(folds))
    parts = [slice(start, stop) for start, stop in zip(edges, [*edges[1:], len(order)], strict=True)]
    design, counts, offset = design[order], counts[order], offset[order]
    moments = _moments(design)
    total = np.zeros(len(path.strengths))
    for place, strength in enumerate(path.strengths):
        active = np.flatnonzero(path.coefficients[place] > 0)
        centre, spread = moments[0][active], moments[1][active]
        columns = (design[:, active] - centre.astype(design.dtype)) / spread.astype(design.dtype)
        scaled = path.coefficients[place][active] * spread
        eta = path.constants[place] + path.coefficients[place] @ moments[0] + offset + (columns @ scaled.astype(design.dtype)).astype(float)
        of_parts = [_Quadratic.of(columns[part], counts[part], np.exp(eta[part])) for part in parts]
        whole = _Quadratic.sum(of_parts)
        for part, own in zip(parts, of_parts, strict=True):
            change, step = whole.without(own).step(scaled, (float(strength), l1_share))
            held_out = eta[part] + step + columns[part] @ change.astype(design.dtype)
            total[place] += poisson_deviance(counts[part], np.exp(held_out)).sum()
    return np.asarray(total / len(counts))


def poisson_deviance(counts: Floats, mean: Floats) -> Floats:
    """Deviance of each row."""
    from scipy.special import xlogy

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


def _most_broken(gradient: Floats, in_set: npt.NDArray[np.bool_], least: float) -> Numbers:
    """Columns outside the working set that break the optimality condition most, a few at once."""
    outside = np.where(in_set, -np.inf, gradient)
    broken = np.flatnonzero(outside > least * (1 + 1e-4))
    return np.asarray(broken[np.argsort(-outside[broken], kind="stable")][:_COLUMNS_AT_ONCE])


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
    for _ in range(_MOST_STEPS):
        change, step = _Quadratic.of(part, counts, np.exp(np.minimum(eta, 30.0))).step(coefficients, penalty)
        constant, coefficients = constant + step, coefficients + change
        eta = eta + step + (part @ change.astype(design.dtype)).astype(float)
        if max(np.abs(change).max(initial=0.0), abs(step)) < _TOLERANCE:
            break
    result = np.zeros(len(scaled))
    result[active] = coefficients
    return constant, result, eta


@dataclass(frozen=True)
class _Quadratic:
    """The log likelihood of some rows to the second order: sums over them, so that parts can be added and taken away."""

    gram: Floats
    cross: Floats
    mean: float
    slope: Floats
    level: float
    size: int

    @staticmethod
    def of(columns: Design, counts: Floats, mean: Floats) -> "_Quadratic":
        weighted = np.multiply(columns, mean[:, None].astype(columns.dtype))
        residual = counts - mean
        return _Quadratic(
            (columns.T @ weighted).astype(float),
            weighted.sum(axis=0, dtype=np.float64),
            float(mean.sum()),
            (columns.T @ residual.astype(columns.dtype)).astype(float),
            float(residual.sum()),
            len(counts),
        )

    @staticmethod
    def sum(parts: Sequence["_Quadratic"]) -> "_Quadratic":
        whole = parts[0]
        for part in parts[1:]:
            whole = whole._plus(part, 1)
        return whole

    def without(self, part: "_Quadratic") -> "_Quadratic":
        return self._plus(part, -1)

    def _plus(self, part: "_Quadratic", sign: int) -> "_Quadratic":
        return _Quadratic(
            self.gram + sign * part.gram,
            self.cross + sign * part.cross,
            self.mean + sign * part.mean,
            self.slope + sign * part.slope,
            self.level + sign * part.level,
            self.size + sign * part.size,
        )

    def step(self, coefficients: Floats, penalty: tuple[float, float]) -> tuple[Floats, float]:
        """Change of the coefficients and of the constant, which is profiled out: its best value is known in closed form."""
        curvature = (self.gram - np.outer(self.cross, self.cross) / self.mean) / self.size
        target = (self.slope - self.cross * self.level / self.mean) / self.size + curvature @ coefficients
        change = _minimize(curvature, target, penalty) - coefficients
        return change, float((self.level - self.cross @ change) / self.mean)


def _minimize(curvature: Floats, target: Floats, penalty: tuple[float, float]) -> Floats:
    """Minimum of 1/2 b'Cb - t'b with the penalty, b >= 0: a least-squares problem, since such a b makes the penalty smooth."""
    from scipy.linalg import solve_triangular  # 0.2 s to import, and scores from a stored fit need neither
    from scipy.optimize import nnls

    strength, l1_share = penalty
    if not len(target):
        return target
    ridge = strength * (1 - l1_share) + 1e-12 * float(np.trace(curvature))
    root = np.linalg.cholesky(curvature + ridge * np.eye(len(target)))
    return np.asarray(nnls(root.T, solve_triangular(root, target - strength * l1_share, lower=True))[0])
