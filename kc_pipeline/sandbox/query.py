"""SoQL, and the where clauses of ArcGIS, to SQLite: as much of them as clients of city portals use.

Text is cut into tokens.  Names must be columns, keywords or known functions; values become bound parameters; nothing else
passes, so that nothing a client writes reaches SQLite as SQL.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from kc_pipeline.sandbox.records import MONTH_SQL, DataSetInfo, DeclaredColumn

DEFAULT_LIMIT = 1000
MALFORMED = "query.compiler.malformed"
NO_COLUMN = "query.soql.no-such-column"
NO_FUNCTION = "query.soql.no-such-function"

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(\d+(?:\.\d+)?)|`?(:?@?[A-Za-z_][\w@]*)`?|(<=|>=|<>|!=|[=<>(),*+-]))")
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "between", "like", "asc", "desc", "true", "false"})
_EXTREMES = ("max", "min")
_AGGREGATES = {"count": "COUNT", "max": "MAX", "min": "MIN", "sum": "SUM", "avg": "AVG"}
# Function -> SQL that stands before its arguments and behind them.
_FUNCTIONS = {
    "upper": ("UPPER(", ")"), "lower": ("LOWER(", ")"), "starts_with": ("starts_with(", ")"),
    "date_trunc_y": ("(substr(", ", 1, 4) || '-01-01T00:00:00.000')"),
    "date_trunc_ym": MONTH_SQL,
    "date_trunc_ymd": ("(substr(", ", 1, 10) || 'T00:00:00.000')"),
}  # fmt: skip
_DAY = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?")
_DATES = {"calendar_date": "", "fixed_timestamp": "Z"}
_NUMBERS = frozenset({"number", "esriFieldTypeInteger", "esriFieldTypeSmallInteger", "esriFieldTypeDouble", "esriFieldTypeDate"})


class QueryError(ValueError):
    """A query that the portal refuses.

    Attributes:
        code: Socrata's error code.
        subject: the name or text at fault.
    """

    def __init__(self, code: str, message: str, subject: str) -> None:
        super().__init__(message)
        self.code, self.subject = code, subject


@dataclass(frozen=True)
class Piece:
    """A piece of SQLite SQL with its bound values."""

    sql: str
    values: tuple[str, ...] = ()
    is_aggregate: bool = False


@dataclass(frozen=True)
class Query:
    """A translated SODA query.

    Attributes:
        sql: the whole SELECT.
        values: bound values.
        outputs: name and declared type of each column of the answer.
        is_page: whether it asks for rows, not for counts or groups.
        compares_id: whether its filter compares the row identifier.
    """

    sql: str
    values: tuple[str, ...]
    outputs: tuple[DeclaredColumn, ...]
    is_page: bool
    compares_id: bool


def add_functions(connection: sqlite3.Connection) -> None:
    """Teach a connection the portal's functions that SQLite lacks, and to mind the case as portals do."""
    connection.execute("PRAGMA case_sensitive_like = ON")
    connection.create_aggregate("number_max", 1, _Largest)  # type: ignore[arg-type]  # the stubs know no texts
    connection.create_aggregate("number_min", 1, _Smallest)  # type: ignore[arg-type]
    connection.create_function(
        "starts_with", 2, lambda text, start: None if text is None else int(text.startswith(start)), deterministic=True
    )


class _Largest:
    """The largest of some numbers that are kept as text, as it was written."""

    def __init__(self) -> None:
        self._found: tuple[Decimal, str] | None = None

    def step(self, text: str | None, /) -> None:
        if text is not None:
            number = (self._ranked(Decimal(text)), text)
            self._found = number if self._found is None else max(self._found, number, key=lambda one: one[0])

    def finalize(self) -> str | None:
        return self._found[1] if self._found else None

    def _ranked(self, number: Decimal) -> Decimal:
        return number


class _Smallest(_Largest):
    def _ranked(self, number: Decimal) -> Decimal:
        return -number


def translate_text(text: str, columns: Mapping[str, str], types: Mapping[str, str] | None = None) -> Piece:
    """A condition, expression or list of them.

    Args:
        text: what the client wrote.
        columns: name in small letters -> SQL of the column.
        types: name in small letters -> declared type, where dates may be written short and numbers are compared as such.

    Raises:
        QueryError: something in it is no value, column, keyword or function.
    """
    tokens = _tokens(text)
    known = types or {}
    sql: list[str] = []
    values: list[str] = []
    is_aggregate = False
    for position, (kind, token) in enumerate(tokens):
        calls = position + 1 < len(tokens) and tokens[position + 1][1] == "("
        lower = token.lower()
        if kind == "string":
            sql.append("?")
            values.append(_whole_date(token[1:-1].replace("''", "'"), _compared_type(tokens, position, known)))
        elif kind != "name":
            sql.append(token)
        elif calls and lower not in _KEYWORDS:
            if lower not in _AGGREGATES and lower not in _FUNCTIONS:
                raise QueryError(NO_FUNCTION, f"No such function: {token}", token)
            is_aggregate |= lower in _AGGREGATES
            of_number = position + 2 < len(tokens) and known.get(tokens[position + 2][1].lower()) in _NUMBERS
            sql.append(f"number_{lower}" if lower in _EXTREMES and of_number else _AGGREGATES.get(lower, lower))
        elif lower in columns:
            sql.append(columns[lower])
        elif lower in _KEYWORDS:
            sql.append(token.upper())
        else:
            raise QueryError(NO_COLUMN, f"No such column: {token}", token)
    return Piece(" ".join(_with_functions(sql)), tuple(values), is_aggregate)


def _with_functions(sql: Sequence[str]) -> list[str]:
    """Pieces of SQL whose calls are those of SQLite."""
    found: list[str] = []
    ends: list[str] = []  # what ends each parenthesis that is open
    for piece in sql:
        if piece == "(":
            opening, end = _FUNCTIONS[found.pop()] if found and found[-1] in _FUNCTIONS else ("(", ")")
            found.append(opening)
            ends.append(end)
        else:
            found.append(ends.pop() if piece == ")" and ends else piece)
    return found


def _compared_type(tokens: Sequence[tuple[str, str]], position: int, types: Mapping[str, str]) -> str | None:
    """Declared type of the column that a text is compared with: the nearest before it, else the nearest behind it."""
    names = [token.lower() for kind, token in (*reversed(tokens[:position]), *tokens[position:]) if kind == "name"]
    return next((types[name] for name in names if name in types), None)


def _whole_date(text: str, data_type: str | None) -> str:
    """A date or a time without its end, as the portal keeps it; other texts as they are."""
    if data_type not in _DATES or not _DAY.fullmatch(text):
        return text
    return f"{text}{'' if 'T' in text else 'T00:00:00'}.000{_DATES[data_type]}"


def _ordered(text: str, columns: Mapping[str, str], types: Mapping[str, str]) -> Piece:
    """An order; nulls come last, and first where it descends. Row identifiers are never null."""
    pieces = []
    for part in _split(text):
        piece = translate_text(part, columns, types)
        nulls = "" if part.startswith(":") else " NULLS FIRST" if part.lower().endswith(" desc") else " NULLS LAST"
        pieces.append(Piece(piece.sql + nulls, piece.values))
    return Piece(", ".join(p.sql for p in pieces), tuple(v for p in pieces for v in p.values))


def compared_columns(info: DataSetInfo) -> dict[str, str]:
    """SQL by which each column of a data set is compared; numbers are stored as text and compared as numbers."""
    return {
        column.field_name.lower(): f"CAST(c{i} AS REAL)" if column.data_type in _NUMBERS else f"c{i}"
        for i, column in enumerate(info.stored_columns)
    }


def translate_soda(info: DataSetInfo, arguments: Mapping[str, str]) -> Query:
    """The arguments of a SODA 2.1 request as one SELECT.

    Raises:
        QueryError: an argument is malformed, or names what is not there.
    """
    stored = {column.field_name.lower(): f"c{i}" for i, column in enumerate(info.stored_columns)}
    compared = compared_columns(info)
    types = {column.field_name.lower(): column.data_type for column in info.stored_columns}
    distinct = re.match(r"(?i)\s*distinct\s+", selected := arguments.get("$select", "*"))
    outputs, select = _select_list(info, selected[distinct.end() :] if distinct else selected, stored)
    aliases = {**compared, **{o.field_name.lower(): f'"{o.field_name}"' for o in outputs if o.field_name.lower() not in compared}}
    clauses: list[Piece] = []
    if where := arguments.get("$where"):
        piece = translate_text(where, compared, types)
        clauses.append(Piece(f"WHERE {piece.sql}", piece.values))
    group = arguments.get("$group")
    if group:
        piece = translate_text(group, aliases)
        clauses.append(Piece(f"GROUP BY {piece.sql}", piece.values))
    if order := arguments.get("$order"):
        piece = _ordered(order, aliases, types)
        clauses.append(Piece(f"ORDER BY {piece.sql}", piece.values))
    limit, offset = (_whole_number(arguments.get(name, default)) for name, default in (("$limit", str(DEFAULT_LIMIT)), ("$offset", "0")))
    body = " ".join(clause.sql for clause in clauses)
    values = (*(v for piece in select for v in piece.values), *(v for clause in clauses for v in clause.values))
    named = ", ".join(f'{piece.sql} AS "{output.field_name}"' for piece, output in zip(select, outputs, strict=True))
    is_page = not group and not distinct and not any(piece.is_aggregate for piece in select)
    sql = f"SELECT {'DISTINCT ' if distinct else ''}{named} FROM {info.table_name} {body} LIMIT {limit} OFFSET {offset}"  # noqa: S608 - made of checked tokens
    return Query(sql, values, tuple(outputs), is_page, ":id" in (where or ""))


def _select_list(info: DataSetInfo, text: str, stored: Mapping[str, str]) -> tuple[list[DeclaredColumn], list[Piece]]:
    declared = {column.field_name.lower(): column for column in info.stored_columns}
    outputs: list[DeclaredColumn] = []
    pieces: list[Piece] = []
    for part in _split(text):
        if part == "*":
            outputs += info.columns
            pieces += [Piece(stored[column.field_name.lower()]) for column in info.columns]
            continue
        named = re.fullmatch(r"(?is)(.+?)\s+as\s+`?([A-Za-z_]\w*)`?", part)
        expression, alias = (named[1], named[2]) if named else (part, "")
        piece = translate_text(expression, stored, {name: column.data_type for name, column in declared.items()})
        column = declared.get(expression.strip("` ").lower())
        data_type = column.data_type if column else "number" if expression.lower().startswith(("count", "sum", "avg")) else "text"
        pieces.append(piece)
        outputs.append(DeclaredColumn(alias or (column.field_name if column else re.sub(r"\W+", "_", expression).strip("_")), data_type))
    return outputs, pieces


def _split(text: str) -> list[str]:
    """The parts between the commas that stand outside parentheses and strings."""
    parts = re.findall(r"(?:'(?:[^']|'')*'|\([^()]*\)|[^,'()])+", text)
    if ",".join(parts) != text or not text.strip():
        raise QueryError(MALFORMED, f'Could not parse SoQL query "select {text}"', text)
    return [part.strip() for part in parts]


def _tokens(text: str) -> Sequence[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise QueryError(MALFORMED, f"Could not parse SoQL query at line 1 character {position + 1}", text[position : position + 20])
        string, number, name, sign = match.groups()
        kind = "string" if string else "number" if number else "name" if name else "sign"
        found.append((kind, string or number or name or sign))
        position = match.end()
    return found


def _whole_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text.strip()):
        raise QueryError(MALFORMED, f"Expected a whole number, but got {text!r}", text)
    return int(text)
