"""SODA 3 requests as arguments of SODA 2.1: one SoQL text and its options, cut into clauses."""

import json
import re
from typing import Any

from kc_pipeline.sandbox.query import MALFORMED, QueryError
from kc_pipeline.sandbox.records import SYSTEM_COLUMNS

_EVERYTHING = 999_999_999
_PIECE = re.compile(r"'(?:[^']|'')*'|`[^`]*`|\s+|\w+|.", re.DOTALL)
_CLAUSES = ("select", "where", "group", "order", "limit", "offset")
_OPTIONS = frozenset({"query", "page", "parameters", "timeout", "includeSystem", "includeSynthetic", "orderingSpecifier", "clientContext"})


def read_request(body: bytes) -> dict[str, str]:
    """The `$` arguments of a SODA 2.1 request that mean what the body of a SODA 3 request means.

    Raises:
        QueryError: the body or its query cannot be read.
    """
    try:
        told = json.loads(body)
    except ValueError as error:
        raise QueryError(MALFORMED, f"The request body is not JSON: {error}", "") from error
    if not isinstance(told, dict) or not isinstance(told.get("query", ""), str):
        raise QueryError(MALFORMED, "The request body is no object with a query", "")
    if unknown := sorted(set(told) - _OPTIONS):
        raise QueryError(MALFORMED, f"Unrecognized options [{', '.join(unknown)}]", unknown[0])
    arguments = {"$limit": str(_EVERYTHING), **_clauses(told.get("query") or "select *")}
    is_page = "$group" not in arguments and "(" not in arguments["$select"]
    if is_page and told.get("includeSystem", True):
        have = {name.strip() for name in arguments["$select"].split(",")}
        arguments["$select"] = ",".join([*(name for name in SYSTEM_COLUMNS if name not in have), arguments["$select"]])
    if is_page and told.get("orderingSpecifier", "total") != "discard":
        order = [name for name in (arguments.get("$order"), ":id") if name]
        arguments["$order"] = ",".join(dict.fromkeys(order))
    if not arguments["$limit"].isdecimal():
        raise QueryError(MALFORMED, f"Expected a whole number, but got {arguments['$limit']!r}", arguments["$limit"])
    return arguments | _page(told.get("page"), int(arguments["$limit"]))


def _page(told: Any, limit: int) -> dict[str, str]:
    if told is None:
        return {}
    try:
        number, size = int(told["pageNumber"]), int(told["pageSize"])
    except (KeyError, TypeError, ValueError) as error:
        raise QueryError(MALFORMED, "page needs a pageNumber and a pageSize", "page") from error
    if number < 1 or size < 1:
        raise QueryError(MALFORMED, "pageNumber and pageSize begin at 1", "page")
    offset = (number - 1) * size
    return {"$limit": str(max(min(size, limit - offset), 0)), "$offset": str(offset)}


def _clauses(query: str) -> dict[str, str]:
    """Clause -> text of a SoQL query; words in strings and parentheses start no clause."""
    found: dict[str, list[str]] = {}
    current, depth = "", 0
    for piece in _PIECE.findall(query.strip()):
        word = piece.lower()
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and word in _CLAUSES and f"${word}" not in found:
            current = f"${word}"
            found[current] = []
        elif current in ("$group", "$order") and word == "by" and not "".join(found[current]).strip():
            continue
        elif current:
            found[current].append(piece)
        else:
            raise QueryError(MALFORMED, f"Expected a query that begins with SELECT, but got {query[:40]!r}", query[:40])
    if "$select" not in found:
        raise QueryError(MALFORMED, "The query selects nothing", "")
    return {name: "".join(pieces).strip() for name, pieces in found.items()}
