"""What is predicted: serious street violence, where it happened and in which year before a day.

Serious street violence is homicide, robbery, aggravated assault, and any offense with a firearm; domestic violence is left
out.  Only what victims and witnesses report is among it, nothing that enforcement makes.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.catalog.events import SERIOUS_VIOLENCE
from kc_pipeline.membership import among
from kc_pipeline.places.geometry import project
from kc_pipeline.risk.terrain import Grid

Floats = npt.NDArray[np.float64]

YEAR_DAYS = 365
MOST_YEARS = 10
# What is read of the reports, and of their shares, to count.
REPORT_COLUMNS = (
    "event_id", "report_date", "available_date", "category", "is_domestic", "is_firearm_used", "address", "address_precision",
    "latitude", "longitude",
)  # fmt: skip
SHARE_COLUMNS = ("event_id", "business_parcel_id", "weight", "exclusion_reason")


def serious_events(reports: pd.DataFrame, located: pd.DataFrame) -> pd.DataFrame:
    """Reports of serious street violence, each with its best position.

    Args:
        reports: rows of clean/police_reports.
        located: rows of core/located_addresses.

    Returns:
        Frame with event_id, report_date, available_date, latitude, longitude (both missing where nothing places the event).
    """
    serious = reports["category"].isin(SERIOUS_VIOLENCE) | reports["is_firearm_used"].fillna(False).astype(bool)
    rows = reports[serious & ~reports["is_domestic"].fillna(False).astype(bool)]
    keys = ["address", "address_precision"]
    found = rows[keys].merge(located[[*keys, "latitude", "longitude"]], on=keys, how="left")
    own = rows[["latitude", "longitude"]].reset_index(drop=True)
    position = own.where(own.notna().all(axis="columns"), found[["latitude", "longitude"]])
    return rows[["event_id", "report_date", "available_date"]].reset_index(drop=True).join(position)


def years_before(events: pd.DataFrame, as_of: date, years: int) -> npt.NDArray[np.int64]:
    """Full years between each event and a day: 0 is the last year before it; -1 for events that do not count.

    Args:
        events: frame with report_date and available_date.
        as_of: the day; events of it or after it, and those that were not available by it, do not count.
        years: years to look back.
    """
    reported, available = pd.to_datetime(events["report_date"]), pd.to_datetime(events["available_date"])
    day = pd.Timestamp(as_of)
    age = (day - reported).dt.days.to_numpy()
    year = (age - 1) // YEAR_DAYS
    usable = (age > 0) & (year < years) & (available <= day).to_numpy()
    return np.where(usable, year, -1).astype(np.int64)


def whole_years(oldest: date | None, as_of: date) -> int:
    """Whole years of events before a day since the oldest (None: there is none), at least 1 and at most ten."""
    oldest = oldest or as_of
    return int(np.clip((as_of - oldest + timedelta(days=31)).days // YEAR_DAYS, 1, MOST_YEARS))


@dataclass(frozen=True)
class YearlyCounts:
    """Serious events of the years before a day: those of parts of the events add up to those of all.

    Attributes:
        oldest: day of the oldest report among them; None: there is none.
        at_cells: MOST_YEARS (newest first) by cells: located events.
        at_places: MOST_YEARS (newest first) by places: shares of events.
    """

    oldest: date | None
    at_cells: Floats
    at_places: Floats

    def __add__(self, other: "YearlyCounts") -> "YearlyCounts":
        """Counts of both."""
        oldest = min((day for day in (self.oldest, other.oldest) if day is not None), default=None)
        return YearlyCounts(oldest, self.at_cells + other.at_cells, self.at_places + other.at_places)


def count_years(
    reports: pd.DataFrame, located: pd.DataFrame, shares: pd.DataFrame, places: pd.Series, grid: Grid, as_of: date
) -> YearlyCounts:
    """Serious events of each year before a day, in each cell and at each place.

    Args:
        reports: rows of clean/police_reports, in the columns REPORT_COLUMNS.
        located: rows of core/located_addresses.
        shares: rows of core/event_attribution for these reports, in the columns SHARE_COLUMNS.
        places: business_parcel_id of each place.
        grid: the city.
        as_of: the day.
    """
    events = serious_events(reports, located)
    year = years_before(events, as_of, MOST_YEARS)
    usable = shares["business_parcel_id"].notna() & shares["exclusion_reason"].isna() & among(shares["event_id"], events["event_id"])
    shares = shares[usable]
    of_share = shares["event_id"].map(dict(zip(events["event_id"], year, strict=True))).to_numpy(np.int64)
    return YearlyCounts(
        min(events["report_date"], default=None),
        yearly_cell_counts(events, year, MOST_YEARS, grid),
        yearly_place_counts(shares, of_share, MOST_YEARS, places),
    )


def yearly_cell_counts(events: pd.DataFrame, year: npt.NDArray[np.int64], years: int, grid: Grid) -> Floats:
    """Years (newest first) by cells: located events."""
    usable = (year >= 0) & events["latitude"].notna().to_numpy() & events["longitude"].notna().to_numpy()
    rows = events[usable]
    cell = grid.cell_of(project(rows["longitude"], rows["latitude"]))
    inside = cell >= 0
    counts = np.zeros((years, grid.size))
    np.add.at(counts, (year[usable][inside], cell[inside]), 1.0)
    return counts


def yearly_place_counts(shares: pd.DataFrame, year: npt.NDArray[np.int64], years: int, places: pd.Series) -> Floats:
    """Years (newest first) by places: shares of events.

    Args:
        shares: business_parcel_id and weight of each share.
        year: year of each share, -1 where it does not count.
        years: years.
        places: business_parcel_id of each place.
    """
    number = pd.Series(np.arange(len(places)), index=places.to_numpy())
    place = shares["business_parcel_id"].map(number)
    usable = (year >= 0) & place.notna().to_numpy()
    counts = np.zeros((years, len(places)))
    np.add.at(counts, (year[usable], place[usable].to_numpy(np.int64)), shares["weight"].to_numpy(float)[usable])
    return counts
