"""Geometry as sources write it (WKT, GeoJSON, location text, esri JSON) to coordinates and WKB, in vectors.

Everything is in EPSG:4326; a longitude comes first, except in location text, where the city writes (latitude, longitude).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_POINT_FORMS = {
    "wkt": rf"(?i)^\s*(?:SRID=\d+;\s*)?POINT\s*Z?\s*\(\s*(?P<longitude>{_NUMBER})\s+(?P<latitude>{_NUMBER})",
    "text": rf"(?s)\(\s*(?P<latitude>{_NUMBER})\s*°?\s*,\s*(?P<longitude>{_NUMBER})\s*°?\s*\)\s*$",
    "geojson": rf'"coordinates"\s*:\s*\[\s*(?P<longitude>{_NUMBER})\s*,\s*(?P<latitude>{_NUMBER})',
    "latitude first": rf'(?s)"latitude"\s*:\s*"?(?P<latitude>{_NUMBER})"?.*"longitude"\s*:\s*"?(?P<longitude>{_NUMBER})',
    "longitude first": rf'(?s)"longitude"\s*:\s*"?(?P<longitude>{_NUMBER})"?.*"latitude"\s*:\s*"?(?P<latitude>{_NUMBER})',
}
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, shapely.errors.ShapelyError)
_LOCATION_FIRST = ("text", "latitude first", "longitude first", "geojson", "wkt")
_POINT_FIRST = ("wkt", "geojson", "text", "latitude first", "longitude first")


def read_points(texts: pa.ChunkedArray, declared_type: str) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Longitude and latitude, as the text that the source wrote; null where a value holds no coordinates.

    Args:
        texts: values of the column.
        declared_type: its type at the source ('point', 'location', ...): decides which form is tried first, since some
            columns declared as locations hold points.
    """
    longitude = latitude = pa.chunked_array([pa.nulls(len(texts), pa.string())])
    given = len(texts) - texts.null_count
    for form in _LOCATION_FIRST if declared_type == "location" else _POINT_FIRST:
        if len(longitude) - longitude.null_count >= given:
            break
        found = pc.extract_regex(texts, pattern=_POINT_FORMS[form])
        longitude = pc.coalesce(longitude, pc.struct_field(found, "longitude"))
        latitude = pc.coalesce(latitude, pc.struct_field(found, "latitude"))
    return longitude, latitude


def read_shapes(texts: pa.ChunkedArray) -> pa.Array:
    """WKB from WKT or GeoJSON text; null where a value cannot be read."""
    values = np.array(texts.to_pylist(), dtype=object)
    geometries = np.full(len(values), None, dtype=object)
    is_text = np.array([bool(value) for value in values], dtype=bool)
    is_json = np.array([bool(value) and value.lstrip().startswith("{") for value in values], dtype=bool)
    is_wkt = is_text & ~is_json
    geometries[is_json] = shapely.from_geojson(values[is_json], on_invalid="ignore")
    geometries[is_wkt] = shapely.from_wkt(values[is_wkt], on_invalid="ignore")
    return to_wkb(geometries)


def to_wkb(geometries: "np.ndarray[Any, np.dtype[np.object_]]") -> pa.Array:
    """Geometries as little-endian WKB of two dimensions; null where an ordinate is not a finite number."""
    flat = shapely.force_2d(geometries)
    ordinates, places = shapely.get_coordinates(flat, return_index=True)
    flat[places[~np.isfinite(ordinates).all(axis=1)]] = None
    return pa.array(shapely.to_wkb(flat, byte_order=1), pa.binary())


def point_texts(shapes: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Longitude and latitude, as text, of WKB points; null for anything else."""
    geometries = shapely.from_wkb(np.array(shapes.to_pylist(), dtype=object))
    is_point = (shapely.get_type_id(geometries) == 0) & ~shapely.is_empty(geometries)
    ordinates = (np.where(is_point, read(geometries), np.nan) for read in (shapely.get_x, shapely.get_y))
    longitude, latitude = (pa.array([None if np.isnan(v) else repr(float(v)) for v in column], pa.string()) for column in ordinates)
    return longitude, latitude


def esri_shapes(shapes: Sequence[Mapping[str, Any] | None]) -> pa.Array:
    """WKB from esri JSON geometries: points, paths, rings (clockwise outer, counter-clockwise holes).

    Null stays null, and a shape that cannot be read is null.
    """
    try:
        return to_wkb(_esri_geometries(shapes))
    except _UNREADABLE:  # one of them; so one by one, and it alone is lost
        return to_wkb(np.concatenate([_esri_geometry(shape) for shape in shapes]))


def _esri_geometry(shape: Mapping[str, Any] | None) -> Any:
    try:
        return _esri_geometries([shape])
    except _UNREADABLE:
        return np.array([None], dtype=object)


def _esri_geometries(shapes: Sequence[Mapping[str, Any] | None]) -> Any:
    geometries = np.full(len(shapes), None, dtype=object)
    for i, shape in enumerate(shapes):
        if not shape:
            continue
        if isinstance(shape.get("x"), int | float) and isinstance(shape.get("y"), int | float):
            geometries[i] = shapely.Point(shape["x"], shape["y"])
        elif shape.get("paths"):
            with np.errstate(invalid="ignore"):  # what is no number is told by `to_wkb`
                lines = [shapely.LineString(path) for path in shape["paths"] if len(path) > 1]
            geometries[i] = lines[0] if len(lines) == 1 else shapely.MultiLineString(lines) if lines else None
    simple = [(i, shape["rings"][0]) for i, shape in enumerate(shapes) if shape and len(shape.get("rings") or ()) == 1]
    closed = [(i, _closed(ring)) for i, ring in simple if len(ring) > 2]
    if closed:
        geometries[[i for i, _ in closed]] = _plain_polygons([ring for _, ring in closed])
    for i, shape in enumerate(shapes):
        if shape and len(shape.get("rings") or ()) > 1:
            geometries[i] = _with_holes([_closed(ring) for ring in shape["rings"] if len(ring) > 2])
    return geometries


def _closed(ring: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    corners = [corner[:2] for corner in ring]
    corners += [] if corners[0] == corners[-1] else [corners[0]]
    return corners + [corners[-1]] * (4 - len(corners))


def _plain_polygons(rings: Sequence[Sequence[Sequence[float]]]) -> Any:
    """One polygon without holes from each ring, all at once."""
    lengths = [len(ring) for ring in rings]
    coordinates = np.array([corner for ring in rings for corner in ring], dtype=float)
    return shapely.polygons(shapely.linearrings(coordinates, indices=np.repeat(np.arange(len(rings)), lengths)))


def _with_holes(rings: Sequence[Sequence[Sequence[float]]]) -> Any:
    """A polygon, or several, from rings of which some are holes; a hole goes to the smallest outer ring around it."""
    if not rings:
        return None
    made = shapely.linearrings(
        np.concatenate([np.array(r, dtype=float) for r in rings]), indices=np.repeat(range(len(rings)), [*map(len, rings)])
    )
    is_hole = shapely.is_ccw(made)
    if is_hole.all():
        is_hole[:] = False  # wrong orientation throughout: every ring is an outer one
    outers, holes = made[~is_hole], made[is_hole]
    areas = shapely.area(shapely.polygons(outers))
    inner: list[list[Any]] = [[] for _ in outers]
    for hole in holes:
        inside = shapely.covers(shapely.polygons(outers), shapely.Point(hole.coords[0]))
        inner[int(np.argmin(np.where(inside, areas, np.inf))) if inside.any() else 0].append(hole)
    polygons = [shapely.Polygon(outer, mine) for outer, mine in zip(outers, inner, strict=True)]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
