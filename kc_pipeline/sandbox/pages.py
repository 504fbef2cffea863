"""Rows of an answer as Socrata writes them, in CSV and in JSON."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from kc_pipeline.sandbox.query import Query

_SHAPES = frozenset({"point", "multipolygon", "polygon", "multiline", "line", "location", "url"})


def csv_page(query: Query, rows: list[tuple[Any, ...]]) -> bytes:
    """A page of rows, every text quoted, shapes as well-known text, header first."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([output.field_name for output in query.outputs])
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for i, output in enumerate(query.outputs):
        if rows and output.data_type in _SHAPES:
            columns[i] = _shape_texts(output.data_type, columns[i])
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def _shape_texts(data_type: str, values: Sequence[str | None]) -> list[str | None]:
    """A column of shapes as a CSV page has them; parsed together, which is faster than one by one."""
    to_text = _TEXTS.get(data_type, _well_known_text)
    shapes = json.loads(f"[{','.join(value or 'null' for value in values)}]")
    return [None if shape is None else to_text(shape) for shape in shapes]


def _well_known_text(shape: dict[str, Any]) -> str:
    if shape["type"] == "Point":
        return "POINT ({} {})".format(*shape["coordinates"])

    def text(part: list[Any]) -> str:
        if not isinstance(part[0], list):
            return " ".join(str(number) for number in part)
        return "(" + ", ".join(text(inner) for inner in part) + ")"

    inner = text(shape["coordinates"])
    return f"{shape['type'].upper()} {inner if inner.startswith('(') else f'({inner})'}"


def _location_text(location: dict[str, Any]) -> str:
    lines = []
    if address := location.get("human_address"):
        known = json.loads(address)
        lines = [known.get("address", ""), f"{known.get('city', '')}, {known.get('state', '')} {known.get('zip', '')}".strip(", ")]
    if location.get("latitude"):
        lines.append(f"({location['latitude']}, {location['longitude']})")
    return "\n".join(line for line in lines if line)


def _link_text(link: dict[str, Any]) -> str:
    return f"{link['description']} ({link['url']})" if link.get("description") else str(link.get("url", ""))


_TEXTS = {"location": _location_text, "url": _link_text}


def json_page(query: Query, rows: list[tuple[Any, ...]]) -> bytes:
    """A page of records without their nulls, scalars as text, shapes as objects."""
    names = [output.field_name for output in query.outputs]
    structured = {output.field_name for output in query.outputs if output.data_type in {*_SHAPES, "checkbox"}}
    records = [
        {name: json.loads(value) if name in structured else str(value) for name, value in zip(names, row, strict=True) if value is not None}
        for row in rows
    ]
    return json.dumps(records).encode()
