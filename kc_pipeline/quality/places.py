"""Laws that the core tables must obey: nothing lost between events and places, nothing claimed beyond what is known."""

import numpy as np
import pandas as pd

from kc_pipeline.catalog.own_rules import LEAST_LOCATED_SHARE, LEAST_ON_PARCEL_SHARE
from kc_pipeline.membership import among, rows_among
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
    codes, ids = pd.factorize(pd.concat([events["event_id"], attribution["event_id"]], ignore_index=True))
    of_event, of_share = codes[: len(events)], codes[len(events) :]
    is_known, is_shared, is_exact = (np.zeros(len(ids), dtype=bool) for _ in range(3))
    is_known[of_event] = is_shared[of_share] = True
    is_exact[of_event[events["address_precision"].eq("exact").to_numpy()]] = True
    total = np.bincount(of_share, attribution["weight"].to_numpy(float), minlength=len(ids))
    off = ids[is_shared & (np.abs(total - 1) > _ROUNDING)]
    missing, strange = ids[is_known & ~is_shared], ids[is_shared & ~is_known]
    tied = attribution["precision"].isin(_TIED_BY).to_numpy()
    upgraded = tied & ((is_known & ~is_exact)[of_share] | ~_tied_by_right_means(attribution))
    return [
        Finding("shares_sum_to_one", not len(off), {"events": int(is_shared.sum()), "off": len(off), "sample": _sample(off)}),
        Finding(
            "every_event_is_attributed", not len(missing) and not len(strange),
            {
                "events": int(is_known.sum()), "missing": len(missing), "unknown": len(strange),
                "sample": _sample(missing.append(strange)),
            },
        ),
        Finding(
            "precision_is_not_upgraded", not upgraded.any(),
            {"tied": int(tied.sum()), "upgraded": int(upgraded.sum()), "sample": _sample(attribution.loc[upgraded, "event_id"])},
        ),
        *_located_findings(events, located),
    ]  # fmt: skip


def _tied_by_right_means(attribution: pd.DataFrame) -> np.ndarray:
    """Whether the method of each share is one that gives its precision."""
    right = np.zeros(len(attribution), dtype=bool)
    for precision, methods in _TIED_BY.items():
        right |= (attribution["precision"].eq(precision) & attribution["attribution_method"].isin(methods)).to_numpy()
    return right


def _located_findings(events: pd.DataFrame, located: pd.DataFrame) -> list[Finding]:
    keys = ["address", "address_precision"]
    by_address = rows_among(events, located[located["latitude"].notna()], keys)
    shares = (events["latitude"].notna() | by_address).groupby(events["feed"]).mean()
    low = {feed: share for feed, share in shares.items() if share < LEAST_LOCATED_SHARE.get(str(feed), 0.0)}
    facts: dict[str, int | float | str] = {f"located_share_{feed}": round(float(share), 4) for feed, share in shares.items()}
    return [Finding("enough_events_are_located", not low, facts | {"below_their_minimum": ", ".join(map(str, low)) or "none"})]


def _sample(keys: "pd.Series | pd.Index") -> str:
    return ", ".join(str(key) for key in keys[:5])
