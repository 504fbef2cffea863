"""Police reports: person rows and report-offence rows to distinct reports."""

import pandas as pd
import pyarrow as pa

from kc_pipeline.catalog.events import NIBRS_PLACEHOLDERS, POLICE_CATEGORY_OF_NIBRS, POLICE_CATEGORY_OF_TEXT, POLICE_SEVERITY, UNKNOWN
from kc_pipeline.transform.disagreements import record_disagreements
from kc_pipeline.transform.events import category_by_pattern, join_distinct, merge_rows, start_events
from kc_pipeline.transform.ledger import Ledger
from kc_pipeline.transform.locations import clean_addresses, clean_beats, clean_parcel_ids, clean_positions
from kc_pipeline.transform.result import CleanResult
from kc_pipeline.transform.times import parse_local

_SEVERITY = {category: rank for rank, category in enumerate(POLICE_SEVERITY)}
_FLAG = {"Y": True, "YES": True, "TRUE": True, "1": True, "N": False, "NO": False, "FALSE": False, "0": False}


def clean(raw: pa.Table) -> CleanResult:
    """Clean police reports: one event per report number, however many rows and data sets name it."""
    ledger = Ledger("police_reports", raw)
    rows = start_events(ledger, "report_number", "reported_at", "reported_time")
    is_exact = rows["record_system"] == "department"
    nibrs = rows["nibrs"].str.upper().mask(rows["nibrs"].isin(NIBRS_PLACEHOLDERS))
    rows = rows.assign(
        **clean_addresses(rows, is_exact),
        **clean_positions(rows),
        **clean_beats(rows, "area"),
        parcel_id=clean_parcel_ids(rows["parcel_id"]),
        occurred_local=parse_local(rows["occurred_date"], rows["occurred_time"]),
        nibrs_codes=nibrs,
        offense_codes=rows["offense"],
        is_domestic=rows["domestic_flag"].str.upper().map(_FLAG).astype("boolean"),
        is_firearm_used=rows["firearm_flag"].str.upper().map(_FLAG).astype("boolean"),
        severity=_categories(nibrs, rows).map(_SEVERITY).astype("int64"),
        city=rows["city"].str.upper().mask(rows["city"].str.fullmatch(r"[\d-]+").fillna(False).astype(bool)),
        source_category=nibrs.fillna(rows["description"]).fillna(rows["offense"]).fillna(rows["nibrs"]),
    )
    events = merge_rows(rows, ("is_domestic", "is_firearm_used")).set_index("event_id")
    worst = rows.sort_values(["event_id", "severity", "source_category"]).drop_duplicates("event_id").set_index("event_id")
    events["category"] = worst["severity"].map(dict(enumerate(POLICE_SEVERITY)))
    events["source_category"] = worst["source_category"]
    ranked = rows.sort_values("severity", kind="stable")
    events["record_disagreement"] = record_disagreements(ranked.assign(category=ranked["severity"].map(dict(enumerate(POLICE_SEVERITY)))))
    events["nibrs_codes"] = join_distinct(rows, "nibrs_codes")
    events["offense_codes"] = join_distinct(rows, "offense_codes")
    return ledger.close(events.reset_index(), rows["event_id"])


def _categories(nibrs: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """Category by NIBRS code, else by the words of the description or the offense."""
    by_code = nibrs.map({code: _of_nibrs(code) for code in nibrs.dropna().unique()}).astype("str")
    words = rows["description"].fillna("") + " " + rows["offense"].fillna("")
    by_words = category_by_pattern(words, POLICE_CATEGORY_OF_TEXT, UNKNOWN)
    return by_code.fillna(by_words)


def _of_nibrs(code: str) -> str | None:
    for length in (3, 2):
        if category := POLICE_CATEGORY_OF_NIBRS.get(code[:length]):
            return category
    return None
