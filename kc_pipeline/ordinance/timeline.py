"""What each event counts as, day by day: what was known of it, of other records of its incident, and what people decided.

Nothing here looks ahead: the state on a day follows from the records that were available on it and from the case steps that
were recorded before it, so a past day can be said again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kc_pipeline.ordinance.countability import COUNTS, EXCLUDED, state_of, states_of
from kc_pipeline.ordinance.incidents import Integers, first_known_days, first_of_each_incident, minutes_of, within_minutes
from kc_pipeline.ordinance.rules import RuleSet
from kc_pipeline.ordinance.windows import NEVER, day_numbers

OBJECTED, ACCEPTED, REJECTED, CONFIRMED, REFUSED = "objected", "accepted", "rejected", "confirmed", "refused"
_WITHOUT_REVIEW = frozenset({"needs_review"})


@dataclass(frozen=True)
class Finding:
    """What a case step says of one event at one place.

    Attributes:
        day: number of the first day on which it holds.
        business_parcel_id: the place.
        event_id: the event.
        kind: 'objected', 'accepted' or 'rejected' (an objection to it), 'confirmed' or 'refused' (a review of it).
    """

    day: int
    business_parcel_id: str
    event_id: str
    kind: str


def prepare(judged: pd.DataFrame, pairs: pd.DataFrame, rule_set: RuleSet) -> pd.DataFrame:
    """Add what the timeline needs: numbers of place, day, enter, minutes, and the exact record of an open one.

    Args:
        judged: what `countability.judge_events` returns.
        pairs: what `incidents.pair_records` returns.
        rule_set: the law.
    """
    twins = pairs.set_index("event_id")
    return judged.assign(
        place=pd.factorize(judged["business_parcel_id"])[0].astype(np.int64),
        day=day_numbers(judged["report_date"]),
        enter=first_known_days(judged),
        minute=minutes_of(judged["reported_local"].mask(judged["reported_clock"].eq("date_only"))),
        other_minute=minutes_of(judged["occurred_local"]),
        documented=judged["feed"].isin(rule_set.documented_feeds).to_numpy(),
        exact_event_id=judged["event_id"].map(twins["exact_event_id"]).astype("str"),
        exact_from=judged["event_id"].map(twins["exact_from"]).fillna(NEVER).astype(np.int64),
    )


def states_on(prepared: pd.DataFrame, findings: Sequence[Finding], day: int, rule_set: RuleSet) -> pd.DataFrame:
    """Shares that are known on a day, with reasons, state and duplicate_of as they are on it.

    Args:
        prepared: what `prepare` returns.
        findings: what case steps say.
        day: number of the day.
        rule_set: the law.
    """
    known = prepared[prepared["enter"] <= day].reset_index(drop=True)
    reasons, reviewed = _apply_reviews(known, findings, day)
    stands_for = _stands_for(known, reasons, reviewed, rule_set)
    is_twin = (known["exact_from"] <= day).to_numpy()
    duplicate_of = known["event_id"].where(np.zeros(len(known), dtype=bool))
    repeated = stands_for != np.arange(len(known))
    duplicate_of = duplicate_of.mask(repeated, known["event_id"].to_numpy()[stands_for]).mask(is_twin, known["exact_event_id"])
    said = [(*held, "duplicate_incident") if double else held for held, double in zip(reasons, repeated | is_twin, strict=True)]
    for row, extra in _objections(known, findings, day).items():
        said[row] = (*said[row], extra)
    column = pd.Series(said, index=known.index, dtype=object)
    return known.assign(reasons=column, state=states_of(column), duplicate_of=duplicate_of.astype("str"))


def segments(prepared: pd.DataFrame, findings: Sequence[Finding], rule_set: RuleSet, last_day: int) -> pd.DataFrame:
    """From when to when each share is in a state, up to a last day: rows of `prepared` with from_day, to_day (excluded) and state.

    Only 'counts' and 'possible' are listed.  Places with findings are looked at on each day that something changes there; for
    all others, it follows from the days on which the records became known.
    """
    special = prepared["business_parcel_id"].isin({finding.business_parcel_id for finding in findings})
    plain = _plain_segments(prepared[~special].reset_index(drop=True), rule_set)
    parts = [plain]
    by_place: dict[str, list[Finding]] = {}
    for finding in findings:
        by_place.setdefault(finding.business_parcel_id, []).append(finding)
    for place, rows in prepared[special].groupby("business_parcel_id", sort=True):
        changes = sorted({*rows["enter"], *rows["exact_from"], *(f.day for f in by_place[str(place)])} - {NEVER})
        for start, end in zip(changes, [*changes[1:], NEVER], strict=True):
            if start <= last_day:
                parts.append(states_on(rows, by_place[str(place)], start, rule_set).assign(from_day=start, to_day=end))
    # Pieces of one share that follow each other need not be joined: a count sums over them.
    together = pd.concat(parts, ignore_index=True)
    return together[together["state"].ne(EXCLUDED) & (together["from_day"] < together["to_day"])].reset_index(drop=True)


def _plain_segments(rows: pd.DataFrame, rule_set: RuleSet) -> pd.DataFrame:
    """Shares of places without findings: as they are until another record of the incident becomes known."""
    reasons = rows["reasons"].tolist()
    call, report = _calls_near_reports(rows, reasons, rule_set)
    ends = rows["exact_from"].to_numpy(np.int64).copy()
    enter = rows["enter"].to_numpy(np.int64)
    np.minimum.at(ends, call, enter[report])
    kept = _first_calls(rows, reasons, frozenset(), rule_set)
    ends = np.where(kept != np.arange(len(rows)), np.minimum(ends, enter), ends)
    return rows.assign(from_day=enter, to_day=ends, state=states_of(rows["reasons"]))


def _apply_reviews(known: pd.DataFrame, findings: Sequence[Finding], day: int) -> tuple[list[tuple[str, ...]], frozenset[int]]:
    """Reasons after reviews, and the rows that a review confirmed; the newest review of an event holds."""
    reasons, reviewed = known["reasons"].tolist(), set()
    for finding, row in _rows_found(known, findings, day):
        if finding.kind == CONFIRMED:
            reasons[row] = tuple(name for name in known["reasons"].iloc[row] if name not in _WITHOUT_REVIEW)
            reviewed.add(row)
        elif finding.kind == REFUSED:
            reasons[row] = (*known["reasons"].iloc[row], "review_rejected")
            reviewed.discard(row)
    return reasons, frozenset(reviewed)


def _objections(known: pd.DataFrame, findings: Sequence[Finding], day: int) -> dict[int, str]:
    """Row -> the reason that objections to it leave; an accepted one stays."""
    pending: dict[int, int] = {}
    accepted = set()
    for finding, row in _rows_found(known, findings, day):
        if finding.kind == OBJECTED:
            pending[row] = pending.get(row, 0) + 1
        elif finding.kind in (ACCEPTED, REJECTED):
            pending[row] = pending.get(row, 0) - 1
            if finding.kind == ACCEPTED:
                accepted.add(row)
    waiting = {row: "objection_pending" for row, count in pending.items() if count > 0}
    return waiting | dict.fromkeys(accepted, "objection_accepted")


def _rows_found(known: pd.DataFrame, findings: Sequence[Finding], day: int) -> list[tuple[Finding, int]]:
    said = [finding for finding in findings if finding.day <= day]
    if not said:
        return []
    wanted = {(finding.business_parcel_id, finding.event_id) for finding in said}
    at = known.index[known["event_id"].isin({event for _, event in wanted})]
    keys = zip(known["business_parcel_id"][at], known["event_id"][at], strict=True)
    row_of = {key: int(row) for key, row in zip(keys, at, strict=True)}
    found = [
        (finding, row_of[finding.business_parcel_id, finding.event_id])
        for finding in said
        if (finding.business_parcel_id, finding.event_id) in row_of
    ]
    return sorted(found, key=lambda pair: pair[0].day)


def _stands_for(rows: pd.DataFrame, reasons: list[tuple[str, ...]], reviewed: frozenset[int], rule_set: RuleSet) -> Integers:
    """For each row the row that stands for its incident."""
    stands_for = _first_calls(rows, reasons, reviewed, rule_set)
    call, report = _calls_near_reports(rows, reasons, rule_set)
    if len(report):
        # The report that was known first is written last, and stays.
        order = np.lexsort([rows["event_id"].to_numpy(object)[report].astype(str), rows["enter"].to_numpy(np.int64)[report]])[::-1]
        stands_for[call[order]] = report[order]
    return stands_for


def _calls_near_reports(rows: pd.DataFrame, reasons: list[tuple[str, ...]], rule_set: RuleSet) -> tuple[Integers, Integers]:
    """Pairs of a call and a report that counts, at one place and near in time."""
    documented = rows["documented"].to_numpy(bool)
    states = np.array([state_of(held) for held in reasons], dtype=object)
    calls = np.flatnonzero(~documented & (states != EXCLUDED))
    reports = np.flatnonzero(documented & (states == COUNTS))
    place, minute, other = (rows[name].to_numpy(np.int64) for name in ("place", "minute", "other_minute"))
    found = [
        within_minutes(place[calls], minute[calls], place[reports], time[reports], rule_set.same_incident_minutes)
        for time in (minute, other)
    ]
    call, report = (calls[np.concatenate([pair[0] for pair in found])], reports[np.concatenate([pair[1] for pair in found])])
    return call, report


def _first_calls(rows: pd.DataFrame, reasons: list[tuple[str, ...]], reviewed: frozenset[int], rule_set: RuleSet) -> Integers:
    """For each call the call that stands for its incident: reviewed ones first, then those known first."""
    stands_for = np.arange(len(rows))
    states = np.array([state_of(held) for held in reasons], dtype=object)
    calls = np.flatnonzero(~rows["documented"].to_numpy(bool) & (states != EXCLUDED))
    is_reviewed = np.isin(calls, list(reviewed))
    place, minute, enter = (rows[name].to_numpy(np.int64)[calls] for name in ("place", "minute", "enter"))
    less_exact = (rows["precision"].to_numpy(object)[calls] != "EXACT").astype(np.int64)
    by_id = np.argsort(np.argsort(rows["event_id"].to_numpy(str)[calls], kind="stable"), kind="stable")
    precedence = [(~is_reviewed).astype(np.int64), enter, less_exact, minute, by_id]
    first = first_of_each_incident(place, minute, precedence, rule_set.same_incident_minutes)
    stands_for[calls] = calls[first]
    return stands_for
