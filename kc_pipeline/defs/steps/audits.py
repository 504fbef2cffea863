"""Whether the tables are right: the rules of catalog/rules.py on the rows of the lake, and what was found, kept in quality/audit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS, EVENT_TABLES
from kc_pipeline.catalog.own_rules import REGISTER_FLOORS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.attribution import located_by
from kc_pipeline.defs.steps.drifts import check_drift
from kc_pipeline.defs.steps.feeds import newest_pulls
from kc_pipeline.defs.steps.frames import read_frame, write_table
from kc_pipeline.defs.steps.marts import counted_months
from kc_pipeline.store.made_of import digest_of

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.quality.checks import Finding
    from kc_pipeline.quality.places import AttributionCounts

PARTS_AT_ONCE = 24
_LEDGER = ("feed", "business_parcel_id", "report_date", "available_date", "precision", "weight", "exclusion_reason")


@dataclass(frozen=True)
class JudgedRows:
    """What was found of a table's rows and types.

    Attributes:
        findings: one for each rule about rows or types.
        audit: the table's rows of quality/audit, but those of its laws.
        state: digest of what was judged.
    """

    findings: "list[Finding]"
    audit: "pd.DataFrame"
    state: str


def audit_table(platform: Platform, table: str, day: date | None = None) -> "list[Finding]":
    """Judge a table by all its rules, and keep what was found in quality/audit.

    Args:
        platform: what to work on.
        table: name in the catalogue.
        day: of a mart, the day that is judged; other days keep what was found of them.
    """
    rows, laws = judge_rows(platform, table, day), judge_laws(platform, table, day)
    keep_audits(platform, {table: (rows, laws)})
    return [*rows.findings, *laws]


def judge_rows(platform: Platform, table: str, day: date | None = None) -> JudgedRows:
    """Judge a table by its rules about single rows and types, by Great Expectations.

    Parts (months) whose files and rules are as they were when they were judged are not read again.
    """
    import pandas as pd

    from kc_pipeline.quality.audit import WHOLE, audit_rows, judge_types, needed_columns, verdicts

    lake = platform.lake
    states = lake.states(table) or {WHOLE: digest_of({})}
    if day is not None:
        states = {day.isoformat(): states.get(day.isoformat(), digest_of({}))}
    platform.progress(f"audit {table}")
    known = read_audit(platform, [table])
    held = _still_true(known, table, states)
    fresh = sorted(set(states) - set(held["month"]))
    judged = []
    for start in range(0, len(fresh), PARTS_AT_ONCE):
        parts = fresh[start : start + PARTS_AT_ONCE]
        rows = lake.read(table, columns=needed_columns(table), partitions=parts if TABLES[table].partition else None)
        judged.append(audit_rows(table, rows, {part: states[part] for part in parts}))
    of_rows = pd.concat([held, *judged], ignore_index=True)
    types, of_types = judge_types(table, known, lake.stored_schema(table))
    elsewhere = known[~known["month"].isin([*states, WHOLE])] if day is not None else known.iloc[:0]
    audit = pd.concat([elsewhere, of_rows, of_types], ignore_index=True)
    return JudgedRows([types, *verdicts(table, of_rows)], audit, digest_of(states))


def judge_laws(platform: Platform, table: str, day: date | None = None) -> "list[Finding]":
    """Judge a table by the laws of the whole table and between tables: always, since they speak of other tables too."""
    from kc_pipeline.quality.checks import check_keys

    key = list(TABLES[table].key)
    parts = [day.isoformat()] if day is not None else None
    found = [check_keys(table, platform.lake.read(table, columns=key, partitions=parts))]
    layer, _, name = table.partition("/")
    if layer == "clean":
        return [*found, *_judge_clean(platform, name)]
    if day is not None:
        return [*found, *_JUDGES_OF_DAYS[table](platform, day)]
    return [*found, *(_JUDGES[table](platform) if table in _JUDGES else [])]


def keep_audits(platform: Platform, found: "Mapping[str, tuple[JudgedRows, list[Finding]]]") -> None:
    """Keep in quality/audit what was found of some tables: of their rows and types, and of their laws."""
    import pandas as pd
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow
    from kc_pipeline.quality.audit import as_audit_rows

    parts = []
    for table, (rows, laws) in found.items():
        of_table = pd.concat([rows.audit, as_audit_rows(table, laws, rows.state)], ignore_index=True)
        parts.append(of_table.assign(table_name=_stored_name(table)))
    schema = to_arrow(TABLES["quality/audit"])
    made = pa.Table.from_pandas(pd.concat(parts, ignore_index=True)[schema.names], schema=schema, preserve_index=False)
    platform.lake.write("quality/audit", made, partitions=[_stored_name(table) for table in found])


def read_audit(platform: Platform, tables: list[str] | None = None) -> "pd.DataFrame":
    """What was found of some tables, or of all, by their names in the catalogue."""
    rows = read_frame(platform, "quality/audit", partitions=None if tables is None else [_stored_name(table) for table in tables])
    return rows.assign(table_name=rows["table_name"].str.replace(".", "/", n=1, regex=False))


def _stored_name(table: str) -> str:
    """A table's name as the value of a partition, which cannot hold a slash."""
    return table.replace("/", ".")


def write_report(platform: Platform, run_id: str) -> Path:
    """The report of a run: what every rule found, as Markdown; replaced whole as tables are judged."""
    from kc_pipeline.quality.report import audit_report

    path, of_versions = report_path(platform, run_id), platform.lake.versions(["quality/audit", "quality/reconciliation"])
    mark = f"<!-- {', '.join(f'{table} version {version}' for table, version in of_versions.items())} -->"
    if path.exists() and path.read_text(encoding="utf-8").endswith(f"{mark}\n"):
        return path
    text = audit_report(read_audit(platform), read_frame(platform, "quality/reconciliation"), run_id, platform.now())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".writing")
    temporary.write_text(f"{text}\n{mark}\n", encoding="utf-8")
    temporary.replace(path)
    return path


def report_path(platform: Platform, run_id: str) -> Path:
    """Where the report of a run lies."""
    return platform.settings.data_dir / "reports" / f"audit-{run_id}.md"


def _still_true(known: "pd.DataFrame", table: str, states: Mapping[str, str]) -> "pd.DataFrame":
    """What was found of parts that are as they were, by rules that are as they are."""
    from kc_pipeline.quality.audit import row_rules, rules_sha256

    rules = [rule.name for rule in row_rules(table)]
    valid = known[
        known["rule"].isin(rules)
        & known["rules_sha256"].eq(rules_sha256(table))
        & known["state_sha256"].eq(known["month"].map(dict(states)))
    ]
    return valid[valid.groupby("month")["rule"].transform("nunique").eq(len(rules))]


def _judge_clean(platform: Platform, feed: str) -> "list[Finding]":
    from kc_pipeline.quality import checks, conservation

    table = f"clean/{feed}"
    account, pulls = read_frame(platform, "quality/reconciliation", partitions=[feed]), _pulls_of(platform, feed)
    rejected = platform.lake.read(f"quarantine/{feed}", columns=["data_set"]).to_pandas().value_counts().rename("row_count").reset_index()
    events = platform.lake.read(table, columns=["source_row_count"])["source_row_count"].to_pandas() if feed in EVENT_FEEDS else None
    found = [
        *conservation.check_conservation(
            account, pulls, rejected, platform.lake.count(table), None if events is None else int(events.sum())
        ),
        conservation.check_history(pulls),
        checks.check_good_share(account),
    ]
    if feed in REGISTER_FLOORS:
        found.append(checks.check_register_size(feed, platform.lake.count(table)))
    if feed == "business_licenses":
        columns = ["license_id", "business_type", "business_name", "address"]
        found.append(checks.check_license_ids(read_frame(platform, table, columns)))
    if feed in ("property_violations", "dangerous_buildings"):
        register = read_frame(platform, "clean/parcels", ["parcel_id"])["parcel_id"].dropna()
        found.append(checks.check_parcel_numbers(table, read_frame(platform, table, ["parcel_id"])["parcel_id"], register))
    return [*found, *(check_drift(platform, feed) if feed in EVENT_FEEDS else [])]


def _pulls_of(platform: Platform, feed: str) -> "pd.DataFrame":
    """Newest pull of each part of a feed, with the rows of its largest earlier one."""
    import pandas as pd

    rows = []
    for manifest in newest_pulls(platform, FEEDS[feed]).values():
        place = (feed, manifest.data_set, manifest.partition)
        earlier = platform.raw.pulls(*place)[:-1] if int(manifest.pull_id) > 1 else []
        largest = max((pull.row_count for pull in earlier), default=0)
        rows.append((manifest.data_set, manifest.partition, manifest.pull_id, manifest.row_count, largest))
    return pd.DataFrame(rows, columns=["data_set", "month", "pull_id", "row_count", "largest_before"])


def _judge_businesses(platform: Platform) -> "list[Finding]":
    from kc_pipeline.quality.places import check_businesses

    columns = ["business_id", "parcel_id", "is_active"]
    parcels = read_frame(platform, "clean/parcels", ["parcel_id", "address"])
    return check_businesses(read_frame(platform, "core/businesses", columns), parcels)


def _judge_attribution(platform: Platform) -> "list[Finding]":
    """The laws of the ledger; a month that is as it was, and whose events are, is not counted again."""
    import json
    from dataclasses import asdict

    import pandas as pd

    from kc_pipeline.quality.places import AttributionCounts, added_up, check_attribution

    lake, kept = platform.lake, "kept/attribution_counts"
    parts = {table: lake.states(table) for table in ("core/event_attribution", *EVENT_TABLES)}
    same = {"located_by": json.dumps(located_by(platform))}
    months = set().union(*parts.values())
    states = {month: digest_of({**same, **{table: of.get(month, "") for table, of in parts.items()}}) for month in months}
    known = read_frame(platform, kept)
    held = known[known["state_sha256"].eq(known["month"].map(states))]
    fresh = sorted(months - set(held["month"]))
    counted = [
        (month, states[month], json.dumps(asdict(counts), sort_keys=True))
        for start in range(0, len(fresh), PARTS_AT_ONCE)
        for month, counts in _count_attribution(platform, fresh[start : start + PARTS_AT_ONCE])
    ]
    everything = pd.concat([held, pd.DataFrame(counted, columns=["month", "state_sha256", "facts"])], ignore_index=True)
    write_table(platform, kept, everything, parts)
    return check_attribution(added_up(AttributionCounts(**json.loads(facts)) for facts in everything["facts"]))


def _count_attribution(platform: Platform, months: list[str]) -> "Iterator[tuple[str, AttributionCounts]]":
    import pandas as pd

    from kc_pipeline.quality.places import are_located, count_attribution

    columns = ["event_id", "feed", "month", "address", "address_precision", "latitude"]
    events = pd.concat([read_frame(platform, table, columns, months) for table in EVENT_TABLES], ignore_index=True)
    located = read_frame(platform, "core/located_addresses", ["address", "address_precision", "latitude"])
    events = events.assign(is_located=are_located(events, located))
    columns = ["event_id", "month", "business_parcel_id", "attribution_method", "precision", "weight"]
    ledger = read_frame(platform, "core/event_attribution", columns, months)
    shares, happened = (dict(list(rows.groupby("month", sort=False))) for rows in (ledger, events))
    for month in months:
        yield month, count_attribution(shares.get(month, ledger[:0]), happened.get(month, events[:0]))


def _judge_source_quality(platform: Platform, day: date) -> "list[Finding]":
    from kc_pipeline.quality.marts import check_source_quality

    return check_source_quality(read_frame(platform, "marts/source_quality", partitions=[day.isoformat()]))


def _judge_business_risk(platform: Platform, day: date) -> "list[Finding]":
    from kc_pipeline.quality.marts import check_business_risk

    rows, quality = (read_frame(platform, f"marts/{mart}", partitions=[day.isoformat()]) for mart in ("business_risk", "source_quality"))
    places = read_frame(platform, "core/business_parcels", ["business_parcel_id"])["business_parcel_id"]
    ledger = read_frame(platform, "core/event_attribution", list(_LEDGER), counted_months(platform, day))
    return check_business_risk(rows, places, ledger, quality, day)


def _judge_risk_factors(platform: Platform, day: date) -> "list[Finding]":
    from kc_pipeline.quality.marts import check_risk_factors

    parts = [day.isoformat()]
    factors = read_frame(platform, "marts/business_risk_factors", ["business_parcel_id", "log_contribution"], parts)
    risk = read_frame(platform, "marts/business_risk", ["business_parcel_id", "expected_events_per_year"], parts)
    return check_risk_factors(factors, risk)


def _judge_threshold_status(platform: Platform, day: date) -> "list[Finding]":
    from kc_pipeline.quality.marts import check_threshold_status

    status, events = (
        read_frame(platform, f"marts/{mart}", partitions=[day.isoformat()]) for mart in ("threshold_status", "threshold_events")
    )
    return check_threshold_status(
        status, events, read_frame(platform, "core/business_parcels", ["business_parcel_id"])["business_parcel_id"]
    )


def _judge_action_items(platform: Platform, day: date) -> "list[Finding]":
    from kc_pipeline.quality.marts import check_action_items

    items = read_frame(platform, "marts/action_items", ["business_parcel_id"], [day.isoformat()])
    return check_action_items(items, read_frame(platform, "core/business_parcels", ["business_parcel_id"])["business_parcel_id"])


def _judge_public_counts(platform: Platform, day: date) -> "list[Finding]":
    from kc_pipeline.quality.marts import check_public_counts

    return check_public_counts(read_frame(platform, "marts/public_neighborhood_quarter", partitions=[day.isoformat()]))


def _nothing_more(_platform: Platform, _day: date) -> "list[Finding]":
    """All laws of the mart are those of single rows, or judged with another mart."""
    return []


_JUDGES: "Mapping[str, Callable[[Platform], list[Finding]]]" = {
    "core/businesses": _judge_businesses,
    "core/event_attribution": _judge_attribution,
}
_JUDGES_OF_DAYS: "Mapping[str, Callable[[Platform, date], list[Finding]]]" = {
    "marts/source_quality": _judge_source_quality,
    "marts/business_risk": _judge_business_risk,
    "marts/business_risk_factors": _judge_risk_factors,
    "marts/threshold_status": _judge_threshold_status,
    "marts/threshold_events": _nothing_more,
    "marts/action_items": _judge_action_items,
    "marts/dim_business": _nothing_more,
    "marts/dim_business_parcel": _nothing_more,
    "marts/public_neighborhood_quarter": _judge_public_counts,
}
