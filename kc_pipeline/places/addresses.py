"""Kansas City addresses in one canonical form, so that equal places have equal keys.

`standardize` works on distinct values and returns parts; it knows the forms of the city's systems: police blocks
('3400  NORTON AV', '00  W 10 ST'), 311 ('4426 Jackson Ave Kansas City 64130', '2601-2621 E 13th St'), licences ('600 E
8TH ST STE 200'), highways ('E I 70 HWY E', 'US-71 HWY'), corners ('E 43 ST and TROOST AV').  It corrects no spelling and
adds no missing direction or type: that needs a map, see `places/streets.py`.

The grammar is our own.  General parsers of United States addresses label words by likelihood; they read '3400  NORTON AV'
well, but have no notion of blocks and of the city's numbered terraces and trafficways.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from kc_pipeline.places import address_memory

_STREET_TYPES = {
    "ALY": "ALY", "ALLEY": "ALY",
    "AV": "AVE", "AVE": "AVE", "AVENUE": "AVE",
    "BL": "BLVD", "BLVD": "BLVD", "BOULEVARD": "BLVD", "BV": "BLVD",
    "CI": "CIR", "CIR": "CIR", "CIRCLE": "CIR",
    "CT": "CT", "COURT": "CT",
    "CTOF": "CTOF", "CUTOFF": "CTOF",
    "CV": "CV", "COVE": "CV",
    "DR": "DR", "DRIVE": "DR",
    "EXPY": "EXPY", "EXPRESSWAY": "EXPY",
    "FWY": "FWY", "FREEWAY": "FWY",
    "HW": "HWY", "HWY": "HWY", "HIGHWAY": "HWY",
    "LN": "LN", "LANE": "LN",
    "LOOP": "LOOP",
    "PARK": "PARK",
    "PATH": "PATH",
    "PK": "PKWY", "PKY": "PKWY", "PW": "PKWY", "PKWY": "PKWY", "PARKWAY": "PKWY",
    "PL": "PL", "PLACE": "PL",
    "PLZ": "PLZ", "PZ": "PLZ", "PLAZA": "PLZ",
    "PT": "PT", "POINT": "PT",
    "RD": "RD", "ROAD": "RD",
    "ROW": "ROW",
    "RUN": "RUN",
    "SQ": "SQ", "SQUARE": "SQ",
    "ST": "ST", "STREET": "ST",
    "TE": "TER", "TER": "TER", "TERR": "TER", "TERRACE": "TER",
    "TR": "TRFY", "TRFY": "TRFY", "TRFWY": "TRFY", "TFWY": "TRFY", "TRAFFICWAY": "TRFY",
    "TRL": "TRL", "TRAIL": "TRL",
    "WA": "WAY", "WY": "WAY", "WAY": "WAY",
    "XING": "XING", "CROSSING": "XING",
}  # fmt: skip
STREET_TYPES = frozenset(_STREET_TYPES.values())
_DIRECTIONS = {
    "N": "N", "S": "S", "E": "E", "W": "W", "NE": "NE", "NW": "NW", "SE": "SE", "SW": "SW",
    "NORTH": "N", "SOUTH": "S", "EAST": "E", "WEST": "W",
    "NORTHEAST": "NE", "NORTHWEST": "NW", "SOUTHEAST": "SE", "SOUTHWEST": "SW",
}  # fmt: skip
DIRECTIONS = frozenset(_DIRECTIONS.values())
_DIRECTION_NAMES = {"NE": "NORTHEAST", "NW": "NORTHWEST", "SE": "SOUTHEAST", "SW": "SOUTHWEST"}
_ORDINAL_WORDS = {
    "FIRST": "1ST", "SECOND": "2ND", "THIRD": "3RD", "FOURTH": "4TH", "FIFTH": "5TH", "SIXTH": "6TH", "SEVENTH": "7TH",
    "EIGHTH": "8TH", "NINTH": "9TH", "TENTH": "10TH", "ELEVENTH": "11TH", "TWELFTH": "12TH", "THIRTEENTH": "13TH",
    "FOURTEENTH": "14TH", "FIFTEENTH": "15TH", "SIXTEENTH": "16TH", "SEVENTEENTH": "17TH", "EIGHTEENTH": "18TH",
    "NINETEENTH": "19TH", "TWENTIETH": "20TH",
}  # fmt: skip
_NUMBER_WORDS = {"ONE": "1", "TWO": "2"}  # 'One Arrowhead Drive', 'Two Pershing Square'; higher ones are street names
_LONGEST_STREET_NUMBER = 3  # digits; '4700 & TROOST' names no 4700th street
_TYPELESS = frozenset({"PASEO", "BROADWAY"})  # streets that sources write with and without a type
# One road under two names.
_SAME_STREET = {"BRUCE R WATKINS DR": "71 HWY", "BRUCE WATKINS DR": "71 HWY", "BRUCE R WATKINS": "71 HWY"}
_DASHES = re.compile("\u2010|\u2011|\u2012|\u2013|\u2014|\u00e2\u20ac\u201c|\u00e2\u20ac\u201d")
_TAIL = re.compile(r"[\s,]+(?:(?:KANSAS\s+CITY|KCMO)(?:[\s,]+(?:MO|MISSOURI))?|MO|MISSOURI)(?:[\s,]+\d{5}(?:-\d{4})?)?(?:[\s,]+USA?)?\s*$")
_ZIP_TAIL = re.compile(r"(?<=[A-Z])[\s,]+\d{5}(?:-\d{4})?\s*$")
_UNIT = re.compile(
    r"\s+(?:(?:APT|APTS|APARTMENT|UNIT|STE|SUITE|BLDG|BUILDING|RM|ROOM|FL|FLOOR|LOT|SPC|SPACE|TRLR|DEPT|PMB)\b\s*\S*|#\s*\S*"
    r"|(?:\d+(?:ST|ND|RD|TH)\s+)?(?:FLR|FLOOR|FL)\b|(?:REAR|BSMT|BASEMENT|UPPER|LOWER|FRONT|GARAGE)$).*$"
)
_CROSSING = re.compile(r"\s+(?:AND|AT)\s+|\s*(?:&|//|/|@)\s*(?!\d\b)")
_NUMBER = re.compile(r"(?P<low>[0-9]{1,6})(?:\s*-\s*(?P<high>[0-9]+))?(?:\s+\d/\d)?(?:\s*[A-D])?\s+(?P<rest>.+)")
_DOTTED = re.compile(r"\b([NS])\.\s?([EW])\b\.?\s*")  # 'N.W PRAIRIE VIEW RD'
_SPLIT_ORDINAL = re.compile(r"\b(\d+) (ST|ND|RD|TH)(?= (?:ST|STREET|TER|TE|TERR|TERRACE|AV|AVE|PL)\b)")  # '86 TH ST'
_SPLIT_NAME = re.compile(r"\b(MC|[A-Z](?= [A-Z] )) (?=[A-Z])")  # 'MC GEE ST', 'J C NICHOLS PKWY', 'N W BARRY RD'
_GLUED = re.compile(r"^(\d+)([NSEW])\s+(?=\d)")  # '2201E 72ND ST'
# A leading number can be the street's own name: '47 ST', '47 ST and PROSPECT AV', '71 HWY AND HOLMES ST'.
_ORDINAL_STREET = re.compile(
    r"\d+ (?:ST|STREET|TER|TE|TERR|AV|AVE|PL|TRFY|TR|HWY|HW|HIGHWAY)(?: (?:N|S|E|W|NB|SB|EB|WB))?(?:\s+(?:AND|AT)\b|\s*[&/@]|$)"
)
_ROUTE = re.compile(
    r"(?:(?:N|S|E|W|NE|NW|SE|SW|NORTH|SOUTH|EAST|WEST) )?"
    r"(?:(?:(?:I|US|U S|MO|M|K|KS|INTERSTATE|STATE|ROUTE|RTE|RT|STATE ROUTE|HWY|HW|HIGHWAY)[ -]*)+(?P<a>\d{1,3})(?: (?:HWY|HW|HIGHWAY))?"
    r"|(?P<b>\d{1,3}) (?:HWY|HW|HIGHWAY))"
    r"(?: (?:N|S|E|W|NE|NW|SE|SW|NB|SB|EB|WB))?"
)
_POST_BOX = re.compile(r"\bP\s?O\s?BOX\b|\d\s+BOX\s+\d")


class Address(NamedTuple):
    """Parts of one address.

    Attributes:
        kind: 'numbered', 'intersection', 'street' (no house number) or 'none'.
        key: canonical form; '1000 LOCUST ST', or 'E 43RD ST & TROOST AVE' with the streets in alphabetical order.
        block_key: canonical hundred-block, '1000 LOCUST ST' for house numbers 1000 to 1099; numbered addresses only.
        street: canonical street; of an intersection the first of the two.
        cross_street: the second street of an intersection.
        number: house number, 0 for the '00' block; numbered addresses only.
        is_range: whether the address names several places ('2601-2621 E 13TH ST', '100 OAK ST & 7 ELM ST'); key and number are of
            the first.
    """

    kind: str
    key: str | None = None
    block_key: str | None = None
    street: str | None = None
    cross_street: str | None = None
    number: int | None = None
    is_range: bool = False


class Street(NamedTuple):
    """Parts of one canonical street; a part that it lacks is ''."""

    direction: str
    name: str
    type: str
    suffix: str


_NOTHING = Address("none")


def standardize(addresses: pd.Series) -> pd.DataFrame:
    """Canonical parts of many addresses.

    Args:
        addresses: address texts, any of them missing.

    Returns:
        Frame with the index of `addresses` and columns address_kind, address_key, block_key, street, cross_street (str),
        number (Int64) and is_range (bool); see `Address`.
    """
    codes, distinct = pd.factorize(addresses)
    known = address_memory.parts_of(pd.Index(distinct), _parser_digest(), lambda texts: _parts(map(parse_address, texts)))
    parts = pd.concat([known, _parts([_NOTHING])], ignore_index=True)
    return parts.iloc[codes].set_axis(addresses.index)


def _parts(parsed: Iterable[Address]) -> pd.DataFrame:
    parts = pd.DataFrame(list(parsed), columns=list(Address._fields))
    texts = ["kind", "key", "block_key", "street", "cross_street"]
    parts = parts.astype({**dict.fromkeys(texts, "str"), "number": "Int64", "is_range": "bool"})
    return parts.rename(columns={"kind": "address_kind", "key": "address_key"})


@cache
def _parser_digest() -> str:
    """Digest of this module's text: all that the parts of an address depend on beside the address."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@lru_cache(maxsize=400_000)
def parse_address(text: str) -> Address:
    """Canonical parts of one address text."""
    clean = _DASHES.sub("-", text).upper().strip()
    clean = _SPLIT_ORDINAL.sub(r"\1\2", _DOTTED.sub(r"\1\2 ", _ZIP_TAIL.sub("", _TAIL.sub("", clean))))
    clean = " ".join(re.sub(r"[.,;]|(?<=[A-Z])-(?=[A-Z])", " ", clean).split())
    first, _, rest = clean.partition(" ")
    if first in _NUMBER_WORDS and " " in rest:
        clean = f"{_NUMBER_WORDS[first]} {rest}"
    if not clean or clean.isdecimal() or _POST_BOX.search(clean):
        return _NOTHING
    clean = _GLUED.sub(r"\1 \2 ", clean)
    if not _ORDINAL_STREET.match(clean) and (numbered := _NUMBER.fullmatch(clean)):
        return _numbered(numbered)
    if " BETWEEN " in clean:
        street = canonical_street(clean.split(" BETWEEN ")[0])
        return Address("street", street, street=street) if street else _NOTHING
    streets = sorted({street for part in _CROSSING.split(clean) if (street := canonical_street(part))})
    if len(streets) >= 2:
        return Address("intersection", " & ".join(streets[:2]), street=streets[0], cross_street=streets[1])
    if streets:
        return Address("street", streets[0], street=streets[0])
    return _NOTHING


def canonical_street(text: str) -> str:
    """One street in canonical form, '' if the text names none: direction, name, type and suffix, as far as they are given."""
    words = _UNIT.sub("", " " + _SPLIT_NAME.sub(r"\1", text)).split()
    if not words:
        return ""
    if route := _ROUTE.fullmatch(" ".join(words)):
        return f"{int(route['a'] or route['b'])} HWY"
    if words[0] == "THE" and len(words) > 1:
        words = words[1:]
    direction = ""
    if len(words) > 1 and words[0] in _DIRECTIONS:
        direction, words = _DIRECTIONS[words[0]], words[1:]
        if words[0] in _STREET_TYPES and (len(words) == 1 or words[1] in _DIRECTIONS):  # Southwest Boulevard; E Avenue
            direction, words = "", [_DIRECTION_NAMES.get(direction, direction), *words]
    words, kind, suffix = _type_of(words)
    words = [_ORDINAL_WORDS.get(word, word) for word in words]
    if words[0] == "SAINT" and len(words) > 1:
        words[0] = "ST"
    if len(words) == 1 and words[0].isdecimal() and len(words[0]) <= _LONGEST_STREET_NUMBER:
        words = [_ordinal(int(words[0]))]
    if len(words) == 1 and words[0] in _TYPELESS:
        kind = ""
    street = " ".join(part for part in (direction, *words, kind, suffix) if part)
    return _SAME_STREET.get(" ".join(part for part in (*words, kind) if part), street)


@lru_cache(maxsize=100_000)
def split_street(street: str) -> Street:
    """Parts of a street in canonical form."""
    words = street.split()
    direction = words.pop(0) if len(words) > 1 and words[0] in DIRECTIONS else ""
    suffix = words.pop() if len(words) > 2 and words[-1] in DIRECTIONS and words[-2] in STREET_TYPES else ""
    kind = words.pop() if len(words) > 1 and words[-1] in STREET_TYPES else ""
    return Street(direction, " ".join(words), kind, suffix)


def _numbered(match: re.Match[str]) -> Address:
    first, *further = _CROSSING.split(match["rest"])
    street = canonical_street(first)
    if not street:
        return _NOTHING
    number = int(match["low"])
    block = f"{number // 100 * 100} {street}"
    return Address("numbered", f"{number} {street}", block, street, None, number, match["high"] is not None or bool(further))


def _type_of(words: list[str]) -> tuple[list[str], str, str]:
    """Name, type and direction behind the type ('BLUE PKWY E'); what follows a type and is a unit is left out."""
    if len(words) > 2 and words[-2:] in (["TRAFFIC", "WAY"], ["CUT", "OFF"]):
        words = [*words[:-2], "".join(words[-2:])]
    suffix = ""
    if len(words) > 2 and words[-2] in _STREET_TYPES and words[-1] not in _STREET_TYPES:
        if words[-1] in _DIRECTIONS:
            suffix = _DIRECTIONS[words[-1]]
            words = words[:-1]
        elif re.fullmatch(r"[A-Z]?\d{0,4}[A-Z]?", words[-1]):
            words = words[:-1]
    kind = ""
    if len(words) > 1 and words[-1] in _STREET_TYPES:
        kind, words = _STREET_TYPES[words[-1]], words[:-1]
        while len(words) > 1 and _STREET_TYPES.get(words[-1]) == kind:  # 'BLUE PKWY PKWY'
            words = words[:-1]
    return words, kind, suffix


def _ordinal(number: int) -> str:
    suffix = "TH" if 10 <= number % 100 <= 20 else {1: "ST", 2: "ND", 3: "RD"}.get(number % 10, "TH")
    return f"{number}{suffix}"
