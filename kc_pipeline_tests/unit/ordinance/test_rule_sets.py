"""Rule sets: ours can be read, and whatever is wrong in a file is an error that names the line."""

from datetime import date
from importlib import resources

import pytest

from kc_pipeline.catalog.countability import REASONS
from kc_pipeline.catalog.events import NEVER_COUNTED
from kc_pipeline.ordinance.rules import RulesError, our_rule_sets, read_rule_sets, rule_sets_of_file, rule_sets_on

OURS = resources.files("kc_pipeline.ordinance").joinpath("rules.toml").read_text(encoding="utf-8")


def line_of(text: str, wanted: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if wanted in line)


def test_our_rule_sets_follow_each_other_and_none_is_verified() -> None:
    before, now = our_rule_sets()
    assert (before.effective_to, now.effective_from, now.effective_to) == (date(2025, 11, 12), date(2025, 11, 13), None)
    assert not before.verified
    assert not now.verified
    figures = [(rule.window_days, rule.window_months, rule.min_count, rule.min_violent) for rule in now.rules]
    assert figures == [(None, 6, 2, 1), (180, None, 5, 0)]
    assert [rule.min_count for rule in before.rules] == [3, 7]


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2015-02-28", []), ("2015-03-01", ["48-51 of 2015"]), ("2025-11-12", ["48-51 of 2015"]), ("2025-11-13", ["48-51 of 2025"])],
)
def test_on_a_day_the_set_in_force_is_found(day: str, expected: list[str]) -> None:
    assert [rule_set.id for rule_set in rule_sets_on(our_rule_sets(), date.fromisoformat(day))] == expected


def test_the_hash_of_a_rule_set_changes_with_what_it_says() -> None:
    changed = read_rule_sets(OURS.replace("min_count = 5", "min_count = 6"))
    assert [a.sha256 == b.sha256 for a, b in zip(our_rule_sets(), changed, strict=True)] == [True, False]


MISTAKES = [
    ("min_count = 5", "min_count = 0", "min_count is 0", "min_count = 0"),
    ("min_count = 5", "min_count = -5", "below zero", "min_count = -5"),
    ("min_count = 5", 'min_count = "5"', "no int", 'min_count = "5"'),
    ("min_count = 5", "min_count = true", "no int", "min_count = true"),
    ("min_count = 5", "minimum = 5", "unknown key 'minimum'", "minimum = 5"),
    ("min_violent = 1", "min_violent = 3", "above min_count", "min_violent = 3"),
    ("window_months = 6", "window_months = 6\nwindow_days = 9", "one of them", ""),
    ("window_months = 6", "window_months = 0", "the window is empty", "window_months = 0"),
    ('"gambling"]', '"gambing"]', "unknown category 'gambing' of police_reports", '"gambing"]'),
    ('"gambling"]', '"unknown"]', "unknown category 'unknown' of police_reports", '"unknown"]'),
    ('"gambling"]', '"theft"]', "never counts: call_for_protection", '"theft"]'),
    ('calls_911 = ["homicide", "shooting", "robbery", "assault"]', 'calls_911 = ["noise"]', "not counted: noise", 'calls_911 = ["noise"]'),
    ('reviewed_feeds = ["calls_911"]', 'reviewed_feeds = ["dumping"]', "unknown feed 'dumping'", '["dumping"]'),
    ('reviewed_feeds = ["calls_911"]', 'reviewed_feeds = ["police_reports"]', "both kinds", 'reviewed_feeds = ["police_reports"]'),
    ('name = "notice"', 'name = "notize"', "unknown step 'notize'", 'name = "notize"'),
    ('name = "notice"', 'name = "review"', "the steps are not in the order", ""),
    ('id = "seven-in-180-days"', 'id = "three-in-30-days"', "rule 'three-in-30-days' occurs twice", ""),
    ("effective_to = 2025-11-12", "effective_to = 2025-11-13", "overlaps '48-51 of 2015'", "effective_from = 2025-11-13"),
    ("effective_to = 2025-11-12", "", "overlaps '48-51 of 2015'", "effective_from = 2025-11-13"),
    ("effective_to = 2025-11-12", "effective_to = 2025-11-11", "in force between 2025-11-11 and 2025-11-13", "effective_from = 2025-11-13"),
    ("effective_to = 2025-11-12", "effective_to = 2014-01-01", "is before effective_from", "effective_to = 2014-01-01"),
    ("effective_from = 2015-03-01", "effective_from = 2015-03-01T00:00:00", "no date", "effective_from = 2015"),
    ("effective_from = 2015-03-01", "", "effective_from is missing", "[[rule_set]]"),
    ("counts_earlier_events = false", "counts_earlier_events = = false", "line", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says", "at"), MISTAKES, ids=[f"{new[:30]}-{says[:20]}" for _, new, says, _ in MISTAKES])
def test_a_mistake_is_an_error_that_names_the_line(old: str, new: str, says: str, at: str) -> None:
    text = OURS.replace(old, new, 1)
    assert text != OURS
    with pytest.raises(RulesError, match=r"rules\.toml.*line \d+") as caught:
        read_rule_sets(text)
    assert says in str(caught.value)
    if at:
        assert f"line {line_of(text, at)}:" in str(caught.value)


def test_an_empty_file_and_a_missing_one_are_errors(tmp_path) -> None:
    with pytest.raises(RulesError, match="no \\[\\[rule_set\\]\\]"):
        read_rule_sets("")
    with pytest.raises(RulesError, match="cannot be read"):
        rule_sets_of_file(tmp_path / "none.toml")


def test_a_mistake_in_another_file_names_that_file(tmp_path) -> None:
    path = tmp_path / "springfield.toml"
    path.write_text(OURS.replace("min_count = 5", "min_count = 0"))
    with pytest.raises(RulesError, match=r"springfield\.toml, line \d+"):
        rule_sets_of_file(path)


def test_every_reason_for_never_counting_is_explained() -> None:
    assert {reason for kinds in NEVER_COUNTED.values() for reason in kinds.values()} <= set(REASONS)
