"""Time a day's publication at the city's size, beside `DataFrame.to_sql`, and what readers feel of it.

    .venv/bin/python benchmarks/publish.py [--places 28000] [--factors 18] [--postgres postgresql://user@host/database]

Publishes business_risk and business_risk_factors (about half a million rows) of five days into an empty warehouse: SQLite in
a temporary folder, and PostgreSQL where a database is named (its tables are made anew; name one that holds nothing else).
`to_sql` writes the same frames to tables without a key, in a transaction.  Readers loop over a view while days are published
and one more holds a transaction all the while.  Prints medians.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.store.engines import open_engine
from kc_pipeline.store.warehouse import Warehouse

RISK, FACTORS = "marts/business_risk", "marts/business_risk_factors"
FIRST = date(2026, 7, 1)
DAYS = 5
_RNG = np.random.default_rng(1)


def mart(name: str, places: int, per_place: int, snapshot_id: str, as_of: date) -> pa.Table:
    """Rows of a mart's own columns, with texts, numbers and gaps of about the real lengths."""
    size = places * per_place
    of_place = np.repeat(np.arange(places), per_place)
    columns = []
    for field in to_arrow(TABLES[name]):
        if field.name == "business_parcel_id":
            values = pa.array(np.char.mod("parcel:%06d", of_place).tolist())
        elif field.name == "factor":
            values = pa.array([f"factor_{number}" for number in range(per_place)] * places)
        elif field.name == "snapshot_id":
            values = pa.array([snapshot_id] * size)
        elif field.name == "as_of":
            values = pa.array([as_of] * size)
        elif field.name == "explanation":
            values = pa.array(
                [
                    f"Streetlight outages that are not mended: associated with {n % 9}.12 times the risk (4 within 200 m)"
                    for n in range(size)
                ]
            )
        elif pa.types.is_string(field.type):
            values = pa.array([f"{field.name} {n % 977}" for n in range(size)])
        elif pa.types.is_integer(field.type):
            values = pa.array(_RNG.integers(0, 400, size))
        elif pa.types.is_boolean(field.type):
            values = pa.array(_RNG.random(size) < 0.5)
        else:
            values = pa.array(_RNG.random(size), mask=(_RNG.random(size) < 0.2) & field.nullable)
        columns.append(values.cast(field.type))
    return pa.Table.from_arrays(columns, schema=to_arrow(TABLES[name]))


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def publish_day(warehouse: Warehouse, marts: dict[str, pa.Table], number: int) -> float:
    """Publish a day's rows under a new id; the seconds that the publish itself took."""
    as_of, given = FIRST + timedelta(days=number), warehouse.next_snapshot_id()
    named = {}
    for name, rows in marts.items():
        day = pa.array([as_of] * rows.num_rows, pa.date32())
        ids = pa.array([given] * rows.num_rows, pa.string())
        for column, values in (("as_of", day), ("snapshot_id", ids)):
            position = rows.column_names.index(column)
            rows = rows.set_column(position, rows.schema.field(column), values)
        named[name] = rows
    return seconds(lambda: warehouse.publish(named, as_of, "benchmark", datetime.now(UTC), {}))


def write_frames(url: str, marts: dict[str, pa.Table]) -> float:
    """The same rows by `DataFrame.to_sql`."""
    frames = {name.split("/")[1]: rows.to_pandas() for name, rows in marts.items()}

    def write() -> None:
        with open_engine(url).begin() as connection:
            for name, frame in frames.items():
                frame.to_sql(f"to_sql_{name}", connection, if_exists="replace", index=False, chunksize=20_000)

    return seconds(write)


def read_meanwhile(url: str, work: Callable[[], None]) -> tuple[list[float], int]:
    """Do something while two readers loop over a view and a third holds a transaction: each read's seconds, and torn reads."""
    query = sa.text("select count(*), count(distinct snapshot_id), max(risk_score) from v1_business_risk_current")
    stop, took, torn = threading.Event(), [], []

    def read() -> None:
        engine = Warehouse(url).engine
        while not stop.is_set():
            begun = time.perf_counter()
            with engine.connect() as connection:
                rows, ids, _ = connection.execute(query).one()
            took.append(time.perf_counter() - begun)
            if ids != 1:
                torn.append(rows)

    with Warehouse(url).engine.connect() as holder:
        holder.execute(query).one()
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        work()
        stop.set()
        for reader in readers:
            reader.join()
    return took, len(torn)


def measure(url: str, marts: dict[str, pa.Table]) -> None:
    """Print one engine's figures."""
    warehouse = Warehouse(url)
    name, rows = warehouse.engine.name, sum(table.num_rows for table in marts.values())
    published = [publish_day(warehouse, marts, number) for number in range(DAYS)]
    ours, theirs = statistics.median(published), write_frames(url, marts)
    print(
        f"{name:12} publish {rows:,} rows   {ours:6.2f} s  {rows / ours:9,.0f} rows/s   to_sql {theirs:6.2f} s   ratio {ours / theirs:.2f}"
    )
    idle, _ = read_meanwhile(url, lambda: time.sleep(3))
    busy, torn = read_meanwhile(url, lambda: [publish_day(warehouse, marts, DAYS + number) for number in range(3)] and None)
    told = f"alone {_ms(idle)}, while 3 days are published {_ms(busy)}; {len(busy)} reads, {torn} torn"
    print(f"{name:12} a read of {marts[RISK].num_rows:,} rows: {told}")


def _ms(took: list[float]) -> str:
    return f"{1000 * statistics.median(took):.0f} ms (worst {1000 * max(took):.0f})"


def main() -> None:
    """Print the figures of each engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=28_000)
    parser.add_argument("--factors", type=int, default=18)
    parser.add_argument("--postgres", help="URL of an empty database")
    asked = parser.parse_args()
    marts = {
        RISK: mart(RISK, asked.places, 1, "s0000000000", FIRST),
        FACTORS: mart(FACTORS, asked.places, asked.factors, "s0000000000", FIRST),
    }
    with tempfile.TemporaryDirectory() as folder:
        measure(f"sqlite:///{Path(folder) / 'warehouse.sqlite'}", marts)
    if asked.postgres:
        measure(asked.postgres, marts)


if __name__ == "__main__":
    main()
