"""A portal for a run: the synthetic city, a folder of recorded rows, or nothing where the live portals are asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.sandbox.city import DEFAULT_MONTHS, DEFAULT_SCALE, build_city, built_months, built_scale, built_through
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.replay import load_recordings
from kc_pipeline.settings import Settings

_MORNING = time(5, 30)


def city_folder(settings: Settings) -> Path:
    """Where the synthetic city of these settings lies."""
    return settings.data_dir / "city"


def day_of_city(settings: Settings, wanted: date) -> date:
    """The day on which the synthetic city stands once it has come to a wanted day; it never goes back."""
    return max(wanted, built_through(city_folder(settings)) or wanted)


def city_clock(day: date) -> Callable[[], datetime]:
    """The sandbox's clock: it stands at the morning of the day up to which the city is built."""
    moment = datetime.combine(day, _MORNING, ZoneInfo(TIME_ZONE)).astimezone(UTC)
    return lambda: moment


def standing_clock(settings: Settings) -> Callable[[], datetime] | None:
    """The clock of the city as it stands; None where there is no city."""
    day = built_through(city_folder(settings)) if settings.source == "sandbox" else None
    return None if day is None else city_clock(day)


def prepare_city(settings: Settings, wanted: date, scale: float | None = None) -> RecordStore:
    """Build the synthetic city, or let it go on to a later day; what its portal serves.

    Without a scale the city keeps the size it has.  Another scale puts another city in its place.  Its years stay as many.
    """
    folder = city_folder(settings)
    through, months = day_of_city(settings, wanted), built_months(folder) or DEFAULT_MONTHS
    build_city(folder, scale=scale or built_scale(folder) or DEFAULT_SCALE, through=through, months=months)
    return RecordStore(folder / "portal.sqlite")


@contextmanager
def open_source(settings: Settings, *, through: date, recordings: Path | None = None, scale: float | None = None) -> Iterator[Settings]:
    """Settings whose portals answer, for as long as the context lasts.

    Args:
        settings: the run's settings; `source` decides what is opened.
        through: day up to which the synthetic city is needed.
        recordings: folder of recorded rows, for the source 'replay'.
        scale: size of the synthetic city, 1.0 being the real one's; None: as it stands.

    Raises:
        FileNotFoundError: 'replay' without a folder that exists.
    """
    if settings.source == "live":
        yield settings
        return
    if settings.source == "sandbox":
        store = prepare_city(settings, through, scale)
    else:
        if recordings is None or not recordings.is_dir():
            raise FileNotFoundError(f"replay needs the folder of recorded rows; {recordings} is not a folder")
        store = load_recordings(recordings, settings.data_dir / "recordings.sqlite")
        settings = replace(settings, drop_dir=recordings.resolve())
    with Portal(store) as portal:
        yield settings.at_portal(portal.url)
