"""What has to be mended at each business parcel and around it, and who owes it: the city, its owner, or another owner.

One row is one open condition and one place.  No source tells whether a business's own lot is lit, so nothing here says that
an owner owes light.
"""

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.catalog.factors import CONDITIONS, OWNERS_CONDITIONS, OWNERS_DUMPING_CATEGORIES
from kc_pipeline.places.geometry import project
from kc_pipeline.risk.explain import NEAR_M
from kc_pipeline.risk.observations import is_open

OWED_CONDITIONS = tuple(condition.name for condition in CONDITIONS.values() if condition.action)
# What is wrong inside another business is no matter of this place.
_ONLY_ON_PREMISES = "critical_health_violation"
CITY, OWNER, OTHER_OWNER = "city", "owner", "another owner"


def list_actions(places: pd.DataFrame, observations: pd.DataFrame, dumping_category: pd.Series, as_of: date) -> pd.DataFrame:
    """Open conditions on the premises of each place or within 200 m of it.

    Args:
        places: rows of core/business_parcels: business_parcel_id, latitude, longitude.
        observations: rows of core/factor_observations.
        dumping_category: category of each dumping complaint, by event_id.
        as_of: the day; what was opened on it or later, or was not known yet, is left out.

    Returns:
        Frame with business_parcel_id, observation_id, condition, action, responsible_party, department, is_on_premises,
        distance_m, opened_date, open_days, finding_count, observed_address, observed_latitude and observed_longitude, sorted by
        place, distance and observation.
    """
    found = _open_on(observations[observations["condition"].isin(OWED_CONDITIONS)], as_of).reset_index(drop=True)
    pairs = pd.concat([_on_premises(found, places), _near(found, places)]).drop_duplicates(["place", "observation"], ignore_index=True)
    items = found.iloc[pairs["observation"]].reset_index(drop=True)
    is_on_premises = pairs["is_on_premises"].to_numpy(bool)
    is_private = items["source_id"].map(dumping_category).isin(OWNERS_DUMPING_CATEGORIES)
    is_owners = (items["condition"].isin(OWNERS_CONDITIONS) | is_private).to_numpy(bool)
    listed = pd.DataFrame(
        {
            "business_parcel_id": places["business_parcel_id"].to_numpy()[pairs["place"]],
            "observation_id": items["observation_id"],
            "condition": items["condition"],
            "action": items["condition"].map({name: CONDITIONS[name].action for name in OWED_CONDITIONS}),
            "responsible_party": np.select([~is_owners, is_on_premises], [CITY, OWNER], default=OTHER_OWNER),
            "department": items["condition"].map({name: CONDITIONS[name].owed_by for name in OWED_CONDITIONS}),
            "is_on_premises": is_on_premises,
            "distance_m": pairs["distance_m"].round(1),
            "opened_date": items["opened_date"],
            "open_days": (pd.Timestamp(as_of) - pd.to_datetime(items["opened_date"])).dt.days.astype("Int64"),
            "finding_count": items["finding_count"],
            "observed_address": items["address"],
            "observed_latitude": items["latitude"],
            "observed_longitude": items["longitude"],
        }
    )
    listed = listed[is_on_premises | (listed["condition"] != _ONLY_ON_PREMISES)]
    return listed.sort_values(["business_parcel_id", "distance_m", "observation_id"], ignore_index=True)


def _open_on(observations: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Observations that were open by what was known on a day."""
    day = pd.Timestamp(as_of)
    opened, known = (pd.to_datetime(observations[name]) for name in ("opened_date", "known_date"))
    seen = (opened.isna() | (opened < day)) & (known.isna() | (known <= day))
    return observations[seen & is_open(observations, as_of)]


def _on_premises(found: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    place = pd.Index(places["business_parcel_id"]).get_indexer(found["business_parcel_id"])
    observation = np.flatnonzero(place >= 0)
    return pd.DataFrame({"place": place[observation], "observation": observation, "is_on_premises": True, "distance_m": 0.0})


def _near(found: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """Pairs of a place and an observation that lie within reach of each other."""
    from scipy.spatial import cKDTree

    of_found, of_places = (np.flatnonzero(rows[["latitude", "longitude"]].notna().all(axis=1)) for rows in (found, places))
    pairs = np.empty((0, 2), dtype=np.int64)
    away: npt.NDArray[np.float64] = np.empty(0)
    if len(of_found) and len(of_places):
        there, here = (project(rows["longitude"], rows["latitude"]) for rows in (found.iloc[of_found], places.iloc[of_places]))
        near = cKDTree(here).sparse_distance_matrix(cKDTree(there), NEAR_M, output_type="ndarray")
        pairs, away = np.column_stack([of_places[near["i"]], of_found[near["j"]]]), near["v"]
    return pd.DataFrame({"place": pairs[:, 0], "observation": pairs[:, 1], "is_on_premises": False, "distance_m": away})
