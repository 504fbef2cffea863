"""Whether rows keep the contract that the readers of a view were given."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SHOWN = 3
_IS_OF_TYPE: Mapping[str, Callable[[pa.DataType], bool]] = {
    "string": pa.types.is_string,
    "integer": pa.types.is_integer,
    "number": pa.types.is_floating,
    "boolean": pa.types.is_boolean,
    "date": pa.types.is_date,
    "timestamp": pa.types.is_timestamp,
}


class ContractBreachError(ValueError):
    """Rows do not keep the contract of the view that would show them; nothing was published."""


def breaches(document: Mapping[str, Any], rows: pa.Table) -> list[str]:
    """What in some rows breaks a contract, a sentence each; empty if nothing does.

    Args:
        document: a data contract, as `catalog/contracts.py` makes it.
        rows: what a view shows, or would.  Columns that the contract does not name are no breach: a view grows.
    """
    name, schema = document["name"], document["schema"][0]
    said: list[str] = []
    for facts in schema["properties"]:
        column = facts["name"]
        if column not in rows.column_names:
            said.append(f"{name}: column {column} is missing")
        elif not _IS_OF_TYPE[facts["logicalType"]](rows.schema.field(column).type):
            said.append(f"{name}: {column} is {rows.schema.field(column).type}, not {facts['logicalType']}")
        else:
            said.extend(f"{name}: {column} {breach}" for breach in _of_values(facts, rows[column]))
    key = sorted((facts["primaryKeyPosition"], facts["name"]) for facts in schema["properties"] if facts.get("primaryKey"))
    names = [column for _, column in key]
    if set(names) <= set(rows.column_names) and rows.select(names).group_by(names).aggregate([]).num_rows != rows.num_rows:
        said.append(f"{name}: {', '.join(names)} is not unique")
    return said


def _of_values(facts: Mapping[str, Any], values: pa.ChunkedArray) -> Iterator[str]:
    if facts.get("required") and values.null_count:
        yield f"is missing in {values.null_count:,} rows"
    options = facts.get("logicalTypeOptions", {})
    if (low := options.get("minimum")) is not None and (found := _where(values, pc.less(values, low))):
        yield f"is below {low:g}: {found}"
    if (high := options.get("maximum")) is not None and (found := _where(values, pc.greater(values, high))):
        yield f"is above {high:g}: {found}"
    if (pattern := options.get("pattern")) and (found := _where(values, pc.invert(pc.match_substring_regex(values, pattern)))):
        yield f"has not the form {pattern}: {found}"
    for rule in facts.get("quality", ()):
        if rule.get("metric") == "invalidValues":
            known = pa.array(rule["arguments"]["validValues"], values.type)
            strange = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, known)))
            if found := _where(values, strange):
                yield f"is none of its listed values: {found}"


def _where(values: pa.ChunkedArray, broken: pa.ChunkedArray) -> str:
    """Some of the values that break a rule; empty if none does."""
    wrong = values.filter(broken)
    return ", ".join(map(repr, wrong.unique().slice(0, _SHOWN).to_pylist())) if len(wrong) else ""
