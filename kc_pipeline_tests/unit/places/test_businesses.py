"""Licences and permits to businesses, their parcels and places."""

import pandas as pd
from frames import licenses, middle, no_permits, parcels, square

from kc_pipeline.places.businesses import build_business_parcels, build_businesses, lies_in_city, normalize_name
from kc_pipeline.places.gazetteer import build_gazetteer, count_places_per_block


def world(parcel_rows: pd.DataFrame, license_rows: pd.DataFrame, permits: pd.DataFrame | None = None):
    permits = no_permits() if permits is None else permits
    registers = {"parcels": parcel_rows, "business_licenses": license_rows[lies_in_city(license_rows)], "food_permits": permits}
    gazetteer = build_gazetteer(registers, parcel_rows["parcel_id"].unique())
    businesses = build_businesses(license_rows, permits, gazetteer, parcel_rows)
    return gazetteer, businesses


def districts() -> pd.DataFrame:
    return pd.DataFrame({"district_kind": ["neighborhood"], "district_name": ["Downtown"], "geometry": [square(0)]})


def test_the_classes_of_one_licence_are_one_business() -> None:
    _, businesses = world(
        parcels(("1", "1000 Locust St", 0)),
        licenses(
            ("9", "EXPRESS STOP", "Gasoline Stations", "1000 LOCUST ST", None, None),
            ("9", "EXPRESS STOP", "Tobacco", "1000  LOCUST ST", None, None),
        ),
    )
    row = businesses.to_dict("records")[0]
    assert len(businesses) == 1
    assert row["business_types"] == "Gasoline Stations;Tobacco"
    assert (row["business_parcel_id"], row["match_method"]) == ("parcel:1", "address")


def test_two_names_at_one_address_stay_two_businesses_on_one_place() -> None:
    lots = parcels(("1", "1000 Locust St", 0))
    gazetteer, businesses = world(
        lots, licenses(("1", "A", "x", "1000 LOCUST ST", None, None), ("2", "B", "x", "1000 LOCUST ST STE 2", None, None))
    )
    places = build_business_parcels(businesses, lots, gazetteer, districts())
    assert len(businesses) == 2
    assert places[["business_parcel_id", "business_names", "business_count", "neighborhood"]].to_dict("records") == [
        {"business_parcel_id": "parcel:1", "business_names": "A;B", "business_count": 2, "neighborhood": "Downtown"}
    ]


def test_a_licence_and_a_food_permit_of_one_name_and_place_are_one_business() -> None:
    permits = pd.DataFrame(
        [{"permit_number": "P7", "establishment_name": "Joe's Deli", "business_type": "Restaurant/Deli", "case_status": "Operational",
          "city": "Kansas City ", "state": "MISSOURI", "address": "1000 Locust", "zip_code": "64106", "latitude": None, "longitude": None,
          "no_location_reason": "missing"}]
    ).astype({"latitude": float, "longitude": float})  # fmt: skip
    permits["address"] = "1000 Locust St."
    _, businesses = world(
        parcels(("1", "1000 Locust St", 0)), licenses(("9", "JOES DELI LLC", "Restaurants", "1000 LOCUST ST", None, None)), permits
    )
    assert businesses[["license_id", "permit_number"]].to_dict("records") == [{"license_id": "9", "permit_number": "P7"}]


def test_a_business_without_a_parcel_keeps_its_address_as_place() -> None:
    _, businesses = world(parcels(("1", "1 Main St", 0)), licenses(("9", "A", "x", "700 OAK ST", -94.0, 39.0)))
    assert businesses[["business_parcel_id", "match_method"]].to_dict("records") == [
        {"business_parcel_id": "address:700 OAK ST", "match_method": "none"}
    ]


def test_a_point_in_a_parcel_is_used_only_where_the_parcels_own_address_agrees() -> None:
    inside = middle(0)
    lots = parcels(("1", None, 0), ("2", "500 Oak St", 1))
    _, businesses = world(lots, licenses(("8", "A", "x", "700 OAK ST", *inside), ("9", "B", "x", "900 ELM ST", *middle(1))))
    found = dict(zip(businesses["business_name"], businesses["business_parcel_id"], strict=True))
    assert found == {"A": "parcel:1", "B": "address:900 ELM ST"}


def test_a_licence_in_another_town_is_left_out() -> None:
    rows = licenses(("9", "A", "x", "1000 LOCUST ST", None, None)).assign(city="OVERLAND PARK", state="KS")
    _, businesses = world(parcels(("1", "1000 Locust St", 0)), rows)
    assert businesses.empty


def test_a_lapsed_licence_is_not_active() -> None:
    rows = pd.concat(
        [licenses(("1", "A", "x", "1 MAIN ST", None, None)), licenses(("2", "B", "x", "2 MAIN ST", None, None))], ignore_index=True
    )
    rows["valid_until"] = [pd.Timestamp("2026-12-31").date(), pd.Timestamp("2024-12-31").date()]
    lots = parcels(("1", "1 Main St", 0), ("2", "2 Main St", 1))
    gazetteer, businesses = world(lots, rows)
    assert dict(zip(businesses["business_name"], businesses["is_active"], strict=True)) == {"A": True, "B": False}
    assert build_business_parcels(businesses, lots, gazetteer, districts())["business_parcel_id"].tolist() == ["parcel:1"]


def test_ids_do_not_depend_on_row_order() -> None:
    rows = licenses(("1", "A", "x", "1 MAIN ST", None, None), ("2", "B", "y", "2 MAIN ST", None, None))
    lots = parcels(("1", "1 Main St", 0))
    _, first = world(lots, rows)
    _, second = world(lots, rows.iloc[::-1].reset_index(drop=True))
    pd.testing.assert_frame_equal(first, second)


def test_the_first_register_that_knows_an_address_decides_its_parcel() -> None:
    lots = parcels(("1", "1 Main St", 0), ("2", None, 1))
    violations = pd.DataFrame({"address": ["1 MAIN ST", "9 Main St", "9 MAIN ST", "5 Main St"], "parcel_id": ["2", "2", "2", "404"]})
    gazetteer = build_gazetteer({"parcels": lots, "property_violations": violations}, lots["parcel_id"].unique())
    known = gazetteer.set_index("address_key")["parcel_id"]
    assert known["1 MAIN ST"] == "1"
    assert known["9 MAIN ST"] == "2"
    assert pd.isna(known["5 MAIN ST"])  # 404 is no parcel of the register


def test_an_address_with_two_parcels_in_one_register_has_none() -> None:
    lots = parcels(("1", "1 Main St", 0), ("2", "1 Main St", 1))
    gazetteer = build_gazetteer({"parcels": lots}, lots["parcel_id"].unique())
    assert gazetteer["parcel_id"].isna().all()


def test_places_of_a_block_are_counted_once() -> None:
    lots = parcels(("1", "1001 Main St", 0), ("2", "1003 Main St", 1))
    gazetteer = build_gazetteer(
        {
            "parcels": lots,
            "business_licenses": licenses(("1", "A", "x", "1003 MAIN ST", None, None), ("2", "B", "x", "1099 MAIN ST", None, None)),
        },
        lots["parcel_id"].unique(),
    )
    assert count_places_per_block(gazetteer).to_dict() == {"1000 MAIN ST": 3}


def test_names_are_compared_without_legal_form_and_punctuation() -> None:
    assert normalize_name("Tony's House of Sausage #1 514216") == "TONYS HOUSE OF SAUSAGE 1"
    assert normalize_name("THE CORNER, L.L.C.") == "THE CORNER"
