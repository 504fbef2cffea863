"""Provisional score of a business parcel: its own history, shrunk to the city's rate, and counts of risk factors.

Provisional: a first ranking with the final table's shape.  It is to be replaced by the terrain model and its
calibrated intervals, and must not be read as a probability.

    relative(c) = (k + c) / (k + mean of c)               for each kind of event, k = prior strength in events
    log risk    = sum over kinds of share(kind) * log relative(kind)

A place without any event is drawn towards the city's mean, the more so the larger k is.  The score is the share of
business parcels with a lower risk.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, count_column, weighted_column
from kc_pipeline.catalog.events import SERIOUS_VIOLENCE

PRIOR_EVENTS = 1.0
# How much each kind adds to the log risk: the place's own crime history leads, conditions follow.
SHARES: Mapping[str, float] = {
    "serious_violence": 1.0,
    "police_reports": 0.5,
    "calls_911": 0.5,
    "dumping_complaints": 0.2,
    "streetlight_outages": 0.2,
    "health_inspections": 0.1,
}
_TIED = ("EXACT", "NEAR")


def usable_attribution(attribution: pd.DataFrame, as_of: date, days: int = max(WINDOWS_DAYS)) -> pd.DataFrame:
    """Shares at business places that a score for a day may use.

    Only events that were available by that day, were reported within the `days` before it, and count at all.
    """
    reported, available = pd.to_datetime(attribution["report_date"]), pd.to_datetime(attribution["available_date"])
    day = pd.Timestamp(as_of)
    kept = (available <= day) & (reported < day) & (reported >= day - timedelta(days=days))
    return attribution[kept & attribution["business_parcel_id"].notna() & attribution["exclusion_reason"].isna()]


def count_events(places: pd.DataFrame, attribution: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Counts of each feed at each place in each window, beside the places' own columns.

    Args:
        places: rows of core/business_parcels.
        attribution: rows of core/event_attribution.
        as_of: the day that is spoken about; events of that day itself are not counted.

    Returns:
        `places` with the windowed count columns (integers, EXACT and NEAR), the weighted ones (BLOCK shares),
        homicide_count_365d, and serious_violence (tied events plus block shares, 365 days).
    """
    usable = usable_attribution(attribution, as_of)
    age_days = (pd.Timestamp(as_of) - pd.to_datetime(usable["report_date"])).dt.days
    tied = usable["precision"].isin(_TIED)
    counted = places.set_index("business_parcel_id")

    def total(mask: pd.Series) -> pd.Series:
        sums = usable[mask].groupby("business_parcel_id")["weight"].sum()
        return sums.reindex(counted.index, fill_value=0.0)

    columns: dict[str, pd.Series] = {}
    for feed in EVENT_FEEDS:
        for days in WINDOWS_DAYS:
            within = usable["feed"].eq(feed) & (age_days <= days)
            columns[count_column(feed, days)] = total(within & tied).round().astype("int64")
            columns[weighted_column(feed, days)] = total(within & ~tied).round(9)
    police = usable["feed"].eq("police_reports")
    columns["homicide_count_365d"] = total(police & tied & usable["category"].eq("homicide")).round().astype("int64")
    columns["serious_violence"] = total(police & usable["category"].isin(SERIOUS_VIOLENCE)).round(9)
    return counted.assign(**columns).reset_index()


def score_places(counted: pd.DataFrame) -> pd.DataFrame:
    """Relative risk, rank and score of each place.

    Args:
        counted: what `count_events` returns.

    Returns:
        `counted` with relative_risk (1.0 is the city's geometric mean), risk_rank (1 is highest, equal risks share a
        rank) and risk_score (0 to 100), sorted by rank and place.
    """
    year = max(WINDOWS_DAYS)
    total = np.zeros(len(counted))
    for kind, share in SHARES.items():
        events = counted[kind] if kind in counted else counted[count_column(kind, year)] + counted[weighted_column(kind, year)]
        total += share * np.log((PRIOR_EVENTS + events) / (PRIOR_EVENTS + events.mean()))
    log_risk = pd.Series(total - total.mean() if len(counted) else total, index=counted.index).round(9)
    lower = log_risk.rank(method="min") - 1
    scored = counted.assign(
        relative_risk=np.exp(log_risk).round(6),
        risk_rank=log_risk.rank(method="min", ascending=False).astype("int64"),
        risk_score=(100.0 * lower / max(len(counted) - 1, 1)).round(2),
    )
    return scored.sort_values(["risk_rank", "business_parcel_id"], ignore_index=True)
