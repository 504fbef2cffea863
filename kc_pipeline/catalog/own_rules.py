"""Rules that no contract says, each with its reason: laws between columns, of whole tables, between tables, and over time."""

from collections.abc import Mapping

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, count_column
from kc_pipeline.catalog.geography import CITY_NAME, CITY_ZIP_CODE_FORM
from kc_pipeline.catalog.rule_model import InOrder, InSet, Matches, RowLaw, Rule, Severity, TableLaw

# Share of a feed's source rows that must be usable; recorded files have 99.9 % and more.
MINIMUM_GOOD_SHARE = 0.97
# Below these shares a habit of the source has changed. Recorded: nothing of 38,487 requests, cases and violations is closed
# before it is opened; of 2018's reports 1 in 926 occurs after it is made, 99.4 % have a ZIP code and 99.3 % a town of the city.
_NEARLY_ALWAYS, _USUALLY = 0.99, 0.97
# Share of a feed's events that must have a position, of their own or by their address. Recorded: police 90 to 95 %, 311 over
# 99 %; a feed far below has changed the form of its addresses.
LEAST_LOCATED_SHARE: Mapping[str, float] = {
    "police_reports": 0.85,
    "calls_911": 0.80,
    "health_inspections": 0.90,
    "streetlight_outages": 0.95,
    "dumping_complaints": 0.95,
}
# Share of active businesses that must stand on a known parcel, where the parcel register has addresses at all.
LEAST_ON_PARCEL_SHARE = 0.80
# A month whose newest pull has lost a larger share of the rows of an earlier one is not believed, if that had enough rows.
LARGEST_LOSS_SHARE, LEAST_ROWS_TO_LOSE = 0.5, 50
# Months, as (data set, month), that lost most of their rows at the source and for which a person has found that to be right.
ACCEPTED_LOSSES: frozenset[tuple[str, str]] = frozenset()


def _law(name: str, says: str, severity: Severity = Severity.BLOCKS, least_share: float = 1.0) -> Rule:
    return Rule(name, says, severity, TableLaw(), least_share)


def _row_law(name: str, says: str, columns: tuple[str, ...], severity: Severity = Severity.BLOCKS, least_share: float = 1.0) -> Rule:
    return Rule(name, says, severity, RowLaw(name, columns), least_share)


_UNIQUE = _law("key_is_unique", "No key occurs twice.")
EVERY_CLEAN_TABLE = (
    _UNIQUE,
    _law("every_received_row_is_accounted_for", "Source rows received are good, quarantined or duplicates, in every month, and nothing else."),
    _law("the_account_is_that_of_the_pulls", "The account speaks of the newest pull of every month, and of as many rows as it received."),
    _law("every_rejected_row_is_in_quarantine", "As many rows are in quarantine as the account says were rejected."),
    _law("every_good_row_is_in_an_event", "The clean rows are made of as many source rows as the account says were good."),
    _law("history_does_not_shrink", "No month lost more than half of its rows since an earlier pull, unless a person accepted the loss."),
    _law("nearly_all_rows_are_good", "Nearly all source rows are usable; else the source has changed its form.", least_share=MINIMUM_GOOD_SHARE),
)  # fmt: skip
_POSITION = _row_law(
    "positions_are_whole_or_explained",
    "A row has latitude and longitude, or neither and the reason why.",
    ("latitude", "longitude", "no_location_reason"),
)
_ZIP_CODES = Rule(
    "zip_codes_are_of_the_city", "Nearly all ZIP codes lie in the city; others are stray or belong to a neighbor's.",
    Severity.WARNS, Matches("zip_code", CITY_ZIP_CODE_FORM), _NEARLY_ALWAYS,
)  # fmt: skip
_VERSIONS = (
    _UNIQUE,
    _row_law("versions_end_after_they_begin", "A version that has ended did so after its first day.", ("valid_from", "valid_to")),
    _row_law("the_current_version_is_open", "The current version, and no other, has no end.", ("is_current", "valid_to")),
)
EVERY_EVENT_TABLE = (
    _row_law("months_are_those_of_the_report_dates", "Each row stands in the month of its report date.", ("month", "report_date")),
    _row_law("times_lie_on_the_report_date", "The wall clock of the report shows its report date.", ("reported_local", "report_date")),
    _row_law(
        "utc_is_the_same_moment", "UTC is given where the clock is exact, nowhere else, and means the wall clock's moment.",
        ("reported_utc", "reported_local", "reported_clock"),
    ),
    Rule(
        "available_from_the_report_on", "No event was available before it was reported; else a score could look into the future.",
        Severity.BLOCKS, InOrder("report_date", "available_date"),
    ),
    _row_law(
        "reported_before_it_was_seen", "No event is reported after the day on which it was first seen.", ("report_date", "first_seen_utc")
    ),
    _row_law("no_address_names_nothing", "A row without an address has the precision 'none'.", ("address", "address_precision")),
    _POSITION,
    _ZIP_CODES,
    # How a feed moves over time; see quality/drift/.
    _law("arrives_within_its_lag", "The newest event is no older than the feed's lag explains.", Severity.MARKS),
    _law("no_category_falls_silent", "No category that used to come has stopped.", Severity.MARKS),
    _law("volume_is_not_low", "There are about as many events as the weekday and the season let expect.", Severity.MARKS),
    _law("volume_is_not_high", "There are not many more events than the weekday and the season let expect.", Severity.WARNS),
    _law("codes_are_known", "Every code at the source has a category; unknown ones are kept and counted.", Severity.WARNS),
    _law("categories_keep_their_names", "No category is new, and none was renamed.", Severity.WARNS),
    _law("locations_are_usual", "The shares of missing positions and of default points are what they usually are.", Severity.WARNS),
    _law("columns_are_unchanged_at_the_source", "No column is new, missing or of another type since the pull before.", Severity.WARNS),
)  # fmt: skip
_DEPARTMENT_ALONE_IS_EXACT = _row_law(
    "open_records_are_never_exact", "Published police reports and calls name a block or a corner; only the department's own are exact.",
    ("address_precision", "record_systems"),
)  # fmt: skip
_DIVISIONS = _row_law(
    "divisions_agree_with_the_beat", "The division that the source names is the one that its beat lies in.",
    ("division", "source_division"), Severity.WARNS, _USUALLY,
)  # fmt: skip
_CLOSED_AFTER_OPENED = (
    Rule("closed_after_opened", "Nothing is closed before it was opened.", Severity.WARNS, InOrder("report_date", "resolved_date"), _NEARLY_ALWAYS),
    _law("nothing_is_closed_in_bulk", "No day closes far more than usual; where one does, closing dates are no service times.", Severity.WARNS),
)  # fmt: skip
_RECORD_CLOSED_AFTER_OPENED = Rule(
    "closed_after_opened",
    "Nothing is closed before it was opened.",
    Severity.WARNS,
    InOrder("opened_date", "resolved_date"),
    _NEARLY_ALWAYS,
)
_IN_REGISTER = _law(
    "parcels_are_in_the_register", "Nearly all parcel numbers are in the parcel register.", Severity.WARNS, 0.95
)  # recorded: violations 98.9 %, legacy 311 97.5 %

OF_FEED: Mapping[str, tuple[Rule, ...]] = {
    "police_reports": (
        _DEPARTMENT_ALONE_IS_EXACT,
        _DIVISIONS,
        _row_law(
            "nothing_occurs_after_its_report", "Nothing occurred more than a day after it was reported.",
            ("occurred_local", "reported_local"), Severity.WARNS, _NEARLY_ALWAYS,
        ),
        Rule("towns_are_the_city", f"Nearly all towns are {CITY_NAME.title()}.", Severity.WARNS, InSet("city", (CITY_NAME,)), _USUALLY),
    ),
    "calls_911": (_DEPARTMENT_ALONE_IS_EXACT, _DIVISIONS),
    "health_inspections": (),
    "streetlight_outages": _CLOSED_AFTER_OPENED,
    "dumping_complaints": _CLOSED_AFTER_OPENED,
    "business_licenses": (
        _POSITION,
        _law("ids_repeat_only_by_class", "A licence id stands in several rows only where one business has several licence classes.", Severity.WARNS),
        _law("register_is_whole", "The register has at least as many rows as the smallest that could be whole."),
    ),
    "food_permits": (_POSITION,),
    "parcels": (_POSITION, _law("register_is_whole", "The register has at least as many rows as the smallest that could be whole.")),
    "streets": (
        Rule("numbers_are_in_order", "The lowest house number is not above the highest.", Severity.BLOCKS, InOrder("from_number", "to_number")),
    ),
    "districts": (_law("register_is_whole", "The register has at least as many rows as the smallest that could be whole."),),
    "property_violations": (_POSITION, _ZIP_CODES, _RECORD_CLOSED_AFTER_OPENED, _IN_REGISTER),
    "dangerous_buildings": (_POSITION, _ZIP_CODES, _RECORD_CLOSED_AFTER_OPENED, _IN_REGISTER),
    "bus_stops": (_POSITION,),
}  # fmt: skip
# Rows below which a register cannot be the city's whole one. Recorded: 28,245 licences, 204,762 parcels, 246 neighborhoods;
# the floors leave room for a small town and for a small synthetic city.
REGISTER_FLOORS: Mapping[str, int] = {"business_licenses": 50, "parcels": 500, "districts": 3}

OF_TABLE: Mapping[str, tuple[Rule, ...]] = {
    "core/gazetteer": (
        _UNIQUE,
        _row_law(
            "positions_have_a_radius", "A position is whole and says how far it may be off.", ("latitude", "longitude", "error_radius_m")
        ),
    ),
    "core/block_places": (_UNIQUE,),
    "core/located_addresses": (_UNIQUE,),
    "core/factor_observations": (
        _UNIQUE,
        Rule("resolved_after_opened", "Nothing is resolved before it was opened.", Severity.WARNS, InOrder("opened_date", "resolved_date")),
    ),
    "core/businesses": (
        _UNIQUE,
        _law("parcels_exist", "No business stands on a parcel that the register does not know."),
        _law("enough_businesses_have_a_parcel", "Most active businesses are matched to a parcel.", Severity.WARNS, LEAST_ON_PARCEL_SHARE),
    ),
    "core/business_review": (_UNIQUE,),
    "core/business_decisions": (_UNIQUE,),
    **dict.fromkeys(("core/business_history", "core/business_parcel_history", "marts/dim_business", "marts/dim_business_parcel"), _VERSIONS),
    "core/business_parcels": (_UNIQUE,),
    "core/event_attribution": (
        _UNIQUE,
        _row_law(
            "what_is_tied_says_how", "A share at a place says by what the event is tied to it.",
            ("business_parcel_id", "attribution_method"),
        ),
        _law("shares_sum_to_one", "The shares of each event, the unattributed one included, sum to one."),
        _law("every_event_is_attributed", "Every clean event is there, and no other."),
        _law("precision_is_not_upgraded", "No event is tied to a place more exactly than its source knows."),
        _law("enough_events_are_located", "Each feed's share of events with a position is not below what is usual for it.", Severity.WARNS),
    ),
    "marts/action_items": (
        _UNIQUE,
        _row_law(
            "what_is_on_the_premises_is_no_distance_away", "What lies on the premises is at distance 0.", ("is_on_premises", "distance_m"),
        ),
        _law("every_item_is_of_a_known_place", "Every item belongs to a business parcel."),
    ),
    "marts/public_neighborhood_quarter": (
        _UNIQUE,
        _row_law("no_small_count_is_shown", "A count from 1 to 10 is hidden, and what is hidden says so.", ("public_event_count", "is_suppressed")),
        _law("hidden_counts_cannot_be_computed", "What is hidden cannot be told from the total and what is shown."),
    ),
    "marts/source_quality": (
        _UNIQUE,
        _law("every_feed_is_judged", "Every feed has a row."),
        _row_law(
            "rows_are_conserved", "Received rows are good, quarantined or duplicates.",
            ("received_count", "good_count", "quarantined_count", "duplicate_count"),
        ),
        _law("sources_are_fresh", "Every event feed is fresh; others are named in stale_sources of every row.", Severity.WARNS),
    ),
    "marts/business_risk": (
        _UNIQUE,
        *(
            Rule(
                f"{feed}_counts_nest", "The last 90 days hold no more events than the last 365.",
                Severity.BLOCKS, InOrder(count_column(feed, min(WINDOWS_DAYS)), count_column(feed, max(WINDOWS_DAYS))),
            )
            for feed in EVENT_FEEDS
        ),
        Rule(
            "homicides_are_reports", "There are no more homicides than police reports.", Severity.BLOCKS,
            InOrder("homicide_count_365d", count_column("police_reports", max(WINDOWS_DAYS))),
        ),
        _law("every_place_is_scored", "Every business parcel has a row, and no other place has one."),
        _law("counts_are_those_of_the_ledger", "Over all places the counts sum to the events that the ledger ties to business parcels."),
        _law("ranks_follow_the_risk", "A higher relative risk never has a worse rank or a lower score."),
        _law("stale_sources_are_named", "stale_sources names the event feeds that are not fresh, and no other."),
        Rule(
            "intervals_are_in_order", "The lower bound of an interval is not above the upper one.", Severity.BLOCKS,
            InOrder("expected_low_80", "expected_high_80"),
        ),
    ),
    "marts/business_risk_factors": (
        _UNIQUE,
        _row_law(
            "multipliers_are_those_of_the_logarithms", "The multiplier of a factor is that of its contribution.",
            ("log_contribution", "risk_multiplier"),
        ),
        _law("contributions_make_the_expectation", "The multipliers of each place multiply to its expected events, and every place has some."),
    ),
    "marts/threshold_status": (
        _UNIQUE,
        _row_law(
            "what_is_missing_follows_from_the_counts", "What is missing to a rule is what its counts lack, and nothing is missing where it is met.",
            ("min_count", "min_violent_count", "confirmed_count", "confirmed_violent_count", "needed_count", "threshold_status"),
        ),
        Rule(
            "violent_events_are_events", "There are no more violent events than events.", Severity.BLOCKS,
            InOrder("confirmed_violent_count", "confirmed_count"),
        ),
        _law("every_place_has_every_rule", "Every business parcel has a row for every rule in force, and no other place has one."),
        _law("counts_are_those_of_the_events", "Every confirmed count is the number of listed events that count in the rule's window."),
    ),
    "marts/threshold_events": (
        _UNIQUE,
        _row_law(
            "what_counts_is_exact_and_unopposed", "An event that counts is tied EXACT and has no reason against it; any other has a reason.",
            ("count_state", "not_counted_reasons", "precision", "duplicate_of"),
        ),
    ),
}  # fmt: skip


# Which rule a kind of drift breaks (quality/drift/).
RULE_OF_DRIFT: Mapping[str, str] = {
    "feed_late": "arrives_within_its_lag",
    "category_silent": "no_category_falls_silent",
    "volume_low": "volume_is_not_low",
    "volume_high": "volume_is_not_high",
    "bulk_load": "volume_is_not_high",
    "unknown_code": "codes_are_known",
    "category_new": "categories_keep_their_names",
    "category_renamed": "categories_keep_their_names",
    "location_missing": "locations_are_usual",
    "location_sentinel": "locations_are_usual",
    "column_new": "columns_are_unchanged_at_the_source",
    "column_missing": "columns_are_unchanged_at_the_source",
    "column_retyped": "columns_are_unchanged_at_the_source",
    "bulk_close": "nothing_is_closed_in_bulk",
}

# Rules are shown in few checks, each with a table of its rules: name -> (what the check says, its rules).  Rules that stand in
# none are shown in CONTRACT where they block, else in HABITS.
CONTRACT, HABITS = "rows_keep_the_contract", "habits_are_usual"
CHECKS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    CONTRACT: ("Types, required values, sets, ranges, forms, keys, and laws between columns hold for every row.", ()),
    "rows_are_accounted_for": (
        "Source rows received are good, quarantined or duplicates: in the account, the raw pulls, the quarantine and the clean table.",
        tuple(rule.name for rule in EVERY_CLEAN_TABLE if rule.name != "key_is_unique"),
    ),
    "arrives_within_its_lag": ("The feed is no later than it usually is.", ("arrives_within_its_lag",)),
    "categories_keep_coming": (
        "No category fell silent, none is new, renamed or without a meaning.",
        ("no_category_falls_silent", "categories_keep_their_names", "codes_are_known"),
    ),
    "volume_is_usual": ("There are as many events as weekday and season let expect.", ("volume_is_not_low", "volume_is_not_high")),
    "events_are_conserved": (
        "Every event is shared out once and whole, and tied no more exactly than its source knows.",
        ("shares_sum_to_one", "every_event_is_attributed", "precision_is_not_upgraded"),
    ),
    "figures_are_true": (
        "Every place is scored, and the figures are those of the ledger and of the sources' state.",
        (
            "every_place_is_scored",
            "counts_are_those_of_the_ledger",
            "ranks_follow_the_risk",
            "stale_sources_are_named",
            "contributions_make_the_expectation",
            "every_place_has_every_rule",
            "counts_are_those_of_the_events",
        ),
    ),
    HABITS: ("Shares, places, columns and closings are what they usually are.", ()),
}
