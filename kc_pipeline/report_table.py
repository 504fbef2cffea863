"""What the terminal shows of published tables and snapshots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kc_pipeline.catalog.geography import TIME_ZONE

if TYPE_CHECKING:
    import pyarrow as pa

    from kc_pipeline.store.descriptors import ExportedFile
    from kc_pipeline.store.time_travel import Published

_PUBLICATION = ("as_of", "snapshot_id", "run_id", "schema_version")
_MOST_COLUMNS = 12


def print_snapshots(console: Console, snapshots: "Sequence[Published]") -> None:
    """Snapshots, a line each."""
    if not snapshots:
        return
    table = Table("mart", "as of", "snapshot", "published", "rows", "shown now", "lake version", "run", "rows are in")
    for row in snapshots:
        table.add_row(
            row.mart, str(row.as_of), row.snapshot_id, f"{row.published_utc.astimezone(ZoneInfo(TIME_ZONE)):%Y-%m-%d %H:%M}",
            f"{row.row_count:,}", "yes" if row.is_current else "", "" if row.lake_version is None else str(row.lake_version),
            row.run_id[:8], "lake" if row.pruned_utc else "warehouse, lake",
        )  # fmt: skip
    console.print(table)


def print_rows(console: Console, view: str, rows: "pa.Table", key: Sequence[str], columns: Sequence[str] | None, most: int) -> None:
    """The first rows of a view; what every row shares and what is missing everywhere is left out unless it is asked for."""
    if columns is None:
        told = [name for name in rows.column_names if name not in _PUBLICATION and rows[name].null_count < max(rows.num_rows, 1)]
        columns = [*(name for name in key if name in told), *(name for name in told if name not in key)][:_MOST_COLUMNS]
    table = Table(*columns, title=view)
    for row in rows.slice(0, most).to_pylist():
        table.add_row(*(_text(row[name]) for name in columns))
    console.print(table)
    console.print(f"{min(most, rows.num_rows)} of {rows.num_rows:,} rows, {len(columns)} of {rows.num_columns} columns", highlight=False)


def print_changes(console: Console, changes: "pa.Table", most: int) -> None:
    """What was said anew since."""
    table = Table(*changes.column_names)
    for row in changes.slice(0, most).to_pylist():
        table.add_row(*(_text(value) for value in row.values()))
    if changes.num_rows:
        console.print(table)
    console.print(f"{min(most, changes.num_rows)} of {changes.num_rows:,} changes since then", highlight=False)


def print_files(console: Console, folder: Path, written: "Mapping[str, Sequence[ExportedFile]]") -> None:
    """Files of an export, a line each."""
    table = Table("view", "file", "rows", "left out", "bytes")
    for view, files in written.items():
        for file in files:
            left_out = f"{file.left_out_count:,} without a position" if file.left_out_count else ""
            table.add_row(view, file.name, f"{file.row_count:,}", left_out, f"{file.size:,}")
    console.print(table)
    console.print(f"{sum(map(len, written.values()))} files of {len(written)} views in {folder}, with their contracts", highlight=False)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else escape(str(value))
