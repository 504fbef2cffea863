"""Counts of events in parts of some months, which add up to those of all, and the forms of risk factors by conditions.

Whole numbers are those of the single machine.  Sums of shares of events are added up in another order, and may differ from its
in the last digits of a float; parts are always added in the order of their months, so they are the same on any cluster.
"""

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from kc_pipeline.catalog.factors import FACTORS
from kc_pipeline.cluster.parts import Months, PinnedLake, Work
from kc_pipeline.risk.observations import features_on
from kc_pipeline.risk.outcome import REPORT_COLUMNS, SHARE_COLUMNS, YearlyCounts, count_years
from kc_pipeline.risk.score import COUNTED_COLUMNS, counts_beside, sum_shares
from kc_pipeline.risk.terrain import Grid, Variable, operationalize

Forms = tuple[npt.NDArray[np.float32], list[Variable]]

LEDGER, REPORTS = "core/event_attribution", "clean/police_reports"
ADDRESSES, OBSERVATIONS = "core/located_addresses", "core/factor_observations"
CONDITIONS_OF_FACTORS = tuple(dict.fromkeys(factor.condition for factor in FACTORS.values()))
_FEATURE_COLUMNS = ("condition", "opened_date", "known_date", "closed_known_date", "is_closed", "latitude", "longitude")


def count_in_parts(work: Work, places: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Counts of each feed at each place in each window; see `risk.score.count_events`.

    Args:
        work: on LEDGER, in the months that the longest window reaches into.
        places: rows of core/business_parcels.
        as_of: the day.
    """
    sums = reduce(lambda one, other: one.add(other, fill_value=0.0), work.in_order(sum_part, as_of), sum_part((), work.lake, as_of))
    return counts_beside(places, sums)


def sum_part(months: Months, lake: PinnedLake, as_of: date) -> pd.DataFrame:
    """Sums of the shares of some months; see `risk.score.sum_shares`."""
    return sum_shares(lake.frame(LEDGER, COUNTED_COLUMNS, months), as_of)


def count_years_in_parts(work: Work, places: pd.Series, grid: Grid, as_of: date) -> YearlyCounts:
    """Serious events of each year in each cell and at each place; see `risk.outcome.count_years`.

    Args:
        work: on LEDGER, REPORTS and ADDRESSES, in all months of reports.
        places: business_parcel_id of each place.
        grid: the city.
        as_of: the day.
    """
    same = (places, grid, as_of)
    return reduce(add, work.in_order(count_years_of_part, *same), count_years_of_part((), work.lake, *same))


def count_years_of_part(months: Months | None, lake: PinnedLake, places: pd.Series, grid: Grid, as_of: date) -> YearlyCounts:
    """Serious events that were reported in some months, or (None) in all; see `risk.outcome.count_years`."""
    located = lake.frame(ADDRESSES, ["address", "address_precision", "latitude", "longitude"])
    shares = lake.frame(LEDGER, SHARE_COLUMNS, months, pc.field("feed") == "police_reports")
    return count_years(lake.frame(REPORTS, REPORT_COLUMNS, months), located, shares, places, grid, as_of)


def operationalize_in_parts(work: Work, grid: Grid, reaches_m: Sequence[float], as_of: date) -> Forms:
    """Every factor of a day in every form on a grid, the same as `operationalize` makes of `features_on`.

    Args:
        work: on OBSERVATIONS, a part for each of CONDITIONS_OF_FACTORS.
        grid: the city.
        reaches_m: distances and bandwidths, metres.
        as_of: the day.
    """
    found: dict[str, Forms] = {}
    for of_condition in work.in_order(forms_of_condition, grid, tuple(reaches_m), as_of):
        found |= of_condition
    made = [found[name] for name in FACTORS if name in found]
    return np.column_stack([matrix for matrix, _ in made]), [variable for _, variables in made for variable in variables]


def forms_of_condition(condition: str, lake: PinnedLake, grid: Grid, reaches_m: Sequence[float], as_of: date) -> dict[str, Forms]:
    """Factor -> its forms, for the factors that a condition's observations make up; no others are read."""
    rows = lake.frame(OBSERVATIONS, _FEATURE_COLUMNS, where=pc.field("condition") == condition)
    return {name: operationalize(grid, {name: points}, reaches_m) for name, points in features_on(rows, as_of).items()}
