"""What the terminal shows of evidence packets and case steps."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.ordinance.cases import CaseStep

_ORDER = ("counts", "possible", "excluded")


def print_packet(console: Console, packet: Mapping[str, Any]) -> None:
    """A packet's counts and events."""
    place = packet["place"]
    where = f"{escape(place['address'])} ({place['business_parcel_id']})"
    console.print(f"[bold]{escape(place['business_names'])}[/bold], {where}", highlight=False)
    console.print(f"as of {packet['as_of']}, packet {packet['packet_id']}, level {packet['level']}", highlight=False)
    if packet["label"]:
        console.print(packet["label"], style="red", highlight=False)
    if packet["is_escalation_blocked"]:
        console.print("People live there, or that is not known: nothing escalates before somebody has looked.", style="red")
    for matter in packet["matters"]:
        _print_rules(console, matter)
        _print_events(console, matter)
        for reason, count in matter["withheld"].items():
            console.print(f"not shown one by one: {count}: {packet['reasons'][reason]}", highlight=False)


def _print_rules(console: Console, matter: Mapping[str, Any]) -> None:
    table = Table("rule", "window", title=f"Rule set {matter['rule_set']['id']}")
    for column in ("counted", "violent", "possible", "missing", "met anew"):
        table.add_column(column, justify="right")
    table.add_column("status")
    table.add_column("step")
    counts = ("confirmed_count", "confirmed_violent_count", "possible_count", "needed_count", "separate_windows_count")
    for rule in matter["rules"]:
        window = f"{rule['window_start']} to {rule['window_end']}"
        table.add_row(rule["says"], window, *(str(rule[name]) for name in counts), rule["threshold_status"], rule["ladder_step"] or "none")
    console.print(table)


def _print_events(console: Console, matter: Mapping[str, Any]) -> None:
    totals, period = matter["totals"], matter["period"]
    title = (
        f"{period['first']} to {period['last']}: {totals['counts']} countable, {totals['possible']} possible, {totals['excluded']} excluded"
    )
    table = Table("reported", "event", "kind", "state", "why not", "counts for", "tied by", title=title)
    for event in sorted(matter["events"], key=lambda event: _ORDER.index(event["state"])):
        why = ", ".join(event["reasons"]) + (f" ({event['duplicate_of']})" if event["duplicate_of"] else "")
        kind = event["category"] + (", violent" if event["is_violent"] else "")
        table.add_row(
            event["report_date"], event["event_id"], kind, event["state"], why, ", ".join(event["in_window_of"]), event["precision"]
        )
    console.print(table)


def print_replay(console: Console, place: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> None:
    """Counts of a place, a line for each stretch of days on which they stood; days without any are left out."""
    table = Table("rule", "from", "up to", title=f"{escape(place['business_names'])}, {escape(place['address'])}")
    for column in ("counted", "violent", "possible"):
        table.add_column(column, justify="right")
    table.add_column("met")
    for row in changes:
        last = row["to_day"].date() - timedelta(days=1)
        counts = (str(row[name]) for name in ("confirmed_count", "confirmed_violent_count", "possible_count"))
        met = "met" if row["is_met"] else ""
        table.add_row(f"{row['rule_id']} ({row['rule_set_id']})", str(row["from_day"].date()), str(last), *counts, met)
    console.print(table)


def print_steps(console: Console, steps: Sequence[CaseStep], place: str | None, now: datetime) -> None:
    """Steps of a place or of all, with what is overdue."""
    today = now.astimezone(ZoneInfo(TIME_ZONE)).date().isoformat()
    shown = [step for step in steps if place in (None, step.business_parcel_id)]
    answered = {(step.business_parcel_id, step.step): step.number for step in steps}
    table = Table("no.", "day", "place", "step", "outcome", "event", "ground", "answers", "due", "by", "note", title=f"{len(shown)} steps")
    for step in shown:
        is_answered = answered.get((step.business_parcel_id, "plan"), 0) > step.number
        due = step.due_on + (" overdue" if step.due_on and step.due_on < today and not is_answered else "")
        cells = (step.happened_on, step.business_parcel_id, step.step, step.outcome, step.event_id, step.ground)
        table.add_row(str(step.number), *map(escape, cells), str(step.refers_to or ""), due, escape(step.recorded_by), escape(step.note))
    console.print(table)
