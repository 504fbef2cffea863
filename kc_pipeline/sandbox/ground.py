"""The plane on which the synthetic city lies: metres around 10th and Locust, and the sizes of its blocks."""

from dataclasses import dataclass

import numpy as np

from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS
from kc_pipeline.sandbox.draws import Floats

ORIGIN_LONGITUDE, ORIGIN_LATITUDE = -94.5755, 39.1018  # 10th and Locust
BLOCK_WIDTH_M, BLOCK_HEIGHT_M, HALF_STREET_M, RIVER_M = 100.0, 200.0, 10.0, 700.0
TENTH = 10


@dataclass(frozen=True)
class Line:
    """One east-west street line across the city.

    Attributes:
        number: its number ('E 43rd St'), also for a terrace ('E 43rd Ter').
        terrace: whether it is the terrace south (north of the river: north) of that street.
        y: metres north of 10th Street.
    """

    number: int
    terrace: bool
    y: float


def to_degrees(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Longitude and latitude (WGS 84) of metres east and north of 10th and Locust."""
    from pyproj import Transformer

    plane = f"+proj=aeqd +lat_0={ORIGIN_LATITUDE} +lon_0={ORIGIN_LONGITUDE} +datum=WGS84 +units=m"
    longitude, latitude = Transformer.from_crs(plane, GEOGRAPHIC_CRS, always_xy=True).transform(x, y)
    return np.asarray(longitude), np.asarray(latitude)
