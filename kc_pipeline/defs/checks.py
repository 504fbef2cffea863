"""One check step per audited table: the rules of catalog/rules.py as asset checks."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from kc_pipeline.catalog.rules import AUDITED_TABLES, CONTRACT, RULES, Rule, Severity
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import audits

if TYPE_CHECKING:
    from kc_pipeline.quality.checks import Finding


def build_checks(table: str) -> dg.AssetChecksDefinition:
    """Checks on one table: its contract as one, each rule of our own as one.

    A failure of one that blocks keeps what is built on the table, and what was published, as they were.
    """
    key = dg.AssetKey(table.split("/"))
    own = [rule for rule in RULES[table] if not rule.is_derived]
    derived = len(RULES[table]) - len(own)
    says = f"All {derived} rules that follow from the table's contract hold: types, nulls, sets, ranges, forms."
    specs = [
        dg.AssetCheckSpec(CONTRACT, asset=key, description=says, blocking=True),
        *(
            dg.AssetCheckSpec(
                r.name, asset=key, description=r.says, blocking=r.severity is Severity.BLOCKS, metadata={"severity": r.severity}
            )
            for r in own
        ),
    ]

    @dg.multi_asset_check(name=f"check_{table.replace('/', '_')}", specs=specs)
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.AssetCheckResult]:
        findings = {finding.law: finding for finding in audits.audit_table(platform, table, _day(context, platform, table))}
        report = audits.write_report(platform, context.run.run_id)
        shared: dict[str, Any] = {"report": dg.MetadataValue.path(str(report))}
        if table.startswith("clean/"):
            shared["quarantine"] = dg.MetadataValue.asset(dg.AssetKey(["quarantine", key.path[-1]]))
        yield _contract_result(key, [findings[rule.name] for rule in RULES[table] if rule.is_derived], shared)
        for rule in own:
            yield _result(key, rule, findings[rule.name], shared)

    return check


def _day(context: dg.AssetCheckExecutionContext, platform: Platform, table: str) -> date | None:
    """Of a mart, the day of the run, else the newest there is."""
    if TABLES[table].layer != "marts":
        return None
    day = context.partition_key if context.has_partition_key else max(platform.lake.partitions(table), default=None)
    if day is None:
        raise dg.Failure(f"{table} has no day yet; materialize one first", allow_retries=False)
    return date.fromisoformat(day)


def _result(key: dg.AssetKey, rule: Rule, finding: "Finding", shared: dict[str, Any]) -> dg.AssetCheckResult:
    noticed = {"noticed": dg.MetadataValue.md("\n".join(f"- {said}" for said in finding.sentences))} if finding.sentences else {}
    return dg.AssetCheckResult(
        passed=finding.passed,
        asset_key=key,
        check_name=rule.name,
        severity=dg.AssetCheckSeverity.ERROR if rule.severity is Severity.BLOCKS else dg.AssetCheckSeverity.WARN,
        description=" ".join(finding.sentences[:3]) or None,
        metadata={**finding.facts, **noticed, **shared},
    )


def _contract_result(key: dg.AssetKey, findings: "Iterable[Finding]", shared: dict[str, Any]) -> dg.AssetCheckResult:
    """The derived rules of a table as one result, with those that are broken as a table."""
    findings = list(findings)
    broken = [finding for finding in findings if not finding.passed]
    lines = ["| rule | what was found |", "|---|---|", *(f"| {f.law} | {_told(f.facts)} |" for f in broken)]
    return dg.AssetCheckResult(
        passed=not broken,
        asset_key=key,
        check_name=CONTRACT,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rules": len(findings),
            "broken_rules": len(broken),
            "checked_values": sum(int(f.facts.get("checked", 0)) for f in findings),
            "broken_values": sum(int(f.facts.get("failed", 0)) for f in findings),
            **({"broken": dg.MetadataValue.md("\n".join(lines))} if broken else {}),
            **shared,
        },
    )


def _told(facts: dict[str, int | float | str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


CHECKS = [build_checks(table) for table in AUDITED_TABLES]
