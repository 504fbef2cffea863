"""How often a rule was met anew: the most windows that share no event, counted from the earliest on."""

import numpy as np
import numpy.typing as npt

from kc_pipeline.ordinance.incidents import Integers
from kc_pipeline.ordinance.rules import Rule
from kc_pipeline.ordinance.windows import first_days


def repeated_windows(place: Integers, day: Integers, is_violent: npt.NDArray[np.bool_], rule: Rule, size: int) -> tuple[Integers, Integers]:
    """Number of separate windows in which each place met a rule, and the day that completed the last one.

    A window is completed by the first day on which the events since the window before, as far as the rule's window of the next
    day holds them, meet the rule; the next one begins on a later day.

    Args:
        place: place of each counted event, 0 to size - 1.
        day: number of its day.
        is_violent: whether it is violent.
        rule: the rule.
        size: number of places.

    Returns:
        Windows and last completing day (0 without a window) of each place.
    """
    windows, last = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    order = np.lexsort((day, place))
    place, day = place[order], day[order]
    violent = np.concatenate([[0], np.cumsum(is_violent[order])])
    span = int(day.max(initial=0)) + 2 + abs(int(day.min(initial=0)))
    key = place * span + day
    in_reach = np.searchsorted(key, place * span + first_days(rule, day + 1), side="left")
    first_of_place = np.searchsorted(place, place, side="left")
    in_reach = np.maximum(in_reach, first_of_place)
    end_of_day = np.searchsorted(key, key, side="right")
    used_to = first_of_place.copy()  # first event that no earlier window of the place used
    rows = np.arange(len(place))
    while len(rows):
        low = np.maximum(in_reach[rows], used_to[rows])
        after = end_of_day[rows]
        met = (after - low >= rule.min_count) & (violent[after] - violent[np.minimum(low, after)] >= rule.min_violent)
        rows = rows[met]
        if not len(rows):
            break
        places, first = np.unique(place[rows], return_index=True)
        completing = rows[first]
        windows[places] += 1
        last[places] = day[completing]
        begins = np.zeros(size, dtype=np.int64)
        begins[places] = end_of_day[completing]
        used_to = np.maximum(used_to, begins[place])
        rows = np.flatnonzero(np.isin(place, places) & (np.arange(len(place)) >= used_to))
    return windows, last
