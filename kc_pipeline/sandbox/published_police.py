"""Police reports and 911 calls as the open portal shows them: rounded to the block, late, and with their quirks.

Rates are those measured on the city's own rows. Race, sex and age stand in the served rows on purpose: the
platform must not ask for them.
"""

from datetime import date

import numpy as np
import pandas as pd

from kc_pipeline.catalog.sources import FEEDS, DataSet, planned_data_sets
from kc_pipeline.sandbox.draws import DailyDraws, Floats, Integers, day_number
from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.incident_codes import CALL_KINDS, REPORT_KINDS
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.published import (
    Flags,
    StreetTexts,
    Texts,
    choose,
    clock_texts,
    local_times,
    next_month_day,
    next_weekday,
    points,
    publish,
    text_where,
    with_bad_geocodes,
)  # fmt: skip
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.revisions import Revisable, Revisions, revise

_SHARES = {"no_nibrs": 0.12, "nibrs_999": 0.01, "no_point": 0.015, "bad_point": 0.006, "no_address": 0.003, "zip_99999": 0.02}
_STRAY_DATE, _NO_DATE, _TWO_YEARS, _OLD_FORM, _CORNER_AS_CROSSING = 0.0012, 0.0010, 0.0003, 0.12, 0.10
_INVOLVEMENTS = ("VIC", "SUS", "CMP VIC", "ARR", "VIC WIT", "VIC SUS", "ARR CHA SUS", "SUS VIC  OTH", "ARR CHA SUS VIC", "WIT CMP")
_INVOLVEMENT_WEIGHTS = (46.0, 26.0, 10.0, 5.0, 4.0, 3.0, 2.5, 1.5, 1.0, 1.0)
_PUBLISHED_WEEKDAY, _CALLS_PUBLISHED_ON, _CALLS_LAG_DAYS = 3, 25, 41


def report_numbers(events: pd.DataFrame) -> Texts:
    """'KC26123456': the year, and a number that grows with the day of the year."""
    year, yearday = _year_and_day(events["day"].to_numpy())
    number = yearday * 2_000 + events["position"].to_numpy()
    return np.array([f"KC{y % 100:02d}{n:06d}" for y, n in zip(year.tolist(), number.tolist(), strict=True)], dtype=object)


def call_numbers(events: pd.DataFrame) -> Texts:
    """'26-1230456': the year, the day of the year and the number of the call."""
    year, yearday = _year_and_day(events["day"].to_numpy())
    parts = zip(year.tolist(), yearday.tolist(), events["position"].tolist(), strict=True)
    return np.array([f"{y % 100:02d}-{d:03d}{k:04d}" for y, d, k in parts], dtype=object)


def _year_and_day(day: Integers) -> tuple[Integers, Integers]:
    dates = day.astype("datetime64[D]")
    first = dates.astype("datetime64[Y]")
    return first.astype(np.int64) + 1970, (dates - first.astype("datetime64[D]")).astype(np.int64) + 1


def rounded_addresses(events: pd.DataFrame, layout: Layout, texts: StreetTexts, old: Floats, corner: Floats) -> tuple[Texts, Flags]:
    """Block or crossing of each event; and which are crossings. The Express Stop's scripted events keep their block."""
    parcel = np.maximum(events["parcel"].to_numpy(), 0)
    scripted = events["is_scripted"].to_numpy()
    at_corner = layout.parcels["is_corner"].to_numpy()[parcel] & (corner < _CORNER_AS_CROSSING) & ~scripted
    crossing = (events["parcel"].to_numpy() < 0) | at_corner
    older = (old < _OLD_FORM) & ~scripted
    face, node = layout.parcels["face"].to_numpy()[parcel], events["node"].to_numpy()
    block = np.where(older, texts.old_blocks[face], texts.blocks[face])
    return np.where(crossing, np.where(older, texts.old_crossings[node], texts.crossings[node]), block), crossing


def publish_reports(
    store: RecordStore, events: pd.DataFrame, draws: DailyDraws, layout: Layout, districts: pd.DataFrame, texts: StreetTexts,
    revisions: Revisions,
) -> None:  # fmt: skip
    """Put every yearly data set of police reports on the portal: what was published, revised, by the end of the revisions."""
    through = revisions.through
    u = [draws.next() for _ in range(10)]
    scripted = events["is_scripted"].to_numpy()
    address, crossing = rounded_addresses(events, layout, texts, u[0], u[1])
    day, minute = events["day"].to_numpy(), events["minute"].to_numpy()
    published = next_weekday(day + 2, _PUBLISHED_WEEKDAY)
    parcel, node = np.maximum(events["parcel"].to_numpy(), 0), events["node"].to_numpy()
    face = layout.faces.iloc[layout.parcels["face"].to_numpy()[parcel]]
    x = np.where(crossing, layout.nodes["x"].to_numpy()[node], ((face["x0"] + face["x1"]) / 2).to_numpy())
    y = np.where(crossing, layout.nodes["y"].to_numpy()[node], ((face["y0"] + face["y1"]) / 2).to_numpy())
    longitude, latitude = with_bad_geocodes(*to_degrees(x, y), u[2], _SHARES["bad_point"], ~scripted)
    has_point, plain = scripted | (u[9] < 1 - _SHARES["no_point"]), {"latitude": latitude, "longitude": longitude}
    kind = events["kind"].to_numpy()
    of_parcel = districts.iloc[parcel]
    nibrs = np.array([k.nibrs for k in REPORT_KINDS], dtype=object)[kind]
    nibrs = np.where((u[3] < _SHARES["nibrs_999"]) & ~scripted, "999", nibrs)
    nibrs = text_where(scripted | (u[3] < _SHARES["nibrs_999"]) | (u[3] >= _SHARES["nibrs_999"] + _SHARES["no_nibrs"]), nibrs)
    firearm = u[4] < np.array([k.firearm for k in REPORT_KINDS])[kind]
    reported = local_times(day, minute, (u[5] * 60).astype(np.int64))
    stray = (u[6] < _STRAY_DATE) & ~scripted
    reported[stray] = ["1923" + text[4:] for text in reported[stray]]
    reported = text_where(scripted | (u[6] < _STRAY_DATE) | (u[6] >= _STRAY_DATE + _NO_DATE), reported)
    earlier = minute - (u[7] ** 3 * minute).astype(np.int64)
    zip_code = np.where((u[8] < _SHARES["zip_99999"]) & ~scripted, "99999", layout.parcels["zip_code"].to_numpy(dtype=object)[parcel])
    rows = pd.DataFrame(
        {
            "report_number": report_numbers(events), "reported_at": reported, "reported_time": clock_texts(minute),
            "occurred_date": local_times(day), "occurred_time": clock_texts(earlier),
            "offense": np.array([k.offense for k in REPORT_KINDS], dtype=object)[kind], "nibrs": nibrs,
            "description": np.array([k.description for k in REPORT_KINDS], dtype=object)[kind],
            "beat": of_parcel["beat"].to_numpy(dtype=object), "area": of_parcel["area"].to_numpy(dtype=object),
            "address": text_where(scripted | (u[9] >= _SHARES["no_address"]), address), "zip_code": zip_code, "city": "KANSAS CITY",
            "domestic_flag": np.where(np.array([k.domestic for k in REPORT_KINDS])[kind], "true", "false"),
            "firearm_flag": np.where(firearm, "true", "false"),
            # Sets up to 2016 give a point as two numbers.
            **{name: text_where(has_point, np.round(value, 6).astype(str).astype(object)) for name, value in plain.items()},
            "point": text_where(has_point, points(longitude, latitude)),
        },
        dtype=object,
    )  # fmt: skip
    out = published < day_number(through)
    persons, extra = _persons(rows[out], events[out], draws, out)
    year, _ = _year_and_day(persons["day"].to_numpy())
    last_day = (persons["day"].to_numpy() + 1).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970 > year
    also_next = extra < np.where(last_day, 0.1, _TWO_YEARS)
    for data_set in _yearly(int(year.min()) if len(year) else through.year, through):
        this = int(data_set.first_month[:4])
        chosen = (year == this) | ((year == this - 1) & also_next)
        _publish_year(store, data_set, this, persons[chosen], published[out], revisions)


def _yearly(first_year: int, through: date) -> list[DataSet]:
    feed = FEEDS["police_reports"]
    return [d for d in planned_data_sets(feed, f"{first_year}-01", f"{through:%Y-%m}") if d.record_system == "open"]


def _persons(rows: pd.DataFrame, events: pd.DataFrame, draws: DailyDraws, out: Flags) -> tuple[pd.DataFrame, Floats]:
    """One row per involved person, 1.8 a report, with what the city publishes about persons."""
    u = [draws.next()[out] for _ in range(5)]
    count = 1 + (u[0] < 0.55).astype(np.int64) + (u[0] < 0.18) + (u[0] < 0.06) + (u[0] < 0.01)
    index = np.repeat(np.arange(len(rows)), count)
    person = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    persons = rows.iloc[index].reset_index(drop=True)
    spread = (u[1][index] + 0.381966 * person) % 1.0
    age = 16 + (u[2][index] * 60 + 7 * person).astype(np.int64) % 60
    first = choose(("VIC", "CMP VIC", "VIC WIT"), u[1][index], (8, 2, 1))
    persons["involvement"] = np.where(person == 0, first, choose(_INVOLVEMENTS, spread, _INVOLVEMENT_WEIGHTS))
    persons["race"] = choose(("B", "W", "U", None), (u[3][index] + 0.3 * person) % 1.0)
    persons["sex"] = choose(("M", "F", "U", None), (u[3][index] + 0.7 * person) % 1.0)
    persons["age"] = age.astype(str).astype(object)
    persons["age_range"] = ((age // 10 * 10).astype(str).astype(object) + "-") + (age // 10 * 10 + 9).astype(str).astype(object)
    persons["invl_no"] = (person + 1).astype(str).astype(object)
    persons["rep_dist"] = "PJ" + (1000 + (events["node"].to_numpy()[index] * 7) % 9000).astype(str).astype(object)
    persons["is_scripted"] = events["is_scripted"].to_numpy()[index]
    persons["event"], persons["day"], persons["person"] = index, events["day"].to_numpy()[index], person
    persons["position"] = events["position"].to_numpy()[index]
    return persons, u[4][index]


def _publish_year(
    store: RecordStore, data_set: DataSet, year: int, persons: pd.DataFrame, published: Integers, revisions: Revisions
) -> None:
    # The newer of a field's two spellings came in with the data set of 2025.
    names = {raw: found[-1] if year >= 2025 and raw in ("zip_code", "firearm_flag") else found[0] for raw, found in data_set.fields.items()}
    kept = [raw for raw in persons.columns if raw in names] + ["race", "sex", "age", "age_range", "invl_no", "rep_dist"]
    rows = persons[kept].rename(columns=names)
    types = {names["reported_at"]: "calendar_date", names["occurred_date"]: "calendar_date", "age": "number"}
    types |= {names[raw]: kind for raw, kind in (("point", "point"), ("latitude", "number"), ("longitude", "number")) if raw in names}
    stamp = published[persons["event"].to_numpy()]
    position = persons["position"].to_numpy() * 8 + persons["person"].to_numpy()
    found = Revisable(rows, persons["day"].to_numpy(), position, stamp, stamp)
    fixed = persons["is_scripted"].to_numpy(dtype=bool)
    found = revise(data_set.id, found, names["reported_at"], names["domestic_flag"], fixed, revisions)
    publish(store, data_set, f"KCPD Crime Data {year}", found.rows, types, found.day, found.position, found.created, found.updated)


def publish_calls(
    store: RecordStore, events: pd.DataFrame, draws: DailyDraws, layout: Layout, districts: pd.DataFrame, texts: StreetTexts,
    revisions: Revisions,
) -> None:  # fmt: skip
    """Put the open sets of 911 calls on the portal: about eight weeks behind, without coordinates, and not of every year."""
    old, corner, lost = draws.next(), draws.next(), draws.next()
    day, minute = events["day"].to_numpy(), events["minute"].to_numpy()
    published = next_month_day(day + _CALLS_LAG_DAYS, _CALLS_PUBLISHED_ON)
    out = published < day_number(revisions.through)
    address, _ = rounded_addresses(events, layout, texts, old, corner)
    address = text_where(events["is_scripted"].to_numpy() | (lost >= 0.004), address)
    of_parcel = districts.iloc[np.maximum(events["parcel"].to_numpy(), 0)]
    kind = events["kind"].to_numpy()
    values = {
        "incident_number": call_numbers(events), "called_at": local_times(day, minute),
        "type_description": np.array([k.type_description for k in CALL_KINDS], dtype=object)[kind],
        "subtype": np.array([k.subtype for k in CALL_KINDS], dtype=object)[kind],
        "priority": np.array([k.priority for k in CALL_KINDS], dtype=object)[kind],
        "division": of_parcel["area"].to_numpy(dtype=object), "beat": of_parcel["beat"].to_numpy(dtype=object), "address": address,
    }  # fmt: skip
    position, scripted = events["position"].to_numpy(), events["is_scripted"].to_numpy()
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    open_sets = [d for d in FEEDS["calls_911"].data_sets if d.record_system == "open" and d.covers(str(month.min()), str(month.max()))]
    for data_set in open_sets:
        held = out & (month >= np.datetime64(data_set.first_month)) & (month <= np.datetime64(data_set.last_month or "9999-12"))
        rows = pd.DataFrame({data_set.fields[raw][0]: value[held] for raw, value in values.items()}, dtype=object)
        called_at, priority = data_set.fields["called_at"][0], data_set.fields["priority"][0]
        found = Revisable(rows, day[held], position[held], published[held], published[held])
        found = revise(data_set.id, found, called_at, priority, scripted[held], revisions)
        title, types = "KCPD Dispatched Calls for Service", {called_at: "calendar_date"}
        publish(store, data_set, title, found.rows, types, found.day, found.position, found.created, found.updated)
