"""Laws that the core tables must obey: nothing lost between events and places, nothing claimed beyond what is known."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class AttributionCounts:
    """What was found of the attribution of some months.

    Attributes:
        numbers: 'events' (distinct, of the clean tables), 'shared' (distinct events of the ledger), 'off' (those whose shares do not
            sum to one), 'missing' (events that the ledger lacks), 'unknown' (events of the ledger that no clean table has), 'tied'
            (shares that are tied to one place), 'upgraded' (those of them that claim more than their source knows), and for each
            feed 'of:FEED' (rows) and 'located:FEED' (those with a position).
        samples: keys of some that are wrong, by what is wrong.
    """

    numbers: Mapping[str, int]
    samples: Mapping[str, str]


def added_up(found: Iterable[AttributionCounts]) -> AttributionCounts:
    """What was found of all months together."""
    numbers: Counter[str] = Counter()
    samples: dict[str, str] = {}
    for one in found:
        numbers.update(one.numbers)
        samples = {**one.samples, **samples}
    return AttributionCounts(numbers, samples)


def count_attribution(attribution: pd.DataFrame, events: pd.DataFrame) -> AttributionCounts:
    """How many events of some months are shared out once and whole, and how many ties claim more than their source knows.

    Args:
        attribution: rows of core/event_attribution.
        events: clean events of all feeds in the same months: event_id, feed, address_precision and is_located, see `are_located`.
    """
    codes, ids = pd.factorize(pd.concat([events["event_id"], attribution["event_id"]], ignore_index=True))
    of_event, of_share = codes[: len(events)], codes[len(events) :]
    is_known, is_shared, is_exact = (np.zeros(len(ids), dtype=bool) for _ in range(3))
    is_known[of_event] = is_shared[of_share] = True
    is_exact[of_event[events["address_precision"].eq("exact").to_numpy()]] = True
    total = np.bincount(of_share, attribution["weight"].to_numpy(float), minlength=len(ids))
    off = ids[is_shared & (np.abs(total - 1) > _ROUNDING)]
    missing, unknown = ids[is_known & ~is_shared], ids[is_shared & ~is_known]
    tied = attribution["precision"].isin(_TIED_BY).to_numpy()
    upgraded = tied & ((is_known & ~is_exact)[of_share] | ~_tied_by_right_means(attribution))
    wrong = {"off": off, "missing": missing, "unknown": unknown, "upgraded": attribution.loc[upgraded, "event_id"]}
    numbers = {"events": int(is_known.sum()), "shared": int(is_shared.sum()), "tied": int(tied.sum())}
    numbers |= {name: len(keys) for name, keys in wrong.items()}
    for feed, count, located in events["is_located"].groupby(events["feed"]).agg(["size", "sum"]).itertuples():
        numbers |= {f"of:{feed}": int(count), f"located:{feed}": int(located)}
    return AttributionCounts(numbers, {name: _sample(keys) for name, keys in wrong.items() if len(keys)})


def check_attribution(found: AttributionCounts) -> list[Finding]:
    """Whether every event is shared out once and whole, and no tie claims more than its source knows.

    Args:
        found: what was counted of all months.
    """
    count, samples = Counter(found.numbers), found.samples
    feeds = [name.removeprefix("of:") for name in sorted(count) if name.startswith("of:")]
    shares = {feed: count[f"located:{feed}"] / count[f"of:{feed}"] for feed in feeds}
    low = [feed for feed, share in shares.items() if share < LEAST_LOCATED_SHARE.get(feed, 0.0)]
    facts: dict[str, int | float | str] = {f"located_share_{feed}": round(share, 4) for feed, share in shares.items()}
    strange = ", ".join(samples[name] for name in ("missing", "unknown") if name in samples)
    return [
        Finding("shares_sum_to_one", not count["off"], {"events": count["shared"], "off": count["off"], "sample": samples.get("off", "")}),
        Finding(
            "every_event_is_attributed", not count["missing"] and not count["unknown"],
            {"events": count["events"], "missing": count["missing"], "unknown": count["unknown"], "sample": strange},
        ),
        Finding(
            "precision_is_not_upgraded", not count["upgraded"],
            {"tied": count["tied"], "upgraded": count["upgraded"], "sample": samples.get("upgraded", "")},
        ),
        Finding("enough_events_are_located", not low, facts | {"below_their_minimum": ", ".join(low) or "none"}),
    ]  # fmt: skip


def _tied_by_right_means(attribution: pd.DataFrame) -> np.ndarray:
    """Whether the method of each share is one that gives its precision."""
    right = np.zeros(len(attribution), dtype=bool)
    for precision, methods in _TIED_BY.items():
        right |= (attribution["precision"].eq(precision) & attribution["attribution_method"].isin(methods)).to_numpy()
    return right


def are_located(events: pd.DataFrame, located: pd.DataFrame) -> pd.Series:
    """Whether events have a position, of their own or of their address.

    Args:
        events: address, address_precision, latitude.
        located: rows of core/located_addresses.
    """
    return events["latitude"].notna() | rows_among(events, located[located["latitude"].notna()], ["address", "address_precision"])


def _sample(keys: "pd.Series | pd.Index") -> str:
    return ", ".join(str(key) for key in keys[:5])
