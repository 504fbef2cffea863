"""Licences and food permits as businesses, and the places on which active businesses stand.

One business is one name at one address: its licence classes and its food permit are joined, two names at one address
stay apart.  Its parcel is found by the address, else by a point inside a parcel whose own address does not contradict it;
a business without a parcel keeps its address as its place.
"""

import hashlib
import re

import numpy as np
import pandas as pd

from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.geometry import PolygonIndex, project
from kc_pipeline.places.grouping import join_distinct

# Licences are paid by calendar year and the register is published late: one that was paid for the year before the newest
# paid year still counts as active.
LICENSE_GRACE_DAYS = 366
_CLOSED = frozenset({"suspended", "closed", "inactive", "revoked"})
_CITY_NAMES = frozenset({"KANSAS CITY", "KCMO"})
_MISSOURI = frozenset({"MO", "MISSOURI"})
_LEGAL_FORM = re.compile(r"\b(LLC|L L C|INC|INCORPORATED|CORP|CORPORATION|CO|COMPANY|LTD|LP|LLP)\b")


def normalize_name(name: str) -> str:
    """A business name for comparison: upper case, no punctuation, legal form or trailing permit number."""
    text = re.sub(r"[^A-Z0-9& ]", " ", name.upper().replace("'", ""))
    text = re.sub(r"\s\d{5,}$", "", _LEGAL_FORM.sub(" ", text).strip())
    return " ".join(text.split())


def lies_in_city(rows: pd.DataFrame) -> pd.Series:
    """Whether city and state of each row say Kansas City, Missouri (a postal city: the city limits are not asked)."""
    city = rows["city"].str.strip().str.upper().isin(_CITY_NAMES)
    return city & rows["state"].str.strip().str.upper().isin(_MISSOURI)


def build_businesses(licenses: pd.DataFrame, permits: pd.DataFrame, gazetteer: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """One row per business in Kansas City, Missouri that has a numbered address.

    Args:
        licenses: rows of clean/business_licenses.
        permits: rows of clean/food_permits.
        gazetteer: rows of core/gazetteer.
        parcels: rows of clean/parcels.

    Returns:
        Frame in the columns of core/businesses, sorted by business_id.  Addresses elsewhere are left out.
    """
    rows = pd.concat([_from_licenses(licenses), _from_permits(permits)], ignore_index=True)
    rows = rows[lies_in_city(rows) & rows["business_name"].notna()]
    rows = rows.join(standardize(rows["address"])).query("address_kind == 'numbered'")
    names = {name: normalize_name(name) for name in rows["business_name"].unique()}
    rows["name_key"] = rows["business_name"].map(names)
    rows = rows.sort_values(["address_key", "name_key", "business_name", "license_id", "permit_number"])
    rows["business_id"] = _business_ids(rows["name_key"], rows["address_key"])
    businesses = rows.groupby("business_id", as_index=False).agg(
        address_key=("address_key", "first"),
        business_name=("business_name", "first"),
        license_id=("license_id", "min"),
        permit_number=("permit_number", "min"),
        valid_until=("valid_until", "max"),
        is_active=("is_active", "max"),
        block_key=("block_key", "first"),
        address=("address", "first"),
        zip_code=("zip_code", "first"),
        latitude=("latitude", "median"),
        longitude=("longitude", "median"),
        no_location_reason=("no_location_reason", "first"),
    )
    businesses["business_types"] = businesses["business_id"].map(join_distinct(rows["business_id"], rows["business_type"]))
    businesses = _find_parcels(businesses, gazetteer, parcels)
    return businesses.sort_values("business_id", ignore_index=True)


def build_business_parcels(
    businesses: pd.DataFrame, parcels: pd.DataFrame, gazetteer: pd.DataFrame, districts: pd.DataFrame
) -> pd.DataFrame:
    """One row per place with at least one active business.

    Returns:
        Frame in the columns of core/business_parcels, sorted by business_parcel_id.  The position is the parcel's own
        point, else the address's, else the licence's (EPSG:4326).
    """
    active = businesses[businesses["is_active"]].sort_values(["business_parcel_id", "business_name"])
    places = active.groupby("business_parcel_id", as_index=False).agg(
        parcel_id=("parcel_id", "first"),
        business_count=("business_id", "nunique"),
        address=("address", "first"),
        address_key=("address_key", "first"),
        block_key=("block_key", "first"),
        zip_code=("zip_code", "first"),
        license_latitude=("latitude", "median"),
        license_longitude=("longitude", "median"),
    )
    types = active.assign(business_type=active["business_types"].str.split(";")).explode("business_type")
    places["business_names"] = places["business_parcel_id"].map(join_distinct(active["business_parcel_id"], active["business_name"]))
    places["business_types"] = places["business_parcel_id"].map(join_distinct(types["business_parcel_id"], types["business_type"]))
    own = parcels.drop_duplicates("parcel_id").set_index("parcel_id")
    known = gazetteer.set_index("address_key")
    for axis in ("latitude", "longitude"):
        of_parcel = places["parcel_id"].map(own[axis]).astype(float)
        of_address = places["address_key"].map(known[axis]).astype(float)
        places[axis] = of_parcel.fillna(of_address).fillna(places.pop(f"license_{axis}"))
    places["geometry_kind"] = places["parcel_id"].map(own["geometry_kind"]).fillna("address")
    return _with_districts(places, districts)


def _with_districts(places: pd.DataFrame, districts: pd.DataFrame) -> pd.DataFrame:
    columns = {"neighborhood": "neighborhood", "council_district": "council_district", "patrol_division": "division"}
    points = project(places["longitude"].fillna(0.0), places["latitude"].fillna(0.0))
    for kind, column in columns.items():
        of_kind = districts[districts["district_kind"] == kind]
        found = PolygonIndex(of_kind["district_name"], of_kind["geometry"]).containing(points)
        places[column] = pd.Series(found, index=places.index, dtype="str").where(places["latitude"].notna())
    return places.sort_values("business_parcel_id", ignore_index=True)


def _from_licenses(licenses: pd.DataFrame) -> pd.DataFrame:
    newest = licenses["valid_until"].max()
    days_behind = (pd.to_datetime(newest) - pd.to_datetime(licenses["valid_until"])).dt.days
    return licenses.assign(is_active=(days_behind < LICENSE_GRACE_DAYS).fillna(False), permit_number=None)


def _from_permits(permits: pd.DataFrame) -> pd.DataFrame:
    active = ~permits["case_status"].str.lower().isin(_CLOSED)
    return permits.rename(columns={"establishment_name": "business_name"}).assign(is_active=active, license_id=None, valid_until=None)


def _find_parcels(businesses: pd.DataFrame, gazetteer: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    parcel_of_address = gazetteer.set_index("address_key")["parcel_id"]
    by_address = businesses["address_key"].map(parcel_of_address)
    polygons = parcels[parcels["geometry_kind"] == "polygon"]
    index = PolygonIndex(polygons["parcel_id"], polygons["geometry"])
    points = project(businesses["longitude"].fillna(0.0), businesses["latitude"].fillna(0.0))
    holding = pd.Series(index.containing(points), index=businesses.index, dtype="str").where(businesses["latitude"].notna())
    block_of_parcel = standardize(parcels["address"]).set_index(parcels["parcel_id"])["block_key"]
    block_of_parcel = block_of_parcel[~block_of_parcel.index.duplicated()]
    block_there = holding.map(block_of_parcel)
    by_point = holding.where(block_there.isna() | (block_there == businesses["block_key"]))
    parcel = by_address.fillna(by_point)
    method = np.select([by_address.notna(), by_point.notna()], ["address", "point_in_polygon"], "none")
    place = ("parcel:" + parcel).fillna("address:" + businesses["address_key"])
    return businesses.assign(parcel_id=parcel.astype("str"), match_method=method, business_parcel_id=place)


def _business_ids(name_keys: pd.Series, address_keys: pd.Series) -> pd.Series:
    texts = name_keys + "|" + address_keys
    ids = {text: "business:" + hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts.unique()}
    return texts.map(ids).astype("str")
