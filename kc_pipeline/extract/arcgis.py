"""Read ArcGIS layers: allowed fields only, JSON pages in the order of OBJECTID, counted before and after."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.http import PortalClient, without_secrets
from kc_pipeline.extract.manifest import KEYSET, Facts, Pulled, Request
from kc_pipeline.extract.raw import PullWriter, RawStore
from kc_pipeline.extract.replies import JsonAnswer, Told
from kc_pipeline.extract.soql import plain
from kc_pipeline.extract.transport import (
    DEFAULT_PAGE_SIZE,
    WHOLE,
    Held,
    Months,
    Survey,
    check_required,
    label,
    match_fields,
    read_until_agreed,
    whole_count,
)

_MOST_FEATURES = 10_000
_MOST_EMPTY_PAGES = 5
_GEOMETRY_TYPE = "esriFieldTypeGeometry"
_ID_TYPE = "esriFieldTypeOID"


@dataclass(frozen=True)
class Layer:
    """What a layer declares.

    Attributes:
        declared: (name, type) of each field.
        resolution: canonical raw name -> field.
        key_field: the object id.
        page_size: rows to ask for at once.
        changed_at: last edit, UTC, ISO 8601; None where the layer does not say.
    """

    declared: tuple[tuple[str, str], ...]
    resolution: Mapping[str, str]
    key_field: str
    page_size: int
    changed_at: str | None


class ArcgisTransport:
    """Layers of one server."""

    def __init__(
        self, base_url: str, client: PortalClient, store: RawStore, now: Callable[[], datetime], page_size: int = DEFAULT_PAGE_SIZE
    ) -> None:
        self._base, self._client, self._store, self._now, self._page_size = base_url, client, store, now, page_size
        self._layers: dict[str, Layer] = {}

    def has(self, data_set: DataSet) -> bool:
        """Whether the server has the layer."""
        try:
            self.layer(data_set)
        except PermanentSourceError as error:
            if error.status in {400, 404}:
                return False
            raise
        return True

    def layer(self, data_set: DataSet) -> Layer:
        """What the server declares about a layer; asked once.

        Raises:
            PermanentSourceError: the layer is gone, or lacks a required field.
        """
        if data_set.id not in self._layers:
            told = self._ask(data_set, "", {"f": "json"}, _described)
            declared = list(told.declared)
            if told.has_geometry and not any(kind == _GEOMETRY_TYPE for _, kind in declared):
                declared.append(("SHAPE", _GEOMETRY_TYPE))
            names = [name for name, _ in declared]
            resolution = match_fields(data_set, names)
            shape = next((name for name, kind in declared if kind == _GEOMETRY_TYPE), None)
            resolution |= {name: shape for name in ("shape", "point") if name in data_set.fields and shape}
            check_required(data_set, resolution, names)
            key = told.object_id or next((name for name, kind in declared if kind == _ID_TYPE), data_set.key_field)
            if key is None:
                raise PermanentSourceError(f"{label(data_set)}: the layer has no object id; edit kc_pipeline/catalog/sources.py")
            page_size = min(self._page_size, told.most_rows or _MOST_FEATURES, _MOST_FEATURES)
            changed_at = told.edited_at or self._changed_at(data_set, names)
            self._layers[data_set.id] = Layer(tuple(declared), resolution, key, page_size, changed_at)
        return self._layers[data_set.id]

    def state(self, data_set: DataSet) -> str | None:
        """When the layer was last edited, and how many features it has."""
        self._layers.pop(data_set.id, None)
        return f"{self.layer(data_set).changed_at} {self._count(data_set)}"

    def survey(self, data_set: DataSet, months: Months) -> Survey | None:
        """The server's count and the layer's last edit."""
        if data_set.month_field is not None:
            raise PermanentSourceError(f"{label(data_set)}: layers are read whole; take month_field out of kc_pipeline/catalog/sources.py")
        self._layers.pop(data_set.id, None)
        layer = self.layer(data_set)
        total = self._count(data_set)
        return Survey(total, {WHOLE: Held(total, layer.changed_at)} if total else {}, frozenset(layer.resolution))

    def pull(self, data_set: DataSet, partition: str, months: Months, held: Held) -> Pulled:
        """Read a layer, as `read_until_agreed` says.

        Raises:
            TransientSourceError: rows received and the server's count did not agree; nothing was kept.
            PermanentSourceError: the server refuses the query.
        """
        layer = self.layer(data_set)
        with self._store.begin(data_set.feed, data_set.id, partition) as writer:
            agreed = read_until_agreed(
                label(data_set, partition),
                writer,
                held,
                ask=lambda: self._held(data_set, held),
                read=lambda count: self._pages(writer, data_set, layer, count),
            )
            facts = Facts(
                transport=str(data_set.transport),
                paging=KEYSET,
                count_before=agreed.rows,
                count_after=agreed.rows,
                changed_at=agreed.changed_at,
                declared=layer.declared,
                resolution=layer.resolution,
                implied=data_set.implied,
                key_field=layer.key_field,
            )
            return writer.commit(facts, self._now)

    def _pages(self, writer: PullWriter, data_set: DataSet, layer: Layer, count: int) -> int:
        """Read pages while the server has more; returns the number of distinct object ids."""
        writer.clear()
        shapes = {name for name, kind in layer.declared if kind == _GEOMETRY_TYPE}
        fields = dict.fromkeys(name for name in layer.resolution.values() if name not in shapes)
        url = f"{self._base}/{data_set.id}/query"
        ids: set[int] = set()
        last, empty = None, 0
        while True:
            where = [*_filters(data_set), *([f"{layer.key_field} > {last}"] if last is not None else [])]
            params = {
                "where": " AND ".join(where) or "1=1",
                "outFields": ",".join(dict.fromkeys([layer.key_field, *fields])),
                "returnGeometry": "true" if shapes & set(layer.resolution.values()) else "false",
                "outSR": "4326",
                "orderByFields": layer.key_field,
                "resultRecordCount": str(layer.page_size),
                "f": "json",
            }
            page = JsonAnswer(partial(_object_ids, key_field=layer.key_field))
            reply = self._client.get(url, params, what=label(data_set), check=page)
            writer.requests.append(Request("GET", without_secrets(url), params))
            found, has_more = page.value
            if found:
                writer.headers = writer.headers or dict(reply.headers)
                writer.add_page(reply.wire, "esri", reply.encoding, reply.content, len(found))
                if ids.issuperset(found):
                    raise TransientSourceError(
                        f"{label(data_set)}: a page has only rows that were received before; the server repeats pages"
                    )
                ids.update(found)
                last, empty = max(found), 0
            elif has_more:
                empty += 1
            if not has_more and (not found or writer.rows >= count):
                return len(ids)
            if empty >= _MOST_EMPTY_PAGES:
                raise TransientSourceError(f"{label(data_set)}: {empty} empty pages in a row, and still 'exceededTransferLimit'")
            if writer.rows > 2 * count + 2 * layer.page_size:
                raise TransientSourceError(f"{label(data_set)}: {writer.rows:,} rows received of {count:,}; the server repeats pages")

    def _held(self, data_set: DataSet, seen: Held) -> Held:
        """What the server holds now; its last edit tells of a row that goes while another comes, if the survey knew one."""
        count = self._count(data_set)
        if seen.changed_at is None:
            return Held(count, None)
        self._layers.pop(data_set.id, None)
        return Held(count, self.layer(data_set).changed_at)

    def _count(self, data_set: DataSet) -> int:
        where = " AND ".join(_filters(data_set)) or "1=1"
        return self._ask(
            data_set, "/query", {"where": where, "returnCountOnly": "true", "f": "json"}, lambda told: whole_count(told["count"])
        )

    def _changed_at(self, data_set: DataSet, names: list[str]) -> str | None:
        """The newest value of the field that says when a row changed; None where there is no such field or value."""
        name = data_set.updated_field
        if name not in names:
            return None
        params = {"where": f"{name} IS NOT NULL", "outFields": name, "orderByFields": f"{name} DESC"}
        params |= {"resultRecordCount": "1", "returnGeometry": "false", "f": "json"}
        return self._ask(
            data_set, "/query", params, lambda told: _moment(told["features"][0]["attributes"][name]) if told["features"] else None
        )

    def _ask(self, data_set: DataSet, path: str, params: Mapping[str, str], read: Callable[[dict[str, Any]], Told]) -> Told:
        answer = JsonAnswer(lambda told: read(_unless_error(told)))
        self._client.get(f"{self._base}/{data_set.id}{path}", params, what=label(data_set), check=answer)
        return answer.value


@dataclass(frozen=True)
class _Described:
    """What a layer says of itself; see `Layer`."""

    declared: tuple[tuple[str, str], ...]
    has_geometry: bool
    object_id: str | None
    most_rows: int
    edited_at: str | None


def _described(told: dict[str, Any]) -> _Described:
    declared = tuple((str(field["name"]), str(field["type"])) for field in told["fields"] or [])
    object_id = str(told["objectIdField"]) if told.get("objectIdField") else None
    edited_at = _moment((told.get("editingInfo") or {}).get("lastEditDate"))
    return _Described(declared, bool(told.get("geometryType")), object_id, max(int(told.get("maxRecordCount") or 0), 0), edited_at)


def _moment(milliseconds: Any) -> str | None:
    """A moment in ISO 8601, UTC; as it was told where the calendar does not reach it: it still tells a change."""
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _object_ids(told: Any, key_field: str) -> tuple[list[int], bool]:
    """Object ids of a page, and whether the server has more than it gave."""
    page = _unless_error(told)
    ids = [int(feature["attributes"][key_field]) for feature in page["features"]]
    return ids, bool(page.get("exceededTransferLimit") or (page.get("properties") or {}).get("exceededTransferLimit"))


def _unless_error(told: Any) -> dict[str, Any]:
    """An answer; ArcGIS reports errors with HTTP 200, so the body decides.

    Raises:
        TransientSourceError: an error with a code from 500 on, or 429, or without one; or no JSON object.
        PermanentSourceError: an error with another code.
    """
    if not isinstance(told, dict):
        raise TransientSourceError("the answer is no JSON object")
    if error := told.get("error"):
        known = error if isinstance(error, dict) else {"message": str(error)}
        code = int(known["code"]) if str(known.get("code", "")).isdecimal() else 500
        details = "; ".join(str(detail) for detail in known.get("details") or [] if detail)
        message = f"the server answered error {code}: {known.get('message')}{' (' + details + ')' if details else ''}"
        kind = TransientSourceError if code >= 500 or code == 429 else PermanentSourceError
        raise kind(message, status=code)
    return told


def _filters(data_set: DataSet) -> list[str]:
    conditions = []
    for name, values in data_set.filters.items():
        texts = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        conditions.append(f"{plain(name)} IN ({texts})")
    return conditions
