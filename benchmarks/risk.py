"""How good the risk models are on a real city, how fast, and whether they agree with other implementations.

    KC_REAL_DATA=FOLDER .venv/bin/python benchmarks/risk.py

Reads riskdata/chicago/ in that folder: points of 13 factor layers and of burglaries of 2017 and 2018 (City of Chicago, public).
Everything is fitted to 2017 and tested on 2018, on half-block cells of 213 feet.  The bars beside the figures are the
project's own.  Two more scripts belong to it: food_inspections.py (inspectors) and planted_effects.py (the synthetic city).
"""

import gzip
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Transformer
from scipy.optimize import minimize

from kc_pipeline.risk.backtest import judge
from kc_pipeline.risk.count_models import NB1, NB2, POISSON, fit_counts
from kc_pipeline.risk.elastic_net import fit_path, strength_path
from kc_pipeline.risk.history import fit_place_effects
from kc_pipeline.risk.rivals import OUR_MODEL, RTM, Training, expectations
from kc_pipeline.risk.rtm import RiskTerrain, fit_rtm
from kc_pipeline.risk.terrain import Grid, Points, bands, build_grid, operationalize
from kc_pipeline.risk.terrain_model import fit_terrain_model

Floats = npt.NDArray[np.float64]

FOOT_M = 0.3048
CELL_M, BLOCK_M, BLOCKS = 213 * FOOT_M, 426 * FOOT_M, 3
FITTED, TESTED = "burglary_2017", "burglary_2018"
# Transverse Mercator in metres, as the layers have it.
CHICAGO = "+proj=tmerc +lat_0=36.66666666666666 +lon_0=-88.33333333333333 +k=0.999975 +x_0=300000 +y_0=0 +datum=NAD83 +units=m +no_defs"
TOP_BUSINESSES, NEAR_BUSINESS_M = 100, 100.0


def read_chicago(folder: Path) -> tuple[Grid, dict[str, Points], Floats, Floats]:
    """Grid, factor -> points, and the counts of cells in the fitted and in the tested year."""
    layers = pd.read_csv(folder / "chicago_layers_points.csv.gz")
    points = {str(name): rows[["x", "y"]].to_numpy() for name, rows in layers.groupby("layer")}
    grid = build_grid(shapely.union_all(read_shapes(folder / "chicagoBoundary.geojson.gz")), CELL_M)
    features = {name: xy for name, xy in points.items() if name not in (FITTED, TESTED)}
    return grid, features, grid.count(points[FITTED]), grid.count(points[TESTED])


def read_shapes(path: Path) -> Any:
    """Shapes of a GeoJSON file in metres."""
    to_metres = Transformer.from_crs("EPSG:4326", CHICAGO, always_xy=True)
    features = json.loads(gzip.decompress(path.read_bytes()))["features"]
    shapes = shapely.from_geojson([json.dumps(feature["geometry"]) for feature in features])
    return shapely.transform(shapely.make_valid(shapes), lambda xy: np.column_stack(to_metres.transform(*xy.T)))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work gives, and the seconds that it took."""
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def print_bar(name: str, value: float, bar: str, is_met: bool) -> None:
    """One figure beside its bar."""
    print(f"| {name} | {value:,.4g} | {bar} | {'met' if is_met else '**not met**'} |")


def print_rtm(terrain: RiskTerrain) -> None:
    """The factor table that users of risk terrain modelling know."""
    print(f"\nRisk terrain modelling: {len(terrain.candidates)} candidate forms, {terrain.fit.family} wins\n")
    print("| factor | operationalization | reach, m | coefficient | relative risk value |\n|---|---|--:|--:|--:|")
    for row in terrain.factor_table().itertuples():
        print(f"| {row.factor} | {row.kind} | {row.reach_m:.0f} | {row.coefficient:.4f} | {row.relative_risk_value:.4f} |")


def print_agreement(design: npt.NDArray[np.float32], terrain: RiskTerrain, names: list[str], counts: Floats) -> None:
    """Largest difference of coefficients from statsmodels (count models) and from a bounded quasi-Newton method (elastic net)."""
    import statsmodels.api as sm

    chosen = [names.index(variable.name) for variable in terrain.variables]
    columns = np.column_stack([np.ones(len(counts)), design[:, chosen]]).astype(float)
    print("\n| agreement on the same cells | largest difference of a coefficient | bar | |\n|---|--:|--:|---|")
    for family in (NB1, NB2):
        theirs = sm.NegativeBinomial(counts, columns, loglike_method=family)
        start = np.append(fit_counts(POISSON, columns, counts).coefficients, 0.5)
        other = theirs.fit(start_params=start, method="bfgs", maxiter=500, gtol=1e-7, disp=0)
        apart = np.abs(fit_counts(family, columns, counts).coefficients - other.params[:-1]).max()
        print_bar(f"{family.upper()} against statsmodels", float(apart), "<= 1e-4", bool(apart <= 1e-4))
    strength = float(strength_path(design, counts)[-1])
    path = fit_path(design, counts, strength_path(design, counts))
    apart = np.abs(path.coefficients[-1] - bounded_elastic_net(design, counts, strength)).max()
    print_bar("elastic net against bounded L-BFGS", float(apart), "<= 1e-4", bool(apart <= 1e-4))


def bounded_elastic_net(design: npt.NDArray[np.float32], counts: Floats, strength: float, l1_share: float = 0.5) -> Floats:
    """The same minimum by another way."""
    centre, spread = design.mean(axis=0, dtype=float), design.std(axis=0, dtype=float)
    spread = np.where(spread > 1e-9, spread, 1.0)
    unit = ((design - centre) / spread).astype(float)

    def cost(free: Floats) -> tuple[float, Floats]:
        eta = free[0] + unit @ free[1:]
        mean = np.exp(eta)
        penalty = strength * (l1_share * free[1:].sum() + (1 - l1_share) / 2 * (free[1:] ** 2).sum())
        slope = unit.T @ (mean - counts) / len(counts) + strength * (l1_share + (1 - l1_share) * free[1:])
        return float((mean - counts * eta).mean() + penalty), np.append((mean - counts).mean(), slope)

    start = np.append(np.log(counts.mean()), np.zeros(design.shape[1]))
    bounds = [(None, None), *[(0, None)] * design.shape[1]]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 3_000})
    return np.asarray(found.x[1:] / spread)


def print_businesses(folder: Path, grid: Grid, ours: Floats, last_year: Floats, points: tuple[Points, Points]) -> None:
    """Later burglaries near the food businesses with the highest score, ours and last year's count near them."""
    from scipy.spatial import cKDTree

    places = pd.read_csv(folder / "chicago_food_businesses.csv.gz")[["x", "y"]].dropna().to_numpy()
    before, after = (np.array([len(m) for m in cKDTree(xy).query_ball_point(places, NEAR_BUSINESS_M)]) for xy in points)
    near_cells = cKDTree(grid.centres()).query_ball_point(places, NEAR_BUSINESS_M)
    expected = np.array([ours[cells].sum() for cells in near_cells])
    rng = np.random.default_rng(0)
    print(f"\nTop {TOP_BUSINESSES} of {len(places):,} food businesses: mean burglaries of the year after within {NEAR_BUSINESS_M:.0f} m")
    for name, score in (("our model", expected), ("last year's count", before.astype(float))):
        means = [after[np.lexsort((rng.random(len(score)), -score))[:TOP_BUSINESSES]].mean() for _ in range(20)]
        print(f"  {name}: {np.mean(means):.2f}")


def main() -> None:
    """Print all."""
    if not os.environ.get("KC_REAL_DATA"):
        sys.exit("KC_REAL_DATA names no folder of recorded data")
    folder = Path(os.environ["KC_REAL_DATA"]) / "riskdata" / "chicago"
    grid, features, counts, later = read_chicago(folder)
    past = counts[None]
    print(f"{grid.size:,} cells, {counts.sum():,.0f} events to fit, {later.sum():,.0f} to test")
    (design, variables), forms_s = timed(lambda: operationalize(grid, features, bands(BLOCK_M, BLOCKS, "half")))
    terrain, search_s = timed(lambda: fit_rtm(design, variables, counts, is_exact=True))
    quick, quick_s = timed(lambda: fit_rtm(design, variables, counts))
    print_rtm(terrain)
    ours, ours_s = timed(lambda: fit_terrain_model(grid, features, past))
    expected = ours.expected(grid, features, past)
    effects, effects_s = timed(lambda: fit_place_effects(expected, past))
    score = expected * effects.multiplier(expected, past)

    training = Training(grid, features, past, bands(BLOCK_M, BLOCKS, "half"))
    models = {**expectations(training, (RTM, OUR_MODEL)), OUR_MODEL: score, RTM: terrain.relative_scores}
    judged = judge(models, later, training).set_index(["model_name", "area_share_pct"])
    shares = judged.index.get_level_values(1).unique()
    print(
        "\n| model | "
        + " | ".join(f"PAI {share:.0f} %" for share in shares)
        + " | PEI 5 % | deviance | slope |\n|---|"
        + "--:|" * (len(shares) + 3)
    )
    for name in models:
        rows = judged.loc[name]
        accuracy = " | ".join(f"{rows.loc[share, 'pai']:.2f}" for share in shares)
        rest = (rows.loc[5.0, "pei"], rows["deviance"].iloc[0], rows["calibration_slope"].iloc[0])
        print(f"| {name} | {accuracy} | " + " | ".join("" if np.isnan(value) else f"{value:.3f}" for value in rest) + " |")
    one, five = (judged.loc[(OUR_MODEL, share)] for share in (1.0, 5.0))
    bic = terrain.bic_by_family
    print(f"\nour model at 1 %: {one['pai']:.2f} (90 % interval {one['pai_low_90']:.2f} to {one['pai_high_90']:.2f})")
    print("\n| | reached | bar | |\n|---|--:|--:|---|")
    print_bar("RTM: BIC of NB1 less that of Poisson", bic[NB1] - bic[POISSON], "< 0", bic[NB1] < bic[POISSON])
    print_bar("RTM: BIC", terrain.fit.bic, "50,249 within 1 %", abs(terrain.fit.bic / 50_249 - 1) <= 0.01)
    print_bar("our model: PAI 1 %", one["pai"], ">= 9.4", one["pai"] >= 9.4)
    print_bar("our model: PAI 5 %", five["pai"], ">= 5.6", five["pai"] >= 5.6)
    ratio = one["pai"] / judged.loc[(RTM, 1.0), "pai"]
    print_bar("our model over RTM at 1 %", ratio, ">= 2", ratio >= 2)
    print_bar("our model: deviance", one["deviance"], "<= .249", one["deviance"] <= 0.249)
    print_bar("our model: slope", one["calibration_slope"], ".95 to 1.05", 0.95 <= one["calibration_slope"] <= 1.05)
    share = (ours_s + effects_s) / (forms_s + search_s)
    print_bar("our fit over the RTM search, seconds", share, "<= .1", share <= 0.1)
    searches = f"RTM search {search_s:.1f} (every fold fitted anew), {quick_s:.1f} (one step per fold)"
    print(f"\nseconds: RTM forms {forms_s:.1f}, {searches}; our features and fit {ours_s:.1f}, place effects {effects_s:.1f}")
    print(f"both searches choose the same forms: {quick.variables == terrain.variables}")
    layers = pd.read_csv(folder / "chicago_layers_points.csv.gz")
    of_year = tuple(layers.loc[layers["layer"] == year, ["x", "y"]].to_numpy() for year in (FITTED, TESTED))
    print_businesses(folder, grid, score, counts, (of_year[0], of_year[1]))
    print_agreement(design, terrain, [variable.name for variable in variables], counts)


if __name__ == "__main__":
    main()
