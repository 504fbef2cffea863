"""Which places stand on which block: the parcels, business or not, over which an event known to its block is shared.

Distances are metres in catalog.geography.PROJECTED_CRS.
"""

import numpy as np
import pandas as pd
import shapely

from kc_pipeline.membership import among
from kc_pipeline.places.geometry import project

NEAR_FACE_M = 75.0  # half a street and a deep lot; measured from the line of the block
_KNOWN = ("block_points", "centre_line")
COLUMNS = ["block_key", "place_id", "parcel_id", "placed_by"]


def place_on_blocks(gazetteer: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """Every place with the block, or blocks, it stands on.

    Args:
        gazetteer: rows of core/gazetteer.
        parcels: rows of clean/parcels.

    Returns:
        Frame in the columns of core/block_places, sorted by block_key and place_id.  A parcel stands on the blocks of all
        its addresses (placed_by 'address'); a parcel of which no register knows an address stands on the block whose line
        is nearest, if that is within 75 m ('nearest_block').  An address without a known parcel is a place of its own.
    """
    known = gazetteer.loc[gazetteer["address_kind"] == "numbered", ["block_key", "address_key", "parcel_id"]]
    by_address = known.assign(place_id=("parcel:" + known["parcel_id"]).fillna("address:" + known["address_key"]), placed_by="address")
    rest = parcels.dropna(subset=["parcel_id", "latitude"]).drop_duplicates("parcel_id")
    rest = rest[~among(rest["parcel_id"], known["parcel_id"])]
    nearest = nearest_blocks(project(rest["longitude"], rest["latitude"]), gazetteer)
    by_nearness = rest[["parcel_id"]].assign(block_key=nearest, place_id="parcel:" + rest["parcel_id"], placed_by="nearest_block")
    rows = pd.concat([by_address, by_nearness], ignore_index=True).dropna(subset="block_key")
    return rows.drop_duplicates(["block_key", "place_id"])[COLUMNS].sort_values(["block_key", "place_id"], ignore_index=True)


def nearest_blocks(points: np.ndarray, gazetteer: pd.DataFrame) -> np.ndarray:
    """Key of the block whose line is nearest to each point of an (n, 2) array of metres, None beyond 75 m.

    Of equally near lines the one with the lowest key is taken.
    """
    faces = block_lines(gazetteer).sort_values("block_key", ignore_index=True)
    found = np.full(len(points), None, dtype=object)
    if faces.empty or not len(points):
        return found
    tree = shapely.STRtree(faces["shape"].to_numpy())
    point, face = tree.query_nearest(shapely.points(points), max_distance=NEAR_FACE_M, all_matches=True)
    first = pd.DataFrame({"point": point, "face": face}).groupby("point")["face"].min()
    found[first.index.to_numpy()] = faces["block_key"].to_numpy(dtype=object)[first.to_numpy()]
    return found


def block_lines(gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Each known block as a line from half way to the block before it, through its middle, to half way to the next.

    Returns:
        Frame with block_key and shape (LineString in metres).  Past the end of a street the line goes straight on; a block
        without neighbors has none.
    """
    blocks = gazetteer[(gazetteer["address_kind"] == "block") & gazetteer["position_method"].isin(_KNOWN)]
    metres = project(blocks["longitude"], blocks["latitude"])
    blocks = pd.DataFrame(
        {
            "block_key": blocks["block_key"], "street": blocks["street"], "east_m": metres[:, 0], "north_m": metres[:, 1],
            "hundred": blocks["block_key"].str.split(" ", n=1).str[0].astype(int) // 100,
        }
    ).sort_values(["street", "hundred"], ignore_index=True)  # fmt: skip
    middle = blocks[["east_m", "north_m"]].to_numpy()
    ends = []
    for side in (1, -1):
        other = blocks.groupby("street")[["hundred", "east_m", "north_m"]].shift(side)
        adjacent = (other["hundred"] - blocks["hundred"]).abs().eq(1).to_numpy()
        ends.append(np.where(adjacent[:, None], (other[["east_m", "north_m"]].to_numpy() + middle) / 2, np.nan))
    before, after = ends
    before, after = np.where(np.isnan(before), 2 * middle - after, before), np.where(np.isnan(after), 2 * middle - before, after)
    drawn = ~np.isnan(before).any(axis=1)
    shapes = shapely.linestrings(np.stack([before, middle, after], axis=1)[drawn])
    return pd.DataFrame({"block_key": blocks["block_key"].to_numpy()[drawn], "shape": shapes})
