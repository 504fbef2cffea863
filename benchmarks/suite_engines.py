"""The other contenders of attribution: SQL engines with spatial functions, and the floor that nobody gets below.

    python benchmarks/suite_engines.py NAME INPUTS OUT [URL]

NAME is one of CONTENDERS.  The engines read the same degrees as ours and project them; PostGIS alone is given metres.  They apply
the same rule: the holding parcel with the nearest centroid, then the lowest id; else the only one within 5 m.
"""

import sys
from pathlib import Path

NEAR_M = 5
_RULE = """
WITH held AS (
  SELECT p.event_id, b.parcel_id,
         row_number() OVER (PARTITION BY p.event_id
                            ORDER BY power(p.east_m - b.middle_east_m, 2) + power(p.north_m - b.middle_north_m, 2), b.parcel_id) AS place
  FROM points p JOIN parcels b ON {intersects}
), near AS (
  SELECT p.event_id, min(b.parcel_id) AS parcel_id
  FROM (SELECT * FROM points q WHERE NOT EXISTS (SELECT 1 FROM held h WHERE h.event_id = q.event_id)) p JOIN parcels b ON {within}
  GROUP BY p.event_id HAVING count(*) = 1
)
SELECT p.event_id, coalesce(h.parcel_id, n.parcel_id) AS parcel_id, h.parcel_id IS NULL AND n.parcel_id IS NOT NULL AS is_near
FROM points p LEFT JOIN (SELECT * FROM held WHERE place = 1) h ON h.event_id = p.event_id LEFT JOIN near n ON n.event_id = p.event_id
"""


_METRIC = {
    "points": """
SELECT event_id, ST_X(geom) AS east_m, ST_Y(geom) AS north_m, geom
FROM (SELECT event_id, ST_Transform(ST_Point(longitude, latitude), 'EPSG:4326', 'EPSG:26915'{more}) AS geom FROM {file})
""",
    "parcels": """
SELECT parcel_id, ST_X(ST_Centroid(geom)) AS middle_east_m, ST_Y(ST_Centroid(geom)) AS middle_north_m, geom
FROM (SELECT parcel_id, ST_Transform(ST_GeomFromWKB(geometry), 'EPSG:4326', 'EPSG:26915'{more}) AS geom FROM {file})
""",
}


class MissingError(RuntimeError):
    """A contender cannot be had here."""


def _extension_file() -> Path:
    """DuckDB's spatial extension, in the package that carries it; DuckDB itself checks that it is signed.

    Raises:
        MissingError: the package is not installed.
    """
    try:
        import duckdb_extension_spatial
    except ImportError:
        raise MissingError("DuckDB's spatial extension is not installed (see benchmarks/engines.txt)") from None
    return next(Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension"))


def duckdb_spatial(inputs: Path, out: Path, _url: str) -> None:
    """DuckDB with its spatial extension."""
    import duckdb

    connection = duckdb.connect()
    try:
        connection.execute(f"LOAD '{_extension_file()}'")
    except duckdb.Error as error:
        raise MissingError(
            f"DuckDB {duckdb.__version__}: its spatial extension cannot be had: {str(error).splitlines()[0][:120]}"
        ) from None
    points, parcels = (_METRIC[name].format(file=f"'{inputs / name}.parquet'", more=", always_xy := true") for name in _METRIC)
    connection.execute(f"CREATE TABLE points AS {points}")
    connection.execute(f"CREATE TABLE parcels AS {parcels}")
    rule = _RULE.format(intersects="ST_Intersects(b.geom, p.geom)", within=f"ST_DWithin(b.geom, p.geom, {NEAR_M})")
    connection.execute(f"COPY ({rule}) TO '{out / 'attribution.parquet'}' (FORMAT parquet)")


def sedona(inputs: Path, out: Path, _url: str) -> None:
    """SedonaDB."""
    try:
        import sedonadb
    except ImportError:
        raise MissingError("SedonaDB is not installed (see benchmarks/engines.txt)") from None
    context = sedonadb.connect()
    for name, metric in _METRIC.items():
        context.read_parquet(str(inputs / f"{name}.parquet")).to_view(f"{name}_file")
        context.sql(metric.format(file=f"{name}_file", more="")).to_memtable().to_view(name)
    context.sql(
        "SELECT p.event_id, b.parcel_id, row_number() OVER (PARTITION BY p.event_id ORDER BY power(p.east_m - b.middle_east_m, 2)"
        " + power(p.north_m - b.middle_north_m, 2), b.parcel_id) AS place FROM points p JOIN parcels b ON ST_Intersects(b.geom, p.geom)"
    ).to_memtable().to_view("held")
    context.sql("SELECT p.* FROM points p LEFT ANTI JOIN held h ON h.event_id = p.event_id").to_memtable().to_view("rest")
    context.sql(
        "SELECT p.event_id, min(b.parcel_id) AS parcel_id FROM rest p"  # noqa: S608 - our own number
        f" JOIN parcels b ON ST_DWithin(b.geom, p.geom, {NEAR_M}.0) GROUP BY p.event_id HAVING count(*) = 1"
    ).to_memtable().to_view("near")
    context.sql("SELECT * FROM held WHERE place = 1").to_view("held_first")
    found = context.sql(
        "SELECT p.event_id, coalesce(h.parcel_id, n.parcel_id) AS parcel_id, h.parcel_id IS NULL AND n.parcel_id IS NOT NULL AS is_near"
        " FROM points p LEFT JOIN held_first h ON h.event_id = p.event_id LEFT JOIN near n ON n.event_id = p.event_id"
    )
    found.to_pandas().to_parquet(out / "attribution.parquet", index=False)


def postgis(inputs: Path, out: Path, url: str) -> None:
    """PostGIS: the tables and their index stand in the database already (`load_postgis`); the query and its result are timed."""
    import pandas as pd
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection, connection.cursor() as cursor:
        rule = _RULE.format(intersects="ST_Intersects(b.geom, p.geom)", within=f"ST_DWithin(b.geom, p.geom, {NEAR_M})")
        with cursor.copy(f"COPY ({rule}) TO STDOUT (FORMAT csv, HEADER)") as copy, (out / "found.csv").open("wb") as file:
            for part in copy:
                file.write(part)
    found = pd.read_csv(out / "found.csv", dtype={"event_id": "str", "parcel_id": "str"})
    found.assign(is_near=found["is_near"].eq("t")).to_parquet(out / "attribution.parquet", index=False)


def load_postgis(inputs: Path, _out: Path, url: str) -> None:
    """Not measured: fill the database."""
    import pandas as pd
    import psycopg

    points, parcels = pd.read_parquet(inputs / "points_metres.parquet"), pd.read_parquet(inputs / "parcels_metres.parquet")
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE points (event_id text, east_m float8, north_m float8)")
        cursor.execute("CREATE TABLE raw_parcels (parcel_id text, middle_east_m float8, middle_north_m float8, shape text)")
        with cursor.copy("COPY points FROM STDIN (FORMAT csv)") as copy:
            copy.write(points[["event_id", "east_m", "north_m"]].to_csv(index=False, header=False))
        texts = parcels.assign(shape=parcels["geometry"].map(bytes.hex))[["parcel_id", "middle_east_m", "middle_north_m", "shape"]]
        with cursor.copy("COPY raw_parcels FROM STDIN (FORMAT csv)") as copy:
            copy.write(texts.to_csv(index=False, header=False))
        cursor.execute("ALTER TABLE points ADD geom geometry")
        cursor.execute("UPDATE points SET geom = ST_MakePoint(east_m, north_m)")
        cursor.execute(
            "CREATE TABLE parcels AS SELECT parcel_id, middle_east_m, middle_north_m, ST_GeomFromWKB(decode(shape, 'hex')) AS geom"
            " FROM raw_parcels"
        )
        cursor.execute("CREATE INDEX ON parcels USING gist (geom)")
        cursor.execute("VACUUM ANALYZE points")
        cursor.execute("VACUUM ANALYZE parcels")


def read_bytes(inputs: Path, _out: Path, _url: str) -> None:
    """The floor: the columns of the same files read once, nothing done."""
    import pyarrow.parquet as pq

    pq.read_table(inputs / "points.parquet", columns=["event_id", "longitude", "latitude"])
    pq.read_table(inputs / "parcels.parquet")


def bare_tree(inputs: Path, _out: Path, _url: str) -> None:
    """The floor of geometry: points and parcels in metres, one STRtree, one query; no projection, no rule, no result."""
    import pyarrow.parquet as pq
    import shapely

    points = pq.read_table(inputs / "points_metres.parquet", columns=["event_id", "east_m", "north_m"])
    shapes = shapely.from_wkb(pq.read_table(inputs / "parcels_metres.parquet", columns=["geometry"])["geometry"].to_numpy())
    shapely.STRtree(shapes).query(shapely.points(points["east_m"].to_numpy(), points["north_m"].to_numpy()), predicate="intersects")


CONTENDERS = {
    "duckdb": duckdb_spatial,
    "sedonadb": sedona,
    "postgis": postgis,
    "load_postgis": load_postgis,
    "read": read_bytes,
    "tree": bare_tree,
}

if __name__ == "__main__":
    try:
        CONTENDERS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else "")
    except MissingError as problem:
        sys.exit(f"not installable here: {problem}")
