"""Small registers of businesses, and what a gazetteer makes of their addresses."""

from collections.abc import Mapping

import pandas as pd
from frames import no_permits

from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.business_groups import group_records
from kc_pipeline.places.business_records import read_records
from kc_pipeline.places.businesses import BusinessTables, build_businesses


def permits(*rows: tuple[str, str, str, float | None, float | None]) -> pd.DataFrame:
    """Rows of clean/food_permits: number, name, address, longitude, latitude."""
    frame = pd.DataFrame(rows, columns=["permit_number", "establishment_name", "address", "longitude", "latitude"])
    frame = frame.assign(
        business_type="Restaurant/Deli",
        case_status="Operational",
        city="KANSAS CITY",
        state="MISSOURI",
        zip_code="64106",
        no_location_reason=None,
    )
    return frame.astype({"longitude": float, "latitude": float})


def located(
    licenses: pd.DataFrame, food: pd.DataFrame, lots: pd.DataFrame, corrections: Mapping[str, tuple[str, str]] | None = None
) -> pd.DataFrame:
    """What `business_records.locate_registers` gives where the lots' own addresses are all that is known.

    Args:
        licenses: rows of clean/business_licenses.
        food: rows of clean/food_permits.
        lots: rows of clean/parcels.
        corrections: written address key -> the key it is found as, and what differs.
    """
    texts = pd.concat([licenses["address"], food["address"]]).dropna().drop_duplicates()
    found = standardize(texts.set_axis(pd.Index(texts)))
    changed = pd.DataFrame.from_dict(dict(corrections or {}), orient="index", columns=["key", "match"], dtype="str")
    key = found["address_key"].map(changed["key"]).astype("str").fillna(found["address_key"])
    own = lots.assign(key=standardize(lots["address"])["address_key"]).dropna(subset="key")
    own = own[~own["key"].duplicated(keep=False)].set_index("key")
    is_known = key.isin([*own.index, *changed["key"]])
    return found.assign(
        found_kind=pd.Series("numbered", index=found.index, dtype="str").where(is_known),
        found_key=key.where(is_known),
        name_match=found["address_key"].map(changed["match"]).astype("str").fillna("equal").where(is_known),
        candidates=is_known.astype(int),
        parcel_id=key.map(own["parcel_id"]).astype("str"),
        latitude=key.map(own["latitude"]).astype(float),
        longitude=key.map(own["longitude"]).astype(float),
    )


def grouped(lots: pd.DataFrame, licenses: pd.DataFrame, food: pd.DataFrame | None = None) -> list[set[str]]:
    """Licence ids and permit numbers of each business, sorted."""
    food = no_permits() if food is None else food
    records = group_records(read_records(licenses, food, located(licenses, food, lots), pd.Index(lots["parcel_id"])))
    return sorted((set(numbers) for _, numbers in records.groupby("business")["number"]), key=sorted)


def resolve(
    lots: pd.DataFrame,
    licenses: pd.DataFrame,
    food: pd.DataFrame | None = None,
    corrections: Mapping[str, tuple[str, str]] | None = None,
    **known: pd.DataFrame,
) -> BusinessTables:
    """Businesses of small registers; `known` is handed on to `build_businesses`."""
    food = no_permits() if food is None else food
    return build_businesses(licenses, food, located(licenses, food, lots, corrections), lots, **known)


def only(rows: pd.DataFrame) -> dict[str, object]:
    """The one row of a frame, None for what is missing."""
    assert len(rows) == 1, rows
    return {name: None if pd.isna(value) else value for name, value in rows.iloc[0].items()}
