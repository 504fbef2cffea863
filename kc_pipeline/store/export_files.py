"""One view's rows as one file: CSV, Parquet, GeoParquet, GeoJSON, GeoPackage.

CSV begins with a byte order mark.  Without one Excel takes the file for the Windows code page and spoils every name with an
accent; pandas (`encoding="utf-8-sig"`), DuckDB, R and GDAL pass over it.  An empty text is `""`, a missing value nothing at
all.  Spatial files hold the rows that have a position, as points in EPSG:4326, x being the longitude in every one of them.
"""

import codecs
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS
from kc_pipeline.store.csv_cells import safe_cells

_MICROSECONDS = "%Y-%m-%dT%H:%M:%S"


def is_spatial(rows: pa.Table) -> bool:
    """Whether rows can have a position."""
    return {"latitude", "longitude"} <= set(rows.column_names)


def with_position(rows: pa.Table) -> pa.Table:
    """The rows that have a position."""
    return rows.filter(pc.and_(pc.is_valid(rows["latitude"]), pc.is_valid(rows["longitude"])))


def write_csv(rows: pa.Table, path: Path) -> None:
    """Comma-separated UTF-8 with a byte order mark; no text can be taken for a formula, numbers are as they are."""
    safe = _with_times_as_text(rows, dates=False)
    for position, field in enumerate(safe.schema):
        if pa.types.is_string(field.type):
            safe = safe.set_column(position, field.name, safe_cells(safe[field.name]))
        elif pa.types.is_floating(field.type):
            numbers = safe[field.name]
            safe = safe.set_column(position, field.name, pc.if_else(pc.is_nan(numbers), pa.scalar(None, field.type), numbers))
    with path.open("wb") as file:
        file.write(codecs.BOM_UTF8)
        pa_csv.write_csv(safe, file)


def write_parquet(rows: pa.Table, path: Path) -> None:
    """Parquet with the catalogue's descriptions in the fields."""
    pq.write_table(rows, path, compression="zstd")


def write_geoparquet(rows: pa.Table, path: Path) -> None:
    """GeoParquet 1.1 with a bounding box per row, by which readers skip row groups."""
    import geopandas as gpd
    import pandas as pd

    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)  # whole numbers stay whole where some are missing
    points = gpd.points_from_xy(rows["longitude"].to_numpy(), rows["latitude"].to_numpy(), crs=GEOGRAPHIC_CRS)
    gpd.GeoDataFrame(frame, geometry=points).to_parquet(
        path, index=False, compression="zstd", schema_version="1.1.0", write_covering_bbox=True
    )


def write_geojson(rows: pa.Table, path: Path) -> None:
    """GeoJSON by RFC 7946: points, longitude first, no other reference system; days and times as ISO 8601 text."""
    _write_layer(_with_times_as_text(rows, dates=True), path, "GeoJSON", RFC7946="YES")


def write_geopackage(rows: pa.Table, path: Path) -> None:
    """GeoPackage 1.3, which older desktop programs read too, with one layer of points, named like the file."""
    _write_layer(rows, path, "GPKG", VERSION="1.3")


def _write_layer(rows: pa.Table, path: Path, driver: str, **options: str) -> None:
    import pyogrio
    import shapely

    points = shapely.to_wkb(shapely.points(rows["longitude"].to_numpy(), rows["latitude"].to_numpy()))
    layer = rows.replace_schema_metadata(None).append_column("geom", pa.array(points, pa.binary()))
    pyogrio.write_arrow(
        layer, path, layer=path.stem, driver=driver, geometry_name="geom", geometry_type="Point", crs=GEOGRAPHIC_CRS, **options
    )


def _with_times_as_text(rows: pa.Table, *, dates: bool) -> pa.Table:
    """Rows with times, and days if wanted, as ISO 8601 text; UTC ends in Z."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            text = pc.strftime(rows[field.name], format=_MICROSECONDS + ("Z" if field.type.tz else ""))
        elif dates and pa.types.is_date(field.type):
            text = rows[field.name].cast(pa.string())
        else:
            continue
        rows = rows.set_column(position, field.name, text)
    return rows
