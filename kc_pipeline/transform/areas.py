"""Parcels, street centre lines and districts: records with a shape."""

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.transform.ledger import Ledger, provenance
from kc_pipeline.transform.locations import clean_addresses, clean_parcel_ids, clean_positions
from kc_pipeline.transform.result import CleanResult

_NO_HOUSE_NUMBER = 1e9


def clean_parcels(raw: pa.Table) -> CleanResult:
    """Clean parcels: one row per KIVA PIN, whatever number of data sets or shapes name it.

    A polygon is taken before a point; several polygons of one data set are joined; an address before none.
    """
    ledger = Ledger("parcels", raw)
    rows = ledger.usable
    parcel_id = clean_parcel_ids(rows["parcel_id"])
    identity = parcel_id.fillna("apn:" + rows["county_parcel_number"])
    ledger.reject(
        identity.isna(), "identity_missing", "The parcel has neither a KIVA PIN nor a county parcel number: {value}.", rows["parcel_id"]
    )
    rows = ledger.usable
    parcel_id, record_id = parcel_id[rows.index], "parcels:" + identity[rows.index]
    shapes = _polygons(_shapes(rows["geometry"]))
    is_areal = ~pd.isna(shapes)
    positions = clean_positions(rows)
    rows = rows.assign(
        record_id=record_id,
        parcel_id=parcel_id,
        address=clean_addresses(rows, True)["address"],
        rank=np.where(is_areal, 0, np.where(positions["latitude"].notna(), 1, 2)),
        source_rank=rows["data_set"].map({data_set.id: rank for rank, data_set in enumerate(FEEDS["parcels"].data_sets)}).astype(float),
        position=np.arange(len(rows)),
    )
    ordered = rows.sort_values(["record_id", "rank", "source_rank", "data_set", "row_id"], kind="stable")
    best = ordered.drop_duplicates("record_id").set_index("record_id")
    facts = ordered.groupby("record_id")[["parcel_id", "county_parcel_number", "land_use_code", "owner_name", "address"]].first()
    polygons = _joined_polygons(ordered[ordered["rank"] == 0], shapes)
    best_shapes = polygons.reindex(best.index).to_numpy(dtype=object)
    has_polygon = ~pd.isna(best_shapes)
    inside = shapely.point_on_surface(np.where(has_polygon, best_shapes, None))
    given = positions.iloc[best["position"].to_numpy()].set_axis(best.index)
    found = pd.DataFrame(
        {
            "latitude": pd.Series(shapely.get_y(inside), best.index).astype("str").where(has_polygon),
            "longitude": pd.Series(shapely.get_x(inside), best.index).astype("str").where(has_polygon),
            "address": facts["address"],
        }
    )
    checked = clean_positions(found)
    place = given.mask(pd.Series(has_polygon, best.index), checked, axis="index")
    points = shapely.points(place["longitude"].to_numpy(float), place["latitude"].to_numpy(float))
    geometry = np.where(has_polygon, best_shapes, np.where(place["latitude"].notna(), points, None))
    parcels = facts.assign(
        **place,
        **provenance(best.rename(columns={})),
        geometry=shapely.to_wkb(geometry),
        geometry_kind=pd.Series(np.where(has_polygon, "polygon", "point"), best.index).where(has_polygon | place["latitude"].notna()),
        zip_code=None,
    )
    return ledger.close(parcels.reset_index(), record_id)


def clean_streets(raw: pa.Table) -> CleanResult:
    """Clean street centre lines."""
    ledger = Ledger("streets", raw)
    rows = ledger.usable
    record_id = "streets:" + rows["row_id"]
    numbers = rows[["from_number", "to_number"]].apply(pd.to_numeric, errors="coerce").astype(float)
    numbers = numbers.where(numbers.abs() < _NO_HOUSE_NUMBER)
    streets = pd.DataFrame(
        {
            "record_id": record_id,
            "street_name": rows["street_name"],
            "from_number": numbers.min(axis="columns").round().astype("Int64"),
            "to_number": numbers.max(axis="columns").round().astype("Int64"),
            "geometry": rows["geometry"].mask(pd.isna(_shapes(rows["geometry"]))),
            **provenance(rows),
        }
    )
    return ledger.close(streets, record_id)


def clean_districts(raw: pa.Table) -> CleanResult:
    """Clean neighborhoods, patrol divisions and council districts; parts of one district are joined."""
    ledger = Ledger("districts", raw)
    rows = ledger.usable
    shapes = _polygons(_shapes(rows["geometry"]))
    has_shape = ~pd.isna(shapes)
    no_shape = pd.Series(~has_shape, index=rows.index)
    ledger.reject(no_shape, "geometry_missing", "The district {value} has no shape that can be read as a polygon.", rows["district_name"])
    rows = ledger.usable
    name = rows["district_name"].fillna("unnamed " + rows["row_id"])
    record_id = "districts:" + rows["district_kind"] + ":" + name
    rows = rows.assign(record_id=record_id, district_name=name, position=np.arange(len(rows)))
    ordered = rows.sort_values(["record_id", "data_set", "row_id"], kind="stable")
    first = ordered.drop_duplicates("record_id").set_index("record_id")
    joined = _joined_polygons(ordered, shapes[has_shape]).reindex(first.index)
    districts = first[["district_kind", "district_name"]].assign(
        geometry=shapely.to_wkb(joined.to_numpy(dtype=object)), **provenance(first)
    )
    return ledger.close(districts.reset_index(), record_id)


def _shapes(wkb: pd.Series) -> np.ndarray:
    values = wkb.to_numpy(dtype=object)
    return np.asarray(shapely.from_wkb(np.where(wkb.notna().to_numpy(), values, None), on_invalid="ignore"), dtype=object)


def _polygons(shapes: np.ndarray) -> np.ndarray:
    """Valid polygons; None for any other shape and for one that encloses nothing (lines and points left over by mending are dropped)."""
    polygons = shapes.copy()
    polygons[~np.isin(shapely.get_type_id(polygons), (3, 6))] = None
    broken = ~pd.isna(polygons) & ~shapely.is_valid(polygons)
    polygons[broken] = shapely.make_valid(polygons[broken], method="structure", keep_collapsed=False)
    polygons[~np.isin(shapely.get_type_id(polygons), (3, 6)) | shapely.is_empty(polygons)] = None
    return polygons


def _joined_polygons(ordered: pd.DataFrame, shapes: np.ndarray) -> pd.Series:
    """One valid polygon per record_id: of the first data set that has any, all its parts joined."""
    first_set = ordered.groupby("record_id")["data_set"].transform("first")
    parts = ordered[ordered["data_set"] == first_set]
    part_shapes = pd.Series(shapes[parts["position"].to_numpy()], index=parts["record_id"].to_numpy(), dtype=object)
    repeated = part_shapes.index.duplicated(keep=False)
    several = {key: shapely.union_all(group.to_numpy(dtype=object)) for key, group in part_shapes[repeated].groupby(level=0)}
    return pd.concat([part_shapes[~repeated], pd.Series(several, dtype=object)])
