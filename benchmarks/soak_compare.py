"""Is what a long history of runs left the same as one clean pull of the same sources?

Not compared is what tells history itself: when and by which pull a row first came (`first_seen_utc`, `pull_id`, `page`, `line`,
`data_set`, `available_date`, `known_date`), and from when to when a version held.
"""

from collections.abc import Iterator
from datetime import date

import pyarrow as pa

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import PROVENANCE, TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.store.lake import canonical_bytes

_HISTORY = (*PROVENANCE, "available_date", "known_date", "valid_from", "snapshot_date")
_OF_VERSIONS = ("core/business_history", "core/business_parcel_history", "marts/dim_business", "marts/dim_business_parcel")
_QUARANTINE = ("feed", "data_set", "month", "rule", "reason", "rejected_value", "raw_row")
_ACCOUNT = (
    "feed", "data_set", "month", "received_count", "good_count", "quarantined_count", "duplicate_count", "event_count", "code_version",
)  # fmt: skip
_NAMED = 3


def differences(ours: Platform, theirs: Platform, as_of: date) -> Iterator[tuple[str, list[str]]]:
    """Each table that was compared, and what differs in it, a sentence each; nothing where it is equal.

    Args:
        ours: what the runs left.
        theirs: the clean rebuild.
        as_of: the day whose marts are compared.
    """
    for feed in FEEDS:
        yield f"clean/{feed}", _compare(ours, theirs, f"clean/{feed}", None)
        yield f"quarantine/{feed}", _compare(ours, theirs, f"quarantine/{feed}", None, _QUARANTINE)
    yield "quality/reconciliation", _compare(ours, theirs, "quality/reconciliation", None, _ACCOUNT)
    for name, table in TABLES.items():
        if table.layer in ("core", "marts"):
            yield name, _compare(ours, theirs, name, as_of if table.layer == "marts" else None)
    for feed in EVENT_FEEDS:
        yield f"first seen: {feed}", _later_than_rebuilt(ours, theirs, feed)


def _compare(ours: Platform, theirs: Platform, table: str, as_of: date | None, kept: tuple[str, ...] | None = None) -> list[str]:
    parts = [as_of.isoformat()] if as_of else None
    one, other = (_without_history(table, platform.lake.read(table, partitions=parts), kept) for platform in (ours, theirs))
    if kept is None and not any(pa.types.is_binary(field.type) for field in one.schema):
        if canonical_bytes(table, one) == canonical_bytes(table, other):
            return []
    elif _sorted(one) == _sorted(other):
        return []
    return _named(table, one, other)


def _without_history(table: str, rows: pa.Table, kept: tuple[str, ...] | None) -> pa.Table:
    if kept is not None:
        rows = rows.select(list(kept))
        return rows.filter(pa.compute.greater(rows["received_count"], 0)) if table == "quality/reconciliation" else rows
    if table in _OF_VERSIONS:
        rows = rows.filter(rows["is_current"])
    for name in (*_HISTORY, *TABLES[table].volatile):
        if name in rows.column_names and name != "valid_from":
            rows = rows.set_column(rows.schema.get_field_index(name), name, pa.nulls(rows.num_rows, rows.schema.field(name).type))
    if "valid_from" in rows.column_names:
        rows = rows.set_column(
            rows.schema.get_field_index("valid_from"), "valid_from", pa.array([date(2000, 1, 1)] * rows.num_rows, pa.date32())
        )
    return rows


def _sorted(rows: pa.Table) -> list[str]:
    return sorted(map(repr, rows.to_pylist()))


def _named(table: str, one: pa.Table, other: pa.Table) -> list[str]:
    """Some of the rows that differ, by key and column."""
    key = [name for name in TABLES[table].key if name in one.column_names and name not in ("pull_id", "page", "line")]
    if table.startswith("quarantine/"):
        key = list(one.column_names)
    left, right = ({tuple(row[name] for name in key): row for row in rows.to_pylist()} for rows in (one, other))
    only_left, only_right = sorted(set(left) - set(right), key=repr), sorted(set(right) - set(left), key=repr)
    changed = sorted((k for k in set(left) & set(right) if repr(left[k]) != repr(right[k])), key=repr)
    counts = f"{len(only_left)} only kept, {len(only_right)} only rebuilt, {len(changed)} differ"
    said = [f"{one.num_rows} rows, rebuilt {other.num_rows}; {counts}"]
    said += [f"only kept: {k}" for k in only_left[:_NAMED]] + [f"only rebuilt: {k}" for k in only_right[:_NAMED]]
    for k in changed[:_NAMED]:
        ours, theirs = left[k], right[k]
        said += [f"{k}: {name} is {ours[name]!r}, rebuilt {theirs[name]!r}" for name in ours if repr(ours[name]) != repr(theirs[name])]
    return said


def _later_than_rebuilt(ours: Platform, theirs: Platform, feed: str) -> list[str]:
    """As-of honesty: no event counts earlier than it could be known, nor from a day that has not come."""
    said = []
    today = ours.now().date()
    for row in ours.lake.read(f"clean/{feed}", columns=["event_id", "available_date", "report_date"]).to_pylist():
        if not row["report_date"] <= row["available_date"] or row["available_date"] > today:
            said.append(f"{row['event_id']}: reported {row['report_date']}, available {row['available_date']}, today {today}")
    return said[:_NAMED]
