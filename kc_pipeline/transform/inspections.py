"""Food inspections as the health department exports them."""

import pandas as pd
import pyarrow as pa

from kc_pipeline.catalog.events import INSPECTION_CATEGORY_OF_PATTERN, UNKNOWN
from kc_pipeline.transform.events import category_by_pattern, merge_rows, start_events
from kc_pipeline.transform.ledger import Ledger
from kc_pipeline.transform.locations import clean_addresses, clean_positions
from kc_pipeline.transform.result import CleanResult


def clean(raw: pa.Table) -> CleanResult:
    """Clean health inspections; violation counts are missing where the export does not give them."""
    ledger = Ledger("health_inspections", raw)
    rows = start_events(ledger, "inspection_id", "inspection_date")
    rows = rows.assign(
        **clean_addresses(rows, True),
        **clean_positions(rows),
        parcel_id=pd.Series(None, index=rows.index, dtype="str"),
        category=category_by_pattern(rows["inspection_type"], INSPECTION_CATEGORY_OF_PATTERN, UNKNOWN),
        source_category=rows["inspection_type"],
        inspection_result=rows["result"].str.lower(),
        critical_violation_count=_count(rows["critical_violations"]),
        noncritical_violation_count=_count(rows["noncritical_violations"]),
    )
    return ledger.close(merge_rows(rows), rows["event_id"])


def _count(texts: pd.Series) -> pd.Series:
    """Whole numbers; anything else, and anything below zero, is not known."""
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    return numbers.where((numbers >= 0) & (numbers % 1 == 0)).astype("Int64")
