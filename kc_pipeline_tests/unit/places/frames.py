"""Small frames in the shape of the lake's tables."""

from datetime import date

import pandas as pd
import shapely

DAY = date(2026, 6, 1)
WEST, SOUTH = -94.58, 39.10
STEP = 0.001


def square(column: int, row: int = 0) -> bytes:
    """WKB of a square lot, 0.001 degrees wide, at a place of a grid."""
    west, south = WEST + column * STEP, SOUTH + row * STEP
    return bytes(shapely.to_wkb(shapely.box(west, south, west + STEP, south + STEP)))


def middle(column: int, row: int = 0) -> tuple[float, float]:
    """Longitude and latitude of a lot's middle."""
    return WEST + (column + 0.5) * STEP, SOUTH + (row + 0.5) * STEP


def parcels(*rows: tuple[str, str | None, int]) -> pd.DataFrame:
    """Rows of clean/parcels: parcel id, address, column of the grid."""
    frame = pd.DataFrame(rows, columns=["parcel_id", "address", "column"])
    frame["geometry"] = [square(column) for column in frame["column"]]
    frame["longitude"], frame["latitude"] = zip(*(middle(column) for column in frame["column"]), strict=True)
    frame["geometry_kind"], frame["zip_code"] = "polygon", None
    return frame.astype({"parcel_id": "str", "address": "str", "zip_code": "str"})


def no_streets() -> pd.DataFrame:
    """clean/streets without a row."""
    return pd.DataFrame({"street_name": [], "from_number": [], "to_number": [], "geometry": []}, dtype=object)


def streets(*rows: tuple[str, int | None, int | None, list[tuple[float, float]]]) -> pd.DataFrame:
    """Rows of clean/streets: name, lowest and highest house number, points of the line in lots of the grid."""
    frame = pd.DataFrame(rows, columns=["street_name", "from_number", "to_number", "points"])
    lines = [shapely.LineString([(WEST + x * STEP, SOUTH + y * STEP) for x, y in points]) for points in frame.pop("points")]
    numbers = {"from_number": "Int64", "to_number": "Int64"}
    return frame.assign(geometry=[bytes(shapely.to_wkb(line)) for line in lines]).astype({"street_name": "str", **numbers})


def licenses(*rows: tuple[str, str, str, str, float | None, float | None]) -> pd.DataFrame:
    """Rows of clean/business_licenses: id, name, class, address, longitude, latitude."""
    frame = pd.DataFrame(rows, columns=["license_id", "business_name", "business_type", "address", "longitude", "latitude"])
    frame = frame.assign(valid_until=date(2026, 12, 31), city="KANSAS CITY", state="MO", zip_code="64106", no_location_reason=None)
    return frame.astype({"longitude": float, "latitude": float})


def no_permits() -> pd.DataFrame:
    """clean/food_permits without a row."""
    names = [
        "permit_number",
        "establishment_name",
        "business_type",
        "case_status",
        "city",
        "state",
        "address",
        "zip_code",
        "no_location_reason",
    ]
    return pd.DataFrame({name: pd.Series(dtype="str") for name in names}).assign(
        latitude=pd.Series(dtype=float), longitude=pd.Series(dtype=float)
    )


def events(*rows: dict) -> pd.DataFrame:
    """Clean events with defaults for what a test does not say."""
    default = {
        "feed": "police_reports", "month": "2026-06", "report_date": DAY, "available_date": DAY, "category": "robbery",
        "address": None, "address_precision": "exact", "parcel_id": None, "latitude": None, "longitude": None,
        "current_status": None, "is_officer_initiated": None,
    }  # fmt: skip
    frame = pd.DataFrame([{"event_id": f"e{number}", **default, **row} for number, row in enumerate(rows)])
    texts = ["event_id", "feed", "month", "category", "address", "address_precision", "parcel_id", "current_status"]
    return frame.astype({**dict.fromkeys(texts, "str"), "latitude": float, "longitude": float})
