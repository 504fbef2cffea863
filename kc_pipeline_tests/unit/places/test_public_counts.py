"""Events by neighborhood and quarter: complete quarters only, no records are no zeros, small counts hidden."""

from datetime import date, timedelta

import pandas as pd
import shapely

from kc_pipeline.places.businesses import with_districts
from kc_pipeline.places.public_counts import NOWHERE, complete_quarters, count_by_neighborhood, first_day_shown, public_quarters

AS_OF = date(2026, 7, 1)
WEST, EAST = shapely.box(-94.60, 39.0, -94.55, 39.2), shapely.box(-94.55, 39.0, -94.50, 39.2)
DISTRICTS = pd.DataFrame(
    {
        "district_kind": ["neighborhood", "neighborhood", "neighborhood"],
        "district_name": ["East", "Empty", "West"],
        "geometry": [EAST.wkb, shapely.box(-94.4, 39.0, -94.3, 39.1).wkb, WEST.wkb],
    }
)
NO_ADDRESSES = pd.DataFrame(columns=["address", "address_precision", "latitude", "longitude"])


def events(count: int, day: date, longitude: float | None, feed: str = "calls_911", **values: object) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "feed": feed, "month": f"{day:%Y-%m}", "available_date": day, "address": "1 OAK ST", "address_precision": "exact",
            "latitude": 39.1 if longitude else None, "longitude": longitude, **values,
        },
        index=range(count),
    )  # fmt: skip
    return rows.assign(event_id=[f"{feed}:{day}:{longitude}:{number}" for number in range(count)])


def counted(*parts: pd.DataFrame, located: pd.DataFrame = NO_ADDRESSES, lag: int = 0, as_of: date = AS_OF) -> pd.DataFrame:
    counts = count_by_neighborhood(pd.concat(parts, ignore_index=True), located, DISTRICTS)
    return public_quarters(counts, DISTRICTS["district_name"], {"calls_911": lag, "police_reports": lag}, as_of)


def by_name(rows: pd.DataFrame) -> dict[str, int | None]:
    return {row.neighborhood: None if pd.isna(row.public_event_count) else row.public_event_count for row in rows.itertuples()}


def test_quarters_are_complete_when_their_last_events_have_arrived() -> None:
    assert [str(quarter) for quarter in complete_quarters(AS_OF, 0)][-2:] == ["2026Q1", "2026Q2"]
    assert str(complete_quarters(AS_OF, 1)[-1]) == "2026Q1"
    assert str(complete_quarters(AS_OF - timedelta(days=1), 0)[-1]) == "2026Q1"
    assert str(complete_quarters(date(2026, 5, 27), 56)[-1]) == "2026Q1"
    assert len(complete_quarters(AS_OF, 0)) == 12


def test_events_are_counted_where_they_happened() -> None:
    rows = counted(events(20, date(2026, 4, 1), -94.58), events(15, date(2026, 6, 30), -94.52), events(12, date(2026, 5, 1), None))
    assert by_name(rows) == {"East": 15, "Empty": 0, "West": 20, NOWHERE: 12}
    assert set(rows["city_event_count"]) == {47}
    assert set(rows["quarter"]) == {"2026-Q2"}
    assert (rows["quarter_start"].iloc[0], rows["quarter_end"].iloc[0]) == (date(2026, 4, 1), date(2026, 6, 30))


def test_an_address_gives_the_position_that_an_event_lacks() -> None:
    located = pd.DataFrame([{"address": "1 OAK ST", "address_precision": "exact", "latitude": 39.1, "longitude": -94.52}])
    assert by_name(counted(events(20, date(2026, 4, 1), None), located=located))["East"] == 20


def test_small_counts_are_hidden_with_what_would_tell_them() -> None:
    rows = counted(events(3, date(2026, 4, 1), -94.58), events(25, date(2026, 4, 2), -94.52), events(40, date(2026, 5, 1), None))
    assert by_name(rows) == {"East": None, "Empty": 0, "West": None, NOWHERE: None}
    assert rows.set_index("neighborhood")["is_suppressed"].to_dict() == {"East": True, "Empty": False, "West": True, NOWHERE: True}
    assert set(rows["city_event_count"]) == {68}


def test_what_was_not_available_yet_and_open_quarters_are_left_out() -> None:
    late = events(30, date(2026, 6, 1), -94.58, available_date=date(2026, 7, 2))
    rows = counted(events(20, date(2026, 4, 1), -94.58), late, events(50, date(2026, 7, 1), -94.58), as_of=AS_OF)
    assert by_name(rows)["West"] == 20


def test_a_quarter_without_records_is_not_a_quarter_of_zeros() -> None:
    rows = counted(events(20, date(2026, 4, 1), -94.58))
    assert set(rows["feed"]) == {"calls_911"}
    assert set(rows["quarter"]) == {"2026-Q2"}
    assert counted(events(20, date(2026, 7, 1), -94.58)).empty


def test_events_before_the_first_day_shown_need_not_be_read() -> None:
    first = first_day_shown(AS_OF, {"calls_911": 0, "police_reports": 56})
    assert first == date(2023, 4, 1)
    shown = events(30, first, -94.58, "police_reports")
    older = events(50, first - timedelta(days=1), -94.58, "police_reports")
    pd.testing.assert_frame_equal(counted(shown, older, lag=56), counted(shown, lag=56))
    assert by_name(counted(shown, lag=56))["West"] == 30


def test_months_counted_apart_add_up() -> None:
    parts = [events(11, date(2026, 4, 1), -94.58), events(13, date(2026, 5, 9), -94.58), events(17, date(2026, 5, 9), -94.52)]
    together = count_by_neighborhood(pd.concat(parts), NO_ADDRESSES, DISTRICTS)
    apart = pd.concat([count_by_neighborhood(part, NO_ADDRESSES, DISTRICTS) for part in parts])
    keys = ["month", "feed", "neighborhood", "available_date"]
    pd.testing.assert_frame_equal(together.sort_values(keys, ignore_index=True), apart.sort_values(keys, ignore_index=True))
    assert together["event_count"].to_list() == [11, 17, 13]


def test_each_of_many_events_at_one_point_gets_its_district() -> None:
    places = pd.DataFrame(
        {"longitude": [-94.52, -94.58, None, -94.52, -94.58], "latitude": [39.1, 39.1, None, 39.1, None]}, index=[4, 4, 2, 0, 9]
    )
    found = with_districts(places, DISTRICTS)["neighborhood"]
    assert found.index.tolist() == [4, 4, 2, 0, 9]
    assert found.where(found.notna(), None).tolist()[:2] == ["East", "West"]
    assert found.isna().tolist() == [False, False, True, False, True]
    assert found.iloc[3] == "East"
