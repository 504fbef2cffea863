"""Which records of the registers are one business.

Rows of one licence at one address are one business, whatever their classes; so are rows of one name at one place.  A food
permit joins the licence at the same place whose name is most like its own, else one a few houses on whose name is nearly
the same.  Two names at one place stay apart, and so do branches of a chain at different places: a permit joins one
licence, licences never join through a permit.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kc_pipeline.places.names import name_similarity

# Judged by eye on the city's permits of 2017 and licences of 2026: from SIMILAR on nearly all pairs at one address are one
# business, below 0.75 they begin to be tenants ('Subway at Walmart'); next door that begins below 0.88.
SIMILAR = 0.77
NEARLY_EQUAL = 0.9
# House numbers of one side of a block within this of each other are next door.
NEXT_DOOR = 10
_NAMED = ["business", "place", "address_key", "block_key", "house_number", "number"]


def group_records(records: pd.DataFrame) -> pd.DataFrame:
    """Say which records are one business.

    Args:
        records: rows of `business_records.read_records`.

    Returns:
        `records`, sorted as they came, with

        - business: a number per business;
        - name_match_score: how alike the name of a permit is to that of the licence it joined; 1 where names are equal.
    """
    place = ("parcel:" + records["register_parcel_id"].fillna(records["address_parcel_id"])).fillna("address:" + records["address_key"])
    records = records.assign(place=place, business=np.arange(len(records)), name_match_score=1.0)
    same_name = records.groupby(["place", "name_key"]).ngroup()
    same_record = records.groupby(["register", "number", "read_key"]).ngroup()
    records["business"] = _components(records["business"], [same_name, same_record])
    records["business"] = _join_departments(records)
    has_licence = (records["register"] == "licence").groupby(records["business"]).transform("any")
    licences, permits = records[has_licence], records[~has_licence]
    joined = _best_partner(_scored(_pairs(permits, licences, "place")), SIMILAR)
    left = permits[~permits["business"].isin(joined.index)]
    joined = pd.concat([joined, _best_partner(_unequivocal(_scored(_next_door(left, licences))), NEARLY_EQUAL)])
    partner, score = records["business"].map(joined["business_partner"]), records["business"].map(joined["score"])
    return records.assign(business=partner.fillna(records["business"]).astype("int64"), name_match_score=score.fillna(1.0).astype(float))


def _components(part: pd.Series, labels: Sequence[pd.Series]) -> pd.Series:
    """Numbers of rows that hang together by any of several labels: the lowest of them."""
    while True:
        merged = part
        for label in labels:
            merged = merged.groupby(label).transform("min")
        if merged.equals(part):
            return part
        part = merged


def _join_departments(records: pd.DataFrame) -> pd.Series:
    """Number of the business of each record after permits of nearly equal names at one place became one: a shop's departments."""
    permits = records[records["register"] == "permit"]
    pairs = _scored(_pairs(permits, permits, "place").query("business < business_partner"))
    pairs = pairs[pairs["score"] >= NEARLY_EQUAL]
    businesses = records["business"].drop_duplicates().set_axis(records["business"].drop_duplicates())
    partner = pairs["business_partner"].to_numpy()
    part = businesses
    while True:
        lowest = pd.Series(np.minimum(part.loc[pairs["business"]].to_numpy(), part.loc[partner].to_numpy()))
        both = pd.concat([lowest.set_axis(pairs["business"]), lowest.set_axis(partner), part])
        merged = both.groupby(level=0).min().reindex(part.index)
        if merged.equals(part):
            return records["business"].map(part).astype("int64")
        part = merged


def _pairs(left: pd.DataFrame, right: pd.DataFrame, on: str) -> pd.DataFrame:
    """Every name of one business beside every name of another that shares a column with it."""
    return _names(left).merge(_names(right), on=on, suffixes=("", "_partner"))


def _names(records: pd.DataFrame) -> pd.DataFrame:
    names = [records[_NAMED].assign(name=records[column]) for column in ("business_name", "other_name")]
    return pd.concat(names, ignore_index=True).dropna(subset="name").drop_duplicates()


def _next_door(permits: pd.DataFrame, licences: pd.DataFrame) -> pd.DataFrame:
    """Pairs on one side of a block: a few houses apart, or anywhere on it where just one of the two has a parcel."""
    pairs = _pairs(permits, licences, "block_key")
    apart = (pairs["house_number"] - pairs["house_number_partner"]).abs()
    has_parcel = pairs["place"].str.startswith("parcel:") != pairs["place_partner"].str.startswith("parcel:")
    return pairs[(apart % 2 == 0) & ((apart <= NEXT_DOOR) | has_parcel)]


def _scored(pairs: pd.DataFrame) -> pd.DataFrame:
    distinct = pairs[["name", "name_partner"]].drop_duplicates()
    scores = [name_similarity(*names) for names in distinct.itertuples(index=False, name=None)]
    return pairs.merge(distinct.assign(score=np.array(scores, dtype=float)), on=["name", "name_partner"])


def _unequivocal(pairs: pd.DataFrame) -> pd.DataFrame:
    """The best pairs of each business, if they name one partner."""
    best = pairs[pairs["score"] == pairs.groupby("business")["score"].transform("max")]
    return best[best.groupby("business")["business_partner"].transform("nunique") == 1]


def _best_partner(pairs: pd.DataFrame, least: float) -> pd.DataFrame:
    """Columns business_partner and score, indexed by business: the partner most like it, none below `least`.

    Of several that are equally like it the one at the same address, then the one of the lowest licence number.
    """
    pairs = pairs.assign(is_elsewhere=pairs["address_key"] != pairs["address_key_partner"])
    order = ["business", "score", "is_elsewhere", "number_partner"]
    best = pairs[pairs["score"] >= least].sort_values(order, ascending=[True, False, True, True]).drop_duplicates("business")
    return best.set_index("business")[["business_partner", "score"]]
