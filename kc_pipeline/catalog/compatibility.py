"""What differs between two states of a view's contract, and whether its readers' queries still work.

A machine sees names, types, nulls, keys and units.  A column whose meaning changes under its old name breaks its readers
too, and only a person can see that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kc_pipeline.catalog.contracts import Document, custom


class Weight(IntEnum):
    """What a change asks of readers."""

    WORDING = 0  # nothing: other words for the same
    MINOR = 1  # nothing, but there is something new to see
    BREAKING = 2  # to change their queries


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        view: name of the view.
        says: what differs, in a sentence.
        weight: what it asks of readers.
    """

    view: str
    says: str
    weight: Weight

    def __str__(self) -> str:
        """The change with what to do about it."""
        advice = f"; a released view keeps what it has: make it v2_{self.view.removeprefix('v1_')}, and leave {self.view} as it is"
        return f"{self.view}: {self.says}{advice if self.weight is Weight.BREAKING else ''}"


def changes(released: Mapping[str, Document], present: Mapping[str, Document]) -> list[Change]:
    """Every difference between the contracts that were released and the present ones, the weightiest first.

    Args:
        released: view -> contract as it was released.
        present: view -> contract as it is now.
    """
    found = [Change(view, "the view is gone", Weight.BREAKING) for view in released if view not in present]
    found += [Change(view, "the view is new", Weight.MINOR) for view in present if view not in released]
    for view in present:
        if view in released:
            found += _changes_of(view, released[view], present[view])
    return sorted(found, key=lambda change: -change.weight)


def columns_of(contract: Document) -> dict[str, Document]:
    """Column -> what the contract says of it."""
    return {column["name"]: column for column in contract["schema"][0]["properties"]}


def key_of(contract: Document) -> list[str]:
    """Columns of the key, in order."""
    keys = [column for column in columns_of(contract).values() if column.get("primaryKey")]
    return [column["name"] for column in sorted(keys, key=lambda column: column["primaryKeyPosition"])]


def valid_values(column: Document) -> list[str] | None:
    """The only values that a column may have; None: any."""
    return next((rule["arguments"]["validValues"] for rule in column.get("quality", ()) if rule.get("metric") == "invalidValues"), None)


def _changes_of(view: str, before: Document, now: Document) -> Iterator[Change]:
    old, new = columns_of(before), columns_of(now)
    added = [name for name in new if name not in old]
    for name, column in old.items():
        if name not in new:
            alike = [other for other in added if _type(new[other]) == _type(column)]
            renamed = f" (was it renamed to {' or '.join(alike)}?)" if alike else ""
            yield Change(view, f"column {name} is gone{renamed}", Weight.BREAKING)
        else:
            yield from (Change(view, f"column {name} {says}", weight) for says, weight in _changes_of_column(column, new[name]))
    yield from (Change(view, f"column {name} is new", Weight.MINOR) for name in added)
    if key_of(before) != key_of(now):
        yield Change(view, f"the key was {', '.join(key_of(before))} and is {', '.join(key_of(now))}", Weight.BREAKING)
    if _rest(before) != _rest(now):
        yield Change(view, "what is said of the view, or a rule of it, reads otherwise", Weight.WORDING)


def _changes_of_column(before: Document, now: Document) -> Iterator[tuple[str, Weight]]:
    if _type(before) != _type(now):
        yield f"was {_shown(_type(before))} and is {_shown(_type(now))}", Weight.BREAKING
    if before["required"] and not now["required"]:
        yield "always had a value and may lack one now", Weight.BREAKING
    if now["required"] and not before["required"]:
        yield "has a value in every row now", Weight.MINOR
    if custom(before, "unit") != custom(now, "unit"):
        yield f"was in {custom(before, 'unit') or 'no unit'} and is in {custom(now, 'unit') or 'no unit'}", Weight.BREAKING
    for what, value in (("range or form", _limits), ("set of values", valid_values)):
        if value(before) != value(now):
            yield f"has another {what}: {value(before) or 'any'} before, {value(now) or 'any'} now", Weight.MINOR
    if any(before.get(name) != now.get(name) for name in ("description", "relationships")) or custom(before, "source") != custom(
        now, "source"
    ):
        yield "is described in other words", Weight.WORDING


def _type(column: Document) -> tuple[str, str, str]:
    return column["logicalType"], column["physicalType"], str(custom(column, "physicalTypeSqlite"))


def _shown(of: tuple[str, str, str]) -> str:
    return f"{of[0]} ({of[1]} in PostgreSQL, {of[2]} in SQLite)"


def _limits(column: Document) -> Any:
    return column.get("logicalTypeOptions")


def _rest(contract: Document) -> Any:
    """All but the columns and the version."""
    of_view = {name: value for name, value in contract["schema"][0].items() if name != "properties"}
    return {name: value for name, value in contract.items() if name not in ("version", "schema")}, of_view
