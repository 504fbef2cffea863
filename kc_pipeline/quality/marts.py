"""Laws of the marts: every place scored, every count that of the ledger, every doubt about a source named."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, count_column
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.places.suppression import could_be_computed
from kc_pipeline.quality.checks import Finding
from kc_pipeline.quality.sources import stale_event_feeds

Facts = dict[str, int | float | str]
_TIED = ("EXACT", "NEAR")
_SAME = 1e-9  # two ways to the same number may differ by so much, and by so much of it


def check_source_quality(rows: pd.DataFrame) -> list[Finding]:
    """Whether every feed is judged, and every event feed fresh.

    Args:
        rows: marts/source_quality of one day.
    """
    missing = sorted(set(FEEDS) - set(rows["feed"]))
    doubtful = rows[rows["feed"].isin(EVENT_FEEDS) & (rows["source_status"] != "fresh")]
    return [
        Finding("every_feed_is_judged", not missing, {"feeds": len(rows), "missing": ", ".join(missing)}),
        Finding(
            "sources_are_fresh", doubtful.empty, {"not_fresh": len(doubtful), "sample": ", ".join(doubtful["feed"])},
            tuple(doubtful["status_reason"]),
        ),
    ]  # fmt: skip


def check_business_risk(rows: pd.DataFrame, places: pd.Series, ledger: pd.DataFrame, quality: pd.DataFrame, as_of: date) -> list[Finding]:
    """Whether a day's risk table is whole and says what it is made from.

    Args:
        rows: marts/business_risk of the day.
        places: business_parcel_id of core/business_parcels.
        ledger: core/event_attribution: feed, business_parcel_id, report_date, available_date, precision, weight, exclusion_reason.
        quality: marts/source_quality of the day.
        as_of: the day.
    """
    scored = pd.Index(rows["business_parcel_id"])
    missing, strange = pd.Index(places).difference(scored), scored.difference(pd.Index(places))
    facts: Facts = {"places": len(places), "missing": len(missing), "unknown": len(strange), "sample": ", ".join([*missing, *strange][:5])}
    return [
        Finding("every_place_is_scored", missing.empty and strange.empty, facts),
        _counts_finding(rows, ledger, as_of),
        _ranks_finding(rows),
        _stale_sources_finding(rows, quality),
    ]


def check_risk_factors(factors: pd.DataFrame, risk: pd.DataFrame) -> list[Finding]:
    """Whether what is said to add to the risk of each place makes its expectation.

    Args:
        factors: marts/business_risk_factors of a day: business_parcel_id, log_contribution.
        risk: marts/business_risk of the same day: business_parcel_id, expected_events_per_year.
    """
    product = np.exp(factors.groupby("business_parcel_id")["log_contribution"].sum())
    expected = risk.set_index("business_parcel_id")["expected_events_per_year"]
    both = pd.DataFrame({"product": product, "expected": expected})
    agrees = (both["product"] - both["expected"]).abs() <= _SAME + _SAME * both["expected"]
    wrong = both[~agrees]
    facts: Facts = {"places": len(both), "wrong": len(wrong), "sample": ", ".join(map(str, wrong.index[:5]))}
    return [Finding("contributions_make_the_expectation", wrong.empty, facts)]


def check_action_items(items: pd.DataFrame, places: pd.Series) -> list[Finding]:
    """Whether every item belongs to a place that there is.

    Args:
        items: marts/action_items of a day: business_parcel_id.
        places: business_parcel_id of core/business_parcels.
    """
    strange = pd.Index(items["business_parcel_id"]).unique().difference(pd.Index(places))
    facts: Facts = {"items": len(items), "unknown": len(strange), "sample": ", ".join(strange[:5])}
    return [Finding("every_item_is_of_a_known_place", strange.empty, facts)]


def check_public_counts(rows: pd.DataFrame) -> list[Finding]:
    """Whether hidden counts stay hidden from whoever reads the others.

    Args:
        rows: marts/public_neighborhood_quarter of a day.
    """
    told = []
    for (quarter, feed), group in rows.groupby(["quarter", "feed"]):
        total = group["city_event_count"].iloc[0]
        shown = group["public_event_count"].dropna().to_numpy(np.int64)
        if could_be_computed(shown, int(group["is_suppressed"].sum()), None if pd.isna(total) else int(total)):
            told.append(f"{feed} {quarter}")
    facts: Facts = {"groups": rows.groupby(["quarter", "feed"]).ngroups, "told": len(told), "sample": ", ".join(told[:5])}
    return [Finding("hidden_counts_cannot_be_computed", not told, facts)]


def check_threshold_status(status: pd.DataFrame, events: pd.DataFrame, places: pd.Series) -> list[Finding]:
    """Whether a day's status table is whole, and its counts those of the events that are listed.

    Args:
        status: marts/threshold_status of the day.
        events: marts/threshold_events of the same day.
        places: business_parcel_id of core/business_parcels.
    """
    rules = ["rule_set_id", "rule_id"]
    per_place = status.groupby("business_parcel_id").size()
    expected = len(status[rules].drop_duplicates())
    strange = per_place.index.symmetric_difference(pd.Index(places)) if expected else pd.Index([])
    uneven = per_place.index[per_place != expected]
    key = ["business_parcel_id", *rules]
    counting = events[events["count_state"] == "counts"]
    listed = counting.assign(rule_id=counting["rule_ids"].str.split(";")).explode("rule_id").groupby(key).size()
    said = status.set_index(key)["confirmed_count"]
    both = pd.DataFrame({"said": said, "listed": listed}).fillna(0)
    wrong = both[both["said"] != both["listed"]]
    return [
        Finding(
            "every_place_has_every_rule", strange.empty and uneven.empty,
            {"places": len(places), "rules": expected, "wrong": len(strange) + len(uneven), "sample": ", ".join([*strange, *uneven][:5])},
        ),
        Finding(
            "counts_are_those_of_the_events", wrong.empty,
            {"confirmed": int(said.sum()), "wrong": len(wrong), "sample": ", ".join(map(str, wrong.index[:3]))},
        ),
    ]  # fmt: skip


def _counts_finding(rows: pd.DataFrame, ledger: pd.DataFrame, as_of: date) -> Finding:
    """Sums over all places against sums over the ledger, counted apart from the score's own counting."""
    at_place = ledger["business_parcel_id"].notna() & ledger["exclusion_reason"].isna() & ledger["precision"].isin(_TIED)
    in_time = ledger["available_date"].le(as_of) & ledger["report_date"].lt(as_of)
    usable = ledger[at_place & in_time]
    facts: Facts = {}
    wrong = []
    for days in WINDOWS_DAYS:
        events = usable[usable["report_date"] >= as_of - timedelta(days=days)].groupby("feed")["weight"].sum()
        for feed in EVENT_FEEDS:
            column = count_column(feed, days)
            in_ledger, in_mart = round(float(events.get(feed, 0.0))), int(rows[column].sum())
            facts[column] = in_mart
            if in_ledger != in_mart:
                wrong.append(f"{column}: {in_mart} in the mart, {in_ledger} in the ledger")
    return Finding("counts_are_those_of_the_ledger", not wrong, facts | {"sample": "; ".join(wrong)})


def _ranks_finding(rows: pd.DataFrame) -> Finding:
    ordered = rows.sort_values(["relative_risk", "risk_rank"], ascending=[False, True])
    rank, score = (ordered[name].to_numpy(float) for name in ("risk_rank", "risk_score"))
    holds = (np.diff(rank) >= 0) & (np.diff(score) <= 0)
    wrong = ordered["business_parcel_id"].iloc[1:][~holds]
    starts_at_one = not len(rank) or rank[0] == 1
    return Finding(
        "ranks_follow_the_risk",
        wrong.empty and starts_at_one,
        {"rows": len(rows), "wrong": len(wrong), "sample": ", ".join(wrong.head(5))},
    )


def _stale_sources_finding(rows: pd.DataFrame, quality: pd.DataFrame) -> Finding:
    said, known = sorted(rows["stale_sources"].unique()), stale_event_feeds(quality)
    sample = "" if said in ([], [known]) else f"the rows say {said}, source_quality says {known!r}"
    return Finding("stale_sources_are_named", not sample, {"stale_sources": known or "none", "sample": sample})
