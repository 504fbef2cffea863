"""What a rule is: what must hold, how that is tested, and what a failure does."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a failure does."""

    BLOCKS = "blocks"  # nothing that is built on the table is made; what was published stays
    MARKS = "marks"  # the source is named in stale_sources of every row that rests on it; publishing goes on
    WARNS = "warns"  # it is said, and publishing goes on


@dataclass(frozen=True)
class Complete:
    """Every one of the columns has a value."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class InSet:
    """The value, where there is one, is one of these."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Between:
    """The value, where there is one, lies between these bounds, both included; a missing bound is none."""

    column: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Matches:
    """The text, where there is one, matches the expression from its beginning."""

    column: str
    pattern: str


@dataclass(frozen=True)
class InOrder:
    """The first column is at most the second, where both have a value."""

    first: str
    second: str


@dataclass(frozen=True)
class TypesHold:
    """The table is stored with the columns and types of its contract."""


@dataclass(frozen=True)
class RowLaw:
    """The law of this name in quality/row_laws.py holds for the row; it reads these columns."""

    law: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TableLaw:
    """A law of the whole table or between tables, computed by quality/."""


Test = Complete | InSet | Between | Matches | InOrder | TypesHold | RowLaw | TableLaw


@dataclass(frozen=True)
class Rule:
    """One rule of one table.

    Attributes:
        name: snake_case, unique within the table.
        says: what must hold and why, in a sentence.
        severity: what a failure does.
        test: how it is tested.
        least_share: share of the rows it applies to that must keep it.
        is_derived: whether it follows from the table's contract.
    """

    name: str
    says: str
    severity: Severity
    test: Test
    least_share: float = 1.0
    is_derived: bool = False
