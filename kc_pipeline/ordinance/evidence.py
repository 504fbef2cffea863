"""The evidence packet of one business place and day: everything that was counted or not, why, and what it rests on.

A packet is made of its inputs alone: the same place, day, level, table versions, rule sets and case steps give the same bytes,
and the packet's id is their hash.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from kc_pipeline.catalog.countability import REASONS
from kc_pipeline.ordinance.cases import CaseStep, head
from kc_pipeline.ordinance.clock import in_window
from kc_pipeline.ordinance.rules import RuleSet

FORMAT = "kc-evidence/1"
OWNER_SAFE, HEARING = "owner-safe", "hearing"
LEVELS = (OWNER_SAFE, HEARING)
PERIOD_DAYS = 365
PROVISIONAL = "PROVISIONAL: the rule set's figures were not read in the ordinance's own text; this is no finding against anybody"
_STATUS = (
    "confirmed_count", "confirmed_violent_count", "possible_count", "possible_violent_count", "needed_count", "threshold_status",
    "count_falls_in_days", "met_for_days", "separate_windows_count", "days_since_last_window", "ladder_step", "window_start", "window_end",
)  # fmt: skip
_SOURCE = ("data_set", "pull_id", "page", "line", "page_sha256")
# What an owner is not shown of an event: the minute, where the source set it, and where its rows lie in our files.
_STEP_FOR_OWNER = ("number", "happened_on", "step", "outcome", "event_id", "ground", "refers_to", "due_on", "sha256")
_FOR_HEARING_ONLY = ("reported_local", "occurred_local", "address_at_source", "source")


class NoPacketError(ValueError):
    """No packet of this level may be given; the message says why."""


@dataclass(frozen=True)
class Matter:
    """What one rule set says of a place on a day.

    Attributes:
        rule_set: the law.
        states: the place's shares on the day (`timeline.states_on`), with provenance.
        status: the place's rows of `clock.threshold_status`.
    """

    rule_set: RuleSet
    states: pd.DataFrame
    status: pd.DataFrame


def make_packet(
    place: Mapping[str, Any], as_of: date, level: str, matters: Sequence[Matter], steps: Sequence[CaseStep], made_from: Mapping[str, Any],
    *, is_blocked: bool,
) -> dict[str, Any]:  # fmt: skip
    """A packet as plain data, its id among it.

    Args:
        place: business_parcel_id, parcel_id, business_names, business_types, address.
        as_of: the day.
        level: 'owner-safe' (no minutes, no provenance, sensitive events only counted) or 'hearing' (everything).
        matters: what each rule set in force says.
        steps: every step of the ledger that the packet knows.
        made_from: table versions.
        is_blocked: whether escalation waits for a person to look into who lives there.

    Raises:
        NoPacketError: a hearing packet is asked for by an unverified rule set, without one in force, or for a blocked place.
    """
    _refuse(level, matters, as_of, is_blocked)
    own = [step for step in steps if step.business_parcel_id == place["business_parcel_id"]]
    content = {
        "format": FORMAT,
        "level": level,
        "label": None if all(matter.rule_set.verified for matter in matters) else PROVISIONAL,
        "place": dict(place),
        "as_of": as_of.isoformat(),
        "is_escalation_blocked": is_blocked,
        "matters": [_matter(matter, as_of, level) for matter in matters],
        "reasons": {name: reason.says for name, reason in REASONS.items()},
        "case_steps": [_case_step(step, level) for step in own],
        "made_from": {**made_from, "case_ledger": head(steps), "rule_sets": {m.rule_set.id: m.rule_set.sha256 for m in matters}},
    }
    return {"packet_id": packet_id(content), **content}


def packet_id(content: Mapping[str, Any]) -> str:
    """Hash of a packet's content without its id."""
    held = {name: value for name, value in content.items() if name != "packet_id"}
    return hashlib.sha256(json.dumps(held, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:20]


def packet_bytes(packet: Mapping[str, Any]) -> bytes:
    """A packet as it is kept."""
    return (json.dumps(packet, sort_keys=True, ensure_ascii=False, indent=1) + "\n").encode()


def _refuse(level: str, matters: Sequence[Matter], as_of: date, is_blocked: bool) -> None:
    if level not in LEVELS:
        raise NoPacketError(f"unknown level {level!r}; there are {', '.join(LEVELS)}")
    if not matters:
        raise NoPacketError(f"no rule set is in force on {as_of}")
    if level != HEARING:
        return
    if unverified := [matter.rule_set.id for matter in matters if not matter.rule_set.verified]:
        raise NoPacketError(
            f"no hearing packet: nobody has read the figures of rule set {', '.join(unverified)} in the ordinance's own text; "
            "whoever does sets verified = true in the rule file"
        )
    if is_blocked:
        raise NoPacketError("no hearing packet: people live there, or that is not known; record a step 'dwelling' once somebody has looked")


def _matter(matter: Matter, as_of: date, level: str) -> dict[str, Any]:
    law = matter.rule_set
    first = min(as_of - timedelta(days=PERIOD_DAYS), *(row for row in matter.status["window_start"]))
    day = pd.to_datetime(matter.states["report_date"])
    listed = matter.states[((day >= pd.Timestamp(first)) & (day < pd.Timestamp(as_of))).to_numpy()].reset_index(drop=True)
    windows = {rule.id: in_window(listed, law, rule, as_of) for rule in law.rules}
    sensitive = listed["reasons"].map(lambda held: next((name for name in held if REASONS[name].is_sensitive), None)).astype("str")
    withheld = sensitive.notna() if level == OWNER_SAFE else pd.Series(np.zeros(len(listed), dtype=bool))
    hidden = sensitive[withheld.to_numpy(bool)].value_counts().sort_index()
    shown = listed[~withheld.to_numpy(bool)].sort_values(["report_date", "event_id"])
    rules = {rule.id: rule for rule in law.rules}
    return {
        "rule_set": {
            "id": law.id, "section": law.section, "source": law.source, "verified": law.verified,
            "effective_from": law.effective_from.isoformat(), "effective_to": law.effective_to.isoformat() if law.effective_to else None,
            "counted": {feed: list(kinds) for feed, kinds in law.counted.items()},
            "violent": {feed: list(kinds) for feed, kinds in law.violent.items()},
            "premises_tolerance_m": law.premises_tolerance_m, "same_incident_minutes": law.same_incident_minutes,
        },
        "rules": [
            {**asdict(rules[row["rule_id"]]), **{name: _plain(row[name]) for name in _STATUS}}
            for row in matter.status.to_dict("records")
        ],
        "period": {"first": first.isoformat(), "last": (as_of - timedelta(days=1)).isoformat()},
        "totals": {state: int((listed["state"] == state).sum()) for state in ("counts", "possible", "excluded")},
        "withheld": {str(name): int(count) for name, count in hidden.items()},
        "events": [
            _event(row, [rule for rule, held in windows.items() if held[i]], level)
            for i, row in zip(shown.index, shown.to_dict("records"), strict=True)
        ],
    }  # fmt: skip


def _event(row: Mapping[str, Any], rules: Sequence[str], level: str) -> dict[str, Any]:
    event = {
        "event_id": row["event_id"],
        "feed": row["feed"],
        "report_date": _plain(row["report_date"]),
        "reported_local": _plain(row["reported_local"]),
        "occurred_local": _plain(row["occurred_local"]),
        "known_from": _plain(row["available_date"]),
        "category": row["category"],
        "source_category": _plain(row["source_category"]),
        "is_violent": bool(row["is_violent"]),
        "state": row["state"],
        "reasons": list(row["reasons"]),
        "duplicate_of": _plain(row["duplicate_of"]),
        "in_window_of": list(rules),
        "precision": row["precision"],
        "attribution_method": row["attribution_method"],
        "distance_m": _plain(row["distance_m"]),
        "candidate_count": int(row["candidate_count"]),
        "record_systems": row["record_systems"],
        "record_disagreement": _plain(row["record_disagreement"]),
        "address_at_source": _plain(row["address"]),
        "row_hash": row["row_hash"],
        "source": {name: _plain(row[name]) for name in _SOURCE},
    }
    return event if level == HEARING else {name: value for name, value in event.items() if name not in _FOR_HEARING_ONLY}


def _case_step(step: CaseStep, level: str) -> dict[str, Any]:
    held = asdict(step)
    return (
        held
        if level == HEARING
        else {
            name: held[name] for name in ("number", "happened_on", "step", "outcome", "event_id", "ground", "refers_to", "due_on", "sha256")
        }
    )


def _plain(value: Any) -> Any:
    """A value as JSON has it; nothing for what is missing."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return round(value, 3)
    return value.isoformat() if hasattr(value, "isoformat") else value
