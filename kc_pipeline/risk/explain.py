"""Why a place has its score: what each factor adds, what was observed, who can mend it, and what it would be without it.

Contributions add up in the log of the expectation, so their multipliers multiply to it.  They are associations: places with
such a factor near them had so many times the events of places without it, all else in the model being equal.  That a factor
causes them is not shown, and that mending it prevents them is not promised.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.catalog.factors import CONDITIONS, FACTORS, Factor, MendedBy
from kc_pipeline.risk.observations import is_open, observations_of
from kc_pipeline.risk.risk_model import BASELINE, OWN_HISTORY, Risks
from kc_pipeline.risk.terrain_model import PAST_CRIME

Floats = npt.NDArray[np.float64]

# Observations are counted and listed up to this distance; the model looks farther with falling weight.
NEAR_M = 200.0
PREMISES, TYPE = "premises_", "type_"
BUSINESS_COUNT = "business_count"
_LEAST_LOG = 1e-3  # a factor that changes the risk by less than a thousandth is not told, but counted to the baseline

_OTHER = {
    BASELINE: "A business parcel with none of the factors near it, usual past crime around it and no record of its own",
    PAST_CRIME: "Past serious violence in the cells around, against that around the usual business parcel",
    OWN_HISTORY: "The place's own record, against what its surroundings let expect",
    BUSINESS_COUNT: "Several businesses on one parcel",
}


def explain_risks(
    places: pd.DataFrame, risks: Risks, observations: pd.DataFrame, east_north: Floats, as_of: date, reach_m: float = NEAR_M
) -> pd.DataFrame:
    """One row for everything that adds to the risk of a place.

    Args:
        places: business_parcel_id, a row per place.
        risks: what the model says of them, in the same order.
        observations: rows of core/factor_observations.
        east_north: x and y of each place, metres; nan where it has no position.
        as_of: the day.
        reach_m: distance up to which observations are counted.

    Returns:
        Frame with business_parcel_id and the columns of marts/business_risk_factors that are not about the publication,
        sorted by place and factor. log_contribution sums to the log of expected_events_per_year for each place.
    """
    nearby = {name: _nearby(observations, name, east_north, as_of, reach_m) for name in risks.parts if name in FACTORS}
    on_premises = {
        name: _on_premises(observations, name.removeprefix(PREMISES), places["business_parcel_id"], as_of)
        for name in risks.parts
        if name.startswith(PREMISES)
    }
    always = (BASELINE, OWN_HISTORY, PAST_CRIME)
    parts = {name: part if name in always else np.where(np.abs(part) > _LEAST_LOG, part, 0.0) for name, part in risks.parts.items()}
    parts[BASELINE] = parts[BASELINE] + sum((risks.parts[name] - part for name, part in parts.items()), np.zeros(len(places)))
    told = []
    for name, part in parts.items():
        rows = pd.DataFrame({"business_parcel_id": places["business_parcel_id"].to_numpy(), "factor": name, "log_contribution": part})
        rows["what_if_events_per_year"] = np.exp(np.log(risks.expected) - part) if _is_mendable(name) else np.nan
        seen = nearby.get(name, on_premises.get(name))
        rows = rows.join(seen if seen is not None else _nothing_seen(len(rows)))
        told.append(rows if name in always else rows[part != 0])
    rows = pd.concat(told, ignore_index=True)
    rows["risk_multiplier"] = np.exp(rows["log_contribution"])
    rows["factor_group"] = rows["factor"].map(_group)
    rows["owed_by"] = rows["factor"].map(_owed_by)
    rows["explanation"] = _sentences(rows, reach_m)
    return rows.sort_values(["business_parcel_id", "factor"], ignore_index=True)


def observations_near(
    observations: pd.DataFrame, factor: Factor, place: Mapping[str, Any], as_of: date, reach_m: float = NEAR_M
) -> pd.DataFrame:
    """Observations of a factor on the premises of a place or near it.

    Args:
        observations: rows of core/factor_observations.
        factor: the factor.
        place: business_parcel_id, latitude and longitude (None where it has no position).
        as_of: the day.
        reach_m: metres.

    Returns:
        Frame with source_id, opened_date, address, open_days (missing where it is not open), is_on_premises and distance_m.
    """
    from kc_pipeline.places.geometry import project

    found = observations_of(observations, factor, as_of)
    found = found.assign(open_days=_open_days(found, as_of), is_on_premises=found["business_parcel_id"] == place["business_parcel_id"])
    away = np.full(len(found), np.inf)
    located = (found["latitude"].notna() & found["longitude"].notna()).to_numpy()
    if place["latitude"] is not None and located.any():
        here = project(pd.Series([place["longitude"]]), pd.Series([place["latitude"]]))
        away[located] = np.hypot(*(project(found.loc[located, "longitude"], found.loc[located, "latitude"]) - here).T)
    found = found.assign(distance_m=np.where(found["is_on_premises"], 0.0, away))
    return found.loc[found["distance_m"] <= reach_m, ["source_id", "opened_date", "address", "open_days", "is_on_premises", "distance_m"]]


def factor_label(name: str) -> str:
    """A factor in plain words."""
    if name in FACTORS:
        return FACTORS[name].says
    if name.startswith(PREMISES):
        return f"{FACTORS[name.removeprefix(PREMISES)].says} on the premises"
    if name.startswith(TYPE):
        return f"being {CONDITIONS[name.removeprefix(TYPE)].says}"
    return _OTHER[name]


def _group(name: str) -> str:
    if name.startswith(PREMISES):
        return str(MendedBy.OWNER)
    return str(FACTORS[name].mended_by) if name in FACTORS else str(MendedBy.CONTEXT)


def _is_mendable(name: str) -> bool:
    return _group(name) != MendedBy.CONTEXT


def _owed_by(name: str) -> str | None:
    if name.startswith(PREMISES):
        return "Owner"
    return CONDITIONS[FACTORS[name].condition].owed_by if name in FACTORS else None


def _nothing_seen(count: int) -> pd.DataFrame:
    return pd.DataFrame({name: np.full(count, np.nan) for name in ("observation_count", "nearest_m", "oldest_open_days")})


def _nearby(observations: pd.DataFrame, name: str, east_north: Floats, as_of: date, reach_m: float) -> pd.DataFrame:
    """How many observations of a factor lie near each place, how far the nearest, and since when the oldest open one."""
    from scipy.spatial import cKDTree

    from kc_pipeline.places.geometry import project

    found = observations_of(observations, FACTORS[name], as_of).dropna(subset=["latitude", "longitude"])
    seen = _nothing_seen(len(east_north))
    located = np.flatnonzero(~np.isnan(east_north).any(axis=1))
    seen.loc[located, "observation_count"] = 0
    if found.empty or not len(located):
        return seen
    tree = cKDTree(project(found["longitude"], found["latitude"]))
    seen.loc[located, "nearest_m"] = tree.query(east_north[located])[0].round(1)
    pairs = cKDTree(east_north[located]).sparse_distance_matrix(tree, reach_m, output_type="ndarray")
    seen.loc[located, "observation_count"] = np.bincount(pairs["i"], minlength=len(located))
    oldest = np.full(len(located), -np.inf)
    np.maximum.at(oldest, pairs["i"], _open_days(found, as_of).fillna(-np.inf).to_numpy()[pairs["j"]])
    seen.loc[located, "oldest_open_days"] = np.where(np.isinf(oldest), np.nan, oldest)
    return seen


def _on_premises(observations: pd.DataFrame, name: str, places: pd.Series, as_of: date) -> pd.DataFrame:
    found = observations_of(observations, FACTORS[name], as_of).dropna(subset=["business_parcel_id"])
    found = found.assign(open_days=_open_days(found, as_of))
    sums = found.groupby("business_parcel_id").agg(observation_count=("condition", "size"), oldest_open_days=("open_days", "max"))
    seen = sums.reindex(places.to_numpy()).reset_index(drop=True)
    return seen.assign(
        observation_count=seen["observation_count"].fillna(0.0), nearest_m=np.where(seen["observation_count"] > 0, 0.0, np.nan)
    )


def _open_days(found: pd.DataFrame, as_of: date) -> pd.Series:
    """Days since each observation was opened, where it is still open."""
    day = pd.Timestamp(as_of)
    return (day - pd.to_datetime(found["opened_date"])).dt.days.where(is_open(found, as_of)).astype(float)


def _sentences(rows: pd.DataFrame, reach_m: float) -> pd.Series:
    """Each contribution in a sentence."""
    label = rows["factor"].map({name: factor_label(name) for name in rows["factor"].unique()})
    label = label.str[:1].str.upper() + label.str[1:]
    times = rows["risk_multiplier"].map("{:.2f}".format)
    text = label + ": associated with " + times + " times the risk"
    text = text.mask(rows["factor"] == BASELINE, label + ": " + rows["risk_multiplier"].map("{:.4f}".format) + " serious events a year")
    counted = rows["observation_count"].notna()
    count = rows["observation_count"].fillna(0).astype(int).astype("str")
    where = np.where(rows["factor"].str.startswith(PREMISES), " there", f" within {reach_m:.0f} m")
    text = text.mask(counted, text + " (" + count + where)
    nearest = counted & rows["nearest_m"].notna() & ~rows["factor"].str.startswith(PREMISES)
    text = text.mask(nearest, text + ", the nearest at " + rows["nearest_m"].fillna(0).round().astype(int).astype("str") + " m")
    is_open = counted & rows["oldest_open_days"].notna()
    text = text.mask(is_open, text + ", the oldest open one for " + rows["oldest_open_days"].fillna(0).astype(int).astype("str") + " days")
    return text.mask(counted, text + ")") + "."
