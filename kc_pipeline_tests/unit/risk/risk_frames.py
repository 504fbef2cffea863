"""Small frames and places for the tests of this folder."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

AS_OF = date(2026, 7, 1)
LATITUDE, LONGITUDE = 39.1, -94.57
_DEGREES_PER_METRE = 1 / 111_000


def days_before(days: int) -> date:
    return AS_OF - timedelta(days=days)


def north_of(metres: float) -> float:
    """Latitude so many metres north of the middle."""
    return LATITUDE + metres * _DEGREES_PER_METRE


def observation(**changes: object) -> dict[str, object]:
    """A streetlight outage of last month at the middle, not mended."""
    return {
        "observation_id": "streetlight_outage:1", "condition": "streetlight_outage", "source_id": "streetlight_outages:1",
        "business_parcel_id": None, "opened_date": days_before(30), "known_date": days_before(28), "resolved_date": None,
        "closed_known_date": None,
        "is_closed": False, "address": "1 OAK ST", "latitude": LATITUDE, "longitude": LONGITUDE, "finding_count": 1.0, **changes,
    }  # fmt: skip


def observations(*rows: dict[str, object]) -> pd.DataFrame:
    """Observations, each given by how it differs from a streetlight outage."""
    full = [observation(observation_id=f"o{n}", source_id=f"s{n}", **row) for n, row in enumerate(rows)]
    return pd.DataFrame(full, columns=list(observation()))


def places(count: int = 2) -> pd.DataFrame:
    """Business parcels in a row towards the north, a kilometre apart."""
    names = [f"parcel:{n}" for n in range(count)]
    return pd.DataFrame(
        {
            "business_parcel_id": names, "parcel_id": [str(n) for n in range(count)], "business_types": ["Convenience Stores"] * count,
            "business_count": 1, "address": "1 OAK ST", "latitude": [north_of(1_000 * n) for n in range(count)],
            "longitude": np.full(count, LONGITUDE),
        }
    )  # fmt: skip
