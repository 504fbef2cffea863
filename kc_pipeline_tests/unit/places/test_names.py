"""Business names: one form, and how alike two are; most examples stand in the city's registers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.places.business_groups import NEARLY_EQUAL, SIMILAR
from kc_pipeline.places.names import name_similarity, normalize_name

NAMES = st.text(alphabet="ABC &'#12()@/-.", max_size=20)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Tony's House of Sausage #1 514216", "TONYS HOUSE OF SAUSAGE 1"),
        ("THE CORNER, L.L.C.", "CORNER"),
        ("RIVER CLUB INC THE", "RIVER CLUB"),
        ("S & S CRAFT CATERING LLC", "S AND S CRAFT CATERING"),
        ("BRGR + KITCHEN", "BRGR AND KITCHEN"),
        ("K C FUDGE INC", "KC FUDGE"),
        ("ELVIRA S CAKES", "ELVIRAS CAKES"),
        ("KEONA KINDLE DBA HAUTE MESS", "HAUTE MESS"),
        ("DBA FRINGE SALON", "FRINGE SALON"),
        ("Price Chopper (deli)", "PRICE CHOPPER"),
        ("Prospect Xpress Mart-retail", "PROSPECT XPRESS MART"),
        ("Cosentino's Downtown Market (catering) 512345", "COSENTINOS DOWNTOWN MARKET"),
        ("Treat America @ H&R Block - CK Kiosk", "TREAT AMERICA"),
        ("B\u00e2\u20ac\u2122S CAF\u00c3\u2030", "BS CAFE"),
        ("CO", "CO"),
        ("#00970", "00970"),
    ],
)
def test_what_says_nothing_about_the_business_is_taken_away(written: str, compared: str) -> None:
    assert normalize_name(written) == compared


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("QuikTrip #218 (Deli)", "QUIK TRIP #218"),
        ("MARSH'S SUNFRESH (Bakery)", "MARSHS SUN FRESH"),
        ("Insomnia Cookies", "INSOMNIACOOKIES"),
        ("Shooters", "SHOOTER'S TAVERN INC."),
        ("Family Dollar Store #10136", "FAMILY DOLLAR #30136"),
        ("Express Stop #1 (Market)", "EXPRES STOP"),
        ("Worlds of Fun Subway", "WORLDS OF FUN"),
        ("Hilton Kansas City", "HILTON KANSAS CITY AIRPORT"),
        ("Huda Bakery", "HUDA FOOD AND BAKERY"),
    ],
)
def test_two_spellings_of_one_business_are_similar(left: str, right: str) -> None:
    assert name_similarity(left, right) >= SIMILAR


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Country Club Cafe", "COUNTRY CLUB BANK"),
        ("Jay Wolfe Honda", "JAY WOLFE ACURA"),
        ("Short Stop 85", "QUICK STOP"),
        ("Debbie's Deli", "CLARK DEBBIE"),
        ("KC Masterpiece", "KC BBQ"),
        ("Treat America @ Commerce Bank", "COMMERCE BANK"),
        ("Subway Restaurant at Walmart Store #234", "WALMART #234"),
        ("2016 Main", "1914 MAIN LLC"),
        ("C/O PAYROLL TAX", "PAYROLL TAX"),
    ],
)
def test_names_that_share_generic_words_or_a_host_are_not_similar(left: str, right: str) -> None:
    assert name_similarity(left, right) < SIMILAR


@given(NAMES, NAMES)
def test_similarity_is_a_symmetric_share(left: str, right: str) -> None:
    score = name_similarity(left, right)
    assert 0.0 <= score <= 1.0
    assert score == name_similarity(right, left)


@given(NAMES)
def test_case_and_blanks_make_no_difference(name: str) -> None:
    assert normalize_name(f"  {name.lower()} ".replace(" ", "  ")) == normalize_name(name)


def test_nearly_equal_is_stricter_than_similar() -> None:
    assert SIMILAR < NEARLY_EQUAL
