"""The heavy steps on one machine beside the same on a local Dask cluster, at rising numbers of events.

    .venv/bin/python benchmarks/cluster.py DATA --sizes 1000000 3000000 10000000

DATA is the data folder of a finished run (KC_DATA_DIR).  Its events and observations are repeated under new identifiers with
their addresses and points, so the registers stay those of one city.  Each step of each size runs in a process of its own, once
without a cluster and once with one that is already started: the seconds hold reading the lake and, for attribution, writing it.
CPU is that of all processes; memory is the most that the process held which asks, and the most that a worker held.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import write_deltalake
from distributed import Client, LocalCluster

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.geography import BLOCK_M
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.cluster import counts
from kc_pipeline.cluster.attribution import REGISTERS
from kc_pipeline.cluster.parts import PART_ROWS, PinnedLake, Work
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution, marts, risk
from kc_pipeline.places.attribution import attribution_columns
from kc_pipeline.risk.observations import features_on
from kc_pipeline.risk.outcome import REPORT_COLUMNS
from kc_pipeline.risk.terrain import bands, operationalize
from kc_pipeline.settings import load_settings

_SAME = (*REGISTERS, "clean/districts", "core/gazetteer")
_BATCH = 250_000
Result = dict[str, float | str]


def stores(data: Path, address: str | None = None) -> Platform:
    """The stores of a data folder, with or without a cluster."""
    settings = load_settings({"KC_DATA_DIR": str(data)}, "sandbox")
    return Platform(replace(settings, dask_address=address))


def repeated(rows: pa.Table, identifier: str, size: int) -> Iterator[pa.RecordBatch]:
    """Rows repeated up to a number, each under an identifier of its own."""
    for copy in range(-(-size // max(rows.num_rows, 1))):
        part = rows.slice(0, size - copy * rows.num_rows)
        named = pc.binary_join_element_wise(part[identifier], f"{copy}", "#")
        yield from part.set_column(part.column_names.index(identifier), identifier, named).to_batches(_BATCH)


def build(city: Platform, target: Path, size: int) -> None:
    """A lake with the city's registers and so many events, and with as many times its observations."""
    lake, root = city.lake, stores(target).settings.lake_dir
    for table in _SAME:
        (root / table).parent.mkdir(parents=True, exist_ok=True)
        (root / table).symlink_to(lake.path(table).resolve())
    events = sum(lake.count(f"clean/{feed}") for feed in EVENT_FEEDS)
    for table, identifier in [*((f"clean/{feed}", "event_id") for feed in EVENT_FEEDS), (counts.OBSERVATIONS, "observation_id")]:
        columns = None
        if identifier == "event_id":
            also = REPORT_COLUMNS if table == counts.REPORTS else ()
            columns = list(dict.fromkeys([*attribution_columns(table.removeprefix("clean/")), *also]))
        rows = lake.read(table, columns=columns)
        schema = pa.schema([field.remove_metadata().with_nullable(True) for field in rows.schema])
        rows = rows.cast(schema)
        batches = repeated(rows, identifier, round(size * rows.num_rows / events))
        partition = TABLES[table].partition
        write_deltalake(root / table, pa.RecordBatchReader.from_batches(schema, batches), partition_by=[partition] if partition else None)


def digest(frame: pd.DataFrame) -> int:
    """The same for the same rows in any order."""
    return int(pd.util.hash_pandas_object(frame, index=False).to_numpy().sum(dtype=np.uint64))


def attribute(at: Platform, _client: Client | None, _as_of: date) -> Callable[[], str]:
    """Attribute all events and write the ledger."""
    attribution.attribute_events(at)

    def said() -> str:
        ledger = at.lake.row_counts(counts.LEDGER)
        months = (at.lake.read(counts.LEDGER, partitions=[month]).to_pandas() for month in sorted(ledger))
        return f"{sum(ledger.values())} rows {sum(map(digest, months)) % 2**64:x}"

    return said


def count(at: Platform, _client: Client | None, as_of: date) -> Callable[[], str]:
    """Count the events at places, of the windows and of the years, and of the years on the grid."""
    places = at.lake.read("core/business_parcels").to_pandas()
    of_windows = marts.count_at_places(at, places, as_of)
    yearly = risk.count_years(at, places["business_parcel_id"], risk.city_grid(at), as_of)
    of_years = pd.DataFrame({"at_places": yearly.at_places.round(9).ravel()})
    return lambda: f"{yearly.at_cells.sum():.0f} serious {digest(of_windows):x} {digest(of_years):x} {hash(yearly.at_cells.tobytes()):x}"


def form(at: Platform, client: Client | None, as_of: date) -> Callable[[], str]:
    """Make every factor in every form."""
    grid, reaches_m = risk.city_grid(at), bands(BLOCK_M, risk.RTM_BLOCKS, risk.RTM_INCREMENT)
    if client is None:
        matrix, _ = operationalize(grid, features_on(at.lake.read(counts.OBSERVATIONS).to_pandas(), as_of), reaches_m)
    else:
        work = Work(client, PinnedLake.of(at.settings.lake_dir, [counts.OBSERVATIONS]), counts.CONDITIONS_OF_FACTORS)
        matrix, _ = counts.operationalize_in_parts(work, grid, reaches_m, as_of)
    return lambda: f"{matrix.shape[1]} forms {matrix.sum():.0f} {hash(matrix.tobytes()):x}"


_STEPS = {"attribution": attribute, "counts": count, "features": form}


def cpu_s() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """The most memory that this process held (Linux)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


@contextmanager
def cluster_of(workers: int) -> Iterator[Client | None]:
    """A connection to so many worker processes that have loaded the code; None for none."""
    if not workers:
        yield None
        return
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.run(__import__, "kc_pipeline.cluster.counts")
        client.run(__import__, "dask.dataframe")
        yield client


def measured(step: str, data: Path, workers: int, as_of: date) -> Result:
    """What one step cost, and what it found."""
    with cluster_of(workers) as client:
        at = stores(data, client.scheduler.address if client else None)
        before = [cpu_s(), *(client.run(cpu_s).values() if client else ())]
        start = time.perf_counter()
        said = _STEPS[step](at, client, as_of)
        wall = time.perf_counter() - start
        after = [cpu_s(), *(client.run(cpu_s).values() if client else ())]
        driver, worker = peak_mb(), max(client.run(peak_mb).values(), default=0.0) if client else 0.0
        return {"wall": wall, "cpu": sum(after) - sum(before), "driver": driver, "worker": worker, "said": said()}


def in_a_process(step: str, data: Path, workers: int, as_of: date) -> Result:
    """The same, measured in a process of its own."""
    words = [sys.executable, "-W", "ignore", __file__, str(data), "--measure", step, "--workers", str(workers), "--as-of", str(as_of)]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, env=environ)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def compare(data: Path, sizes: list[int], workers: int, as_of: date) -> None:
    """Print a row for each step of each size."""
    city = stores(data)
    events = sum(city.lake.count(f"clean/{feed}") for feed in EVENT_FEEDS)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {workers} workers; parts of {PART_ROWS:,} rows; as of {as_of}")
    print(f"{events:,} events in the city, {city.lake.count('clean/parcels'):,} parcels")
    print("| events | step | one machine s | CPU s | MB | cluster s | CPU s | driver MB | worker MB | cluster / one | same |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=data) as folder:
            target = Path(folder)
            build(city, target, size)
            for step in _STEPS:
                one, several = (in_a_process_anew(step, target, number, as_of) for number in (0, workers))
                alone = f"{one['wall']:.1f} | {one['cpu']:.1f} | {one['driver']:.0f}"
                together = f"{several['wall']:.1f} | {several['cpu']:.1f} | {several['driver']:.0f} | {several['worker']:.0f}"
                same = one["said"] == several["said"]
                print(f"| {size:,} | {step} | {alone} | {together} | {several['wall'] / one['wall']:.2f} | {same} |", flush=True)
                if not same:
                    print(f"one machine: {one['said']}; cluster: {several['said']}", flush=True)


def in_a_process_anew(step: str, data: Path, workers: int, as_of: date) -> Result:
    """The same, with nothing kept of a measurement of attribution before."""
    if step == "attribution":
        for table in (counts.LEDGER, "kept/locations", "kept/loose_points"):
            shutil.rmtree(stores(data).lake.path(table), ignore_errors=True)
    return in_a_process(step, data, workers, as_of)


def main() -> None:
    """Measure, or, in a process of its own, one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data folder of a finished run of the sandbox")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000], help="numbers of events")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the cluster")
    parser.add_argument("--as-of", type=date.fromisoformat, help="day of counts and features; by default that after the newest report")
    parser.add_argument("--measure", choices=list(_STEPS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measured(asked.measure, asked.data, asked.workers, asked.as_of)))
        return
    newest = pc.max(stores(asked.data).lake.read(counts.REPORTS, columns=["report_date"])["report_date"]).as_py()
    compare(asked.data, asked.sizes, asked.workers, asked.as_of or newest + timedelta(days=1))


if __name__ == "__main__":
    main()
