"""What the audit costs: importing Great Expectations, and judging a month of 100,000 rows.

    .venv/bin/python benchmarks/validation.py [--rows 100000] [--folder FOLDER]

The rows are those of the synthetic city, repeated; FOLDER keeps the city between runs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from clean_tables import make_clean_tables

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.quality.audit import audit_rows, needed_columns, row_rules, verdicts

STATE = "0" * 64


def cpu_seconds(step: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of a step."""
    cpu, wall = time.process_time(), time.perf_counter()
    step()
    return time.process_time() - cpu, time.perf_counter() - wall


def import_great_expectations() -> None:
    """What a check imports that nothing else does."""
    import kc_pipeline.quality.expectations  # noqa: F401


def month_of(rows: pa.Table, count: int) -> pa.Table:
    """The rows again and again, all set in one month with the date that it needs, until there are enough."""
    month = max(set(rows["month"].to_pylist()), key=rows["month"].to_pylist().count)
    rows = rows.filter(pc.equal(rows["month"], month))
    return pa.concat_tables([rows] * (count // rows.num_rows + 1)).slice(0, count).combine_chunks()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        platform = make_clean_tables(args.folder or Path(scratch), "sandbox", scale=0.05)
        cpu, wall = cpu_seconds(import_great_expectations)
        print(f"import: {cpu:.1f} s CPU, {wall:.1f} s wall\n")
        print(f"{'table':28} {'rules':>5} {'rows':>8} {'CPU s':>6} {'wall s':>6}  with 1 % of rows broken: CPU s")
        for feed in EVENT_FEEDS:
            table = f"clean/{feed}"
            rows = month_of(platform.lake.read(table, columns=needed_columns(table)), args.rows)
            states = {rows["month"][0].as_py(): STATE}
            cpu, wall = cpu_seconds(lambda rows=rows, table=table, states=states: verdicts(table, audit_rows(table, rows, states)))
            index = rows.schema.get_field_index("address_precision")
            spoilt = pa.array(["spoilt" if n % 100 == 0 else text for n, text in enumerate(rows["address_precision"].to_pylist())])
            broken = rows.set_column(index, rows.schema.field(index), spoilt)
            again, _ = cpu_seconds(lambda rows=broken, table=table, states=states: verdicts(table, audit_rows(table, rows, states)))
            print(f"{table:28} {len(row_rules(table)):5} {rows.num_rows:8,} {cpu:6.2f} {wall:6.2f}  {again:6.2f}")


if __name__ == "__main__":
    main()
