"""Random numbers of the synthetic city, such that what was drawn once never changes.

Static things come from a generator named after the thing. Events of a day come from a generator seeded by seed, feed
and day, so that a later end of the city only appends days.
"""

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
EPOCH = date(1970, 1, 1)
_ALPHABET = np.array(list("abcdefghijkmnpqrstuvwxyz23456789"))


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one named, static thing."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


@dataclass
class DailyDraws:
    """Uniform numbers for each event of many days.

    Attributes:
        day: day of each event, days since 1970-01-01.
        position: number of the event within its day, from 0.
        uniforms: one row per event.
    """

    day: Integers
    position: Integers
    uniforms: Floats
    _used: int = 0

    def next(self) -> Floats:
        """The next column of uniform numbers, one per event."""
        self._used += 1
        return self.uniforms[:, self._used - 1]

    def __len__(self) -> int:
        return len(self.day)


def draw_days(seed: int, feed: str, first: date, through: date, mean_per_day: float, columns: int) -> DailyDraws:
    """Events of each day from `first` up to the day before `through`.

    Args:
        seed: the city's seed.
        feed: name that separates this stream of events from others.
        first: first day.
        through: the day after the last.
        mean_per_day: events on an average day; more in summer and at weekends.
        columns: uniform numbers per event.
    """
    code = zlib.crc32(feed.encode())
    days, positions, uniforms = [], [], []
    for day in range(day_number(first), day_number(through)):
        rng = np.random.default_rng([seed, code, day])
        season = 1 - 0.12 * np.cos(2 * np.pi * (day % 365.25 - 15) / 365.25) + 0.05 * ((day + 3) % 7 >= 4)
        count = int(rng.poisson(mean_per_day * season / 1.02))
        days.append(np.full(count, day))
        positions.append(np.arange(count))
        uniforms.append(rng.random((count, columns)))
    if not days:
        return DailyDraws(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, columns)))
    return DailyDraws(np.concatenate(days), np.concatenate(positions), np.concatenate(uniforms))


def pick(weights: Floats, u: Floats) -> Integers:
    """Index drawn in proportion to weights, one per uniform number."""
    edges = np.cumsum(weights)
    found: Integers = np.minimum(np.searchsorted(edges, u * edges[-1], side="right"), len(weights) - 1).astype(np.int64)
    return found


def poisson(mean: Floats, u: Floats) -> Integers:
    """Poisson counts by inversion, up to 30."""
    count = np.zeros(len(u), dtype=np.int64)
    term = np.exp(-mean)
    total = term.copy()
    for i in range(1, 31):
        count += u > total
        term = term * mean / i
        total += term
    return count


def row_ids(name: str, day: Integers, position: Integers) -> NDArray[np.str_]:
    """Socrata row identifiers ('row-ab2d-e3fg-h4jk'), a pure function of data set, day and position."""
    h = (np.uint64(zlib.crc32(name.encode())) << np.uint64(32)) ^ (day.astype(np.uint64) << np.uint64(20)) ^ position.astype(np.uint64)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # splitmix64
        h = (h ^ (h >> np.uint64(30))) * np.uint64(factor)
    h ^= h >> np.uint64(31)
    letters = np.empty((len(h), 18), dtype="U1")
    letters[:, :4] = list("row-")
    letters[:, 8] = letters[:, 13] = "-"
    for i, place in enumerate((4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17)):
        letters[:, place] = _ALPHABET[((h >> np.uint64(5 * i)) & np.uint64(31)).astype(np.int64)]
    return letters.view("U18").ravel()
