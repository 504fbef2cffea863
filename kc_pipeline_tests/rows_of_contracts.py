"""Rows of any contract for exports and contracts: filled by type, with what is special put in by the test."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from kc_pipeline.catalog.columns import Column, Type
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import Table

_FIRST = {"snapshot_id": "s0000000001", "quarter": "2026-Q1", "zip_code": "64106", "business_parcel_id": "parcel:1", "model_id": "m"}


def some_rows(contract: Table, special: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row for each of `special`, which says what is not as usual; every value is one that the contract allows."""
    rows = [{column.name: _usual(column) for column in contract.columns} | dict(given) for given in special]
    return pa.Table.from_pylist(rows, schema=to_arrow(contract))


def _usual(column: Column) -> Any:
    if column.name in _FIRST:
        return _FIRST[column.name]
    if column.type is Type.TEXT:
        return column.values[0] if column.values else "64" * 32 if column.pattern == "[0-9a-f]{64}$" else "text"
    low = 0 if column.minimum is None else column.minimum
    return {
        Type.INTEGER: int(low) + 1 if column.maximum is None else int(low),
        Type.NUMBER: low + 0.1 if column.maximum is None else (low + column.maximum) / 2,
        Type.BOOLEAN: True,
        Type.DATE: date(2026, 7, 1),
        Type.LOCAL_TIME: datetime(2026, 7, 1, 5, 30),  # noqa: DTZ001 - a wall clock
        Type.UTC_TIME: datetime(2026, 7, 1, 10, 30, tzinfo=UTC),
        Type.GEOMETRY: b"",
    }[column.type]
