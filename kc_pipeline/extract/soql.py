"""Conditions in SoQL, with names checked and texts quoted."""

import re
from collections.abc import Iterable

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError
from kc_pipeline.extract.transport import UNDATED, WHOLE, Months, next_month

ROW_ID = ":id"
_NAME = re.compile(r":?[A-Za-z_][A-Za-z0-9_]*")


def quoted(text: str) -> str:
    """A SoQL string."""
    return "'" + text.replace("'", "''") + "'"


def plain(name: str) -> str:
    """A column's name, checked to be nothing but a name."""
    if not _NAME.fullmatch(name):
        raise PermanentSourceError(f"{name!r} is no column name; edit kc_pipeline/catalog/sources.py")
    return name


def filters(data_set: DataSet) -> list[str]:
    """Conditions that keep the rows of the feed."""
    return [f"{plain(name)} in ({','.join(map(quoted, values))})" for name, values in data_set.filters.items()]


def of_partition(column: str | None, partition: str, months: Months) -> list[str]:
    """Conditions that keep the rows of a partition; undated is what has no month of the span."""
    if partition == WHOLE or column is None:
        return []
    column = plain(column)
    start, end = (months.first, months.last) if partition == UNDATED else (partition, partition)
    first, behind = f"{start}-01T00:00:00", f"{next_month(end)}-01T00:00:00"
    if partition == UNDATED:
        return [f"({column} is null or {column} < '{first}' or {column} >= '{behind}')"]
    return [f"{column} >= '{first}'", f"{column} < '{behind}'"]


def joined(conditions: Iterable[str]) -> str | None:
    """All conditions as one; None where there is none."""
    return " and ".join(conditions) or None
