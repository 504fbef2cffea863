"""Observations behind the factors: which count on a day, where they stand, and when they end."""

import pandas as pd
import pytest
from risk_frames import AS_OF, LATITUDE, LONGITUDE, days_before, observations, places

from kc_pipeline.catalog.factors import FACTORS
from kc_pipeline.risk.observations import business_type_flags, features_on, gather_observations, is_open, observations_of

OPEN, RECENT = FACTORS["streetlight_outages_open"], FACTORS["streetlight_outages"]


@pytest.mark.parametrize(
    ("row", "is_open", "is_recent"),
    [
        ({}, True, True),
        ({"closed_known_date": AS_OF}, False, True),
        ({"closed_known_date": days_before(-1)}, True, True),
        ({"is_closed": True}, False, True),
        ({"opened_date": AS_OF, "known_date": AS_OF}, False, False),
        ({"known_date": days_before(-1)}, False, False),
        ({"opened_date": days_before(365)}, True, True),
        ({"opened_date": days_before(366)}, True, False),
        ({"condition": "dumping"}, False, False),
    ],
)
def test_what_counts_on_a_day(row: dict[str, object], is_open: bool, is_recent: bool) -> None:
    found = observations(row)
    assert len(observations_of(found, OPEN, AS_OF)) == is_open
    assert len(observations_of(found, RECENT, AS_OF)) == is_recent


def test_factors_without_a_located_observation_have_no_feature() -> None:
    features = features_on(observations({}, {"latitude": None}, {"condition": "bus_stop", "opened_date": None, "known_date": None}), AS_OF)
    assert {name: len(points) for name, points in features.items()} == {
        "streetlight_outages_open": 1,
        "streetlight_outages": 1,
        "bus_stops": 1,
    }


def test_business_types_are_read_from_licence_classes_and_permits() -> None:
    types = pd.Series(
        ["Gasoline Stations with Convenience Stores", "Bar/Tavern;Restaurant/Deli", "Snack and Nonalcoholic Beverage Bars", None,
         "Supermarkets and Other Grocery Retailers (except Convenience Retailers)"]
    )  # fmt: skip
    flags = business_type_flags(types)
    assert flags["convenience_store"].tolist()[:4] == [True, False, False, False]
    assert flags["bar"].tolist() == [False, True, False, False, False]
    assert flags["restaurant"].tolist()[:2] == [False, True]
    assert flags["grocery"].tolist()[4] is True or bool(flags["grocery"][4])


def inspection(event: str, days: int, critical: int, permit: str = "p1") -> dict[str, object]:
    return {
        "event_id": event, "report_date": days_before(days), "available_date": days_before(days - 1), "category": "routine",
        "critical_violation_count": critical, "permit_number": permit, "address": "1 OAK ST", "latitude": LATITUDE, "longitude": LONGITUDE,
    }  # fmt: skip


LEDGER = pd.DataFrame(
    [("h1", "parcel:0", "EXACT"), ("h2", "parcel:0", "BLOCK"), ("h3", "parcel:0", "NEAR")],
    columns=["event_id", "business_parcel_id", "precision"],
)


def test_a_violation_ends_with_the_next_inspection_that_finds_none() -> None:
    rows = pd.DataFrame([inspection("h1", 90, 2), inspection("h2", 60, 1), inspection("h3", 30, 0), inspection("h4", 20, 3, "p2")])
    found = gather_observations({"clean/health_inspections": rows}, places(1), LEDGER, {}).set_index("source_id")
    found = found[found["condition"] == "critical_health_violation"]
    assert found["resolved_date"].to_dict() == {"h1": days_before(30), "h2": days_before(30), "h4": None}
    assert found["finding_count"].to_dict() == {"h1": 2.0, "h2": 1.0, "h4": 3.0}
    assert found["business_parcel_id"].fillna("").to_dict() == {"h1": "parcel:0", "h2": "", "h4": ""}  # a block share is on no premises


def test_registers_stand_on_the_parcel_that_they_name_and_are_known_after_their_lag() -> None:
    rows = pd.DataFrame(
        {
            "record_id": ["v1", "v2"], "parcel_id": ["0", "77"], "opened_date": [days_before(40), None], "resolved_date": [None, None],
            "case_status": ["In Violation", "In Compliance"], "address": "1 OAK ST", "latitude": LATITUDE, "longitude": LONGITUDE,
        }
    )  # fmt: skip
    found = gather_observations({"clean/property_violations": rows}, places(1), LEDGER, {"property_violations": 3}).set_index("source_id")
    assert found.loc["v1", "business_parcel_id"] == "parcel:0"
    assert found.loc["v1", "known_date"] == days_before(37)
    assert found["is_closed"].loc[["v1", "v2"]].tolist() == [False, True]
    assert pd.isna(found.loc["v2", "business_parcel_id"])


def test_canceled_requests_are_no_observations_and_businesses_are() -> None:
    rows = pd.DataFrame(
        {
            "event_id": ["d1", "d2"], "report_date": days_before(9), "available_date": days_before(8), "category": "alley",
            "current_status": ["canceled", "open"], "resolved_date": None, "address": "1 OAK ST", "latitude": LATITUDE,
            "longitude": LONGITUDE,
        }
    )  # fmt: skip
    found = gather_observations({"clean/dumping_complaints": rows}, places(2), LEDGER, {})
    assert found["observation_id"].tolist() == ["convenience_store:parcel:0", "convenience_store:parcel:1", "dumping:d2"]


def test_a_closing_counts_once_its_source_shows_it() -> None:
    rows = pd.DataFrame(
        {
            "event_id": ["d1"], "report_date": days_before(30), "available_date": days_before(23), "category": "alley",
            "current_status": ["resolved"], "resolved_date": days_before(3), "address": "1 OAK ST", "latitude": LATITUDE,
            "longitude": LONGITUDE,
        }
    )  # fmt: skip
    for lag, known in ((0, days_before(1)), (7, days_before(-4))):
        found = gather_observations({"clean/dumping_complaints": rows}, places(1), LEDGER, {"dumping_complaints": lag})
        found = found[found["condition"] == "dumping"]
        assert found["closed_known_date"].tolist() == [known]
        assert is_open(found, AS_OF).tolist() == [known > AS_OF]
