"""Lake tables as frames, and frames as lake tables."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from kc_pipeline.catalog.tables import SCHEMA_VERSION, TABLES
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kc_pipeline.store.lake import Commit


def read_frame(platform: Platform, table: str, columns: list[str] | None = None, partitions: list[str] | None = None) -> "pd.DataFrame":
    """Rows of a lake table as a frame."""
    return platform.lake.read(table, columns=columns, partitions=partitions).to_pandas()


def as_rows(table: str, rows: "pd.DataFrame") -> "pa.Table":
    """A frame in the columns and types of a table's contract."""
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow

    schema = to_arrow(TABLES[table])
    return pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)


def write_table(
    platform: Platform, table: str, rows: "pd.DataFrame", inputs: Iterable[str], partitions: Iterable[str] | None = None
) -> "Commit":
    """Write a core table, whole or some partitions of it, and what it was made from."""
    import pyarrow as pa

    lake, arrow = platform.lake, as_rows(table, rows)
    column = TABLES[table].partition
    if column is not None and partitions is None:
        partitions = lake.partitions(table) | set(arrow[column].cast(pa.string()).unique().to_pylist())
    return lake.write(table, arrow, partitions=None if partitions is None else sorted(partitions), made_from=lake.versions(inputs))


def write_mart(platform: Platform, mart: str, rows: "pd.DataFrame", as_of: date, run_id: str, inputs: list[str]) -> "Commit":
    """Write a mart's rows of a day, with their snapshot, run and schema version."""
    rows = rows.assign(snapshot_id=platform.warehouse.next_snapshot_id(), run_id=run_id, schema_version=SCHEMA_VERSION)
    return platform.lake.write(mart, as_rows(mart, rows), partitions=[as_of.isoformat()], made_from=platform.lake.versions(inputs))
