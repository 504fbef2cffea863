"""What each view is for, and what may not be concluded from it; and which columns point to which view."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Notes:
    """What a reader has to know of a view.

    Attributes:
        title: its name for people.
        purpose: what it is for.
        usage: how to read it.
        limits: what may not be concluded from it.
    """

    title: str
    purpose: str
    usage: str
    limits: tuple[str, ...] = ()


_SILENCE = (
    "No recorded event is not the same as safety: read stale_sources and the coverage columns, and v1_source_quality, beside any count."
)
_BLOCK = (
    "Open police and 911 data name a block or a corner, not an address: columns that end in _weighted_ and a day count share such "
    "events out over the places of the block and say nothing about any one of them."
)
_NO_GUILT = "It says nothing about the conduct of an owner, of staff or of guests, and is no ground for closing or fining a business."
_APART = (
    "The ordinance's counts stand in v1_threshold_status, apart from the risk score; the two are never added, averaged or ranked together."
)
_PLACE = "A place is a parcel with at least one active business, or an address where no parcel is known; what is said holds for the place, not for one of its businesses."
_PROVISIONAL = "While is_provisional is true nobody has read the rule set's figures in the ordinance's own text: no step may rest on them."

NOTES: Mapping[str, Notes] = {
    "v1_business_risk_current": Notes(
        "Business risk, newest day",
        "Shows where help is needed most: lighting, cleaning, inspection, police presence.",
        "One row per business place. Sort by risk_rank; compare within main_business_type by risk_rank_in_type; show the interval "
        "expected_low_80 to expected_high_80 with the expectation. Join what adds to it from v1_business_risk_factors by business_parcel_id.",
        (
            _NO_GUILT, _APART, _SILENCE, _BLOCK, _PLACE,
            "Two places whose intervals overlap are not told apart by their ranks.",
            "Scores of two days with different model_id are not a trend; risk_trend says what the place's own two years show.",
        ),
    ),
    "v1_business_risk_factors": Notes(
        "What adds to the risk of each place, newest day",
        "Explains each expectation, and shows what the city or the owner could mend.",
        "One row per place and factor. log_contribution of a place's rows sums to the logarithm of its expected_events_per_year; "
        "risk_multiplier multiplies to it. owed_by says who can mend it.",
        (
            "Contributions are associations in past data. That mending a factor would lower the number of events is not shown by them.",
            "A factor without a row was not observed near the place; that it is absent there is not known.",
            _NO_GUILT,
        ),
    ),
    "v1_threshold_status": Notes(
        "What the nuisance ordinance counts, newest day",
        "Shows for each place and rule in force how many events count, how many could, what is missing, and until when.",
        "One row per place and rule. Filter by rule_set_id and rule_id; do not sum over rules. The events behind a count stand in v1_threshold_events.",
        (
            _PROVISIONAL,
            "possible_count is no count: those events need an exact record or a person's decision, and one may be possible at several places.",
            "Where is_escalation_blocked is true people may live at the place: no step but watching before a person has looked.",
            "confirmed_count is never estimated, and says nothing of how risky a place is; the risk score stands in v1_business_risk_current and is never mixed with it.",
            _SILENCE,
        ),
    ),
    "v1_threshold_events": Notes(
        "Events behind the ordinance's counts, newest day",
        "Lists each event that counts, could count or was left out at a place, with every reason.",
        "One row per event, place and rule set. Only rows whose count_state is 'counts' make up confirmed_count, in the rules that rule_ids lists.",
        (
            _PROVISIONAL,
            "An event at a place says where it was reported, not who caused it.",
            "A row is no finding of law: an objection, a hearing or a correction at the source can take it out.",
        ),
    ),
    "v1_action_list": Notes(
        "What is open, and who has to act, newest day",
        "Gives departments and owners their list: what is open on a business's premises and within 200 m of it, since when, and who owes it.",
        "One row per place and open condition: a condition near several places has a row at each; count distinct observation_id for work orders. "
        "Filter by responsible_party, department and open_days.",
        (
            "A condition that nobody reported is not in the list; an empty list does not say that nothing is wrong.",
            "No source tells whether a business lights its own lot.",
            "open_days runs to the closing that the source shows; sources close late, and some close in bulk.",
        ),
    ),
    "v1_source_quality": Notes(
        "How each source stands, newest day",
        "Says which feeds are fresh, and what became of their rows.",
        "One row per feed. Show source_status and status_reason beside anything made from the feed. received_count = good_count + quarantined_count + duplicate_count.",
        ("A fresh feed is not a complete one: it says that rows keep arriving as they used to.",),
    ),
    "v1_public_neighborhood_quarter": Notes(
        "Events by neighborhood and quarter, for the public",
        "Shares counts without pointing at people: small ones are hidden, and others with them where a hidden one could be computed.",
        "One row per feed, complete quarter and neighborhood. Where is_suppressed is true the count is missing; do not fill it with 0.",
        (
            "A hidden count is not zero, and may not be computed from other rows, other releases or the totals.",
            "Neighborhoods differ in size, in residents and in how readily people report; counts are not rates.",
            "Only events whose place is known are counted for a neighborhood.",
            _SILENCE,
        ),
    ),
    "v1_dim_business_parcel": Notes(
        "Business places and their versions",
        "Says what stood on a place at any time since the registers are kept.",
        "One row per place and version: it holds from valid_from until before valid_to; is_current marks the newest.",
        ("Versions begin with the first register that was pulled: what was there before is not known.", "Neighborhood and districts are today's."),
    ),
    "v1_dim_business": Notes(
        "Businesses and their versions",
        "Says which business stood where, under which names, licences and permits, at any time since the registers are kept.",
        "One row per business and version: it holds from valid_from until before valid_to; is_current marks the newest.",
        (
            "A business that is in no register is not here; one in a register may have closed.",
            "match_method and the review list say how sure its parcel is.",
        ),
    ),
    "v1_dim_date": Notes(
        "Days", "Groups days by week, month, quarter, fiscal year and holiday.", "One row per day in the city; join as_of or any local date to calendar_date.",
        ("is_federal_holiday knows the federal holidays only, not the city's.",),
    ),
    "v1_dim_feed": Notes(
        "Feeds", "Names the sources for people.", "One row per feed; join any column feed.",
        ("usual_lag_days is what was usual when the feed was set up; v1_source_quality says how it stands now.",),
    ),
}  # fmt: skip

# column -> (view, column) that it points to, in every view that is named, or in all others that have the column
_PLACES = ("v1_business_risk_factors", "v1_threshold_status", "v1_threshold_events", "v1_action_list")
_POINTS_TO: Mapping[str, tuple[str, str, tuple[str, ...] | None]] = {
    "business_parcel_id": ("v1_business_risk_current", "business_parcel_id", _PLACES),
    "feed": ("v1_dim_feed", "feed", None),
    "as_of": ("v1_dim_date", "calendar_date", None),
}


def points_to(view: str, column: str) -> tuple[str, str] | None:
    """The view and column in which every value of a view's column occurs; None where there is none."""
    target, name, where = _POINTS_TO.get(column, (view, column, None))
    return None if target == view or view not in (where or (view,)) else (target, name)
