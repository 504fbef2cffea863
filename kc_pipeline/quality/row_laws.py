"""Laws between the columns of one row, by the name that catalog/rules.py gives them.

Each takes a frame with the columns that its rule names (dates as datetime64) and returns, per row, True where the law holds,
False where it is broken, and missing where it does not apply.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from kc_pipeline.catalog.columns import COLUMNS, LARGEST_SMALL_COUNT
from kc_pipeline.catalog.geography import TIME_ZONE

CLOCKS = COLUMNS["reported_clock"].values
_ONE_DAY = pd.Timedelta(days=1)


def months_are_those_of_the_report_dates(rows: pd.DataFrame) -> pd.Series:
    """The partition is the month of the report date."""
    texts = pd.Series(rows["month"].dropna().unique(), dtype="str")
    months = dict(zip(texts, pd.to_datetime(texts, format="%Y-%m", errors="coerce"), strict=True))
    first = rows["month"].map(months).astype("datetime64[us]")
    days_in = (rows["report_date"] - first).dt.days
    holds = (days_in >= 0) & (days_in < first.dt.days_in_month)
    return _where(holds, rows["month"].notna() & rows["report_date"].notna())


def times_lie_on_the_report_date(rows: pd.DataFrame) -> pd.Series:
    """The wall clock shows the report date."""
    known = rows["reported_local"].notna() & rows["report_date"].notna()
    return _where(rows["reported_local"].dt.normalize() == rows["report_date"], known)


def utc_is_the_same_moment(rows: pd.DataFrame) -> pd.Series:
    """UTC stands where the clock is exact and nowhere else, and is the wall clock's moment."""
    as_local = rows["reported_utc"].dt.tz_convert(TIME_ZONE).dt.tz_localize(None)
    is_exact = rows["reported_clock"] == "exact"
    holds = (is_exact == rows["reported_utc"].notna()) & (~is_exact | (as_local == rows["reported_local"]))
    return _where(holds, rows["reported_clock"].isin(CLOCKS))


def reported_before_it_was_seen(rows: pd.DataFrame) -> pd.Series:
    """The report date is no later than the local day after the first sight (clocks differ)."""
    seen = rows["first_seen_utc"].dt.tz_convert(TIME_ZONE).dt.tz_localize(None).dt.normalize()
    return _where(rows["report_date"] <= seen + _ONE_DAY, rows["report_date"].notna() & seen.notna())


def no_address_names_nothing(rows: pd.DataFrame) -> pd.Series:
    """A missing address has the precision 'none'."""
    return _where(rows["address_precision"] == "none", rows["address"].isna())


def positions_are_whole_or_explained(rows: pd.DataFrame) -> pd.Series:
    """Both coordinates and no reason, or no coordinate and a reason."""
    has_latitude, has_longitude = rows["latitude"].notna(), rows["longitude"].notna()
    return (has_latitude == has_longitude) & (has_latitude == rows["no_location_reason"].isna())


def open_records_are_never_exact(rows: pd.DataFrame) -> pd.Series:
    """An exact address comes from the department's own records."""
    return _where(rows["record_systems"] != "open", rows["address_precision"] == "exact")


def divisions_agree_with_the_beat(rows: pd.DataFrame) -> pd.Series:
    """The division that the beat gives is the one that the source names."""
    return _where(rows["division"] == rows["source_division"], rows["division"].notna() & rows["source_division"].notna())


def nothing_occurs_after_its_report(rows: pd.DataFrame) -> pd.Series:
    """The occurrence is at most a day after the report (clocks and days are noted apart)."""
    known = rows["occurred_local"].notna() & rows["reported_local"].notna()
    return _where(rows["occurred_local"] <= rows["reported_local"] + _ONE_DAY, known)


def positions_have_a_radius(rows: pd.DataFrame) -> pd.Series:
    """Latitude, longitude and error radius stand together or not at all."""
    has_position = rows["latitude"].notna()
    return (has_position == rows["longitude"].notna()) & (has_position == rows["error_radius_m"].notna())


def versions_end_after_they_begin(rows: pd.DataFrame) -> pd.Series:
    """The end of a version lies after its beginning."""
    return _where(rows["valid_to"] > rows["valid_from"], rows["valid_to"].notna())


def the_current_version_is_open(rows: pd.DataFrame) -> pd.Series:
    """A version is current exactly if it has no end."""
    return _where(rows["is_current"] == rows["valid_to"].isna(), rows["is_current"].notna())


def what_is_tied_says_how(rows: pd.DataFrame) -> pd.Series:
    """A share at a place has another method than 'none'."""
    return _where(rows["attribution_method"] != "none", rows["business_parcel_id"].notna())


def rows_are_conserved(rows: pd.DataFrame) -> pd.Series:
    """Received is the sum of good, quarantined and duplicate."""
    became = ["good_count", "quarantined_count", "duplicate_count"]
    return _where(rows["received_count"] == rows[became].sum(axis="columns"), rows[["received_count", *became]].notna().all(axis="columns"))


def multipliers_are_those_of_the_logarithms(rows: pd.DataFrame) -> pd.Series:
    """A multiplier is the exponential of its logarithm."""
    return _where((rows["risk_multiplier"] / np.exp(rows["log_contribution"]) - 1).abs() < 1e-9, rows["log_contribution"].notna())


def what_counts_is_exact_and_unopposed(rows: pd.DataFrame) -> pd.Series:
    """An event counts exactly if no reason stands against it, and then it is tied EXACT and is no duplicate."""
    counts = rows["count_state"] == "counts"
    unopposed = (rows["not_counted_reasons"] == "") & (rows["precision"] == "EXACT") & rows["duplicate_of"].isna()
    return (counts & unopposed) | (~counts & (rows["not_counted_reasons"] != ""))


def what_is_missing_follows_from_the_counts(rows: pd.DataFrame) -> pd.Series:
    """needed_count is what the counts lack, and the rule is met where that is nothing."""
    lack = (rows["min_count"] - rows["confirmed_count"]).clip(lower=0)
    lack_violent = (rows["min_violent_count"] - rows["confirmed_violent_count"]).clip(lower=0)
    needed = np.maximum(lack, lack_violent)
    return (rows["needed_count"] == needed) & ((rows["threshold_status"] == "met") == (needed == 0))


def what_is_on_the_premises_is_no_distance_away(rows: pd.DataFrame) -> pd.Series:
    """What lies on the premises is at distance 0."""
    return _where(rows["distance_m"] == 0, rows["is_on_premises"].fillna(value=False).astype(bool))


def no_small_count_is_shown(rows: pd.DataFrame) -> pd.Series:
    """A count is hidden exactly if the row says so, and none that is shown is small."""
    shown = rows["public_event_count"].notna()
    small = shown & rows["public_event_count"].between(1, LARGEST_SMALL_COUNT)
    return (shown != rows["is_suppressed"].astype(bool)) & ~small


ROW_LAWS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {
    law.__name__: law
    for law in (
        months_are_those_of_the_report_dates,
        times_lie_on_the_report_date,
        utc_is_the_same_moment,
        reported_before_it_was_seen,
        no_address_names_nothing,
        positions_are_whole_or_explained,
        open_records_are_never_exact,
        divisions_agree_with_the_beat,
        nothing_occurs_after_its_report,
        positions_have_a_radius,
        versions_end_after_they_begin,
        the_current_version_is_open,
        what_is_tied_says_how,
        rows_are_conserved,
        multipliers_are_those_of_the_logarithms,
        what_counts_is_exact_and_unopposed,
        what_is_missing_follows_from_the_counts,
        what_is_on_the_premises_is_no_distance_away,
        no_small_count_is_shown,
    )
}


def _where(holds: pd.Series, applies: pd.Series) -> pd.Series:
    return holds.astype("boolean").where(applies)
