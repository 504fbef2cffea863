"""Food inspections as the health department exports them."""

import re
from collections.abc import Callable

import pandas as pd
import pyarrow as pa

from kc_pipeline.catalog.events import INSPECTION_CATEGORY_OF_PATTERN, UNKNOWN
from kc_pipeline.transform.events import category_by_pattern, merge_rows, start_events
from kc_pipeline.transform.ledger import Ledger
from kc_pipeline.transform.locations import clean_addresses, clean_positions
from kc_pipeline.transform.result import CleanResult

_ITEM_START = re.compile(r"(?:^|[|\n\r])\s*\d{1,3}\s*[.)]\s+")
_CRITICAL = re.compile(r"(?<!NON)(?<!NON[- ])CRITICAL", re.IGNORECASE)


def clean(raw: pa.Table) -> CleanResult:
    """Clean health inspections; violations are counted by their own columns, else in their numbered text."""
    ledger = Ledger("health_inspections", raw)
    rows = start_events(ledger, "inspection_id", "inspection_date")
    rows = rows.assign(
        **clean_addresses(rows, True),
        **clean_positions(rows),
        parcel_id=pd.Series(None, index=rows.index, dtype="str"),
        category=category_by_pattern(rows["inspection_type"], INSPECTION_CATEGORY_OF_PATTERN, UNKNOWN),
        source_category=rows["inspection_type"],
        inspection_result=rows["result"].str.lower(),
        critical_violation_count=_count(rows["critical_violations"]).fillna(_in_text(rows["violations"], count_critical)),
        noncritical_violation_count=_count(rows["noncritical_violations"]).fillna(_in_text(rows["violations"], count_noncritical)),
    )
    return ledger.close(merge_rows(rows), rows["event_id"])


def _count(texts: pd.Series) -> pd.Series:
    """Whole numbers; anything else, and anything below zero, is not known."""
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    return numbers.where((numbers >= 0) & (numbers < 1e9) & (numbers % 1 == 0)).astype("Int64")


def _in_text(texts: pd.Series, count: Callable[[str], int | None]) -> pd.Series:
    counts = {text: count(text) for text in texts.dropna().unique()}
    return texts.map(counts).astype("Int64")


def count_critical(text: str) -> int | None:
    """Numbered violations that are marked critical; None where the text numbers none."""
    items = _ITEM_START.split(text)[1:]
    return sum(_CRITICAL.search(item) is not None for item in items) if items else None


def count_noncritical(text: str) -> int | None:
    """Numbered violations that are not marked critical; None where the text numbers none."""
    items = _ITEM_START.split(text)[1:]
    return sum(_CRITICAL.search(item) is None for item in items) if items else None
