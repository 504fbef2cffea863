"""The departments' own records: exact addresses and parcel numbers, up to the day before the city's end.

`department.sqlite` has the tables `reports` (one row per offence of a report) and `calls`; the same incident numbers
as in the open sets. The health department hands over a CSV file per month.
"""

import csv
import io
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd

from kc_pipeline.catalog.sources import DataSet, Fields, find_data_set
from kc_pipeline.sandbox.draws import DailyDraws, Floats, Integers
from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.incident_codes import CALL_KINDS, REPORT_KINDS
from kc_pipeline.sandbox.incidents import points_of
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.published import Texts, choose, local_times, numbers, text_where
from kc_pipeline.sandbox.published_police import call_numbers, report_numbers
from kc_pipeline.sandbox.registers import Registers

_NO_PARCEL, _NO_POINT, _SECOND_OFFENCE = 0.06, 0.02, 0.08
_SECOND = [i for i, k in enumerate(REPORT_KINDS) if k.offense in ("Property Damage", "Stealing All Other", "Weapons Law Violation")]
_CRITICAL = (
    "Food held between 41F and 135F", "Employee did not wash hands", "Raw food stored above ready-to-eat food",
    "No hot water at hand sink", "Toxic items stored with food", "Evidence of rodents",
)  # fmt: skip
_MINOR = ("Floor in disrepair", "Thermometer missing", "Ceiling tile stained", "Wiping cloths not in sanitizer", "Dumpster lid open")


def write_reports(connection: sqlite3.Connection, events: pd.DataFrame, draws: DailyDraws, layout: Layout, districts: pd.DataFrame) -> None:
    """Write the table `reports`."""
    kind = events["kind"].to_numpy()
    number = report_numbers(events)
    second = draws.next()
    values = _place(events, draws, layout, districts)
    day, minute = events["day"].to_numpy(), events["minute"].to_numpy()
    values |= {
        "row_id": number + "-1", "report_number": number, "reported_at": _seconds(local_times(day, minute)),
        "occurred_date": _seconds(local_times(day, minute - minute // 3)),
        "domestic_flag": np.where(np.array([k.domestic for k in REPORT_KINDS])[kind], "Y", "N"),
    }  # fmt: skip
    frame = pd.DataFrame(values, dtype=object).assign(**_offence(kind, second))
    again = (second < _SECOND_OFFENCE) & ~events["is_scripted"].to_numpy()
    other = np.array(_SECOND)[(second[again] / _SECOND_OFFENCE * len(_SECOND)).astype(np.int64)]
    more = frame[again].assign(row_id=number[again] + "-2", **_offence(other, second[again]))
    data_set = find_data_set("police_reports", "reports")
    complete = pd.concat([frame, more]).sort_values("row_id")
    _write(connection, data_set, complete, number, day)


def _offence(kind: Integers, u: Floats) -> dict[str, Texts]:
    firearm = (u * 7919 % 1.0) < np.array([k.firearm for k in REPORT_KINDS])[kind]
    return {
        "offense": np.array([k.offense for k in REPORT_KINDS], dtype=object)[kind],
        "nibrs": np.array([k.nibrs for k in REPORT_KINDS], dtype=object)[kind],
        "description": np.array([k.description for k in REPORT_KINDS], dtype=object)[kind],
        "firearm_flag": np.where(firearm, "Y", "N").astype(object),
    }


def write_calls(connection: sqlite3.Connection, events: pd.DataFrame, draws: DailyDraws, layout: Layout, districts: pd.DataFrame) -> None:
    """Write the table `calls`."""
    kind = events["kind"].to_numpy()
    number = call_numbers(events)
    day, minute = events["day"].to_numpy(), events["minute"].to_numpy()
    values = _place(events, draws, layout, districts) | {
        "row_id": number, "incident_number": number, "called_at": _seconds(local_times(day, minute)),
        "type_description": np.array([k.type_description for k in CALL_KINDS], dtype=object)[kind],
        "subtype": np.array([k.subtype for k in CALL_KINDS], dtype=object)[kind],
        "priority": np.array([k.priority for k in CALL_KINDS], dtype=object)[kind],
        "officer_initiated": np.where([k.officer_initiated for k in CALL_KINDS], "true", "false").astype(object)[kind],
    }  # fmt: skip
    data_set = find_data_set("calls_911", "calls")
    _write(connection, data_set, pd.DataFrame(values, dtype=object), number, day)


def _place(events: pd.DataFrame, draws: DailyDraws, layout: Layout, districts: pd.DataFrame) -> dict[str, Texts]:
    """Exact place of each event; a few lack the parcel number or the point, never both and never the scripted ones."""
    x, y = points_of(events, layout, draws.next(), draws.next())
    longitude, latitude = to_degrees(x, y)
    lost = draws.next()
    parcel, node = np.maximum(events["parcel"].to_numpy(), 0), events["node"].to_numpy()
    on_parcel, scripted = events["parcel"].to_numpy() >= 0, events["is_scripted"].to_numpy()
    p = layout.parcels
    crossing = (layout.nodes["street"] + " and " + layout.nodes["avenue"]).str.upper().to_numpy(dtype=object)
    has_point = scripted | (lost < 1 - _NO_POINT)
    of_parcel = districts.iloc[parcel]
    return {
        "address": np.where(on_parcel, p["address"].str.upper().to_numpy(dtype=object)[parcel], crossing[node]),
        "zip_code": p["zip_code"].to_numpy(dtype=object)[parcel],
        "parcel_id": text_where(on_parcel & (scripted | (lost >= _NO_PARCEL)), p["kiva_pin"].to_numpy(dtype=object)[parcel]),
        "latitude": text_where(has_point, numbers(latitude, 7)), "longitude": text_where(has_point, numbers(longitude, 7)),
        "beat": of_parcel["beat"].to_numpy(dtype=object), "area": of_parcel["area"].to_numpy(dtype=object),
        "division": of_parcel["area"].to_numpy(dtype=object),
    }  # fmt: skip


def _seconds(times: Texts) -> Texts:
    cut: Texts = pd.Series(times, dtype=object).str[:19].to_numpy(dtype=object)
    return cut


def _source_columns(fields: Fields) -> dict[str, str]:
    return {raw: names[0] for raw, names in fields.items()}


def _write(connection: sqlite3.Connection, data_set: DataSet, frame: pd.DataFrame, number: Texts, day: Integers) -> None:
    table, columns = data_set.id, _source_columns(data_set.fields)
    month = columns[str(data_set.month_field)]
    end_of_day = pd.Series(_seconds(local_times(day, 1_439)), index=number)
    key = frame["row_id"].str[: len(number[0])] if len(number) else frame["row_id"]
    rows = frame[list(columns)].rename(columns=columns)
    rows.insert(0, "row_id", frame["row_id"])
    rows["updated_at"] = end_of_day.reindex(key).to_numpy(dtype=object)
    types = {"latitude": "REAL", "longitude": "REAL"}
    declared = ", ".join(f"{name} {types.get(name, 'TEXT')}{' PRIMARY KEY' if name == 'row_id' else ''}" for name in rows.columns)
    connection.execute(f"CREATE TABLE {table} ({declared})")
    values = zip(*(rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in rows.columns), strict=True)
    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows.columns))})", values)  # noqa: S608
    connection.execute(f"CREATE INDEX {table}_updated_at ON {table} (updated_at)")
    connection.execute(f"CREATE INDEX {table}_month ON {table} (substr(CAST({month} AS VARCHAR), 1, 7), updated_at)")


def inspection_ids(events: pd.DataFrame) -> Texts:
    """'HI206050003': the day and the number of the inspection."""
    keys = zip(events["day"].tolist(), events["position"].tolist(), strict=True)
    return np.array([f"HI{day}{k:04d}" for day, k in keys], dtype=object)


def write_inspections(
    folder: Path, events: pd.DataFrame, draws: DailyDraws, layout: Layout, registers: Registers, published_names: Texts
) -> None:
    """Write a CSV file per month into a folder; each third one with a byte-order mark."""
    u = [draws.next() for _ in range(4)]
    permits = registers.permits
    permit = events["permit"].to_numpy()
    parcel = events["parcel"].to_numpy()
    x, y = points_of(events, layout, u[0], u[1])
    longitude, latitude = to_degrees(x, y)
    critical, minor = events["critical"].to_numpy(), events["noncritical"].to_numpy()
    day = events["day"].to_numpy()
    result = np.where(critical >= 3, "Fail", np.where(critical > 0, "Pass w/ Conditions", "Pass"))
    columns = {
        "inspection_id": inspection_ids(events),
        "permit_number": permits["permit_number"].to_numpy(dtype=object)[permit],
        "establishment_name": published_names[permit],
        "facility_type": permits["permit_type"].to_numpy(dtype=object)[permit],
        "address": layout.parcels["address"].to_numpy(dtype=object)[parcel],
        "zip_code": layout.parcels["zip_code"].to_numpy(dtype=object)[parcel],
        "inspection_date": np.datetime_as_string(day.astype("datetime64[D]"), unit="D"),
        "inspection_type": choose(("Routine", "Re-Inspection", "Complaint", "License Opening"), u[2], (75, 15, 8, 2)),
        "result": result,
        "critical_violations": critical,
        "noncritical_violations": minor,
        "violations": [_violation_text(c, m, v) for c, m, v in zip(critical.tolist(), minor.tolist(), u[3].tolist(), strict=True)],
        "latitude": numbers(latitude, 6),
        "longitude": numbers(longitude, 6),
        "inspector_phone": np.char.mod("816-555-%04d", 100 + (u[3] * 100).astype(np.int64)),
    }
    frame = pd.DataFrame(columns, dtype=object)
    folder.mkdir(parents=True, exist_ok=True)
    for month, rows in frame.groupby(frame["inspection_date"].str[:7]):
        text = io.StringIO()
        rows.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
        mark = "\ufeff" if int(str(month)[5:]) % 3 == 0 else ""
        (folder / f"health_inspections_{month}.csv").write_bytes((mark + text.getvalue()).encode())


def _violation_text(critical: int, minor: int, u: float) -> str | None:
    start = int(u * 30)
    texts = [f"{_CRITICAL[(start + i) % len(_CRITICAL)]} (critical)" for i in range(critical)]
    texts += [_MINOR[(start + i) % len(_MINOR)] for i in range(minor)]
    return "\n".join(f"{i}. {text}" for i, text in enumerate(texts, 1)) or None
