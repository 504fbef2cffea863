"""Parcels as an index of polygons: which one holds a point, and which one lies beside it.

Distances are metres in catalog.geography.PROJECTED_CRS.  One rule decides ties: a point on a shared edge or in
overlapping parcels belongs to the polygon whose centroid is nearest, then to the lowest parcel id.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS, PROJECTED_CRS

_R = TypeVar("_R")
_Predicate = Literal["intersects", "dwithin"]

NEAR_M = 5.0
# Two threads pay from so many points on; more than two were not measured.
_THREADS, _WORTH_THREADS = 2, 20_000
_CELL_M = 500.0
# Some ten metres: more than `NEAR_M`.  And what an edge that is straight in degrees bends when it is projected: less than this times
# the square of its length in degrees, up to a latitude of 75.
_NEARBY_DEGREES, _BEND = 0.0001, 0.01
_MANY_POINTS = 20
# Some 200 metres; and no more cells than so many in a row, however far apart points lie.
_CELL_DEGREES, _MOST_CELLS = 0.002, 1_000


@cache
def _to_metres() -> Transformer:
    return Transformer.from_crs(GEOGRAPHIC_CRS, PROJECTED_CRS, always_xy=True)


@cache
def _to_degrees() -> Transformer:
    return Transformer.from_crs(PROJECTED_CRS, GEOGRAPHIC_CRS, always_xy=True)


def project(longitude: pd.Series, latitude: pd.Series) -> np.ndarray:
    """Longitude and latitude (degrees) as an array of shape (n, 2) of metres east and north."""
    transformer = _to_metres()
    east, north = transformer.transform(longitude.to_numpy(float), latitude.to_numpy(float))
    return np.column_stack([east, north])


def in_metres(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns east_m and north_m for rows with longitude and latitude (degrees)."""
    points = project(rows["longitude"], rows["latitude"])
    return {"east_m": points[:, 0], "north_m": points[:, 1]}


def unproject(east_m: np.ndarray, north_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres east and north as longitude and latitude (degrees)."""
    longitude, latitude = _to_degrees().transform(np.asarray(east_m, float), np.asarray(north_m, float))
    return longitude, latitude


def project_shapes(shapes: np.ndarray) -> np.ndarray:
    """Shapes in EPSG:4326 (x is longitude) as valid shapes in metres; a missing one is an empty one."""
    parts = _in_threads(_project_shapes, np.array_split(shapes, _threads_for(len(shapes))))
    return np.concatenate(parts)


def _project_shapes(shapes: np.ndarray) -> np.ndarray:
    transformer = _to_metres()
    shapes = np.where(shapely.is_missing(shapes), shapely.GeometryCollection(), shapes)
    flat = shapely.force_2d(shapes) if shapely.has_z(shapes).any() else shapes
    metric: np.ndarray = shapely.transform(flat, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    broken = ~shapely.is_valid(metric)
    metric[broken] = shapely.make_valid(metric[broken])
    return metric


def _threads_for(count: int) -> int:
    """Threads that pay for so many points or shapes."""
    return _THREADS if count >= _WORTH_THREADS else 1


def _in_threads(work: Callable[[np.ndarray], _R], parts: Sequence[np.ndarray]) -> list[_R]:
    """What some work comes to for each part; neither GEOS nor PROJ holds the interpreter while it works on arrays."""
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(len(parts)) as threads:
        return list(threads.map(work, parts))


class PolygonIndex:
    """Polygons that can be asked which of them holds, or lies beside, each of many points.

    Attributes:
        holds_all: whether it answers for any point, not only for those around which it was made.
    """

    def __init__(self, ids: Sequence[str] | pd.Series, geometry: Sequence[bytes] | pd.Series, around: np.ndarray | None = None) -> None:
        """Take polygons as WKB in EPSG:4326; other geometry is left out.

        Args:
            ids: id of each polygon.
            geometry: the polygons.
            around: points that will be asked, an (n, 2) array of metres; where they are few, polygons that come near none of them
                are left out, since projecting all of a city's parcels takes longer than asking a few points.  None: all are kept.
        """
        stored = np.array_split(np.asarray(geometry, dtype=object), _threads_for(len(geometry)))
        shapes, ids = np.concatenate(_in_threads(shapely.from_wkb, stored)), np.asarray(ids, dtype=object)
        self.holds_all = around is None or len(around) * _MANY_POINTS >= len(shapes)
        if around is not None and not self.holds_all:
            near = _come_near(shapes, around)
            shapes, ids = shapes[near], ids[near]
        shapes = project_shapes(shapes)
        areal = np.isin(shapely.get_type_id(shapes), (3, 6)) & ~shapely.is_empty(shapes)
        self._ids = ids[areal]
        self._shapes = shapes[areal]
        self._tree = shapely.STRtree(self._shapes)

    def containing(self, points: np.ndarray) -> np.ndarray:
        """Id of the polygon that holds each point of an (n, 2) array of metres, or None."""
        found = np.full(len(points), None, dtype=object)
        if not len(self._shapes) or not len(points):
            return found
        point, polygon = self._query(points, "intersects")
        held_by_one = _only_pairs(point)
        found[point[held_by_one]] = self._ids[polygon[held_by_one]]
        shared = np.flatnonzero(~np.isin(point, point[held_by_one]))
        if len(shared):
            point, polygon = point[shared], polygon[shared]
            hits = pd.DataFrame({"point": point, "id": self._ids[polygon]})
            hits["to_centroid"] = shapely.distance(shapely.points(points[point]), shapely.centroid(self._shapes[polygon]))
            nearest = hits.sort_values(["point", "to_centroid", "id"]).drop_duplicates("point")
            found[nearest["point"].to_numpy()] = nearest["id"].to_numpy()
        return found

    def only_neighbor(self, points: np.ndarray, within_m: float = NEAR_M) -> tuple[np.ndarray, np.ndarray]:
        """Id of the one polygon within a distance of each point, and that distance in metres.

        None and NaN where there is no such polygon, or more than one.
        """
        found = np.full(len(points), None, dtype=object)
        distance = np.full(len(points), np.nan)
        if not len(self._shapes) or not len(points):
            return found, distance
        point, polygon = self._query(points, "dwithin", within_m)
        hits = pd.DataFrame({"point": point, "polygon": polygon, "id": self._ids[polygon]})
        single = _only_pairs(point)
        shared = hits[~hits["point"].isin(point[single])]
        # A parcel published in several pieces is one neighbor, by its first piece.
        pieces = shared[shared.groupby("point")["id"].transform("nunique") == 1].sort_values(["point", "polygon"]).drop_duplicates("point")
        alone = pd.concat([hits.iloc[single], pieces])
        where, polygon = alone["point"].to_numpy(), alone["polygon"].to_numpy()
        found[where] = alone["id"].to_numpy()
        distance[where] = shapely.distance(shapely.points(points[where]), self._shapes[polygon])
        return found, distance

    def _query(self, points: np.ndarray, predicate: _Predicate, distance: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of point and polygon, by position.

        Points that lie near each other are asked one after the other, so that the tree's nodes stay in the processor's cache;
        the search runs in threads, since it does not hold the interpreter.  Few polygons (districts) ask for the points that
        they hold: each is prepared once for all of them.
        """
        if predicate == "intersects" and len(self._shapes) * _MANY_POINTS < len(points):
            polygon, point = shapely.STRtree(shapely.points(points)).query(self._shapes, predicate=predicate)
            return point, polygon
        order = np.lexsort(np.floor(points / _CELL_M).T)
        parts = np.array_split(order, _threads_for(len(points)))

        def ask(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            point, polygon = self._tree.query(shapely.points(points[part]), predicate=predicate, distance=distance)
            return part[point], polygon

        self._tree.query(shapely.points(points[:1]))  # the tree is built at its first query: not by two threads at once
        answers = _in_threads(ask, parts)
        return np.concatenate([point for point, _ in answers]), np.concatenate([polygon for _, polygon in answers])


def _come_near(shapes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Positions of shapes (degrees) that may hold, or lie within `NEAR_M` of, one of some points (metres): by their bounding boxes."""
    if not len(points):
        return np.empty(0, dtype=int)
    west, south, east, north = shapely.bounds(shapes).T
    margin = _NEARBY_DEGREES + _BEND * ((east - west) ** 2 + (north - south) ** 2)
    sides = np.array([west - margin, south - margin, east + margin, north + margin])
    longitude, latitude = unproject(*points.T)
    may = np.flatnonzero(_touch_cells_of(longitude, latitude, sides))
    shape, _ = shapely.STRtree(shapely.points(longitude, latitude)).query(shapely.box(*sides[:, may]))
    near: np.ndarray = may[np.unique(shape)]
    return near


def _touch_cells_of(x: np.ndarray, y: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Whether each of many boxes touches a cell, of a grid over some points, in which a point lies: one that does not holds none.

    Args:
        x: of the points.
        y: of the points.
        sides: west, south, east and north of the boxes, an array of shape (4, n) in the points' units; missing ones touch nothing.
    """
    west, south, east, north = sides
    (column, left, right), (row, below, above) = _cells(x, west, east), _cells(y, south, north)
    before = np.zeros((column.max() + 2, row.max() + 2), dtype=int)  # points in the columns and rows before each
    np.add.at(before, (column + 1, row + 1), 1)
    before = before.cumsum(axis=0).cumsum(axis=1)
    touched: np.ndarray = before[right, above] - before[left, above] - before[right, below] + before[left, below] > 0
    return touched


def _cells(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along one axis: the cell of each point, the first cell of each box, and the one after its last."""
    size = max(np.ptp(points) / _MOST_CELLS, _CELL_DEGREES)
    cell, first, last = (np.floor((np.nan_to_num(values, nan=-np.inf) - points.min()) / size) for values in (points, low, high))
    count = cell.max() + 1
    return cell.astype(int), np.clip(first, 0, count).astype(int), np.clip(last + 1, 0, count).astype(int)


def _only_pairs(point: np.ndarray) -> np.ndarray:
    """Positions of the pairs whose point stands in no other pair."""
    _, first, count = np.unique(point, return_index=True, return_counts=True)
    return np.asarray(first[count == 1])
