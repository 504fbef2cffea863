"""Registers of businesses and buildings: licences, food permits, property violations, dangerous buildings, bus stops."""

import hashlib

import pandas as pd
import pyarrow as pa

from kc_pipeline.transform.ledger import Ledger, provenance
from kc_pipeline.transform.locations import clean_addresses, clean_parcel_ids, clean_positions
from kc_pipeline.transform.result import CleanResult
from kc_pipeline.transform.times import parse_local

_NO_NAME = frozenset({"N/A", "NA", "NONE", "SAME", "."})


def clean_licenses(raw: pa.Table) -> CleanResult:
    """Clean business licences: a row per licence class."""
    ledger = open_register("business_licenses", raw, "license_id")
    rows = ledger.usable
    record_id = _unique_ids(
        "business_licenses", rows, ["license_id", "business_type", "address", "dba_name", "business_name", "valid_until"], 2
    )
    # The portal's names are the wrong way round: its business_name is the name over the door, its dba_name the holder's.
    trade = rows["business_name"].mask(rows["business_name"].str.upper().isin(_NO_NAME))
    records = place_records(rows, record_id).assign(
        license_id=rows["license_id"],
        business_type=rows["business_type"],
        business_name=trade.fillna(rows["dba_name"]),
        legal_name=rows["dba_name"].mask(trade.isna() | (trade == rows["dba_name"])),
        valid_until=parse_local(rows["valid_until"]).dt.normalize(),
        city=rows["city"].str.upper(),
        state=rows["state"].str.upper(),
    )
    return ledger.close(records, record_id)


def clean_permits(raw: pa.Table) -> CleanResult:
    """Clean food permits."""
    ledger = open_register("food_permits", raw, "permit_number")
    rows = ledger.usable
    record_id = _unique_ids("food_permits", rows, ["permit_number", "establishment_name", "address", "business_type"], 1)
    records = place_records(rows, record_id).assign(
        permit_number=rows["permit_number"],
        establishment_name=rows["establishment_name"],
        business_type=rows["business_type"],
        case_status=rows["status"],
        city=rows["city"].str.upper(),
        state=rows["state"].str.upper(),
    )
    return ledger.close(records, record_id)


def clean_violations(raw: pa.Table) -> CleanResult:
    """Clean property violations: one record per violation, also where a data set and a view of it both have it."""
    ledger = open_register("property_violations", raw, "violation_id")
    rows = ledger.usable
    record_id = "property_violations:" + rows["violation_id"]
    records = place_records(rows, record_id).assign(
        case_number=rows["case_number"],
        case_status=rows["status"],
        violation_code=rows["violation_code"],
        violation_text=rows["violation_text"],
        parcel_id=clean_parcel_ids(rows["parcel_id"]),
        opened_date=parse_local(rows["opened_at"]).dt.normalize(),
        resolved_date=parse_local(rows["resolved_at"]).dt.normalize(),
    )
    return ledger.close(records.drop_duplicates("record_id"), record_id)


def clean_dangerous_buildings(raw: pa.Table) -> CleanResult:
    """Clean reports of dangerous buildings: one record per case."""
    ledger = open_register("dangerous_buildings", raw, "case_id")
    rows = ledger.usable
    record_id = "dangerous_buildings:" + rows["case_id"]
    records = place_records(rows, record_id).assign(
        case_status=rows["status"],
        parcel_id=clean_parcel_ids(rows["parcel_id"]),
        opened_date=parse_local(rows["opened_at"]).dt.normalize(),
        resolved_date=parse_local(rows["resolved_at"]).dt.normalize(),
    )
    return ledger.close(records.drop_duplicates("record_id"), record_id)


def clean_bus_stops(raw: pa.Table) -> CleanResult:
    """Clean bus stops: one record per stop number."""
    ledger = open_register("bus_stops", raw, "stop_id")
    rows = ledger.usable
    record_id = "bus_stops:" + rows["stop_id"]
    said = {"stop_id": rows["stop_id"], "stop_name": rows["stop_name"]}
    has = {"has_shelter": _true_or_false(rows["shelter"]), "has_light": _true_or_false(rows["lighting"])}
    position = clean_positions(rows.assign(address=rows["stop_name"]))
    records = pd.DataFrame({"record_id": record_id, **said, **has, **position, **provenance(rows)}, index=rows.index)
    return ledger.close(records.drop_duplicates("record_id"), record_id)


def _true_or_false(texts: pd.Series) -> pd.Series:
    """True and false in the portal's words; what is neither is missing."""
    return texts.str.lower().map({"true": True, "false": False}).astype("boolean")


def open_register(feed: str, raw: pa.Table, key: str) -> Ledger:
    """A ledger over the raw rows of a register; rows without a value in `key` are rejected."""
    ledger = Ledger(feed, raw)
    rows = ledger.usable
    ledger.reject(rows[key].isna(), "identity_missing", f"The row has no {key}: {{value}}.", rows[key])
    return ledger


def place_records(rows: pd.DataFrame, record_id: pd.Series) -> pd.DataFrame:
    """What every record of a register has: key, place and provenance."""
    place = clean_addresses(rows, True)[["address", "zip_code"]].join(clean_positions(rows))
    return pd.DataFrame({"record_id": record_id, **place, **provenance(rows)}, index=rows.index)


def _unique_ids(feed: str, rows: pd.DataFrame, columns: list[str], plain: int) -> pd.Series:
    """A key for each row that does not depend on the order of rows.

    Args:
        feed: put in front.
        rows: records.
        columns: what tells records apart, most telling first.
        plain: how many of them make the key as long as that is unique; else a hash of all is added, and a running number
            for records that are alike in all of them.
    """
    filled = rows[columns].fillna("")
    text = filled[columns[0]].str.cat(filled[columns[1:]], sep="|")
    key = feed + ":" + filled[columns[0]]
    for column in columns[1:plain]:
        key = key + ":" + filled[column]
    repeated = key.duplicated(keep=False)
    if not repeated.any():
        return key
    digest = text[repeated].map({t: hashlib.sha256(t.encode()).hexdigest()[:10] for t in text[repeated].unique()})
    key = key.mask(repeated, key + ":" + digest)
    ordered = rows.assign(key=key).sort_values(["key", "row_id"], kind="stable")
    number = ordered.groupby("key").cumcount()
    return key.mask(number.reindex(key.index) > 0, key + ":" + (number.reindex(key.index) + 1).astype("str"))
