"""911 calls: one event per incident number, open block-level rows and departments' exact rows together."""

import pyarrow as pa

from kc_pipeline.catalog.events import CALL_CATEGORY_OF_PATTERN, OFFICER_INITIATED_CATEGORIES, UNKNOWN
from kc_pipeline.transform.disagreements import record_disagreements
from kc_pipeline.transform.events import category_by_pattern, merge_rows, start_events
from kc_pipeline.transform.ledger import Ledger
from kc_pipeline.transform.locations import clean_addresses, clean_beats, clean_parcel_ids, clean_positions
from kc_pipeline.transform.result import CleanResult


def clean(raw: pa.Table) -> CleanResult:
    """Clean 911 calls."""
    ledger = Ledger("calls_911", raw)
    rows = start_events(ledger, "incident_number", "called_at")
    category = category_by_pattern(rows["type_description"], CALL_CATEGORY_OF_PATTERN, UNKNOWN)
    said = rows["officer_initiated"].str.upper().map({"TRUE": True, "Y": True, "1": True, "FALSE": False, "N": False, "0": False})
    begun_by_officer = category.isin(OFFICER_INITIATED_CATEGORIES).astype("boolean").mask(category == UNKNOWN)
    rows = rows.assign(
        **clean_addresses(rows, rows["record_system"] == "department"),
        **clean_positions(rows),
        **clean_beats(rows, "division"),
        parcel_id=clean_parcel_ids(rows["parcel_id"]),
        category=category,
        source_category=rows["type_description"],
        is_officer_initiated=said.astype("boolean").fillna(begun_by_officer) | begun_by_officer.fillna(False),
    )
    events = merge_rows(rows, ("is_officer_initiated",)).set_index("event_id")
    events["record_disagreement"] = record_disagreements(rows)
    return ledger.close(events.reset_index(), rows["event_id"])
