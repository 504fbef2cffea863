"""What every event feed has in common: an identity, a report date, and one event made of one or more source rows."""

from datetime import timedelta

import numpy as np
import pandas as pd

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.sources import FEEDS, find_data_set
from kc_pipeline.transform.ledger import Ledger
from kc_pipeline.transform.times import clock_status, parse_local, time_of_day

_LOCATION = ("address", "address_precision", "zip_code", "latitude", "longitude", "no_location_reason")
_PRECISION_RANK = {"exact": 0, "block": 1, "intersection": 2, "none": 3}


def start_events(ledger: Ledger, key: str, date: str, clock: str | None = None) -> pd.DataFrame:
    """Usable rows with event_id, report_date, times, month, available_date and record system; the others are rejected.

    Args:
        ledger: the feed's raw rows.
        key: raw column that identifies the event.
        date: raw column with the report date.
        clock: raw column with the time of day, where it stands apart.
    """
    feed = FEEDS[ledger.feed]
    local = parse_local(ledger.rows[date], ledger.rows[clock] if clock else None)
    months = local.dt.strftime("%Y-%m").astype("str")
    rows = ledger.usable
    ledger.reject(rows[key].isna(), "identity_missing", f"The row has no {key}: {{value}}.", rows[key], months)
    rows = ledger.usable
    ledger.reject(rows[date].isna(), "report_date_missing", f"The row has no {date}: {{value}}.", rows[date], months)
    rows = ledger.usable
    ledger.reject(local[rows.index].isna(), "report_date_unreadable", f"{date} {{value}} is no date.", rows[date], months)
    rows = ledger.usable
    pulled = rows["pulled_at"].dt.tz_convert(TIME_ZONE).dt.tz_localize(None)
    first, last = pd.Timestamp(f"{feed.first_month}-01"), pulled + timedelta(days=1)
    strange = (local[rows.index] < first) | (local[rows.index] > last)
    reason = f"{date} {{value}} is before {first.date()} or after the day it was pulled."
    ledger.reject(strange, "report_date_out_of_range", reason, rows[date], pd.Series("undated", index=rows.index))
    rows = ledger.usable
    moment = local[rows.index]
    has_clock = (moment != moment.dt.normalize()) | (time_of_day(rows[clock]).notna() if clock else False)
    data_sets = {name: find_data_set(ledger.feed, name) for name in rows["data_set"].unique()}
    lag = pd.to_timedelta(rows["data_set"].map({name: d.lag_days for name, d in data_sets.items()}).astype("float"), unit="D")
    pulled_day = pulled[rows.index].dt.normalize()
    available = np.minimum(pulled_day.astype("datetime64[us]"), (moment.dt.normalize() + lag).astype("datetime64[us]"))
    return rows.assign(
        event_id=ledger.feed + ":" + rows[key].str.upper(),
        feed=ledger.feed,
        month=months[rows.index],
        report_date=moment.dt.normalize(),
        reported_local=moment,
        available_date=available,
        record_system=rows["data_set"].map({name: d.record_system for name, d in data_sets.items()}).astype("str"),
        first_seen_utc=rows["pulled_at"],
        occurred_local=pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]"),
        **clock_status(moment, has_clock),
    )


def merge_rows(rows: pd.DataFrame, flags: tuple[str, ...] = ()) -> pd.DataFrame:
    """One event for all rows of an event_id.

    Location and provenance are those of the row that says best where it happened (a department's before an open one),
    never mixed of several.  Other columns take the first value given, in that order; flags are true if any row says so.
    """
    order = rows.assign(
        _department=(rows["record_system"] != "department").astype("int8"),
        _precision=rows["address_precision"].map(_PRECISION_RANK).astype("float"),
    ).sort_values(["event_id", "_precision", "_department", "data_set", "partition", "pull_id", "page", "line"], kind="stable")
    best = order.drop_duplicates("event_id").set_index("event_id")
    groups = order.groupby("event_id", sort=False)
    values = [name for name in order.columns if name not in (*_LOCATION, "event_id", "geometry", "pulled_at") and not name.startswith("_")]
    whole = ("data_set", "partition", "pull_id", "page", "line", "month", "report_date", "reported_local", "reported_utc", "reported_clock")
    filled = groups[[name for name in values if name not in whole]].first()
    merged = best.assign(**{name: filled[name] for name in filled.columns if name not in flags})
    # A parcel of another row would contradict an exact address.
    merged["parcel_id"] = best["parcel_id"].where(best["address_precision"] == "exact", merged["parcel_id"])
    for flag in flags:
        merged[flag] = groups[flag].max()
    systems = groups["record_system"].agg(["min", "max"])
    merged["record_systems"] = systems["min"].where(systems["min"] == systems["max"], "open+department")
    merged["source_row_count"] = groups.size()
    # A record under an earlier date does not make the event known before the day on which it stands.
    merged["available_date"] = groups["available_date"].min().clip(lower=merged["report_date"])
    merged["first_seen_utc"] = groups["first_seen_utc"].min()
    return merged.reset_index()


def join_distinct(rows: pd.DataFrame, column: str) -> pd.Series:
    """Distinct values of a column per event, sorted, separated by ';'; indexed by event_id."""
    pairs = rows[["event_id", column]].dropna().drop_duplicates().sort_values(["event_id", column])
    single = ~pairs["event_id"].duplicated(keep=False)
    keys, values = pairs["event_id"][~single].to_numpy(), pairs[column][~single].tolist()
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.array([], dtype=int)
    joined = [";".join(values[a:b]) for a, b in zip(starts, [*starts[1:], len(values)], strict=True)] if len(keys) else []
    return pd.concat([pairs[single].set_index("event_id")[column], pd.Series(joined, index=keys[starts], dtype="str")])


def category_by_pattern(texts: pd.Series, patterns: tuple[tuple[str, str], ...], unknown: str) -> pd.Series:
    """Category of each text: that of the first pattern it contains, whatever the case; 'unknown' if none."""
    found = {}
    for text in texts.dropna().unique():
        upper = text.upper()
        found[text] = next((category for pattern, category in patterns if pattern.upper() in upper), unknown)
    return texts.map(found).astype("str").fillna(unknown)
