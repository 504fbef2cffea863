"""A city portal over loopback: Socrata's SODA 2.1 and SODA 3, and ArcGIS REST, over the rows of a record store.

It can misbehave on demand, so that an operator or a test can rehearse what real portals do.
"""

import gzip
import json
import re
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.layers import MAX_RECORD_COUNT, LayerError, describe_layer, query_layer
from kc_pipeline.sandbox.misbehaviour import changed_rows, drips, pause, spoilt, wrong_answer
from kc_pipeline.sandbox.pages import csv_page, json_page
from kc_pipeline.sandbox.query import DEFAULT_LIMIT, MALFORMED, Query, QueryError, add_functions, translate_soda
from kc_pipeline.sandbox.records import DataSetInfo, RecordStore
from kc_pipeline.sandbox.soda3 import read_request

MOST_PAUSES = 10_000
_WIRE_TYPES = {"calendar_date": "floating_timestamp"}
_ARGUMENTS = frozenset({"$select", "$where", "$group", "$order", "$limit", "$offset", "$$app_token"})
_JSON = "application/json;charset=utf-8"
_CSV = "text/csv; charset=UTF-8"
_ID_FILTER = re.compile(r"(?i)( and )?(:id|OBJECTID) > ('[^']*'|\d+)")
_RESOURCE = re.compile(r"/resource/([a-z0-9]{4}-[a-z0-9]{4})\.(json|csv)")
_QUERY = re.compile(r"/api/v3/views/([a-z0-9]{4}-[a-z0-9]{4})/query\.(json|csv)")
_VIEW = re.compile(r"/api/views/([a-z0-9]{4}-[a-z0-9]{4})\.json")
_LAYER = re.compile(r"/arcgis/rest/services/(.+/(?:MapServer|FeatureServer)/\d+)(/query)?/?")


class Portal:
    """The portal, serving in a thread while its context lasts, or until interrupted."""

    def __init__(self, store: RecordStore, host: str = "127.0.0.1", port: int = 0, faults: Faults | None = None) -> None:
        """Bind the address; port 0 takes any free one."""
        handler = type("Handler", (_Handler,), {"store": store, "faults": faults or Faults()})
        self._server = _Server((host, port), handler)

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self._server.server_address[0]!s}:{self._server.server_address[1]}"

    def serve_forever(self) -> None:
        """Serve until interrupted."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            self._server.server_close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """A server whose end is the end of its connections too: clients keep them open, and would be answered for ever."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up, as they do in the middle of a page."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: RecordStore
    faults: Faults

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._route(unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True  # where the next request would begin is not known
            self._send_json({"code": "bad_request", "error": True, "message": f"Content-Length {length!r}"}, 400)
            return
        body = self.rfile.read(int(length))
        path = unquote(urlsplit(self.path).path)
        if match := _QUERY.fullmatch(path):
            self._soda3(match[1], match[2], body)
        else:
            self._route(path, dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep quiet."""

    def _route(self, path: str, arguments: dict[str, str]) -> None:
        if match := _RESOURCE.fullmatch(path):
            self._resource(match[1], match[2], arguments)
        elif match := _VIEW.fullmatch(path):
            info = self._info(match[1])
            self._send_json(_view(self.faults.described(info)) if info else _missing(match[1]), 200 if info else 404)
        elif path == "/api/views.json":
            listed = [info for info in self.store.data_sets() if info.protocol == "socrata"]
            self._send_json([{"id": i.data_set, "name": i.name, "rowsUpdatedAt": int(i.rows_updated_at.timestamp())} for i in listed])
        elif match := _LAYER.fullmatch(path):
            self._layer(match[1], bool(match[2]), arguments)
        else:
            self._send_json({"code": "not_found", "error": True, "message": f"Cannot find {path}"}, 404)

    def _info(self, data_set: str) -> DataSetInfo | None:
        """A data set as the portal knows it now; None where it has none of this id, or says so."""
        info = None if self.faults.befalls("data-set-gone", data_set) else self.store.info(data_set)
        return self.faults.declared(info) if info else None

    def _soda3(self, data_set: str, form: str, body: bytes) -> None:
        if not self.headers.get("X-App-Token"):
            told = {"code": "authentication_required", "error": True, "message": "An application token is required"}
            self._send_json(told, 403)
            return
        try:
            arguments = read_request(body)
        except QueryError as error:
            self._refuse(error)
            return
        self._resource(data_set, form, arguments)

    def _refuse(self, error: QueryError) -> None:
        self._send_json({"message": str(error), "errorCode": error.code, "data": {"column": error.subject}}, 400)

    def _resource(self, data_set: str, form: str, arguments: dict[str, str]) -> None:
        if self.faults.befalls("data-set-refused", data_set):
            self._send_json({"code": "permission_denied", "error": True, "message": "You do not have permission to view this"}, 403)
            return
        info = self._info(data_set)
        if info is None:
            self._send_json(_missing(data_set), 404)
            return
        try:
            if unknown := sorted(set(arguments) - _ARGUMENTS):
                raise QueryError(MALFORMED, f"Unrecognized arguments [{', '.join(unknown)}]", unknown[0])
            if self.faults.number("repeat-pages"):
                arguments = {**arguments, "$offset": "0", "$where": _ID_FILTER.sub("", arguments.get("$where", ""))}
            query = translate_soda(info, self._shortened(arguments, "$limit", DEFAULT_LIMIT))
        except QueryError as error:
            self._refuse(error)
            return
        if query.compares_id and self.faults.number("no-id-compare"):
            self._send_json({"message": "Type mismatch for op$>: row_identifier", "errorCode": "query.soql.type-mismatch", "data": {}}, 400)
            return
        if query.is_page and self._misbehave():
            return
        if query.is_page and self.faults.strikes("early-empty"):
            rows: list[tuple[Any, ...]] = []
        else:
            try:
                with self._connection(info) as connection:
                    rows = connection.execute(query.sql, query.values).fetchall()
            except sqlite3.Error as error:
                self._send_json({"message": f"Could not parse SoQL query: {error}", "errorCode": MALFORMED, "data": {}}, 400)
                return
        self._send_rows(info, query, rows if "$group" in arguments else self._moved(query, rows), form)

    def _send_rows(self, info: DataSetInfo, query: Query, rows: list[tuple[Any, ...]], form: str) -> None:
        if query.is_page:
            self.faults.turn_page()
        body = csv_page(query, rows) if form == "csv" else json_page(query, rows)
        headers = {
            "X-SODA2-Fields": json.dumps([o.field_name for o in query.outputs]),
            "X-SODA2-Types": json.dumps([_WIRE_TYPES.get(o.data_type, o.data_type) for o in query.outputs]),
            "Last-Modified": format_datetime(info.rows_updated_at, usegmt=True),
        }
        self._send(body, _CSV if form == "csv" else _JSON, headers=headers, may_break=query.is_page)

    def _moved(self, query: Query, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Counts, more than there are where a fault says so."""
        if not any(output.field_name.endswith("count") for output in query.outputs):
            return rows
        if self.faults.strikes("bad-count"):
            return [tuple(-1 if isinstance(value, int) else value for value in row) for row in rows]
        more = self.faults.taken("moving-count")
        return [tuple(value + more if isinstance(value, int) else value for value in row) for row in rows]

    def _layer(self, layer: str, is_query: bool, arguments: dict[str, str]) -> None:
        if self.faults.befalls("data-set-refused", layer):
            self._send_json({"error": {"code": 403, "message": "You do not have permissions to access this resource.", "details": []}})
            return
        info = self._info(layer)
        if info is None:
            self._send_json({"error": {"code": 404, "message": "Layer not found", "details": []}})
            return
        if not is_query:
            self._send_json(describe_layer(self.faults.described(info)))
            return
        is_page = arguments.get("returnCountOnly") != "true"
        if is_page and self._misbehave():
            return
        if self.faults.number("repeat-pages"):
            arguments = {**arguments, "where": _ID_FILTER.sub("", arguments.get("where", ""))}
        try:
            with self._connection(info) as connection:
                answer = query_layer(info, connection, self._shortened(arguments, "resultRecordCount", MAX_RECORD_COUNT))
        except (LayerError, ValueError, sqlite3.Error) as error:
            self._send_json({"error": {"code": 400, "message": "Unable to perform query.", "details": [str(error)]}})
            return
        if is_page:
            self.faults.turn_page()
        else:
            answer = {"count": -1 if self.faults.strikes("bad-count") else answer["count"] + self.faults.taken("moving-count")}
        if answer.get("features") and self.faults.strikes("early-empty"):
            more = {"exceededTransferLimit": True}
            answer = {**answer, "features": [], **({"properties": more} if "type" in answer else more)}
        self._send(json.dumps(answer).encode(), _JSON, may_break=is_page)

    def _shortened(self, arguments: dict[str, str], name: str, usual: int) -> dict[str, str]:
        """The arguments, with no more rows asked for than a short page has."""
        asked = arguments.get(name) or str(usual)
        most = self.faults.number("short-pages")
        if not most or not (asked.isascii() and asked.isdigit()):
            return arguments
        return {**arguments, name: str(min(int(asked), most))}

    def _misbehave(self) -> bool:
        """Answer wrongly if a fault strikes; whether it did."""
        if self.faults.strikes("hang"):
            self._drag(b"")
            return True
        if self.faults.strikes("slow-headers"):
            self._drag(b"x")
            return True
        if self.faults.strikes("token-echo"):
            self._send_json({"error": True, "message": f"cannot check X-App-Token {self.headers.get('X-App-Token')}"}, 500)
            return True
        wrong = wrong_answer(self.faults)
        if wrong is None:
            return False
        if wrong.status is None:
            self.close_connection = True
            return True
        csv_asked = urlsplit(self.path).path.endswith(".csv")
        self._write(wrong.body, wrong.media_type or (_CSV if csv_asked else _JSON), wrong.status, wrong.headers)
        return True

    def _drag(self, more: bytes) -> None:
        """Begin to answer and never end: nothing at all, or a header of these bytes; until the client goes, or for some minutes."""
        self.close_connection = True
        if more:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(MOST_PAUSES):
            pause()
            self.connection.setblocking(False)
            with suppress(BlockingIOError):
                if not self.connection.recv(1, socket.MSG_PEEK):
                    return
            self.connection.setblocking(True)
            self.wfile.write(more)

    @contextmanager
    def _connection(self, info: DataSetInfo) -> Iterator[Any]:
        with self.store.reading() as connection:
            add_functions(connection)
            if view := changed_rows(self.faults, info):
                connection.execute(view)
            yield connection

    def _send_json(self, answer: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(answer).encode(), _JSON, status, headers)

    def _send(
        self, body: bytes, media_type: str, status: int = 200, headers: dict[str, str] | None = None, *, may_break: bool = False
    ) -> None:
        if may_break:
            body = spoilt(self.faults, body)
        coding = {}
        damaged = may_break and self.faults.strikes("damaged-gzip")
        if may_break and self.faults.strikes("wrong-encoding"):
            coding = {"Content-Encoding": "gzip"}
        elif damaged or ("gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1000):
            body, coding = gzip.compress(body, 1, mtime=0), {"Content-Encoding": "gzip"}
        if damaged:
            body = body[: len(body) // 2] + b"\0" * 8
        self._write(body, media_type, status, {**coding, **(headers or {})}, may_break=may_break)

    def _write(self, body: bytes, media_type: str, status: int, headers: Mapping[str, str], *, may_break: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if may_break and self.faults.strikes("cut-body"):
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif may_break and self.faults.strikes("slow-drip"):
            for one in drips(body):
                pause()
                self.wfile.write(one)
        else:
            self.wfile.write(body)


def _view(info: DataSetInfo) -> dict[str, Any]:
    columns = [{"fieldName": c.field_name, "dataTypeName": c.data_type, "name": c.field_name} for c in info.columns]
    return {"id": info.data_set, "name": info.name, "rowsUpdatedAt": int(info.rows_updated_at.timestamp()), "columns": columns}


def _missing(data_set: str) -> dict[str, object]:
    return {"code": "dataset.missing", "error": True, "message": "Not found", "data": {"id": data_set}}
