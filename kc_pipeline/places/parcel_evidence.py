"""What speaks for which parcel of a business: one row per piece of evidence.

Columns: business, method, parcel_id, score (0 to 1), note (for a person, in the words of core/business_review).  Evidence is
weighed in `parcel_search`.
"""

import numpy as np
import pandas as pd

from kc_pipeline.places.addresses import split_street, standardize
from kc_pipeline.places.business_records import distance_m
from kc_pipeline.places.geometry import PolygonIndex, project

COLUMNS = ["business", "method", "parcel_id", "score", "note"]
CONTRADICTED = 0.4  # score of a parcel that something else speaks against; it is never taken by itself
_CORRECTION_SCORES = {"type": 0.9, "direction": 0.85, "spelling": 0.75}
_OTHER_TYPE_SCORE = 0.58  # 'GILLHAM PLZ' and 'GILLHAM RD' are two streets: not believed unless the point agrees
_POINT_AGREES, _POINT_AGREES_M = 0.05, 300.0
_POINT_SCORES = {"same_address": 0.95, "next_number": 0.85, "no_address": 0.7}
_NEXT_DOOR_SHARE = 0.9
_WELL_INSIDE_M = 5.0
_MOST_SHARERS = 4  # more parcels than this with one address are the units of a condominium: no person can choose either
_VACANT = ("95", "96")  # land-use codes of vacant land


def own_parcels(parcels: pd.DataFrame) -> pd.DataFrame:
    """Parcels by id with the parts of their own address, one row each, whatever the order of the rows."""
    rows = parcels.dropna(subset="parcel_id").sort_values(["parcel_id", "address", "latitude", "longitude"]).drop_duplicates("parcel_id")
    rows = rows[["parcel_id", "address", "latitude", "longitude"]].assign(
        is_vacant=parcels.reindex(columns=["land_use_code"])
        .loc[rows.index, "land_use_code"]
        .astype("str")
        .str.startswith(_VACANT)
        .fillna(False)
    )
    parts = standardize(rows["address"])[["address_key", "block_key", "street", "number"]]
    return rows.drop(columns="address").join(parts).set_index("parcel_id")


def trusted_points(records: pd.DataFrame) -> pd.DataFrame:
    """The point of each business that can be trusted: a permit's (at the building) before a licence's (at the street)."""
    trusted = records[records["is_point_trusted"]].sort_values(["business", "register"], ascending=[True, False], kind="stable")
    return trusted.drop_duplicates("business").set_index("business")[["longitude", "latitude"]]


def holding_parcels(main: pd.DataFrame, point: pd.DataFrame, own: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """For each business the parcel that holds its point, and what its own address says to that.

    Columns business, method, parcel_id, score, note, is_well_inside (not just over its edge), other_street (the parcel's
    own, where that is not the business's).
    """
    polygons = parcels[(parcels["geometry_kind"] == "polygon") & parcels["parcel_id"].notna()]
    index = PolygonIndex(polygons["parcel_id"], polygons["geometry"])
    metres = project(point["longitude"].fillna(0.0), point["latitude"].fillna(0.0))
    steps = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]) * _WELL_INSIDE_M
    at_point, *around = index.containing((metres + steps[:, None]).reshape(-1, 2)).reshape(len(steps), -1)
    holding = pd.Series(at_point, index=main.index, dtype="str").where(point["latitude"].notna())
    well_inside = holding.notna() & np.all([there == at_point for there in around], axis=0)
    at = own.reindex(holding.to_numpy()).set_axis(main.index)
    same_block = (at["block_key"] == main["block_key"]).fillna(False)
    is_equal = same_block & (at["number"] == main["house_number"]).fillna(False)
    is_next = same_block & ~is_equal & _is_next_number(main, at["number"], own)
    unknown = holding.notna() & at["address_key"].isna() & ~at["is_vacant"].eq(True)
    other_street = at["street"].where(at["street"] != main["street"])
    cases = [is_equal, is_next, unknown, same_block, other_street.notna()]
    score = np.select(cases[:3], [_POINT_SCORES[name] for name in ("same_address", "next_number", "no_address")], CONTRADICTED)
    notes = ["has the same address", "has the next house number", "has no address of its own", "but other house numbers lie between"]
    note = np.select(cases, [*notes, "but is on " + other_street.astype("str")], "but is vacant land")
    return pd.DataFrame(
        {
            "business": main.index,
            "method": "point_in_polygon",
            "parcel_id": holding,
            "score": score,
            "note": pd.Series("holds the register's point, ", index=main.index) + note,
            "is_well_inside": well_inside,
            "other_street": other_street,
        }
    )


def _is_next_number(main: pd.DataFrame, number: pd.Series, own: pd.DataFrame) -> pd.Series:
    """Whether no parcel of the block's side has the business's house number or one between it and that of the parcel that holds it."""
    both = main["house_number"].notna() & number.notna()
    same_side = both & ((main["house_number"] - number) % 2 == 0).fillna(False)
    known = own.dropna(subset="number")[["block_key", "number"]].drop_duplicates()
    known = known.assign(on_block=known["number"].astype("int64") % 100, side=known["number"].astype("int64") % 2)
    blocks = pd.Index(known["block_key"].unique())
    taken = np.sort(blocks.get_indexer(known["block_key"]) * 1_000 + known["side"] * 100 + known["on_block"])
    start = blocks.get_indexer(main["block_key"]) * 1_000 + (main["house_number"].fillna(0).astype("int64") % 2) * 100
    a = start + main["house_number"].fillna(0).astype("int64") % 100
    b = start + number.fillna(0).astype("int64") % 100
    # From the business's own number (were it a parcel's, that one would be meant) up to, not including, the holder's.
    low, high = np.where(a < b, a, b + 1), np.where(a < b, b, a + 1)
    between = np.searchsorted(taken, high, side="left") - np.searchsorted(taken, low, side="left")
    return same_side & (between <= 0)


def from_keys(records: pd.DataFrame) -> pd.DataFrame:
    """Parcels that a register row names by their key."""
    rows = records.dropna(subset="register_parcel_id")
    rows = rows.assign(method="parcel_key", parcel_id=rows["register_parcel_id"], score=1.0, note="named by the register itself")
    return rows[COLUMNS]


def from_addresses(records: pd.DataFrame, main: pd.DataFrame, point: pd.DataFrame) -> pd.DataFrame:
    """Parcels of the business's own address, as written or as corrected."""
    rows = records[records["address_parcel_id"].notna() & (records["address_key"] == records["business"].map(main["address_key"]))]
    where = point.reindex(rows["business"]).set_axis(rows.index)
    away = distance_m(where["longitude"], where["latitude"], rows["address_longitude"], rows["address_latitude"])
    away = away.fillna(away.groupby(rows["read_key"]).transform("min"))  # another row that writes the same address may have a point
    is_equal = rows["name_match"] == "equal"
    base = rows["name_match"].map(_CORRECTION_SCORES).astype(float).mask(_differ_in_type(rows), _OTHER_TYPE_SCORE)
    corrected = base + _POINT_AGREES * (away <= _POINT_AGREES_M)
    return rows.assign(
        method=np.where(is_equal, "address", "address_corrected"),
        parcel_id=rows["address_parcel_id"],
        score=np.where(is_equal, 1.0, corrected),
        note=np.where(is_equal, "its address is equal", "its address is equal but for " + rows["name_match"].astype("str")),
    )[COLUMNS]


def _differ_in_type(rows: pd.DataFrame) -> pd.Series:
    """Whether the written and the found street both have a type, and not the same one."""
    types = [
        standardize(rows[key])["street"].map(lambda street: split_street(street).type, na_action="ignore")
        for key in ("read_key", "address_key")
    ]
    return (types[0] != types[1]) & (types[0] != "") & (types[1] != "")


def from_neighbors(records: pd.DataFrame, main: pd.DataFrame) -> pd.DataFrame:
    """Parcels of records that are the same business by name, at another number of the block."""
    rows = records[records["address_parcel_id"].notna() & (records["address_key"] != records["business"].map(main["address_key"]))]
    by_name = records.groupby("business")["name_match_score"].min()
    return rows.assign(
        method="name_and_address",
        parcel_id=rows["address_parcel_id"],
        score=rows["business"].map(by_name) * _NEXT_DOOR_SHARE,
        note="'" + rows["business_name"] + "' stands there, " + rows["address"],
    )[COLUMNS]


def from_refused(records: pd.DataFrame) -> pd.DataFrame:
    """Parcels of corrected addresses that the row's own point contradicts: candidates for a person, never taken."""
    rows = records.dropna(subset="refused_parcel_id")
    rows = rows.assign(
        method="refused", parcel_id=rows["refused_parcel_id"], score=CONTRADICTED, note="its address is " + rows["refused_key"]
    )
    return rows[COLUMNS]


def from_shared_address(main: pd.DataFrame, own: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Parcels that have the business's address but share it with a few others, where the point does not choose among them."""
    is_open = main["address_parcel_id"].isna() & ~(held["score"] >= _POINT_SCORES["same_address"])
    same = main.loc[is_open, ["address_key"]].reset_index().merge(own["address_key"].dropna().reset_index(), on="address_key")
    count = same.groupby("business")["parcel_id"].transform("nunique")
    same = same[(count > 1) & (count <= _MOST_SHARERS)]
    return same.assign(method="shared_address", score=1.0 / count.loc[same.index], note="one of several parcels with this address")[COLUMNS]
