"""What is predicted: which reports count, in which year before a day, in which cell, at which place."""

import numpy as np
import pandas as pd
import pytest
import shapely
from risk_frames import AS_OF, LATITUDE, LONGITUDE, days_before

from kc_pipeline.places.geometry import project
from kc_pipeline.risk.outcome import serious_events, whole_years, yearly_cell_counts, yearly_place_counts, years_before
from kc_pipeline.risk.terrain import build_grid

LOCATED = pd.DataFrame(
    {"address": ["1 OAK ST", "1 OAK ST"], "address_precision": ["exact", "block"], "latitude": [39.2, 39.3], "longitude": [-94.5, -94.6]}
)


def reports(*rows: dict[str, object]) -> pd.DataFrame:
    default = {
        "report_date": days_before(10), "available_date": days_before(5), "category": "robbery",
        "is_domestic": None, "is_firearm_used": None,
        "address": "1 OAK ST", "address_precision": "block", "latitude": LATITUDE, "longitude": LONGITUDE,
    }  # fmt: skip
    frame = pd.DataFrame([{"event_id": f"e{n}", **default, **row} for n, row in enumerate(rows)])
    return frame.astype({"is_domestic": "boolean", "is_firearm_used": "boolean", "latitude": float, "longitude": float})


def test_serious_violence_is_homicide_robbery_aggravated_assault_or_a_firearm_and_not_domestic() -> None:
    rows = reports(
        {}, {"category": "theft"}, {"category": "theft", "is_firearm_used": True}, {"category": "homicide", "is_domestic": True},
        {"category": "aggravated_assault", "is_domestic": False},
    )  # fmt: skip
    assert serious_events(rows, LOCATED)["event_id"].tolist() == ["e0", "e2", "e4"]


def test_an_event_without_a_point_lies_where_its_address_is_found() -> None:
    found = serious_events(reports({}, {"latitude": None}, {"latitude": None, "address": "NOWHERE"}), LOCATED)
    assert found["latitude"].fillna(0).tolist() == [LATITUDE, 39.3, 0]


@pytest.mark.parametrize(
    ("days", "year"), [(0, -1), (1, 0), (365, 0), (366, 1), (730, 1), (731, -1), (-3, -1)], ids=lambda value: str(value)
)
def test_years_are_counted_back_from_the_day(days: int, year: int) -> None:
    events = pd.DataFrame({"report_date": [days_before(days)], "available_date": [days_before(max(days, 0))]})
    assert years_before(events, AS_OF, 2).tolist() == [year]


def test_what_was_not_available_does_not_count() -> None:
    events = pd.DataFrame({"report_date": [days_before(10)] * 2, "available_date": [AS_OF, days_before(-1)]})
    assert years_before(events, AS_OF, 1).tolist() == [0, -1]


def test_as_many_whole_years_as_the_records_hold() -> None:
    assert whole_years(days_before(900), AS_OF) == 2
    assert whole_years(days_before(9), AS_OF) == 1
    assert whole_years(days_before(9_000), AS_OF) == 10
    assert whole_years(None, AS_OF) == 1


def test_counts_by_cell_and_by_place_hold_every_usable_event_once() -> None:
    events = serious_events(
        reports({}, {"report_date": days_before(400)}, {"latitude": 38.9}, {"latitude": None, "address": "NOWHERE"}), LOCATED
    )
    year = years_before(events, AS_OF, 2)
    x, y = project(pd.Series([LONGITUDE]), pd.Series([LATITUDE]))[0]
    grid = build_grid(shapely.box(x - 100, y - 100, x + 100, y + 100), 50)
    counts = yearly_cell_counts(events, year, 2, grid)
    assert counts.sum(axis=1).tolist() == [1, 1]
    assert np.flatnonzero(counts[0]).tolist() == [grid.cell_of(np.array([[x, y]]))[0]]
    shares = pd.DataFrame({"business_parcel_id": ["a", "b", "b", "z"], "weight": [1.0, 0.25, 0.5, 1.0]})
    by_place = yearly_place_counts(shares, np.array([0, 0, 1, 0]), 2, pd.Series(["a", "b"]))
    assert by_place.tolist() == [[1.0, 0.25], [0.0, 0.5]]
