"""Commands for those who operate the platform: `kc backfill`, `kc purge` and `kc graph`."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.settings import SOURCES, load_settings

GRAPH = Path(__file__).parents[1] / "docs" / "graph.svg"
_SOURCE = click.option("--source", type=click.Choice(SOURCES), help="Whose; default: KC_SOURCE, else sandbox.")

scale_option = click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    help="Size of the synthetic city, 1.0 being the real one's; default: as it stands, 0.05 where there is none. Another puts another city "
    "in its place.",
)


@click.command()
@click.option("--from", "first", required=True, metavar="YYYY-MM", help="First month.")
@click.option("--to", "last", required=True, metavar="YYYY-MM", help="Last month.")
@click.option("--batch", type=click.IntRange(min=1), default=12, show_default=True, help="Months of a batch.")
@click.option("--feed", "feeds", type=click.Choice(list(EVENT_FEEDS)), multiple=True, help="Only this feed; may be repeated.")
@click.option("--source", type=click.Choice(("sandbox", "live")), help="Where to pull from; default: KC_SOURCE, else sandbox.")
@scale_option
def backfill(first: str, last: str, batch: int, feeds: tuple[str, ...], source: str | None, scale: float | None) -> None:
    """Pull and clean years of months, batch by batch, oldest first.

    A month that is there and unchanged is passed over, so a backfill that was killed goes on when it is started again. Months
    before KC_HISTORY_START are filled in too; the daily run leaves them alone afterwards. `kc run` publishes what follows.
    """
    from filelock import FileLock, Timeout

    from kc_pipeline.defs.backfill import backfill as fill
    from kc_pipeline.defs.backfill import batches_of
    from kc_pipeline.defs.instance import dagster_instance
    from kc_pipeline.defs.resources import Platform, utc_now
    from kc_pipeline.sandbox.city import ANCHOR_DATE
    from kc_pipeline.sandbox.serving import city_clock, day_of_city, open_source

    settings = load_settings(os.environ, source)
    if settings.source == "replay":
        raise click.UsageError("recorded rows are read as a whole; use `kc run --source replay DIR`")
    try:
        batches = batches_of(first, last, batch)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    has_failed = False
    try:
        with (
            FileLock(settings.data_dir / ".run.lock", timeout=0),
            open_source(settings, through=ANCHOR_DATE, scale=scale) as opened,
            dagster_instance(settings) as instance,
        ):
            now = city_clock(day_of_city(settings, ANCHOR_DATE)) if settings.source == "sandbox" else utc_now
            for done in fill(Platform(opened, now), batches, instance, feeds or EVENT_FEEDS):
                click.echo(
                    f"{done.first} to {done.last}: {done.pulled} parts pulled, {done.unchanged} unchanged; "
                    f"peak memory {done.peak_bytes / 1e6:,.0f} MB"
                )
                for what in (*(f"{step}: {message}" for step, message in done.failures.items()), *done.failed_checks):
                    click.echo(f"  failed {what}")
                has_failed |= bool(done.failures or done.failed_checks)
    except Timeout:
        raise click.ClickException(f"a run works on {settings.data_dir}; wait until it ends") from None
    if has_failed:
        sys.exit(1)


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


@click.command()
@click.option("--to", "path", type=click.Path(path_type=Path, dir_okay=False), default=GRAPH, help="Where to; default: docs/graph.svg.")
def graph(path: Path) -> None:
    """Draw the assets and what each is made from, as the README shows them."""
    from kc_pipeline.defs.build import build_defs
    from kc_pipeline.defs.graph import picture

    path.write_text(picture(build_defs(environ={})), encoding="utf-8")
    click.echo(f"wrote {path}")
