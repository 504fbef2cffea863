"""Where points lie among the parcels: each distinct coordinate once, and none that an earlier run has placed.

Events repeat few coordinates, so these are made distinct before any geometry is asked, and what was found is kept
(kept/locations) for as long as the parcels stay the same.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from kc_pipeline.places.geometry import PolygonIndex, project
from kc_pipeline.places.grouping import distinct_rows

_POINT = ["longitude", "latitude"]
_FOUND = ["holding_parcel_id", "neighbor_parcel_id", "distance_m"]
COLUMNS = [*_POINT, *_FOUND]


class Locations:
    """Points that were placed among one snapshot of the parcels; others are placed when they are asked for.

    Attributes:
        rows: rows of kept/locations, distinct by longitude and latitude: holding_parcel_id (the parcel that holds the point, by
            the rule of `geometry`), neighbor_parcel_id (where none does: the only one within `geometry.NEAR_M`), distance_m
            (metres to that neighbor).
        added: how many of them were not known at the start.
    """

    def __init__(self, known: pd.DataFrame | None = None) -> None:
        """Begin with what is known of the same parcels; None: nothing."""
        rows = pd.DataFrame(columns=COLUMNS) if known is None else known[COLUMNS].reset_index(drop=True)
        self.rows = rows.astype({**dict.fromkeys(_POINT, float), **dict.fromkeys(_FOUND[:2], "str"), _FOUND[2]: float})
        self.added = 0
        self._of_all: PolygonIndex | None = None

    def at(self, points: pd.DataFrame, index: Callable[[np.ndarray], PolygonIndex]) -> pd.DataFrame:
        """The parcel at each point.

        Args:
            points: rows with longitude and latitude (degrees), none missing.
            index: makes the index of the parcels around points, an (n, 2) array of metres; called only if a point is new, and
                never again once it made one of all parcels.

        Returns:
            Frame with the index of `points`: holding_parcel_id, neighbor_parcel_id and distance_m.
        """
        corners, back = distinct_rows(points, _POINT)
        row = pd.MultiIndex.from_frame(self.rows[_POINT]).get_indexer(pd.MultiIndex.from_frame(corners)) if len(self.rows) else None
        new = np.arange(len(corners)) if row is None else np.flatnonzero(row < 0)
        if len(new):
            placed = self._place(corners.iloc[new], index)
            known = len(self.rows)
            self.rows = pd.concat([self.rows, placed], ignore_index=True) if known else placed.reset_index(drop=True)
            self.added += len(new)
            row = np.full(len(corners), -1) if row is None else row
            row[new] = known + np.arange(len(new))
        found = self.rows[_FOUND].iloc[[] if row is None else row[back]]
        return found.set_axis(points.index)

    def _place(self, corners: pd.DataFrame, index_around: Callable[[np.ndarray], PolygonIndex]) -> pd.DataFrame:
        metres = project(corners["longitude"], corners["latitude"])
        index = self._of_all or index_around(metres)
        if index.holds_all:
            self._of_all = index
        holding = index.containing(metres)
        outside = np.flatnonzero(pd.isna(holding))
        neighbor, distance = np.full(len(metres), None, dtype=object), np.full(len(metres), np.nan)
        neighbor[outside], distance[outside] = index.only_neighbor(metres[outside])
        found = corners.assign(holding_parcel_id=holding, neighbor_parcel_id=neighbor, distance_m=distance)
        return found.astype({"holding_parcel_id": "str", "neighbor_parcel_id": "str"})
