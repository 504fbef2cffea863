"""Commands of the ordinance: `kc evidence` and `kc case`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from kc_pipeline.settings import SOURCES, load_settings

if TYPE_CHECKING:
    from kc_pipeline.defs.resources import Platform

_DAY = click.DateTime(["%Y-%m-%d"])
_SOURCE = click.option("--source", type=click.Choice(SOURCES))


@click.command()
@click.argument("business", required=False)
@_SOURCE
@click.option("--as-of", type=_DAY, help="Day to speak about; default: the newest that was counted.")
@click.option("--level", type=click.Choice(["owner-safe", "hearing"]), default="owner-safe", show_default=True, help="How much is shown.")
@click.option("--packet", "packet_id", help="Make a kept packet again, and say whether its bytes are the same.")
def evidence(business: str | None, source: str | None, as_of: datetime | None, level: str, packet_id: str | None) -> None:
    """Make the evidence packet of a place: what the ordinance counts, what not, and why.  BUSINESS: its id, or part of a name or address.

    It is kept as packet.json and packet.html in a folder named by its id. The same inputs give the same id and bytes.
    """
    from kc_pipeline import report, report_case
    from kc_pipeline.defs.steps import evidence as steps

    platform = _platform(source)
    with _told():
        if packet_id is not None:
            is_same = steps.remake_packet(platform, packet_id)
            click.echo(
                f"{packet_id}: {'the same bytes again' if is_same else 'other bytes than were kept: code, rules or tables have changed'}"
            )
            raise SystemExit(0 if is_same else 1)
        if business is None:
            raise click.UsageError("name a business, or a --packet")
        place = steps.find_business_parcel(platform, business)
        packet = steps.make_packet(platform, place, as_of.date() if as_of else steps.newest_day(platform), level)
        report_case.print_packet(report.wide_console(), packet)
        click.echo(f"kept in {steps.keep_packet(platform, packet)}")


@click.group()
def case() -> None:
    """Steps of cases, in a ledger to which lines are only added."""


@case.command()
@click.argument("business", required=False)
@_SOURCE
def show(business: str | None, source: str | None) -> None:
    """Show the steps of one place, or of all."""
    from kc_pipeline import report, report_case
    from kc_pipeline.defs.steps import evidence as steps
    from kc_pipeline.defs.steps.ordinance import case_ledger

    platform = _platform(source)
    with _told():
        place = steps.find_business_parcel(platform, business)["business_parcel_id"] if business else None
        report_case.print_steps(report.wide_console(), case_ledger(platform).steps(), place, platform.now())


@case.command()
@click.argument("business")
@click.argument("step")
@_SOURCE
@click.option("--by", "recorded_by", required=True, help="Office or staff number that records it; no private name.")
@click.option("--on", "happened_on", type=_DAY, help="Day on which it happened; default: today.")
@click.option("--event", "event_id", help="Event that is objected to or reviewed.")
@click.option("--ground", help="Why it is objected to.")
@click.option("--outcome", help="What came of it.")
@click.option("--refers-to", type=int, help="Number of the step that is decided.")
@click.option("--rule", "rule_id", help="Rule that a notice goes by; default: the first that is met.")
@click.option("--packet", "packet_id", help="Evidence packet that was given.")
@click.option("--due", "due_on", type=_DAY, help="Day by which the next thing is owed.")
@click.option("--note", help="Free text; no names of victims or patients.")
def add(business: str, step: str, source: str | None, recorded_by: str, **facts: Any) -> None:
    """Record a STEP of a place: notice, response, plan, visit, objection, hearing, decision, appeal, review, dwelling.

    An objection (--event, --ground) takes the event out of the count until it is decided; `decision --refers-to N --outcome accepted`
    takes it out for good. A review (--event, --outcome confirmed) lets a call count. A step of kind 'dwelling' (--outcome cleared)
    says that somebody looked into who lives there.
    """
    from kc_pipeline.defs.steps import evidence as steps

    platform = _platform(source)
    dated = {name: value.date().isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}
    with _told():
        written = steps.record_step(platform, steps.find_business_parcel(platform, business), step, recorded_by, **dated)
    click.echo(f"step {written.number}: {written.step} at {written.business_parcel_id}, {written.sha256[:16]}")


@case.command()
@click.argument("business")
@_SOURCE
@click.option("--from", "first", type=_DAY, required=True, help="First day.")
@click.option("--to", "last", type=_DAY, help="Last day; default: the newest that was counted.")
def replay(business: str, source: str | None, first: datetime, last: datetime | None) -> None:
    """Show how the counts of a place changed from day to day, with what was known on each of them."""
    from kc_pipeline import report, report_case
    from kc_pipeline.defs.steps import evidence as steps

    platform = _platform(source)
    with _told():
        place = steps.find_business_parcel(platform, business)
        changes = steps.replay_place(platform, place, first.date(), last.date() if last else steps.newest_day(platform))
        report_case.print_replay(report.wide_console(), place, changes.to_dict("records"))


@case.command()
@_SOURCE
def verify(source: str | None) -> None:
    """Check the ledger's chain, and that every kept packet's steps are still in it."""
    from kc_pipeline.defs.steps import evidence as steps

    platform = _platform(source)
    with _told():
        count, packets = steps.verify_ledger(platform)
    click.echo(f"{count} steps, the chain holds; {packets} packets are as they were kept and rest on it")


def _platform(source: str | None) -> "Platform":
    """The platform of a source; the sandbox's clock stands where its city does."""
    from kc_pipeline.defs.resources import Platform, utc_now
    from kc_pipeline.sandbox.serving import standing_clock

    settings = load_settings(os.environ, source)
    return Platform(settings, standing_clock(settings) or utc_now)


@contextmanager
def _told() -> Iterator[None]:
    """Errors that a person can mend, as messages instead of traces."""
    from kc_pipeline.ordinance.cases import LedgerError, StepError
    from kc_pipeline.ordinance.evidence import NoPacketError
    from kc_pipeline.ordinance.rules import RulesError

    try:
        yield
    except (LookupError, LedgerError, StepError, NoPacketError, RulesError) as error:
        raise click.ClickException(str(error.args[0])) from None
