"""Coordinates that are places, coordinates that only look like places, and what an address names."""

import pandas as pd

from kc_pipeline.catalog.geography import (
    CITY_HALL,
    CITY_HALL_ADDRESS,
    DIVISION_OF_AREA_CODE,
    DIVISION_OF_BEAT_DIGIT,
    REGION_EAST,
    REGION_NORTH,
    REGION_SOUTH,
    REGION_WEST,
    SENTINEL_TOLERANCE_DEGREES,
    STATE_PLANE_ORIGIN,
    UNKNOWN_ADDRESSES,
    UNKNOWN_ZIP_CODES,
)

_CROSSING = r"\s(?:and|at)\s|&|//|@|(?<![\d\s])\s*/\s*(?!\d)"
_NUMBERED = r"\d+(?:\s*-\s*\d+)?(?:\s+\d/\d)?[A-Da-d]?\s+\S"
_ORDINAL_STREET = r"(?i)\d+ (?:st|ter|te|av|ave|pl)\s*(?:$|(?<=\s)(?:and|at)\b|[&/@])"
_ZIP = r"(\d{5})(?:-?\d{4})?$"


def clean_positions(rows: pd.DataFrame) -> pd.DataFrame:
    """Coordinates in degrees (EPSG:4326), or the reason why there are none.

    Args:
        rows: frame with latitude, longitude (text) and address.

    Returns:
        Frame with latitude, longitude (both missing if one is unusable) and no_location_reason.
    """
    latitude, longitude = (pd.to_numeric(rows[name], errors="coerce").astype(float) for name in ("latitude", "longitude"))
    missing = rows["latitude"].isna() | rows["longitude"].isna() | ((latitude == 0) & (longitude == 0))
    outside = ~(latitude.between(REGION_SOUTH, REGION_NORTH) & longitude.between(REGION_WEST, REGION_EAST))
    really_city_hall = rows["address"].str.upper().str.contains(CITY_HALL_ADDRESS, regex=True).fillna(False).astype(bool)
    reason = pd.Series(None, index=rows.index, dtype="str")
    reason = reason.mask(outside, "outside_region")
    reason = reason.mask(_is_at(latitude, longitude, STATE_PLANE_ORIGIN), "state_plane_origin")
    reason = reason.mask(_is_at(latitude, longitude, CITY_HALL) & ~really_city_hall, "city_hall_default")
    reason = reason.mask(latitude.isna() | longitude.isna(), "unreadable").mask(missing, "missing")
    usable = reason.isna()
    return pd.DataFrame({"latitude": latitude.where(usable), "longitude": longitude.where(usable), "no_location_reason": reason})


def clean_addresses(rows: pd.DataFrame, is_exact: pd.Series | bool) -> pd.DataFrame:
    """Address text, what it names, and its ZIP code.

    Args:
        rows: frame with address and, where the source has one, zip_code (text).
        is_exact: whether the source gives house numbers as they are; else a numbered address names a block.

    Returns:
        Frame with address, address_precision and zip_code.
    """
    address = rows["address"].mask(rows["address"].str.upper().isin(UNKNOWN_ADDRESSES))
    numbered = _matches(address, _NUMBERED) & ~_matches(address, _ORDINAL_STREET)
    crossing = address.str.contains(_CROSSING, case=False, regex=True).fillna(False).astype(bool)
    precision = pd.Series("none", index=rows.index, dtype="str")
    precision = precision.mask(crossing, "intersection").mask(numbered, "block").mask(numbered & is_exact, "exact")
    return pd.DataFrame({"address": address, "address_precision": precision, "zip_code": _zip_codes(rows, address)})


def clean_beats(rows: pd.DataFrame, area: str) -> pd.DataFrame:
    """Beat, its patrol division (beats such as 999 belong to none), and the division that the source names.

    Args:
        rows: frame with beat (text).
        area: column that names the division (its code or name), for rows whose beat does not say it.
    """
    of_beat = rows["beat"].str[:1].map(DIVISION_OF_BEAT_DIGIT).astype("str").where(_matches(rows["beat"], r"\d{3}"))
    code = rows[area].str.upper()
    names = {name.upper(): name for name in DIVISION_OF_AREA_CODE.values()}
    of_area = code.map(DIVISION_OF_AREA_CODE).astype("str").fillna(code.map(names).astype("str"))
    return pd.DataFrame({"beat": rows["beat"], "division": of_beat.fillna(of_area), "source_division": of_area})


def clean_parcel_ids(parcel_ids: pd.Series) -> pd.Series:
    """KIVA PINs without the placeholders and decimals that exports add."""
    text = parcel_ids.str.replace(r"\.0+$", "", regex=True)
    return text.mask(text.isin(["0", "00", "-1"]))


def _matches(texts: pd.Series, pattern: str) -> pd.Series:
    return texts.str.match(pattern).fillna(False).astype(bool)


def _is_at(latitude: pd.Series, longitude: pd.Series, point: tuple[float, float]) -> pd.Series:
    near = SENTINEL_TOLERANCE_DEGREES
    return ((longitude - point[0]).abs() <= near) & ((latitude - point[1]).abs() <= near)


def _zip_codes(rows: pd.DataFrame, address: pd.Series) -> pd.Series:
    """From the source's own column, else from the end of an address that names its city."""
    own = rows["zip_code"] if "zip_code" in rows else pd.Series(None, index=rows.index, dtype="str")
    of_city = rows["city"] if "city" in rows else pd.Series(None, index=rows.index, dtype="str")
    in_address = address.where(address.str.contains("kansas city", case=False).fillna(False).astype(bool))
    found = pd.Series(None, index=rows.index, dtype="str")
    for texts, pattern in ((own, r"^" + _ZIP), (of_city, r"^" + _ZIP), (in_address, r"(?<!\d)" + _ZIP)):
        asked = texts[found.isna() & texts.notna()]
        which, distinct = pd.factorize(asked)  # few are told apart, and each is searched by Python
        candidate = distinct.to_series().str.extract(pattern)[0].astype("str").iloc[which].set_axis(asked.index)
        found = found.fillna(candidate.mask(candidate.isin(UNKNOWN_ZIP_CODES)).reindex(rows.index))
    return found
