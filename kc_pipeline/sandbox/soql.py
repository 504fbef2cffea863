"""SoQL, and the where clauses of ArcGIS, to SQLite: the part that clients of city portals use.

Text is cut into tokens, parsed by descent and checked against the data set's columns. Names become positions
(c0, c1, ...) and values become bound parameters, so that nothing a client writes reaches SQLite as SQL.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kc_pipeline.sandbox.records import DataSetInfo, DeclaredColumn

DEFAULT_LIMIT = 1000
MALFORMED = "query.compiler.malformed"
MISMATCH = "query.soql.type-mismatch"
NO_COLUMN = "query.soql.no-such-column"
NO_FUNCTION = "query.soql.no-such-function"

_MAX_DEPTH = 50
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<quoted>`[^`]+`)"
    r"|(?P<name>:?@?[A-Za-z_][\w@:]*)|(?P<sign>:\*|<=|>=|<>|!=|==|\|\||[=<>(),*-]))"
)
_NUMBERS = ("number", "esriFieldTypeInteger", "esriFieldTypeSmallInteger", "esriFieldTypeDouble", "esriFieldTypeSingle", "esriFieldTypeDate")
_KINDS = {
    **dict.fromkeys(_NUMBERS, "number"), "esriFieldTypeOID": "number", "calendar_date": "calendar_date", "checkbox": "checkbox",
    "fixed_timestamp": "fixed_timestamp", **dict.fromkeys(("point", "location", "multipolygon", "multiline", "polygon", "polyline", "url"), "shape"),
}  # fmt: skip
_ENDS = frozenset({"from", "where", "group", "having", "order", "limit", "offset", "as", "asc", "desc"})


class SoqlError(ValueError):
    """A query that the portal refuses.

    Attributes:
        code: Socrata's error code.
        subject: the name or text at fault.
    """

    def __init__(self, code: str, message: str, subject: str = "") -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code
        self.subject = subject


@dataclass(frozen=True)
class Expression:
    """A piece of SQLite SQL and its bound values.

    Attributes:
        sql: text with a `?` per parameter.
        kind: text, number, calendar_date, fixed_timestamp, checkbox, shape or null.
        parameters: values in the order of the marks.
        name: what the portal calls it in the answer where the client gives no alias.
        column: the column, where it is nothing but one.
        literal: the text, where it is nothing but a string.
        is_aggregate: whether it is computed over a group of rows.
    """

    sql: str
    kind: str
    parameters: tuple[str | int | float, ...] = ()
    name: str = ""
    column: DeclaredColumn | None = None
    literal: str | None = None
    is_aggregate: bool = False


@dataclass(frozen=True)
class Query:
    """A translated query; the caller adds LIMIT and OFFSET.

    Attributes:
        sql: SELECT without LIMIT and OFFSET.
        parameters: its bound values.
        outputs: name and portal data type of each column of the answer.
        limit: rows asked for.
        offset: rows to leave out first.
        is_aggregate: whether it counts or groups, that is, whether it is no page of rows.
        filters_on_id: whether its filter compares the row identifier.
    """

    sql: str
    parameters: tuple[str | int | float, ...]
    outputs: tuple[DeclaredColumn, ...]
    limit: int
    offset: int
    is_aggregate: bool
    filters_on_id: bool


@dataclass(frozen=True)
class _Function:
    sql: str
    result: str  # a kind, or 'same' as the first argument
    arguments: tuple[str, ...]  # kinds; 'any'
    is_aggregate: bool = False


_DATE = ("calendar_date",)
_FUNCTIONS = {
    "count": _Function("count({0})", "number", ("any",), True),
    "min": _Function("min({0})", "same", ("any",), True),
    "max": _Function("max({0})", "same", ("any",), True),
    "sum": _Function("sum({0})", "number", ("number",), True),
    "avg": _Function("avg({0})", "number", ("number",), True),
    "upper": _Function("upper({0})", "text", ("text",)),
    "lower": _Function("lower({0})", "text", ("text",)),
    "starts_with": _Function("(instr({0}, {1}) = 1)", "checkbox", ("text", "text")),
    "contains": _Function("(instr({0}, {1}) > 0)", "checkbox", ("text", "text")),
    "date_trunc_y": _Function("(substr({0}, 1, 4) || '-01-01T00:00:00.000')", "calendar_date", _DATE),
    "date_trunc_ym": _Function("(substr({0}, 1, 7) || '-01T00:00:00.000')", "calendar_date", _DATE),
    "date_trunc_ymd": _Function("(substr({0}, 1, 10) || 'T00:00:00.000')", "calendar_date", _DATE),
    "date_extract_y": _Function("CAST(substr({0}, 1, 4) AS INTEGER)", "number", _DATE),
    "date_extract_m": _Function("CAST(substr({0}, 6, 2) AS INTEGER)", "number", _DATE),
    "date_extract_d": _Function("CAST(substr({0}, 9, 2) AS INTEGER)", "number", _DATE),
    "date_extract_hh": _Function("CAST(substr({0}, 12, 2) AS INTEGER)", "number", _DATE),
    "date_extract_mm": _Function("CAST(substr({0}, 15, 2) AS INTEGER)", "number", _DATE),
    "date_extract_dow": _Function("CAST(strftime('%w', {0}) AS INTEGER)", "number", _DATE),
}


def kind_of(data_type: str) -> str:
    """How values of a declared type compare; text where nothing else is known."""
    return _KINDS.get(data_type, "text")


def column_expressions(info: DataSetInfo) -> dict[str, Expression]:
    """Each column of a data set by its name in small letters; system fields are among them."""
    found = {}
    for i, column in enumerate(info.stored_columns):
        kind = kind_of(column.data_type)
        sql = f"c{i}"
        if kind == "number" and column.data_type != "esriFieldTypeOID":
            sql = f"CAST(c{i} AS REAL)"
        elif kind == "checkbox":
            sql = f"(c{i} = 'true')"
        found[column.field_name.lower()] = Expression(sql, kind, name=column.field_name.lstrip(":"), column=column)
    return found


def stored_sql(info: DataSetInfo, expression: Expression) -> str:
    """SQL of the value to send: a column as it was given, anything else as computed."""
    return f"c{info.stored_columns.index(expression.column)}" if expression.column else expression.sql


def translate(info: DataSetInfo, arguments: Mapping[str, str]) -> Query:
    """Translate the arguments of a SODA request.

    Args:
        info: the data set asked.
        arguments: $select, $where, $group, $having, $order, $limit and $offset, or all in one $query; any other name
            is a column that must equal the value.

    Raises:
        SoqlError: the query is malformed, or names a column or a function that is not there, or compares what cannot be compared.
    """
    names = column_expressions(info)
    clauses = {name[1:]: text for name, text in arguments.items() if name.startswith("$") and not name.startswith("$$")}
    if "query" in clauses:
        clauses = _split_clauses(clauses["query"])
    unknown = sorted(set(clauses) - {"select", "where", "group", "having", "order", "limit", "offset"})
    if unknown:
        raise SoqlError(MALFORMED, f"Unrecognized arguments [{', '.join('$' + name for name in unknown)}]", unknown[0])
    is_distinct, selected = Parser(clauses.get("select", "*"), names).whole(Parser.select_list)
    aliased = {**names, **{alias.lower(): replace(e, name=alias) for alias, e in selected}}
    groups = Parser(clauses["group"], aliased).whole(Parser.expressions) if "group" in clauses else []
    is_aggregate = bool(groups) or any(e.is_aggregate for _, e in selected)
    _check_groups(selected, groups, is_aggregate)
    filters = [Parser(clauses["where"], names).whole(Parser.condition)] if "where" in clauses else []
    for name, text in arguments.items():
        if not name.startswith("$"):
            filters.append(_compared(_column(names, name), "=", Expression("?", "text", (text,), literal=text)))
    having = [Parser(clauses["having"], aliased).whole(Parser.condition)] if "having" in clauses else []
    order = Parser(clauses["order"], aliased).whole(Parser.order_list) if "order" in clauses else []
    outputs = [Expression(stored_sql(info, e), e.kind, e.parameters) for _, e in selected]
    sql = f"SELECT {'DISTINCT ' if is_distinct else ''}{', '.join(e.sql for e in outputs)} FROM {info.table_name}"  # noqa: S608
    parts: list[tuple[str, Sequence[Expression], str]] = [
        (" WHERE ", filters, " AND "), (" GROUP BY ", groups, ", "), (" HAVING ", having, " AND "), (" ORDER BY ", order, ", "),
    ]  # fmt: skip
    sql += "".join(word + between.join(e.sql for e in part) for word, part, between in parts if part)
    return Query(
        sql=sql,
        parameters=tuple(p for part in (outputs, filters, groups, having, order) for e in part for p in e.parameters),
        outputs=tuple(DeclaredColumn(alias, e.column.data_type if e.column else e.kind) for alias, e in selected),
        limit=_whole_number(clauses.get("limit", str(DEFAULT_LIMIT))),
        offset=_whole_number(clauses.get("offset", "0")),
        is_aggregate=is_aggregate,
        filters_on_id=bool(re.search(r":id\b", clauses.get("where", ""))),
    )


def _check_groups(selected: Sequence[tuple[str, Expression]], groups: Sequence[Expression], is_aggregate: bool) -> None:
    for alias, e in selected:
        if is_aggregate and not e.is_aggregate and e.sql not in {g.sql for g in groups} and e.literal is None:
            raise SoqlError("query.soql.column-not-in-group-bys", f"Column not in group bys: {alias}", alias)


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text.strip(), re.ASCII):
        raise SoqlError(MALFORMED, f"Expected a whole number, but got {text!r}", text)
    return int(text)


def _column(names: Mapping[str, Expression], name: str) -> Expression:
    found = names.get(name.lower())
    if found is None:
        raise SoqlError(NO_COLUMN, f"No such column: {name}", name)
    return found


def _timestamp(text: str, kind: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SoqlError(MISMATCH, f"Type mismatch: {text!r} is not a {kind}", text) from None
    if kind == "calendar_date":
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _read_as(value: Expression, kind: str) -> Expression:
    """A string read as what it stands beside: portals compare '2023-06-01' with dates and '7' with numbers."""
    if value.literal is None or kind in ("text", "null", "shape"):
        return value
    if kind in ("calendar_date", "fixed_timestamp"):
        return Expression("?", kind, (_timestamp(value.literal, kind),))
    if kind == "checkbox" and value.literal.lower() in ("true", "false"):
        return Expression("?", kind, (int(value.literal.lower() == "true"),))
    try:
        return Expression("?", kind, (float(value.literal),))
    except ValueError:
        raise SoqlError(MISMATCH, f"Type mismatch: {value.literal!r} is not a {kind}", value.literal) from None


def _compared(left: Expression, sign: str, *others: Expression) -> Expression:
    """A comparison; `sign` is an operator, BETWEEN or IN, the last two with any negation."""
    kind = next((e.kind for e in (left, *others) if e.literal is None and e.kind != "null"), "text")
    sides = [_read_as(e, kind) for e in (left, *others)]
    for side in sides:
        if kind == "shape" or side.kind not in (kind, "null"):
            raise SoqlError(MISMATCH, f"Type mismatch for op${sign}: {kind} and {side.kind}", side.name)
    first, *rest = (side.sql for side in sides)
    right = " AND ".join(rest) if sign.endswith("BETWEEN") else f"({', '.join(rest)})" if sign.endswith("IN") else rest[0]
    return Expression(
        f"({first} {sign} {right})", "checkbox", tuple(p for s in sides for p in s.parameters), is_aggregate=any(s.is_aggregate for s in sides)
    )
