"""Attribution on a Dask cluster of two worker processes: the rows of the single machine."""

from pathlib import Path

import pandas as pd
import pytest
from kc_runs import platform

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.steps.attribution import attribution_columns
from kc_pipeline.defs.steps.frames import read_frame
from kc_pipeline.places.attribution import attribute_events, distinct_events
from kc_pipeline.places.distributed import attribute_on_cluster, part_of_event

TABLES = {
    "located": "core/located_addresses",
    "business_parcels": "core/business_parcels",
    "parcels": "clean/parcels",
    "block_places": "core/block_places",
}


def test_a_cluster_of_two_processes_gives_the_rows_of_one_machine(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    stores = platform(finished_run[0])
    events = distinct_events([read_frame(stores, f"clean/{feed}", attribution_columns(feed)) for feed in EVENT_FEEDS])
    registers = {name: read_frame(stores, table) for name, table in TABLES.items()}
    alone = attribute_events(events, *registers.values())
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        together = attribute_on_cluster(events, registers, tmp_path, client)
        assert len(client.nthreads()) == 2
    assert len(list(tmp_path.glob("rows-*.parquet"))) == 4
    assert len(alone) > 1_000
    pd.testing.assert_frame_equal(together, alone.astype({"business_parcel_id": "str"}))  # Parquet gives back its texts as such


def test_events_of_one_point_are_in_one_part() -> None:
    events = pd.DataFrame({"event_id": [f"e{n}" for n in range(400)], "longitude": [-94.5, None] * 200, "latitude": [39.0, None] * 200})
    part = part_of_event(events, 4)
    assert len(set(part[::2])) == 1
    assert set(part[1::2]) == {0, 1, 2, 3}


def test_a_missing_register_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks block_places, located, parcels"):
        attribute_on_cluster(pd.DataFrame(), {"business_parcels": pd.DataFrame()}, tmp_path, None)
