"""Every rule of every table: those that follow from its contract, and our own.

A rule says what must hold; `quality/` finds out whether it does.  Great Expectations audits the rules that speak of single
rows and of column types; laws of a whole table, or between tables, are computed by `quality/` itself.
"""

from collections.abc import Iterable, Mapping

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, Column, count_column
from kc_pipeline.catalog.events import (
    CALL_CATEGORY_OF_PATTERN,
    DUMPING_CATEGORY_OF_SUB_TYPE,
    INSPECTION_CATEGORY_OF_PATTERN,
    POLICE_SEVERITY,
    STREETLIGHT_CATEGORY_OF_PATTERN,
    UNKNOWN,
)
from kc_pipeline.catalog.own_rules import CHECKS, CONTRACT, EVERY_CLEAN_TABLE, EVERY_EVENT_TABLE, HABITS, OF_FEED, OF_TABLE
from kc_pipeline.catalog.rule_model import Between, Complete, InSet, Matches, Rule, Severity, Test, TypesHold
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import REFERENCE_FEEDS, TABLES, Table

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "police_reports": POLICE_SEVERITY,
    **{
        feed: tuple(sorted({*categories, UNKNOWN}))
        for feed, categories in {
            "calls_911": dict(CALL_CATEGORY_OF_PATTERN).values(),
            "health_inspections": dict(INSPECTION_CATEGORY_OF_PATTERN).values(),
            "streetlight_outages": dict(STREETLIGHT_CATEGORY_OF_PATTERN).values(),
            "dumping_complaints": DUMPING_CATEGORY_OF_SUB_TYPE.values(),
        }.items()
    },
}

# What a contract cannot say of a column for all its tables: the texts it may have in one table.
_VALUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    **{(f"clean/{feed}", "feed"): (feed,) for feed in EVENT_FEEDS},
    **{(f"clean/{feed}", "category"): CATEGORIES[feed] for feed in EVENT_FEEDS},
    ("clean/parcels", "geometry_kind"): ("polygon", "point"),
    ("core/event_attribution", "feed"): EVENT_FEEDS,
    ("marts/source_quality", "feed"): tuple(FEEDS),
}
_PATTERNS: Mapping[tuple[str, str], str] = {
    **{(f"clean/{feed}", "event_id"): rf"{feed}:." for feed in EVENT_FEEDS},
    **{(f"clean/{feed}", "record_id"): rf"{feed}:." for feed in REFERENCE_FEEDS},
}
# Columns whose range or form follows from a rule of our own, which says more.
_IMPLIED = {
    *((f"clean/{feed}", "month") for feed in EVENT_FEEDS),
    *(("marts/business_risk", count_column(feed, max(WINDOWS_DAYS))) for feed in EVENT_FEEDS),
    ("marts/source_quality", "received_count"),
    ("marts/threshold_status", "confirmed_count"),
    ("marts/threshold_status", "needed_count"),
}
# Key columns that may be missing: the unattributed rest of an event stands at no place, and a row may have no address.
_KEYS_THAT_MAY_LACK = {("core/event_attribution", "business_parcel_id"), ("core/located_addresses", "address")}


def _derived(table: Table) -> Iterable[Rule]:
    says = "The table is stored with the columns and types of its contract."
    yield Rule("columns_have_their_types", says, Severity.BLOCKS, TypesHold(), is_derived=True)
    required = tuple(column.name for column in table.columns if _is_required(column, table))
    yield Rule("required_values_are_given", f"Every row has {', '.join(required)}.", Severity.BLOCKS, Complete(required), is_derived=True)
    for column in table.columns:
        for suffix, said, test in _tests_of(column, table):
            yield Rule(f"{column.name}_{suffix}", said, Severity.BLOCKS, test, is_derived=True)


def _is_required(column: Column, table: Table) -> bool:
    return not column.nullable or (column.name in table.key and (table.name, column.name) not in _KEYS_THAT_MAY_LACK)


def _tests_of(column: Column, table: Table) -> Iterable[tuple[str, str, Test]]:
    name, place = column.name, (table.name, column.name)
    if values := _VALUES.get(place, column.values):
        yield "is_known", f"{name} is one of: {', '.join(values)}.", InSet(name, values)
    if place in _IMPLIED:
        return
    low, high = column.minimum, column.maximum
    if low is not None or high is not None:
        bounds = f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"from {low:g} to {high:g}"
        yield "is_in_range", f"{name} is {bounds}.", Between(name, low, high)
    if pattern := _PATTERNS.get(place, column.pattern):
        yield "has_its_form", f"{name} has the form {pattern}", Matches(name, pattern)


def _rules_of(table: Table) -> tuple[Rule, ...]:
    feed = table.name.partition("/")[2]
    own: tuple[Rule, ...] = ()
    if table.layer == "clean":
        own = (*EVERY_CLEAN_TABLE, *(EVERY_EVENT_TABLE if feed in EVENT_FEEDS else ()), *OF_FEED.get(feed, ()))
    rules = (*_derived(table), *own, *OF_TABLE.get(table.name, ()))
    names = [rule.name for rule in rules]
    if len(names) != len(set(names)):
        raise ValueError(f"catalog/rules.py: {table.name} has two rules of one name")
    return rules


AUDITED_TABLES = (*(f"clean/{feed}" for feed in FEEDS), *OF_TABLE)
RULES: Mapping[str, tuple[Rule, ...]] = {name: _rules_of(TABLES[name]) for name in AUDITED_TABLES}


def rules_of(table: Table) -> tuple[Rule, ...]:
    """Every rule of a table; of one that is not audited, those that follow from its contract."""
    return RULES.get(table.name) or tuple(_derived(table))


def rule_of(table: str, name: str) -> Rule:
    """The rule of a table with this name.

    Raises:
        KeyError: the table has no such rule.
    """
    for rule in RULES[table]:
        if rule.name == name:
            return rule
    raise KeyError(f"{table} has no rule {name!r} in kc_pipeline/catalog/rules.py")


def check_of(rule: Rule) -> str:
    """The check that a rule is shown in."""
    named = next((name for name, (_, rules) in CHECKS.items() if rule.name in rules), None)
    return named or (CONTRACT if rule.severity is Severity.BLOCKS else HABITS)
