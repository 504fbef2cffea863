"""Rows of the licence and permit registers in one shape, each with what the gazetteer knows of its address.

A record is one register row: a licence class or a food permit.  Which records are one business is said in
`business_groups`, where it stands in `business_parcels`.
"""

import numpy as np
import pandas as pd

from kc_pipeline.membership import among
from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.geometry import project
from kc_pipeline.places.locate import locate
from kc_pipeline.places.names import normalize_name

# Licences are paid by calendar year and the register is published late: one that was paid for the year before the newest
# paid year still counts as active.
LICENSE_GRACE_DAYS = 366
# A point given for more addresses than this is the default of a block, a building or the whole city.
MOST_ADDRESSES_AT_A_POINT = 10
# A corrected address is not believed where the register's own point lies further away than this.
FARTHEST_CORRECTION_M = 800.0
_LICENSES, _PERMITS = "business_licenses", "food_permits"
_CLOSED = frozenset({"suspended", "closed", "inactive", "revoked"})
_CITY_NAMES = frozenset({"KANSAS CITY", "KCMO"})
_MISSOURI = frozenset({"MO", "MISSOURI"})
_SHARED = [
    "register", "number", "business_name", "other_name", "business_type", "is_active", "valid_until", "register_parcel_id",
    "address", "city", "state", "zip_code", "latitude", "longitude", "no_location_reason",
]  # fmt: skip
_LOCATED = ["address_kind", "found_kind", "found_key", "name_match", "parcel_id", "latitude", "longitude"]
_LOCATED_TYPES = {f"address_{name}": "float64" if name in ("latitude", "longitude") else "str" for name in _LOCATED}


def lies_in_city(rows: pd.DataFrame) -> pd.Series:
    """Whether city and state of each row say Kansas City, Missouri (a postal city: the city limits are not asked)."""
    city = rows["city"].str.strip().str.upper().isin(_CITY_NAMES)
    return city & rows["state"].str.strip().str.upper().isin(_MISSOURI)


def locate_registers(licenses: pd.DataFrame, permits: pd.DataFrame, gazetteer: pd.DataFrame) -> pd.DataFrame:
    """Where the addresses of both registers lie.

    An address that only these registers name proves nothing about how it is spelled, so other registers are asked first;
    then the licences, whose addresses are geocoded by the city, for permits that leave out a direction or a type.

    Args:
        licenses: rows of clean/business_licenses.
        permits: rows of clean/food_permits.
        gazetteer: rows of core/gazetteer.

    Returns:
        `locate.locate` of every distinct address, indexed by its text.
    """
    texts = pd.concat([licenses["address"], permits["address"]]).dropna().drop_duplicates().sort_values()
    texts = texts.set_axis(pd.Index(texts))
    numbered = gazetteer[gazetteer["address_kind"] == "numbered"]
    named_by = numbered["evidence"].str.split(";")
    by_others = np.array([not set(names) <= {_LICENSES, _PERMITS} for names in named_by], dtype=bool)
    located = locate(texts, numbered[by_others])
    left = texts[(located["found_kind"] != "numbered").to_numpy()]
    by_licence = locate(left, numbered[np.array([_LICENSES in names for names in named_by], dtype=bool)])
    by_licence = by_licence[by_licence["found_kind"] == "numbered"]
    return pd.concat([located.drop(index=by_licence.index), by_licence]).sort_index()


def read_records(licenses: pd.DataFrame, permits: pd.DataFrame, located: pd.DataFrame, known_parcels: pd.Index) -> pd.DataFrame:
    """Register rows in Kansas City, Missouri that have a name and a numbered address.

    Args:
        licenses: rows of clean/business_licenses; a column parcel_id is used where there is one.
        permits: rows of clean/food_permits; likewise.
        located: rows of `locate_registers`.
        known_parcels: parcel ids that exist.

    Returns:
        Frame with the register's columns, licences before permits, current ones before lapsed ones, then by content, so that
        the order of the registers' rows does not matter; and

        - register ('licence' or 'permit'), number (licence id or permit number), name_key (`names.normalize_name`);
        - read_key: the address as written, canonical; address_key: the same as the gazetteer corrects it, where the
          correction is unambiguous and the row's own point does not speak against it; block_key, street, house_number of it;
        - name_match of the correction, address_parcel_id, address_latitude, address_longitude from the gazetteer;
        - refused_key, refused_parcel_id, refused_m: a correction that the row's own point contradicts, and by how far;
        - is_point_trusted: the row's point is not the default of a block or a building.

    Raises:
        KeyError: `located` lacks an address of the registers.
    """
    rows = pd.concat([_from_licenses(licenses), _from_permits(permits)], ignore_index=True)
    rows = rows[lies_in_city(rows) & rows["business_name"].notna() & rows["address"].notna()]
    found = located.loc[rows["address"]].set_axis(rows.index)
    is_numbered = found["address_kind"] == "numbered"
    rows, found = rows[is_numbered], found.loc[is_numbered, _LOCATED].rename(columns=lambda name: f"address_{name}")
    written = standardize(rows["address"])
    rows = rows.join(found.astype(_LOCATED_TYPES)).assign(read_key=written["address_key"])
    rows["register_parcel_id"] = rows["register_parcel_id"].where(among(rows["register_parcel_id"], known_parcels))
    rows["address_parcel_id"] = rows["address_parcel_id"].where(among(rows["address_parcel_id"], known_parcels))
    rows = _corrected(rows.assign(is_point_trusted=_trusted_points(rows)))
    rows["name_key"] = rows["business_name"].map({name: normalize_name(name) for name in rows["business_name"].unique()})
    order = [
        "register",
        "is_active",
        "valid_until",
        "number",
        "read_key",
        "name_key",
        "business_name",
        "business_type",
        "address",
        "latitude",
    ]
    return rows.sort_values(order, ascending=[name not in ("is_active", "valid_until") for name in order], ignore_index=True)


def _corrected(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows at the address that the gazetteer found, or at the written one where it found none that can be believed."""
    is_found = (rows["address_found_kind"] == "numbered") & rows["address_found_key"].notna()
    is_other = is_found & (rows["address_name_match"] != "equal")
    metres = distance_m(rows["longitude"], rows["latitude"], rows["address_longitude"], rows["address_latitude"])
    is_refused = is_other & rows["is_point_trusted"] & (metres > FARTHEST_CORRECTION_M).fillna(False)
    is_used = is_found & ~is_refused
    key = rows["address_found_key"].where(is_used).fillna(rows["read_key"])
    parts = standardize(key)
    return rows.assign(
        address_key=key,
        block_key=parts["block_key"],
        street=parts["street"],
        house_number=parts["number"],
        name_match=rows["address_name_match"].where(is_used),
        refused_key=rows["address_found_key"].where(is_refused),
        refused_parcel_id=rows["address_parcel_id"].where(is_refused),
        refused_m=metres.where(is_refused),
        address_parcel_id=rows["address_parcel_id"].where(is_used),
        address_latitude=rows["address_latitude"].where(is_used),
        address_longitude=rows["address_longitude"].where(is_used),
    ).drop(columns=["address_found_kind", "address_found_key", "address_name_match", "address_address_kind"])


def distance_m(from_longitude: pd.Series, from_latitude: pd.Series, longitude: pd.Series, latitude: pd.Series) -> pd.Series:
    """Metres between two points of each row (degrees); NaN where one is missing."""
    from_point, point = (
        project(from_longitude.astype(float), from_latitude.astype(float)),
        project(longitude.astype(float), latitude.astype(float)),
    )
    metres = pd.Series(np.hypot(*(from_point - point).T), index=longitude.index)
    return metres.where(np.isfinite(metres))


def _trusted_points(rows: pd.DataFrame) -> pd.Series:
    sharers = rows.groupby(["latitude", "longitude"])["read_key"].transform("nunique")
    return (sharers <= MOST_ADDRESSES_AT_A_POINT).fillna(False).astype(bool) & rows["latitude"].notna() & rows["longitude"].notna()


def _from_licenses(licenses: pd.DataFrame) -> pd.DataFrame:
    newest = licenses["valid_until"].max()
    days_behind = (pd.to_datetime(newest) - pd.to_datetime(licenses["valid_until"])).dt.days
    rows = licenses.assign(is_active=(days_behind < LICENSE_GRACE_DAYS).fillna(False).astype(bool), register="licence")
    return _shared(rows, {"license_id": "number", "legal_name": "other_name"})


def _from_permits(permits: pd.DataFrame) -> pd.DataFrame:
    rows = permits.assign(is_active=~permits["case_status"].str.lower().isin(_CLOSED), register="permit")
    return _shared(rows, {"permit_number": "number", "establishment_name": "business_name"})


def _shared(rows: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    texts = [
        "register",
        "number",
        "business_name",
        "other_name",
        "business_type",
        "register_parcel_id",
        "address",
        "city",
        "state",
        "zip_code",
        "no_location_reason",
    ]
    renamed = rows.rename(columns={**names, "parcel_id": "register_parcel_id"}).reindex(columns=_SHARED)
    return renamed.astype({**dict.fromkeys(texts, "str"), "latitude": float, "longitude": float, "is_active": bool})
