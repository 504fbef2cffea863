"""Which licences and permits are one business."""

from business_frames import grouped, permits
from frames import licenses, no_streets, parcels

from kc_pipeline.places.business_records import locate_registers, read_records
from kc_pipeline.places.gazetteer import build_gazetteer

LOTS = parcels(("1", "1000 Locust St", 0), ("2", "1004 Locust St", 1), ("3", "2000 Main St", 2))


def test_the_classes_of_one_licence_are_one_business_whatever_the_spelling_of_its_name() -> None:
    rows = licenses(
        ("9", "EXPRESS STOP", "Gas", "1000 LOCUST ST", None, None), ("9", "EXPRES STOP", "Tobacco", "1000  LOCUST ST", None, None)
    )
    assert grouped(LOTS, rows) == [{"9"}]


def test_two_licences_of_one_name_at_one_place_are_one_business() -> None:
    rows = licenses(
        ("1", "Corner Store", "x", "1000 LOCUST ST", None, None),
        ("2", "THE CORNER STORE, LLC", "y", "1000 Locust St STE 4", None, None),
        ("3", "CORNER BAR", "y", "1000 Locust St", None, None),
    )
    assert grouped(LOTS, rows) == [{"1", "2"}, {"3"}]


def test_one_parcel_is_one_place_whatever_its_addresses() -> None:
    rows = licenses(("1", "Corner Store", "x", "1000 LOCUST ST", None, None), ("2", "Corner Store", "x", "17 E 10TH ST", None, None))
    assert grouped(LOTS, rows) == [{"1"}, {"2"}]
    assert grouped(LOTS, rows.assign(parcel_id="1")) == [{"1", "2"}]


def test_branches_of_a_chain_stay_apart() -> None:
    rows = licenses(("1", "QUIK TRIP", "x", "1000 LOCUST ST", None, None), ("2", "QUIK TRIP", "x", "2000 MAIN ST", None, None))
    assert grouped(LOTS, rows, permits(("P1", "QuikTrip (deli)", "2000 Main St", None, None))) == [{"1"}, {"2", "P1"}]


def test_a_permit_joins_the_licence_of_a_similar_name_at_its_address() -> None:
    rows = licenses(("9", "JOES DELI LLC", "x", "1000 LOCUST ST", None, None), ("8", "ANNS NAILS", "x", "1000 LOCUST ST", None, None))
    food = permits(("P7", "Joe's Deli #2", "1000 Locust St.", None, None), ("P8", "Pho Palace", "1000 Locust St", None, None))
    assert grouped(LOTS, rows, food) == [{"8"}, {"9", "P7"}, {"P8"}]


def test_the_legal_name_counts_as_well() -> None:
    rows = licenses(("9", "PLAZA CAFE", "x", "1000 LOCUST ST", None, None)).assign(legal_name="BURGER BARON INC")
    assert grouped(LOTS, rows, permits(("P7", "Burger Baron", "1000 Locust St", None, None))) == [{"9", "P7"}]


def test_the_departments_of_a_shop_are_one_business() -> None:
    food = permits(
        ("P1", "Price Chopper (deli)", "1000 Locust St", None, None),
        ("P2", "PRICE CHOPPER #106 Bakery", "1000 Locust St", None, None),
        ("P3", "Starbucks", "1000 Locust St", None, None),
    )
    assert grouped(LOTS, licenses(), food) == [{"P1", "P2"}, {"P3"}]


def test_a_permit_next_door_joins_only_a_nearly_equal_name() -> None:
    rows = licenses(
        ("1", "BELLA NAPOLI LLC", "x", "1000 LOCUST ST", None, None), ("2", "HUDA FOOD AND BAKERY", "x", "2000 MAIN ST", None, None)
    )
    food = permits(("P1", "Bella Napoli (restaurant)", "1006 Locust St", None, None), ("P2", "Huda Grocery", "2002 Main St", None, None))
    assert grouped(LOTS, rows, food) == [{"1", "P1"}, {"2"}, {"P2"}]


def test_a_permit_across_the_street_or_between_two_likely_partners_stays_alone() -> None:
    rows = licenses(("1", "SUBWAY", "x", "1000 LOCUST ST", None, None), ("2", "SUBWAY", "x", "1008 LOCUST ST", None, None))
    food = permits(("P1", "Subway", "1004 Locust St", None, None), ("P2", "Subway", "1001 Locust St", None, None))
    assert grouped(LOTS, rows, food) == [{"1"}, {"2"}, {"P1"}, {"P2"}]


def test_licences_never_join_through_a_permit() -> None:
    rows = licenses(
        ("1", "TACO HOUSE EAST", "x", "1000 LOCUST ST", None, None), ("2", "TACO HOUSE WEST", "x", "1000 LOCUST ST", None, None)
    )
    assert grouped(LOTS, rows, permits(("P1", "Taco House", "1000 Locust St", None, None))) == [{"1", "P1"}, {"2"}]


def test_addresses_are_spelled_by_the_other_registers_then_by_the_licences() -> None:
    rows = licenses(("8", "A", "x", "1000 LOCST ST", None, None), ("9", "Q39 LLC", "x", "1000 W 39TH ST", None, None))
    food = permits(("P7", "Q 39", "1000 W 39th", None, None))
    gazetteer = build_gazetteer({"parcels": LOTS, "business_licenses": rows, "food_permits": food}, LOTS, no_streets())
    records = read_records(rows, food, locate_registers(rows, food, gazetteer), LOTS["parcel_id"]).set_index("number")
    assert records["address_key"].to_dict() == {"8": "1000 LOCUST ST", "9": "1000 W 39TH ST", "P7": "1000 W 39TH ST"}
    assert records.loc["8", ["name_match", "address_parcel_id"]].tolist() == ["spelling", "1"]
