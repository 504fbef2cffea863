"""One check step per audited table: the rules of the catalogue as a few asset checks, each with a table of its rules."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from kc_pipeline.catalog.own_rules import CHECKS
from kc_pipeline.catalog.rule_model import Rule, Severity
from kc_pipeline.catalog.rules import AUDITED_TABLES, RULES, check_of
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.beside import audit_table
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import audits

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding

_SHOWN_FACTS = 6
# Whatever does not wait for a check goes first: the table is judged beside it meanwhile.  But the score waits for these.
_AFTER_STEPS, _BEFORE_STEPS = {"dagster/priority": "-1"}, {"dagster/priority": "1"}
_WAITED_FOR = ("core/factor_observations", "marts/source_quality")


def build_checks(table: str) -> dg.AssetChecksDefinition:
    """The checks of one table.

    A failure of one that blocks keeps what is built on the table, and what was published, as they were.  Each can be run alone.
    """
    key = dg.AssetKey(table.split("/"))
    rules: dict[str, list[Rule]] = {}
    for rule in RULES[table]:
        rules.setdefault(check_of(rule), []).append(rule)
    specs = [
        dg.AssetCheckSpec(name, asset=key, description=CHECKS[name][0], blocking=any(rule.severity is Severity.BLOCKS for rule in shown))
        for name, shown in rules.items()
    ]

    op_tags = _BEFORE_STEPS if table in _WAITED_FOR else _AFTER_STEPS

    @dg.multi_asset_check(name=f"check_{table.replace('/', '_')}", specs=specs, can_subset=True, op_tags=op_tags)
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.AssetCheckResult]:
        findings = {finding.law: finding for finding in audit_table(platform, table, _day(context, platform, table))}
        shared: dict[str, Any] = {"report": dg.MetadataValue.path(str(_report(platform, context.run.run_id)))}
        if table.startswith("clean/"):
            shared["quarantine"] = dg.MetadataValue.asset(dg.AssetKey(["quarantine", key.path[-1]]))
        asked = {check.name for check in context.selected_asset_check_keys}
        for name, shown in rules.items():
            if name in asked:
                yield _result(key, name, shown, [findings[rule.name] for rule in shown], shared)

    return check


def _report(platform: Platform, run_id: str) -> Path:
    """The report of the run, brought up to date; a run with a process beside it writes its report when it is over."""
    return audits.write_report(platform, run_id) if platform.beside is None else audits.report_path(platform, run_id)


def _day(context: dg.AssetCheckExecutionContext, platform: Platform, table: str) -> date | None:
    """Of a mart, the day of the run, else the newest there is."""
    if TABLES[table].layer != "marts":
        return None
    day = context.partition_key if context.has_partition_key else max(platform.lake.partitions(table), default=None)
    if day is None:
        raise dg.Failure(f"{table} has no day yet; materialize one first", allow_retries=False)
    return date.fromisoformat(day)


def _result(
    key: dg.AssetKey, name: str, rules: Sequence[Rule], findings: "Sequence[Finding]", shared: dict[str, Any]
) -> dg.AssetCheckResult:
    """Several rules as one result: it fails where one of them does, and as an error where that one blocks."""
    broken = [rule for rule, finding in zip(rules, findings, strict=True) if not finding.passed]
    sentences = [sentence for finding in findings for sentence in finding.sentences]
    counted = [finding.facts for finding in findings if "checked" in finding.facts]
    totals = {f"values_{name}": sum(int(facts[name]) for facts in counted) for name in ("checked", "failed")} if counted else {}
    return dg.AssetCheckResult(
        passed=not broken,
        asset_key=key,
        check_name=name,
        severity=dg.AssetCheckSeverity.ERROR if any(rule.severity is Severity.BLOCKS for rule in broken) else dg.AssetCheckSeverity.WARN,
        description=" ".join([*sentences[:3], *(f"Expected: {rule.says}" for rule in broken[:3])]) or None,
        metadata={
            "rules": len(rules),
            "broken_rules": len(broken),
            **totals,
            **({"noticed": dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in sentences))} if sentences else {}),
            "every_rule": _rules_table(rules, findings),
            **shared,
        },
    )


def _rules_table(rules: Sequence[Rule], findings: "Sequence[Finding]") -> dg.MarkdownMetadataValue:
    """Every rule of a check, those that are broken first, with the numbers that show it."""
    lines = ["| rule | holds | what was found | what a failure does |", "|---|---|---|---|"]
    for rule, finding in sorted(zip(rules, findings, strict=True), key=lambda pair: pair[1].passed):
        facts = "; ".join(f"{name} {value}" for name, value in list(finding.facts.items())[:_SHOWN_FACTS] if value != "")
        lines.append(f"| {rule.name} | {'yes' if finding.passed else '**no**'} | {facts.replace('|', '/')} | {rule.severity} |")
    return dg.MetadataValue.md("\n".join(lines))


ASSET_CHECKS = [build_checks(table) for table in AUDITED_TABLES]
