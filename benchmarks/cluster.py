"""Attribution on one machine beside the same on a local Dask cluster, at rising numbers of events.

    .venv/bin/python benchmarks/cluster.py DATA --sizes 1000000 3000000 10000000

DATA is the data folder of a finished run (KC_DATA_DIR). Its events are repeated with their addresses and points under new
identifiers, so the registers stay those of one city. The cluster's time holds writing the parts and gathering the rows, not starting it.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import pandas as pd
from distributed import Client, LocalCluster
from kc_pipeline.places.distributed import attribute_on_cluster

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.attribution import attribution_columns
from kc_pipeline.defs.steps.frames import read_frame
from kc_pipeline.places.attribution import attribute_events, distinct_events
from kc_pipeline.settings import load_settings

_TABLES = {
    "located": "core/located_addresses",
    "business_parcels": "core/business_parcels",
    "parcels": "clean/parcels",
    "block_places": "core/block_places",
}


def repeated(events: pd.DataFrame, size: int) -> pd.DataFrame:
    """Events repeated up to a number, each under an identifier of its own."""
    copies = -(-size // len(events))
    again = pd.concat([events.assign(event_id=events["event_id"] + f"#{copy}") for copy in range(copies)], ignore_index=True)
    return again.iloc[:size]


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data folder of a finished run")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000], help="numbers of events")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the cluster")
    arguments = parser.parse_args()
    stores = Platform(load_settings({"KC_DATA_DIR": str(arguments.data)}))
    events = distinct_events([read_frame(stores, f"clean/{feed}", attribution_columns(feed)) for feed in EVENT_FEEDS])
    registers = {name: read_frame(stores, table) for name, table in _TABLES.items()}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {len(events):,} events in the city")
    print(f"{'events':>12} {'one machine s':>14} {'cluster s':>10} {'ratio':>6} {'same rows':>10}")
    with LocalCluster(n_workers=arguments.workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        for size in arguments.sizes:
            wanted = repeated(events, size)
            start = time.perf_counter()
            alone = attribute_events(wanted, *registers.values())
            one = time.perf_counter() - start
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                together = attribute_on_cluster(wanted, registers, Path(folder), client)
                several = time.perf_counter() - start
            same = together.equals(alone.astype({"business_parcel_id": "str"}))  # Parquet gives back its texts as such
            print(f"{size:>12,} {one:>14.1f} {several:>10.1f} {several / one:>6.2f} {same!s:>10}")


if __name__ == "__main__":
    main()
