"""Commands for those who operate the platform: `kc purge`."""

import os
from datetime import UTC, datetime, timedelta

import click

from kc_pipeline.settings import SOURCES, load_settings

_SOURCE = click.option("--source", type=click.Choice(SOURCES), help="Whose; default: KC_SOURCE, else sandbox.")


@click.command()
@_SOURCE
@click.option("--older-than", "days", type=click.IntRange(min=1), default=180, show_default=True, help="Days since a run was created.")
@click.option("--delete", "is_deleting", is_flag=True, help="Delete; without it, only say what would go.")
def purge(source: str | None, days: int, is_deleting: bool) -> None:
    """Delete old runs and their events from Dagster's storage, and give the room back.

    The lake, raw pulls, the warehouse, cases and reports stay as they are. So does a run that holds the newest record of an
    asset, a month or a check. Days of marts whose runs are deleted are shown as not materialized; their rows are there.
    """
    from kc_pipeline.defs.build import build_defs
    from kc_pipeline.defs.instance import dagster_instance
    from kc_pipeline.defs.purge import delete_runs, find_old_runs
    from kc_pipeline.defs.resources import Platform

    settings = load_settings(os.environ, source)
    before = datetime.now(UTC) - timedelta(days=days)
    checks = build_defs(platform=Platform(settings)).resolve_asset_graph().asset_check_keys
    with dagster_instance(settings) as instance:
        old = find_old_runs(instance, before, checks)
        click.echo(f"{len(old.purgeable)} runs from before {before:%Y-%m-%d} may go; {len(old.needed)} hold the newest record of something")
        if not is_deleting:
            click.echo("nothing was deleted; --delete does it" if old.purgeable else "nothing to delete")
            return
        freed = delete_runs(instance, old.purgeable)
    click.echo(f"deleted {freed.runs} runs; Dagster's folder is {freed.bytes / 1e6:,.1f} MB smaller")
    if freed.busy:
        click.echo(f"{', '.join(freed.busy)}: in use, so the room was not given back; purge again while nothing runs")
