"""Which snapshots stay in the warehouse, and that what leaves it can still be told."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from published_rows import FACTORS, MART, VIEW, factors, quality, shown

from kc_pipeline.store.lake import Lake
from kc_pipeline.store.retention import KEEP_DAYS, Snapshot, prune, snapshots_to_prune
from kc_pipeline.store.time_travel import NothingPublishedError, as_told, published_snapshots
from kc_pipeline.store.warehouse import Warehouse

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def snapshot(number: int, as_of: date, published: datetime | None = None) -> Snapshot:
    return Snapshot(MART, f"s{number:010d}", as_of, published or datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC))


def pruned(published: list[Snapshot], current: Snapshot, **keep) -> list[int]:
    found = snapshots_to_prune(published, {(MART, current.snapshot_id)}, NOON, **keep)
    return [int(each.snapshot_id[1:]) for each in found]


def test_the_last_90_days_and_month_ends_stay() -> None:
    days = [date(2026, 7, 1) - timedelta(days=back) for back in range(200)]
    published = [snapshot(200 - back, day) for back, day in enumerate(days)]
    left = {published[0].as_of - timedelta(days=200 - number) for number in pruned(published, published[0])}
    stays = {day for day in days if (date(2026, 7, 1) - day).days <= KEEP_DAYS or (day + timedelta(days=1)).day == 1}
    assert left == set(days) - stays


def test_a_month_keeps_the_newest_snapshot_of_its_last_scored_day() -> None:
    published = [
        snapshot(1, date(2026, 1, 20)),
        snapshot(2, date(2026, 1, 28)),
        snapshot(3, date(2026, 1, 28)),
        snapshot(4, date(2026, 7, 1)),
    ]
    assert pruned(published, published[-1]) == [1, 2]


def test_an_old_day_that_was_published_lately_stays() -> None:
    lately = snapshot(2, date(2026, 1, 5), NOON - timedelta(days=3))
    published = [snapshot(1, date(2026, 1, 6)), lately, snapshot(3, date(2026, 1, 31)), snapshot(4, date(2026, 7, 1))]
    assert pruned(published, published[-1]) == [1]


def test_what_something_refers_to_stays() -> None:
    published = [snapshot(number, date(2026, 1, number)) for number in (1, 2, 3, 4)]
    current = snapshot(9, date(2026, 7, 1))
    kept = {"keep_days": {date(2026, 1, 2)}, "keep_snapshots": {(MART, published[2].snapshot_id)}}
    assert pruned([*published, current], current, **kept) == [1]


def test_what_is_shown_stays_however_old_it_is() -> None:
    published = [snapshot(number, date(2025, 1, number)) for number in (1, 2, 3)]
    assert pruned(published, published[1]) == [1]


def test_what_came_after_what_is_shown_stays() -> None:
    published = [snapshot(number, date(2025, 1, number)) for number in (1, 2, 3, 4)]
    assert pruned(published, published[1]) == [1]


DAYS = st.dates(date(2025, 1, 1), date(2026, 7, 1))


@settings(max_examples=150, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=30), st.sets(DAYS, max_size=3))
def test_pruning_again_prunes_nothing_and_nothing_that_must_stay_leaves(days: list[date], kept: set[date]) -> None:
    published = [snapshot(number, day) for number, day in enumerate(days, 1)]
    newest = max(published, key=lambda each: (each.as_of, each.snapshot_id))
    left = set(pruned(published, newest, keep_days=kept))
    stay = [each for each in published if int(each.snapshot_id[1:]) not in left]
    assert newest in stay
    assert not pruned(stay, newest, keep_days=kept)
    assert all(each in stay for each in published if each.as_of in kept or (NOON.date() - each.as_of).days <= KEEP_DAYS)
    assert {each.as_of.isoformat()[:7] for each in stay} == {day.isoformat()[:7] for day in days}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def told_days(warehouse_url: str, lake: Lake) -> tuple[Warehouse, list[date]]:
    """Days of half a year in a lake and published from it, each on its morning."""
    warehouse = Warehouse(warehouse_url)
    days = [date(2026, 1, 3), date(2026, 1, 10), date(2026, 1, 31), date(2026, 6, 1), date(2026, 7, 1)]
    for number, day in enumerate(days, 1):
        for said in (number, number + 100):  # each day is said twice
            given = warehouse.next_snapshot_id()
            versions = {}
            for mart, rows in ((MART, quality(given, day, said)), (FACTORS, factors(given, day, said))):
                versions[mart] = lake.write(mart, rows, partitions=[day.isoformat()]).version
            marts = {mart: lake.read(mart, partitions=[day.isoformat()]) for mart in versions}
            moment = datetime(day.year, day.month, day.day, 6 if said == number else 18, tzinfo=UTC)
            warehouse.publish(marts, day, "r", moment, versions)
    return warehouse, days


def test_pruned_rows_leave_the_warehouse_and_are_told_from_the_lake(told_days: tuple[Warehouse, list[date]], lake: Lake) -> None:
    warehouse, days = told_days
    asked = {
        (day, hour): as_told(warehouse, lake, VIEW, day, datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
        for day in days
        for hour in (7, 19)
    }
    assert [set(told.rows["received_count"].to_pylist()) for told in asked.values()] == [
        {said} for number in range(1, 6) for said in (number, number + 100)
    ]
    left = prune(warehouse.engine, NOON, keep_days=[days[1]])
    assert {snapshot_id for _, snapshot_id in left} == {"s0000000001", "s0000000002", "s0000000005"}
    with warehouse.engine.connect() as connection:
        held = connection.scalars(sa.text("select distinct received_count from source_quality_history order by 1")).all()
    assert held == [2, 4, 5, 102, 103, 104, 105]
    assert shown(warehouse) == ([105], [105])
    for (day, hour), before in asked.items():
        after = as_told(warehouse, lake, VIEW, day, datetime(day.year, day.month, day.day, hour, tzinfo=UTC))
        assert after.rows.equals(before.rows)
    assert sum(row.pruned_utc is not None for row in published_snapshots(warehouse)) == 6
    assert prune(warehouse.engine, NOON, keep_days=[days[1]]) == []


def test_what_was_said_and_what_is_said(told_days: tuple[Warehouse, list[date]], lake: Lake) -> None:
    warehouse, days = told_days
    first = days[0]

    def counts(as_of: date | None, known_at: datetime | None) -> set[int]:
        return set(as_told(warehouse, lake, VIEW, as_of, known_at).rows["received_count"].to_pylist())

    assert counts(None, None) == {105}
    assert counts(first, None) == {101}, "what we would say today"
    assert counts(first, datetime(2026, 1, 3, 6, tzinfo=UTC)) == {1}, "what we said on that morning"
    assert counts(None, datetime(2026, 1, 20, tzinfo=UTC)) == {102}, "the newest day of then"
    with pytest.raises(NothingPublishedError, match=r"nothing of 2026-01-03 was published by 2026-01-03 05:59:59 UTC"):
        counts(first, datetime(2026, 1, 3, 5, 59, 59, tzinfo=UTC))
    with pytest.raises(NothingPublishedError, match="the days published go from 2026-01-03 to 2026-07-01"):
        counts(date(2026, 3, 3), None)


def test_rows_that_another_lake_holds_are_not_made_up(told_days: tuple[Warehouse, list[date]], tmp_path: Path) -> None:
    warehouse, days = told_days
    prune(warehouse.engine, NOON)
    with pytest.raises(NothingPublishedError, match="is this the lake it came from"):
        as_told(warehouse, Lake(tmp_path / "another"), VIEW, days[0])


def test_a_mart_is_pruned_and_the_other_of_the_same_snapshot_is_not(warehouse_url: str) -> None:
    warehouse = Warehouse(warehouse_url)
    first = warehouse.next_snapshot_id()
    day = date(2026, 1, 3)
    morning = datetime(2026, 1, 3, 6, tzinfo=UTC)
    warehouse.publish({MART: quality(first, day, 1), FACTORS: factors(first, day, 1)}, day, "r", morning, {})
    for later in (date(2026, 1, 31), date(2026, 7, 1)):
        given = warehouse.next_snapshot_id()
        warehouse.publish({MART: quality(given, later, 1)}, later, "r", datetime(later.year, later.month, later.day, 6, tzinfo=UTC), {})
    assert prune(warehouse.engine, NOON + timedelta(days=400)) == [(MART, first)]
    left = {(row["mart"], row["snapshot_id"]): row["pruned_utc"] for row in warehouse.snapshots()}
    assert left[MART, first] is not None
    assert left[FACTORS, first] is None
    assert warehouse.count_view("v1_business_risk_factors") > 0
