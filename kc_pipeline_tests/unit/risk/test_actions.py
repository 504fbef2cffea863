"""The action list: what is open near a place, who has to act, and since when."""

import pandas as pd
import pytest
from risk_frames import AS_OF, days_before, north_of, observations, places

from kc_pipeline.risk.actions import list_actions

HERE = "parcel:0"
NO_DUMPING = pd.Series(dtype="str")


def listed(*rows: dict[str, object], dumping: pd.Series = NO_DUMPING, where: pd.DataFrame | None = None) -> pd.DataFrame:
    return list_actions(places(1) if where is None else where, observations(*rows), dumping, AS_OF)


@pytest.mark.parametrize(
    ("row", "party", "department"),
    [
        ({}, "city", "Public Works"),
        ({"business_parcel_id": HERE}, "city", "Public Works"),
        ({"condition": "dumping"}, "city", "Public Works"),
        ({"condition": "property_violation"}, "another owner", "Neighborhood Services"),
        ({"condition": "property_violation", "business_parcel_id": HERE}, "owner", "Neighborhood Services"),
        ({"condition": "dangerous_building", "business_parcel_id": "parcel:9"}, "another owner", "Neighborhood Services"),
        ({"condition": "critical_health_violation", "business_parcel_id": HERE}, "owner", "Health Department"),
    ],
)
def test_who_has_to_act(row: dict[str, object], party: str, department: str) -> None:
    [item] = listed(row).to_dict("records")
    assert (item["responsible_party"], item["department"]) == (party, department)


def test_what_was_dumped_on_private_ground_is_its_owners() -> None:
    rows = [{"condition": "dumping"}, {"condition": "dumping", "business_parcel_id": HERE}, {"condition": "dumping"}]
    category = pd.Series({"s0": "private_property", "s1": "private_property", "s2": "alley"})
    items = listed(*rows, dumping=category).set_index("observation_id")["responsible_party"]
    assert items.to_dict() == {"o0": "another owner", "o1": "owner", "o2": "city"}


def test_only_what_is_open_known_and_near_is_listed() -> None:
    items = listed(
        {"latitude": north_of(199)},
        {"latitude": north_of(202)},
        {"is_closed": True},
        {"closed_known_date": AS_OF},
        {"closed_known_date": days_before(-1)},
        {"known_date": days_before(-1)},
        {"opened_date": AS_OF},
        {"condition": "bus_stop"},
        {"condition": "critical_health_violation"},
        {"latitude": None},
    )
    assert items["observation_id"].tolist() == ["o4", "o0"]


def test_what_is_on_the_premises_needs_no_position_and_is_listed_once() -> None:
    items = listed(
        {"condition": "property_violation", "business_parcel_id": HERE, "latitude": None},
        {"condition": "property_violation", "business_parcel_id": HERE, "latitude": north_of(50)},
    )
    assert items[["observation_id", "is_on_premises", "distance_m"]].to_numpy().tolist() == [["o0", True, 0.0], ["o1", True, 0.0]]


def test_distance_days_and_the_place_of_the_condition_are_told() -> None:
    [item] = listed({"latitude": north_of(100), "opened_date": days_before(40), "address": "1 OAK ST"}).to_dict("records")
    assert item["distance_m"] == pytest.approx(100, abs=0.5)
    assert (item["open_days"], item["opened_date"], item["observed_address"]) == (40, days_before(40), "1 OAK ST")
    assert item["action"] == "Repair the streetlight"
    assert item["observed_latitude"] == north_of(100)


def test_a_place_without_a_position_has_what_is_on_its_premises() -> None:
    nowhere = places(1).assign(latitude=None, longitude=None)
    items = listed({}, {"condition": "property_violation", "business_parcel_id": HERE}, where=nowhere)
    assert items["observation_id"].tolist() == ["o1"]


def test_without_anything_open_the_list_is_empty_and_has_its_columns() -> None:
    items = listed({"is_closed": True})
    assert items.empty
    assert {"business_parcel_id", "responsible_party", "open_days"} <= set(items.columns)
