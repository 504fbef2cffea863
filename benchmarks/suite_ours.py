"""Our contender of the suite: one job in a process of its own.

    python benchmarks/suite_ours.py JOB INPUTS OUT

JOB is one of JOBS; INPUTS the folder of the Parquet files, or a data folder; OUT the folder that takes the results.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kc_pipeline.catalog.columns import EVENT_FEEDS

if TYPE_CHECKING:
    from kc_pipeline.defs.resources import Platform
    from kc_pipeline.places.locations import Locations


def attribute(inputs: Path, out: Path) -> None:
    """The parcel that holds each point, else the only one within 5 m."""
    find(inputs, out, None)


def attribute_warm(inputs: Path, out: Path) -> None:
    """The same, with the rows of kept/locations that an earlier run left."""
    find(inputs, out, pd.read_parquet(out / "locations.parquet"))


def keep_locations(inputs: Path, out: Path) -> None:
    """What `attribute_warm` begins with: kept/locations as an earlier run of the same parcels left it."""
    find(inputs, out, None).rows.to_parquet(out / "locations.parquet", index=False)


def find(inputs: Path, out: Path, known: pd.DataFrame | None) -> "Locations":
    """Place the points and write what was found."""
    from kc_pipeline.places.geometry import PolygonIndex
    from kc_pipeline.places.locations import Locations

    def index(around: np.ndarray) -> PolygonIndex:
        parcels = pd.read_parquet(inputs / "parcels.parquet")
        return PolygonIndex(parcels["parcel_id"], parcels["geometry"], around)

    points = pd.read_parquet(inputs / "points.parquet", columns=["event_id", "longitude", "latitude"])
    locations = Locations(known)
    found = locations.at(points, index)
    write_found(points["event_id"], found["holding_parcel_id"], found["neighbor_parcel_id"], out)
    return locations


def write_found(event_id: pd.Series, holding: pd.Series, neighbor: pd.Series, out: Path) -> None:
    """Write the result of attribution: event_id, parcel_id and whether it is a neighbor's."""
    found = pd.DataFrame({"event_id": event_id, "parcel_id": holding.fillna(neighbor), "is_near": holding.isna() & neighbor.notna()})
    found.to_parquet(out / "attribution.parquet", index=False)


def features(inputs: Path, out: Path) -> None:
    """Metres from each business to the nearest event of each feed, and events of each feed in the half-block cell around it."""
    from kc_pipeline.places.geometry import project
    from kc_pipeline.risk.terrain import Grid

    points = pd.read_parquet(inputs / "points.parquet", columns=["feed", "longitude", "latitude"])
    businesses = pd.read_parquet(inputs / "businesses.parquet")
    events, places = (project(rows["longitude"], rows["latitude"]) for rows in (points, businesses))
    west, south = np.floor(places.min(axis=0)) - 1
    columns, rows = np.ceil((places.max(axis=0) - (west, south)) / CELL_M).astype(int) + 1
    grid = Grid(float(west), float(south), CELL_M, np.ones((rows, columns), dtype=bool))
    cell = grid.cell_of(places)
    found = {}
    for feed in EVENT_FEEDS:
        of_feed = events[(points["feed"] == feed).to_numpy()]
        found[f"{feed}_m"] = grid.distance(of_feed, places)
        found[f"{feed}_count"] = grid.count(of_feed)[cell].astype("int64")
    businesses[["business_parcel_id"]].assign(**found).to_parquet(out / "features.parquet", index=False)


def decade(inputs: Path, out: Path) -> None:
    """Ten years from clean tables to the ledger, the observations, the counts and the score, with the stored fit."""
    from suite_inputs import ANCHOR_DATE, platform_of

    from kc_pipeline.defs.steps import attribution, marts, risk

    platform = platform_of(inputs)
    for name, step in (("attribution", attribution.attribute_events), ("observations", risk.gather_observations)):
        step(platform)
        mark(name)
    marts.judge_sources(platform, ANCHOR_DATE, "benchmark")
    score(platform)
    mark("score")
    export_ledger(platform, out)


def score(platform: "Platform") -> None:
    """The day's risks by the stored fit, and what adds to them."""
    from suite_inputs import ANCHOR_DATE

    from kc_pipeline.defs.steps import marts, risk

    said = risk.score_day(platform, ANCHOR_DATE)
    marts.score_business_risk(platform, said, ANCHOR_DATE, "benchmark")
    marts.explain_business_risk(platform, said, ANCHOR_DATE, "benchmark")


def backfill(inputs: Path, out: Path) -> None:
    """Every kept raw page to clean tables, core tables, fit and score."""
    from suite_inputs import ANCHOR_DATE, BEFORE_ATTRIBUTION, platform_of

    from kc_pipeline.catalog.sources import FEEDS
    from kc_pipeline.defs.steps import attribution, feeds, marts, risk

    platform = platform_of(inputs, "2015-01")
    object.__setattr__(platform, "progress", mark)
    for feed in FEEDS.values():
        feeds.clean_feed(platform, feed)
        mark(f"cleaned {feed.name}")
    for step in (*BEFORE_ATTRIBUTION, attribution.attribute_events, risk.gather_observations):
        step(platform)
        mark(step.__name__)
    marts.judge_sources(platform, ANCHOR_DATE, "benchmark")
    risk.fit_model(platform, ANCHOR_DATE)
    mark("fit_model")
    score(platform)
    mark("score_business_risk")
    export_ledger(platform, out)


def export_ledger(platform: object, out: Path) -> None:
    """Note how many rows the ledger has; the rows themselves stay in the lake, where they were asked for."""
    count = platform.lake.count("core/event_attribution")  # type: ignore[attr-defined]
    (out / "rows.txt").write_text(str(count))


def mark(text: str) -> None:
    """Tell the measuring process how far this one is."""
    print(f"MARK {text}", flush=True)


CELL_M = 74.0
JOBS = {
    "attribute": attribute,
    "attribute_warm": attribute_warm,
    "keep_locations": keep_locations,
    "features": features,
    "decade": decade,
    "backfill": backfill,
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
