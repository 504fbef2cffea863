"""A scripted portal over loopback, and a small Socrata played from a list of rows."""

import csv
import gzip
import io
import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from kc_pipeline.catalog.sources import DataSet, Transport
from kc_pipeline.sandbox.soda3 import read_request

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
TOKEN = "s3cret-app-token"  # noqa: S105 - a test's


def now() -> datetime:
    return NOW


@dataclass
class Answer:
    """What the portal sends; `cut` sends fewer bytes than it promises and hangs up."""

    body: bytes = b""
    status: int = 200
    type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None

    def gzipped(self) -> "Answer":
        return Answer(gzip.compress(self.body), self.status, self.type, {**self.headers, "Content-Encoding": "gzip"})


def answer_json(value: object, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status)


def answer_csv(text: str) -> Answer:
    return Answer(text.encode(), type="text/csv; charset=utf-8")


Handler = Callable[[dict[str, str]], Answer]


class ScriptedPortal:
    """Handlers by path; answers that were queued for a path come first."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.queued: dict[str, deque[Answer]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.request_headers: list[dict[str, str]] = []
        portal = self

        class _Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                portal.serve(self)

            def do_POST(self) -> None:
                portal.serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Request)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def on(self, path: str, *answers: Answer) -> None:
        self.queued.setdefault(path, deque()).extend(answers)

    def asked(self, path: str) -> list[dict[str, str]]:
        return [params for seen, params in self.seen if seen == path]

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        params = dict(parse_qsl(parts.query))
        if length := int(request.headers.get("Content-Length", "0")):
            params |= read_request(request.rfile.read(length))
        self.seen.append((parts.path, params))
        self.request_headers.append(dict(request.headers))
        queue = self.queued.get(parts.path)
        handler = self.handlers.get(parts.path)
        missing = answer_json({"message": "Cannot find view", "errorCode": "dataset.missing"}, 404)
        answer = queue.popleft() if queue else handler(params) if handler else missing
        request.send_response(answer.status)
        request.send_header("Content-Type", answer.type)
        request.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
        if answer.cut is not None:
            request.close_connection = True

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class FakeSocrata:
    """One data set of a portal, played from `rows`; `cap` is the portal's own limit on a page."""

    def __init__(
        self, portal: ScriptedPortal, id_: str, columns: dict[str, str], rows: list[dict[str, str | None]], month: str | None
    ) -> None:
        self.portal, self.id, self.columns, self.rows, self.month = portal, id_, columns, rows, month
        self.cap = 1_000_000
        self.compares_id = True
        self.before_count: Callable[[], None] = lambda: None
        portal.handlers[f"/api/views/{id_}.json"] = self.views
        portal.handlers[f"/resource/{id_}.json"] = self.aggregate
        portal.handlers[f"/resource/{id_}.csv"] = self.page
        portal.handlers[f"/api/v3/views/{id_}/query.json"] = self.query

    def views(self, _: dict[str, str]) -> Answer:
        columns = [{"fieldName": name, "dataTypeName": kind} for name, kind in self.columns.items()]
        return answer_json({"id": self.id, "rowsUpdatedAt": 1_780_000_000, "columns": columns})

    def matching(self, where: str | None) -> list[dict[str, str | None]]:
        return [row for row in self.rows if _holds(row, where)]

    def aggregate(self, params: dict[str, str]) -> Answer:
        if "$group" not in params:
            self.before_count()
        rows = self.matching(params.get("$where"))
        if "$group" not in params:
            newest = max((r[":updated_at"] or "" for r in rows), default=None)
            return answer_json([{"row_count": str(len(rows)), **({"changed_at": newest} if newest else {})}])
        months = Counter((row[self.month] or "")[:7] for row in rows)
        told = []
        for month, count in months.items():
            newest = max(r[":updated_at"] or "" for r in rows if (r[self.month] or "")[:7] == month)
            told.append({"row_count": str(count), "changed_at": newest, **({"month": f"{month}-01T00:00:00.000"} if month else {})})
        return answer_json(told)

    def query(self, params: dict[str, str]) -> Answer:
        if "count(" in params["$select"]:
            return self.aggregate(params)
        answer = self.page({**params, "$select": params["$select"].replace(" ", "")})
        if answer.status != 200:
            return answer
        rows = csv.DictReader(io.StringIO(answer.body.decode()))
        return answer_json([{name: value for name, value in row.items() if value} for row in rows])

    def page(self, params: dict[str, str]) -> Answer:
        where = params.get("$where")
        if where and ":id >" in where and not self.compares_id:
            return answer_json({"message": "Type mismatch for op$>", "errorCode": "query.soql.type-mismatch"}, 400)
        rows = sorted(self.matching(where), key=lambda row: row[":id"] or "")
        rows = rows[int(params.get("$offset", "0")) :][: min(int(params["$limit"]), self.cap)]
        names = params["$select"].split(",")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(names)
        writer.writerows([row.get(name) or "" for name in names] for row in rows)
        return answer_csv(text.getvalue())


def _holds(row: dict[str, str | None], where: str | None) -> bool:
    if not where:
        return True
    undated = re.search(r"\((\w+) is null or \w+ < '([^']*)' or \w+ >= '([^']*)'\)", where)
    if undated:
        value = row[undated[1]]
        rest = (
            (where[: undated.start()] + where[undated.end() :]).removesuffix(" and ").replace(" and  and ", " and ").removeprefix(" and ")
        )
        return (value is None or value < undated[2] or value >= undated[3]) and _holds(row, rest)
    for condition in where.split(" and "):
        name, sign, wanted = re.fullmatch(r"(:?\w+) (>=|<|>|in) (.*)", condition).groups()  # type: ignore[union-attr]
        value = row[name]
        texts = [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", wanted)]
        if value is None or not {">=": value >= texts[0], "<": value < texts[0], ">": value > texts[0], "in": value in texts}[sign]:
            return False
    return True


REQUEST_COLUMNS = {"reported_issue": "text", "open_date_time": "calendar_date", "issue_type": "text", "lat_long": "point", "phone": "text"}


def request_row(number: int, opened: str | None, updated: str = "2026-07-01T00:00:00.000Z", **more: str | None) -> dict[str, str | None]:
    return {
        ":id": f"row-{number:06d}",
        ":updated_at": updated,
        "reported_issue": str(number),
        "open_date_time": opened,
        "issue_type": "Streetlights",
        "lat_long": f"POINT (-94.5{number} 39.1)",
        "phone": "816-555-0100",
        **more,
    }


def requests_data_set(**changes: object) -> DataSet:
    values: dict[str, object] = {
        "feed": "streetlight_outages",
        "id": "aaaa-1111",
        "transport": Transport.SOCRATA,
        "fields": {
            "request_id": ("reported_issue",),
            "opened_at": ("open_date_time",),
            "issue_type": ("issue_type",),
            "zip_code": ("zip",),
            "point": ("lat_long",),
        },
        "required": ("request_id", "opened_at"),
        "month_field": "opened_at",
        "filters": {"issue_type": ("Streetlights", "O'Hara's")},
        "first_month": "2021-02",
        **changes,
    }
    return DataSet(**values)  # type: ignore[arg-type]


LAYER, QUERY = "/AGOL/MapServer/6", "/AGOL/MapServer/6/query"
PARCELS = DataSet(
    "parcels",
    "AGOL/MapServer/6",
    Transport.ARCGIS,
    {"parcel_id": ("KIVAPIN",), "land_use_code": ("landusecode",), "shape": ("SHAPE",)},
    ("parcel_id",),
    key_field="OBJECTID",
)
FIELDS = [("OBJECTID", "OID"), ("KIVAPIN", "String"), ("LANDUSECODE", "SmallInteger"), ("OWN_PHONE", "String"), ("Shape", "Geometry")]


class FakeLayer:
    """One layer of a server; `cap` is the server's own limit on a page."""

    def __init__(self, portal: ScriptedPortal, count: int) -> None:
        self.rows = [{"attributes": {"OBJECTID": 10 * n + 1, "KIVAPIN": str(n), "LANDUSECODE": 7100 + n}} for n in range(count)]
        for n, row in enumerate(self.rows):
            row["geometry"] = {"rings": [[[n, 0], [n, 1], [n + 1, 1], [n, 0]]]} if n else None  # type: ignore[assignment]
        self.cap, self.empty_first, self.edited = 3, 0, 1_780_000_000_000
        portal.handlers[LAYER], portal.handlers[QUERY] = self.layer, self.query

    def layer(self, _: dict[str, str]) -> Answer:
        fields = [{"name": name, "type": f"esriFieldType{kind}"} for name, kind in FIELDS]
        return answer_json(
            {
                "fields": fields,
                "geometryType": "esriGeometryPolygon",
                "maxRecordCount": 3,
                "editingInfo": {"lastEditDate": self.edited},
            }
        )

    def query(self, params: dict[str, str]) -> Answer:
        if params.get("returnCountOnly") == "true":
            return answer_json({"count": len(self.rows)})
        past = re.search(r"OBJECTID > (\d+)", params["where"])
        rows = [row for row in self.rows if not past or row["attributes"]["OBJECTID"] > int(past[1])]  # type: ignore[index]
        if past and self.empty_first:
            self.empty_first -= 1
            return answer_json({"features": [], "exceededTransferLimit": True})
        return answer_json({"features": rows[: self.cap], **({"exceededTransferLimit": True} if len(rows) > self.cap else {})})
