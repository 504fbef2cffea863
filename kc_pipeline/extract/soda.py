"""Socrata's two interfaces, SODA 2.1 and SODA 3, behind one: rows of an aggregate, and pages of a data set.

SODA 2.1 takes clauses as parameters of a GET and answers pages in CSV. SODA 3 takes one SoQL text in the JSON body of a
POST, wants an application token, and answers in JSON; an absent key there is a null.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.http import CSV, PortalClient, without_secrets
from kc_pipeline.extract.manifest import Request
from kc_pipeline.extract.pages import PageError, read_csv, read_page
from kc_pipeline.extract.replies import JsonAnswer, Reply
from kc_pipeline.extract.soql import ROW_ID

_SERVER_SECONDS = 120
_JSON_FORM = {"includeSystem": False, "includeSynthetic": False, "timeout": _SERVER_SECONDS}


@dataclass(frozen=True)
class Ask:
    """One query.

    Attributes:
        data_set: id at the portal.
        select: columns or aggregates, with aliases.
        where: condition; None: every row.
        group: what to group by; None: nothing.
        limit: most rows; None: the portal's own.
        offset: rows to step over.
    """

    data_set: str
    select: tuple[str, ...]
    where: str | None = None
    group: str | None = None
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class SodaPage:
    """One page of rows in the order of their :id.

    Attributes:
        request: what was asked.
        reply: what came.
        page_format: 'csv' or 'json'.
        ids: :id of each row.
    """

    request: Request
    reply: Reply
    page_format: str
    ids: pa.ChunkedArray


class Soda(Protocol):
    """One of the two interfaces."""

    def rows(self, ask: Ask, what: str) -> list[dict[str, Any]]:
        """The rows of an aggregate.

        Args:
            ask: the query.
            what: names feed and data set in messages.
        """

    def page(self, ask: Ask, what: str) -> SodaPage:
        """A page of rows, columns as selected, ordered by :id."""


class Soda2:
    """SODA 2.1: GET /resource/ID.json and .csv."""

    def __init__(self, base_url: str, client: PortalClient) -> None:
        self._base, self._client = base_url, client

    def rows(self, ask: Ask, what: str) -> list[dict[str, Any]]:
        """See `Soda`."""
        answer = JsonAnswer(_records)
        self._client.get(f"{self._base}/resource/{ask.data_set}.json", _parameters(ask), what=what, check=answer)
        return answer.value

    def page(self, ask: Ask, what: str) -> SodaPage:
        """See `Soda`."""
        url, params = f"{self._base}/resource/{ask.data_set}.csv", _parameters(ask) | {"$order": ROW_ID}
        checked = _CheckedPage(_csv_rows, ask.select)
        reply = self._client.get(url, params, what=what, accept=CSV, check=checked)
        return SodaPage(Request("GET", without_secrets(url), params), reply, "csv", checked.ids)


class Soda3:
    """SODA 3: POST /api/v3/views/ID/query.json, with an application token."""

    def __init__(self, base_url: str, client: PortalClient) -> None:
        self._base, self._client = base_url, client

    def rows(self, ask: Ask, what: str) -> list[dict[str, Any]]:
        """See `Soda`."""
        answer = JsonAnswer(_records)
        self._post(ask, _query(ask), what, answer)
        return answer.value

    def page(self, ask: Ask, what: str) -> SodaPage:
        """See `Soda`."""
        query = _query(ask, order=ROW_ID)
        checked = _CheckedPage(_json_rows, ask.select)
        reply = self._post(ask, query, what, checked)
        return SodaPage(Request("POST", without_secrets(self._url(ask)), {"query": query}), reply, "json", checked.ids)

    def _url(self, ask: Ask) -> str:
        return f"{self._base}/api/v3/views/{ask.data_set}/query.json"

    def _post(self, ask: Ask, query: str, what: str, check: Callable[[bytes], object]) -> Reply:
        if not self._client.has_token:
            raise PermanentSourceError(f"{what}: SODA 3 answers only with an application token; set KC_APP_TOKEN, or KC_SODA=2")
        return self._client.post(self._url(ask), {"query": query, **_JSON_FORM}, what=what, check=check)


def soda(version: str, base_url: str, client: PortalClient) -> Soda:
    """The interface of a version, '2' or '3'."""
    return Soda3(base_url, client) if version == "3" else Soda2(base_url, client)


def _parameters(ask: Ask) -> dict[str, str]:
    optional = {"$where": ask.where, "$group": ask.group, "$limit": ask.limit, "$offset": ask.offset or None}
    return {"$select": ",".join(ask.select)} | {name: str(value) for name, value in optional.items() if value is not None}


def _query(ask: Ask, order: str | None = None) -> str:
    clauses = {"WHERE": ask.where, "GROUP BY": ask.group, "ORDER BY": order, "LIMIT": ask.limit, "OFFSET": ask.offset or None}
    return " ".join([f"SELECT {', '.join(ask.select)}", *(f"{name} {value}" for name, value in clauses.items() if value is not None)])


def _records(told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise TransientSourceError("the answer is no list of rows")
    return told


class _CheckedPage:
    """Reads a page as it arrives, so that a damaged one is asked for again."""

    def __init__(self, read: Callable[[bytes, list[str]], pa.Table], columns: tuple[str, ...]) -> None:
        self._read, self._columns = read, list(columns)
        self.ids: pa.ChunkedArray = pa.chunked_array([], pa.string())

    def __call__(self, content: bytes) -> None:
        """Read a page; an error here counts as the portal's."""
        try:
            table = self._read(content, self._columns)
        except PageError as error:
            raise TransientSourceError(str(error)) from error
        if not table.num_rows:
            self.ids = pa.chunked_array([], pa.string())
            return
        if table[ROW_ID].null_count:
            raise TransientSourceError(f"the page has rows without {ROW_ID}")
        self.ids = table[ROW_ID]


def _csv_rows(content: bytes, columns: list[str]) -> pa.Table:
    if content and not content.endswith(b"\n"):
        raise TransientSourceError("the CSV page ends in the middle of a row")
    table = read_csv(content)
    if table.column_names != columns:
        raise TransientSourceError(f"the CSV page has the columns {table.column_names}, asked for were {columns}")
    return table


def _json_rows(content: bytes, columns: list[str]) -> pa.Table:
    if not content.lstrip().startswith(b"["):
        raise TransientSourceError("the answer is no list of rows")
    table = read_page(content, "json")
    if table.num_rows and not {ROW_ID} <= set(table.column_names) <= set(columns):
        raise TransientSourceError(f"the page has the columns {table.column_names}, asked for were {columns}")
    return table
