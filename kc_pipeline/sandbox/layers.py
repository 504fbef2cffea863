"""The ArcGIS side of the local portal: a layer's own description, and its query operation."""

import itertools
import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from kc_pipeline.sandbox.query import QueryError, compared_columns, translate_text
from kc_pipeline.sandbox.records import GEOMETRY_TYPES, DataSetInfo

MAX_RECORD_COUNT = 2000
_GEOMETRY = {"polygon": ("esriGeometryPolygon", "rings"), "polyline": ("esriGeometryPolyline", "paths"), "point": ("esriGeometryPoint", "")}
_REFERENCE = {"wkid": 102698, "latestWkid": 102698}
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
        "sourceSpatialReference": _REFERENCE,
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
    limit = min(int(arguments.get("resultRecordCount") or MAX_RECORD_COUNT), MAX_RECORD_COUNT)
    columns = ", ".join([f"c{i}" for i in fields] + ([f"c{geometry}"] if wants_geometry else []))
    page = f"SELECT {columns} {source} ORDER BY {order.sql} LIMIT {limit + 1} OFFSET {int(arguments.get('resultOffset') or 0)}"
    rows = connection.execute(page, where.values).fetchall()
    more, rows = len(rows) > limit, rows[:limit]
    attributes = [{info.columns[i].field_name: _value(info.columns[i].data_type, row[n]) for n, i in enumerate(fields)} for row in rows]
    if arguments.get("f", "").lower() == "geojson":
        features = [
            {"type": "Feature", "properties": a, "geometry": json.loads(row[-1]) if wants_geometry and row[-1] else None}
            for a, row in zip(attributes, rows, strict=True)
        ]
        return {"type": "FeatureCollection", "features": features, **({"properties": {"exceededTransferLimit": True}} if more else {})}
    if wants_geometry and arguments.get("outSR") != "4326":
        raise LayerError("this server gives geometry with outSR=4326 only")
    kind = info.columns[geometry].data_type if geometry is not None else "point"
    answer = {
        "objectIdFieldName": name,
        "geometryType": _GEOMETRY[kind][0],
        "spatialReference": {"wkid": 4326, "latestWkid": 4326},
        "features": [
            {"attributes": a, **({"geometry": _esri(kind, row[-1])} if wants_geometry and row[-1] else {})}
            for a, row in zip(attributes, rows, strict=True)
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


def _esri(kind: str, text: str) -> dict[str, Any]:
    """GeoJSON text as an esri geometry; exterior rings run clockwise, holes the other way."""
    shape = json.loads(text)
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
