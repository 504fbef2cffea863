"""Names of the synthetic city's streets: real-looking, in the order in which they lie.

Avenues run north and south and are counted from Main Street; numbered streets run east and west. Nothing here is
drawn at random.
"""

from dataclasses import dataclass

_EAST = (
    "Main St", "Walnut St", "Grand Blvd", "McGee St", "Oak St", "Locust St", "Cherry St", "Holmes St", "Charlotte St",
    "Campbell St", "Harrison St", "Troost Ave", "Forest Ave", "Tracy Ave", "Virginia Ave", "Lydia Ave", "Paseo",
    "Vine St", "Highland Ave", "Woodland Ave", "Michigan Ave", "Euclid Ave", "Garfield Ave", "Brooklyn Ave", "Park Ave",
    "Olive St", "Wabash Ave", "Prospect Ave", "Montgall Ave", "Chestnut Ave", "Bellefontaine Ave", "Benton Blvd",
    "Indiana Ave", "Walrond Ave", "Agnes Ave", "Bales Ave", "Monroe Ave", "Cleveland Ave", "Myrtle Ave", "Norton Ave",
    "Jackson Ave", "Kensington Ave", "Spruce Ave", "Elmwood Ave", "Cypress Ave", "Askew Ave", "College Ave",
    "Denver Ave", "Lawn Ave", "Hardesty Ave", "White Ave", "Topping Ave", "Bristol Ave", "Oakley Ave", "Drury Ave",
    "Belmont Ave", "Winchester Ave", "Ewing Ave", "Blue Ridge Blvd", "Crescent Ave", "Marsh Ave",
)  # fmt: skip
_WEST = (
    "Baltimore Ave", "Wyandotte St", "Central St", "Broadway Blvd", "Washington St", "Pennsylvania Ave",
    "Jefferson St", "Summit St", "Madison Ave", "Belleview Ave", "Mercier St", "Holly St", "Jarboe St", "Liberty St",
    "Genessee St", "Bell St",
)  # fmt: skip
_SPECIAL_SOUTH = {
    6: ("Independence Ave", ""), 15: ("Truman Rd", "E"), 17: ("US 40 Hwy", "E"), 23: ("23rd Trfy", "E"),
    32: ("Linwood Blvd", "E"), 35: ("Armour Blvd", "E"), 47: ("Emanuel Cleaver II Blvd", "E"), 64: ("Meyer Blvd", "E"),
    71: ("Gregory Blvd", "E"), 95: ("Bannister Rd", "E"),
}  # fmt: skip
_SPECIAL_NORTH = {34: ("Vivion Rd", "NE"), 36: ("152 Hwy", "NE"), 45: ("Antioch Rd", "NE")}
WESTERNMOST, EASTERNMOST = -len(_WEST), len(_EAST) - 1
LOCUST = _EAST.index("Locust St")
ARTERIALS = frozenset(
    {"Main St", "Broadway Blvd", "Grand Blvd", "Troost Ave", "Prospect Ave", "Paseo", "Oak Trfy", "Benton Blvd", "Indiana Ave"}
)


@dataclass(frozen=True)
class StreetName:
    """One street's name in parts.

    Attributes:
        prefix: direction before the name, or empty.
        name: name without prefix and type; '10th', 'Locust', 'US 40'.
        type: 'St', 'Ave', 'Ter', 'Trfy' and so on, or empty.
    """

    prefix: str
    name: str
    type: str

    @property
    def full(self) -> str:
        """'E 10th St', as the city's GIS writes it."""
        return " ".join(part for part in (self.prefix, self.name, self.type) if part)


def avenue(offset: int, *, north: bool) -> StreetName:
    """The avenue so many blocks east (negative: west) of Main Street.

    Raises:
        ValueError: there is no name for it; the city would be too wide.
    """
    if not WESTERNMOST <= offset <= EASTERNMOST:
        raise ValueError(f"no avenue {offset} blocks east of Main St; add a name to sandbox/street_names.py")
    text = _EAST[offset] if offset >= 0 else _WEST[-offset - 1]
    if north and text == "Oak St":
        text = "Oak Trfy"
    return _split("N" if north else "", text)


def cross_street(number: int, *, east: bool, north: bool, terrace: bool) -> StreetName:
    """The numbered street, or the boulevard that stands in its place, on one side of Main Street."""
    special = (_SPECIAL_NORTH if north else _SPECIAL_SOUTH).get(number)
    if east and special and not terrace:
        return _split(special[1], special[0])
    prefix = ("N" if north else "") + ("E" if east else "W")
    return StreetName(prefix, ordinal(number), "Ter" if terrace else "St")


def ordinal(number: int) -> str:
    """'1st', '12th', '43rd'."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _split(prefix: str, text: str) -> StreetName:
    words = text.split(" ")
    return StreetName(prefix, " ".join(words[:-1]), words[-1]) if len(words) > 1 else StreetName(prefix, text, "")
