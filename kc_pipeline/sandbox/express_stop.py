"""The Express Stop at 10th and Locust: what the departments' records hold about it, no more and no less.

In the 365 days before the anchor date: 14 police reports, one of them a homicide, and 59 calls by the public. They
go through the same row generators as every other event; only their days, kinds and place are given.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from kc_pipeline.sandbox.draws import DailyDraws, Integers, day_number, generator
from kc_pipeline.sandbox.incident_codes import CALL_KINDS, REPORT_KINDS, REQUEST_KINDS

ANCHOR_DATE = date(2026, 7, 1)
WINDOW_DAYS = 365
WINDOW_START = ANCHOR_DATE - timedelta(days=WINDOW_DAYS)
# Number of scripted events by kind, named as in incident_codes.
REPORTS = {
    "Homicide": 1, "Robbery": 2, "Aggravated Assault": 2, "Non-Aggravated Assault": 2, "Stealing Shoplift": 3,
    "Trespassing": 1, "Property Damage": 2, "Weapons Law Violation": 1,
}  # fmt: skip
CALLS = {
    "DISTURBANCE": 16, "DISTURBANCE WITH WEAPON": 3, "SHOTS FIRED": 5, "SHOOTING": 1, "ARMED WITH GUN": 3, "ARMED ROBBERY": 2,
    "ASSAULT": 4, "SHOPLIFTING": 8, "TRESPASSER REFUSES TO LEAVE": 10, "SUSPICIOUS PERSON": 5, "DRUG SALES": 2,
}  # fmt: skip
REQUESTS = {"Streetlight Out": 5, "Street Light Malfunctioning": 1, "Dumping in a Right-of-Way": 3, "Dumping in the Right-of-Way": 2}
INSPECTIONS = 4
# Scripted events stand behind all others of their day.
FIRST_POSITION = 1_900


@dataclass(frozen=True)
class Script:
    """Scripted events: their draws, and for each the index of its kind."""

    draws: DailyDraws
    kind: Integers


def script(seed: int, feed: str, first: date, through: date, columns: int) -> Script:
    """The Express Stop's events of a feed from `first` up to the day before `through`.

    Args:
        seed: the city's seed.
        feed: 'reports', 'calls', 'requests' or 'inspections'.
        first: first day of the city.
        through: the day after its last.
        columns: uniform numbers per event.
    """
    kinds = _kinds(feed)
    rng = generator(seed, f"express stop {feed}")
    # One day each, spread over the window; the shuffle keeps kinds apart.
    day = day_number(WINDOW_START) + ((np.arange(len(kinds)) + rng.random(len(kinds))) * WINDOW_DAYS / len(kinds)).astype(np.int64)
    kinds = rng.permutation(kinds)
    uniforms = rng.random((len(kinds), columns))
    kept = (day >= day_number(first)) & (day < day_number(through))
    return Script(DailyDraws(day[kept], FIRST_POSITION + np.flatnonzero(kept), uniforms[kept]), kinds[kept])


def in_window(day: Integers) -> NDArray[np.bool_]:
    """Which days lie in the window whose events are scripted."""
    inside: NDArray[np.bool_] = (day >= day_number(WINDOW_START)) & (day < day_number(ANCHOR_DATE))
    return inside


def _kinds(feed: str) -> Integers:
    if feed == "inspections":
        return np.zeros(INSPECTIONS, dtype=np.int64)
    names, wanted = {
        "reports": ([k.offense for k in REPORT_KINDS], REPORTS),
        "calls": ([k.subtype for k in CALL_KINDS], CALLS),
        "requests": ([k[1] for k in REQUEST_KINDS], REQUESTS),
    }[feed]
    return np.repeat([names.index(name) for name in wanted], list(wanted.values())).astype(np.int64)
