"""Licences and food permits as businesses, and the places on which active businesses stand.

Here the steps meet: register rows in one shape (`business_records`), which of them are one business (`business_groups`),
its lasting id (`business_ids`), its parcel (`parcel_search`), and what a person decided (`decisions`).
"""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.business_groups import group_records
from kc_pipeline.places.business_ids import assign_ids
from kc_pipeline.places.business_records import read_records
from kc_pipeline.places.decisions import apply_decisions, check_decisions, no_decisions
from kc_pipeline.places.geometry import PolygonIndex, project
from kc_pipeline.places.grouping import join_distinct
from kc_pipeline.places.parcel_search import find_parcels


@dataclass(frozen=True)
class BusinessTables:
    """What the registers and a person's decisions say together.

    Attributes:
        businesses: rows of core/businesses.
        review: rows of core/business_review.
        decisions: rows of core/business_decisions.
    """

    businesses: pd.DataFrame
    review: pd.DataFrame
    decisions: pd.DataFrame


def build_businesses(
    licenses: pd.DataFrame,
    permits: pd.DataFrame,
    located: pd.DataFrame,
    parcels: pd.DataFrame,
    history: pd.DataFrame | None = None,
    decisions: pd.DataFrame | None = None,
) -> BusinessTables:
    """The businesses in Kansas City, Missouri that have a numbered address; addresses elsewhere are left out.

    Args:
        licenses: rows of clean/business_licenses.
        permits: rows of clean/food_permits.
        located: rows of `business_records.locate_registers`.
        parcels: rows of clean/parcels.
        history: rows of core/business_history, from which ids are carried on; None: no earlier snapshot.
        decisions: rows of `decisions.read_decisions`; None: nobody decided anything.
    """
    parcel_ids = pd.Index(parcels["parcel_id"].dropna().unique())
    records = group_records(read_records(licenses, permits, located, parcel_ids))
    businesses = _one_row_each(records, find_parcels(records, parcels), assign_ids(records, history))
    earlier = pd.Index([] if history is None else history["business_id"].unique(), dtype="str")
    rows = no_decisions() if decisions is None else decisions
    checked = check_decisions(rows, pd.Index(businesses["business_id"]), earlier, parcel_ids)
    businesses = apply_decisions(businesses, checked)
    place = ("parcel:" + businesses["parcel_id"]).fillna("address:" + businesses["address_key"])
    businesses = businesses.assign(business_parcel_id=place).sort_values("business_id", ignore_index=True)
    review = businesses[businesses["reason"].notna()].reset_index(drop=True)
    return BusinessTables(businesses, review, checked)


def build_business_parcels(
    businesses: pd.DataFrame, parcels: pd.DataFrame, gazetteer: pd.DataFrame, districts: pd.DataFrame
) -> pd.DataFrame:
    """One row per place with at least one active business.

    Returns:
        Frame in the columns of core/business_parcels, sorted by business_parcel_id.  The position is the parcel's own
        point, else the address's, else the register's (EPSG:4326).  The address is the parcel's own where a business uses
        it, else the one that most of its businesses have, the lowest of several.
    """
    active = businesses[businesses["is_active"]]
    own = parcels.dropna(subset="parcel_id").sort_values(["parcel_id", "address", "latitude", "longitude"]).drop_duplicates("parcel_id")
    own = own.set_index("parcel_id")
    own_key = standardize(own["address"])["address_key"]
    users = active.groupby(["business_parcel_id", "address_key"])["business_id"].transform("nunique")
    is_own = (active["address_key"] == active["parcel_id"].map(own_key)).fillna(False)
    active = active.assign(users=users, is_own=is_own).sort_values(
        ["business_parcel_id", "is_own", "users", "address_key", "business_id"], ascending=[True, False, False, True, True]
    )
    places = active.groupby("business_parcel_id", as_index=False).agg(
        parcel_id=("parcel_id", "first"),
        business_count=("business_id", "nunique"),
        address=("address", "first"),
        address_key=("address_key", "first"),
        block_key=("block_key", "first"),
        zip_code=("zip_code", "first"),
        register_latitude=("latitude", "median"),
        register_longitude=("longitude", "median"),
    )
    types = active.assign(business_type=active["business_types"].str.split(";")).explode("business_type")
    places["business_names"] = places["business_parcel_id"].map(join_distinct(active["business_parcel_id"], active["business_name"]))
    places["business_types"] = places["business_parcel_id"].map(join_distinct(types["business_parcel_id"], types["business_type"]))
    known = gazetteer[gazetteer["address_kind"] == "numbered"].set_index("address_key")
    for axis in ("latitude", "longitude"):
        of_parcel = places["parcel_id"].map(own[axis]).astype(float)
        of_address = places["address_key"].map(known[axis]).astype(float)
        places[axis] = of_parcel.fillna(of_address).fillna(places.pop(f"register_{axis}"))
    places["geometry_kind"] = places["parcel_id"].map(own["geometry_kind"]).fillna("address")
    return with_districts(places, districts).sort_values("business_parcel_id", ignore_index=True)


def _one_row_each(records: pd.DataFrame, found: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    """Businesses before any decision, in the columns of core/businesses and core/business_review."""
    main = records.loc[found["main"]].set_axis(found.index)
    by_business = records.groupby("business")
    of_register = {name: records[records["register"] == name] for name in ("licence", "permit")}
    columns = ["business_name", "address_key", "block_key", "address", "zip_code", "no_location_reason"]
    return pd.DataFrame(
        {
            "business_id": ids.reindex(found.index),
            **{name: main[name] for name in columns},
            "business_name": main["business_name"].str.replace(";", ","),
            "business_types": join_distinct(records["business"], records["business_type"].str.replace(";", ",")),
            "license_ids": join_distinct(of_register["licence"]["business"], of_register["licence"]["number"]),
            "permit_numbers": join_distinct(of_register["permit"]["business"], of_register["permit"]["number"]),
            "valid_until": records.dropna(subset="valid_until").sort_values("valid_until").groupby("business")["valid_until"].last(),
            "is_active": by_business["is_active"].any(),
            "latitude": by_business["latitude"].median(),
            "longitude": by_business["longitude"].median(),
            **found.drop(columns="main"),
        },
        index=found.index,
    ).reset_index(drop=True)


_COLUMN_OF_DISTRICT = {"neighborhood": "neighborhood", "council_district": "council_district", "patrol_division": "division"}


def with_districts(places: pd.DataFrame, districts: pd.DataFrame, kinds: Collection[str] = tuple(_COLUMN_OF_DISTRICT)) -> pd.DataFrame:
    """Places with the neighborhood, council district and patrol division that each lies in, or with some of these.

    Args:
        places: latitude and longitude of each, missing where it has no position.
        districts: rows of clean/districts.
        kinds: kinds of district that are asked for.
    """
    asked = places[["longitude", "latitude"]].astype(float).fillna(0.0)
    codes = asked.groupby(["longitude", "latitude"], sort=False).ngroup().to_numpy()
    distinct = asked[~asked.duplicated()]  # many events share a point: a block's, or an address's
    points = project(distinct["longitude"], distinct["latitude"])
    named = {}
    for kind in kinds:
        of_kind = districts[districts["district_kind"] == kind]
        found = PolygonIndex(of_kind["district_name"], of_kind["geometry"]).containing(points)
        named[_COLUMN_OF_DISTRICT[kind]] = pd.Series(found[codes], index=places.index, dtype="str").where(places["latitude"].notna())
    return places.assign(**named)
