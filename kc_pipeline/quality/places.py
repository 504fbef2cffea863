"""Laws that the core tables must obey: nothing lost between events and places, nothing claimed beyond what is known."""

import pandas as pd

from kc_pipeline.catalog.own_rules import LEAST_LOCATED_SHARE, LEAST_ON_PARCEL_SHARE
from kc_pipeline.membership import among
from kc_pipeline.quality.checks import Finding

_TIED_BY = {"EXACT": {"parcel_key", "equal_address", "point_in_polygon"}, "NEAR": {"near_parcel"}}
_ROUNDING = 1e-6


def check_businesses(businesses: pd.DataFrame, parcels: pd.DataFrame) -> list[Finding]:
    """Whether businesses stand on parcels that exist, and most of them on one."""
    unknown = businesses[businesses["parcel_id"].notna() & ~among(businesses["parcel_id"], parcels["parcel_id"])]
    active = businesses[businesses["is_active"]]
    share = float(active["parcel_id"].notna().mean()) if len(active) else 1.0
    addressed = float(parcels["address"].notna().mean()) if len(parcels) else 0.0
    least = LEAST_ON_PARCEL_SHARE * addressed
    return [
        Finding("parcels_exist", unknown.empty, {"unknown": len(unknown), "sample": _sample(unknown["business_id"])}),
        Finding(
            "enough_businesses_have_a_parcel", share >= least,
            {"share": round(share, 4), "minimum": round(least, 4), "parcels_with_address_share": round(addressed, 4)},
        ),
    ]  # fmt: skip


def check_attribution(attribution: pd.DataFrame, events: pd.DataFrame, located: pd.DataFrame) -> list[Finding]:
    """Whether every event is shared out once and whole, and no tie claims more than its source knows.

    Args:
        attribution: rows of core/event_attribution.
        events: clean events of all feeds: event_id, feed, address, address_precision, latitude.
        located: rows of core/located_addresses.
    """
    total = attribution.groupby("event_id")["weight"].sum()
    off = total[(total - 1).abs() > _ROUNDING]
    known = pd.Index(events["event_id"].unique())
    missing, strange = known.difference(total.index), total.index.difference(known)
    return [
        Finding("shares_sum_to_one", off.empty, {"events": len(total), "off": len(off), "sample": _sample(off.index.to_series())}),
        Finding(
            "every_event_is_attributed", missing.empty and strange.empty,
            {
                "events": len(known), "missing": len(missing), "unknown": len(strange),
                "sample": _sample(missing.append(strange).to_series()),
            },
        ),
        _precision_finding(attribution, events),
        *_located_findings(events, located),
    ]  # fmt: skip


def _precision_finding(attribution: pd.DataFrame, events: pd.DataFrame) -> Finding:
    exact = events.loc[events["address_precision"] == "exact", "event_id"]
    tied = attribution[attribution["precision"].isin(_TIED_BY)]
    by_wrong_means = pd.concat(
        [tied[(tied["precision"] == precision) & ~tied["attribution_method"].isin(methods)] for precision, methods in _TIED_BY.items()]
    )
    unfounded = tied[among(tied["event_id"], events["event_id"]) & ~among(tied["event_id"], exact)]
    upgraded = pd.concat([unfounded, by_wrong_means])
    return Finding(
        "precision_is_not_upgraded",
        upgraded.empty,
        {"tied": len(tied), "upgraded": len(upgraded), "sample": _sample(upgraded["event_id"])},
    )


def _located_findings(events: pd.DataFrame, located: pd.DataFrame) -> list[Finding]:
    keys = ["address", "address_precision"]
    by_address = pd.MultiIndex.from_frame(events[keys]).isin(pd.MultiIndex.from_frame(located.loc[located["latitude"].notna(), keys]))
    shares = (events["latitude"].notna() | by_address).groupby(events["feed"]).mean()
    low = {feed: share for feed, share in shares.items() if share < LEAST_LOCATED_SHARE.get(str(feed), 0.0)}
    facts: dict[str, int | float | str] = {f"located_share_{feed}": round(float(share), 4) for feed, share in shares.items()}
    return [Finding("enough_events_are_located", not low, facts | {"below_their_minimum": ", ".join(map(str, low)) or "none"})]


def _sample(keys: pd.Series) -> str:
    return ", ".join(keys.astype("str").head(5))
