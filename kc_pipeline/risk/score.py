"""The row of a business parcel: what was counted there, what is expected there, and how it stands among the others.

The counts and the expectation never mix: counts are EXACT and NEAR events (shares of block-level events stand apart), the
expectation is the model's.  risk_score is the share of the other business parcels that are expected to have fewer serious
events a year; it says where help is needed, never who is at fault.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, count_column, weighted_column
from kc_pipeline.catalog.factors import BUSINESS_TYPES, OTHER_TYPE
from kc_pipeline.risk.risk_model import Risks

Floats = npt.NDArray[np.float64]

_TIED = ("EXACT", "NEAR")
_HOMICIDES = "homicide_count_365d"
# What is read of the ledger to count.
COUNTED_COLUMNS = (
    "business_parcel_id", "feed", "report_date", "available_date", "category", "exclusion_reason", "precision", "weight",
)  # fmt: skip
# Two years differ where chance alone would make the larger one so large less often than this.
_TREND_CHANCE = 0.05


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
        and homicide_count_365d.
    """
    return counts_beside(places, sum_shares(attribution, as_of))


def sum_shares(attribution: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Sums of shares behind the counts of `count_events`, of places that have any: sums of parts of the shares add up to them."""
    usable = usable_attribution(attribution, as_of)
    age_days = (pd.Timestamp(as_of) - pd.to_datetime(usable["report_date"])).dt.days
    tied = usable["precision"].isin(_TIED)
    masks: dict[str, pd.Series] = {}
    for feed in EVENT_FEEDS:
        for days in WINDOWS_DAYS:
            within = usable["feed"].eq(feed) & (age_days <= days)
            masks[count_column(feed, days)] = within & tied
            masks[weighted_column(feed, days)] = within & ~tied
    masks[_HOMICIDES] = usable["feed"].eq("police_reports") & tied & usable["category"].eq("homicide")
    sums = {name: usable[mask].groupby("business_parcel_id")["weight"].sum() for name, mask in masks.items()}
    return pd.DataFrame(sums, index=pd.Index(usable["business_parcel_id"].unique(), name="business_parcel_id")).fillna(0.0)


def counts_beside(places: pd.DataFrame, sums: pd.DataFrame) -> pd.DataFrame:
    """Sums of shares as counts: whole numbers of what is tied, weighted ones to nine digits; 0 where nothing was.

    Args:
        places: rows of core/business_parcels.
        sums: what `sum_shares` returns.
    """
    counted = places.set_index("business_parcel_id")
    sums = sums.reindex(counted.index, fill_value=0.0)
    weighted = {weighted_column(feed, days) for feed in EVENT_FEEDS for days in WINDOWS_DAYS}
    columns = {name: sums[name].round(9) if name in weighted else sums[name].round().astype("int64") for name in sums}
    return counted.assign(**columns).reset_index()


def score_places(
    counted: pd.DataFrame, risks: Risks, type_flags: Mapping[str, npt.NDArray[np.bool_]], relative_risk_score: Floats, past: Floats
) -> pd.DataFrame:
    """Expectation, score, ranks and trend of each place.

    Args:
        counted: what `count_events` returns, a row per place.
        risks: what the model says of the same places, in the same order.
        type_flags: business type -> whether each place has it.
        relative_risk_score: score of each place's cell by risk terrain modelling; nan outside the grid.
        past: years (newest first) by places: shares of serious events.

    Returns:
        `counted` with the columns of marts/business_risk that the model fills, sorted by rank and place.
    """
    expected = pd.Series(risks.expected.round(12), index=counted.index)
    kind = np.select([type_flags[name] for name in BUSINESS_TYPES], BUSINESS_TYPES, default=OTHER_TYPE)
    in_type = expected.groupby(kind)
    scored = counted.assign(
        expected_events_per_year=expected,
        expected_low_80=risks.low.round(9),
        expected_high_80=risks.high.round(9),
        relative_risk=(expected / expected.mean()).round(6),
        risk_rank=expected.rank(method="min", ascending=False).astype("int64"),
        risk_score=(100.0 * (expected.rank(method="min") - 1) / max(len(counted) - 1, 1)).round(2),
        main_business_type=kind,
        risk_rank_in_type=in_type.rank(method="min", ascending=False).astype("int64"),
        places_in_type=in_type.transform("size").astype("int64"),
        relative_risk_score=relative_risk_score.round(4),
        serious_events_365d=past[0].round(6),
        serious_events_prior_365d=(past[1] if len(past) > 1 else np.zeros(len(counted))).round(6),
        risk_trend=trends(past),
    )
    return scored.sort_values(["risk_rank", "business_parcel_id"], ignore_index=True)


def trends(past: Floats) -> npt.NDArray[np.str_]:
    """'rising', 'falling' or 'steady' of each place, by the last two years; 'unknown' where there is only one."""
    from scipy.special import bdtrc

    if len(past) < 2:
        return np.full(past.shape[1], "unknown")
    newer, older = np.round(past[0]), np.round(past[1])
    chance = {
        name: np.where(more > 0, bdtrc(np.maximum(more - 1, 0), newer + older, 0.5), 1.0)
        for name, more in (("rising", newer), ("falling", older))
    }
    return np.select([chance["rising"] < _TREND_CHANCE, chance["falling"] < _TREND_CHANCE], ["rising", "falling"], default="steady")
