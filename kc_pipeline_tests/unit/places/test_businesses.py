"""Licences and permits to businesses, and businesses to places."""

import pandas as pd
from business_frames import only, permits, resolve
from frames import licenses, no_permits, parcels, square

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.places.business_records import locate_registers
from kc_pipeline.places.businesses import build_business_parcels

LOTS = parcels(("1", "1000 Locust St", 0), ("2", "1004 Locust St", 1), ("3", "2000 Main St", 2))


NO_ADDRESSES = pd.DataFrame({"address_kind": [], "address_key": [], "latitude": [], "longitude": []})


def districts() -> pd.DataFrame:
    return pd.DataFrame({"district_kind": ["neighborhood"], "district_name": ["Downtown"], "geometry": [square(0)]})


def test_registers_are_not_located_while_no_address_is_known() -> None:
    gazetteer = to_arrow(TABLES["core/gazetteer"]).empty_table().to_pandas()
    located = locate_registers(licenses(("1", "A", "x", "1000 LOCUST ST", None, None)), no_permits(), gazetteer)
    assert located["found_kind"].isna().tolist() == [True]
    assert locate_registers(licenses(), no_permits(), gazetteer).empty


def test_two_names_at_one_address_stay_two_businesses_on_one_place() -> None:
    rows = licenses(("1", "A", "x", "1000 LOCUST ST", None, None), ("2", "B", "x", "1000 LOCUST ST STE 2", None, None))
    businesses = resolve(LOTS, rows).businesses
    places = build_business_parcels(businesses, LOTS, NO_ADDRESSES, districts())
    assert len(businesses) == 2
    assert places[["business_parcel_id", "business_names", "business_count", "neighborhood"]].to_dict("records") == [
        {"business_parcel_id": "parcel:1", "business_names": "A;B", "business_count": 2, "neighborhood": "Downtown"}
    ]


def test_a_licence_in_another_town_is_left_out() -> None:
    rows = licenses(("9", "A", "x", "1000 LOCUST ST", None, None)).assign(city="OVERLAND PARK", state="KS")
    assert resolve(LOTS, rows).businesses.empty


def test_a_lapsed_licence_is_not_active() -> None:
    rows = licenses(("1", "A", "x", "1000 LOCUST ST", None, None), ("2", "B", "x", "1004 LOCUST ST", None, None))
    rows["valid_until"] = [pd.Timestamp("2026-12-31").date(), pd.Timestamp("2024-12-31").date()]
    businesses = resolve(LOTS, rows).businesses
    assert dict(zip(businesses["business_name"], businesses["is_active"], strict=True)) == {"A": True, "B": False}
    places = build_business_parcels(businesses, LOTS, NO_ADDRESSES, districts())
    assert places["business_parcel_id"].tolist() == ["parcel:1"]


def test_the_name_is_that_of_the_licence_paid_for_longest() -> None:
    rows = licenses(("1", "Oak Grill LLC", "x", "1000 LOCUST ST", None, None), ("2", "OAK GRILL", "x", "1000 LOCUST ST", None, None))
    rows["valid_until"] = [pd.Timestamp("2025-12-31").date(), pd.Timestamp("2026-12-31").date()]
    row = only(resolve(LOTS, rows).businesses)
    assert (row["business_name"], row["valid_until"], row["is_active"]) == ("OAK GRILL", pd.Timestamp("2026-12-31").date(), True)


def test_nothing_depends_on_the_order_of_rows() -> None:
    rows = licenses(
        ("1", "TACO HOUSE EAST", "x", "1000 LOCUST ST", None, None),
        ("2", "TACO HOUSE WEST", "x", "1000 Locust St", None, None),
        ("2", "TACO HOUSE WEST", "y", "1000 LOCUST ST", None, None),
        ("3", "B", "y", "7 ELM ST", None, None),
    )
    food = permits(("P1", "Taco House", "1000 Locust St", None, None), ("P2", "Taco House (bar)", "1000 LOCUST ST", None, None))
    first = resolve(LOTS, rows, food)
    turned = [frame.iloc[::-1].reset_index(drop=True) for frame in (LOTS, rows, food)]
    second = resolve(*turned)
    pd.testing.assert_frame_equal(first.businesses, second.businesses)
    pd.testing.assert_frame_equal(
        build_business_parcels(first.businesses, LOTS, NO_ADDRESSES, districts()),
        build_business_parcels(second.businesses.iloc[::-1], turned[0], NO_ADDRESSES, districts()),
    )


def test_a_place_has_the_address_of_its_parcel_where_a_tenant_uses_it() -> None:
    rows = licenses(*((number, name, "x", "17 E 10TH ST", None, None) for number, name in (("1", "A"), ("2", "B"))))
    rows = pd.concat([rows.assign(parcel_id="1"), licenses(("3", "C", "x", "1000 LOCUST ST", None, None))], ignore_index=True)
    businesses = resolve(LOTS, rows).businesses
    place = only(build_business_parcels(businesses, LOTS, NO_ADDRESSES, districts()))
    assert (place["business_count"], place["address_key"]) == (3, "1000 LOCUST ST")


def test_registers_without_a_row_make_no_business() -> None:
    found = resolve(LOTS, licenses(), no_permits())
    assert found.businesses.empty
    assert build_business_parcels(found.businesses, LOTS, NO_ADDRESSES, districts()).empty
