"""A synthetic Kansas City: the portal's rows, the departments' records, and the truth behind them.

`build_city` writes a folder: `portal.sqlite` (what the local portal serves), `department.sqlite`, `drops/` (the health
department's exports), `truth/` (never read by the platform) and `city.json`. The same seed and scale give the same
rows; a later end appends days and moves statuses on. The ground, the registers, the truth and the events stand in
`layout`, `registers`, `truth` and `incidents`; the sources' own forms in the `published_*` modules and `department`.
"""

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import pandas as pd

from kc_pipeline.sandbox import (
    department,
    incidents,
    published_ground,
    published_police,
    published_registers,
    published_requests,
    truth_files,
)
from kc_pipeline.sandbox.districts import find_districts
from kc_pipeline.sandbox.express_stop import ANCHOR_DATE
from kc_pipeline.sandbox.layout import Layout, lay_out
from kc_pipeline.sandbox.published import street_texts
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.registers import Registers, fill_registers
from kc_pipeline.sandbox.revisions import Rates, Revisions
from kc_pipeline.sandbox.truth import Truth, plant

__all__ = ["ANCHOR_DATE", "CityTruth", "build_city", "built_through", "window_start"]

VERSION = 4
DEFAULT_SCALE, DEFAULT_SEED, DEFAULT_MONTHS = 0.05, 230_573, 24
_MARKER = "city.json"


@dataclass(frozen=True)
class CityTruth:
    """Where a city stands on disk, and what is true in it.

    Attributes:
        folder: the city's folder.
        seed: its seed.
        scale: its size; 1.0 is the full city.
        first: its first day.
        through: the day after its last.
    """

    folder: Path
    seed: int
    scale: float
    first: date
    through: date

    @property
    def portal(self) -> Path:
        """SQLite file of the portal's rows."""
        return self.folder / "portal.sqlite"

    @property
    def department(self) -> Path:
        """SQLite file of the police department's records."""
        return self.folder / "department.sqlite"

    @property
    def drops(self) -> Path:
        """Folder of the health department's exports."""
        return self.folder / "drops"

    def table(self, name: str) -> pd.DataFrame:
        """One table of the truth: 'parcels', 'effects', 'features', 'events', 'businesses' or 'hidden_risk'."""
        return pd.read_parquet(self.folder / "truth" / f"{name}.parquet")


def window_start(months: int) -> date:
    """First day of a city that has so many months before the anchor date."""
    month = ANCHOR_DATE.year * 12 + ANCHOR_DATE.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def build_city(
    folder: Path, *, scale: float = DEFAULT_SCALE, seed: int = DEFAULT_SEED, through: date = ANCHOR_DATE, months: int = DEFAULT_MONTHS,
    revised_since: date = ANCHOR_DATE, rates: Rates | None = None,
) -> CityTruth:  # fmt: skip
    """Build the city, unless the folder holds exactly this one already.

    Args:
        folder: replaced as a whole once the city is complete; never half visible.
        scale: size; 1.0 is the full city of about 200,000 parcels.
        seed: everything random follows from it.
        through: the city holds what happened before this day, as far as each source had published it by then.
        months: months of events before the anchor date.
        revised_since: first day on which published rows are corrected or deleted, or new ones held back.
        rates: how many of them; default: `Rates()`.

    Raises:
        ValueError: the scale is out of range, or `through` is not after the first day.
    """
    first = window_start(months)
    if through <= first:
        raise ValueError(f"through is {through}, but the city begins on {first}; give a later day or more months")
    city = CityTruth(folder, seed, scale, first, through)
    marker: dict[str, object] = {"version": VERSION, "seed": seed, "scale": scale, "through": through.isoformat(), "months": months}
    marker |= {"revised_since": revised_since.isoformat(), "rates": asdict(rates or Rates())}
    if _read_marker(folder) == marker:
        return city
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_city(CityTruth(building, seed, scale, first, through), Revisions(revised_since, through, rates or Rates()))
        (building / _MARKER).write_text(json.dumps(marker, indent=2) + "\n")
        _swap_in(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return city


def built_through(folder: Path) -> date | None:
    """The day up to which the city in a folder stands; None where there is none."""
    marker = _read_marker(folder)
    return date.fromisoformat(str(marker["through"])) if "through" in marker else None


def built_scale(folder: Path) -> float | None:
    """The size of the city in a folder; None where there is none."""
    marker = _read_marker(folder)
    return float(str(marker["scale"])) if "scale" in marker else None


def built_months(folder: Path) -> int | None:
    """Months of events that the city in a folder has before the anchor date; None where there is none."""
    marker = _read_marker(folder)
    return int(str(marker["months"])) if "months" in marker else None


def _read_marker(folder: Path) -> dict[str, object]:
    try:
        marker = json.loads((folder / _MARKER).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return marker if isinstance(marker, dict) else {}


def _swap_in(building: Path, folder: Path) -> None:
    building.chmod(0o755)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.rename(old / folder.name)
        building.rename(folder)
        shutil.rmtree(old)
    else:
        building.rename(folder)


@lru_cache(maxsize=1)
def _what_stands(scale: float, seed: int) -> tuple[Layout, pd.DataFrame, pd.DataFrame, Registers, Truth]:
    """What does not change from day to day, so that a city that goes on needs to make it once."""
    layout = lay_out(scale, seed)
    registers = fill_registers(layout, scale, seed)
    return layout, *find_districts(layout), registers, plant(layout, registers, seed)


def _write_city(city: CityTruth, revisions: Revisions) -> None:
    layout, districts, of_parcel, registers, planted = _what_stands(city.scale, city.seed)
    store = RecordStore(city.portal)
    published_ground.publish_parcels(store, layout, city.seed)
    published_ground.publish_streets(store, layout)
    published_ground.publish_districts(store, districts)
    published_registers.publish_licenses(store, layout, registers, city.seed)
    published_registers.publish_permits(store, layout, registers, city.seed)
    published_registers.publish_violations(store, layout, city.scale, city.seed, city.through)
    published_registers.publish_dangerous(store, layout, registers, city.seed)
    published_registers.publish_bus_stops(store, planted.spots("bus_stops"), city.seed)
    events = _write_events(city, store, layout, of_parcel, registers, planted, revisions)
    store.close()
    truth_files.write(city.folder / "truth", city.seed, layout, registers, planted, events)


def _write_events(
    city: CityTruth, store: RecordStore, layout: Layout, districts: pd.DataFrame, registers: Registers, planted: Truth, revisions: Revisions
) -> pd.DataFrame:
    """Every event in its published and its department form; returns the true place of each."""
    span = (city.scale, city.seed, city.first, city.through)
    texts = street_texts(layout)
    true_places = []
    with closing(sqlite3.connect(city.department)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        reports, draws = incidents.reports(layout, planted, *span)
        published_police.publish_reports(store, reports, draws, layout, districts, texts, revisions)
        department.write_reports(connection, reports, draws, layout, districts)
        true_places.append(truth_files.true_places("police_reports", published_police.report_numbers(reports), reports, layout))
        calls, draws = incidents.calls(layout, planted, *span)
        published_police.publish_calls(store, calls, draws, layout, districts, texts, revisions)
        department.write_calls(connection, calls, draws, layout, districts)
        true_places.append(truth_files.true_places("calls_911", published_police.call_numbers(calls), calls, layout))
        connection.commit()
    requests, draws = incidents.requests(layout, planted, *span)
    published_requests.publish_requests(store, requests, draws, layout, districts, revisions)
    true_places.append(truth_files.true_places("requests_311", published_requests.request_ids(requests), requests, layout))
    inspections, draws = incidents.inspections(layout, registers, *span)
    names = published_registers.permit_names(registers, city.seed)
    department.write_inspections(city.drops, inspections, draws, layout, registers, names)
    true_places.append(truth_files.true_places("health_inspections", department.inspection_ids(inspections), inspections, layout))
    return pd.concat(true_places, ignore_index=True)
