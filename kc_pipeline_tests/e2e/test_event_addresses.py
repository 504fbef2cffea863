"""What all events name is kept, and follows from the months that changed as from all of them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kc_runs import platform

from kc_pipeline.catalog.columns import EVENT_TABLES
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.cluster import attribution
from kc_pipeline.cluster.attribution import REGISTERS, addresses_in_parts, loose_points_in_parts
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.event_addresses import read_event_addresses, read_loose_points
from kc_pipeline.defs.steps.parts import work_on
from kc_pipeline.store.lake import canonical_rows

ADDRESSES, POINTS, DUMPING = "kept/event_addresses", "kept/loose_points", "clean/dumping_complaints"
NEW_ADDRESS = "1 NEWLY NAMED ST"


def of_all_months(at: Platform, table: str) -> pa.Table:
    work = work_on(at, None, (*EVENT_TABLES, *REGISTERS), EVENT_TABLES)
    rows = addresses_in_parts(work) if table == ADDRESSES else loose_points_in_parts(work)
    return canonical_rows(TABLES[table], rows.cast(to_arrow(TABLES[table])))


def kept(at: Platform, table: str) -> pa.Table:
    if table == ADDRESSES:
        read_event_addresses(at)
    else:
        read_loose_points(at, None, "a gazetteer")
    return canonical_rows(TABLES[table], at.lake.read(table))


def change_a_month(at: Platform) -> str:
    """Take a few rows out of a month and let another name a new address; returns the month."""
    month = sorted(at.lake.partitions(DUMPING))[3]
    rows = at.lake.read(DUMPING, partitions=[month])
    exact = rows.filter(pc.and_(pc.equal(rows["address_precision"], "exact"), pc.is_valid(rows["latitude"]))).slice(1)
    assert exact.num_rows > 5
    for name, first in (("address", NEW_ADDRESS), ("parcel_id", None)):
        if name in exact.column_names:
            place = exact.schema.get_field_index(name)
            texts = pa.chunked_array([pa.array([first, *exact[name].to_pylist()[1:]], exact[name].type)])
            exact = exact.set_column(place, exact.schema.field(place), texts)
    at.lake.write(DUMPING, exact, partitions=[month])
    return month


@pytest.mark.parametrize("table", [ADDRESSES, POINTS])
def test_only_events_that_changed_are_counted(copied_city: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    at = platform(copied_city)
    before, month = kept(at, table), change_a_month(at)

    def all_read(*_: object) -> None:
        raise AssertionError("one month changed")

    with monkeypatch.context() as patched:
        patched.setattr(attribution, "addresses_of_part", all_read)
        patched.setattr(attribution, "loose_points_of_part", all_read)
        after = kept(at, table)
    assert NEW_ADDRESS in after["address"].to_pylist()
    assert NEW_ADDRESS in at.lake.read(DUMPING, partitions=[month])["address"].to_pylist()
    assert not after.equals(before)
    assert after.equals(of_all_months(at, table))


def test_a_month_whose_older_files_are_lost_is_no_obstacle(copied_city: Path) -> None:
    at = platform(copied_city)
    kept(at, ADDRESSES)
    files = {path for path in at.lake.path(DUMPING).rglob("*.parquet") if "_delta_log" not in path.parts}
    month = change_a_month(at)
    lost = [path for path in files if path.parent.name == f"month={month}"]
    assert lost
    for path in lost:
        path.unlink()
    after = kept(platform(copied_city), ADDRESSES)
    assert NEW_ADDRESS in after["address"].to_pylist()
    assert after.equals(of_all_months(at, ADDRESSES))


def test_points_are_asked_anew_when_addresses_are_located_by_another_gazetteer(copied_city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = platform(copied_city)
    before = kept(at, POINTS)
    monkeypatch.setattr(attribution, "added_up", lambda parts: parts[0].slice(0, 0))
    assert kept(at, POINTS).equals(before)
    assert read_loose_points(at, None, "another gazetteer").empty
