"""Each view's data contract by the Open Data Contract Standard (ODCS) v3.1, made from the catalogue.

`physicalType` is PostgreSQL's; SQLite's stands in the custom property `physicalTypeSqlite`, since the standard knows one per
column.  What was released is kept in `released/`; see `releases.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from kc_pipeline.catalog.columns import EVENT_FEEDS, Column, Type, count_column
from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.rule_model import Complete, InOrder, InSet, Rule, Severity
from kc_pipeline.catalog.rules import rules_of
from kc_pipeline.catalog.service import KEEP_DAYS, PUBLISHED_BY
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.view_notes import NOTES, points_to
from kc_pipeline.catalog.views import View

STANDARD = "v3.1.0"
Document = dict[str, Any]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where PyYAML was built with it: several times as fast

# logical type -> the standard's type, PostgreSQL's, SQLite's
TYPES: Mapping[Type, tuple[str, str, str]] = {
    Type.TEXT: ("string", "text", "TEXT"),
    Type.INTEGER: ("integer", "bigint", "BIGINT"),
    Type.NUMBER: ("number", "double precision", "DOUBLE"),
    Type.BOOLEAN: ("boolean", "boolean", "BOOLEAN"),
    Type.DATE: ("date", "date", "DATE"),
    Type.LOCAL_TIME: ("timestamp", "timestamp without time zone", "DATETIME"),
    Type.UTC_TIME: ("timestamp", "timestamp with time zone", "DATETIME"),
    Type.GEOMETRY: ("string", "bytea", "BLOB"),
}
_SEVERITIES = {Severity.BLOCKS: "error", Severity.MARKS: "warning", Severity.WARNS: "warning"}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Writes every value out where it stands, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def to_odcs(view: View, since: Mapping[str, str]) -> Document:
    """The contract of a view.

    Args:
        view: the view.
        since: column -> version of the contracts that first had it; a column that is not named is of this version.
    """
    notes, table = NOTES[view.name], view.contract
    columns = {column.name: since.get(column.name, SCHEMA_VERSION) for column in table.columns}
    return {
        "apiVersion": STANDARD,
        "kind": "DataContract",
        "id": f"kc_pipeline.{view.name}",
        "name": view.name,
        "version": SCHEMA_VERSION,
        "status": "active",
        "domain": "public safety",
        "dataProduct": "business risk",
        "description": {"purpose": notes.purpose, "usage": notes.usage, "limitations": "\n".join(f"- {limit}" for limit in notes.limits)},
        "schema": [
            {
                "id": view.name,
                "name": view.name,
                "physicalName": view.name,
                "logicalType": "object",
                "physicalType": "view",
                "businessName": notes.title,
                "description": notes.purpose,
                "dataGranularityDescription": sentence(table.grain),
                "customProperties": [{"property": "sinceVersion", "value": min(columns.values(), key=version_of)}],
                "properties": [_property(view, column, columns[column.name]) for column in table.columns],
                "quality": list(_laws(view)),
            }
        ],
        "team": {"name": table.owner.removeprefix("team:")},
        **({"slaProperties": list(_promises(view))} if view.is_of_a_mart else {}),
    }


def to_yaml(document: Document) -> str:
    """A contract as text; the same contract gives the same text."""
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def from_yaml(text: str) -> Document:
    """A contract from its text."""
    return dict(yaml.load(text, Loader=_LOADER))  # noqa: S506 - a safe loader, by either name


def custom(element: Mapping[str, Any], name: str) -> Any:
    """Value of a custom property of an element of a contract; None where it has none."""
    return next((given["value"] for given in element.get("customProperties", ()) if given["property"] == name), None)


def version_of(text: str) -> tuple[int, ...]:
    """A version as numbers: 1.10.0 comes after 1.9.0."""
    return tuple(int(part) for part in text.split("."))


def sentence(words: str) -> str:
    """Words as a sentence: upper case at the beginning, a full stop at the end."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _property(view: View, column: Column, since: str) -> Document:
    logical, postgresql, sqlite = TYPES[column.type]
    key = view.contract.key
    target = points_to(view.name, column.name)
    options = {"minimum": column.minimum, "maximum": column.maximum, "pattern": f"^(?:{column.pattern})" if column.pattern else None}
    facts = {"sinceVersion": since, "unit": column.unit, "source": column.source, "physicalTypeSqlite": sqlite}
    return _given(
        {
            "id": column.name,
            "name": column.name,
            "physicalName": column.name,
            "logicalType": logical,
            "logicalTypeOptions": _given(options) or None,
            "physicalType": postgresql,
            "description": column.description,
            "required": not column.nullable or column.name in key,
            "primaryKey": True if column.name in key else None,
            "primaryKeyPosition": key.index(column.name) + 1 if column.name in key else None,
            "relationships": [{"to": f"{target[0]}.odcs.yaml#/schema/{target[0]}/properties/{target[1]}"}] if target else None,
            "quality": [_known_values(rule) for rule in rules_of(view.contract) if _speaks_of(rule, column)] or None,
            "customProperties": [{"property": name, "value": value} for name, value in facts.items() if value is not None],
        }
    )


def _given(facts: Mapping[str, Any]) -> Document:
    return {name: value for name, value in facts.items() if value is not None}


def _speaks_of(rule: Rule, column: Column) -> bool:
    return isinstance(rule.test, InSet) and rule.test.column == column.name


def _known_values(rule: Rule) -> Document:
    assert isinstance(rule.test, InSet)  # noqa: S101 - for the type checker
    values = {"metric": "invalidValues", "arguments": {"validValues": [str(value) for value in rule.test.values]}, "mustBe": 0}
    return {"name": rule.name, "dimension": "conformity", "severity": _SEVERITIES[rule.severity], **values}


def _laws(view: View) -> Iterator[Document]:
    """Rules of rows and of the whole view; what columns and types say already is left out."""
    key = list(view.contract.key)
    yield {
        "name": "key_is_unique", "description": "No key occurs twice.", "dimension": "uniqueness", "severity": "error",
        "metric": "duplicateValues", "arguments": {"properties": key}, "mustBe": 0,
    }  # fmt: skip
    for rule in rules_of(view.contract):
        if rule.is_derived or rule.name == "key_is_unique":
            continue
        share = f" Holds for at least {rule.least_share:.4g} of the rows." if rule.least_share < 1 else ""
        law = {"name": rule.name, "description": rule.says + share, "dimension": "consistency", "severity": _SEVERITIES[rule.severity]}
        if isinstance(rule.test, InOrder) and rule.least_share == 1:
            wrong = f"SELECT COUNT(*) FROM {view.name} WHERE {rule.test.first} > {rule.test.second}"  # noqa: S608 - names of the catalogue
            yield law | {"type": "sql", "query": wrong, "mustBe": 0}
        elif not isinstance(rule.test, Complete):
            yield law | {"type": "text"}


def _promises(view: View) -> Iterator[Document]:
    by = f"{PUBLISHED_BY:%H:%M}"
    yield {"property": "frequency", "value": 1, "unit": "d", "description": "A day is published every day."}
    yield {
        "property": "timeOfAvailability", "value": by, "element": f"{view.name}.as_of",
        "description": f"A day's rows are there by {by} wall clock in {TIME_ZONE}; where a check fails, the day before stays.",
    }  # fmt: skip
    yield {
        "property": "retention", "value": KEEP_DAYS, "unit": "d", "element": view.name,
        "description": "Every snapshot stays in the warehouse for so long; month ends, days of cases and of models stay longer, the lake keeps all.",
    }  # fmt: skip
    for feed in EVENT_FEEDS:
        counted = count_column(feed, 365)
        if counted in view.contract.column_names:
            said = f"{FEEDS[feed].title}: usual days from event to publication at the source."
            yield {
                "property": "latency",
                "value": FEEDS[feed].usual_lag_days,
                "unit": "d",
                "element": f"{view.name}.{counted}",
                "description": said,
            }
