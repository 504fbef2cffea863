"""The dated rule sets of rules.toml, read and checked: whatever is wrong is an error that names the line."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from kc_pipeline.catalog.events import NEVER_COUNTED, UNKNOWN
from kc_pipeline.catalog.rules import CATEGORIES

STEPS = ("watch", "notice", "plan", "review")
_FEEDS = ("police_reports", "calls_911")
_FILE = "ordinance/rules.toml"


class RulesError(ValueError):
    """The rule sets cannot be used; the message names the line."""


@dataclass(frozen=True)
class Rule:
    """One threshold of a rule set.

    Attributes:
        id: name, unique within the rule set.
        says: the rule in words.
        window_days: length of the window in days; None where it is given in months.
        window_months: length in calendar months; None where it is given in days.
        min_count: confirmed events that meet it.
        min_violent: violent ones that must be among them.
        plan_due_days: days from the notice in which the owner owes a plan.
    """

    id: str
    says: str
    window_days: int | None
    window_months: int | None
    min_count: int
    min_violent: int
    plan_due_days: int


@dataclass(frozen=True)
class Step:
    """One step of the escalation ladder, and the conditions that must hold together; None: not asked."""

    name: str
    needed_at_most: int | None
    windows_at_least: int | None


@dataclass(frozen=True)
class RuleSet:
    """The ordinance as it stood from one day to another, both included.

    Attributes:
        id: name, unique in the file.
        section: section of the code.
        effective_from: first day in force.
        effective_to: last day in force; None: still in force.
        source: where its figures are from.
        verified: whether a person has read them in the ordinance's own text.
        counts_earlier_events: whether events before effective_from count.
        documented_feeds: feeds whose records count by themselves.
        reviewed_feeds: feeds whose records a person must confirm.
        premises_tolerance_m: metres by which an event's own point may lie off its parcel.
        same_incident_minutes: minutes within which calls and reports at a place are about one incident.
        counted: feed -> categories that count.
        violent: feed -> categories that are violent.
        rules: its thresholds.
        steps: its ladder, lowest first.
    """

    id: str
    section: str
    effective_from: date
    effective_to: date | None
    source: str
    verified: bool
    counts_earlier_events: bool
    documented_feeds: tuple[str, ...]
    reviewed_feeds: tuple[str, ...]
    premises_tolerance_m: float
    same_incident_minutes: int
    counted: Mapping[str, tuple[str, ...]]
    violent: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    steps: tuple[Step, ...]

    def is_in_force(self, day: date) -> bool:
        """Whether the set is in force on a day."""
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    @property
    def first_countable_day(self) -> date:
        """First report day whose events can count."""
        return date.min if self.counts_earlier_events else self.effective_from

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of everything the set says."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def our_rule_sets() -> tuple[RuleSet, ...]:
    """The rule sets of rules.toml."""
    return read_rule_sets(resources.files("kc_pipeline.ordinance").joinpath("rules.toml").read_text(encoding="utf-8"))


def rule_sets_of_file(path: Path) -> tuple[RuleSet, ...]:
    """The rule sets of another file.

    Raises:
        RulesError: the file cannot be read, or what it says is wrong.
    """
    try:
        return read_rule_sets(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from None


def rule_sets_on(rule_sets: Sequence[RuleSet], day: date) -> tuple[RuleSet, ...]:
    """Those in force on a day, at most one of each section."""
    return tuple(rule_set for rule_set in rule_sets if rule_set.is_in_force(day))


def read_rule_sets(text: str, name: str = _FILE) -> tuple[RuleSet, ...]:
    """Rule sets of a TOML text, by section and date.

    Raises:
        RulesError: the text is no TOML, a key is missing, unknown or of a wrong kind, a category is unknown or never counts,
            or the sets of a section overlap or leave a gap.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{name}: {error}") from None
    places = _Places(text, name)
    for key in set(document) - {"rule_set"}:
        raise places.error(f"unknown key {key!r}", key, ())
    found = [_rule_set(table, places, i) for i, table in enumerate(document.get("rule_set", []))]
    if not found:
        raise RulesError(f"{name}: there is no [[rule_set]]")
    _refuse_repeats([rule_set.id for rule_set in found], places, "rule_set")
    _check_dates(found, places)
    return tuple(sorted(found, key=lambda rule_set: (rule_set.section, rule_set.effective_from)))


class _Places:
    """Lines of the text on which tables and keys stand."""

    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines = text.splitlines()
        self._headers: list[tuple[int, tuple[str | int, ...]]] = [(1, ())]
        counts: dict[str, int] = {}
        for number, line in enumerate(self._lines, 1):
            if match := re.match(r"\s*(\[\[?)\s*([\w.]+)\s*\]", line):
                self._headers.append((number, self._path(match[1] == "[[", match[2], counts)))

    @staticmethod
    def _path(is_array: bool, name: str, counts: dict[str, int]) -> tuple[str | int, ...]:
        if is_array:
            counts[name] = counts.get(name, -1) + 1
        if name == "rule_set":
            for other in [key for key in counts if key != "rule_set"]:
                del counts[other]
            return ("rule_set", counts["rule_set"])
        path: tuple[str | int, ...] = ("rule_set", counts.get("rule_set", 0), name.removeprefix("rule_set."))
        return (*path, counts[name]) if is_array else path

    def line(self, key: str | None, table: tuple[str | int, ...]) -> int:
        """Line of a key of a table, else of the table's header."""
        starts = [number for number, path in self._headers if path == table]
        if not starts:
            return self.line(None, table[:-1]) if table else 1
        ends = [number for number, _ in self._headers if number > starts[0]]
        for number in range(starts[0], min(ends, default=len(self._lines) + 1)):
            if key is not None and re.match(rf"\s*{re.escape(key)}\s*=", self._lines[number - 1]):
                return number
        return starts[0]

    def error(self, says: str, key: str | None, table: tuple[str | int, ...]) -> RulesError:
        return RulesError(f"{self._name}, line {self.line(key, table)}: {says}")


@dataclass(frozen=True)
class _Table:
    """One table of the file, whose keys are taken one by one; what is left is unknown."""

    held: Mapping[str, Any]
    places: _Places
    path: tuple[str | int, ...]

    def take(self, key: str, kind: type, *, is_optional: bool = False) -> Any:
        value = self.held.get(key)
        if value is None:
            if is_optional:
                return None
            raise self.places.error(f"{key} is missing", None, self.path)
        is_right = isinstance(value, kind) and not (kind is int and isinstance(value, bool)) and type(value).__name__ != "datetime"
        if not is_right:
            raise self.error(f"{key} is {value!r}, which is no {kind.__name__}", key)
        if kind is int and value < 0:
            raise self.error(f"{key} is {value}, below zero", key)
        return value

    def refuse_others(self, *known: str) -> None:
        for key in self.held:
            if key not in known:
                raise self.error(f"unknown key {key!r}; known are {', '.join(known)}", key)

    def error(self, says: str, key: str | None = None) -> RulesError:
        return self.places.error(says, key, self.path)

    def tables(self, key: str) -> "Iterator[_Table]":
        for i, held in enumerate(self.take(key, list)):
            yield _Table(held, self.places, (*self.path, key, i))


def _rule_set(held: Mapping[str, Any], places: _Places, index: int) -> RuleSet:
    table = _Table(held, places, ("rule_set", index))
    table.refuse_others(
        "id", "section", "effective_from", "effective_to", "source", "verified", "counts_earlier_events", "documented_feeds",
        "reviewed_feeds", "premises_tolerance_m", "same_incident_minutes", "counted", "violent", "rule", "step",
    )  # fmt: skip
    begins, ends = table.take("effective_from", date), table.take("effective_to", date, is_optional=True)
    if ends is not None and ends < begins:
        raise table.error(f"effective_to {ends} is before effective_from {begins}", "effective_to")
    if not table.take("source", str).strip():
        raise table.error("source is empty: say where the figures are from", "source")
    counted = _categories(table, "counted")
    violent = _categories(table, "violent")
    for feed, categories in violent.items():
        if stray := sorted(set(categories) - set(counted.get(feed, ()))):
            message = f"violent categories that are not counted: {', '.join(stray)}"
            raise places.error(message, feed, (*table.path, "violent"))
    documented, reviewed = (_feeds(table, key) for key in ("documented_feeds", "reviewed_feeds"))
    if both := sorted(set(documented) & set(reviewed)):
        raise table.error(f"{', '.join(both)} stands among both kinds of feeds", "reviewed_feeds")
    rules = tuple(_rule(part) for part in table.tables("rule"))
    steps = tuple(_step(part) for part in table.tables("step"))
    _refuse_repeats([rule.id for rule in rules], places, "rule", table.path)
    if [step.name for step in steps] != [name for name in STEPS if name in {step.name for step in steps}]:
        raise table.error(f"the steps are not in the order {', '.join(STEPS)}, each once", "step")
    return RuleSet(
        table.take("id", str), table.take("section", str), begins, ends, table.take("source", str), table.take("verified", bool),
        table.take("counts_earlier_events", bool), documented, reviewed, float(table.take("premises_tolerance_m", int)),
        table.take("same_incident_minutes", int), counted, violent, rules, steps,
    )  # fmt: skip


def _rule(table: _Table) -> Rule:
    table.refuse_others("id", "says", "window_days", "window_months", "min_count", "min_violent", "plan_due_days")
    days, months = table.take("window_days", int, is_optional=True), table.take("window_months", int, is_optional=True)
    if (days is None) == (months is None):
        raise table.error("give window_days or window_months, one of them")
    if (days or months) < 1:
        raise table.error("the window is empty", "window_days" if days is not None else "window_months")
    count, violent = table.take("min_count", int), table.take("min_violent", int)
    if count < 1:
        raise table.error("min_count is 0: every place would meet it", "min_count")
    if violent > count:
        raise table.error(f"min_violent {violent} is above min_count {count}", "min_violent")
    return Rule(table.take("id", str), table.take("says", str), days, months, count, violent, table.take("plan_due_days", int))


def _step(table: _Table) -> Step:
    table.refuse_others("name", "needed_at_most", "windows_at_least")
    name = table.take("name", str)
    if name not in STEPS:
        raise table.error(f"unknown step {name!r}; known are {', '.join(STEPS)}", "name")
    needed, windows = table.take("needed_at_most", int, is_optional=True), table.take("windows_at_least", int, is_optional=True)
    if needed is None and windows is None:
        raise table.error(f"the step {name!r} has no condition", "name")
    return Step(name, needed, windows)


def _feeds(table: _Table, key: str) -> tuple[str, ...]:
    feeds = tuple(table.take(key, list))
    for feed in feeds:
        if feed not in _FEEDS:
            raise table.error(f"unknown feed {feed!r}; those with incidents are {', '.join(_FEEDS)}", key)
    return feeds


def _categories(table: _Table, key: str) -> dict[str, tuple[str, ...]]:
    part = _Table(table.take(key, dict), table.places, (*table.path, key))
    part.refuse_others(*_FEEDS)
    for feed in part.held:
        for category in part.take(feed, list):
            if category not in CATEGORIES[feed] or category == UNKNOWN:
                raise part.error(f"unknown category {category!r} of {feed} (catalog/events.py)", feed)
            if category in NEVER_COUNTED[feed]:
                raise part.error(f"{category!r} of {feed} never counts: {NEVER_COUNTED[feed][category]} (catalog/events.py)", feed)
    return {feed: tuple(categories) for feed, categories in part.held.items()}


def _refuse_repeats(ids: Sequence[str], places: _Places, kind: str, path: tuple[str | int, ...] = ()) -> None:
    for i, name in enumerate(ids):
        if name in ids[:i]:
            raise places.error(f"{kind} {name!r} occurs twice", "id", (*path, kind, i))


def _check_dates(found: Sequence[RuleSet], places: _Places) -> None:
    """Sets of a section follow each other day after day."""
    order = sorted(range(len(found)), key=lambda i: (found[i].section, found[i].effective_from))
    for before, after in pairwise(order):
        earlier, later = found[before], found[after]
        if earlier.section != later.section:
            continue
        if earlier.effective_to is None or later.effective_from <= earlier.effective_to:
            message = f"{later.id!r} overlaps {earlier.id!r}, which is in force until {earlier.effective_to or 'further notice'}"
            raise places.error(message, "effective_from", ("rule_set", after))
        if later.effective_from > earlier.effective_to + timedelta(days=1):
            message = f"no rule set of section {later.section} is in force between {earlier.effective_to} and {later.effective_from}"
            raise places.error(message, "effective_from", ("rule_set", after))
