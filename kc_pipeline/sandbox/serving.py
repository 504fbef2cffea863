"""A portal for a run: the synthetic city, a folder of recorded rows, or nothing where the live portals are asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

from kc_pipeline.sandbox.city import ANCHOR_DATE, build_city, built_through
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.replay import load_recordings
from kc_pipeline.settings import Settings


def prepare_city(folder: Path, through: date = ANCHOR_DATE, scale: float = 0.05) -> date:
    """Build the synthetic city, or let it go on to a later day; it never goes back.

    Returns:
        The day up to which it stands.
    """
    through = max(through, built_through(folder) or through)
    build_city(folder, scale=scale, through=through)
    return through


@contextmanager
def open_source(settings: Settings, *, through: date, recordings: Path | None = None, scale: float = 0.05) -> Iterator[Settings]:
    """Settings whose portals answer, for as long as the context lasts.

    Args:
        settings: the run's settings; `source` decides what is opened.
        through: day up to which the synthetic city is needed.
        recordings: folder of recorded rows, for the source 'replay'.
        scale: size of the synthetic city, 1.0 being the real one's.

    Raises:
        FileNotFoundError: 'replay' without a folder that exists.
    """
    if settings.source == "live":
        yield settings
        return
    if settings.source == "sandbox":
        folder = settings.data_dir / "city"
        prepare_city(folder, through, scale)
        store = RecordStore(folder / "portal.sqlite")
    else:
        if recordings is None or not recordings.is_dir():
            raise FileNotFoundError(f"replay needs the folder of recorded rows; {recordings} is not a folder")
        store = load_recordings(recordings, settings.data_dir / "recordings.sqlite")
        settings = replace(settings, drop_dir=recordings.resolve())
    with Portal(store) as portal:
        yield settings.at_portal(portal.url)
