"""Which business place an event belongs to, how well that is known, and what remains unattributed.

The precision ladder is never climbed.  Only a parcel key, an equal address or an exact point ties an event to one place
(EXACT, NEAR); an event known to its block is shared over all places of the block, business or not (BLOCK), and the share
of the places without a business stays unattributed; an event known to a corner (INTERSECTION) or an area (AREA) is no
place's.  The shares of each event, the unattributed one included, sum to one.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import shapely

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.membership import among, rows_among
from kc_pipeline.places.geometry import PolygonIndex, project, project_shapes
from kc_pipeline.places.grouping import distinct_rows
from kc_pipeline.places.locate import locate
from kc_pipeline.places.locations import Locations

TIED = ("EXACT", "NEAR")
MOST_ADDRESSES_AT_A_POINT = 10
_POINT = ["longitude", "latitude"]
_READ = (
    "event_id", "feed", "month", "report_date", "available_date", "category", "address", "address_precision", "parcel_id",
    "latitude", "longitude", "current_status", "is_officer_initiated",
)  # fmt: skip
_STATUS_EXCLUSIONS = {"canceled": "canceled_at_source", "duplicate": "duplicate_at_source"}
_COLUMNS = [
    "event_id", "business_parcel_id", "feed", "month", "report_date", "available_date", "category", "exclusion_reason",
    "attribution_method", "precision", "distance_m", "candidate_count", "weight",
]  # fmt: skip


def attribution_columns(feed: str) -> list[str]:
    """Columns of a feed's clean table that attribution needs."""
    return [name for name in _READ if name in TABLES[f"clean/{feed}"].column_names]


def distinct_events(events: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Events of all feeds, each event_id once.

    An event that stands in two months (a report that is in two yearly sets with different dates) is kept where its
    address is exact, else where it was reported first.
    """
    together = pd.concat(events, ignore_index=True)
    together["is_exact"] = together["address_precision"] == "exact"
    ordered = together.sort_values(["event_id", "is_exact", "report_date"], ascending=[True, False, True], kind="stable")
    return ordered.drop_duplicates("event_id").drop(columns="is_exact").reset_index(drop=True)


def locate_addresses(asked: pd.DataFrame, gazetteer: pd.DataFrame, known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Every address text of the events, located once.

    Args:
        asked: rows with address and address_precision; what is repeated counts once.
        gazetteer: rows of core/gazetteer.
        known: what this gazetteer said before; only other texts are looked up in it.

    Returns:
        Frame in the columns of core/located_addresses, sorted by address and address_precision; see `locate.locate`.
    """
    keys = ["address", "address_precision"]
    asked = asked[keys].dropna().drop_duplicates()
    kept = None if known is None else known[rows_among(known, asked, keys)]
    new = asked if kept is None else asked[~rows_among(asked, kept, keys)]
    new = new.sort_values(keys, ignore_index=True)
    found = locate(new["address"], gazetteer, exact=new["address_precision"] == "exact")
    located = new.join(found).rename(columns={"candidates": "candidate_count"})
    block = located["found_key"].where(located["found_kind"] == "block")
    located = located.assign(block_key=block.fillna(located["block_key"]).astype("str"))
    if kept is None:
        return located
    return pd.concat([kept, located.reindex(columns=kept.columns)], ignore_index=True).sort_values(keys, ignore_index=True)


def tied_by_name(addresses: pd.Series, parcel_ids: pd.Series, located: pd.DataFrame, parcels: pd.DataFrame) -> pd.Series:
    """Whether key or address of exact events name a place, so that their points are not asked.

    Args:
        addresses: address texts.
        parcel_ids: parcel keys, of the same rows.
        located: rows of core/located_addresses.
        parcels: rows of clean/parcels.
    """
    is_equal = located["found_kind"].eq("numbered") & located["name_match"].eq("equal") & located["address_precision"].eq("exact")
    return among(addresses, located.loc[is_equal, "address"]) | among(parcel_ids, parcels["parcel_id"])


def crowded_points(points: pd.DataFrame) -> pd.MultiIndex:
    """Longitude and latitude of points that too many addresses share: a geocoder's default, not a place.

    Args:
        points: longitude, latitude and address of exact events that only their point can tie; what is repeated counts once.
    """
    sharers = points.groupby(_POINT)["address"].nunique()
    return pd.MultiIndex.from_frame(sharers[sharers > MOST_ADDRESSES_AT_A_POINT].index.to_frame(index=False))


def attribute_events(
    events: pd.DataFrame,
    located: pd.DataFrame,
    business_parcels: pd.DataFrame,
    parcels: pd.DataFrame,
    block_places: pd.DataFrame,
    locations: Locations | None = None,
    crowded: pd.MultiIndex | None = None,
) -> pd.DataFrame:
    """Shares of each event at business places.

    Args:
        events: distinct events with event_id, feed, month, report_date, available_date, category, address,
            address_precision, parcel_id, latitude, longitude, and where a feed has them current_status and
            is_officer_initiated.
        located: rows of core/located_addresses for the events' addresses.
        business_parcels: rows of core/business_parcels.
        parcels: rows of clean/parcels.
        block_places: rows of core/block_places.
        locations: points already placed among these parcels; those that are placed here are added to it.
        crowded: points that tie nothing, see `crowded_points`; None: those of these events.

    Returns:
        Frame in the columns of core/event_attribution, sorted by event_id and place: rows at a business place, and one
        row without a place for what remains.  distance_m is from the event's own point to the parcel that it is tied to
        (0 inside it; missing where either has no position).  candidate_count is how many places came into question: those that
        key and address name, or the point if they name none, or places on the block.
    """
    keys = ["address", "address_precision"]
    place = located[among(located["address"], events["address"])].set_index(keys)[
        ["found_kind", "found_key", "name_match", "address_kind", "block_key", "parcel_id"]
    ]
    place = place.rename(columns={"parcel_id": "address_parcel"}).reindex(pd.MultiIndex.from_frame(events[keys]))
    events = pd.concat([events.drop(columns="block_key", errors="ignore"), place.set_axis(events.index)], axis="columns")
    events["exclusion_reason"] = _exclusion_reason(events)
    if crowded is None:
        has_point = events["address_precision"].eq("exact") & events["latitude"].notna() & events["address"].notna()
        crowded = crowded_points(events[has_point & ~tied_by_name(events["address"], events["parcel_id"], located, parcels)])
    tied = _tie_to_place(events, business_parcels, parcels, block_places, locations or Locations(), crowded)
    rest = events[~events.index.isin(tied.index)]
    shared = _share_over_block(rest, business_parcels, block_places)
    rows = pd.concat([tied, shared, _unattributed(rest, shared, block_places)], ignore_index=True)
    rows["candidate_count"] = rows["candidate_count"].astype("int64")
    return rows.reindex(columns=_COLUMNS).sort_values(["event_id", "business_parcel_id"], ignore_index=True)


def _exclusion_reason(events: pd.DataFrame) -> pd.Series:
    none = pd.Series(pd.NA, index=events.index, dtype="str")
    reason = events["current_status"].map(_STATUS_EXCLUSIONS).astype("str") if "current_status" in events else none
    if "is_officer_initiated" in events:
        officer = events["is_officer_initiated"].astype("boolean").fillna(False)
        reason = reason.mask(officer, "officer_initiated")
    return reason


def _tie_to_place(
    events: pd.DataFrame,
    business_parcels: pd.DataFrame,
    parcels: pd.DataFrame,
    block_places: pd.DataFrame,
    locations: Locations,
    crowded: pd.MultiIndex,
) -> pd.DataFrame:
    """Events tied to one parcel or address, whether a business stands there or not; indexed as `events`."""
    exact = events[events["address_precision"] == "exact"]
    known = parcels.dropna(subset="parcel_id").drop_duplicates("parcel_id").set_index("parcel_id")
    by_key = known.index.get_indexer(exact["parcel_id"])
    is_address = (exact["found_kind"].eq("numbered") & exact["name_match"].eq("equal")).to_numpy()
    by_address = np.where(is_address, known.index.get_indexer(exact["address_parcel"]), -1)
    bare, bare_addresses = pd.factorize(exact["found_key"].where(is_address & (by_address < 0)))
    by_address = np.where(bare >= 0, len(known) + bare, by_address)
    rest = exact[(by_key < 0) & (by_address < 0) & exact["latitude"].notna().to_numpy()]
    shapes = known["geometry"].to_numpy(dtype=object)
    rest = rest[crowded.get_indexer(pd.MultiIndex.from_frame(rest[_POINT])) < 0] if len(crowded) else rest
    holding, near, metres = _by_point(rest, locations, lambda points: PolygonIndex(known.index, shapes, points), block_places)
    candidates = {"parcel_key": by_key, "equal_address": by_address}
    for name, found in (("point_in_polygon", holding), ("near_parcel", near)):
        candidates[name] = known.index.get_indexer(found.reindex(exact.index))
    named = np.column_stack(list(candidates.values()))
    first = (named >= 0).argmax(axis=1)
    place = named[np.arange(len(exact)), first]
    names = np.concatenate(["parcel:" + known.index.to_numpy(object), "address:" + bare_addresses.to_numpy(object), [None]])
    names[pd.Index(business_parcels["business_parcel_id"].to_numpy(object)).get_indexer(names) < 0] = None
    method = np.array(list(candidates), dtype=object)[first]
    tied = exact.assign(
        business_parcel_id=pd.array(names[place], dtype="str"),
        attribution_method=method,
        precision=np.where(method == "near_parcel", "NEAR", "EXACT"),
        distance_m=_metres_off(exact, np.where(place < len(known), place, -1), shapes).fillna(metres.reindex(exact.index).astype(float)),
        candidate_count=(np.diff(np.sort(named, axis=1), prepend=-1, axis=1) > 0).sum(axis=1),
        weight=1.0,
    )
    return tied[place >= 0]


def _by_point(
    located: pd.DataFrame, locations: Locations, index: Callable[[np.ndarray], PolygonIndex], block_places: pd.DataFrame
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Parcel that holds each event's point, else the only one within a few metres, and how far that is.

    Where the event names a house number, and registers know other ones for the parcel, point and address contradict each
    other and the point ties nothing.
    """
    found_at = locations.at(located, index)
    holding, near = found_at["holding_parcel_id"], found_at["neighbor_parcel_id"]
    addressed = pd.Index(block_places.loc[block_places["placed_by"] == "address", "parcel_id"].dropna().unique())
    has_number = located["address_kind"] == "numbered"
    holding, near = (found.mask(has_number & (addressed.get_indexer(found) >= 0)) for found in (holding, near))
    return holding, near, found_at["distance_m"]


def _metres_off(events: pd.DataFrame, row: np.ndarray, shapes: np.ndarray) -> pd.Series:
    """Metres from each event's own point to the shape (WKB in EPSG:4326) of the parcel it is tied to, given as its row."""
    measured = np.flatnonzero((row >= 0) & events["latitude"].notna().to_numpy())
    asked = events[_POINT].iloc[measured].assign(row=row[measured])
    pairs, back = distinct_rows(asked, [*_POINT, "row"])  # many events lie at one point of one parcel
    tied_to, of_pair = np.unique(pairs["row"], return_inverse=True)
    metric = project_shapes(shapely.from_wkb(shapes[tied_to]))
    metres = shapely.distance(shapely.points(project(pairs["longitude"], pairs["latitude"])), metric[of_pair])
    return pd.Series(metres[back], index=events.index[measured], dtype=float).reindex(events.index)


def _share_over_block(events: pd.DataFrame, business_parcels: pd.DataFrame, block_places: pd.DataFrame) -> pd.DataFrame:
    """Equal shares of block events at the business places of the block."""
    block = events[events["address_precision"].eq("block") & events["address_kind"].eq("numbered")]
    count = block_places.groupby("block_key").size()
    places = block_places.loc[among(block_places["place_id"], business_parcels["business_parcel_id"]), ["place_id", "block_key"]]
    shares = block.merge(places.rename(columns={"place_id": "business_parcel_id"}), on="block_key")
    shares["candidate_count"] = shares["block_key"].map(count)
    return shares.assign(
        attribution_method="block_share", precision="BLOCK", distance_m=np.nan, weight=1.0 / shares["candidate_count"].astype(float)
    )


def _unattributed(rest: pd.DataFrame, shared: pd.DataFrame, block_places: pd.DataFrame) -> pd.DataFrame:
    """What remains of each event that is not tied: one row without a place."""
    given = shared.groupby("event_id")["weight"].sum()
    rest = rest.assign(weight=1.0 - rest["event_id"].map(given).astype(float).fillna(0.0))
    rest = rest[rest["weight"] > 1e-9]
    kind = rest["address_kind"].where(rest["address_precision"] != "none", "none")
    precision = np.select(
        [kind.eq("numbered") & rest["address_precision"].ne("intersection"), kind.eq("intersection"), rest["latitude"].notna()],
        ["BLOCK", "INTERSECTION", "AREA"],
        "NONE",
    )
    on_block = rest["block_key"].map(block_places.groupby("block_key").size()).fillna(0)
    count = np.where(precision == "BLOCK", on_block, 0)
    return rest.assign(business_parcel_id=None, attribution_method="none", precision=precision, distance_m=np.nan, candidate_count=count)
