"""Which records are about one incident, so that no incident counts twice.

A report's open and exact record usually carry one number and are one event already (transform/).  Here are the others: the two
records of an incident under different numbers, calls about an incident that has a report, and several calls about one.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.membership import places_among
from kc_pipeline.ordinance.windows import day_numbers

Integers = npt.NDArray[np.int64]

_NO_TIME = np.iinfo(np.int64).min
_EXACT_CLOCKS = ("exact", "fold")


def pair_records(events: pd.DataFrame) -> pd.DataFrame:
    """Open and exact records of one incident that carry different numbers.

    They have one feed, hundred-block, category and minute; the first open one belongs to the first exact one, and so on.

    Args:
        events: one row per event, tied to a place or not: event_id, feed, category, report_date, available_date, record_systems,
            reported_local, reported_clock, block_key.

    Returns:
        Frame with event_id (the open record), exact_event_id, and exact_from: number of the first day on which that is known.
    """
    timed = events[events["reported_clock"].isin(_EXACT_CLOCKS) & events["block_key"].notna()]
    same = ["feed", "block_key", "category", "reported_local"]
    sides = {}
    for side, system in (("event_id", "open"), ("exact_event_id", "department")):
        rows = timed.loc[timed["record_systems"] == system, [*same, "event_id"]].sort_values([*same, "event_id"])
        sides[side] = rows.assign(turn=rows.groupby(same).cumcount()).rename(columns={"event_id": side})
    pairs = sides["event_id"].merge(sides["exact_event_id"], on=[*same, "turn"])[["event_id", "exact_event_id"]]
    exact = events.iloc[places_among(pd.Index(pairs["exact_event_id"]), pd.Index(events["event_id"]))]
    return pairs.assign(exact_from=first_known_days(exact))


def first_known_days(events: pd.DataFrame) -> Integers:
    """Number of the first day whose window can hold each event: after its report, and once it was available."""
    return np.maximum(day_numbers(events["report_date"]) + 1, day_numbers(events["available_date"]))


def minutes_of(times: pd.Series) -> Integers:
    """Wall-clock times as whole minutes; the least integer where there is none."""
    stamps = pd.to_datetime(times).to_numpy("datetime64[m]")
    return np.where(np.isnat(stamps), _NO_TIME, stamps.astype(np.int64))


def within_minutes(
    place: Integers, minute: Integers, other_place: Integers, other_minute: Integers, minutes: int
) -> tuple[Integers, Integers]:
    """Pairs (row, other row) at one place whose times differ by at most so many minutes."""
    rows, others = np.flatnonzero(minute != _NO_TIME), np.flatnonzero(other_minute != _NO_TIME)
    if not len(rows) or not len(others):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    start = min(int(minute[rows].min()), int(other_minute[others].min())) - minutes
    span = max(int(minute[rows].max()), int(other_minute[others].max())) - start + 2 * minutes + 2
    key, other_key = place[rows] * span + minute[rows] - start, other_place[others] * span + other_minute[others] - start
    order = np.argsort(other_key, kind="stable")
    low = np.searchsorted(other_key[order], key - minutes, side="left")
    high = np.searchsorted(other_key[order], key + minutes, side="right")
    count = high - low
    row = np.repeat(np.arange(len(rows)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    return rows[row], others[order[low[row] + within]]


def first_of_each_incident(place: Integers, minute: Integers, precedence: Sequence[Integers], minutes: int) -> Integers:
    """For each row the row that stands for its incident: itself, or one that precedes it and is no more than so many minutes away.

    Rows are taken in order of precedence; each is about the incident of the nearest one that stands for itself already, if
    that is near enough, and stands for itself otherwise.

    Args:
        place: number of each row's place.
        minute: its time; rows without a time stand for themselves.
        precedence: sort keys, the first being the strongest.
        minutes: how near is near enough.
    """
    stands_for = np.arange(len(place))
    pairs = within_minutes(place, minute, place, minute, minutes)
    crowded = np.unique(pairs[0][pairs[0] != pairs[1]])
    order = crowded[np.lexsort([key[crowded] for key in reversed(precedence)])]
    kept: dict[int, list[int]] = {}
    for row in order.tolist():
        near = [other for other in kept.setdefault(int(place[row]), []) if abs(minute[other] - minute[row]) <= minutes]
        if near:
            stands_for[row] = min(near, key=lambda other: (abs(minute[other] - minute[row]), other))
        else:
            kept[int(place[row])].append(row)
    return stands_for
