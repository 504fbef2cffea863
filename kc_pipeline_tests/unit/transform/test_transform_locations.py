"""Coordinates, addresses, ZIP codes, beats."""

import pandas as pd
import pytest

from kc_pipeline.catalog.geography import CITY_HALL, STATE_PLANE_ORIGIN
from kc_pipeline.transform.locations import clean_addresses, clean_beats, clean_parcel_ids, clean_positions


def frame(**columns: str | None) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([value], dtype="str") for name, value in columns.items()})


@pytest.mark.parametrize(
    ("latitude", "longitude", "address", "reason"),
    [
        ("39.06", "-94.54", "3400 NORTON AV", None),
        (None, "-94.54", None, "missing"),
        ("39.06", None, None, "missing"),
        ("north", "-94.54", None, "unreadable"),
        ("nan", "-94.54", None, "unreadable"),
        ("inf", "-94.54", None, "outside_region"),
        ("0", "0", None, "missing"),
        (str(STATE_PLANE_ORIGIN[1]), "-103.890579", None, "state_plane_origin"),
        ("39.100384394371", "-94.577915152252", "2715 Indiana Ave Kansas City", "city_hall_default"),
        (str(CITY_HALL[1]), str(CITY_HALL[0]), None, "city_hall_default"),
        ("39.100384394371", "-94.577915152252", "414 E 12th St Kansas City 64106", None),
        ("39.70961", "-88.45477", "1485 SUNRISE DR", "outside_region"),
    ],
)
def test_coordinates_or_the_reason_why_not(latitude: str | None, longitude: str | None, address: str | None, reason: str | None) -> None:
    found = clean_positions(frame(latitude=latitude, longitude=longitude, address=address)).iloc[0]
    assert (None if pd.isna(found["no_location_reason"]) else found["no_location_reason"]) == reason
    assert pd.isna(found["latitude"]) == pd.isna(found["longitude"]) == (reason is not None)


@pytest.mark.parametrize(
    ("address", "at_open_source", "at_exact_source"),
    [
        ("3400  NORTON AV", "block", "exact"),
        ("2900  E 30TH ST", "block", "exact"),
        ("3417 NORTON AV", "block", "exact"),
        ("E 43 ST and TROOST AV", "intersection", "intersection"),
        ("39TH ST and MAIN ST", "intersection", "intersection"),
        ("43 ST and TROOST AV", "intersection", "intersection"),
        ("47 ST & PROSPECT AV", "intersection", "intersection"),
        ("47 ST / PROSPECT AV", "intersection", "intersection"),
        ("47 TER @ PROSPECT AV", "intersection", "intersection"),
        ("47 ST", "none", "none"),
        ("4700 ST JOHN AV", "block", "exact"),
        ("00  W 39TH ST", "block", "exact"),
        ("123 1/2 MAIN ST", "block", "exact"),
        ("1004-1010 MAIN ST", "block", "exact"),
        ("1004B MAIN ST", "block", "exact"),
        ("E 39TH ST AND GILLHAM RD", "intersection", "intersection"),
        ("TROOST AV / E 31ST ST", "intersection", "intersection"),
        ("TROOST AV // E 31ST ST", "intersection", "intersection"),
        ("TROOST AV & E 31ST ST", "intersection", "intersection"),
        ("TROOST AV at E 31ST ST", "intersection", "intersection"),
        ("107 St and W Longview parkway Kansas City 64134", "intersection", "intersection"),
        ("E Truman Rd Kansas City 64126", "none", "none"),
        ("Kansas City 64108", "none", "none"),
        ("3722 1/2 Baltimore Ave Kansas City 64111", "block", "exact"),
        (None, "none", "none"),
    ],
)
def test_what_an_address_names(address: str | None, at_open_source: str, at_exact_source: str) -> None:
    rows = frame(address=address)
    assert clean_addresses(rows, False)["address_precision"][0] == at_open_source
    assert clean_addresses(rows, True)["address_precision"][0] == at_exact_source


@pytest.mark.parametrize("address", ["UNKNOWN", "unknown", "99999"])
def test_an_unknown_address_is_none(address: str) -> None:
    found = clean_addresses(frame(address=address), True).iloc[0]
    assert pd.isna(found["address"])
    assert found["address_precision"] == "none"


def test_the_two_blanks_of_a_block_stay() -> None:
    assert clean_addresses(frame(address="3400  NORTON AV"), False)["address"][0] == "3400  NORTON AV"


@pytest.mark.parametrize(
    ("zip_code", "city", "address", "expected"),
    [
        ("64130", "KANSAS CITY", None, "64130"),
        ("64130-1234", None, None, "64130"),
        ("99999", "KANSAS CITY", None, None),
        ("99999", "64151", None, "64151"),
        (None, None, "4426 Jackson Ave Kansas City 64130", "64130"),
        (None, None, "5200 N. Troost Ave. Kansas City", None),
        (None, None, "12345 HOLMES RD", None),
        ("KCMO", None, None, None),
    ],
)
def test_zip_codes(zip_code: str | None, city: str | None, address: str | None, expected: str | None) -> None:
    found = clean_addresses(frame(zip_code=zip_code, city=city, address=address), True)["zip_code"][0]
    assert (None if pd.isna(found) else found) == expected


@pytest.mark.parametrize(
    ("beat", "area", "division"),
    [
        ("112", None, "Central"),
        ("213", "CPD", "Metro"),
        ("332", None, "East"),
        ("412", None, "North"),
        ("543", None, "South"),
        ("642", None, "Shoal Creek"),
        ("999", None, None),
        ("999", "SCP", "Shoal Creek"),
        (None, "EPD", "East"),
        (None, "OSPD", None),
        (None, "PD1", None),
        ("7", None, None),
        ("1", None, None),
        (None, "metro", "Metro"),
        (None, None, None),
    ],
)
def test_division_of_beat_else_of_area(beat: str | None, area: str | None, division: str | None) -> None:
    found = clean_beats(frame(beat=beat, area=area), "area")["division"][0]
    assert (None if pd.isna(found) else found) == division


def test_parcel_numbers_without_placeholders() -> None:
    found = clean_parcel_ids(pd.Series(["8297", "0", "8297.0", None], dtype="str"))
    assert [None if pd.isna(value) else value for value in found] == ["8297", None, "8297", None]
