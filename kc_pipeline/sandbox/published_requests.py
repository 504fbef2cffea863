"""311 requests as the open portal shows them: exact, two to seven days late, with statuses that go on changing.

Streetlights and dumping stand among requests about other things, as in the real set; a reader must filter.
"""

from datetime import date

import numpy as np
import pandas as pd

from kc_pipeline.catalog.sources import Fields, find_data_set
from kc_pipeline.sandbox.draws import DailyDraws, Floats, Integers, day_number
from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.incident_codes import LEGACY_SUB_TYPES, REQUEST_KINDS
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.published import (
    Flags,
    Texts,
    choose,
    clock_texts,
    local_times,
    numbers,
    points,
    publish,
    text_where,
    with_bad_geocodes,
)
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.revisions import Revisable, Revisions, revise

DATA_SET_ID = "d4px-6rwg"
_LEGACY = find_data_set("dumping_complaints", "7at3-sxhp")
_LEGACY_LAST_DAY = date(2021, 2, 28)
_LEGACY_STATUS = {"resolved": "RESOL", "Closed": "RESOL", "canceled": "CANC"}
BULK_CLOSES = (date(2025, 2, 14), date(2025, 9, 5), date(2026, 3, 27))
_OPEN_STATUSES, _OPEN_WEIGHTS = ("received", "referred", "assigned", "new", "Received"), (46.0, 36.0, 14.0, 3.0, 1.0)
_SOURCES = ("Phone Answered", "iOS", "WEB RAI", "Android", "In-person", "CMS RAI", "Email", "Social Media")
_SOURCE_WEIGHTS = (41.0, 29.0, 13.0, 10.0, 4.0, 2.0, 1.0, 0.4)
_CANCELED, _NEVER_CLOSED, _BAD_POINT = 0.055, 0.012, 0.004
_MEDIAN_DAYS_TO_CLOSE = 12.0


def request_ids(events: pd.DataFrame) -> Texts:
    """'3202266': a number that grows from day to day."""
    number = 1_000_000 + (events["day"].to_numpy() - 19_900) * 2_000 + events["position"].to_numpy()
    texts: Texts = number.astype(str).astype(object)
    return texts


def publish_requests(
    store: RecordStore, events: pd.DataFrame, draws: DailyDraws, layout: Layout, districts: pd.DataFrame, revisions: Revisions
) -> None:
    """Put the 311 set on the portal: what was published by the end of the revisions, each request as it stood then."""
    data_set = find_data_set("dumping_complaints", DATA_SET_ID)
    u = [draws.next() for _ in range(8)]
    day, minute, kind = events["day"].to_numpy(), events["minute"].to_numpy(), events["kind"].to_numpy()
    scripted = events["is_scripted"].to_numpy()
    end = day_number(revisions.through)
    published = day + 2 + (u[0] * 6).astype(np.int64)
    is_dumping = np.array([k[3] == "dump" for k in REQUEST_KINDS])[kind]
    resolved = _resolved_days(day, is_dumping, u[1], u[2])
    done = resolved + 1 < end  # a change is published the day after
    canceled = u[3] < _CANCELED
    closed = np.where(canceled, "canceled", np.where(u[3] > 0.9995, "Closed", "resolved"))
    status = np.where(done, closed, choose(_OPEN_STATUSES, u[3], _OPEN_WEIGHTS))
    has_date = done & ~(canceled & (u[4] < 0.05))
    updated = np.where(done, np.maximum(published, resolved + 1), published)
    longitude, latitude = with_bad_geocodes(*to_degrees(events["x"].to_numpy(), events["y"].to_numpy()), u[5], _BAD_POINT, ~scripted)
    parcel = events["parcel"].to_numpy()
    p = layout.parcels
    address = p["address"].to_numpy(dtype=object)[parcel] + " Kansas City " + p["zip_code"].to_numpy(dtype=object)[parcel]
    group = np.array([k[2] for k in REQUEST_KINDS], dtype=object)[kind]
    fields = data_set.fields
    rows = pd.DataFrame(
        {
            fields["request_id"][0]: request_ids(events),
            "workorder_": text_where(u[6] < 0.11, "WO-" + request_ids(events)),
            fields["status"][0]: status,
            fields["opened_at"][0]: local_times(day, minute),
            fields["resolved_at"][0]: text_where(has_date, local_times(resolved)),
            "days_to_close": text_where(has_date, (resolved - day).astype(str).astype(object)),
            fields["report_source"][0]: choose(_SOURCES, u[6], _SOURCE_WEIGHTS),
            fields["issue_type"][0]: np.array([k[0] for k in REQUEST_KINDS], dtype=object)[kind],
            fields["issue_sub_type"][0]: np.array([k[1] for k in REQUEST_KINDS], dtype=object)[kind],
            fields["work_group"][0]: np.where(u[7] < 0.0003, "--", group),
            fields["address"][0]: address,
            fields["latitude"][0]: numbers(latitude, 9),
            fields["longitude"][0]: numbers(longitude, 9),
            "lat_long": points(longitude, latitude, 9),
            "additional_questions": '{When did you observe it?":"' + local_times(day, minute) + '"|"Would you like a call back?":"NO"}"',
            "last_updated": local_times(updated, (u[4] * 600).astype(np.int64) + 480),
            fields["council_district"][0]: text_where(u[7] >= 0.004, districts["council_district"].to_numpy(dtype=object)[parcel]),
            "source_category": np.where(u[7] < 0.48, "Staff (Internal)", "Public (External)"),
        },
        dtype=object,
    )
    types = dict.fromkeys((fields["opened_at"][0], fields["resolved_at"][0], "last_updated"), "calendar_date") | {"lat_long": "point"}
    is_legacy = day <= day_number(_LEGACY_LAST_DAY)
    out = (published < end) & ~is_legacy
    position = events["position"].to_numpy()
    found = Revisable(rows[out], day[out], position[out], published[out], updated[out])
    found = revise(data_set.id, found, fields["opened_at"][0], fields["council_district"][0], scripted[out], revisions)
    title = "311 Call Center Reported Issues"
    publish(store, data_set, title, found.rows, types, found.day, found.position, found.created, found.updated)
    if is_legacy.any():
        parcel_ids = p["kiva_pin"].to_numpy(dtype=object)[parcel]
        legacy = _legacy_form(rows[is_legacy].reset_index(drop=True), minute[is_legacy], parcel_ids[is_legacy], fields)
        types = {_LEGACY.fields[name][0]: "calendar_date" for name in ("opened_at", "resolved_at")}
        dates = (day[is_legacy], position[is_legacy], published[is_legacy], updated[is_legacy])
        publish(store, _LEGACY, "311 Call Center Service Requests 2007 - March 2021", legacy, types, *dates)


def _legacy_form(rows: pd.DataFrame, minute: Integers, parcel_ids: Texts, fields: Fields) -> pd.DataFrame:
    """Requests as the system before March 2021 wrote them, which nobody revises any more.

    Args:
        rows: in the form of the present system.
        minute: minute of the day of each.
        parcel_ids: KIVA PIN of each.
        fields: names of the columns of `rows`.
    """
    now = {name: rows[fields[name][0]] for name in fields}
    opened = now["opened_at"].str.slice(0, 10) + "T00:00:00.000"
    clock = pd.to_datetime(pd.Series(clock_texts(minute)), format="%H:%M").dt.strftime("%I:%M %p")
    then = {
        "request_id": now["opened_at"].str.slice(0, 4) + now["request_id"].str.zfill(9),
        "opened_at": opened,
        "opened_time": clock,
        "resolved_at": now["resolved_at"],
        "status": now["status"].map(_LEGACY_STATUS).fillna("OPEN"),
        "issue_type": now["issue_type"],
        "issue_sub_type": now["issue_sub_type"].replace(LEGACY_SUB_TYPES),
        "work_group": now["work_group"],
        "report_source": pd.Series("PHONE", index=rows.index),
        "address": now["address"].str.replace(r" Kansas City \d+$", "", regex=True),
        "zip_code": now["address"].str.slice(-5),
        "council_district": now["council_district"],
        "parcel_id": pd.Series(parcel_ids),
        "latitude": now["latitude"],
        "longitude": now["longitude"],
    }
    return pd.DataFrame({_LEGACY.fields[name][0]: column for name, column in then.items()}, dtype=object)


def _resolved_days(day: Integers, is_dumping: Flags, u: Floats, v: Floats) -> Integers:
    """Day of closing: log-logistic waiting times, never for some, and old dumping cases all at once on bulk days."""
    odds = np.minimum(u, 0.9999) / (1 - np.minimum(u, 0.9999))
    resolved = day + 1 + np.minimum(_MEDIAN_DAYS_TO_CLOSE * odds**0.8, 900).astype(np.int64)
    resolved = np.where(v < _NEVER_CLOSED, day + 100_000, resolved)
    for bulk in (day_number(d) for d in BULK_CLOSES):
        waiting = is_dumping & (day < bulk - 10) & (resolved > bulk)
        resolved = np.where(waiting & (v < 0.9), bulk, resolved)
    return resolved
