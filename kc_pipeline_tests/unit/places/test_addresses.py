"""Addresses in their canonical form."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.places.addresses import parse_address, split_street, standardize


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1000  LOCUST ST", "1000 LOCUST ST"),
        ("1000 Locust Street, Kansas City, MO 64106", "1000 LOCUST ST"),
        ("1000 Locust St Kansas City 64106", "1000 LOCUST ST"),
        ("1600  E 40 ST", "1600 E 40TH ST"),
        ("1600 EAST 40TH STREET", "1600 E 40TH ST"),
        ("4300  NE CHOUTEAU TR", "4300 NE CHOUTEAU TRFY"),
        ("1000  W 68 TE", "1000 W 68TH TER"),
        ("11600  E US 40 HW", "11600 40 HWY"),
        ("11701 E STATE ROUTE 350", "11701 350 HWY"),
        ("700  BROADWAY BL", "700 BROADWAY"),
        ("2800 The Paseo", "2800 PASEO"),
        ("5600 BLUE PKWY PKWY", "5600 BLUE PKWY"),
        ("6106  St. John Ave", "6106 ST JOHN AVE"),
        ("2311 E. 12th St.", "2311 E 12TH ST"),
        ("100 W 5TH ST STE 200", "100 W 5TH ST"),
        ("100 W 5TH ST # 4", "100 W 5TH ST"),
        ("102-104 MAIN ST", "102 MAIN ST"),
        ("123 1/2 MAIN ST", "123 MAIN ST"),
        ("211 E 2 ST", "211 E 2ND ST"),
        ("11 E 13 ST", "11 E 13TH ST"),
        ("921 E 21 ST", "921 E 21ST ST"),
        ("3101 SW Boulevard", "3101 SOUTHWEST BLVD"),
        ("3101 Southwest Blvd", "3101 SOUTHWEST BLVD"),
        ("3201 SW TR", "3201 SOUTHWEST TRFY"),
        ("5733 MC GEE ST", "5733 MCGEE ST"),
        ("4646 J C NICHOLS PKWY", "4646 JC NICHOLS PKWY"),
        ("8735 SNI-A-BAR RD", "8735 SNI A BAR RD"),
        ("8735 SNI A BAR RD", "8735 SNI A BAR RD"),
        ("7 N W BARRY RD", "7 NW BARRY RD"),
        ("12040 E 86 th St", "12040 E 86TH ST"),
        ("9650 N.W Prairie View Rd", "9650 NW PRAIRIE VIEW RD"),
        ("2201E 72nd St Kansas City", "2201 E 72ND ST"),
        ("One Arrowhead Drive", "1 ARROWHEAD DR"),
        ("201\u00e2\u20ac\u201c299 W Seventh St Kansas City 64105", "201 W 7TH ST"),
        ("1300\u20131698 NW Reiger Rd Kansas City 64118", "1300 NW REIGER RD"),
        ("00  W 10 ST", "0 W 10TH ST"),
        ("1400 MAIN ST 2ND FLOOR", "1400 MAIN ST"),
        ("3420 N OAK TRFY A", "3420 N OAK TRFY"),
        ("5600 BLUE PKWY E", "5600 BLUE PKWY E"),
    ],
)
def test_a_numbered_address_has_one_key(text: str, key: str) -> None:
    parsed = parse_address(text)
    assert (parsed.kind, parsed.key) == ("numbered", key)


@pytest.mark.parametrize(
    "text", ["E 43 ST and TROOST AV", "TROOST AVE & E 43RD ST", "Troost Ave / E 43rd St", "TROOST AV // E 43 ST", "E 43RD ST at TROOST AVE"]
)
def test_an_intersection_has_one_key_in_either_order(text: str) -> None:
    parsed = parse_address(text)
    assert (parsed.kind, parsed.key) == ("intersection", "E 43RD ST & TROOST AVE")


@pytest.mark.parametrize(
    ("text", "key"), [("47 ST and PROSPECT AV", "47TH ST & PROSPECT AVE"), ("81ST ST and PARK AVE", "81ST ST & PARK AVE")]
)
def test_a_numbered_street_is_not_a_house_number(text: str, key: str) -> None:
    assert parse_address(text).key == key


def test_a_range_says_so_and_a_place_between_two_streets_is_its_street() -> None:
    assert parse_address("2601-2621 E 13th St").is_range
    assert parse_address("100 OAK ST & 7 ELM ST").is_range
    assert not parse_address("2601 E 13th St").is_range
    between = parse_address("Hardesty between Blue Pkwy and 63rd St Kansas City 64130")
    assert (between.kind, between.key) == ("street", "HARDESTY")


@pytest.mark.parametrize("text", ["US 71 HWY N", "E US-71 HWY", "S 71 Highway", "US Highway 71", "BRUCE R WATKINS DR N", "71 HW"])
def test_a_highway_has_one_name(text: str) -> None:
    assert parse_address(f"{text} and E 39 ST").key == "71 HWY & E 39TH ST"


@pytest.mark.parametrize(
    ("street", "parts"),
    [
        ("E 43RD ST", ("E", "43RD", "ST", "")),
        ("BLUE PKWY E", ("", "BLUE", "PKWY", "E")),
        ("PASEO", ("", "PASEO", "", "")),
        ("71 HWY", ("", "71", "HWY", "")),
        ("SOUTHWEST BLVD", ("", "SOUTHWEST", "BLVD", "")),
    ],
)
def test_a_canonical_street_comes_apart_again(street: str, parts: tuple[str, ...]) -> None:
    assert split_street(street) == parts


@pytest.mark.parametrize(
    ("text", "block"), [("4426 Jackson Ave", "4400 JACKSON AVE"), ("1000 LOCUST ST", "1000 LOCUST ST"), ("7 MAIN ST", "0 MAIN ST")]
)
def test_the_block_is_the_hundred(text: str, block: str) -> None:
    assert parse_address(text).block_key == block


@pytest.mark.parametrize("text", ["3663 PO Box", "P.O. BOX 12", "", "   ", "9 Kansas City 64117", "9" * 30])
def test_what_is_no_place_has_no_key(text: str) -> None:
    assert parse_address(text).kind == "none"


def test_superscript_digits_are_no_street_number() -> None:
    assert parse_address("\u00b2\u00b2 & OAK ST").key == "OAK ST & \u00b2\u00b2"


def test_an_overlong_number_is_no_house_number() -> None:
    assert standardize(pd.Series(["9" * 25 + " MAIN ST"], dtype="str"))["address_kind"].tolist() == ["street"]


def test_a_street_alone_is_a_street() -> None:
    assert parse_address("James A Reed Rd Kansas City 64134").kind == "street"


def test_a_frame_keeps_its_index_and_missing_values() -> None:
    frame = standardize(pd.Series(["1000 LOCUST ST", None], index=[7, 9], dtype="str"))
    assert frame.index.tolist() == [7, 9]
    assert frame["address_key"].isna().tolist() == [False, True]
    assert frame["address_kind"].tolist() == ["numbered", "none"]


@given(
    st.integers(1, 20000),
    st.sampled_from(["N", "E", "NW", ""]),
    st.sampled_from(["OAK", "47TH", "ST JOHN", "MARTIN LUTHER KING JR"]),
    st.sampled_from(["ST", "AVE", "TER", "BLVD"]),
)
def test_a_canonical_key_is_its_own_key(number: int, direction: str, name: str, kind: str) -> None:
    key = parse_address(f"{number} {direction} {name} {kind}").key
    assert key is not None
    assert parse_address(key).key == key


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert parse_address(text).kind in {"numbered", "intersection", "street", "none"}
