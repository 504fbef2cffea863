"""Commands about where a number comes from: `kc trace`, `kc verify` and `kc replay`."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.settings import SOURCES, load_settings

if TYPE_CHECKING:
    from kc_pipeline.defs.resources import Platform

_SOURCE = click.option("--source", type=click.Choice(SOURCES), help="Whose tables; default: KC_SOURCE, else sandbox.")


@click.command()
@click.argument("what")
@_SOURCE
def trace(what: str, source: str | None) -> None:
    """Follow an event, or a place's published risk row, back to what was received.

    WHAT: an event_id such as calls_911:123, shown as the line that the source sent; or a business parcel's id or part of its
    name or address, shown as snapshot, lake versions, pulls and events.
    """
    from kc_pipeline import report, report_provenance
    from kc_pipeline.catalog.columns import EVENT_FEEDS
    from kc_pipeline.defs.steps import provenance
    from kc_pipeline.extract.errors import PermanentSourceError

    platform, console = _platform(source), report.wide_console()
    try:
        if what.partition(":")[0] in EVENT_FEEDS:
            report_provenance.print_source_row(console, provenance.trace_event(platform, what))
        else:
            report_provenance.print_inputs(console, platform, what)
    except (LookupError, PermanentSourceError) as error:
        raise click.ClickException(str(error.args[0])) from None


@click.command()
@_SOURCE
def verify(source: str | None) -> None:
    """Go through raw pulls, lake, warehouse and cases, and name whatever is not as it was written."""
    from kc_pipeline.defs.steps import provenance

    altered = 0
    for where, sentence in provenance.verify(_platform(source)):
        altered += bool(where)
        click.echo(f"ALTERED in {where}: {sentence}" if where else f"looked at {sentence}")
    if altered:
        raise click.ClickException(f"{altered} things are not as they were written")
    click.echo("everything is as it was written")


@click.command()
@click.argument("feeds", nargs=-1, type=click.Choice(sorted(FEEDS)))
@_SOURCE
def replay(feeds: tuple[str, ...], source: str | None) -> None:
    """Make the clean tables of FEEDS (default: all) again from the raw pulls, without a network, and compare every byte."""
    from kc_pipeline.defs.steps import provenance

    different = 0
    with tempfile.TemporaryDirectory(prefix="kc-replay-") as folder:
        for found in provenance.replay_clean(_platform(source), feeds or sorted(FEEDS), Path(folder)):
            different += not found.is_same
            said = "the same" if found.is_same else f"DIFFERENT: made again it is {found.again_sha256[:16]}"
            click.echo(f"{found.table}: {found.row_count:,} rows, {found.sha256[:16]}, {said}")
    if different:
        raise click.ClickException(f"{different} tables are not what their raw pulls give; `kc verify` says whether something was altered")


def _platform(source: str | None) -> "Platform":
    from kc_pipeline.defs.resources import Platform

    return Platform(load_settings(os.environ, source))
