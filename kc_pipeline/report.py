"""What `kc` prints: the account of a run, the highest places, what waits for a person."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kc_pipeline.defs import answers

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kc_pipeline.defs.quarantine import Readmission
    from kc_pipeline.defs.resources import Platform
    from kc_pipeline.defs.run import RunReport

_VIEW, _QUALITY_VIEW = "v1_business_risk_current", "v1_source_quality"
_SHORT = {
    "police_reports": "reports",
    "calls_911": "calls",
    "health_inspections": "inspections",
    "streetlight_outages": "lights",
    "dumping_complaints": "dumping",
}
_NARROWEST = 150
_LONGEST_NAME, _WIDTH_OF_INTERVAL = 24, len("1.63 (0.89-2.47)")


def wide_console() -> Console:
    """A console wide enough for the tables, also where the output is a file or a narrow pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, _NARROWEST))


def print_run(console: Console, platform: "Platform", result: "RunReport", seconds: float) -> None:
    """The account of every feed, the ten highest places, and where the outputs lie."""
    print_sources(console, platform)
    print_quarantine(console, platform)
    new = [f"{feed} {pulled}" for feed, (pulled, _) in result.pulls.items() if pulled]
    unchanged = sum(parts for _, parts in result.pulls.values())
    pulled = f"Pulled anew (months or snapshots): {', '.join(new) or 'none'}; {unchanged} hold what they held before."
    console.print(pulled, highlight=False, soft_wrap=True)
    for step, message in result.failures.items():
        console.print(f"[red]failed[/red] {step}: {escape(message)}", highlight=False)
    for check in result.failed_checks:
        console.print(f"[red]blocking check failed[/red] {check}; what was published before stays", highlight=False)
    if result.audit:
        console.print(f"What the audit found: {result.audit}", highlight=False, soft_wrap=True)
    if not result.published:
        console.print("[red]Nothing new was published.[/red]")
        return
    mart = platform.lake.read("marts/business_risk", partitions=[result.as_of.isoformat()])
    _print_places(console, _highest(mart, 10), f"Highest risk as of {result.as_of}")
    said = f"as_of {result.as_of}, {mart.num_rows} business parcels, content sha256 {answers.fingerprint(mart)}"
    console.print(said, highlight=False, soft_wrap=True)
    console.print(
        f"{seconds:.0f} s. Warehouse for BI: {platform.warehouse.location}; lake: {platform.settings.lake_dir}",
        highlight=False,
        soft_wrap=True,
    )


def print_sources(console: Console, platform: "Platform") -> None:
    """One line per feed: rows received and what became of them, and its status in the current snapshot."""
    status = {row["feed"]: row for row in platform.warehouse.read_view(_QUALITY_VIEW).to_pylist()}
    table = Table("feed", title="Feeds: source rows received = good + quarantined + duplicates")
    for column in ("received", "good", "quarantined", "duplicates", "events or records"):
        table.add_column(column, justify="right")
    table.add_column("status")
    for feed, counts in answers.account_by_feed(platform).items():
        said = status.get(feed, {}).get("source_status", "not judged")
        table.add_row(feed, *(f"{count:,}" for count in counts), said if said == "fresh" else f"[yellow]{said}[/yellow]")
    console.print(table)


def print_quarantine(console: Console, platform: "Platform") -> None:
    """Every reason for which rows were rejected, with its count."""
    reasons = answers.quarantine_by_rule(platform)
    if not reasons:
        return
    table = Table("feed", "rule", title="Quarantined rows")
    table.add_column("rows", justify="right")
    for feed, rule, count in reasons:
        table.add_row(feed, rule, f"{count:,}")
    console.print(table)


def print_top(console: Console, platform: "Platform", count: int) -> None:
    """The first places of the BI view."""
    rows = _highest(platform.warehouse.read_view(_VIEW), count)
    _print_places(console, rows, f"Highest risk as of {rows[0]['as_of']}" if rows else "Nothing is published yet")


def print_review(console: Console, platform: "Platform", count: int) -> None:
    """Businesses whose parcel a person must decide, those in business first, and decisions that were rejected."""
    waiting, rejected = answers.open_questions(platform), answers.rejected_decisions(platform)
    if waiting:
        table = Table("business", "name", "address", "why", "candidates", title=f"{len(waiting)} businesses wait for a decision")
        for row in waiting[:count]:
            table.add_row(row["business_id"], *(escape(row[name] or "") for name in ("business_name", "address", "reason", "candidates")))
        console.print(table)
    else:
        console.print("No business waits for a decision.")
    if rejected:
        table = Table("line", "business", "decision", "why it was rejected", title=f"{len(rejected)} decisions were rejected")
        for row in rejected:
            table.add_row(str(row["file_line"]), *(escape(row[name]) for name in ("business_id", "decision", "rejection_reason")))
        console.print(table)
    console.print(f"File of decisions: {platform.settings.decisions_file}", highlight=False, soft_wrap=True)


def print_rejected(console: Console, rows: "pd.DataFrame", count: int | None) -> None:
    """Rejected rows by feed and rule with an example; or the first of them, each with where it stands."""
    if rows.empty:
        console.print("No source row is in quarantine.")
        return
    if count is None:
        table = Table("feed", "rule", "months", "an example", title=f"{len(rows):,} source rows are in quarantine")
        table.add_column("rows", justify="right")
        for (feed, rule), of_rule in rows.groupby(["feed", "rule"]):
            months = sorted(of_rule["month"].unique())
            said = months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
            table.add_row(str(feed), str(rule), said, escape(of_rule["reason"].iloc[0]), f"{len(of_rule):,}")
        console.print(table)
        return
    for row in rows.head(count).to_dict("records"):
        place = f"{row['data_set']} / {row['month']} / pull {row['pull_id']} / page {row['page']} / line {row['line']}"
        console.print(f"[bold]{row['feed']}[/bold] {row['rule']}: {escape(row['reason'])}", highlight=False)
        console.print(f"  {escape(place)}\n  {escape(row['raw_row'])}", highlight=False, soft_wrap=True)
    if len(rows) > count:
        console.print(f"{len(rows) - count:,} more; -n shows more of them, --export all.", highlight=False)


def print_readmissions(console: Console, found: "list[Readmission]") -> None:
    """What became of rejected rows when they were cleaned again."""
    if not found:
        console.print("No source row is in quarantine; nothing was cleaned.")
        return
    table = Table("feed", "rule", title="Cleaned again")
    for column in ("left quarantine", "still in it", "new in it"):
        table.add_column(column, justify="right")
    for row in found:
        table.add_row(row.feed, row.rule, *(f"{n:,}" for n in (row.left, row.stays, row.new)))
    console.print(table)
    console.print("Nothing was published; the next `kc run` builds on the rows that left.")


def _highest(places: "pa.Table", count: int) -> list[dict[str, Any]]:
    """The first rows by rank."""
    ordered = places.sort_by([("risk_rank", "ascending"), ("business_parcel_id", "ascending")])
    return list(ordered.slice(0, count).to_pylist())


def _print_places(console: Console, rows: list[dict[str, Any]], title: str) -> None:
    table = Table(
        title=title, caption="expected: serious events a year, with 80 % interval; counts: EXACT and NEAR events of the 365 days before"
    )
    table.add_column("rank", justify="right", no_wrap=True, min_width=4)
    table.add_column("business", no_wrap=True)
    table.add_column("address", no_wrap=True)
    for column in ("score", "expected", "homicides", *_SHORT.values()):
        least = _WIDTH_OF_INTERVAL if column == "expected" else min(len(column), 6)
        table.add_column(column, justify="right", no_wrap=True, min_width=least)
    for row in rows:
        counts = (str(row[f"{feed}_count_365d"]) for feed in _SHORT)
        table.add_row(
            str(row["risk_rank"]),
            escape(_first_name(row["business_names"], row["business_count"])),
            escape(row["address"]),
            f"{row['risk_score']:.1f}",
            f"{row['expected_events_per_year']:.2f} ({row['expected_low_80']:.2f}-{row['expected_high_80']:.2f})",
            str(row["homicide_count_365d"]),
            *counts,
        )
    console.print(table)


def _first_name(names: str, count: int) -> str:
    """The first business of a place, and how many others stand there."""
    first = names.split(";")[0]
    return (first if len(first) <= _LONGEST_NAME else first[: _LONGEST_NAME - 1] + "…") + (f" +{count - 1}" if count > 1 else "")
