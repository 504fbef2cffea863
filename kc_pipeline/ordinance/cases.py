"""The steps of a case, and the ledger that keeps them: a file to which lines are only added, each chained to the one before.

A line is one step as JSON, with the SHA-256 of the line before and of itself.  Whoever changes or takes out a line breaks the
chain from there on, and reading says where.  A line counts once it is whole on the disk; what a crash left of one is taken
away by the next addition.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from filelock import FileLock

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.ordinance.timeline import ACCEPTED, CONFIRMED, OBJECTED, REFUSED, REJECTED, Finding
from kc_pipeline.ordinance.windows import day_number

# Step -> outcomes that it may have ('' none).
STEPS = {
    "notice": ("",),
    "response": ("",),
    "plan": ("", "approved", "refused"),
    "visit": ("",),
    "objection": ("",),
    "hearing": ("",),
    "decision": ("accepted", "rejected", "nuisance", "no_nuisance"),
    "appeal": ("",),
    "review": ("confirmed", "refused"),
    "dwelling": ("cleared", "not_cleared"),
}
# Why an owner objects to an event.
GROUNDS = (
    "call_for_protection",
    "merely_present",
    "off_premises",
    "wrong_place",
    "domestic",
    "medical",
    "false_alarm",
    "not_an_offense",
    "other",
)
_NO_HASH = "0" * 64
_ZONE = ZoneInfo(TIME_ZONE)


class LedgerError(ValueError):
    """The ledger does not hold what was once written, or cannot be read; the message names the line."""


class StepError(ValueError):
    """A step that does not fit the case: what it refers to is not there, or it comes too early."""


@dataclass(frozen=True)
class CaseStep:
    """One step of one case.

    Attributes:
        number: line of the ledger, from 1.
        recorded_utc: when it was written down, ISO 8601.
        happened_on: local day on which it took place, ISO 8601.
        business_parcel_id: the place.
        step: one of STEPS.
        recorded_by: who wrote it down: an office or a staff number.
        outcome: what came of it; '' where nothing does.
        event_id: the event that is objected to or reviewed; ''.
        ground: why it is objected to, one of GROUNDS; ''.
        refers_to: number of the step that it answers; 0 for none.
        rule_set_id: rule set that a notice or a hearing goes by; ''.
        rule_id: its rule; ''.
        packet_id: evidence packet that was given; ''.
        due_on: day by which the next thing is owed, ISO 8601; ''.
        note: free text.
        previous_sha256: hash of the line before.
        sha256: hash of everything else on this line.
    """

    number: int
    recorded_utc: str
    happened_on: str
    business_parcel_id: str
    step: str
    recorded_by: str
    outcome: str = ""
    event_id: str = ""
    ground: str = ""
    refers_to: int = 0
    rule_set_id: str = ""
    rule_id: str = ""
    packet_id: str = ""
    due_on: str = ""
    note: str = ""
    previous_sha256: str = _NO_HASH
    sha256: str = ""

    @property
    def known_from(self) -> date:
        """First day that is said with knowledge of the step: the local day after it was recorded."""
        return datetime.fromisoformat(self.recorded_utc).astimezone(_ZONE).date() + timedelta(days=1)


class CaseLedger:
    """The ledger in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def steps(self, upto: int | None = None) -> tuple[CaseStep, ...]:
        """All whole steps, the chain checked; or the first so many.

        Raises:
            LedgerError: a line was changed, taken out or cannot be read, or there are fewer than asked for.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        found = tuple(_checked_steps(whole.splitlines(), self.path.name))
        if upto is None:
            return found
        if upto > len(found):
            raise LedgerError(f"{self.path.name} has {len(found)} steps; {upto} were there once: its end was taken away")
        return found[:upto]

    def add(self, step: CaseStep) -> CaseStep:
        """Write a step down; number, hashes and chain are given here.

        Raises:
            LedgerError: the ledger is not what was once written.
            StepError: the step does not fit the case.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            before = self.steps()
            check_step(step, before)
            chained = _with_hash(replace(step, number=len(before) + 1, previous_sha256=before[-1].sha256 if before else _NO_HASH))
            content = self.path.read_bytes() if self.path.exists() else b""
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.ftruncate(descriptor, content.rfind(b"\n") + 1)
                os.lseek(descriptor, 0, os.SEEK_END)
                _write_all(descriptor, _line(chained))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _fsync_folder(self.path.parent)
        return chained


def head(steps: Sequence[CaseStep]) -> dict[str, int | str]:
    """Number and hash of the last step: what a packet or a day was made with."""
    return {"number": len(steps), "sha256": steps[-1].sha256 if steps else _NO_HASH}


def findings(steps: Iterable[CaseStep], known_by: date | None = None) -> tuple[Finding, ...]:
    """What steps say of events.

    Args:
        steps: the ledger's steps.
        known_by: every step counts as known from this day on at the latest (a packet made now for a day in the past); None:
            each from the day after it was recorded.
    """
    steps = tuple(steps)
    events = {step.number: (step.business_parcel_id, step.event_id) for step in steps if step.step in ("objection", "review")}
    found = []
    for step in steps:
        day = day_number(step.known_from if known_by is None else min(step.known_from, known_by))
        if step.step == "objection":
            found.append(Finding(day, step.business_parcel_id, step.event_id, OBJECTED))
        elif step.step == "decision" and step.refers_to in events:
            found.append(Finding(day, *events[step.refers_to], {"accepted": ACCEPTED, "rejected": REJECTED}[step.outcome]))
        elif step.step == "review":
            found.append(Finding(day, step.business_parcel_id, step.event_id, {"confirmed": CONFIRMED, "refused": REFUSED}[step.outcome]))
    return tuple(found)


def cleared_dwellings(steps: Iterable[CaseStep], known_by: date) -> frozenset[str]:
    """Places of which a person said, before a day, that who lives there is no obstacle; the newest word holds."""
    said = {step.business_parcel_id: step.outcome for step in steps if step.step == "dwelling" and step.known_from <= known_by}
    return frozenset(place for place, outcome in said.items() if outcome == "cleared")


def check_step(step: CaseStep, before: Sequence[CaseStep]) -> None:
    """Whether a step can follow what stands in the ledger.

    Raises:
        StepError: it cannot; the message says why.
    """
    if step.step not in STEPS:
        raise StepError(f"unknown step {step.step!r}; there are {', '.join(STEPS)}")
    if step.outcome not in STEPS[step.step]:
        allowed = ", ".join(outcome or "none" for outcome in STEPS[step.step])
        raise StepError(f"a {step.step} has the outcome {allowed}; not {step.outcome!r}")
    if not step.recorded_by.strip():
        raise StepError("say who records it (--by)")
    if date.fromisoformat(step.happened_on) > datetime.fromisoformat(step.recorded_utc).astimezone(_ZONE).date():
        raise StepError(f"it cannot have happened on {step.happened_on}, after it was recorded")
    of_place = [earlier for earlier in before if earlier.business_parcel_id == step.business_parcel_id]
    _CHECKS.get(step.step, lambda _step, _before: None)(step, of_place)


def _check_event(step: CaseStep, _before: Sequence[CaseStep]) -> None:
    if not step.event_id:
        raise StepError(f"a {step.step} speaks of one event: name it (--event)")
    if step.step == "objection" and step.ground not in GROUNDS:
        raise StepError(f"an objection has one of the grounds {', '.join(GROUNDS)}; not {step.ground!r}")


def _check_decision(step: CaseStep, before: Sequence[CaseStep]) -> None:
    asked = next((earlier for earlier in before if earlier.number == step.refers_to), None)
    if asked is None or asked.step not in ("objection", "hearing", "appeal"):
        raise StepError("a decision answers an objection, a hearing or an appeal of this place: give its number (--refers-to)")
    if (asked.step == "objection") != (step.outcome in ("accepted", "rejected")):
        raise StepError(f"a decision on the {asked.step} of step {asked.number} cannot be {step.outcome!r}")
    if any(earlier.step == "decision" and earlier.refers_to == step.refers_to for earlier in before):
        raise StepError(f"step {step.refers_to} is decided already; an appeal can follow")


def _check_answer(step: CaseStep, before: Sequence[CaseStep]) -> None:
    wanted = {"response": "notice", "plan": "notice", "hearing": "notice", "appeal": "decision"}[step.step]
    if not any(earlier.step == wanted for earlier in before):
        raise StepError(f"a {step.step} follows a {wanted}, and this place has none")


_CHECKS = {
    "objection": _check_event, "review": _check_event, "decision": _check_decision, "response": _check_answer, "plan": _check_answer,
    "hearing": _check_answer, "appeal": _check_answer,
}  # fmt: skip


def _checked_steps(lines: Sequence[bytes], name: str) -> Iterable[CaseStep]:
    previous, known = _NO_HASH, {field.name for field in fields(CaseStep)}
    for number, line in enumerate(lines, 1):
        try:
            held = json.loads(line)
            step = CaseStep(**held) if set(held) == known else None
        except (ValueError, TypeError):
            step = None
        if step is None:
            raise LedgerError(f"{name}, line {number}: this is no step")
        if step.number != number or step.previous_sha256 != previous or _with_hash(step).sha256 != step.sha256:
            raise LedgerError(f"{name}, line {number}: the chain is broken; this line or one before it was changed or taken out")
        previous = step.sha256
        yield step


def _with_hash(step: CaseStep) -> CaseStep:
    content = {name: value for name, value in asdict(step).items() if name != "sha256"}
    return replace(step, sha256=hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest())


def _line(step: CaseStep) -> bytes:
    return json.dumps(asdict(step), sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
