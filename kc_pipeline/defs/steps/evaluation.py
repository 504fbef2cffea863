"""How good and how even the scores are: the back-test of a month's model, and the audit of a day's flags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kc_pipeline.catalog.factors import CONDITIONS, FACTORS
from kc_pipeline.catalog.geography import BLOCK_M
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame, write_table
from kc_pipeline.defs.steps.risk import (
    MODEL_INPUTS,
    RTM_BLOCKS,
    RTM_INCREMENT,
    RiskInputs,
    fit_day,
    gather_inputs,
    score_day,
    stored_card,
)
from kc_pipeline.defs.steps.unchanged import unless_unchanged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from kc_pipeline.risk.rivals import Training
    from kc_pipeline.risk.terrain import Grid
    from kc_pipeline.store.lake import Commit

YEAR = timedelta(days=365)
# Neighborhoods that the model is fitted without, one after the other: those with the most events.
_NEIGHBORHOODS = 6
_DISTRICT_INPUTS = ("clean/parcels", "clean/districts")


@dataclass(frozen=True)
class Backtest:
    """What a back-test found.

    Attributes:
        trained_as_of: day before which the models knew everything that they knew.
        judged: rows of eval/backtest without the version.
        without_sources: how the order of cells changes without each source.
        without_areas: how the model holds in neighborhoods that it did not learn from.
        plots: name -> file.
        reason: why there is none; empty where there is one.
    """

    trained_as_of: date
    judged: "pd.DataFrame | None"
    without_sources: "pd.DataFrame | None"
    without_areas: "pd.DataFrame | None"
    plots: Mapping[str, Path]
    reason: str


def run_backtest(platform: Platform, as_of: date) -> Backtest:
    """eval/backtest of a day's month, trained a year before the month's first day; made once for each model version."""
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow
    from kc_pipeline.catalog.tables import TABLES
    from kc_pipeline.risk import backtest
    from kc_pipeline.risk.card import MODEL_VERSION
    from kc_pipeline.risk.rivals import expectations
    from kc_pipeline.risk.terrain_model import LEAST_EVENTS

    until, trained = fit_day(as_of), fit_day(as_of) - YEAR
    table = "eval/backtest"
    known = platform.lake.read(table, partitions=[trained.isoformat()])
    if known.num_rows and set(known["model_version"].to_pylist()) == {MODEL_VERSION}:
        return Backtest(trained, known.to_pandas(), None, None, _plots(platform, trained), "")
    platform.progress(f"back-test trained as of {trained}")
    before, training, events = _training(platform, until, trained)
    if before.past.sum() < LEAST_EVENTS or events.sum() < LEAST_EVENTS:
        seen = f"{before.past.sum():.0f} events before {trained} and {events.sum():.0f} in the year after"
        said = f"{seen}; at least {LEAST_EVENTS} of both are needed"
        return Backtest(trained, None, None, None, {}, said)
    expected = expectations(training)
    judged = backtest.judge(expected, events, training)
    rows = judged.assign(trained_as_of=trained, model_version=MODEL_VERSION)
    schema = to_arrow(TABLES[table])
    arrow = pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)
    platform.lake.write(table, arrow, partitions=[trained.isoformat()], made_from=platform.lake.versions(MODEL_INPUTS))
    areas = backtest.leave_areas_out(training, *_neighborhoods(platform, training.grid, events), events)
    _draw(platform, trained, expected, events, training.grid)
    return Backtest(trained, judged, backtest.leave_factors_out(training, sources()), areas, _plots(platform, trained), "")


def sources() -> dict[str, list[str]]:
    """Table -> the factors that are made of it."""
    found: dict[str, list[str]] = {}
    for factor in FACTORS.values():
        found.setdefault(CONDITIONS[factor.condition].table, []).append(factor.name)
    return found


def audit_fairness(platform: Platform, as_of: date) -> "tuple[Commit, pd.DataFrame, list[str]]":
    """eval/fairness_audit of a day, its rows, and what a reader must know of them."""
    import pandas as pd
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow
    from kc_pipeline.catalog.tables import TABLES
    from kc_pipeline.places.businesses import with_districts
    from kc_pipeline.risk import fairness

    columns = ["business_parcel_id", "council_district", "division", "expected_events_per_year", "serious_events_365d", "model_id"]
    risk = read_frame(platform, "marts/business_risk", columns, [as_of.isoformat()])
    observed = read_frame(platform, "core/factor_observations", ["condition", "opened_date", "latitude", "longitude"])
    opened = pd.to_datetime(observed["opened_date"])
    in_year = (opened < pd.Timestamp(as_of)) & (opened >= pd.Timestamp(as_of - YEAR)) & observed["latitude"].notna()
    asked = observed[in_year].reset_index(drop=True)
    _count_parcels(platform)
    parcels = read_frame(platform, "kept/district_parcels")
    requests = fairness.count_requests(asked, with_districts(asked, read_frame(platform, "clean/districts"), fairness.DISTRICTS), parcels)
    rows = fairness.audit_fairness(risk, risk.set_index("business_parcel_id")["serious_events_365d"], requests)
    rows = rows.assign(as_of=as_of, model_id=risk["model_id"].iloc[0] if len(risk) else "")
    schema = to_arrow(TABLES["eval/fairness_audit"])
    arrow = pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)
    commit = platform.lake.write(
        "eval/fairness_audit", arrow, partitions=[as_of.isoformat()], made_from=platform.lake.versions(["marts/business_risk"])
    )
    return commit, rows, fairness.fairness_sentences(rows)


@unless_unchanged(["kept/district_parcels"], _DISTRICT_INPUTS)
def _count_parcels(platform: Platform) -> "Commit":
    """kept/district_parcels: parcels of each council district and patrol division."""
    from kc_pipeline.places.businesses import with_districts
    from kc_pipeline.risk import fairness

    parcels = read_frame(platform, "clean/parcels", ["latitude", "longitude"]).dropna().reset_index(drop=True)
    placed = with_districts(parcels, read_frame(platform, "clean/districts"), fairness.DISTRICTS)
    return write_table(platform, "kept/district_parcels", fairness.count_parcels(placed), _DISTRICT_INPUTS)


def draw_model(platform: Platform, as_of: date) -> dict[str, Path]:
    """Factor chart and terrain map of a day's model: name -> file; drawn once for each fit."""
    import numpy as np

    from kc_pipeline.risk import plots

    known = stored_card(platform, fit_day(as_of))
    if known is None:
        return {}
    model_id, card = known
    folder = platform.settings.data_dir / "reports" / f"model-{model_id}"
    files = {"factors": folder / "factors.png", "terrain": folder / "terrain.png"}
    if not all(path.exists() for path in files.values()):
        day = score_day(platform, as_of)
        inputs = day.inputs
        terrain = day.model.terrain.expected(inputs.grid, inputs.features, inputs.past)
        plots.factor_chart(card, files["factors"])
        inside = ~np.isnan(inputs.east_north).any(axis=1)
        top = np.argsort(-day.risks.expected[inside])[:20]
        plots.terrain_map(inputs.grid, terrain, inputs.east_north[inside][top], files["terrain"])
    return files


def _training(platform: Platform, until: date, trained: date) -> "tuple[RiskInputs, Training, npt.NDArray[np.float64]]":
    """What was known before the day of training, and the events of each cell in the year after it."""
    from kc_pipeline.risk.rivals import Training
    from kc_pipeline.risk.terrain import bands

    before, after = gather_inputs(platform, trained), gather_inputs(platform, until)
    training = Training(before.grid, before.features, before.past, bands(BLOCK_M, RTM_BLOCKS, RTM_INCREMENT))
    return before, training, after.past[0]


def _neighborhoods(platform: Platform, grid: "Grid", events: "npt.NDArray[np.float64]") -> "tuple[npt.NDArray[np.int64], list[str]]":
    """Number of the neighborhood of each cell (-1: none of them), and the names: those with the most events."""
    import numpy as np
    import shapely

    from kc_pipeline.places.geometry import project_shapes

    districts = read_frame(platform, "clean/districts", ["district_kind", "district_name", "geometry"])
    of_kind = districts[(districts["district_kind"] == "neighborhood") & districts["geometry"].notna()]
    centres = grid.centres()
    cells = {}
    for name, shape in zip(
        of_kind["district_name"], project_shapes(shapely.from_wkb(of_kind["geometry"].to_numpy(dtype=object))), strict=True
    ):
        shapely.prepare(shape)
        cells[str(name)] = shapely.contains_xy(shape, *centres.T)
    names = sorted(cells, key=lambda name: (-events[cells[name]].sum(), name))[:_NEIGHBORHOODS]
    area = np.full(grid.size, -1, dtype=np.int64)
    for number, name in enumerate(names):
        area[cells[name]] = number
    return area, names


def _draw(
    platform: Platform, trained: date, expected: "Mapping[str, npt.NDArray[np.float64]]", events: "npt.NDArray[np.float64]", grid: "Grid"
) -> None:
    from kc_pipeline.risk import plots

    files = _files(platform, trained)
    plots.accuracy_curves(expected, events, files["accuracy"])
    plots.calibration(expected, events, files["calibration"])


def _files(platform: Platform, trained: date) -> dict[str, Path]:
    folder = platform.settings.data_dir / "reports" / f"backtest-{trained.isoformat()}"
    return {"accuracy": folder / "accuracy.png", "calibration": folder / "calibration.png"}


def _plots(platform: Platform, trained: date) -> dict[str, Path]:
    return {name: path for name, path in _files(platform, trained).items() if path.exists()}
