"""What the stores answer to a person: the account of a run, one place, the events behind its counts."""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame
from kc_pipeline.defs.steps.places import read_decisions

if TYPE_CHECKING:
    import pyarrow as pa


class NoEventError(LookupError):
    """No feed has any event."""


def day_after_newest_event(platform: Platform) -> date:
    """The first day that can look back on every event in the lake.

    Raises:
        NoEventError: there is no event at all.
    """
    newest = [read_frame(platform, f"clean/{feed}", ["report_date"])["report_date"].max() for feed in EVENT_FEEDS]
    days = [day for day in newest if isinstance(day, date)]
    if not days:
        raise NoEventError("no feed has any event: there is no day to score")
    return max(days) + timedelta(days=1)


def account_by_feed(platform: Platform) -> dict[str, tuple[int, ...]]:
    """Feed -> source rows received, good, quarantined and duplicate, and rows of the clean table made from them."""
    columns = [f"{name}_count" for name in ("received", "good", "quarantined", "duplicate")]
    totals = read_frame(platform, "quality/reconciliation").groupby("feed")[columns].sum()
    return {
        feed: (*(int(n) for n in (totals.loc[feed] if feed in totals.index else [0] * len(columns))), platform.lake.count(f"clean/{feed}"))
        for feed in FEEDS
    }


def attribution_rates(platform: Platform, *by: str) -> list[dict[str, dict[str, float]]]:
    """For each of some columns of the attribution ledger: feed -> events (sums of their shares) by its values, most first."""
    shares = platform.lake.read("core/event_attribution", columns=["feed", *by, "weight"])
    shares = shares.group_by(["feed", *by]).aggregate([("weight", "sum")]).rename_columns(["feed", *by, "weight"])
    found = []
    for column in by:
        sums = shares.group_by(["feed", column]).aggregate([("weight", "sum")]).sort_by([("weight_sum", "descending")])
        rates: dict[str, dict[str, float]] = {}
        for row in sums.to_pylist():
            rates.setdefault(row["feed"], {})[row[column]] = row["weight_sum"]
        found.append({feed: rates[feed] for feed in EVENT_FEEDS if feed in rates})
    return found


def match_rates(platform: Platform) -> dict[str, dict[str, float]]:
    """'active' or 'inactive' -> businesses for each way in which their parcel was found."""
    businesses = read_frame(platform, "core/businesses", ["is_active", "match_method"])
    counts = businesses.groupby(["is_active", "match_method"]).size()
    rates: dict[str, dict[str, float]] = {}
    for (is_active, method), count in counts.sort_values(ascending=False).items():
        rates.setdefault("active" if is_active else "inactive", {})[str(method)] = float(count)
    return rates


def quarantine_by_rule(platform: Platform) -> list[tuple[str, str, int]]:
    """Feed, rule and number of rejected rows, most first within a feed."""
    found = []
    for feed in FEEDS:
        rules = read_frame(platform, f"quarantine/{feed}", ["rule"])["rule"].value_counts()
        found += [(feed, str(rule), int(count)) for rule, count in rules.items()]
    return found


def fingerprint(mart: "pa.Table") -> str:
    """SHA-256 of a risk mart's canonical bytes: equal whenever the rows are."""
    import hashlib

    from kc_pipeline.store.lake import canonical_bytes

    return hashlib.sha256(canonical_bytes("marts/business_risk", mart)).hexdigest()


def find_place(platform: Platform, wanted: str) -> dict[str, Any]:
    """The one row of the current risk view that an id, or part of a name or address, means.

    Raises:
        LookupError: none or several fit.
    """
    return one_that_fits(platform.warehouse.read_view("v1_business_risk_current").to_pylist(), wanted)


def one_that_fits(places: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The one of some places that an id, or part of a name or address, means.

    Raises:
        LookupError: none or several fit.
    """
    text = wanted.upper()
    fits = [row for row in places if row["business_parcel_id"].upper() == text]
    fits = fits or [row for row in places if text in (row["business_names"] or "").upper() or text in (row["address"] or "").upper()]
    if len(fits) == 1:
        return dict(fits[0])
    if not fits:
        raise LookupError(f"no business parcel fits {wanted!r}; `kc top` lists some")
    some = "; ".join(f"{row['business_parcel_id']} ({row['business_names']}, {row['address']})" for row in fits[:8])
    raise LookupError(f"{len(fits)} business parcels fit {wanted!r}: {some}")


def events_behind(platform: Platform, place: dict[str, Any]) -> list[dict[str, Any]]:
    """Events that the counts of a row of the risk mart are made of, with their source rows, newest first."""
    import pandas as pd

    from kc_pipeline.risk.score import usable_attribution

    shares = read_frame(platform, "core/event_attribution")
    shares = shares[shares["business_parcel_id"] == place["business_parcel_id"]]
    shares = usable_attribution(shares, place["as_of"])
    trace = ["event_id", "address", "data_set", "pull_id", "page", "line"]
    feeds = sorted(set(shares["feed"]))
    sources = pd.concat([read_frame(platform, f"clean/{feed}", trace) for feed in feeds] or [pd.DataFrame(columns=trace)])
    joined = shares.merge(sources.drop_duplicates("event_id"), on="event_id", how="left")
    joined["address"] = joined["address"].fillna("")
    return list(joined.sort_values(["report_date", "event_id"], ascending=False).to_dict("records"))


def factors_behind(platform: Platform, place: dict[str, Any]) -> list[dict[str, Any]]:
    """What adds to the expectation of a row of the risk mart."""
    import pyarrow.compute as pc

    rows = platform.lake.read("marts/business_risk_factors", partitions=[place["as_of"].isoformat()])
    return list(rows.filter(pc.equal(rows["business_parcel_id"], place["business_parcel_id"])).to_pylist())


def observations_behind(platform: Platform, place: dict[str, Any], factors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Observations that somebody can mend, near a place or on its premises, of the factors that add to its expectation.

    Each with says, owed_by, is_on_premises, distance_m, open_days (None where it is not open), opened_date, address and
    source_id; what is open first, then nearest first, each source row once.
    """
    from kc_pipeline.catalog.factors import CONDITIONS, FACTORS, MendedBy
    from kc_pipeline.risk.explain import PREMISES, observations_near

    names = {row["factor"].removeprefix(PREMISES) for row in factors if row["factor_group"] != MendedBy.CONTEXT}
    observed = read_frame(platform, "core/factor_observations")
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(names):
        near = observations_near(observed, FACTORS[name], place, place["as_of"])
        condition = CONDITIONS[FACTORS[name].condition]
        for row in near.to_dict("records"):
            owed_by = "Owner" if row["is_on_premises"] and f"{PREMISES}{name}" in {f["factor"] for f in factors} else condition.owed_by
            days = None if row["open_days"] != row["open_days"] else int(row["open_days"])
            found.setdefault(row["source_id"], {**row, "says": condition.says, "owed_by": owed_by, "open_days": days})
    return sorted(found.values(), key=lambda row: (row["open_days"] is None, row["distance_m"], row["source_id"]))


def open_questions(platform: Platform) -> list[dict[str, Any]]:
    """Businesses whose parcel a person must decide: those in business first, by address and name."""
    rows = platform.lake.read("core/business_review")
    order = [("is_active", "descending"), ("address_key", "ascending"), ("business_name", "ascending"), ("business_id", "ascending")]
    return list(rows.sort_by(order).to_pylist())


def rejected_decisions(platform: Platform) -> list[dict[str, Any]]:
    """Decisions that the last run could not apply, by their line in the file."""
    rows = platform.lake.read("core/business_decisions").sort_by("file_line").to_pylist()
    return [row for row in rows if row["rejection_reason"]]


def file_of_decisions(platform: Platform) -> str:
    """The file of decisions to go on with: what it holds now, and a row for each open question.

    Raises:
        DecisionsError: the present file cannot be read.
    """
    from kc_pipeline.places.decisions import review_csv

    return review_csv(read_frame(platform, "core/business_review"), read_decisions(platform))
