"""Whether rows keep what was promised of a view: its columns, types, required values, key, ranges, forms and sets.

The promise is the released contract, not the catalogue: a change of the catalogue that nobody released is found here too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.compatibility import columns_of, key_of, valid_values
from kc_pipeline.catalog.contracts import Document

_SHOWN = 3
_IS_OF_TYPE: Mapping[str, Callable[[pa.DataType], bool]] = {
    "string": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind),
    "integer": pa.types.is_integer,
    "number": pa.types.is_floating,
    "boolean": pa.types.is_boolean,
    "date": pa.types.is_date,
    "timestamp": pa.types.is_timestamp,
}


@dataclass(frozen=True)
class Breach:
    """One promise that rows do not keep.

    Attributes:
        view: name of the view.
        element: column, or columns of the key.
        says: what is wrong, with some of the values.
        count: rows that break it; 0 where it is about the column itself.
    """

    view: str
    element: str
    says: str
    count: int

    def __str__(self) -> str:
        """The breach in a sentence."""
        return f"{self.view}.{self.element}: {self.says}{f' ({self.count:,} rows)' if self.count else ''}"


def breaches(view: str, contract: Document, rows: pa.Table) -> list[Breach]:
    """Every promise of a view's contract that rows do not keep; columns beyond those of the contract break none.

    Args:
        view: name of the view.
        contract: its released contract.
        rows: rows that it is about to show.
    """
    return list(_breaches(view, contract, rows))


def _breaches(view: str, contract: Document, rows: pa.Table) -> Iterator[Breach]:
    columns = columns_of(contract)
    for name, column in columns.items():
        if name not in rows.column_names:
            yield Breach(view, name, "the column is not there", 0)
        elif not _IS_OF_TYPE[column["logicalType"]](rows.schema.field(name).type):
            yield Breach(view, name, f"is {rows.schema.field(name).type}, and {column['logicalType']} was promised", 0)
        else:
            yield from _breaches_of_values(view, name, column, rows[name])
    key = key_of(contract)
    if set(key) <= set(rows.column_names) and rows.num_rows:
        counts = rows.group_by(key).aggregate([([], "count_all")])
        repeated = counts.filter(pc.greater(counts["count_all"], 1))
        if repeated.num_rows:
            sample = "; ".join("|".join(str(row[name]) for name in key) for row in repeated.slice(0, _SHOWN).to_pylist())
            yield Breach(view, "+".join(key), f"keys occur more than once: {sample}", repeated.num_rows)


def _breaches_of_values(view: str, name: str, column: Document, values: pa.ChunkedArray) -> Iterator[Breach]:
    if column["required"] and values.null_count:
        yield Breach(view, name, "a value is missing where one was promised", values.null_count)
    options = column.get("logicalTypeOptions", {})
    tests: list[tuple[str, pa.ChunkedArray]] = []
    if (low := options.get("minimum")) is not None:
        tests.append((f"is below {low:g}", pc.less(values, low)))
    if (high := options.get("maximum")) is not None:
        tests.append((f"is above {high:g}", pc.greater(values, high)))
    if column["logicalType"] == "number":
        tests.append(("is no number", pc.is_nan(values)))
    if "pattern" in options:
        tests.append((f"has not the form {options['pattern']}", pc.invert(pc.match_substring_regex(values, options["pattern"]))))
    if (known := valid_values(column)) is not None:
        tests.append(
            ("is none of the known values", pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, pa.array(known, values.type)))))
        )
    for says, wrong in tests:
        found = values.filter(wrong)
        if len(found):
            sample = ", ".join(repr(value) for value in found.unique().slice(0, _SHOWN).to_pylist())
            yield Breach(view, name, f"{says}: {sample}", len(found))
