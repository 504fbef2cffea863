"""Land-use codes of the parcel register under which people live or lodge.

From the city's own list of codes (data set 83fx-3sa2): 11xx are homes of all kinds, 1200 hotels and motels.
"""

HOMES = ("1111", "1112", "1121", "1122", "1123", "1124", "1125", "1126")
HOTELS = ("1200",)
DWELLING_CODES = frozenset((*HOMES, *HOTELS))
# Words, upper case, of licence classes under which people live or lodge at the place.
DWELLING_BUSINESS_WORDS = (
    "HOTEL",
    "MOTEL",
    "LODGING",
    "ROOMING",
    "BOARDING",
    "APARTMENT",
    "LESSORS OF RESIDENTIAL",
    "NURSING",
    "RESIDENTIAL CARE",
)
