"""On which parcel a business stands: one small town, one situation at each business."""

import pandas as pd
import pytest
from business_frames import permits, resolve
from frames import STEP, WEST, licenses, middle, parcels

LOTS = parcels(
    ("1", "1000 Locust St", 0),
    ("2", "1010 Locust St", 1),
    ("3", "1020 Locust St", 2),
    ("4", None, 3),
    ("5", None, 4),
    ("6", "200 Main St", 5),
    ("7", "300 Oak St", 6),
    ("8", "300 Oak St", 7),
    ("9", "400 Elm Ave", 8),
    ("10", "3315 Gillham Rd", 9),
    ("11", "800 Vine St", 60),
    ("12", "600 Troost Ave", 10),
    ("13", "3415 Gillham Rd", 11),
).assign(land_use_code=lambda lots: lots["parcel_id"].map({"5": "9500 - Vacant Residential"}).fillna("2100"))
AWAY = middle(40)  # more than 400 m from any lot
LICENSES = licenses(
    ("equal", "A1", "x", "1000 LOCUST ST", None, None),
    ("keyed", "A2", "x", "1000 LOCUST ST", *middle(0)),
    ("corrected", "A3", "x", "400 ELM", *middle(8)),
    ("corrected without a point", "A4", "x", "400 EML AVE", None, None),
    ("corrected far away", "A5", "x", "400 ELM AV NW", *AWAY),
    ("another kind of street", "A6", "x", "3415 GILLHAM PLZ", None, None),
    ("another kind of street, another row's point agrees", "A8", "x", "3315 Gillham Plz.", None, None),
    ("another kind of street, point agrees", "A7", "x", "3315 GILLHAM PLZ", *middle(9)),
    ("next number", "B1", "x", "1012 LOCUST ST", *middle(1)),
    ("number beyond the next", "B2", "x", "1022 LOCUST ST", *middle(1)),
    ("other side", "B3", "x", "1011 LOCUST ST", *middle(1)),
    ("no address there", "B4", "x", "70 ASH ST", *middle(3)),
    ("vacant there", "B5", "x", "80 ASH ST", *middle(4)),
    ("other street there", "B6", "x", "90 ASH ST", *middle(5)),
    ("beside the nearest lot", "B7", "x", "1014 LOCUST ST", WEST + 1.5 * STEP, middle(0)[1] + 0.6 * STEP),
    ("far inside another street", "C1", "x", "1000 LOCUST ST", *middle(5)),
    ("just over the edge", "C2", "x", "1010 LOCUST ST", WEST + 3 * STEP + 0.00003, middle(0)[1]),
    ("far from its address", "C3", "x", "1010 LOCUST ST", *AWAY),
    ("shared address, point decides", "D1", "x", "300 OAK ST", *middle(6)),
    ("shared address", "D2", "x", "300 OAK ST", None, None),
    ("next door to its permit", "TACO PALACE", "x", "806 VINE ST", None, None),
    ("nothing", "E1", "x", "9 NOWHERE LN", None, None),
    *((f"default point {number}", f"F{number}", "x", f"{number} BEECH ST", *middle(10)) for number in range(602, 624, 2)),
    ("at the default point", "F1", "x", "602 TROOST AVE", *middle(10)),
).assign(parcel_id=lambda rows: rows["license_id"].map({"keyed": "2"}).astype("str"))
FOOD = permits(("P1", "Taco Palace (deli)", "800 Vine St", None, None), ("P2", "Kiosk", "1010 Locust St", None, None))
CORRECTIONS = {
    "400 ELM": ("400 ELM AVE", "type"),
    "400 EML AVE": ("400 ELM AVE", "spelling"),
    "400 ELM AVE NW": ("400 ELM AVE", "direction"),
    "3315 GILLHAM PLZ": ("3315 GILLHAM RD", "type"),
    "3415 GILLHAM PLZ": ("3415 GILLHAM RD", "type"),
}


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    tables = resolve(LOTS, LICENSES, FOOD, CORRECTIONS)
    review = tables.review.set_index("business_id")[["candidates", "suggested_parcel_id"]]
    rows = tables.businesses.drop(columns=["candidates", "suggested_parcel_id"]).join(review, on="business_id")
    return rows.set_index(rows["license_ids"].fillna(rows["permit_numbers"]))


@pytest.mark.parametrize(
    ("business", "parcel", "method", "score"),
    [
        ("equal", "1", "address", 1.0),
        ("keyed", "2", "parcel_key", 1.0),
        ("corrected", "9", "address_corrected", 0.95),
        ("corrected without a point", "9", "address_corrected", 0.75),
        ("another kind of street, point agrees", "10", "address_corrected", 0.63),
        ("another kind of street, another row's point agrees", "10", "address_corrected", 0.63),
        ("next number", "2", "point_in_polygon", 0.85),
        ("no address there", "4", "point_in_polygon", 0.7),
        ("just over the edge", "2", "address", 1.0),
        ("shared address, point decides", "7", "point_in_polygon", 0.95),
        ("next door to its permit", "11", "name_and_address", 0.9),
        ("P2", "2", "address", 1.0),
    ],
)
def test_a_parcel_is_found(found: pd.DataFrame, business: str, parcel: str, method: str, score: float) -> None:
    row = found.loc[business]
    assert (row["parcel_id"], row["match_method"], row["match_score"]) == (parcel, method, pytest.approx(score))
    assert row["business_parcel_id"] == f"parcel:{parcel}"
    assert pd.isna(row["reason"])


@pytest.mark.parametrize(
    ("business", "place"),
    [
        ("number beyond the next", "1022 LOCUST ST"),
        ("other side", "1011 LOCUST ST"),
        ("vacant there", "80 ASH ST"),
        ("other street there", "90 ASH ST"),
        ("beside the nearest lot", "1014 LOCUST ST"),
        ("nothing", "9 NOWHERE LN"),
        ("at the default point", "602 TROOST AVE"),
    ],
)
def test_a_business_without_evidence_keeps_its_address_and_bothers_nobody(found: pd.DataFrame, business: str, place: str) -> None:
    row = found.loc[business]
    assert (row["business_parcel_id"], row["match_method"], row["match_score"]) == (f"address:{place}", "none", 0.0)
    assert pd.isna(row["reason"])
    assert pd.isna(row["candidates"])


@pytest.mark.parametrize(
    ("business", "reason", "candidates", "suggested"),
    [
        (
            "far inside another street",
            r"1000 LOCUST ST belongs to parcel 1, but the register's point lies \d+ m away inside parcel 6 on MAIN ST",
            "parcel 1 (1.00, its address is equal); parcel 6 (0.40, holds the register's point, but is on MAIN ST)",
            "1",
        ),
        (
            "far from its address",
            r"1010 LOCUST ST belongs to parcel 2, but the register's point lies [\d,]+ m away\.$",
            "parcel 2 (1.00, its address is equal)",
            "2",
        ),
        (
            "corrected far away",
            r"400 ELM AVE NW is not known; 400 ELM AVE is, but lies [\d,]+ m from the register's point",
            "parcel 9 (0.40, its address is 400 ELM AVE)",
            "9",
        ),
        (
            "another kind of street",
            "3415 GILLHAM PLZ is not known; 3415 GILLHAM RD, another kind of street, is that of parcel 13",
            "parcel 13 (0.58, its address is equal but for type)",
            "13",
        ),
        (
            "shared address",
            "Several parcels have the address 300 OAK ST",
            "parcel 7 (0.50, one of several parcels with this address); parcel 8 (0.50, one of several parcels with this address)",
            "7",
        ),
    ],
)
def test_contradictions_go_to_a_person_and_the_match_stays_safe(
    found: pd.DataFrame, business: str, reason: str, candidates: str, suggested: str
) -> None:
    row = found.loc[business]
    assert pd.isna(row["parcel_id"])
    assert (row["match_method"], row["match_score"]) == ("none", 0.0)
    assert row["business_parcel_id"] == f"address:{row['address_key']}"
    assert pd.Series([row["reason"]]).str.contains(reason).all(), row["reason"]
    assert (row["candidates"], row["suggested_parcel_id"], row["runner_up_parcel_id"]) == (candidates, suggested, suggested)


def test_the_best_other_parcel_is_kept(found: pd.DataFrame) -> None:
    assert found.loc["keyed", ["runner_up_parcel_id", "runner_up_score"]].tolist() == ["1", 1.0]
    assert found.loc["number beyond the next", ["runner_up_parcel_id", "runner_up_score"]].tolist() == ["2", 0.4]
    assert found.loc["equal", ["runner_up_parcel_id"]].isna().all()
