"""From the core tables to a fitted risk model and to the score of a day."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.factors import CONDITIONS, FACTORS, PREMISES_FACTORS
from kc_pipeline.catalog.geography import BLOCK_M
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.frames import read_frame, write_table
from kc_pipeline.defs.steps.parts import cluster_of, work_on
from kc_pipeline.defs.steps.unchanged import unless_unchanged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from kc_pipeline.cluster.counts import Forms
    from kc_pipeline.risk.outcome import YearlyCounts
    from kc_pipeline.risk.risk_model import Places, RiskModel, Risks
    from kc_pipeline.risk.terrain import Grid
    from kc_pipeline.store.lake import Commit

# Kinds of districts that cover the city, the one with the fewest gaps first.
_CITY_BY = ("patrol_division", "council_district", "neighborhood")
RTM_BLOCKS, RTM_INCREMENT = 3, "half"
OBSERVED_TABLES = tuple(dict.fromkeys(c.table for c in CONDITIONS.values() if c.table.startswith("clean/")))
OBSERVATION_INPUTS = (*OBSERVED_TABLES, "core/business_parcels", "core/event_attribution")
MODEL_INPUTS = (
    "clean/police_reports", "clean/districts", "core/located_addresses", "core/event_attribution", "core/business_parcels",
    "core/factor_observations",
)  # fmt: skip
# What a score reads of core/factor_observations.
_SCORED = (
    "condition", "business_parcel_id", "opened_date", "known_date", "closed_known_date", "is_closed", "latitude", "longitude",
    "finding_count",
)  # fmt: skip


class NoCityError(LookupError):
    """No district says where the city is."""


@dataclass(frozen=True)
class RiskInputs:
    """Everything about a day that the model is fitted to or scored on; places are in the order of `business_parcels`."""

    as_of: date
    grid: "Grid"
    features: "dict[str, npt.NDArray[np.float64]]"
    past: "npt.NDArray[np.float64]"
    business_parcels: "pd.DataFrame"
    places: "Places"
    east_north: "npt.NDArray[np.float64]"
    type_flags: "dict[str, npt.NDArray[np.bool_]]"
    observations: "pd.DataFrame"


@dataclass(frozen=True)
class DayScore:
    """What the model of a day's month says of the day: its id and card, the model, what it was given, and what it says."""

    model_id: str
    card: dict[str, Any]
    model: "RiskModel"
    inputs: RiskInputs
    risks: "Risks"


@unless_unchanged(["core/factor_observations"], OBSERVATION_INPUTS)
def gather_observations(platform: Platform) -> "Commit":
    """core/factor_observations from the clean tables and the business parcels."""
    import pyarrow.compute as pc

    from kc_pipeline.risk.observations import OBSERVED_COLUMNS
    from kc_pipeline.risk.observations import gather_observations as gather

    clean = {
        table: read_frame(platform, table, [name for name in OBSERVED_COLUMNS if name in TABLES[table].column_names])
        for table in OBSERVED_TABLES
    }
    of_observed = pc.field("feed").isin([table.removeprefix("clean/") for table in OBSERVED_TABLES])
    columns = ["event_id", "business_parcel_id", "precision"]
    ledger = platform.lake.read("core/event_attribution", columns=columns, where=of_observed).to_pandas()
    lags = {feed.name: max(data_set.lag_days for data_set in feed.data_sets) for feed in FEEDS.values()}
    rows = gather(clean, read_frame(platform, "core/business_parcels"), ledger, lags)
    return write_table(platform, "core/factor_observations", rows, OBSERVATION_INPUTS)


def fit_day(as_of: date) -> date:
    """Day that the model of a day is fitted as of: the first of its month, so that a score does not hang on when runs were."""
    return as_of.replace(day=1)


def fit_model(platform: Platform, as_of: date) -> "Commit":
    """eval/model_card of a day's month: fitted unless a card of this model version is there."""
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow
    from kc_pipeline.risk import card as cards
    from kc_pipeline.store.lake import Commit

    day = fit_day(as_of)
    known = stored_card(platform, day)
    table = "eval/model_card"
    if known is not None:
        return Commit(table, platform.lake.version(table), (), 1)
    platform.progress(f"fit the risk model as of {day}")
    inputs = gather_inputs(platform, day)
    card = make_model_card(platform, inputs)
    row = {
        "fitted_as_of": day,
        "model_id": cards.model_id(card),
        "model_version": cards.MODEL_VERSION,
        "card": cards.card_text(card),
    }
    rows = pa.Table.from_pylist([row], schema=to_arrow(TABLES[table]))
    return platform.lake.write(table, rows, partitions=[day.isoformat()], made_from=platform.lake.versions(MODEL_INPUTS))


def stored_card(platform: Platform, day: date) -> tuple[str, dict[str, Any]] | None:
    """Id and card of the fit as of a day by the present version of the model; None if there is none."""
    import json

    from kc_pipeline.risk.card import MODEL_VERSION

    rows = platform.lake.read("eval/model_card", partitions=[day.isoformat()]).to_pylist()
    if not rows or rows[0]["model_version"] != MODEL_VERSION:
        return None
    return rows[0]["model_id"], json.loads(rows[0]["card"])


def make_model_card(platform: Platform, inputs: RiskInputs) -> dict[str, Any]:
    """Fit both models to a day's inputs, and say what was found."""
    import numpy as np

    from kc_pipeline.risk import metrics
    from kc_pipeline.risk.card import make_card
    from kc_pipeline.risk.risk_model import fit_risk_model, score_risks
    from kc_pipeline.risk.rtm import fit_rtm

    model = fit_risk_model(inputs.grid, inputs.features, inputs.past, inputs.places, inputs.as_of)
    design, variables = make_forms(platform, inputs)
    counts = inputs.past[: model.terrain.target_years].sum(axis=0)
    rtm = fit_rtm(design, variables, counts)
    risks = score_risks(model, inputs.grid, inputs.features, inputs.past, inputs.places)
    parts = model.terrain.parts(inputs.grid, inputs.features, inputs.past)
    terrain = np.exp(model.terrain.constant + sum(parts.values(), np.zeros(inputs.grid.size)))
    of_terrain = metrics.calibrate(terrain * model.terrain.target_years, counts)
    data = {
        "as_of": inputs.as_of.isoformat(),
        "lake_versions": platform.lake.versions(MODEL_INPUTS),
        "years": len(inputs.past),
        "events_on_the_grid": float(inputs.past.sum()),
        "events_at_places": float(inputs.places.past.sum()),
        "places": len(inputs.business_parcels),
        "places_off_the_grid": int((inputs.places.cell < 0).sum()),
    }
    found = {
        "held_out_deviance_per_cell": model.terrain.held_out_deviance,
        "terrain_calibration_slope": of_terrain.slope,
        "terrain_observed_over_expected": of_terrain.observed_over_expected,
        "expected_at_places_per_year": float(np.sum(risks.expected)),
        "log_spread_by_factor": {factor: round(float(np.std(part)), 4) for factor, part in parts.items()},
        "bic_by_family": rtm.bic_by_family,
    }
    feature_counts = {name: len(points) for name, points in inputs.features.items()}
    return make_card(model, rtm.to_card(), inputs.grid, feature_counts, data, found)


def gather_inputs(platform: Platform, as_of: date) -> RiskInputs:
    """What was known before a day; years are counted back from it as far as the records go.

    Raises:
        NoCityError: no district says where the city is.
    """
    import numpy as np

    from kc_pipeline.places.geometry import project
    from kc_pipeline.risk import observations, outcome
    from kc_pipeline.risk.risk_model import Places

    grid = city_grid(platform)
    observed = read_scored_observations(platform)
    parcels = read_frame(platform, "core/business_parcels")
    yearly = count_years(platform, parcels["business_parcel_id"], grid, as_of)
    years = outcome.whole_years(yearly.oldest, as_of)
    east_north = np.full((len(parcels), 2), np.nan)
    located = (parcels["latitude"].notna() & parcels["longitude"].notna()).to_numpy()
    east_north[located] = project(parcels.loc[located, "longitude"], parcels.loc[located, "latitude"])
    cell = np.full(len(parcels), -1, dtype=np.int64)
    cell[located] = grid.cell_of(east_north[located])
    flags = observations.business_type_flags(parcels["business_types"])
    places = Places(cell, place_traits(parcels, flags, observed, as_of), yearly.at_places[:years])
    return RiskInputs(
        as_of, grid, observations.features_on(observed, as_of), yearly.at_cells[:years], parcels, places, east_north, flags, observed
    )


def read_scored_observations(platform: Platform) -> "pd.DataFrame":
    """What a score needs of core/factor_observations, in types that are compared quickly: it is looked through some forty times."""
    rows = platform.lake.read("core/factor_observations", columns=list(_SCORED)).to_pandas(date_as_object=False)
    return rows.astype({"condition": "category"})


def count_years(platform: Platform, places: "pd.Series", grid: "Grid", as_of: date) -> "YearlyCounts":
    """Serious events of each year: of all months at once, or in parts on the cluster that the settings name."""
    from kc_pipeline.cluster import counts

    with cluster_of(platform) as client:
        work = work_on(platform, client, (counts.LEDGER, counts.REPORTS, counts.ADDRESSES), (counts.LEDGER, counts.REPORTS))
        if client is None:
            return counts.count_years_of_part(None, work.lake, places, grid, as_of)
        return counts.count_years_in_parts(work, places, grid, as_of)


def make_forms(platform: Platform, inputs: RiskInputs) -> "Forms":
    """Every factor in every form that risk terrain modelling tries: made here, or on the cluster that the settings name."""
    from kc_pipeline.cluster import counts
    from kc_pipeline.cluster.parts import PinnedLake, Work
    from kc_pipeline.risk.terrain import bands, operationalize

    reaches_m = bands(BLOCK_M, RTM_BLOCKS, RTM_INCREMENT)
    with cluster_of(platform) as client:
        if client is None:
            return operationalize(inputs.grid, inputs.features, reaches_m)
        lake = PinnedLake.of(platform.settings.lake_dir, [counts.OBSERVATIONS])
        return counts.operationalize_in_parts(Work(client, lake, counts.CONDITIONS_OF_FACTORS), inputs.grid, reaches_m, inputs.as_of)


def place_traits(
    parcels: "pd.DataFrame", flags: "dict[str, npt.NDArray[np.bool_]]", observed: "pd.DataFrame", as_of: date
) -> "dict[str, npt.NDArray[np.float64]]":
    """What a place itself has: its business types, how many businesses, and what is wrong on its premises."""
    import numpy as np

    from kc_pipeline.risk.explain import BUSINESS_COUNT, PREMISES, TYPE
    from kc_pipeline.risk.observations import observations_of

    traits = {f"{TYPE}{name}": flag.astype(float) for name, flag in flags.items()}
    traits[BUSINESS_COUNT] = np.log(parcels["business_count"].to_numpy(float).clip(1))
    for name in PREMISES_FACTORS:
        found = observations_of(observed, FACTORS[name], as_of).dropna(subset=["business_parcel_id"])
        sums = found.groupby("business_parcel_id")["finding_count"].sum().reindex(parcels["business_parcel_id"]).fillna(0.0)
        traits[f"{PREMISES}{name}"] = np.log1p(sums.to_numpy(float))
    return traits


def city_grid(platform: Platform) -> "Grid":
    """Half-block cells over the city's districts.

    Raises:
        NoCityError: no district says where the city is.
    """
    import shapely

    from kc_pipeline.places.geometry import project_shapes
    from kc_pipeline.risk.terrain import build_grid

    districts = read_frame(platform, "clean/districts", ["district_kind", "geometry"])
    for kind in _CITY_BY:
        shapes = districts.loc[districts["district_kind"] == kind, "geometry"].dropna()
        if len(shapes):
            return build_grid(shapely.union_all(project_shapes(shapely.from_wkb(shapes.to_numpy(dtype=object)))), BLOCK_M / 2)
    raise NoCityError("clean/districts has no district of any kind: where the city is, is not known")


def score_day(platform: Platform, as_of: date) -> DayScore:
    """The day's risks by the model of its month, own premises apart.

    Raises:
        LookupError: the month's model has not been fitted.
    """
    from kc_pipeline.risk.observations import observations_of
    from kc_pipeline.risk.premises import divide_premises
    from kc_pipeline.risk.risk_model import RiskModel, score_risks

    known = stored_card(platform, fit_day(as_of))
    if known is None:
        raise LookupError(f"eval/model_card has no fit as of {fit_day(as_of)}; materialize it first")
    model_id, card = known
    model = RiskModel.from_card(card["model"])
    inputs = gather_inputs(platform, as_of)
    risks = score_risks(model, inputs.grid, inputs.features, inputs.past, inputs.places)
    observed = {name: observations_of(inputs.observations, FACTORS[name], as_of) for name in PREMISES_FACTORS}
    ids = inputs.business_parcels["business_parcel_id"]
    divided = divide_premises(risks, model.terrain, inputs.grid, inputs.places.cell, ids, observed)
    return DayScore(model_id, card, model, inputs, divided)
