"""Whether two contenders found the same, and why not where they did not."""

from pathlib import Path

import numpy as np
import pandas as pd
import shapely

# Two engines may disagree on a point that lies this near to an outline, or to the 5 m around it: coordinates are kept to the
# millimetre, and each computes in its own order.
_EDGE_M, _NEAR_M = 0.01, 5.0


def compare_attribution(inputs: Path, ours: Path, theirs: Path) -> tuple[str, bool]:
    """A sentence on how two attributions of the same points differ, and whether that is explained.

    A difference is explained where the point lies on an outline, where several parcels hold it, or where its distance to a parcel
    is 5 m within a centimetre: the boundary rule decides there, not the search.
    """
    a, b = (pd.read_parquet(path / "attribution.parquet").set_index("event_id").sort_index() for path in (ours, theirs))
    if not a.index.equals(b.index):
        return f"other events: {len(a):,} and {len(b):,}", False
    one, other = (rows["parcel_id"].astype("str").fillna("") + rows["is_near"].astype(str) for rows in (a, b))
    differing = a.index[(one != other).to_numpy()]
    if differing.empty:
        return f"{len(a):,} events, every one the same", True
    explained = on_a_boundary(inputs, differing)
    left = int((~explained).sum())
    return f"{len(a):,} events, {len(differing):,} differ, of these {len(differing) - left:,} on a boundary", not left


def on_a_boundary(inputs: Path, events: pd.Index) -> np.ndarray:
    """Whether the boundary rule decides for each of some events."""
    points = pd.read_parquet(inputs / "points_metres.parquet").set_index("event_id").loc[events]
    shapes = shapely.from_wkb(pd.read_parquet(inputs / "parcels_metres.parquet", columns=["geometry"])["geometry"].to_numpy(dtype=object))
    at = shapely.points(points[["east_m", "north_m"]].to_numpy())
    point, parcel = shapely.STRtree(shapes).query(at, predicate="dwithin", distance=_NEAR_M + _EDGE_M)
    away, outline = shapely.distance(at[point], shapes[parcel]), shapely.distance(at[point], shapely.boundary(shapes[parcel]))
    holds = np.bincount(point[away == 0], minlength=len(at)) > 1
    edge = np.bincount(point[(outline <= _EDGE_M) | (np.abs(away - _NEAR_M) <= _EDGE_M)], minlength=len(at)) > 0
    return holds | edge


def compare_tables(ours: pd.DataFrame, theirs: pd.DataFrame, key: str, tolerance: float = 1e-6) -> tuple[str, bool]:
    """How many values of the columns that both tables have differ by more than a tolerance; both have a row per key."""
    a, b = (rows.set_index(key).sort_index() for rows in (ours, theirs))
    names = [name for name in b.columns if name in a.columns and pd.api.types.is_numeric_dtype(b[name])]
    if not names or not a.index.equals(b.index):
        return f"other rows: {len(a):,} and {len(b):,}, {len(names)} columns in common", False
    differing = int((~np.isclose(a[names].astype(float), b[names].astype(float), atol=tolerance, equal_nan=True)).sum())
    return f"{len(a):,} rows, {len(names)} columns, {differing:,} values differ", differing == 0


def compare_ledgers(lake: Path, theirs: Path) -> tuple[str, bool]:
    """Whether two ledgers tie the same events to the same business places with the same precision and weight."""
    from deltalake import DeltaTable

    columns = ["event_id", "business_parcel_id", "precision", "weight"]
    ours = DeltaTable(lake / "core" / "event_attribution").to_pandas(columns=columns).dropna(subset=["business_parcel_id"])
    plain = pd.read_parquet(theirs / "ledger.parquet").rename(columns={"place_id": "business_parcel_id"})[columns]
    both = ours.merge(plain, on=columns[:2], how="outer", suffixes=("", "_plain"), indicator=True)
    alike = (both["_merge"] == "both") & (both["precision"].astype("str") == both["precision_plain"].astype("str"))
    alike &= np.isclose(both["weight"], both["weight_plain"], atol=1e-9)
    return f"ledger: {len(ours):,} shares at business places, {int((~alike).sum()):,} differ", bool(alike.all())
