"""What the terminal shows of where a row comes from."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kc_pipeline.defs.answers import events_behind, find_place

if TYPE_CHECKING:
    from kc_pipeline.defs.resources import Platform
    from kc_pipeline.defs.steps.provenance import SourceRow

_RISK = "marts/business_risk"
_NOT_AT_THE_SOURCE = ("data_set", "partition", "pull_id", "page", "line", "row_id")


def print_source_row(console: Console, row: "SourceRow") -> None:
    """An event and the line that it was made from."""
    manifest, event = row.manifest, row.event
    console.print(f"[bold]{escape(event['event_id'])}[/bold] of {event['report_date']}, {escape(str(event['category']))}", highlight=False)
    console.print(f"row hash {event['row_hash']}, first seen {event['first_seen_utc']:%Y-%m-%d %H:%M} UTC", highlight=False)
    console.print(
        f"pull {manifest.pull_id} of {manifest.data_set} {manifest.partition} by {manifest.transport}, {manifest.pulled_at}",
        highlight=False,
    )
    console.print(f"line {row.line} (from 0) of {row.page_file}, whose bytes are those that were received", highlight=False, soft_wrap=True)
    table = Table("at the source", "received")
    for name, value in row.values.items():
        if name not in _NOT_AT_THE_SOURCE and value is not None:
            table.add_row(escape(name), escape(str(value)))
    console.print(table)


def print_inputs(console: Console, platform: "Platform", wanted: str) -> None:
    """A place's published risk row: its snapshot, what that was made from, and the events behind its counts.

    Raises:
        LookupError: no place fits, or several do.
    """
    from kc_pipeline.defs.steps.provenance import inputs_of

    place = find_place(platform, wanted)
    console.print(
        f"[bold]{escape(place['business_names'])}[/bold] ({place['business_parcel_id']}), as of {place['as_of']}", highlight=False
    )
    console.print(f"{_RISK} {place['snapshot_id']}, run {place['run_id']}, model {place['model_id'][:16]}", highlight=False)
    table = Table("made from", "version", "which was made from")
    for name, version in sorted(inputs_of(platform, _RISK, place["snapshot_id"]).items()):
        told = platform.lake.made_from(name, version)
        table.add_row(name, "" if version is None else str(version), escape(_in_short(told)))
    console.print(table)
    events = Table("event", "day", "precision", "data set", "pull", "page", "line")
    for row in events_behind(platform, place):
        numbers = (str(row[name]) for name in ("pull_id", "page", "line"))
        events.add_row(escape(row["event_id"]), str(row["report_date"]), row["precision"], escape(str(row["data_set"])), *numbers)
    console.print(events)
    console.print("`kc trace EVENT` shows the line that was received", highlight=False)


def _in_short(told: dict[str, object]) -> str:
    parts = [f"{name} {value}" for name, value in sorted(told.items())]
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
