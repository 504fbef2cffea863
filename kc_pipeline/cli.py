"""The command `kc`: run the pipeline, read what it says, serve the sandbox.

Heavy imports stand inside the commands, so that `kc --help` answers at once.
"""

import atexit
import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.cli_cases import case, evidence
from kc_pipeline.cli_contracts import contracts
from kc_pipeline.cli_operation import backfill, graph, purge, scale_option
from kc_pipeline.cli_provenance import replay, trace, verify
from kc_pipeline.cli_tables import export, snapshots, table
from kc_pipeline.defs.instance import dagster_home, dagster_instance
from kc_pipeline.defs.quiet import ignore_beta_warnings
from kc_pipeline.settings import SANDBOX_PORT, SOURCES, Settings, load_settings

if TYPE_CHECKING:
    from kc_pipeline.defs.beside import Beside
    from kc_pipeline.defs.resources import Platform

_PATIENCE_SECONDS = 30
# What a run imports and makes lives on; with Python's own thresholds (700, 10, 10) the search for cycles in it took 6 % of a day.
_PATIENCE_OF_COLLECTOR = 50_000, 20, 20
_OF_DG = "ignore:Function `dev_command` is superseded"  # by `dg dev`, which wants a project of its own form
_WORKSPACE = Path(__file__).parent / "deploy" / "workspace.yaml"
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def main() -> None:
    """Kansas City's business risk platform."""
    ignore_beta_warnings()
    gc.set_threshold(*_PATIENCE_OF_COLLECTOR)
    atexit.unregister(gc.freeze)  # once, however often this is called
    atexit.register(gc.freeze)  # what is left in the end was searched for cycles for 0.7 s


@main.command()
@click.option(
    "--as-of", type=_DAY, help="Day to score; default: the sandbox's anchor day, the day after the newest recorded row, or today."
)
@click.option("--source", type=click.Choice(SOURCES), help="Where to pull from; default: KC_SOURCE, else sandbox.")
@scale_option
@click.argument("recordings", required=False, type=click.Path(path_type=Path, file_okay=False))
def run(as_of: datetime | None, source: str | None, scale: float | None, recordings: Path | None) -> None:
    """Refresh every feed, score a day, publish it.  RECORDINGS: folder of recorded rows, with --source replay."""
    from filelock import FileLock, Timeout

    from kc_pipeline.defs.beside import working_beside

    started = time.monotonic()
    settings = load_settings(os.environ, source)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        # The second process loads its libraries while this one does.
        with FileLock(settings.data_dir / ".run.lock", timeout=0), working_beside(settings) as beside:
            is_done = _run(settings, as_of.date() if as_of else None, scale, recordings, beside, started)
    except Timeout:
        raise click.ClickException(f"another run works on {settings.data_dir}; wait until it ends, or choose another KC_DATA_DIR") from None
    if not is_done:
        sys.exit(1)


def _run(
    settings: Settings, as_of: date | None, scale: float | None, recordings: Path | None, beside: "Beside | None", started: float
) -> bool:
    """The run, while nobody else works on its folder; returns whether everything was done and published."""
    from kc_pipeline import report
    from kc_pipeline.defs.answers import NoEventError, day_after_newest_event
    from kc_pipeline.defs.resources import Platform, utc_now
    from kc_pipeline.defs.run import run_once
    from kc_pipeline.defs.steps.alerts import notifier, run_alerts, state_alerts
    from kc_pipeline.sandbox.city import ANCHOR_DATE
    from kc_pipeline.sandbox.replay import RecordingError
    from kc_pipeline.sandbox.serving import city_clock, day_of_city, open_source

    console = report.wide_console()
    day = as_of or (ANCHOR_DATE if settings.source == "sandbox" else utc_now().astimezone(ZoneInfo(TIME_ZONE)).date())
    try:
        with (
            console.status(f"prepare {settings.source}") as status,
            open_source(settings, through=day, recordings=recordings, scale=scale) as opened,
        ):
            now = city_clock(day_of_city(settings, day)) if settings.source == "sandbox" else utc_now
            platform = Platform(opened, now, status.update, beside)
            wanted = day_after_newest_event if settings.source == "replay" and as_of is None else day
            with dagster_instance(settings) as instance:
                gc.freeze()  # what was imported stays, and need not be searched for cycles
                result = run_once(platform, wanted, instance)
            notifier(platform).tell([*run_alerts("kc run", result.failures), *state_alerts(platform)])
            status.update("read what was published")
            report.print_run(console, platform, result, time.monotonic() - started)
    except (FileNotFoundError, RecordingError, NoEventError) as error:
        raise click.ClickException(str(error)) from None
    return result.published and not result.failures and not result.failed_checks


@main.command()
@click.option("--source", type=click.Choice(SOURCES))
@click.option("-n", "count", type=int, default=10, show_default=True, help="How many.")
def top(source: str | None, count: int) -> None:
    """Show the business parcels of highest provisional risk, as the BI view gives them."""
    from kc_pipeline import report

    report.print_top(report.wide_console(), _platform(source), count)


@main.command()
@click.argument("business")
@click.option("--source", type=click.Choice(SOURCES))
def explain(business: str, source: str | None) -> None:
    """Show what adds to a business parcel's risk, and the events behind its counts.  BUSINESS: its id, or part of a name or address."""
    from kc_pipeline import report, report_place

    try:
        report_place.print_explanation(report.wide_console(), _platform(source), business)
    except LookupError as error:
        raise click.ClickException(str(error.args[0])) from None


@main.command()
@click.option("--source", type=click.Choice(SOURCES))
@click.option("-n", "count", type=int, default=20, show_default=True, help="How many to list.")
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="Write them all to a CSV file to decide in.")
def review(source: str | None, count: int, export: Path | None) -> None:
    """List businesses whose parcel a person must decide, and decisions that were rejected.

    The exported file holds every decision so far and a row for each open question.  Fill in decision, decided_by and
    decided_on, and save it as the file of decisions (its place is printed); the next run applies it.
    """
    from kc_pipeline import report
    from kc_pipeline.defs.answers import file_of_decisions
    from kc_pipeline.places.decisions import DecisionsError

    platform = _platform(source)
    try:
        if export is None:
            report.print_review(report.wide_console(), platform, count)
            return
        content = file_of_decisions(platform)
        export.parent.mkdir(parents=True, exist_ok=True)
        with export.open("x", encoding="utf-8-sig", newline="") as file:
            file.write(content)
    except FileExistsError:
        raise click.ClickException(f"{export} exists, and may hold decisions; choose another name") from None
    except DecisionsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"wrote {export}; decide in it and save it as {platform.settings.decisions_file}")


@main.command()
@click.option("--source", type=click.Choice(SOURCES))
@click.option("--feed", type=click.Choice(list(FEEDS)), help="Only rows of this feed.")
@click.option("--rule", help="Only rows that this rule rejected.")
@click.option("--month", help="Only rows of this month, YYYY-MM, or 'undated'.")
@click.option("-n", "count", type=int, help="List so many rows; without it they are counted.")
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="Write the rows to a CSV file.")
@click.option("--readmit", "is_readmitting", is_flag=True, help="Clean them again, after a rule or the data was mended.")
def quarantine(
    source: str | None, feed: str | None, rule: str | None, month: str | None, count: int | None, export: Path | None, is_readmitting: bool
) -> None:
    """Count or list rejected source rows, or clean them again.

    Every row says which rule rejected it, why, and where it stands: data set, pull, page, line, and the row as received.
    With --readmit the raw parts that hold the chosen rows are cleaned with the present code; rows that pass leave the
    quarantine. The next run publishes what follows from them.
    """
    from filelock import FileLock, Timeout

    from kc_pipeline import report
    from kc_pipeline.defs.quarantine import Wanted, readmit, rejected_csv, rejected_rows
    from kc_pipeline.extract.errors import SourceError

    platform, wanted, console = _platform(source), Wanted(feed, rule, month), report.wide_console()
    if is_readmitting:
        try:
            with FileLock(platform.settings.data_dir / ".run.lock", timeout=0):
                report.print_readmissions(console, readmit(platform, wanted))
        except Timeout:
            raise click.ClickException(f"a run works on {platform.settings.data_dir}; wait until it ends") from None
        except SourceError as error:
            raise click.ClickException(str(error)) from None
        return
    rows = rejected_rows(platform, wanted)
    if export is not None:
        try:
            with export.open("x", encoding="utf-8-sig", newline="") as file:
                file.write(rejected_csv(rows))
        except FileExistsError:
            raise click.ClickException(f"{export} exists; choose another name") from None
        click.echo(f"wrote {len(rows)} rejected rows to {export}")
        return
    report.print_rejected(console, rows, count)


@main.group()
def sandbox() -> None:
    """The synthetic city and its portal."""


class _CommandWithFaults(click.Command):
    """Its help lists every misbehaviour of the portal, a line each."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from kc_pipeline.sandbox.faults import FAULTS

        with formatter.section("Misbehaviours"):
            formatter.write_dl([(f"{name}={f.argument}" if f.argument else name, f.description) for name, f in FAULTS.items()])


@sandbox.command(cls=_CommandWithFaults)
@click.option("--port", type=int, default=SANDBOX_PORT, show_default=True)
@click.option("--through", type=_DAY, help="Day up to which the city stands; default: today.")
@scale_option
@click.option("--fault", "faults", multiple=True, metavar="NAME=ARGUMENT", help="Misbehaviour to rehearse; may be repeated.")
def serve(port: int, through: datetime | None, scale: float | None, faults: tuple[str, ...]) -> None:
    """Serve the synthetic city over loopback as SODA 2.1, SODA 3 and ArcGIS, until interrupted."""
    from kc_pipeline.sandbox.faults import Faults
    from kc_pipeline.sandbox.portal import Portal
    from kc_pipeline.sandbox.serving import day_of_city, prepare_city

    try:
        misbehaviour = Faults.parse(faults)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    settings = load_settings(os.environ, "sandbox")
    wanted = through.date() if through else datetime.now(UTC).astimezone(ZoneInfo(TIME_ZONE)).date()
    portal = Portal(prepare_city(settings, wanted, scale), port=port, faults=misbehaviour)
    click.echo(f"synthetic Kansas City up to {day_of_city(settings, wanted)} at http://127.0.0.1:{port}")
    portal.serve_forever()


@main.command()
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the Dagster UI.")
@scale_option
def dev(port: int, scale: float | None) -> None:
    """Start the Dagster UI with schedule and automation on, and the sandbox portal beside it."""
    environ = {"KC_SCHEDULES": "on", "PYTHONWARNINGS": _OF_DG, **os.environ, "DAGSTER_HOME": str(dagster_home(load_settings(os.environ)))}
    python, children = [sys.executable, "-m"], []
    for asked_to_stop in (signal.SIGINT, signal.SIGTERM):  # Ctrl-C, a service manager
        signal.signal(asked_to_stop, signal.default_int_handler)
    try:
        if load_settings(environ).source == "sandbox":
            serve = ["kc_pipeline.cli", "sandbox", "serve", *([] if scale is None else ["--scale", str(scale)])]
            children.append(subprocess.Popen([*python, *serve], env=environ, start_new_session=True))  # noqa: S603 - our own command
        dagster = ["dagster", "dev", "-w", str(_WORKSPACE), "-p", str(port)]
        children.append(subprocess.Popen([*python, *dagster], env=environ, start_new_session=True))  # noqa: S603
        children[-1].wait()
    except KeyboardInterrupt:
        click.echo("stopped")
    finally:
        for child in reversed(children):
            _stop(child)


@main.command()
@click.option("--source", type=click.Choice(SOURCES), help="Whose runs; default: KC_SOURCE, else sandbox.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=3000, show_default=True, help="Port to listen on.")
@click.option("--writable", is_flag=True, help="Let anyone who reaches it launch, cancel and wipe.")
def ui(source: str | None, host: str, port: int, writable: bool) -> None:
    """Serve the Dagster UI to look at: read-only, since it has no log-in of its own."""
    settings = load_settings(os.environ, source)
    environ = {**os.environ, "KC_SOURCE": settings.source, "DAGSTER_HOME": str(dagster_home(settings))}
    words = ["dagster_webserver", "-w", str(_WORKSPACE), "-h", host, "-p", str(port)]
    mode = [] if writable else ["--read-only"]
    os.execve(sys.executable, [sys.executable, "-m", *words, *mode], environ)  # noqa: S606 - our own command


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt a child that leads its own process group, wait for it, and end what is left of the group."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _platform(source: str | None) -> "Platform":
    from kc_pipeline.defs.resources import Platform

    return Platform(load_settings(os.environ, source))


main.add_command(evidence)
main.add_command(case)
main.add_command(table)
main.add_command(snapshots)
main.add_command(export)
main.add_command(contracts)
main.add_command(trace)
main.add_command(verify)
main.add_command(replay)
main.add_command(backfill)
main.add_command(purge)
main.add_command(graph)

if __name__ == "__main__":
    main()
