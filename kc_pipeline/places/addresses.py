"""Kansas City addresses in one canonical form, so that equal places have equal keys.

`standardize` works on distinct values and returns parts; it knows the forms of the city's systems: police blocks
('3400  NORTON AV'), 311 ('4426 Jackson Ave Kansas City 64130'), licences ('600 E 8TH ST'), intersections ('E 43 ST and
TROOST AV').  Without a map it does not correct spelling and does not guess missing directions.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

_STREET_TYPES = {
    "AV": "AVE", "AVE": "AVE", "AVENUE": "AVE",
    "BL": "BLVD", "BLVD": "BLVD", "BOULEVARD": "BLVD", "BV": "BLVD",
    "CI": "CIR", "CIR": "CIR", "CIRCLE": "CIR",
    "CT": "CT", "COURT": "CT",
    "DR": "DR", "DRIVE": "DR",
    "HW": "HWY", "HWY": "HWY", "HIGHWAY": "HWY",
    "LN": "LN", "LANE": "LN",
    "PK": "PKWY", "PKY": "PKWY", "PW": "PKWY", "PKWY": "PKWY", "PARKWAY": "PKWY",
    "PL": "PL", "PLACE": "PL",
    "PLZ": "PLZ", "PLAZA": "PLZ",
    "RD": "RD", "ROAD": "RD",
    "SQ": "SQ", "SQUARE": "SQ",
    "ST": "ST", "STREET": "ST",
    "TE": "TER", "TER": "TER", "TERR": "TER", "TERRACE": "TER",
    "TR": "TRFY", "TRFY": "TRFY", "TFWY": "TRFY", "TRAFFICWAY": "TRFY",
    "WA": "WAY", "WAY": "WAY",
}  # fmt: skip
_DIRECTIONS = {
    "N": "N", "S": "S", "E": "E", "W": "W", "NE": "NE", "NW": "NW", "SE": "SE", "SW": "SW",
    "NORTH": "N", "SOUTH": "S", "EAST": "E", "WEST": "W",
    "NORTHEAST": "NE", "NORTHWEST": "NW", "SOUTHEAST": "SE", "SOUTHWEST": "SW",
}  # fmt: skip
_ORDINAL_WORDS = {
    "FIRST": "1ST", "SECOND": "2ND", "THIRD": "3RD", "FOURTH": "4TH", "FIFTH": "5TH",
    "SIXTH": "6TH", "SEVENTH": "7TH", "EIGHTH": "8TH", "NINTH": "9TH", "TENTH": "10TH",
}  # fmt: skip
_TYPELESS = frozenset({"PASEO", "BROADWAY"})  # streets that sources write with and without a type
_TAIL = re.compile(r"[\s,]+(KANSAS\s+CITY|KCMO)([\s,]+(MO|MISSOURI))?([\s,]+\d{5}(-\d{4})?)?\s*$")
_UNIT = re.compile(r"\s+(?:(?:APT|APARTMENT|UNIT|STE|SUITE|BLDG|RM|ROOM|FL|FLOOR|LOT|SPC|TRLR)\b\.?\s*\S*|#\s*\S+).*$")
_CROSSING = re.compile(r"\s+(?:AND|AT)\s+|\s*(?:&|//|/|@)\s*(?!\d\b)")
_NUMBER = re.compile(r"^(\d+)(?:\s*-\s*\d+)?(?:\s+\d/\d)?(?:\s*[A-D])?\s+(.+)$")
# A leading number can be the street's own name: '47 ST', '47 ST and PROSPECT AV'.
_ORDINAL_STREET = re.compile(r"^\d+ (ST|TER|TE|AV|AVE|PL)(\s+(AND|AT)\b|\s*[&/@]|$)")
_POST_BOX = re.compile(r"\bP\s?O BOX\b")


@dataclass(frozen=True)
class Address:
    """Parts of one address.

    Attributes:
        kind: 'numbered', 'intersection', 'street' (no house number) or 'none'.
        key: canonical form; '1000 LOCUST ST', or 'E 43RD ST & TROOST AVE' with the streets in alphabetical order.
        block_key: canonical hundred-block, '1000 LOCUST ST' for house numbers 1000 to 1099; numbered addresses only.
        street: canonical street; numbered addresses and streets only.
        number: house number; numbered addresses only.
    """

    kind: str
    key: str | None = None
    block_key: str | None = None
    street: str | None = None
    number: int | None = None


def standardize(addresses: pd.Series) -> pd.DataFrame:
    """Canonical parts of many addresses.

    Args:
        addresses: address texts, any of them missing.

    Returns:
        Frame with the index of `addresses` and columns address_kind, address_key, block_key, street.
    """
    distinct = addresses.dropna().unique()
    parsed = {text: parse_address(text) for text in distinct}
    nothing = Address("none")
    parts = [parsed.get(text, nothing) for text in addresses]
    return pd.DataFrame(
        {
            "address_kind": pd.array([p.kind for p in parts], dtype="str"),
            "address_key": pd.array([p.key for p in parts], dtype="str"),
            "block_key": pd.array([p.block_key for p in parts], dtype="str"),
            "street": pd.array([p.street for p in parts], dtype="str"),
        },
        index=addresses.index,
    )


@lru_cache(maxsize=400_000)
def parse_address(text: str) -> Address:
    """Canonical parts of one address text."""
    clean = re.sub(r"[.,;]", " ", _TAIL.sub("", text.upper().strip()))
    clean = " ".join(clean.split())
    if not clean or _POST_BOX.search(clean):
        return Address("none")
    numbered = _NUMBER.match(clean)
    if numbered and not _ORDINAL_STREET.match(clean):
        street = _street(_UNIT.sub("", f" {numbered[2]}").strip())
        number = int(numbered[1])
        if street and number > 0:
            return Address("numbered", f"{number} {street}", f"{number // 100 * 100} {street}", street, number)
        return Address("none")
    crossing = [_street(part) for part in _CROSSING.split(clean) if part.strip()]
    streets = sorted({street for street in crossing if street})
    if len(streets) >= 2:
        return Address("intersection", " & ".join(streets[:2]))
    if len(streets) == 1:
        return Address("street", streets[0], street=streets[0])
    return Address("none")


def _street(text: str) -> str:
    words = text.split()
    if not words:
        return ""
    if words[0] == "THE" and len(words) > 1:
        words = words[1:]
    direction = ""
    if len(words) > 1 and words[0] in _DIRECTIONS:
        direction, words = _DIRECTIONS[words[0]], words[1:]
    kind = ""
    if len(words) > 1 and words[-1] in _STREET_TYPES:
        kind, words = _STREET_TYPES[words[-1]], words[:-1]
        while len(words) > 1 and _STREET_TYPES.get(words[-1]) == kind:  # 'BLUE PKWY PKWY'
            words = words[:-1]
    words = [_ORDINAL_WORDS.get(word, word) for word in words]
    if len(words) == 1 and words[0].isdigit() and kind in {"ST", "TER", "AVE", "PL", "CT"}:
        words = [_ordinal(int(words[0]))]
    if len(words) == 1 and words[0] in _TYPELESS:
        kind = ""
    return " ".join(part for part in (direction, *words, kind) if part)


def _ordinal(number: int) -> str:
    suffix = "TH" if 10 <= number % 100 <= 20 else {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")
    return f"{number}{suffix}"
