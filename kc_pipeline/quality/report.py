"""The report of an audit as Markdown: what failed and what that does, what was noticed, and every table's score."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.rule_model import Rule, Severity
from kc_pipeline.catalog.rules import RULES

_DOES = {
    Severity.BLOCKS: "**blocks**: nothing built on it was published",
    Severity.MARKS: "marks the source in stale_sources",
    Severity.WARNS: "warns",
}
Totals = Mapping[tuple[str, str], tuple[int, int]]
_COUNTS = ["received_count", "good_count", "quarantined_count", "duplicate_count"]


def audit_report(audit: pd.DataFrame, account: pd.DataFrame, run_id: str, at: datetime) -> str:
    """The report.

    Args:
        audit: rows of quality/audit; of a mart, its newest day is told.
        account: rows of quality/reconciliation.
        run_id: the run that is reported.
        at: moment of the report.
    """
    audit = _newest_days(audit)
    sums = audit.groupby(["table_name", "rule"], sort=False)[["checked_count", "failed_count"]].sum()
    totals = {key: (int(checked), int(broken)) for key, checked, broken in sums.itertuples()}
    judged = [(table, rule) for table, rules in RULES.items() for rule in rules if (table, rule.name) in totals]
    failed = [(table, rule) for table, rule in judged if _fails(rule, *totals[(table, rule.name)])]
    failed.sort(key=lambda pair: list(Severity).index(pair[1].severity))
    when = at.astimezone(ZoneInfo(TIME_ZONE)).strftime("%Y-%m-%d %H:%M %Z")
    by_severity = ", ".join(f"{sum(rule.severity is s for _, rule in failed)} {_VERB[s]}" for s in Severity)
    lines = [
        f"# Audit, run {run_id}",
        "",
        f"{when}. {len(judged)} rules on {len({table for table, _ in judged})} tables; {len(failed)} failed: {by_severity}.",
        "",
        "## What failed",
        "",
        *_table(
            ["table", "rule", "what that does", "broken", "of", "examples", "what should hold"],
            (_failed_row(audit, totals, *f) for f in failed),
        ),
        "",
        "## What was noticed",
        "",
        *([f"- {sentence}" for sentence in _sentences(audit)] or ["Nothing."]),
        "",
        "## Broken by some rows, within what is usual",
        "",
        *_table(["table", "rule", "broken", "of", "least share that must hold"], _tolerated(totals, judged, failed)),
        "",
        "## Source rows: received = good + quarantined + duplicates",
        "",
        *_table(
            ["feed", "received", "good", "quarantined", "duplicates"], ((feed, *map(_number, row)) for feed, row in _accounts(account))
        ),
        "",
        "## Every table",
        "",
        *_table(["table", "rules", "failed"], _scores(judged, failed)),
    ]
    return "\n".join(lines) + "\n"


_VERB = {Severity.BLOCKS: "block", Severity.MARKS: "mark a source", Severity.WARNS: "warn"}


def _newest_days(audit: pd.DataFrame) -> pd.DataFrame:
    """Of a mart the newest day alone: earlier days stand in their own reports."""
    is_mart = audit["table_name"].str.startswith("marts/") & audit["month"].ne("")
    newest = audit[is_mart].groupby("table_name")["month"].max()
    return audit[~is_mart | audit["month"].eq(audit["table_name"].map(newest))]


def _fails(rule: Rule, checked: int, failed: int) -> bool:
    return failed > (1 - rule.least_share) * checked + 1e-9


def _failed_row(audit: pd.DataFrame, totals: Totals, table: str, rule: Rule) -> Sequence[str]:
    of_rule = audit[(audit["table_name"] == table) & (audit["rule"] == rule.name) & (audit["failed_count"] > 0)]
    sample = ", ".join(";".join(of_rule["sample"]).split(";")[:5])
    checked, failed = totals[(table, rule.name)]
    return (table, rule.name, _DOES[rule.severity], _number(failed), _number(checked), sample, rule.says)


def _sentences(audit: pd.DataFrame) -> list[str]:
    told = audit.loc[audit["facts"].str.contains('"sentences"', regex=False), "facts"]
    said = [sentence for facts in told for sentence in json.loads(facts)["sentences"]]
    return list(dict.fromkeys(said))


def _tolerated(totals: Totals, judged: Sequence[tuple[str, Rule]], failed: Sequence[tuple[str, Rule]]) -> Iterable[Sequence[str]]:
    for table, rule in judged:
        checked, broken = totals[(table, rule.name)]
        if broken and (table, rule) not in failed:
            yield table, rule.name, _number(broken), _number(checked), f"{rule.least_share:.0%}"


def _accounts(account: pd.DataFrame) -> Iterable[tuple[str, Sequence[int]]]:
    for feed, counts in account.groupby("feed")[_COUNTS].sum().iterrows():
        yield str(feed), counts.tolist()


def _scores(judged: Sequence[tuple[str, Rule]], failed: Sequence[tuple[str, Rule]]) -> Iterable[Sequence[str]]:
    for name in RULES:
        rules = [rule for table, rule in judged if table == name]
        if rules:
            yield name, _number(len(rules)), _number(sum(table == name for table, _ in failed))


def _number(count: int) -> str:
    return f"{int(count):,}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table; 'None.' where it has no rows."""
    cells = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    if not cells:
        return ["None."]
    return [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(f"| {row} |" for row in cells)]
