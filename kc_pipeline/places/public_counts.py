"""Events by neighborhood and quarter, fit to be read by everybody: small counts are hidden."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from kc_pipeline.places.businesses import with_districts
from kc_pipeline.places.suppression import hidden_cells

QUARTERS_SHOWN = 12
NOWHERE = "(in no neighborhood)"
_COUNTED_BY = ["month", "feed", "neighborhood", "available_date"]


def complete_quarters(as_of: date, lag_days: int) -> list[pd.Period]:
    """The newest quarters whose events had all arrived by a day, oldest first; at most three years of them."""
    newest = pd.Period(as_of - timedelta(days=lag_days), freq="Q") - 1
    return [newest - back for back in reversed(range(QUARTERS_SHOWN))]


def first_day_shown(as_of: date, lag_days: Mapping[str, int]) -> date:
    """First day of the oldest quarter shown of any feed; earlier events are not counted."""
    first: date = min(complete_quarters(as_of, lag)[0].start_time.date() for lag in lag_days.values())
    return first


def count_by_neighborhood(events: pd.DataFrame, located: pd.DataFrame, districts: pd.DataFrame) -> pd.DataFrame:
    """Distinct events of each feed, month and neighborhood, by the day on which they became available.

    Months add up: those that did not change need not be counted again.

    Args:
        events: event_id, feed, month, available_date, address, address_precision, latitude, longitude.
        located: rows of core/located_addresses.
        districts: rows of clean/districts.

    Returns:
        Frame in the columns of kept/neighborhood_counts.
    """
    events = events.drop_duplicates("event_id", ignore_index=True)
    neighborhood = with_districts(_positions(events, located), districts, ["neighborhood"])["neighborhood"]
    rows = events[["month", "feed", "available_date"]].assign(neighborhood=neighborhood.fillna(NOWHERE))
    return rows.groupby(_COUNTED_BY, as_index=False, dropna=False).size().rename(columns={"size": "event_count"})


def added_up(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of `count_by_neighborhood` added up; those that come to nothing are left out."""
    if not parts:
        return pd.DataFrame(columns=[*_COUNTED_BY, "event_count"])
    sums = pd.concat(parts, ignore_index=True).groupby(_COUNTED_BY, as_index=False, dropna=False)["event_count"].sum()
    return sums[sums["event_count"] != 0]


def public_quarters(counts: pd.DataFrame, neighborhoods: Iterable[str], lag_days: Mapping[str, int], as_of: date) -> pd.DataFrame:
    """Events of each feed in each neighborhood and complete quarter, small counts hidden.

    Args:
        counts: rows of `count_by_neighborhood`.
        neighborhoods: names of all of them.
        lag_days: feed -> days after which its events have arrived.
        as_of: the day; what was not available by it is left out.

    Returns:
        Frame with quarter, quarter_start, quarter_end, neighborhood, feed, public_event_count (missing where hidden), is_suppressed and
        city_event_count (missing where it would tell), sorted by quarter, feed and neighborhood.  Quarters in which a feed has
        no events at all are left out: no records are no zeros.
    """
    known = counts[pd.to_datetime(counts["available_date"]) <= pd.Timestamp(as_of)]
    quarter = known["month"].map({month: pd.Period(month, "Q") for month in known["month"].unique()}).rename("quarter")
    totals = known.groupby(["feed", quarter, "neighborhood"])["event_count"].sum()
    names = sorted({*neighborhoods, NOWHERE})
    groups = [
        _published(totals.loc[feed, period].reindex(names, fill_value=0), feed, period)
        for feed, lag in sorted(lag_days.items())
        for period in complete_quarters(as_of, lag)
        if (feed, period) in totals.index.droplevel("neighborhood")
    ]
    columns = ["quarter", "quarter_start", "quarter_end", "neighborhood", "feed", "public_event_count", "is_suppressed", "city_event_count"]
    if not groups:
        return pd.DataFrame(columns=columns)
    return pd.concat(groups, ignore_index=True)[columns].sort_values(["quarter", "feed", "neighborhood"], ignore_index=True)


def _published(counts: pd.Series, feed: str, period: pd.Period) -> pd.DataFrame:
    hidden, hides_total = hidden_cells(counts.to_numpy(np.int64))
    return pd.DataFrame(
        {
            "quarter": f"{period.year}-Q{period.quarter}",
            "quarter_start": period.start_time.date(),
            "quarter_end": period.end_time.date(),
            "neighborhood": counts.index.to_numpy(dtype=object),
            "feed": feed,
            "public_event_count": pd.array(np.where(hidden, 0, counts), dtype="Int64"),
            "is_suppressed": hidden,
            "city_event_count": pd.array([pd.NA if hides_total else int(counts.sum())] * len(counts), dtype="Int64"),
        }
    ).assign(public_event_count=lambda rows: rows["public_event_count"].mask(rows["is_suppressed"]))


def _positions(events: pd.DataFrame, located: pd.DataFrame) -> pd.DataFrame:
    """Latitude and longitude of each event: its own, else that of its address."""
    keys, axes = ["address", "address_precision"], ["latitude", "longitude"]
    of_address = events[keys].merge(located[[*keys, *axes]], on=keys, how="left")[axes]
    return events[axes].where(events[axes].notna().all(axis="columns"), of_address)
