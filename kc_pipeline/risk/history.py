"""What a place's own past says beyond its surroundings: an empirical-Bayes place effect with decay and an interval.

    effect ~ gamma(shape, shape),  shape = k * (expected / mean expected)^p
    events of a year ~ Poisson(expected * effect)
    posterior: gamma(shape + S, shape + M),  S = sum d^age * events,  M = sum d^age * expected

k, p and d are those under which the newest year was most likely given the years before it; of a single year, under which it
was most likely at all (there d has no meaning).  p lies between negative binomials whose variance grows with the square of
the mean (0) and linearly (1).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kc_pipeline.risk.terrain_model import PARAMETER_DIGITS

Floats = npt.NDArray[np.float64]

INTERVAL = 0.80
_START_SHAPE, _START_POWER, _START_DECAY = 0.5, 0.5, 0.8


@dataclass(frozen=True)
class PlaceEffects:
    """Parameters of the place effects.

    Attributes:
        shape: k, shape of the effect of a place whose expectation is the mean.
        power: p.
        decay: d, a year's weight against that of the year after it.
        mean_expected: mean expectation, events per year.
    """

    shape: float
    power: float
    decay: float
    mean_expected: float

    def posterior(self, expected: Floats, years: Floats) -> tuple[Floats, Floats]:
        """Shape and rate of each place's effect.

        Args:
            expected: events per year that the surroundings let expect, by place.
            years: years (newest first) by places: past events; BLOCK shares count by their weight.
        """
        shape = _shape(self.shape, self.power, expected, self.mean_expected)
        events, exposure = _decayed(self.decay, expected, years)
        return shape + events, shape + exposure

    def multiplier(self, expected: Floats, years: Floats) -> Floats:
        """Mean of each place's effect: 1 where its past is as expected."""
        shape, rate = self.posterior(expected, years)
        return np.asarray(shape / rate)

    def interval(self, expected: Floats, years: Floats, level: float = INTERVAL) -> tuple[Floats, Floats]:
        """Bounds of the expected events per year of each place, equal tails outside."""
        from scipy.special import gammaincinv

        shape, rate = self.posterior(expected, years)
        tail = (1 - level) / 2
        low, high = (np.asarray(expected * gammaincinv(shape, at) / rate) for at in (tail, 1 - tail))
        return low, high


def fit_place_effects(expected: Floats, years: Floats) -> PlaceEffects:
    """Estimate the parameters.

    Args:
        expected: events per year, by place; positive.
        years: years (newest first) by places: past events.
    """
    from scipy.optimize import minimize

    mean = float(expected.mean())
    with_events = np.flatnonzero(years.any(axis=1))
    if not len(with_events):
        return PlaceEffects(_START_SHAPE, _START_POWER, _START_DECAY, round(mean, PARAMETER_DIGITS + 3))
    newest, older = years[with_events[0]], years[with_events[0] + 1 :]
    level = _level(expected, newest)

    def cost(free: Floats) -> float:
        shape, power, decay = _unpack(free)
        prior = _shape(shape, power, expected, mean)
        events, exposure = _decayed(decay, expected, older) if len(older) else (0.0, 0.0)
        return -float(_log_likelihood(newest, prior + events, prior + exposure, expected * level).sum()) / max(float(newest.sum()), 1.0)

    start = np.array([np.log(_START_SHAPE), _logit(_START_POWER), _logit(_START_DECAY)])
    found = minimize(cost, start if len(older) else start[:2], method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    shape, power, decay = (round(value, PARAMETER_DIGITS) for value in _unpack(found.x))
    return PlaceEffects(shape, power, decay, round(mean, PARAMETER_DIGITS + 3))


def _shape(shape: float, power: float, expected: Floats, mean: float) -> Floats:
    return np.asarray(shape * (expected / mean) ** power)


def _decayed(decay: float, expected: Floats, years: Floats) -> tuple[Floats, Floats]:
    """Decayed sums of events and of what was expected, each year at the city's level of that year."""
    weights = decay ** np.arange(len(years))
    levels = np.array([_level(expected, year) for year in years])
    return np.asarray(weights @ years), np.asarray((weights @ levels) * expected)


def _level(expected: Floats, year: Floats) -> float:
    """All events of a year over all that is expected of one."""
    return float(year.sum() / expected.sum())


def _log_likelihood(events: Floats, shape: Floats, rate: Floats, expected: Floats) -> Floats:
    """Log likelihood of events whose rate is gamma(shape, rate) times what is expected, without the factorial."""
    from scipy.special import gammaln

    return np.asarray(gammaln(events + shape) - gammaln(shape) - shape * np.log1p(expected / rate) - events * np.log1p(rate / expected))


def _unpack(free: Floats) -> tuple[float, float, float]:
    shape, power = float(np.exp(np.clip(free[0], -7, 7))), _expit(free[1])
    return shape, power, _expit(free[2]) if len(free) > 2 else 1.0


def _expit(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def _logit(value: float) -> float:
    return float(np.log(value / (1 - value)))
