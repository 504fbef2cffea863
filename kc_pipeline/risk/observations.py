"""Observations behind the risk factors: what was seen where, since when, and who owes its mending.

One table holds them all, so that a score can be taken as of any day, and each contribution be followed to its source rows.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.catalog.factors import BUSINESS_TYPES, CONDITIONS, FACTORS, Condition, Factor
from kc_pipeline.places.geometry import project

Flags = npt.NDArray[np.bool_]

_TIED = ("EXACT", "NEAR")
# No source shows a closing sooner than so many days after it; its own lag may be longer.
_LEAST_CLOSING_LAG_DAYS = 2
# Words of a status under which a record is no longer open though it bears no closing date.
_CLOSED_STATUS = r"(?i)compl(?:ia|et)|closed|resol|cancel|^canc|^dup|demolished|repaired|dismiss|void"
_COLUMNS = [
    "observation_id", "condition", "source_id", "business_parcel_id", "opened_date", "known_date", "resolved_date",
    "closed_known_date", "is_closed", "address", "latitude", "longitude", "finding_count",
]  # fmt: skip


# What is read of the clean tables, where they have it.
OBSERVED_COLUMNS = (
    "event_id", "record_id", "category", "report_date", "available_date", "opened_date", "resolved_date", "current_status", "case_status",
    "critical_violation_count", "permit_number", "parcel_id", "address", "stop_name", "latitude", "longitude",
)  # fmt: skip


def gather_observations(
    clean: Mapping[str, pd.DataFrame], business_parcels: pd.DataFrame, ledger: pd.DataFrame, lag_days: Mapping[str, int]
) -> pd.DataFrame:
    """Every observation of every condition.

    Args:
        clean: table -> its rows, for the clean tables that catalog/factors.py names.
        business_parcels: rows of core/business_parcels.
        ledger: rows of core/event_attribution: event_id, business_parcel_id, precision.
        lag_days: days after which a feed's rows and their closings are known.

    Returns:
        Frame in the columns of core/factor_observations, sorted by observation_id; rows without a position are kept, since
        they may still stand on the premises of a place.
    """
    tied = ledger[ledger["precision"].isin(_TIED) & ledger["business_parcel_id"].notna()]
    place_of_event = tied.drop_duplicates("event_id").set_index("event_id")["business_parcel_id"]
    with_parcel = business_parcels.dropna(subset=["parcel_id"])
    place_of_parcel = with_parcel.drop_duplicates("parcel_id").set_index("parcel_id")["business_parcel_id"]
    parts = []
    for condition in CONDITIONS.values():
        if condition.type_patterns:
            parts.append(_businesses(condition, business_parcels))
        elif condition.table in clean:
            rows = clean[condition.table]
            feed = condition.table.removeprefix("clean/")
            lag = lag_days.get(feed, 0)
            found = _events(condition, rows, place_of_event) if "event_id" in rows else _records(condition, rows, place_of_parcel, lag)
            parts.append(found.assign(closed_known_date=_days_after(found["resolved_date"], max(lag, _LEAST_CLOSING_LAG_DAYS))))
    return pd.concat(parts, ignore_index=True)[_COLUMNS].sort_values("observation_id", ignore_index=True)


def observations_of(observations: pd.DataFrame, factor: Factor, as_of: date) -> pd.DataFrame:
    """Observations that make up a factor on a day, by what was known of it: opened before it, and recent or still open."""
    rows = observations[observations["condition"] == factor.condition]
    day = pd.Timestamp(as_of)
    opened, seen = (pd.to_datetime(rows[name]) for name in ("opened_date", "known_date"))
    known = (opened.isna() | (opened < day)) & (seen.isna() | (seen <= day))
    if factor.recent_days is not None:
        return rows[known & (opened >= day - timedelta(days=factor.recent_days))]
    return rows[known & is_open(rows, as_of)]


def is_open(rows: pd.DataFrame, as_of: date) -> pd.Series:
    """Whether each observation was open by what was known on a day: a closing counts once its source shows it."""
    closed = pd.to_datetime(rows["closed_known_date"])
    return (closed.isna() & ~rows["is_closed"].to_numpy(bool)) | (closed > pd.Timestamp(as_of))


def features_on(observations: pd.DataFrame, as_of: date) -> dict[str, npt.NDArray[np.float64]]:
    """Factor -> x and y (metres) of its located observations on a day; factors without any are left out."""
    features = {}
    for factor in FACTORS.values():
        rows = observations_of(observations, factor, as_of).dropna(subset=["latitude", "longitude"])
        if len(rows):
            features[factor.name] = project(rows["longitude"], rows["latitude"])
    return features


def business_type_flags(business_types: pd.Series) -> dict[str, Flags]:
    """Business type -> whether a place has it, by the words of its licence classes and permits."""
    text = business_types.fillna("").str.upper()
    return {name: _has_words(text, CONDITIONS[name].type_patterns) for name in BUSINESS_TYPES}


def _has_words(text: pd.Series, words: tuple[str, ...]) -> Flags:
    found = np.zeros(len(text), dtype=bool)
    for word in words:
        found |= text.str.contains(word, regex=False).to_numpy(bool)
    return found


def _events(condition: Condition, rows: pd.DataFrame, place_of_event: pd.Series) -> pd.DataFrame:
    if condition.categories:
        rows = rows[rows["category"].isin(condition.categories)]
    if "critical_violation_count" in rows:
        rows = rows.assign(resolved_date=_mended_dates(rows))
        rows = rows[rows["critical_violation_count"].fillna(0) > 0]
        findings = rows["critical_violation_count"].astype(float)
    else:
        findings = pd.Series(1.0, index=rows.index)
    status = rows["current_status"] if "current_status" in rows else pd.Series(None, index=rows.index, dtype="str")
    kept = ~status.isin(["canceled", "duplicate"])
    rows, findings, status = rows[kept], findings[kept], status[kept]
    return pd.DataFrame(
        {
            "observation_id": condition.name + ":" + rows["event_id"],
            "condition": condition.name,
            "source_id": rows["event_id"],
            "business_parcel_id": rows["event_id"].map(place_of_event),
            "opened_date": rows["report_date"],
            "resolved_date": rows.get("resolved_date"),
            "known_date": rows["available_date"],
            "is_closed": status.str.contains(_CLOSED_STATUS, regex=True).fillna(False).astype(bool),
            **{name: rows[name] for name in ("address", "latitude", "longitude")},
            "finding_count": findings,
        }
    )


def _mended_dates(inspections: pd.DataFrame) -> pd.Series:
    """Day of the next inspection of the same establishment that found nothing critical; missing where there was none."""
    if inspections.empty:
        return pd.Series(None, index=inspections.index, dtype="object")
    identity = inspections["permit_number"].fillna(inspections["address"]).fillna(inspections["event_id"])
    rows = pd.DataFrame({"identity": identity, "day": pd.to_datetime(inspections["report_date"]), "row": np.arange(len(inspections))})
    is_clean = (inspections["critical_violation_count"].fillna(0) == 0).to_numpy(bool)
    clean = rows[is_clean].rename(columns={"day": "mended"})[["identity", "mended"]].sort_values("mended")
    found = pd.merge_asof(
        rows.sort_values("day"), clean, left_on="day", right_on="mended", by="identity", direction="forward", allow_exact_matches=False
    )
    mended = found.sort_values("row")["mended"]
    return pd.Series(mended.dt.date.where(mended.notna(), None).to_numpy(dtype=object), index=inspections.index)


def _records(condition: Condition, rows: pd.DataFrame, place_of_parcel: pd.Series, lag_days: int) -> pd.DataFrame:
    def column(name: str) -> pd.Series:
        return rows[name] if name in rows else pd.Series(None, index=rows.index, dtype="object")

    opened = pd.to_datetime(column("opened_date"))
    return pd.DataFrame(
        {
            "observation_id": condition.name + ":" + rows["record_id"],
            "condition": condition.name,
            "source_id": rows["record_id"],
            "business_parcel_id": column("parcel_id").map(place_of_parcel),
            "opened_date": opened.dt.date.where(opened.notna(), None),
            "resolved_date": column("resolved_date"),
            "known_date": _days_after(opened, lag_days),
            "is_closed": column("case_status").astype("str").str.contains(_CLOSED_STATUS, regex=True).fillna(False).astype(bool),
            "address": rows["address"] if "address" in rows else column("stop_name"),
            "latitude": rows["latitude"],
            "longitude": rows["longitude"],
            "finding_count": 1.0,
        }
    )


def _days_after(days: pd.Series, count: int) -> pd.Series:
    """Dates so many days later; missing stays missing."""
    later = pd.to_datetime(days) + timedelta(days=count)
    return later.dt.date.where(later.notna(), None)


def _businesses(condition: Condition, places: pd.DataFrame) -> pd.DataFrame:
    rows = places[_has_words(places["business_types"].fillna("").str.upper(), condition.type_patterns)]
    return pd.DataFrame(
        {
            "observation_id": condition.name + ":" + rows["business_parcel_id"],
            "condition": condition.name,
            "source_id": rows["business_parcel_id"],
            "business_parcel_id": rows["business_parcel_id"],
            "opened_date": None,
            "resolved_date": None,
            "known_date": None,
            "closed_known_date": None,
            "is_closed": False,
            **{name: rows[name] for name in ("address", "latitude", "longitude")},
            "finding_count": 1.0,
        }
    )
