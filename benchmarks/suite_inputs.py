"""What the contenders of the suite work on: made once per size, outside the measured time.

folder/SIZE/base/sandbox    the city, its raw pulls, its clean and core tables (24 months)
folder/SIZE/decade/sandbox  ten years of the same city: raw pulls
folder/SIZE/day/sandbox     a finished run, and a city that has gone on by a day since; late_day: after ten years;
                            few_rows: that day finished but for a few rows
folder/SIZE/inputs          Parquet files that every contender reads
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from clean_tables import MORNING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS, planned_data_sets
from kc_pipeline.defs.partitions import open_from
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution, feeds, frames, places
from kc_pipeline.places.attribution import distinct_events
from kc_pipeline.places.geometry import project, project_shapes
from kc_pipeline.sandbox.city import ANCHOR_DATE, build_city
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.settings import load_settings

__all__ = ["ANCHOR_DATE", "BEFORE_ATTRIBUTION", "FEEDS", "Inputs", "open_from", "planned_data_sets", "platform_of", "served"]

CALLS = "4cef-rqti"
SIZES = {"tiny": (0.01, 24), "small": (0.05, 60), "full": (1.0, 120)}
BEFORE_ATTRIBUTION: tuple[Callable[[Platform], object], ...] = (
    places.build_gazetteer, places.place_on_blocks, attribution.locate_addresses, places.build_businesses, places.build_business_parcels,
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """Folders of one size.

    Attributes:
        folder: the size's folder.
        scale: size of the city, 1.0 being the full one.
        months: months of the long history.
    """

    folder: Path
    scale: float
    months: int

    @property
    def base(self) -> Path:
        """Data folder of 24 months, up to the tables before attribution."""
        return self.folder / "base"

    @property
    def decade(self) -> Path:
        """Data folder of the long history: the city and its raw pulls."""
        return self.folder / "decade"

    @property
    def day(self) -> Path:
        """Data folder of a finished run, and of a city that has gone on by a day since."""
        return self.folder / "day"

    @property
    def late_day(self) -> Path:
        """The same at the end of the long history."""
        return self.folder / "late_day"

    @property
    def working(self) -> Path:
        """Data folder of the measured run: each begins with a fresh copy of one of the others."""
        return self.folder / "working"

    @property
    def few(self) -> int:
        """Rows that are few in a city of this size: 500 of the full one."""
        return max(1, round(500 * self.scale))

    @property
    def few_rows(self) -> Path:
        """The same, its day finished but for a few rows."""
        return self.folder / "few_rows"

    @staticmethod
    def portal_of(data_dir: Path) -> Path:
        """The rows of the portal in a data folder."""
        return data_dir / "sandbox" / "city" / "portal.sqlite"

    @property
    def files(self) -> Path:
        """Folder of the Parquet files."""
        return self.folder / "inputs"

    def scratch(self, name: str) -> Path:
        """A folder for what a contender writes."""
        path = self.folder / "scratch" / name
        path.mkdir(parents=True, exist_ok=True)
        return path


def platform_of(data_dir: Path, history_start: str = "2024-07") -> Platform:
    """The stores in a data folder, with the clock at the morning of the anchor day."""
    settings = load_settings({**os.environ, "KC_DATA_DIR": str(data_dir), "KC_HISTORY_START": history_start}, "sandbox")
    return Platform(settings, lambda: MORNING)


def prepare_year(inputs: Inputs) -> None:
    """Make the 24-month base and the Parquet files, unless they are there."""
    if (inputs.files / "points.parquet").exists():
        return
    if not (inputs.base / "done").exists():
        platform = _pull(inputs.base, inputs.scale, 24, "2024-07")
        for feed in FEEDS.values():
            _say(f"cleaning {feed.name}")
            feeds.clean_feed(platform, feed)
        (inputs.base / "done").touch()
    platform = platform_of(inputs.base)
    for step in BEFORE_ATTRIBUTION:
        _say(step.__name__)
        step(platform)
    _write_files(inputs, platform)


def prepare_decade(inputs: Inputs) -> None:
    """Pull the long history into raw pages, unless it is there."""
    if (inputs.decade / "done").exists():
        return
    _pull(inputs.decade, inputs.scale, inputs.months, long_start(inputs))
    (inputs.decade / "done").touch()


def long_start(inputs: Inputs) -> str:
    """First month of the long history."""
    return f"{pd.Period(ANCHOR_DATE, 'M') - inputs.months}"


def run_command(inputs: Inputs, day: date) -> list[str]:
    """Command line of `kc run` as of a day."""
    return [sys.executable, "-m", "kc_pipeline.cli", "run", "--scale", str(inputs.scale), "--as-of", day.isoformat()]


def prepare_day(inputs: Inputs, environ: Mapping[str, str]) -> date:
    """Whole runs as of two days, then the city goes on to the next, which is returned; unless that is there.

    The first run makes everything; only from the second on is a day refreshed as it will be from then on.
    """
    day = ANCHOR_DATE - timedelta(days=1)
    if not (inputs.day / "done").exists():
        _run_two_days(inputs, inputs.day, day, environ)
        build_city(inputs.day / "sandbox" / "city", scale=inputs.scale, through=day)
        (inputs.day / "done").touch()
    return day


def prepare_late_day(inputs: Inputs, environ: Mapping[str, str]) -> date:
    """The same at the end of the long history, whose pulled months are there already: a day on which older rows are corrected too."""
    prepare_decade(inputs)
    day = ANCHOR_DATE + timedelta(days=2)  # the one before begins a month
    if not (inputs.late_day / "done").exists():
        for pulled in ("city", "raw"):
            shutil.copytree(inputs.decade / "sandbox" / pulled, inputs.late_day / "sandbox" / pulled, dirs_exist_ok=True)
        _run_two_days(inputs, inputs.late_day, day, {**environ, "KC_HISTORY_START": long_start(inputs)})
        build_city(inputs.late_day / "sandbox" / "city", scale=inputs.scale, through=day, months=inputs.months)
        (inputs.late_day / "done").touch()
    return day


def prepare_few_rows(inputs: Inputs, environ: Mapping[str, str]) -> date:
    """That day finished, but for `few` calls, which the portal did not have yet; returns the day."""
    day = prepare_late_day(inputs, environ)
    if not (inputs.few_rows / "done").exists():
        shutil.rmtree(inputs.few_rows, ignore_errors=True)
        shutil.copytree(inputs.late_day, inputs.few_rows, ignore=shutil.ignore_patterns("done"))
        _take_newest_rows_out(RecordStore(inputs.portal_of(inputs.few_rows)), CALLS, inputs.few)
        _run(inputs, inputs.few_rows, day, {**environ, "KC_HISTORY_START": long_start(inputs)})
        (inputs.few_rows / "done").touch()
    return day


def _take_newest_rows_out(store: RecordStore, data_set: str, count: int) -> None:
    info = store.info(data_set)
    if info is None:
        raise LookupError(f"the portal has no {data_set}")
    created = f"c{[column.field_name for column in info.stored_columns].index(':created_at')}"
    newest = f"SELECT rowid FROM {info.table_name} ORDER BY {created} DESC LIMIT {count}"  # noqa: S608 - names of the store's own
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"DELETE FROM {info.table_name} WHERE rowid IN ({newest})")  # noqa: S608


def _run_two_days(inputs: Inputs, data_dir: Path, day: date, environ: Mapping[str, str]) -> None:
    for before in (day - timedelta(days=2), day - timedelta(days=1)):
        _run(inputs, data_dir, before, environ)


def _run(inputs: Inputs, data_dir: Path, day: date, environ: Mapping[str, str]) -> None:
    _say(f"a run as of {day}")
    subprocess.run(run_command(inputs, day), env={**environ, "KC_DATA_DIR": str(data_dir)}, check=True, stdout=sys.stderr)  # noqa: S603 - our own


def _pull(data_dir: Path, scale: float, months: int, history_start: str) -> Platform:
    platform = platform_of(data_dir, history_start)
    settings = platform.settings
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _say(f"building a city of scale {scale} with {months} months")
    build_city(settings.data_dir / "city", scale=scale, through=ANCHOR_DATE, months=months)
    with served(platform) as answering:
        for feed in FEEDS.values():
            _say(f"pulling {feed.name}")
            feeds.refresh_raw(answering, feed, open_from(ANCHOR_DATE))
    return platform


@contextmanager
def served(platform: Platform) -> Iterator[Platform]:
    """The platform with a portal that answers over loopback, from the city that stands in its folder."""
    with Portal(RecordStore(platform.settings.data_dir / "city" / "portal.sqlite")) as portal:
        yield replace(platform, settings=platform.settings.at_portal(portal.url))


def _write_files(inputs: Inputs, platform: Platform) -> None:
    """The year's points, the parcels and the places; for the engines also in metres, which spares them the projection."""
    _say("writing the Parquet files")
    making = inputs.files.with_name("inputs-making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    columns = ["event_id", "feed", "report_date", "address", "address_precision", "parcel_id", "longitude", "latitude"]
    events = distinct_events([frames.read_frame(platform, f"clean/{feed}", columns) for feed in EVENT_FEEDS])
    in_year = (events["report_date"] < ANCHOR_DATE) & (events["report_date"] >= ANCHOR_DATE - timedelta(days=365))
    points = events.loc[in_year & events["longitude"].notna(), ["event_id", "feed", "report_date", "longitude", "latitude"]]
    points.to_parquet(making / "points.parquet", index=False)
    parcels = frames.read_frame(platform, "clean/parcels", ["parcel_id", "geometry"]).dropna().drop_duplicates("parcel_id")
    shapes = shapely.from_wkb(parcels["geometry"].to_numpy(dtype=object))
    parcels = parcels[np.isin(shapely.get_type_id(shapes), (3, 6))]  # polygons and multipolygons
    parcels.to_parquet(making / "parcels.parquet", index=False)
    businesses = frames.read_frame(platform, "core/business_parcels", ["business_parcel_id", "longitude", "latitude"]).dropna()
    businesses.to_parquet(making / "businesses.parquet", index=False)
    east_north = project(points["longitude"], points["latitude"])
    metric = points[["event_id", "feed"]].assign(east_m=east_north[:, 0], north_m=east_north[:, 1])
    metric.to_parquet(making / "points_metres.parquet", index=False)
    shapes = project_shapes(shapely.from_wkb(parcels["geometry"].to_numpy(dtype=object)))
    middle = shapely.centroid(shapes)
    flat = parcels[["parcel_id"]].assign(
        geometry=shapely.to_wkb(shapes), middle_east_m=shapely.get_x(middle), middle_north_m=shapely.get_y(middle)
    )
    flat.to_parquet(making / "parcels_metres.parquet", index=False)
    shutil.rmtree(inputs.files, ignore_errors=True)
    making.rename(inputs.files)


def _say(text: str) -> None:
    print(f"<!-- preparing: {text} -->", flush=True)
