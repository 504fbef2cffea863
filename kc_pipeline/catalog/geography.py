"""Where Kansas City is, and which coordinates only look like places.

Measured on recorded rows; see the source of each value.
"""

GEOGRAPHIC_CRS = "EPSG:4326"
PROJECTED_CRS = "EPSG:26915"  # NAD83 / UTM zone 15N, metres; the city lies at 94.6 degrees west
TIME_ZONE = "America/Chicago"
# Usual length of a block in metres: the median distance of neighbouring hundred-blocks of one street is 127 m (38,782 pairs
# that recorded addresses place).  The risk terrain's cells are half of it.
BLOCK_M = 130.0

# Degrees. Generous: city limits of Kansas City, Missouri with its neighbours; anything outside is a bad geocode.
REGION_WEST, REGION_SOUTH, REGION_EAST, REGION_NORTH = -95.0, 38.7, -94.0, 39.6

# The origin of Missouri West State Plane, un-projected: 186 of 7,703 dangerous-building rows.
STATE_PLANE_ORIGIN = (-103.89058, 35.797519)
# City hall as a geocoder's default: the commonest point in 311.
CITY_HALL = (-94.577915, 39.100384)
CITY_HALL_ADDRESS = r"^414\s+E(?:AST)?\s+12"  # here the point may stand
SENTINEL_TOLERANCE_DEGREES = 2e-6

CITY_NAME = "KANSAS CITY"
CITY_ZIP_CODE_FORM = "64[01]"  # how they begin: the city's own and its Missouri neighbors' along the limits
UNKNOWN_ZIP_CODES = frozenset({"99999", "00000"})
UNKNOWN_ADDRESSES = frozenset({"", "UNKNOWN", "UNK", "99999", "NONE", "N/A", "NOT GIVEN"})

# The first digit of a beat gives its patrol division (99 % of rows agree).
DIVISION_OF_BEAT_DIGIT = {"1": "Central", "2": "Metro", "3": "East", "4": "North", "5": "South", "6": "Shoal Creek"}
DIVISION_OF_AREA_CODE = {"CPD": "Central", "MPD": "Metro", "EPD": "East", "NPD": "North", "SPD": "South", "SCP": "Shoal Creek"}
DIVISIONS = tuple(DIVISION_OF_AREA_CODE.values())
