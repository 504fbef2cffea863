"""The ArcGIS side of the local portal: a layer's own description, and its query operation.

Geometry is stored in degrees; a layer's own reference is Missouri West in US feet, as that of the city's server.
"""

import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pyproj import Transformer

from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS, REGION_EAST, REGION_NORTH, REGION_SOUTH, REGION_WEST
from kc_pipeline.sandbox.query import QueryError, compared_columns, translate_text
from kc_pipeline.sandbox.records import GEOMETRY_TYPES, DataSetInfo

MAX_RECORD_COUNT = 2000
_GEOMETRY = {"polygon": ("esriGeometryPolygon", "rings"), "polyline": ("esriGeometryPolyline", "paths"), "point": ("esriGeometryPoint", "")}
_DEGREES, _FEET = 4326, 102698
_OUT_SR = re.compile(r'([0-9]+)|\{\s*"wkid"\s*:\s*([0-9]+)\s*[,}].*')
_NUMERIC = {
    "esriFieldTypeOID": int,
    "esriFieldTypeInteger": int,
    "esriFieldTypeSmallInteger": int,
    "esriFieldTypeDate": int,
    "esriFieldTypeDouble": float,
}

Ring = list[list[float]]


class LayerError(ValueError):
    """A request that the server refuses, with HTTP status 200 and an error object."""


def describe_layer(info: DataSetInfo) -> dict[str, Any]:
    """What the layer says of itself with f=json."""
    kind = next((c.data_type for c in info.columns if c.data_type in GEOMETRY_TYPES), None)
    return {
        "currentVersion": 10.81,
        "id": int(info.data_set.rsplit("/", 1)[1]),
        "name": info.name,
        "type": "Feature Layer",
        "geometryType": _GEOMETRY[kind][0] if kind else None,
        "sourceSpatialReference": _reference(_FEET),
        "extent": _extent() if kind else None,
        "maxRecordCount": MAX_RECORD_COUNT,
        "supportedQueryFormats": "JSON, geoJSON",
        "capabilities": "Map,Query,Data",
        "advancedQueryCapabilities": {"supportsPagination": True, "supportsOrderBy": True, "supportsStatistics": True},
        "objectIdField": _object_id(info)[0],
        "fields": [
            {"name": c.field_name, "type": "esriFieldTypeGeometry" if c.data_type in GEOMETRY_TYPES else c.data_type, "alias": c.field_name}
            for c in info.columns
        ],
    }


def query_layer(info: DataSetInfo, connection: sqlite3.Connection, arguments: Mapping[str, str]) -> dict[str, Any]:
    """The answer to LAYER/query.

    Raises:
        LayerError: an argument is malformed, or names what is not there.
    """
    try:
        where = translate_text(arguments.get("where") or "1=1", compared_columns(info))
        order = translate_text(arguments.get("orderByFields") or _object_id(info)[0], compared_columns(info))
    except QueryError as error:
        raise LayerError(str(error)) from error
    source = f"FROM {info.table_name} WHERE {where.sql}"
    if arguments.get("returnCountOnly") == "true":
        return {"count": connection.execute(f"SELECT count(*) {source}", where.values).fetchone()[0]}
    name, object_id = _object_id(info)
    if arguments.get("returnIdsOnly") == "true":
        found = connection.execute(f"SELECT {object_id} {source} ORDER BY 1", where.values)
        return {"objectIdFieldName": name, "objectIds": [row[0] for row in found]}
    fields = _out_fields(info, arguments.get("outFields", "*"))
    geometry = next((i for i, c in enumerate(info.columns) if c.data_type in GEOMETRY_TYPES), None)
    wants_geometry = geometry is not None and arguments.get("returnGeometry", "true") != "false"
    is_geojson = arguments.get("f", "").lower() == "geojson"
    wkid = _wkid(arguments.get("outSR") or str(_DEGREES if is_geojson else _FEET))
    limit = min(_whole_number(arguments, "resultRecordCount", MAX_RECORD_COUNT), MAX_RECORD_COUNT)
    offset = _whole_number(arguments, "resultOffset", 0)
    columns = ", ".join([f"c{i}" for i in fields] + ([f"c{geometry}"] if wants_geometry else []))
    page = f"SELECT {columns} {source} ORDER BY {order.sql} LIMIT {limit + 1} OFFSET {offset}"
    rows = connection.execute(page, where.values).fetchall()
    more, rows = len(rows) > limit, rows[:limit]
    attributes = [{info.columns[i].field_name: _value(info.columns[i].data_type, row[n]) for n, i in enumerate(fields)} for row in rows]
    shapes = [_shape(row[-1], wkid) if wants_geometry and row[-1] else None for row in rows]
    if is_geojson:
        features = [{"type": "Feature", "properties": a, "geometry": shape} for a, shape in zip(attributes, shapes, strict=True)]
        return {"type": "FeatureCollection", "features": features, **({"properties": {"exceededTransferLimit": True}} if more else {})}
    kind = info.columns[geometry].data_type if geometry is not None else "point"
    answer = {
        "objectIdFieldName": name,
        "geometryType": _GEOMETRY[kind][0],
        "spatialReference": _reference(wkid),
        "features": [
            {"attributes": a, **({"geometry": _esri(kind, shape)} if shape else {})} for a, shape in zip(attributes, shapes, strict=True)
        ],
    }
    return {**answer, "exceededTransferLimit": True} if more else answer


def _object_id(info: DataSetInfo) -> tuple[str, str]:
    return next((c.field_name, f"c{i}") for i, c in enumerate(info.columns) if c.data_type == "esriFieldTypeOID")


def _out_fields(info: DataSetInfo, text: str) -> list[int]:
    places = {c.field_name.lower(): i for i, c in enumerate(info.columns) if c.data_type not in GEOMETRY_TYPES}
    if text.strip() in ("", "*"):
        return list(places.values())
    shapes = {c.field_name.lower() for c in info.columns if c.data_type in GEOMETRY_TYPES}
    names = [name.strip().lower() for name in text.split(",")]
    if unknown := [name for name in names if name not in places and name not in shapes]:
        raise LayerError(f"'outFields' parameter is invalid: {', '.join(unknown)}")
    return [places[name] for name in names if name in places]


def _value(data_type: str, text: str | None) -> str | int | float | None:
    kind = _NUMERIC.get(data_type)
    return text if kind is None or text is None else kind(float(text))


def _whole_number(arguments: Mapping[str, str], name: str, usual: int) -> int:
    text = arguments.get(name) or str(usual)
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise LayerError(f"'{name}' parameter is invalid: {text!r} is not a whole number")
    return int(text)


def _reference(wkid: int) -> dict[str, int]:
    return {"wkid": wkid, "latestWkid": wkid}


def _wkid(text: str) -> int:
    match = _OUT_SR.fullmatch(text.strip())
    wkid = int(match[1] or match[2]) if match else 0
    if wkid not in (_DEGREES, _FEET):
        raise LayerError(f"'outSR' parameter is invalid: {text!r}; this server gives {_DEGREES} and {_FEET}")
    return wkid


@cache
def _to_feet() -> Transformer:
    return Transformer.from_crs(GEOGRAPHIC_CRS, f"ESRI:{_FEET}", always_xy=True)


def _extent() -> dict[str, Any]:
    """Bounds of the region in which every layer of the city lies, rather than of the layer's own rows."""
    bounds = _to_feet().transform_bounds(REGION_WEST, REGION_SOUTH, REGION_EAST, REGION_NORTH)
    return {**dict(zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True)), "spatialReference": _reference(_FEET)}


def _shape(text: str, wkid: int) -> dict[str, Any]:
    """Stored geometry as a GeoJSON object in the reference asked for."""
    shape: dict[str, Any] = json.loads(text)
    return shape if wkid == _DEGREES else {**shape, "coordinates": _projected(shape["coordinates"], _to_feet().transform)}


def _projected(part: list[Any], project: Callable[[Any, Any], tuple[Any, Any]]) -> list[Any]:
    if not isinstance(part[0], list):
        return list(project(*part[:2]))
    if not isinstance(part[0][0], list):
        x, y = project([point[0] for point in part], [point[1] for point in part])
        return [list(point) for point in zip(x, y, strict=True)]
    return [_projected(inner, project) for inner in part]


def _esri(kind: str, shape: dict[str, Any]) -> dict[str, Any]:
    """A GeoJSON object as an esri geometry; exterior rings run clockwise, holes the other way."""
    coordinates = shape["coordinates"]
    if kind == "point":
        return {"x": coordinates[0], "y": coordinates[1]}
    if kind == "polyline":
        return {"paths": coordinates if shape["type"].startswith("Multi") else [coordinates]}
    polygons = coordinates if shape["type"].startswith("Multi") else [coordinates]
    return {"rings": [_wound(ring, clockwise=number == 0) for polygon in polygons for number, ring in enumerate(polygon)]}


def _wound(ring: Ring, *, clockwise: bool) -> Ring:
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring))
    return ring if (area < 0) == clockwise else ring[::-1]
