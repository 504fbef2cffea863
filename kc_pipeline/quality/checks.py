"""Laws that every clean table must keep before anything is built on it."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.geography import REGION_EAST, REGION_NORTH, REGION_SOUTH, REGION_WEST
from kc_pipeline.catalog.tables import TABLES

MINIMUM_GOOD_SHARE = 0.97


@dataclass(frozen=True)
class Finding:
    """Whether one law holds.

    Attributes:
        law: snake_case name.
        passed: whether it holds.
        blocks: whether a failure must stop what is built on the table.
        facts: numbers and offending keys that show it.
    """

    law: str
    passed: bool
    blocks: bool
    facts: dict[str, int | float | str]


def check_clean_table(table: str, rows: pa.Table, reconciliation: pa.Table) -> list[Finding]:
    """Judge the rows of a clean table and the account of how they were made.

    Args:
        table: name in the catalogue, 'clean/<feed>'.
        rows: all rows of the table.
        reconciliation: the feed's rows of quality/reconciliation.
    """
    contract = TABLES[table]
    received, good, quarantined, duplicates = (
        pc.sum(reconciliation[f"{name}_count"]).as_py() or 0 for name in ("received", "good", "quarantined", "duplicate")
    )
    distinct = rows.group_by(list(contract.key)).aggregate([]).num_rows
    findings = [
        Finding("key_is_unique", distinct == rows.num_rows, True, {"rows": rows.num_rows, "distinct_keys": distinct}),
        Finding(
            "every_received_row_is_accounted_for", received == good + quarantined + duplicates, True,
            {"received": received, "good": good, "quarantined": quarantined, "duplicates": duplicates},
        ),
        Finding(
            "nearly_all_rows_are_good", good + duplicates >= MINIMUM_GOOD_SHARE * received, True,
            {"good_share": round((good + duplicates) / received, 6) if received else 1.0, "minimum": MINIMUM_GOOD_SHARE},
        ),
    ]  # fmt: skip
    if "latitude" in rows.column_names:
        outside = rows.filter(_outside_region(rows))
        sample = ", ".join(outside[contract.key[0]].slice(0, 5).to_pylist())
        findings.append(
            Finding("coordinates_lie_in_the_region", outside.num_rows == 0, True, {"outside": outside.num_rows, "sample": sample})
        )
    return findings


def _outside_region(rows: pa.Table) -> pa.ChunkedArray:
    latitude, longitude = rows["latitude"], rows["longitude"]
    inside = pc.and_(
        pc.and_(pc.greater_equal(latitude, REGION_SOUTH), pc.less_equal(latitude, REGION_NORTH)),
        pc.and_(pc.greater_equal(longitude, REGION_WEST), pc.less_equal(longitude, REGION_EAST)),
    )
    return pc.fill_null(pc.invert(inside), False)
