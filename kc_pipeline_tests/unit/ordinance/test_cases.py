"""The case ledger: lines are only added, a change shows, a crash leaves nothing behind, and steps fit the case."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from kc_pipeline.ordinance.cases import CaseLedger, CaseStep, LedgerError, StepError, cleared_dwellings, findings, head
from kc_pipeline.ordinance.windows import day_number

PLACE, EVENT = "parcel:1", "police_reports:KC26000001"
MOMENT = "2026-07-01T10:30:00+00:00"


def step(kind: str, **facts: object) -> CaseStep:
    held = {"number": 0, "recorded_utc": MOMENT, "happened_on": "2026-07-01", "business_parcel_id": PLACE}
    held |= {"step": kind, "recorded_by": "NSD-1"}
    return CaseStep(**(held | facts))  # type: ignore[arg-type]


def objection(**facts: object) -> CaseStep:
    return step("objection", event_id=EVENT, ground="wrong_place", **facts)


REJECTION = step("decision", outcome="rejected", refers_to=1)


@pytest.fixture
def ledger(tmp_path: Path) -> CaseLedger:
    return CaseLedger(tmp_path / "cases" / "ledger.jsonl")


def test_steps_are_numbered_and_chained(ledger: CaseLedger) -> None:
    assert ledger.steps() == ()
    first, second = ledger.add(objection()), ledger.add(step("visit", note="the café is lit"))
    assert (first.number, second.number, second.previous_sha256) == (1, 2, first.sha256)
    assert ledger.steps() == (first, second)
    assert ledger.steps(1) == (first,)
    assert head(ledger.steps()) == {"number": 2, "sha256": second.sha256}


def filled(ledger: CaseLedger) -> list[bytes]:
    for _ in range(3):
        ledger.add(step("visit"))
    return ledger.path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"NSD-1", b"NSD-2"), lines[2]], 2),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], b"no json\n", lines[2]], 2),
        (lambda lines: [lines[0], b"{}\n", lines[2]], 2),
        (lambda lines: [lines[0], lines[0], lines[1], lines[2]], 2),
    ],
    ids=["changed", "taken out", "swapped", "no json", "no step", "repeated"],
)
def test_a_changed_ledger_says_where(ledger: CaseLedger, change, line: int) -> None:
    lines = filled(ledger)
    ledger.path.write_bytes(b"".join(change(lines)))
    with pytest.raises(LedgerError, match=f"line {line}"):
        ledger.steps()
    with pytest.raises(LedgerError):
        ledger.add(step("visit"))


def test_a_step_that_was_forged_with_its_own_hash_breaks_the_chain_behind_it(ledger: CaseLedger, tmp_path: Path) -> None:
    filled(ledger)
    other = CaseLedger(tmp_path / "other.jsonl")
    other.add(step("visit", recorded_by="NSD-2"))
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join([*other.path.read_bytes().splitlines(keepends=True), *lines[1:]]))
    with pytest.raises(LedgerError, match="line 2"):
        ledger.steps()


def test_an_end_that_was_taken_away_is_missed(ledger: CaseLedger) -> None:
    lines = filled(ledger)
    ledger.path.write_bytes(b"".join(lines[:2]))
    with pytest.raises(LedgerError, match="its end was taken away"):
        ledger.steps(3)


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_what_a_crash_left_of_a_line_is_no_step_and_goes_with_the_next(ledger: CaseLedger, cut: int) -> None:
    """A line that is cut anywhere, its line end included, was never acknowledged."""
    lines = filled(ledger)
    ledger.path.write_bytes(b"".join(lines[:2]) + lines[2][:cut])
    assert len(ledger.steps()) == 2
    assert ledger.add(step("visit")).number == 3
    assert len(ledger.steps()) == 3


def test_steps_of_several_processes_form_one_chain(ledger: CaseLedger) -> None:
    code = (
        "import sys; from pathlib import Path; from kc_pipeline.ordinance.cases import CaseLedger, CaseStep\n"
        f"held = dict(number=0, recorded_utc={MOMENT!r}, happened_on='2026-07-01', business_parcel_id='p', step='visit')\n"
        "held['recorded_by'] = sys.argv[1]\n"
        f"[CaseLedger(Path({str(ledger.path)!r})).add(CaseStep(**held)) for _ in range(8)]"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("a", "b", "c")]  # noqa: S603
    assert [process.wait(60) for process in started] == [0, 0, 0]
    found = ledger.steps()
    assert [held.number for held in found] == list(range(1, 25))
    assert sorted(held.recorded_by for held in found) == ["a"] * 8 + ["b"] * 8 + ["c"] * 8


@pytest.mark.parametrize(
    ("before", "wrong", "says"),
    [
        ([], step("party"), "unknown step"),
        ([], step("visit", outcome="accepted"), "outcome none"),
        ([], step("visit", recorded_by=" "), "who records it"),
        ([], step("visit", happened_on="2026-07-02"), "after it was recorded"),
        ([], step("objection", ground="other"), "name it"),
        ([], step("objection", event_id=EVENT, ground="unfair"), "grounds"),
        ([], step("review", outcome="confirmed"), "name it"),
        ([], step("response"), "follows a notice"),
        ([], step("plan"), "follows a notice"),
        ([], step("hearing"), "follows a notice"),
        ([], step("appeal"), "follows a decision"),
        ([], step("decision", outcome="accepted", refers_to=1), "answers an objection"),
        ([objection()], step("decision", outcome="nuisance", refers_to=1), "cannot be 'nuisance'"),
        ([objection(business_parcel_id="parcel:2")], step("decision", outcome="accepted", refers_to=1), "of this place"),
        ([step("notice"), step("hearing")], step("decision", outcome="accepted", refers_to=2), "cannot be 'accepted'"),
        ([objection(), REJECTION], step("decision", outcome="accepted", refers_to=1), "decided already"),
        ([step("notice", business_parcel_id="parcel:2")], step("response"), "follows a notice"),
    ],
)  # fmt: skip
def test_a_step_that_does_not_fit_is_refused(ledger: CaseLedger, before: list[CaseStep], wrong: CaseStep, says: str) -> None:
    for earlier in before:
        ledger.add(earlier)
    with pytest.raises(StepError, match=says):
        ledger.add(wrong)
    assert len(ledger.steps()) == len(before)


def test_a_whole_case_fits(ledger: CaseLedger) -> None:
    steps = [
        step("notice"), step("response"), objection(), step("decision", outcome="accepted", refers_to=3),
        step("plan", outcome="approved"), step("visit"), step("hearing"), step("decision", outcome="nuisance", refers_to=7),
        step("appeal"), step("decision", outcome="no_nuisance", refers_to=9),
    ]  # fmt: skip
    for held in steps:
        ledger.add(held)
    assert [held.step for held in ledger.steps()] == [held.step for held in steps]


def test_a_step_is_known_from_the_local_day_after_it_was_recorded(ledger: CaseLedger) -> None:
    """Recorded at 04:30 UTC, which is still the day before in Kansas City."""
    ledger.add(objection(recorded_utc="2026-07-02T04:30:00+00:00"))
    (found,) = findings(ledger.steps())
    assert found.day == day_number(date(2026, 7, 2))
    (now,) = findings(ledger.steps(), known_by=date(2026, 6, 1))
    assert now.day == day_number(date(2026, 6, 1))


def test_a_dwelling_is_cleared_by_the_newest_word(ledger: CaseLedger) -> None:
    ledger.add(step("dwelling", outcome="cleared"))
    assert cleared_dwellings(ledger.steps(), date(2026, 7, 1)) == frozenset()
    assert cleared_dwellings(ledger.steps(), date(2026, 7, 2)) == {PLACE}
    ledger.add(step("dwelling", outcome="not_cleared"))
    assert cleared_dwellings(ledger.steps(), date(2026, 7, 2)) == frozenset()


def test_a_line_holds_plain_json(ledger: CaseLedger) -> None:
    ledger.add(step("visit", note='a "quote"\nand a line'))
    (line,) = ledger.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["note"] == 'a "quote"\nand a line'
