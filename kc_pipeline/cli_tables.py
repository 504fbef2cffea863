"""Commands about what is published: `kc table`, `kc snapshots` and `kc export`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.views import EXPORT_FORMATS, VIEWS
from kc_pipeline.settings import SOURCES, load_settings

if TYPE_CHECKING:
    from kc_pipeline.defs.resources import Platform

_DAY = click.DateTime(["%Y-%m-%d"])
_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"])
_SOURCE = click.option("--source", type=click.Choice(SOURCES), help="Whose tables; default: KC_SOURCE, else sandbox.")


@click.command()
@click.argument("view", type=click.Choice(sorted(VIEWS)))
@_SOURCE
@click.option("--as-of", type=_DAY, help="Day that the rows are about; default: the newest that was published.")
@click.option("--known-at", type=_MOMENT, help="Only what had been published by then; wall clock in the city. Default: everything.")
@click.option("--columns", help="Columns to show, separated by commas; default: as many as fit.")
@click.option("--rows", type=click.IntRange(min=1), default=20, show_default=True, help="Rows to show.")
@click.option("--changes", is_flag=True, help="With --known-at: show what was said anew since then.")
def table(
    view: str, source: str | None, as_of: datetime | None, known_at: datetime | None, columns: str | None, rows: int, changes: bool
) -> None:
    """Show a view: what it says of a day, or what it said of that day at some moment.

    Without --known-at the answer is what the newest publication of the day says; with it, what anyone could read then.
    """
    from kc_pipeline import report, report_table
    from kc_pipeline.store.time_travel import NothingPublishedError, as_told, changed_rows

    if changes and known_at is None:
        raise click.UsageError("--changes needs --known-at: since when?")
    platform = _platform(source)
    moment = known_at.replace(tzinfo=ZoneInfo(TIME_ZONE)).astimezone(UTC) if known_at else None
    contract = VIEWS[view].contract
    named = columns.split(",") if columns else None
    if unknown := sorted(set(named or ()) - set(contract.column_names)):
        raise click.UsageError(f"{view} has no column {', '.join(unknown)}; it has {', '.join(contract.column_names)}")
    try:
        told = as_told(platform.warehouse, platform.lake, view, as_of.date() if as_of else None, moment)
        now = as_told(platform.warehouse, platform.lake, view, told.snapshots[0].as_of) if changes and told.snapshots else None
    except NothingPublishedError as error:
        raise click.ClickException(str(error)) from error
    console = report.wide_console()
    report_table.print_snapshots(console, told.snapshots)
    if now is None:
        report_table.print_rows(console, view, told.rows, contract.key, named, rows)
    else:
        report_table.print_changes(console, changed_rows(contract, told.rows, now.rows), rows)


@click.command()
@_SOURCE
@click.option("--as-of", type=_DAY, help="Only those of this day.")
def snapshots(source: str | None, as_of: datetime | None) -> None:
    """List every snapshot that was ever published, newest first, and where its rows are."""
    from kc_pipeline import report, report_table
    from kc_pipeline.store.time_travel import published_snapshots

    found = [row for row in published_snapshots(_platform(source).warehouse) if as_of is None or row.as_of == as_of.date()]
    if not found:
        raise click.ClickException("nothing was published" + (f" of {as_of:%Y-%m-%d}" if as_of else "") + "; run `kc run`")
    report_table.print_snapshots(report.wide_console(), found)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_SOURCE
@click.option("--view", "views", type=click.Choice(sorted(VIEWS)), multiple=True, help="View to export; may be repeated. Default: all.")
@click.option("--format", "formats", type=click.Choice(EXPORT_FORMATS), multiple=True, help="Kind of file; may be repeated. Default: all.")
@click.option("--as-of", type=_DAY, help="Day that the rows are about; default: the newest that was published.")
def export(folder: Path, source: str | None, views: tuple[str, ...], formats: tuple[str, ...], as_of: datetime | None) -> None:
    """Write views as files into FOLDER, each with its contract and a descriptor; whole, or not at all.

    A folder that holds an earlier export is replaced in one step. Rows without a position stand in the CSV file alone. A view
    without positions is plain Parquet.
    """
    from kc_pipeline import report, report_table
    from kc_pipeline.catalog.releases import contract_text
    from kc_pipeline.store.exports import ViewRows, write_export
    from kc_pipeline.store.time_travel import NothingPublishedError, all_told
    from kc_pipeline.store.warehouse import WarehouseError
    from kc_pipeline.store.whole_folder import FolderError

    platform = _platform(source)
    try:
        told = all_told(platform.warehouse, platform.lake, views or VIEWS, as_of.date() if as_of else None)
        if missing := [view for view in views if view not in told]:
            raise NothingPublishedError(f"{', '.join(missing)}: nothing was published" + (f" of {as_of:%Y-%m-%d}" if as_of else ""))
        rows = {view: ViewRows(VIEWS[view].contract, one.rows, contract_text(view)) for view, one in told.items()}
        written = write_export(folder, rows, formats or EXPORT_FORMATS)
    except (NothingPublishedError, WarehouseError, FolderError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    report_table.print_files(report.wide_console(), folder, written)


def _platform(source: str | None) -> "Platform":
    from kc_pipeline.defs.resources import Platform

    return Platform(load_settings(os.environ, source))
