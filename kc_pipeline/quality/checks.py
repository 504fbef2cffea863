"""Laws of a whole clean table: its keys, its account, its size, and the registers it points to."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.own_rules import MINIMUM_GOOD_SHARE, REGISTER_FLOORS
from kc_pipeline.catalog.rules import rule_of
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.digests import repeated_keys
from kc_pipeline.membership import among


@dataclass(frozen=True)
class Finding:
    """Whether one law holds.

    Attributes:
        law: name of the rule in catalog/rules.py, which also says what a failure does.
        passed: whether it holds.
        facts: numbers and offending keys that show it.
        sentences: what was found, for a reader who is no engineer.
    """

    law: str
    passed: bool
    facts: dict[str, int | float | str]
    sentences: tuple[str, ...] = ()


def check_keys(table: str, rows: pa.Table) -> Finding:
    """Whether no key of a table occurs twice.

    Args:
        table: name in the catalogue.
        rows: all its rows, at least the key columns.
    """
    key = list(TABLES[table].key)
    repeated = repeated_keys(rows.select(key))
    sample = ", ".join("|".join(str(row[name]) for name in key) for row in repeated.slice(0, 5).to_pylist())
    too_many = (pc.sum(repeated["count_all"]).as_py() or 0) - repeated.num_rows
    distinct = rows.num_rows - too_many
    return Finding("key_is_unique", not repeated.num_rows, {"rows": rows.num_rows, "distinct_keys": distinct, "sample": sample})


def check_good_share(account: pd.DataFrame) -> Finding:
    """Whether nearly all source rows of a feed are usable.

    Args:
        account: the feed's rows of quality/reconciliation.
    """
    received, usable = int(account["received_count"].sum()), int(account["good_count"].sum() + account["duplicate_count"].sum())
    facts: dict[str, int | float | str] = {
        "received": received,
        "good_share": round(usable / received, 6) if received else 1.0,
        "minimum": MINIMUM_GOOD_SHARE,
    }
    return Finding("nearly_all_rows_are_good", usable >= MINIMUM_GOOD_SHARE * received, facts)


def check_register_size(feed: str, row_count: int) -> Finding:
    """Whether a register that was pulled has as many rows as the smallest that could be whole; one never pulled is silent, not wrong."""
    floor = REGISTER_FLOORS[feed]
    return Finding("register_is_whole", row_count == 0 or row_count >= floor, {"rows": row_count, "minimum": floor})


def check_license_ids(licenses: pd.DataFrame) -> Finding:
    """Whether a licence id stands in several rows only where one business has several licence classes.

    Args:
        licenses: clean/business_licenses: license_id, business_type, business_name, address.
    """
    repeated = licenses[licenses["license_id"].duplicated(keep=False)]
    of_id = repeated.groupby("license_id")
    one_business = (of_id["address"].nunique(dropna=False) == 1) & (of_id["business_name"].nunique(dropna=False) == 1)
    strange = one_business[~(one_business & (of_id["business_type"].nunique(dropna=False) == of_id.size()))].index
    facts: dict[str, int | float | str] = {
        "rows": len(licenses),
        "distinct_ids": int(licenses["license_id"].nunique()),
        "ids_with_several_classes": len(of_id) - len(strange),
        "strange": len(strange),
        "sample": ", ".join(map(str, strange[:5])),
    }
    said = (
        f"business_licenses: {facts['rows']:,} rows are {facts['distinct_ids']:,} licence ids; "
        f"{facts['ids_with_several_classes']:,} of them have a row for each of several licence classes."
    )
    return Finding("ids_repeat_only_by_class", not len(strange), facts, (said,))


def check_parcel_numbers(table: str, parcel_ids: pd.Series, register: Iterable[str]) -> Finding:
    """Whether nearly all parcel numbers that a table names are in the parcel register, where there is one."""
    rule, given, known = rule_of(table, "parcels_are_in_the_register"), parcel_ids.dropna(), pd.Index(register)
    unknown = given[~among(given, known)]
    share = 1 - len(unknown) / len(given) if len(given) and len(known) else 1.0
    facts: dict[str, int | float | str] = {
        "given": len(given), "unknown": len(unknown), "share": round(share, 4), "minimum": rule.least_share,
        "sample": ", ".join(sorted(unknown.unique())[:5]),
    }  # fmt: skip
    return Finding(rule.name, share >= rule.least_share, facts)
