"""What the four ways of reading have in common: surveys, month spans, and which declared column is which."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.manifest import Pulled
from kc_pipeline.extract.raw import PullWriter

WHOLE = "whole"
UNDATED = "undated"
PULL_ATTEMPTS = 3
DEFAULT_PAGE_SIZE = 50_000
CITY_ZONE = ZoneInfo("America/Chicago")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Months:
    """A span of months, both ends included; a date outside it is an error at the source.

    Attributes:
        first: YYYY-MM.
        last: YYYY-MM.
    """

    first: str
    last: str

    def holds(self, month: str | None) -> bool:
        """Whether a text is a month of the span."""
        return month is not None and bool(_MONTH.fullmatch(month)) and self.first <= month <= self.last

    def all(self) -> list[str]:
        """Every month of the span."""
        months = [self.first]
        while months[-1] < self.last:
            months.append(next_month(months[-1]))
        return months


@dataclass(frozen=True)
class Held:
    """What a source holds of one partition.

    Attributes:
        rows: its own count.
        changed_at: newest change; a digest for files; None where the source does not say.
    """

    rows: int
    changed_at: str | None


@dataclass(frozen=True)
class Survey:
    """What a source holds of one data set now.

    Attributes:
        total: its own count of all rows of the feed in the data set.
        partitions: months, 'undated', or 'whole'; those without rows are left out.
        columns: canonical raw names for which it declares a column now; empty where that is not known before reading.
    """

    total: int
    partitions: Mapping[str, Held] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()


class Transport(Protocol):
    """One way of reading data sets."""

    def state(self, data_set: DataSet) -> str | None:
        """The cheapest word of the source on what it holds: another one means that something changed. None: it has none."""

    def survey(self, data_set: DataSet, months: Months) -> Survey | None:
        """What the source holds now; None where it does not have the data set."""

    def pull(self, data_set: DataSet, partition: str, months: Months, held: Held) -> Pulled:
        """Read a partition and commit it to the raw store."""


def read_until_agreed(what: str, writer: PullWriter, held: Held, ask: Callable[[], Held], read: Callable[[int], int]) -> Held:
    """Read a partition; where its count or its newest change moves meanwhile, again, at most three times.

    A row that goes while another comes leaves the count as it was; the newest change tells.

    Args:
        what: the partition, for messages.
        writer: holds the rows received.
        held: what the survey saw.
        ask: asks the source what it holds now.
        read: reads all pages, given the source's count; returns the number of distinct row identities.

    Returns:
        What the source held before and after, and what was received.

    Raises:
        TransientSourceError: rows received and what the source holds did not agree.
    """
    seen = ""
    for attempt in range(PULL_ATTEMPTS):
        before = held if attempt == 0 else ask()
        distinct = read(before.rows)
        after = ask()
        if before.rows == after.rows == writer.rows == distinct and (not after.rows or before.changed_at == after.changed_at):
            return before
        seen = f"{before.rows:,} before, {after.rows:,} after, {writer.rows:,} rows received, {distinct:,} distinct"
        if before.changed_at != after.changed_at:
            seen += f", newest change {before.changed_at} before, {after.changed_at} after"
    raise TransientSourceError(f"{what}: the count does not agree ({seen}) after {PULL_ATTEMPTS} pulls; fails closed")


def whole_count(value: object) -> int:
    """A count as a source writes it.

    Raises:
        ValueError: it is no whole number, or below zero.
    """
    count = int(str(value))
    if count < 0:
        raise ValueError(f"{value!r} is no count")
    return count


def next_month(month: str) -> str:
    """The month after a month."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def month_of(moment: datetime) -> str:
    """The month in Kansas City."""
    return moment.astimezone(CITY_ZONE).strftime("%Y-%m")


def by_partition(rows: Sequence[tuple[str | None, int, str | None]], months: Months) -> dict[str, Held]:
    """Rows of a survey (month, count, newest change) by partition; what is no month of the span is undated."""
    held: dict[str, Held] = {}
    for month, count, changed_at in rows:
        partition = month if month is not None and months.holds(month) else UNDATED
        before = held.get(partition, Held(0, None))
        held[partition] = Held(before.rows + count, max(filter(None, (before.changed_at, changed_at)), default=None))
    return {partition: one for partition, one in held.items() if one.rows}


def match_fields(data_set: DataSet, declared: Sequence[str]) -> dict[str, str]:
    """Canonical raw name -> the first of its names that is declared, in any case; absent where none is."""
    names = {name.strip().casefold(): name for name in reversed(declared)} | {name: name for name in declared}
    found = {}
    for canonical, candidates in data_set.fields.items():
        match = next((names.get(c) or names.get(c.casefold()) for c in candidates if c in names or c.casefold() in names), None)
        if match is not None:
            found[canonical] = match
    return found


def check_required(data_set: DataSet, resolution: Mapping[str, str], declared: Sequence[str]) -> None:
    """Check that no row will lack what cleaning cannot do without.

    Raises:
        PermanentSourceError: a required column, the month's or a filter's is not declared.
    """
    wanted = {name: data_set.fields.get(name, (name,)) for name in data_set.required}
    if data_set.month_field:
        wanted[data_set.month_field] = data_set.fields[data_set.month_field]
    missing = {canonical: names for canonical, names in wanted.items() if canonical not in resolution}
    missing |= {name: (name,) for name in data_set.filters if name not in declared}
    for canonical, names in missing.items():
        shown = ", ".join(sorted(declared)) or "none"
        raise PermanentSourceError(
            f"{label(data_set)}: no column for {canonical} (looked for {', '.join(names)}); edit kc_pipeline/catalog/sources.py. "
            f"Declared are: {shown}"
        )


def label(data_set: DataSet, partition: str = "") -> str:
    """Name of a data set, or of a partition of it, in messages."""
    return " ".join(part for part in (data_set.feed, data_set.id, partition if partition != WHOLE else "") if part)
