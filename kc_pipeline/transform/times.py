"""Local wall time, UTC, and how sure the clock is.

Sources give floating local time in many forms.  In the hour that occurs twice in autumn, and in the one that does not
exist in spring, UTC is left out and said to be, never guessed.
"""

import pandas as pd

from kc_pipeline.catalog.geography import TIME_ZONE

_FORMS = (
    (r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?", "ISO8601"),
    (r"\d{8}", "%Y%m%d"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}", "%m/%d/%Y %H:%M"),
    (r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}", "%m/%d/%Y %H:%M:%S"),
    (r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2} [AP]M", "%m/%d/%Y %I:%M %p"),
    (r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2} [AP]M", "%m/%d/%Y %I:%M:%S %p"),
)
_CLOCK_FORMS = (
    (r"\d{1,2}:\d{2}", "%H:%M"),
    (r"\d{1,2}:\d{2}:\d{2}(?:\.0+)?", "%H:%M:%S"),
    (r"\d{4}", "%H%M"),
    (r"\d{1,2}:\d{2} ?[AP]M", "%I:%M %p"),
)
_WITH_OFFSET = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?[+-]\d{2}(?::?\d{2})?"
_LAST_DAY = pd.Timestamp("9999-12-31")  # the day on which UTC runs out of years
_EPOCH_MILLISECONDS = r"-?\d{11,13}"


def parse_local(texts: pd.Series, clocks: pd.Series | None = None) -> pd.Series:
    """Wall time, America/Chicago, of timestamps in any form a source uses.

    Args:
        texts: ISO dates and timestamps (a trailing Z is a habit, not UTC; an offset such as +00:00, which databases write, is
            meant), YYYYMMDD, MM/DD/YYYY, epoch milliseconds (UTC).
        clocks: time of day where it stands apart ('18:15', '10:40 AM'); used where the timestamp itself says midnight.

    Returns:
        datetime64[us] without zone; NaT where the text cannot be read.
    """
    distinct = pd.Series(texts.dropna().unique(), dtype="str")
    parsed = pd.Series(pd.NaT, index=distinct.index, dtype="datetime64[us]")
    plain = distinct.str.replace(r"Z$", "", regex=True)
    for pattern, form in _FORMS:
        fits = plain.str.fullmatch(pattern).to_numpy(bool)
        parsed[fits] = pd.to_datetime(plain[fits], format=form, errors="coerce").astype("datetime64[us]")
    with_offset = plain.str.fullmatch(_WITH_OFFSET).to_numpy(bool)
    if with_offset.any():
        parsed[with_offset] = _to_local(pd.to_datetime(plain[with_offset], format="ISO8601", errors="coerce", utc=True))
    epoch = plain.str.fullmatch(_EPOCH_MILLISECONDS).to_numpy(bool)
    if epoch.any():
        parsed[epoch] = _to_local(pd.to_datetime(plain[epoch].astype("int64"), unit="ms", utc=True))
    local = _look_up(texts, distinct, parsed)
    if clocks is None:
        return local
    offset = time_of_day(clocks)
    return local.where(offset.isna() | (local != local.dt.normalize()), local + offset)


def clock_status(local: pd.Series, has_clock: pd.Series | None = None) -> pd.DataFrame:
    """UTC of wall times, and how sure it is.

    Args:
        local: datetime64 without zone.
        has_clock: whether a time of day was given; None: wherever the time is not midnight.

    Returns:
        Frame with reported_utc (missing unless exact) and reported_clock ('exact', 'fold', 'gap', 'date_only').
    """
    known = ((local != local.dt.normalize()) if has_clock is None else has_clock) & (local < _LAST_DAY)
    local = local.where(local < _LAST_DAY)
    utc = local.dt.tz_localize(TIME_ZONE, ambiguous="NaT", nonexistent="NaT")
    unambiguous = local.dt.tz_localize(TIME_ZONE, ambiguous=[True] * len(local), nonexistent="NaT")
    status = pd.Series("exact", index=local.index, dtype="str")
    status = status.mask(utc.isna() & unambiguous.notna(), "fold").mask(unambiguous.isna() & local.notna(), "gap")
    status = status.mask(~known | local.isna(), "date_only")
    return pd.DataFrame({"reported_utc": utc.dt.tz_convert("UTC").where(status == "exact"), "reported_clock": status})


def time_of_day(clocks: pd.Series) -> pd.Series:
    """Time since midnight of clock texts ('18:15', '10:40 AM'); NaT where they cannot be read."""
    distinct = pd.Series(clocks.dropna().unique(), dtype="str")
    offsets = pd.Series(pd.NaT, index=distinct.index, dtype="timedelta64[us]")
    upper = distinct.str.upper()
    for pattern, form in _CLOCK_FORMS:
        fits = upper.str.fullmatch(pattern).to_numpy(bool)
        text = upper[fits].str.replace(r"(\d)([AP]M)$", r"\1 \2", regex=True).str.replace(r"\.0+$", "", regex=True)
        parsed = pd.to_datetime(text, format=form, errors="coerce")
        offsets[fits] = (parsed - parsed.dt.normalize()).astype("timedelta64[us]")
    return _look_up(clocks, distinct, offsets)


def _to_local(moments: pd.Series) -> pd.Series:
    return moments.where(moments < _LAST_DAY.tz_localize("UTC")).dt.tz_convert(TIME_ZONE).dt.tz_localize(None).astype("datetime64[us]")


def _look_up(texts: pd.Series, distinct: pd.Series, values: pd.Series) -> pd.Series:
    """The value of each text, by its place among the distinct ones; missing where the text is."""
    position = pd.Index(distinct).get_indexer(texts) if len(distinct) else [-1] * len(texts)
    return pd.Series(values.reindex(position).to_numpy(), index=texts.index, dtype=values.dtype)
