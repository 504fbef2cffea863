"""Lineage of the model, its proofs and the marts."""

from collections.abc import Mapping

from kc_pipeline.catalog.columns import EVENT_FEEDS, EVENT_TABLES, WINDOWS_DAYS, count_column, covered_column, weighted_column
from kc_pipeline.catalog.lineage import Origin, of
from kc_pipeline.catalog.lineage_core import CORE_ORIGINS
from kc_pipeline.catalog.sources import FEEDS

_PLACES, _SHARES, _SEEN, _LOCATED = (
    f"core/{name}" for name in ("business_parcels", "event_attribution", "factor_observations", "located_addresses")
)
_POLICE, _CALLS, _PARCELS, _DISTRICTS = (f"clean/{name}" for name in ("police_reports", "calls_911", "parcels", "districts"))
_CARD, _QUALITY, _RISK = "eval/model_card", "marts/source_quality", "marts/business_risk"
_RAW = tuple(f"raw/{feed}" for feed in FEEDS)
_CLEAN = tuple(f"clean/{feed}" for feed in FEEDS)

_SERIOUS = (*of("category", _POLICE), *of("is_domestic", _POLICE), *of("is_firearm_used", _POLICE), *of("report_date", _POLICE))
_WHERE = (*of("latitude", _POLICE, _LOCATED), *of("longitude", _POLICE, _LOCATED))
_OWN_HISTORY = (*of("weight", _SHARES), *_SERIOUS)
_TERRAIN = (*of("condition", _SEEN), *of("latitude", _SEEN), *of("longitude", _SEEN), *of("opened_date", _SEEN))
_EXPECTATION = (*of("card", _CARD), *_TERRAIN, *_OWN_HISTORY, *of("business_types", _PLACES), *of("business_count", _PLACES))
_STALE = of("source_status", _QUALITY)
_RULES = dict.fromkeys(
    ("rule_set_id", "rule_id", "is_provisional", "window_start", "window_end", "min_count", "min_violent_count"),
    "what the rule set in force on the day says",
)
_COUNTABLE = (
    *of("precision", _SHARES), *of("exclusion_reason", _SHARES), *of("category", _SHARES), *of("report_date", _SHARES),
    *of("available_date", _SHARES), *of("is_domestic", _POLICE), *of("offense_codes", _POLICE), *of("is_officer_initiated", _CALLS),
)  # fmt: skip
_POSSIBLE = (*_COUNTABLE, *of("weight", _SHARES))
_WINDOWED = (*of("report_date", _SHARES), *of("available_date", _SHARES), *of("precision", _SHARES), *of("exclusion_reason", _SHARES))
_ARRIVED = (*of("report_date", *EVENT_TABLES), *of("available_date", *EVENT_TABLES))


def _feed_counts(feed: str) -> dict[str, tuple[str, ...]]:
    """A feed's counts at a place: shares of the ledger, and the days covered."""
    counted = (*of("weight", _SHARES), *of("feed", _SHARES), *_WINDOWED)
    names = [name(feed, days) for days in WINDOWS_DAYS for name in (count_column, weighted_column)]
    return {**dict.fromkeys(names, counted), covered_column(feed): of("covered_days_365d", _QUALITY)}


_BACKTEST = ("pai", "pai_low_90", "pai_high_90", "pai_less_ours_low_90", "pai_less_ours_high_90", "pei", "hit_share_pct", "deviance",
             "calibration_slope", "observed_over_expected")  # fmt: skip
_EXPECTED = (
    "expected_events_per_year",
    "expected_low_80",
    "expected_high_80",
    "relative_risk",
    "risk_rank",
    "risk_score",
    "risk_rank_in_type",
)
_CONFIRMED_COLUMNS = ("confirmed_count", "needed_count", "threshold_status", "count_falls_in_days", "met_for_days", "separate_windows_count",
                      "days_since_last_window", "ladder_step")  # fmt: skip

ORIGINS: Mapping[str, Origin] = {
    **CORE_ORIGINS,
    _CARD: Origin(
        (),
        dict.fromkeys(("card", "model_id"), (*_TERRAIN, *_OWN_HISTORY, *_WHERE, *of("business_types", _PLACES), *of("geometry", _DISTRICTS))),
        {"fitted_as_of": "the first day of the month that is asked for", "model_version": "the version of the model's code"},
    ),
    "eval/backtest": Origin(
        (),
        dict.fromkeys(_BACKTEST, (*_TERRAIN, *_SERIOUS, *_WHERE, *of("geometry", _DISTRICTS))),
        {
            "trained_as_of": "a year before the month that is asked for",
            "model_name": "our model or a rival",
            "area_share_pct": "a share of the city's area",
            "model_version": "the version of the model's code",
        },
    ),
    "eval/fairness_audit": Origin(
        ((_RISK,),),
        {
            "district_name": (*of("council_district", _RISK), *of("division", _RISK)),
            "place_count": of("business_parcel_id", _RISK),
            **dict.fromkeys(
                ("flagged_count", "flag_rate_pct", "flag_rate_ratio", "is_alert"),
                (*of("expected_events_per_year", _RISK), *of("council_district", _RISK), *of("division", _RISK)),
            ),
            "expected_events": of("expected_events_per_year", _RISK),
            "observed_events": of("serious_events_365d", _RISK),
            "request_rate": (*of("condition", _SEEN), *of("latitude", _SEEN), *of("parcel_id", _PARCELS)),
            "request_rate_ratio": (*of("condition", _SEEN), *of("latitude", _SEEN), *of("parcel_id", _PARCELS)),
        },
        {"district_kind": "council district or patrol division"},
    ),
    _QUALITY: Origin(
        (),
        {
            "source_status": (*_ARRIVED, *of("category", *EVENT_TABLES)),
            "status_reason": (*_ARRIVED, *of("category", *EVENT_TABLES)),
            "received_count": of("line", *_RAW),
            "good_count": (*of("source_row_count", *EVENT_TABLES), *of("record_id", *_CLEAN)),
            "quarantined_count": of("line", *_RAW),
            "duplicate_count": of("row_id", *_RAW),
            "event_count": (*of("event_id", *_CLEAN), *of("record_id", *_CLEAN)),
            "newest_report_date": _ARRIVED,
            "covered_days_365d": (*_ARRIVED, *of("month", *EVENT_TABLES)),
        },
        {"feed": "the feed's name", "usual_lag_days": "what the catalogue says of the feed"},
    ),
    _RISK: Origin(
        ((_PLACES,), (_CARD,)),
        {
            **dict.fromkeys(_EXPECTED, _EXPECTATION),
            "risk_rank_in_type": (*_EXPECTATION, *of("business_types", _PLACES)),
            "main_business_type": of("business_types", _PLACES),
            "places_in_type": of("business_types", _PLACES),
            "relative_risk_score": (*of("card", _CARD), *_TERRAIN),
            **dict.fromkeys(("serious_events_365d", "serious_events_prior_365d", "risk_trend"), _OWN_HISTORY),
            "homicide_count_365d": (*of("category", _SHARES), *of("weight", _SHARES), *_WINDOWED),
            **{name: named for feed in EVENT_FEEDS for name, named in _feed_counts(feed).items()},
            "coverage_pct": of("covered_days_365d", _QUALITY),
            "stale_sources": _STALE,
        },
    ),
    "marts/business_risk_factors": Origin(
        ((_PLACES,), (_CARD,)),
        {
            **dict.fromkeys(("log_contribution", "risk_multiplier", "what_if_events_per_year", "explanation"), _EXPECTATION),
            **dict.fromkeys(("factor", "factor_group", "owed_by"), (*of("card", _CARD), *of("condition", _SEEN))),
            "observation_count": (*_TERRAIN, *of("business_parcel_id", _SEEN)),
            "nearest_m": (*of("latitude", _SEEN), *of("longitude", _SEEN), *of("latitude", _PLACES), *of("longitude", _PLACES)),
            "oldest_open_days": (*of("opened_date", _SEEN), *of("closed_known_date", _SEEN), *of("is_closed", _SEEN)),
        },
    ),
    "marts/threshold_status": Origin(
        ((_PLACES,),),
        {
            **dict.fromkeys(_CONFIRMED_COLUMNS, _COUNTABLE),
            "confirmed_violent_count": _COUNTABLE,
            "possible_count": _POSSIBLE,
            "possible_violent_count": _POSSIBLE,
            "has_dwelling": (*of("land_use_code", _PARCELS), *of("business_types", _PLACES)),
            "is_escalation_blocked": (*of("land_use_code", _PARCELS), *of("business_types", _PLACES)),
            "stale_sources": _STALE,
        },
        {**_RULES, "is_dwelling_reviewed": "what a person wrote in the ledger of case steps"},
    ),
    "marts/threshold_events": Origin(
        ((_SHARES,), (_POLICE, _CALLS)),
        {
            "is_violent": (*of("category", _SHARES), *of("offense_codes", _POLICE)),
            "count_state": _COUNTABLE,
            "not_counted_reasons": (*_COUNTABLE, *of("reported_local", _POLICE, _CALLS), *of("block_key", _LOCATED)),
            "duplicate_of": (*of("reported_local", _POLICE, _CALLS), *of("block_key", _LOCATED), *of("category", _SHARES)),
            "rule_ids": of("report_date", _SHARES),
        },
        {"rule_set_id": _RULES["rule_set_id"]},
    ),
    "marts/action_items": Origin(
        ((_SEEN,), (_PLACES,)),
        {
            **{name: of(name, _PLACES) for name in ("business_parcel_id", "address", "latitude", "longitude")},
            "action": of("condition", _SEEN),
            "department": of("condition", _SEEN),
            "responsible_party": (
                *of("condition", _SEEN), *of("business_parcel_id", _SEEN), *of("category", "clean/dumping_complaints"),
            ),
            "is_on_premises": of("business_parcel_id", _SEEN, _PLACES),
            "distance_m": (*of("latitude", _SEEN, _PLACES), *of("longitude", _SEEN, _PLACES)),
            "open_days": of("opened_date", _SEEN),
            "observed_address": of("address", _SEEN),
            "observed_latitude": of("latitude", _SEEN),
            "observed_longitude": of("longitude", _SEEN),
            "stale_sources": _STALE,
        },
    ),
    "marts/dim_business": Origin((("core/business_history",),)),
    "marts/dim_business_parcel": Origin((("core/business_parcel_history",),)),
    "marts/public_neighborhood_quarter": Origin(
        (),
        {
            **dict.fromkeys(("quarter", "quarter_start", "quarter_end"), of("report_date", *EVENT_TABLES)),
            "neighborhood": (
                *of("district_name", _DISTRICTS), *of("geometry", _DISTRICTS), *of("latitude", *EVENT_TABLES, _LOCATED), *of("longitude", *EVENT_TABLES, _LOCATED),
            ),
            "feed": of("feed", *EVENT_TABLES),
            **dict.fromkeys(("public_event_count", "is_suppressed", "city_event_count"), (*of("event_id", *EVENT_TABLES), *_ARRIVED)),
            "stale_sources": _STALE,
        },
    ),
}  # fmt: skip
