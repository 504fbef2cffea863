"""The audit of a table: every rule about single rows and types, and what became of it, part by part.

Great Expectations finds the rows that break a rule (`expectations.py`); this module prepares them and keeps the counts.
A part (a month) whose rows and rules are as they were is not judged again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.rule_model import Between, Complete, InOrder, InSet, Matches, RowLaw, Rule, TableLaw, TypesHold
from kc_pipeline.catalog.rules import RULES
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.quality.checks import Finding

# Raise it whenever a row law of quality/row_laws.py is changed: every part is then judged again.
LAWS_VERSION = "1"
SAMPLE = 20
WHOLE = ""
_ROW = "row number"


def row_rules(table: str) -> tuple[Rule, ...]:
    """Rules of a table that speak of single rows."""
    return tuple(rule for rule in RULES[table] if not isinstance(rule.test, TableLaw | TypesHold))


def rules_sha256(table: str) -> str:
    """Changes whenever a table's rules, or the laws they name, do."""
    return hashlib.sha256((LAWS_VERSION + repr(RULES[table])).encode()).hexdigest()


def needed_columns(table: str) -> list[str]:
    """Columns that the row rules of a table read, and those that identify a row."""
    contract = TABLES[table]
    part = [contract.partition] if contract.partition else []
    return list(dict.fromkeys([*contract.key, *part, *(name for rule in row_rules(table) for name in columns_of(rule))]))


def columns_of(rule: Rule) -> tuple[str, ...]:
    """Columns that a rule about single rows reads."""
    match rule.test:
        case InSet(column, _) | Between(column, _, _) | Matches(column, _):
            return (column,)
        case InOrder(first, second):
            return (first, second)
        case Complete(columns) | RowLaw(_, columns):
            return columns
    return ()


def audit_rows(table: str, rows: pa.Table, states: Mapping[str, str]) -> pd.DataFrame:
    """Judge the rows of some parts of a table by its row rules.

    Args:
        table: name in the catalogue.
        rows: rows of those parts, with at least `needed_columns`.
        states: part -> digest of its state; the only part of an unpartitioned table is ''.

    Returns:
        One row per rule and part, in the columns of quality/audit.
    """
    rules, contract = row_rules(table), TABLES[table]
    judged = judge_rows(table, rows)
    part = judged.frame[contract.partition].astype("str") if contract.partition else pd.Series(WHOLE, judged.frame.index, dtype="str")
    checked = judged.applies.groupby(part).sum().reindex(sorted(states), fill_value=0)
    found = []
    for rule in rules:
        samples = _samples(judged.frame.loc[judged.broken[rule.name]], part, contract.key) if rule.name in judged.broken else {}
        found += [
            (table, rule.name, name, rule.severity, count, *samples.get(name, (0, "")))
            for name, count in zip(checked.index, checked[rule.name].tolist(), strict=True)
        ]
    result = pd.DataFrame(found, columns=["table_name", "rule", "month", "severity", "checked_count", "failed_count", "sample"])
    return result.assign(facts="{}", state_sha256=result["month"].map(dict(states)), rules_sha256=rules_sha256(table))


@dataclass(frozen=True)
class Judged:
    """Rows after judgement.

    Attributes:
        frame: the rows, numbered from 0.
        applies: per row and rule, whether the rule applies to the row.
        broken: rule -> numbers of the rows that break it; rules that no row breaks are left out.
    """

    frame: pd.DataFrame
    applies: pd.DataFrame
    broken: Mapping[str, list[int]]


def judge_rows(table: str, rows: pa.Table) -> Judged:
    """Find the rows of a table that break its row rules."""
    from kc_pipeline.quality.expectations import LACKING, LAW_PREFIX, broken_rows, suite_of
    from kc_pipeline.quality.row_laws import ROW_LAWS

    frame = rows.select(needed_columns(table)).to_pandas(date_as_object=False).reset_index(drop=True)
    applies, laws = {}, {}
    for rule in row_rules(table):
        match rule.test:
            case Complete(columns):
                applies[rule.name] = pd.Series(True, index=frame.index)
                laws[LACKING] = _first_missing(frame[list(columns)])
            case RowLaw(law, _):
                holds = ROW_LAWS[law](frame).astype("boolean")
                applies[rule.name] = holds.notna()
                laws[LAW_PREFIX + law] = holds.astype("object").where(holds.notna(), None)
            case _:
                applies[rule.name] = frame[list(columns_of(rule))].notna().all(axis="columns")
    # Great Expectations copies and hashes the frame again and again: texts of few values are cheapest as categories.
    few = {rule.test.column: "category" for rule in row_rules(table) if isinstance(rule.test, InSet)}
    audited = frame[_spoken_of(table)].astype(few).assign(**laws, **{_ROW: frame.index})
    broken = broken_rows(suite_of(table, row_rules(table)), audited, _ROW) if len(frame) else {}
    return Judged(frame, pd.DataFrame(applies), broken)


def _spoken_of(table: str) -> list[str]:
    """Columns that expectations themselves read; what laws read is judged before."""
    own = (columns_of(rule) for rule in row_rules(table) if not isinstance(rule.test, RowLaw | Complete))
    return list(dict.fromkeys(name for columns in own for name in columns))


def _first_missing(required: pd.DataFrame) -> pd.Series:
    """Name of the first column that lacks a value, per row; missing where none does."""
    missing = required.isna()
    missing = missing.loc[:, missing.any()]
    if missing.empty:
        return pd.Series(None, index=required.index, dtype="object")
    return missing.idxmax(axis="columns").astype("object").where(missing.any(axis="columns"), None)


def _samples(broken: pd.DataFrame, part: pd.Series, key: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Part -> how many rows of it break a rule, and the keys of some."""
    samples = {}
    for name, rows in broken.groupby(part.loc[broken.index]):
        keys = rows[list(key)].sort_values(list(key)).head(SAMPLE).astype("str").itertuples(index=False)
        samples[str(name)] = (len(rows), ";".join("|".join(values) for values in keys))
    return samples


def audit_types(table: str, stored: pa.Schema | None) -> Finding:
    """Whether a table is stored with the columns and types of its contract; a nullable one outside the key may be lacking yet.

    Args:
        table: name in the catalogue.
        stored: columns as they are stored; None for a table that was never written, which has no type to be wrong.
    """
    from kc_pipeline.quality.expectations import DECLARED_TYPE, STORED_TYPE, broken_rows, suite_of

    declared = to_arrow(TABLES[table])
    held = {field.name: str(field.type) for field in stored} if stored is not None else {f.name: str(f.type) for f in declared}
    key = TABLES[table].key
    said = {field.name: str(field.type) for field in declared if field.name in held or field.name in key or not field.nullable}
    names = list(dict.fromkeys([*said, *held]))
    types = pd.DataFrame(
        {"column": names, STORED_TYPE: [held.get(n, "lacking") for n in names], DECLARED_TYPE: [said.get(n, "not declared") for n in names]}
    )
    rule = next(rule for rule in RULES[table] if isinstance(rule.test, TypesHold))
    broken = broken_rows(suite_of(table, [rule]), types.assign(**{_ROW: types.index}), _ROW).get(rule.name, [])
    sample = ", ".join(f"{name}: {is_} instead of {should}" for name, is_, should in types.loc[broken].itertuples(index=False))
    return Finding(rule.name, not broken, {"columns": len(names), "wrong": len(broken), "sample": sample})


def judge_types(table: str, audit: pd.DataFrame, stored: pa.Schema | None) -> tuple[Finding, pd.DataFrame]:
    """What `audit_types` finds, or found before if neither what is stored nor what is declared nor the rule changed since; and its row.

    Args:
        table: name in the catalogue.
        audit: its rows of quality/audit.
        stored: as `audit_types` takes it.
    """
    schemas = ([(field.name, str(field.type), field.nullable) for field in schema or ()] for schema in (stored, to_arrow(TABLES[table])))
    state = hashlib.sha256(repr(list(schemas)).encode()).hexdigest()
    rule = next(rule for rule in RULES[table] if isinstance(rule.test, TypesHold))
    known = audit[(audit["rule"] == rule.name) & (audit["state_sha256"] == state) & (audit["rules_sha256"] == rules_sha256(table))]
    if known.empty:
        found = audit_types(table, stored)
    else:
        found = Finding(rule.name, not known["failed_count"].iloc[0], json.loads(known["facts"].iloc[0]))
    return found, as_audit_rows(table, [found], state)


def as_audit_rows(table: str, findings: Sequence[Finding], state: str) -> pd.DataFrame:
    """Findings about a whole table in the columns of quality/audit."""
    severity = {rule.name: rule.severity for rule in RULES[table]}
    rows = [(table, f.law, WHOLE, severity[f.law], 1, int(not f.passed), str(f.facts.get("sample", "")), _as_json(f)) for f in findings]
    columns = ["table_name", "rule", "month", "severity", "checked_count", "failed_count", "sample", "facts"]
    return pd.DataFrame(rows, columns=columns).assign(state_sha256=state, rules_sha256=rules_sha256(table))


def _as_json(finding: Finding) -> str:
    said = {"sentences": list(finding.sentences)} if finding.sentences else {}
    return json.dumps({**finding.facts, **said}, sort_keys=True, ensure_ascii=False)


def verdicts(table: str, audit: pd.DataFrame) -> list[Finding]:
    """Whether each rule of a table holds, over all its parts.

    Args:
        table: name in the catalogue.
        audit: its rows of quality/audit.
    """
    totals = audit.groupby("rule")[["checked_count", "failed_count"]].sum()
    samples = audit[audit["failed_count"] > 0].groupby("rule")["sample"].agg(lambda texts: ";".join(t for t in texts if t))
    findings = []
    for rule in RULES[table]:
        if rule.name not in totals.index or isinstance(rule.test, TableLaw | TypesHold):
            continue
        checked, failed = (int(totals.at[rule.name, name]) for name in ("checked_count", "failed_count"))
        keeps = failed <= (1 - rule.least_share) * checked + 1e-9
        share = failed / checked if checked else 0.0
        facts: dict[str, int | float | str] = {
            "checked": checked,
            "failed": failed,
            "failed_share": round(share, 6),
            "least_share": rule.least_share,
        }
        if failed:
            facts["sample"] = ", ".join(samples.get(rule.name, "").split(";")[:5])
        findings.append(Finding(rule.name, keeps, facts))
    return findings
