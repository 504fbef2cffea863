"""Where points lie among the parcels: each distinct coordinate once.

Events repeat few coordinates, so these are made distinct before any geometry is asked.
"""

import numpy as np
import pandas as pd

from kc_pipeline.places.geometry import PolygonIndex, project


def parcels_at(points: pd.DataFrame, index: PolygonIndex) -> pd.DataFrame:
    """The parcel at each point.

    Args:
        points: rows with longitude and latitude (degrees), none missing.
        index: the parcels.

    Returns:
        Frame with the index of `points`: holding (id of the parcel that holds the point, by the rule of `geometry`), neighbor
        (where none does: id of the only one within `geometry.NEAR_M`) and distance_m (metres to that neighbor).
    """
    names = ["longitude", "latitude"]
    back, corners = points.groupby(names, sort=False).ngroup().to_numpy(), points[names].drop_duplicates()
    metres = project(corners["longitude"], corners["latitude"])
    holding = index.containing(metres)
    outside = np.flatnonzero(pd.isna(holding))
    neighbor, distance = np.full(len(metres), None, dtype=object), np.full(len(metres), np.nan)
    neighbor[outside], distance[outside] = index.only_neighbor(metres[outside])
    found = pd.DataFrame({"holding": holding, "neighbor": neighbor, "distance_m": distance}).astype({"holding": "str", "neighbor": "str"})
    return found.iloc[back].set_axis(points.index)


def look_up(points: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The parcel at each point that an earlier call of `parcels_at` has placed.

    Args:
        points: rows with longitude and latitude (degrees), none missing.
        known: distinct longitude and latitude with holding, neighbor and distance_m, of the same parcels.

    Returns:
        What `parcels_at` returns for the points, and is_known; nothing is said of those that are not known.
    """
    names = ["longitude", "latitude"]
    at = pd.MultiIndex.from_frame(known[names]).get_indexer(pd.MultiIndex.from_frame(points[names]))
    return known.drop(columns=names).reset_index(drop=True).reindex(at).set_axis(points.index).assign(is_known=at >= 0)
