"""Which business place an event belongs to, how well that is known, and what remains unattributed.

The precision ladder is never climbed: only a parcel key, an equal address or an exact point ties an event to one place
(EXACT, NEAR); an event known to its block is shared over all places of the block, business or not, and the share of the
places without a business stays unattributed.  The shares of each event sum to one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.geometry import PolygonIndex, project

TIED = ("EXACT", "NEAR")
_STATUS_EXCLUSIONS = {"canceled": "canceled_at_source", "duplicate": "duplicate_at_source"}
_COLUMNS = [
    "event_id", "business_parcel_id", "feed", "month", "report_date", "available_date", "category", "exclusion_reason",
    "attribution_method", "precision", "distance_m", "weight",
]  # fmt: skip


def distinct_events(events: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Events of all feeds, each event_id once.

    An event that stands in two months (a report that is in two yearly sets with different dates) is kept where its
    address is exact, else where it was reported first.
    """
    together = pd.concat(events, ignore_index=True)
    together["is_exact"] = together["address_precision"] == "exact"
    ordered = together.sort_values(["event_id", "is_exact", "report_date"], ascending=[True, False, True], kind="stable")
    return ordered.drop_duplicates("event_id").drop(columns="is_exact").reset_index(drop=True)


def attribute_events(
    events: pd.DataFrame, business_parcels: pd.DataFrame, parcels: pd.DataFrame, gazetteer: pd.DataFrame, place_count: pd.Series
) -> pd.DataFrame:
    """Shares of each event at business places.

    Args:
        events: distinct events with event_id, feed, month, report_date, available_date, category, address,
            address_precision, parcel_id, latitude, longitude, and where a feed has them current_status and
            is_officer_initiated.
        business_parcels: rows of core/business_parcels.
        parcels: rows of clean/parcels.
        gazetteer: rows of core/gazetteer.
        place_count: distinct places on each block, indexed by block_key.

    Returns:
        Frame in the columns of core/event_attribution, sorted by event_id and place: rows at a business place, and one
        row without a place for what remains.
    """
    events = events.join(standardize(events["address"]))
    events["exclusion_reason"] = _exclusion_reason(events)
    tied = _tie_to_place(events, business_parcels, parcels, gazetteer)
    shared = _share_over_block(events[~events.index.isin(tied.index)], business_parcels, place_count)
    rows = pd.concat([tied, shared, _unattributed(events, tied, shared)], ignore_index=True)
    return rows.reindex(columns=_COLUMNS).sort_values(["event_id", "business_parcel_id"], ignore_index=True)


def _exclusion_reason(events: pd.DataFrame) -> pd.Series:
    none = pd.Series(pd.NA, index=events.index, dtype="str")
    reason = events["current_status"].map(_STATUS_EXCLUSIONS).astype("str") if "current_status" in events else none
    if "is_officer_initiated" in events:
        officer = events["is_officer_initiated"].astype("boolean").fillna(False)
        reason = reason.mask(officer, "officer_initiated")
    return reason


def _tie_to_place(events: pd.DataFrame, business_parcels: pd.DataFrame, parcels: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Events tied to one parcel or address, whether a business stands there or not; indexed as `events`."""
    exact = events[events["address_precision"] == "exact"]
    known = parcels["parcel_id"].dropna().unique()
    by_key = exact["parcel_id"].where(exact["parcel_id"].isin(known))
    addresses = gazetteer.set_index("address_key")
    parcel_there = exact["address_key"].map(addresses["parcel_id"])
    address_place = ("address:" + exact["address_key"]).where(exact["address_key"].isin(business_parcels["address_key"]))
    located = exact[exact["latitude"].notna() & by_key.isna() & parcel_there.isna() & address_place.isna()]
    polygons = parcels[parcels["geometry_kind"] == "polygon"]
    index = PolygonIndex(polygons["parcel_id"], polygons["geometry"])
    points = project(located["longitude"], located["latitude"])
    distinct, back = np.unique(points, axis=0, return_inverse=True)
    holding = pd.Series(index.containing(distinct)[back], index=located.index, dtype="str").reindex(exact.index)
    beside, metres = index.only_neighbor(distinct)
    near = pd.Series(beside[back], index=located.index, dtype="str").reindex(exact.index)
    distance = pd.Series(metres[back], index=located.index).reindex(exact.index)

    candidates = {
        "parcel_key": "parcel:" + by_key,
        "equal_address": ("parcel:" + parcel_there).fillna(address_place),
        "point_in_polygon": "parcel:" + holding,
        "near_parcel": "parcel:" + near,
    }
    place = pd.Series(pd.NA, index=exact.index, dtype="str")
    method = pd.Series(pd.NA, index=exact.index, dtype="str")
    for name, candidate in candidates.items():
        method = method.mask(place.isna() & candidate.notna(), name)
        place = place.fillna(candidate)
    tied = exact.assign(
        business_parcel_id=place.where(place.isin(business_parcels["business_parcel_id"])),
        attribution_method=method,
        precision=np.where(method == "near_parcel", "NEAR", "EXACT"),
        distance_m=distance.where(method == "near_parcel"),
        weight=1.0,
    )
    return tied[place.notna()]


def _share_over_block(events: pd.DataFrame, business_parcels: pd.DataFrame, place_count: pd.Series) -> pd.DataFrame:
    """Equal shares of block events at the business places of the block."""
    block = events[events["address_precision"].eq("block") & events["block_key"].notna()]
    places = business_parcels[["business_parcel_id", "block_key"]].dropna()
    shares = block.merge(places, on="block_key")
    count = shares["block_key"].map(place_count).astype(float)
    return shares.assign(attribution_method="block_share", precision="BLOCK", distance_m=np.nan, weight=1.0 / count)


def _unattributed(events: pd.DataFrame, tied: pd.DataFrame, shared: pd.DataFrame) -> pd.DataFrame:
    """What remains of each event that is not tied: one row without a place."""
    given = shared.groupby("event_id")["weight"].sum()
    rest = events[~events.index.isin(tied.index)].copy()
    rest["weight"] = 1.0 - rest["event_id"].map(given).astype(float).fillna(0.0)
    rest = rest[rest["weight"] > 1e-9]
    precision = np.select(
        [rest["address_precision"].eq("intersection"), rest["address_precision"].eq("block"), rest["latitude"].notna()],
        ["INTERSECTION", "BLOCK", "AREA"],
        "NONE",
    )
    return rest.assign(business_parcel_id=None, attribution_method="none", precision=precision, distance_m=np.nan)
