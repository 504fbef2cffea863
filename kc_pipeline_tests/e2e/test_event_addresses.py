"""What all events name is kept, and follows from the months that changed as from all of them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kc_runs import platform

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.cluster import attribution
from kc_pipeline.cluster.attribution import EVENT_TABLES, addresses_in_parts
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.event_addresses import read_event_addresses
from kc_pipeline.defs.steps.parts import work_on
from kc_pipeline.store.lake import canonical_rows

KEPT = "kept/event_addresses"
DUMPING = "clean/dumping_complaints"


def of_all_months(at: Platform) -> pa.Table:
    rows = addresses_in_parts(work_on(at, None, EVENT_TABLES, EVENT_TABLES))
    return canonical_rows(TABLES[KEPT], rows.cast(to_arrow(TABLES[KEPT])))


def kept(at: Platform) -> pa.Table:
    read_event_addresses(at)
    return canonical_rows(TABLES[KEPT], at.lake.read(KEPT))


def change_a_month(at: Platform) -> str:
    """Take a few rows out of a month and let another name a new address; returns the month."""
    month = sorted(at.lake.partitions(DUMPING))[3]
    rows = at.lake.read(DUMPING, partitions=[month]).slice(2)
    place = rows.schema.get_field_index("address")
    texts = pa.chunked_array([pa.array(["1 NEWLY NAMED ST", *rows["address"].to_pylist()[1:]], rows["address"].type)])
    at.lake.write(DUMPING, rows.set_column(place, rows.schema.field(place), texts), partitions=[month])
    return month


def test_only_the_months_that_changed_are_read_again(copied_city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = platform(copied_city)
    before, changed = kept(at), change_a_month(at)
    read = []
    whole = attribution.addresses_of_part

    def noted(months: tuple[str, ...], lake: attribution.PinnedLake) -> pa.Table:
        read.append(months)
        return whole(months, lake)

    monkeypatch.setattr(attribution, "addresses_of_part", noted)
    after = kept(at)
    assert read == [(changed,), (changed,)]  # as it was then, and as it is now
    assert "1 NEWLY NAMED ST" in after["address"].to_pylist()
    assert not after.equals(before)
    assert after.equals(of_all_months(at))


def test_a_month_whose_older_files_are_lost_is_no_obstacle(copied_city: Path) -> None:
    at = platform(copied_city)
    kept(at)
    files = {path for path in at.lake.path(DUMPING).rglob("*.parquet") if "_delta_log" not in path.parts}
    month = change_a_month(at)
    for path in files:
        if path.parent.name == f"month={month}":
            path.unlink()
    after = kept(platform(copied_city))
    assert pc.sum(pc.equal(after["address"], "1 NEWLY NAMED ST")).as_py() > 0
    assert after.equals(of_all_months(at))


def test_a_point_counts_only_with_an_exact_address(copied_city: Path) -> None:
    rows = kept(platform(copied_city))
    has_point = pc.is_valid(rows["longitude"])
    assert set(rows.filter(has_point)["address_precision"].to_pylist()) == {"exact"}
    assert pc.all(pc.equal(has_point, pc.is_valid(rows["latitude"]))).as_py()
    assert pc.min(rows["month_count"]).as_py() == 1
