"""The heavy steps on a Dask cluster of two worker processes: what a single machine makes of the same events."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from kc_runs import SCALE, fingerprint, kc, platform

from kc_pipeline.catalog.columns import EVENT_TABLES
from kc_pipeline.catalog.geography import BLOCK_M
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.cluster import counts, parts
from kc_pipeline.cluster.attribution import REGISTERS, attribute_in_parts, loose_points_in_parts, standings_elsewhere
from kc_pipeline.cluster.parts import PinnedLake, Work, connected
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution
from kc_pipeline.defs.steps.risk import city_grid
from kc_pipeline.places.attribution import MOST_ADDRESSES_AT_A_POINT, crowded_points
from kc_pipeline.risk.observations import features_on
from kc_pipeline.risk.score import count_events
from kc_pipeline.risk.terrain import bands, operationalize
from kc_pipeline.store.lake import Commit, canonical_rows

distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")

LEDGER = "core/event_attribution"
DUMPING = "clean/dumping_complaints"
AS_OF = date(2026, 7, 1)


@pytest.fixture(scope="module")
def client() -> Iterator["distributed.Client"]:
    with connected("local") as client:
        assert len(client.nthreads()) == 2
        yield client


def ledger_of(at: Platform) -> pa.Table:
    return canonical_rows(TABLES[LEDGER], at.lake.read(LEDGER))


def on_the_cluster(at: Platform, client: "distributed.Client") -> Platform:
    return Platform(replace(at.settings, dask_address=client.scheduler.address), at.now)


def test_attribution_in_parts_gives_the_ledger(finished_run: tuple[Path, str], client: "distributed.Client") -> None:
    at = platform(finished_run[0])
    work = Work.cut(client, at.settings.lake_dir, (*EVENT_TABLES, *REGISTERS), EVENT_TABLES, most_rows=1_000)
    assert len(work.parts) > 4
    made = list(attribute_in_parts(work, crowded_points(loose_points_in_parts(work).to_pandas()), standings_elsewhere(work)))
    assert [months for months, _ in made] == work.parts
    schema = to_arrow(TABLES[LEDGER])
    rows = pa.concat_tables(pa.Table.from_pandas(rows, schema=schema, preserve_index=False) for _, rows in made)
    assert rows.num_rows > 1_000
    assert canonical_rows(TABLES[LEDGER], rows).equals(ledger_of(at))


def add_to(at: Platform, month: str, rows: pd.DataFrame) -> None:
    held = at.lake.read(DUMPING, partitions=[month])
    added = pa.Table.from_pandas(rows[held.column_names], schema=held.schema, preserve_index=False)
    at.lake.write(DUMPING, pa.concat_tables([held, added]), partitions=[month])


def test_points_and_events_of_several_parts_are_judged_over_all_of_them(
    copied_city: Path, client: "distributed.Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    at = platform(copied_city)
    earlier, later = sorted(at.lake.partitions(DUMPING))[-2:]
    before, after = (at.lake.read(DUMPING, partitions=[month]).to_pandas() for month in (earlier, later))
    there = at.lake.read("clean/parcels", columns=["longitude", "latitude"]).to_pandas().dropna().iloc[0]
    sharing = {"address_precision": "exact", "parcel_id": None, "longitude": there["longitude"], "latitude": there["latitude"]}
    for month, rows, numbers in ((earlier, before, range(6)), (later, after, range(6, 12))):
        addresses = [f"{number} NOWHERE IN PARTICULAR ST" for number in numbers]
        ids = [f"dumping_complaints:CROWD{number}" for number in numbers]
        add_to(at, month, pd.concat([rows.iloc[:1]] * 6).assign(event_id=ids, address=addresses, **sharing))
    twice = after.iloc[:1].assign(month=earlier, report_date=before["report_date"].iloc[0], address_precision="none")
    add_to(at, earlier, twice)
    attribution.locate_addresses(at)
    attribution.attribute_events(at)
    alone = ledger_of(at)
    assert alone.filter(pa.compute.equal(alone["event_id"], twice["event_id"].iloc[0])).num_rows > 0

    monkeypatch.setattr(parts, "PART_ROWS", 1)
    work = Work.cut(client, at.settings.lake_dir, (*EVENT_TABLES, *REGISTERS), EVENT_TABLES)
    assert len(crowded_points(loose_points_in_parts(work).to_pandas())) == 1
    assert len(range(12)) > MOST_ADDRESSES_AT_A_POINT > len(range(6))
    assert standings_elsewhere(work).values.tolist() == [[twice["event_id"].iloc[0], earlier]]
    shutil.rmtree(at.lake.path(LEDGER))
    done = attribution.attribute_events(on_the_cluster(platform(copied_city), client))
    assert ledger_of(at).equals(alone)
    assert (len(done.changed), done.row_count) == (len(at.lake.partitions(LEDGER)), alone.num_rows)


def test_only_changed_months_are_made_again_on_the_cluster(copied_city: Path, client: "distributed.Client") -> None:
    at = on_the_cluster(platform(copied_city), client)
    attribution.attribute_events(at)
    month = sorted(at.lake.partitions(DUMPING))[-1]
    rows = at.lake.read(DUMPING, partitions=[month]).to_pandas()
    add_to(at, month, rows.iloc[:1].assign(event_id="dumping_complaints:NEW"))
    assert attribution.attribute_events(at).changed == (month,)
    made = ledger_of(at)
    shutil.rmtree(at.lake.path(LEDGER))
    attribution.attribute_events(platform(copied_city))
    assert ledger_of(platform(copied_city)).equals(made)


def test_a_run_that_ends_between_two_parts_is_done_again(
    copied_city: Path, client: "distributed.Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    at = on_the_cluster(platform(copied_city), client)
    attribution.attribute_events(at)
    whole, written = ledger_of(at), []
    changed = sorted(at.lake.partitions(DUMPING))[-2:]
    for month in changed:
        rows = at.lake.read(DUMPING, partitions=[month]).to_pandas()
        add_to(at, month, rows.iloc[:1].assign(event_id=f"dumping_complaints:NEW {month}"))
    write = attribution.write_table

    def write_one(*given: object) -> Commit:
        if written:
            raise OSError("no space left")
        written.append(given)
        return write(*given)

    monkeypatch.setattr(parts, "PART_ROWS", 1)
    with monkeypatch.context() as patched:
        patched.setattr(attribution, "write_table", write_one)
        with pytest.raises(OSError, match="no space left"):
            attribution.attribute_events(at)
    assert ledger_of(at).num_rows > whole.num_rows
    assert attribution.attribute_events(at).changed == (changed[1],)
    made = ledger_of(at)
    shutil.rmtree(at.lake.path(LEDGER))
    attribution.attribute_events(platform(copied_city))
    assert ledger_of(platform(copied_city)).equals(made)


def test_counts_in_parts_are_those_of_one_machine(finished_run: tuple[Path, str], client: "distributed.Client") -> None:
    at = platform(finished_run[0])
    places = at.lake.read("core/business_parcels").to_pandas()
    year = {month for month in at.lake.partitions(LEDGER) if month >= f"{AS_OF - timedelta(days=365):%Y-%m}"}
    work = Work.cut(client, at.settings.lake_dir, [counts.LEDGER], [counts.LEDGER], year, most_rows=1_000)
    assert len(work.parts) > 2
    alone = count_events(places, at.lake.read(LEDGER).to_pandas(), AS_OF)
    assert alone["police_reports_count_365d"].sum() > 0
    pd.testing.assert_frame_equal(counts.count_in_parts(work, places, AS_OF), alone, check_exact=True)


def test_yearly_counts_in_parts_are_those_of_one_machine(finished_run: tuple[Path, str], client: "distributed.Client") -> None:
    at = platform(finished_run[0])
    grid, places = city_grid(at), at.lake.read("core/business_parcels", columns=["business_parcel_id"]).to_pandas()["business_parcel_id"]
    tables = (counts.LEDGER, counts.REPORTS, counts.ADDRESSES)
    work = Work.cut(client, at.settings.lake_dir, tables, tables[:2], most_rows=1_000)
    assert len(work.parts) > 2
    alone = counts.count_years_of_part(None, work.lake, places, grid, AS_OF)
    together = counts.count_years_in_parts(work, places, grid, AS_OF)
    assert together.oldest == alone.oldest
    assert alone.at_cells.sum() > 0
    assert np.array_equal(together.at_cells, alone.at_cells)
    assert alone.at_places.sum() > 0
    np.testing.assert_allclose(together.at_places, alone.at_places, rtol=1e-12, atol=0)


def test_forms_of_factors_by_condition_are_those_of_one_machine(finished_run: tuple[Path, str], client: "distributed.Client") -> None:
    at = platform(finished_run[0])
    grid, reaches_m = city_grid(at), bands(BLOCK_M, 2, "half")
    features = features_on(at.lake.read(counts.OBSERVATIONS).to_pandas(), AS_OF)
    alone, variables = operationalize(grid, features, reaches_m)
    work = Work(client, PinnedLake.of(at.settings.lake_dir, [counts.OBSERVATIONS]), counts.CONDITIONS_OF_FACTORS)
    together, same_variables = counts.operationalize_in_parts(work, grid, reaches_m, AS_OF)
    assert alone.any()
    assert same_variables == variables
    assert np.array_equal(together, alone)


@pytest.mark.slow
def test_a_whole_run_on_a_cluster_publishes_what_one_machine_does(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    done = kc(tmp_path / "data", "run", "--scale", SCALE, environ={"KC_DASK_ADDRESS": "local"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint(done.stdout) == fingerprint(finished_run[1])
