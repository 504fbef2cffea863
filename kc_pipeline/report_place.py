"""What `kc explain` prints: one place's score, what adds to it, who can mend what, and the events behind its counts."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.factors import MendedBy
from kc_pipeline.defs import answers

if TYPE_CHECKING:
    from kc_pipeline.defs.resources import Platform

_MOST_OBSERVATIONS = 25


def print_explanation(console: Console, platform: "Platform", business: str) -> None:
    """One place: its score, the factors that add to it with what was observed, its counts and each event behind them.

    Raises:
        LookupError: no place, or more than one, fits; the message lists some.
    """
    place = answers.find_place(platform, business)
    _print_head(console, place)
    factors = answers.factors_behind(platform, place)
    _print_factors(console, place, factors)
    _print_observations(console, answers.observations_behind(platform, place, factors))
    _print_counts(console, place)
    _print_events(console, answers.events_behind(platform, place))


def _print_head(console: Console, place: dict[str, Any]) -> None:
    names = f"[bold]{escape(place['business_names'])}[/bold], {escape(place['address'])} ({place['business_parcel_id']})"
    kind = place["main_business_type"].replace("_", " ")
    expected = (
        f"Expected: {place['expected_events_per_year']:.2f} serious events a year (80 % interval {place['expected_low_80']:.2f} to "
        f"{place['expected_high_80']:.2f}), {place['relative_risk']:.1f} times the average business parcel"
    )
    newer, older = (place[f"serious_events_{which}"] for which in ("365d", "prior_365d"))
    trend = f"trend {place['risk_trend']} ({newer:.1f} in the last year, {older:.1f} in the one before)"
    stale = f"stale sources: {place['stale_sources'] or 'none'}, coverage {place['coverage_pct']:.0f} %"
    score = f"risk_score {place['risk_score']:.1f}: more is expected here than at {place['risk_score']:.1f} % of the other business parcels"
    in_type = f"{place['risk_rank_in_type']} of {place['places_in_type']} of its type ({kind})"
    lines = [
        names,
        f"as of {place['as_of']}, model {place['model_id']}, {stale}",
        f"{expected}; {trend}",
        f"{score}; rank {place['risk_rank']} of all, {in_type}",
    ]
    if place["relative_risk_score"] is not None:
        lines.append(f"relative risk score (RTM) of its cell: {place['relative_risk_score']:.1f} times the city's lowest")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _print_factors(console: Console, place: dict[str, Any], factors: list[dict[str, Any]]) -> None:
    """Contributions by who can mend them; those of a place multiply to its expectation."""
    caption = f"multiplied together: {place['expected_events_per_year']:.4f} a year. Associations with past events, never causes."
    table = Table("who", title="What adds to the expectation", caption=caption)
    table.add_column("times", justify="right")
    table.add_column("without it, a year", justify="right")
    table.add_column("what", overflow="fold")
    for group in MendedBy:
        for row in sorted((r for r in factors if r["factor_group"] == group), key=lambda r: -abs(r["log_contribution"])):
            without = row["what_if_events_per_year"]
            said = "" if without is None else f"{without:.2f}"
            table.add_row(str(group), f"{row['risk_multiplier']:.3f}", said, escape(row["explanation"]))
    console.print(table)


def _print_observations(console: Console, observations: list[dict[str, Any]]) -> None:
    if not observations:
        return
    title = f"What can be mended near it: what is open first, then nearest first ({len(observations)})"
    table = Table("what", "owed by", title=title)
    for column in ("metres", "open, days"):
        table.add_column(column, justify="right")
    for column in ("since", "address", "source row"):
        table.add_column(column)
    for row in observations[:_MOST_OBSERVATIONS]:
        away = "here" if row["is_on_premises"] else f"{row['distance_m']:.0f}"
        table.add_row(
            row["says"],
            row["owed_by"] or "",
            away,
            "" if row["open_days"] is None else str(row["open_days"]),
            str(row["opened_date"] or ""),
            escape(row["address"] or ""),
            row["source_id"],
        )
    console.print(table)


def _print_counts(console: Console, place: dict[str, Any]) -> None:
    counts = Table("feed", title="Events tied EXACT or NEAR, and shares of block events")
    for column in ("90 days", "365 days", "block share 90 days", "block share 365 days"):
        counts.add_column(column, justify="right")
    for feed in EVENT_FEEDS:
        counts.add_row(
            feed, *(str(place[f"{feed}_count_{d}d"]) for d in (90, 365)), *(f"{place[f'{feed}_weighted_{d}d']:.2f}" for d in (90, 365))
        )
    console.print(counts)
    console.print(f"homicides in 365 days: {place['homicide_count_365d']}", highlight=False)


def _print_events(console: Console, found: list[dict[str, Any]]) -> None:
    events = Table("reported", "event", "category", "precision", "tied by", title="Events behind the counts, newest first")
    events.add_column("weight", justify="right")
    events.add_column("address at the source")
    events.add_column("data set / pull / page / line")
    for event in found:
        trace = f"{event['data_set']} / {event['pull_id']} / {event['page']} / {event['line']}"
        events.add_row(
            str(event["report_date"]),
            event["event_id"],
            event["category"],
            event["precision"],
            event["attribution_method"],
            f"{event['weight']:.3f}",
            event["address"],
            trace,
        )
    console.print(events)
