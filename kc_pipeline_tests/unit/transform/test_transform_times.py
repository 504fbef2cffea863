"""Wall clocks, UTC, and how sure the step between them is."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kc_pipeline.transform.times import clock_status, parse_local

CITY = ZoneInfo("America/Chicago")
UNHURRIED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def texts(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def read(text: str | None, clock: str | None = None) -> pd.Timestamp:
    return parse_local(texts(text), None if clock is None else texts(clock))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-06-03T09:57:57.000", "2023-06-03 09:57:57"),
        ("2023-06-03T09:57:57.123", "2023-06-03 09:57:57.123"),
        ("2023-06-03 09:57:57", "2023-06-03 09:57:57"),
        ("2023-06-03", "2023-06-03"),
        ("2008-09-29T00:00:00.000Z", "2008-09-29"),
        ("20251231", "2025-12-31"),
        ("12/31/2025", "2025-12-31"),
        ("1/2/2025 3:04 PM", "2025-01-02 15:04"),
        ("1923-05-06T00:00:00.000", "1923-05-06"),
        ("1782864000000", "2026-06-30 19:00"),
        ("2026-06-10T10:00:00+00:00", "2026-06-10 05:00"),
        ("2026-06-10 10:00:00.250-05", "2026-06-10 10:00:00.250"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_each_form_of_a_source_is_read(text: str, expected: str) -> None:
    assert read(text) == pd.Timestamp(expected)


@pytest.mark.parametrize(
    "text", [None, "yesterday", "2023-02-30T00:00:00.000", "20251301", "13/40/2025", "12", "2023-06", "0000-00-00", "20260610120000"]
)
def test_what_is_no_date_is_not_read(text: str | None) -> None:
    assert pd.isna(read(text))


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("18:15", "18:15"), ("18:15:30", "18:15:30"), ("10:40 AM", "10:40"), ("12:05 AM", "00:05"), ("12:58 PM", "12:58"), ("25:61", "00:00")],
)
def test_a_clock_that_stands_apart_is_added(clock: str, expected: str) -> None:
    assert read("2018-09-02T00:00:00.000", clock) == pd.Timestamp(f"2018-09-02 {expected}")


def test_a_timestamp_with_a_clock_keeps_it() -> None:
    assert read("2023-06-03T09:57:57.000", "11:11") == pd.Timestamp("2023-06-03 09:57:57")


def expected_status(local: datetime) -> str:
    """By the zone's own rule: whether no, one or two instants have this wall clock."""
    found = {
        local.replace(tzinfo=CITY, fold=fold).astimezone(UTC)
        for fold in (0, 1)
        if local.replace(tzinfo=CITY, fold=fold).astimezone(UTC).astimezone(CITY).replace(tzinfo=None) == local
    }
    return {0: "gap", 1: "exact", 2: "fold"}[len(found)]


@pytest.mark.parametrize(("date", "fold", "gap"), [("2024-03-10", 0, 60), ("2024-11-03", 60, 0), ("2024-07-01", 0, 0)])
@pytest.mark.fault(36)
def test_every_minute_of_the_days_when_clocks_change(date: str, fold: int, gap: int) -> None:
    day = datetime.fromisoformat(date)
    minutes = [day + timedelta(minutes=minute) for minute in range(24 * 60)]
    local = pd.Series(minutes, dtype="datetime64[us]")
    status = clock_status(local, pd.Series(True, index=local.index))
    assert status["reported_clock"].tolist() == [expected_status(minute) for minute in minutes]
    assert (status["reported_clock"] == "fold").sum() == fold
    assert (status["reported_clock"] == "gap").sum() == gap
    exact = status["reported_clock"] == "exact"
    assert status["reported_utc"].notna().tolist() == exact.tolist()
    back = status["reported_utc"][exact].dt.tz_convert(CITY).dt.tz_localize(None)
    assert back.tolist() == local[exact].tolist()


def test_a_date_without_a_clock_has_no_utc() -> None:
    status = clock_status(parse_local(texts("2024-07-01T00:00:00.000", "2024-07-01T00:01:00.000")))
    assert status["reported_clock"].tolist() == ["date_only", "exact"]
    assert status["reported_utc"].isna().tolist() == [True, False]


@UNHURRIED
@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_iso_text_round_trips(moment: datetime) -> None:
    assert read(moment.isoformat(timespec="microseconds")) == pd.Timestamp(moment)


@UNHURRIED
@given(st.lists(st.one_of(st.none(), st.text(max_size=20))))
def test_no_text_breaks_reading(values: list[str | None]) -> None:
    assert len(parse_local(texts(*values), texts(*values))) == len(values)


def test_one_text_with_an_offset_does_not_break_the_others() -> None:
    given_texts = texts("2026-06-10T10:00:00+00:00", "2026-06-10T10:00:00-05:00", "2026-06-10T10:00:00", None, "2026-06-10T10:00:00+99:00")
    read_all = [None if pd.isna(moment) else f"{moment:%H:%M}" for moment in parse_local(given_texts)]
    assert read_all == ["05:00", "10:00", "10:00", None, None]
