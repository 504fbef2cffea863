"""Events by neighborhood and quarter, fit to be read by everybody: small counts are hidden."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from kc_pipeline.places.businesses import with_districts
from kc_pipeline.places.suppression import hidden_cells

QUARTERS_SHOWN = 12
NOWHERE = "(in no neighborhood)"


def complete_quarters(as_of: date, lag_days: int) -> list[pd.Period]:
    """The newest quarters whose events had all arrived by a day, oldest first; at most three years of them."""
    newest = pd.Period(as_of - timedelta(days=lag_days), freq="Q") - 1
    return [newest - back for back in reversed(range(QUARTERS_SHOWN))]


def first_day_shown(as_of: date, lag_days: Mapping[str, int]) -> date:
    """First day of the oldest quarter shown of any feed; earlier events are not counted."""
    first: date = min(complete_quarters(as_of, lag)[0].start_time.date() for lag in lag_days.values())
    return first


def count_by_neighborhood(
    events: pd.DataFrame, located: pd.DataFrame, districts: pd.DataFrame, lag_days: Mapping[str, int], as_of: date
) -> pd.DataFrame:
    """Distinct events of each feed in each neighborhood and complete quarter, small counts hidden.

    Args:
        events: event_id, feed, report_date, available_date, address, address_precision, latitude, longitude; distinct.
        located: rows of core/located_addresses.
        districts: rows of clean/districts.
        lag_days: feed -> days after which its events have arrived.
        as_of: the day; what was not available by it is left out.

    Returns:
        Frame with quarter, quarter_start, quarter_end, neighborhood, feed, public_event_count (missing where hidden), is_suppressed and
        city_event_count (missing where it would tell), sorted by quarter, feed and neighborhood.  Quarters in which a feed has
        no events at all are left out: no records are no zeros.
    """
    day = pd.to_datetime(events["report_date"])
    is_shown = (pd.to_datetime(events["available_date"]) <= pd.Timestamp(as_of)) & (day >= pd.Timestamp(first_day_shown(as_of, lag_days)))
    known = events[is_shown].reset_index(drop=True)
    placed = with_districts(_positions(known, located), districts, ["neighborhood"])
    names = sorted({*districts.loc[districts["district_kind"] == "neighborhood", "district_name"], NOWHERE})
    quarter = pd.PeriodIndex(pd.to_datetime(known["report_date"]), freq="Q")
    rows = pd.DataFrame(
        {"feed": known["feed"], "quarter": quarter, "neighborhood": placed["neighborhood"].fillna(NOWHERE).to_numpy(dtype=object)}
    )
    counts = rows.groupby(["feed", "quarter", "neighborhood"]).size()
    groups = [
        _published(counts.loc[feed, period].reindex(names, fill_value=0), feed, period)
        for feed, lag in sorted(lag_days.items())
        for period in complete_quarters(as_of, lag)
        if (feed, period) in counts.index.droplevel("neighborhood")
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
