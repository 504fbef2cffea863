"""How many events count at each place on a day, what is missing to a rule's threshold, and until when the count stands.

confirmed_count is never estimated: it is the number of events in state 'counts' whose report day lies in the rule's window.
possible_count would come on top if an exact record, or a person, removed what stands open.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.ordinance.countability import COUNTS, POSSIBLE
from kc_pipeline.ordinance.incidents import Integers
from kc_pipeline.ordinance.repeats import repeated_windows
from kc_pipeline.ordinance.rules import Rule, RuleSet, Step
from kc_pipeline.ordinance.windows import NEVER, date_of, day_number, first_days, leaving_days

MET, NEAR, CLEAR = "met", "near", "clear"
_KINDS = {
    "confirmed_count": (COUNTS, False), "confirmed_violent_count": (COUNTS, True), "possible_count": (POSSIBLE, False),
    "possible_violent_count": (POSSIBLE, True),
}  # fmt: skip


def in_window(rows: pd.DataFrame, rule_set: RuleSet, rule: Rule, as_of: date) -> npt.NDArray[np.bool_]:
    """Which events lie in a rule's window of a day."""
    end = day_number(as_of)
    start = max(int(first_days(rule, np.array([end]))[0]), _first_countable(rule_set))
    day = rows["day"].to_numpy(np.int64)
    inside: npt.NDArray[np.bool_] = (day >= start) & (day < end)
    return inside


def threshold_status(states: pd.DataFrame, places: pd.Index, rule_set: RuleSet, as_of: date) -> pd.DataFrame:
    """One row for each place and rule on a day.

    Args:
        states: what `timeline.states_on` returns for the day.
        places: business_parcel_id of all places.
        rule_set: the law in force on the day.
        as_of: the day.

    Returns:
        Frame with business_parcel_id, rule_set_id, rule_id, is_provisional, window_start, window_end (first and last day of the
        window), min_count, min_violent, the counts of `_KINDS`, needed_count, threshold_status ('met', 'near': a step of the ladder
        other than a met rule's holds, 'clear'), count_falls_in_days (days until the first confirmed event leaves the window;
        missing without one), met_for_days (days that the rule stays met without new events; missing where it is not met),
        separate_windows_count, days_since_last_window, ladder_step (missing where none holds).
    """
    place = places.get_indexer(states["business_parcel_id"])
    return pd.concat(
        [_rule_status(states, place, places, rule_set, rule, as_of) for rule in rule_set.rules], ignore_index=True
    ).sort_values(["business_parcel_id", "rule_id"], ignore_index=True)


def _rule_status(states: pd.DataFrame, place: Integers, places: pd.Index, rule_set: RuleSet, rule: Rule, as_of: date) -> pd.DataFrame:
    end, size = day_number(as_of), len(places)
    inside = in_window(states, rule_set, rule, as_of) & (place >= 0)
    state, violent = states["state"].to_numpy(object), states["is_violent"].to_numpy(bool)
    counts = {
        name: np.bincount(place[inside & (state == kind) & (violent | (not only_violent))], minlength=size)
        for name, (kind, only_violent) in _KINDS.items()
    }
    needed = np.maximum(np.maximum(rule.min_count - counts["confirmed_count"], rule.min_violent - counts["confirmed_violent_count"]), 0)
    confirmed = np.flatnonzero(inside & (state == COUNTS))
    falls, met_until = _ends(states, place, confirmed, rule, size)
    counted = np.flatnonzero(
        (state == COUNTS) & (place >= 0) & (states["day"].to_numpy() >= _first_countable(rule_set)) & (states["day"].to_numpy() < end)
    )
    windows, last = repeated_windows(place[counted], states["day"].to_numpy(np.int64)[counted], violent[counted], rule, size)
    is_met = needed == 0
    steps = ladder_steps(rule_set.steps, needed, counts["confirmed_count"], is_met, windows)
    start = max(int(first_days(rule, np.array([end]))[0]), _first_countable(rule_set))
    return pd.DataFrame(
        {
            "business_parcel_id": places,
            "rule_set_id": rule_set.id,
            "rule_id": rule.id,
            "is_provisional": not rule_set.verified,
            "window_start": date_of(start),
            "window_end": date_of(end - 1),
            "min_count": rule.min_count,
            "min_violent_count": rule.min_violent,
            **counts,
            "needed_count": needed,
            "threshold_status": np.select([is_met, pd.notna(steps)], [MET, NEAR], CLEAR),
            "count_falls_in_days": _days_or_none(falls - end, falls < NEVER),
            "met_for_days": _days_or_none(met_until - end, is_met),
            "separate_windows_count": windows,
            "days_since_last_window": _days_or_none(end - last, windows > 0),
            "ladder_step": pd.array(steps, dtype="str"),
        }
    )


def _ends(states: pd.DataFrame, place: Integers, confirmed: Integers, rule: Rule, size: int) -> tuple[Integers, Integers]:
    """First day on which each place's count is lower, and first day on which the rule is no longer met, without new events."""
    leaves = leaving_days(rule, states["day"].to_numpy(np.int64)[confirmed])
    at, violent = place[confirmed], states["is_violent"].to_numpy(bool)[confirmed]
    falls = np.full(size, NEVER, dtype=np.int64)
    np.minimum.at(falls, at, leaves)
    until = np.full(size, NEVER, dtype=np.int64)
    for least, chosen in ((rule.min_count, np.ones(len(at), dtype=bool)), (rule.min_violent, violent)):
        if least:
            until = np.minimum(until, _nth_newest(at[chosen], leaves[chosen], least, size))
    return falls, until


def _nth_newest(place: Integers, leaves: Integers, nth: int, size: int) -> Integers:
    """Leaving day of each place's nth newest event: on it the count drops below n; NEVER for places with fewer."""
    order = np.lexsort((-leaves, place))
    of_place = place[order]
    turn = np.arange(len(order)) - np.searchsorted(of_place, of_place, side="left")
    found = np.full(size, NEVER, dtype=np.int64)
    chosen = turn == nth - 1
    found[of_place[chosen]] = leaves[order][chosen]
    return found


def ladder_steps(
    steps: Sequence[Step], needed: Integers, confirmed: Integers, is_met: npt.NDArray[np.bool_], windows: Integers
) -> npt.NDArray[np.object_]:
    """The last step of the ladder whose conditions hold; None where none does.  A step needs a confirmed event."""
    found = np.full(len(needed), None, dtype=object)
    for step in steps:
        holds = confirmed > 0
        if step.needed_at_most is not None:
            holds = holds & (needed <= step.needed_at_most)
        if step.windows_at_least is not None:
            holds = holds & is_met & (windows >= step.windows_at_least)
        found[holds] = step.name
    return found


def replay(pieces: pd.DataFrame, rule_set: RuleSet, first: date, last: date) -> pd.DataFrame:
    """Confirmed and possible counts of every place and rule over a range of days, as the days on which they change.

    Args:
        pieces: what `timeline.segments` returns.
        rule_set: the law; days on which it is not in force are left out.
        first: first day.
        last: last day, included.

    Returns:
        Frame with business_parcel_id, rule_id, from_day and to_day (dates, to_day excluded), the counts, and is_met; days with
        no confirmed and no possible event are left out.
    """
    start = max(day_number(first), day_number(rule_set.effective_from))
    end = day_number(min(last, rule_set.effective_to or last)) + 1
    columns = ["business_parcel_id", "rule_id", "from_day", "to_day", *_KINDS, "is_met"]
    if not len(pieces) or start >= end:
        return pd.DataFrame(columns=columns)
    codes, places = pd.factorize(pieces["business_parcel_id"])
    parts = [_rule_replay(pieces, codes, places, rule_set, rule, start, end) for rule in rule_set.rules]
    return pd.concat(parts, ignore_index=True).sort_values(["business_parcel_id", "rule_id", "from_day"], ignore_index=True)[columns]


def _rule_replay(
    pieces: pd.DataFrame, codes: Integers, places: pd.Index, rule_set: RuleSet, rule: Rule, start: int, end: int
) -> pd.DataFrame:
    day = pieces["day"].to_numpy(np.int64)
    opens = np.maximum(np.maximum(pieces["from_day"].to_numpy(np.int64), day + 1), start)
    closes = np.minimum(np.minimum(pieces["to_day"].to_numpy(np.int64), leaving_days(rule, day)), end)
    active = (opens < closes) & (day >= _first_countable(rule_set))
    state, violent = pieces["state"].to_numpy(object), pieces["is_violent"].to_numpy(bool)
    steps = np.column_stack([active & (state == kind) & (violent | (not only)) for kind, only in _KINDS.values()]).astype(np.int64)
    steps, at = steps[active], codes[active]
    place, when = np.tile(at, 2), np.concatenate([opens[active], closes[active]])
    change = np.concatenate([steps, -steps])
    order = np.lexsort((when, place))
    place, when, totals = place[order], when[order], np.cumsum(change[order], axis=0)
    last_of_day = np.append((place[1:] != place[:-1]) | (when[1:] != when[:-1]), True) if len(place) else np.zeros(0, dtype=bool)
    place, when, totals = place[last_of_day], when[last_of_day], totals[last_of_day]
    until = np.append(when[1:], end)
    kept = (totals[:, :1] + totals[:, 2:3]).ravel() > 0
    frame = pd.DataFrame(dict(zip(_KINDS, totals[kept].T, strict=True)))
    dates = {"from_day": when[kept], "to_day": until[kept]}
    return frame.assign(
        business_parcel_id=places[place[kept]],
        rule_id=rule.id,
        is_met=(frame["confirmed_count"] >= rule.min_count) & (frame["confirmed_violent_count"] >= rule.min_violent),
        **{name: values.astype("datetime64[D]").astype("datetime64[s]") for name, values in dates.items()},
    )


def _first_countable(rule_set: RuleSet) -> int:
    return day_number(rule_set.first_countable_day)


def _days_or_none(days: Integers, known: npt.NDArray[np.bool_]) -> "pd.api.extensions.ExtensionArray":
    return pd.array(np.where(known, days, 0), dtype="Int64") if known.all() else pd.arrays.IntegerArray(days.astype(np.int64), ~known)
