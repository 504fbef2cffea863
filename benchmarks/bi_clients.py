"""Let real BI clients read the views: sqlite3, psql, DuckDB, GDAL, and Apache Superset.

    .venv/bin/python benchmarks/bi_clients.py --data-dir DIR [--superset ENVIRONMENT/bin/python]

DIR is a KC_DATA_DIR in which `kc run` has finished.  Its newest day is published to a PostgreSQL with PostGIS as well (the one
that KC_TEST_PG_DSN names, else one started here for the time), and exported.  Each client lists columns with their types and
answers three questions: a filter, a join of three views, and what lies within a piece of the map.  Every answer is compared with
that of pandas on the same views; a client that says something else ends the run.  Superset needs an environment of its own:
`python3.11 -m venv E && E/bin/pip install apache-superset 'flask-caching==2.3.1' psycopg2-binary`.
"""

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from bi_questions import RISK, DifferentAnswerError, Questions, Rows, promised, same_columns

from kc_pipeline.catalog.compatibility import columns_of
from kc_pipeline.catalog.releases import contract_text, read_released
from kc_pipeline.catalog.views import EXPORT_FORMATS, MAP_VIEWS, PUBLISHED_MARTS, VIEWS
from kc_pipeline.settings import load_settings
from kc_pipeline.store.exports import ViewRows, write_export
from kc_pipeline.store.warehouse import Warehouse

sys.path.append(str(Path(__file__).parents[1] / "kc_pipeline_tests"))  # whose server is started here
from postgres_server import drop_database, new_database, running_server

MAP = MAP_VIEWS["marts/business_risk"]


def typed(rows: Rows, like: Rows) -> Rows:
    """Texts of a command-line client in the types of the right answer."""
    kinds = [type(value) for value in like[0]]
    return [tuple(kind(value) for kind, value in zip(kinds, row, strict=True)) for row in rows]


def output(*command: str) -> str:
    """What a program prints.

    Raises:
        RuntimeError: it fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own commands
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-800:]}")
    return done.stdout


def by_sqlite(path: str, questions: Questions) -> dict[str, int]:
    """The sqlite3 command line, read-only."""

    def ask(sql: str) -> Rows:
        printed = output("sqlite3", "-readonly", "-json", path, sql)
        return [tuple(row.values()) for row in json.loads(printed or "[]")]

    listed = {view: dict(ask(f"SELECT name, type FROM pragma_table_info('{view}')")) for view in VIEWS}  # noqa: S608
    return {"columns": same_columns("sqlite3", listed, promised("sqlite"))} | {
        name: questions.check("sqlite3", name, ask(sql)) for name, sql in questions.sql.items()
    }


def by_psql(url: sa.URL, questions: Questions) -> dict[str, int]:
    """The psql command line."""

    def ask(sql: str) -> Rows:
        printed = output("psql", url.render_as_string(hide_password=False), "--csv", "--tuples-only", "--command", sql)
        return [tuple(line.split(",")) for line in printed.splitlines()]

    catalogue = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name LIKE 'v1_%'"
    listed: dict[str, dict[str, str]] = {}
    for view, column, kind in ask(catalogue):
        listed.setdefault(view, {})[column] = kind
    return {"columns": same_columns("psql", {view: listed[view] for view in VIEWS}, promised("postgresql"))} | {
        name: questions.check("psql", name, typed(ask(sql), questions.answers[name])) for name, sql in questions.sql.items()
    }


def by_gdal_on_postgis(url: sa.URL, questions: Questions) -> dict[str, int]:
    """ogr2ogr on the map view, which QGIS reads the same way: points within a box, by PostGIS; it prints 15 digits of a number."""
    source = "PG:" + " ".join(
        f"{k}='{v}'" for k, v in {"dbname": url.database, "user": url.username, **url.query, "port": url.port}.items() if v
    )
    told = output("ogrinfo", "-ro", "-so", source, MAP)
    if "Geometry: Point" not in told or 'ID["EPSG",4326]' not in told:
        raise DifferentAnswerError(f"ogrinfo does not see points in EPSG:4326: {told[:300]}")
    fields = [line for line in told.splitlines() if line.split(":")[0] in VIEWS[RISK].contract.column_names]
    west, east, south, north = (str(value) for value in questions.box)
    box = ["-spat", west, south, east, north]
    printed = output("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", source, MAP, *box, "-select", "business_parcel_id,latitude,longitude")
    features = json.loads(printed)["features"]
    rows: Rows = [tuple(feature["properties"].values()) for feature in features]
    for feature in features:
        x, y = feature["geometry"]["coordinates"]
        place = feature["properties"]
        if abs(x - place["longitude"]) > 1e-9 or abs(y - place["latitude"]) > 1e-9:
            raise DifferentAnswerError(f"GDAL: {place} is drawn at {x}, {y}")
    where = ["-where", f"council_district = '{questions.district}' AND risk_score >= 50", "-select", "business_parcel_id,risk_rank"]
    chosen = json.loads(output("ogr2ogr", "-f", "GeoJSON", "/vsistdout/", source, MAP, *where))["features"]
    return {
        "columns": len(fields),
        "filter": questions.check("GDAL", "filter", [tuple(feature["properties"].values()) for feature in chosen]),
        "map": questions.check("GDAL", "map", rows, digits=9),
    }


def by_gdal_on_files(folder: Path, questions: Questions) -> Iterator[tuple[str, dict[str, int]]]:
    """GDAL (pyogrio) on the GeoPackage and the GeoJSON, in whose numbers it rounds the last digit; geopandas on the GeoParquet."""
    import geopandas as gpd
    import pyogrio

    west, east, south, north = questions.box
    place = ["business_parcel_id", "latitude", "longitude"]
    for ending in ("gpkg", "geojson", "parquet"):
        path, name = folder / RISK / f"{RISK}.{ending}", f"GDAL, {ending}" if ending != "parquet" else "geopandas, GeoParquet"
        box = (west, south, east, north)
        found = gpd.read_parquet(path, bbox=box) if ending == "parquet" else gpd.read_file(path, bbox=box)
        if (found.crs.to_epsg(), set(found.geom_type)) != (4326, {"Point"}):
            raise DifferentAnswerError(f"{name}: {found.crs}, {set(found.geom_type)}")
        fields = len(gpd.read_parquet(path).columns) - 1 if ending == "parquet" else len(pyogrio.read_info(path)["fields"])
        all_rows = gpd.read_parquet(path) if ending == "parquet" else gpd.read_file(path)
        chosen = all_rows[(all_rows["council_district"] == questions.district) & (all_rows["risk_score"] >= 50)]
        rows = list(chosen[["business_parcel_id", "risk_rank"]].itertuples(index=False, name=None))
        inside = list(found[place].itertuples(index=False, name=None))
        yield (
            name,
            {"columns": fields, "filter": questions.check(name, "filter", rows), "map": questions.check(name, "map", inside, digits=12)},
        )


def by_duckdb(folder: Path, questions: Questions) -> dict[str, int]:
    """DuckDB on the exported Parquet files, as views of the same names."""
    import duckdb

    connection = duckdb.connect()
    for view in VIEWS:
        path = next((folder / view).glob("*.parquet"))
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet('{path}')")  # noqa: S608
    count = sum(len(connection.execute(f"DESCRIBE {view}").fetchall()) for view in VIEWS)
    return {"columns": count} | {
        name: questions.check("DuckDB", name, connection.execute(sql).fetchall()) for name, sql in questions.sql.items()
    }


def by_superset(python: Path, uri: str, questions: Questions) -> dict[str, float]:
    """Apache Superset: data sets, charts and SQL Lab, by its REST API; seconds without those that it takes to set up."""
    west, east, south, north = questions.box
    place = [{"col": "longitude", "op": ">=", "val": west}, {"col": "longitude", "op": "<=", "val": east},
             {"col": "latitude", "op": ">=", "val": south}, {"col": "latitude", "op": "<=", "val": north}]  # fmt: skip
    high = [{"col": "council_district", "op": "==", "val": questions.district}, {"col": "risk_score", "op": ">=", "val": 50}]
    asked = {
        "views": list(VIEWS),
        "charts": {
            "filter": {"view": RISK, "query": {"columns": ["business_parcel_id", "risk_rank"], "filters": high}},
            "map": {"view": RISK, "query": {"columns": ["business_parcel_id", "latitude", "longitude"], "filters": place}},
        },
        "sql": {"join": questions.sql["join"]},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(asked, file)
        file.flush()
        told = json.loads(output(str(python), str(Path(__file__).with_name("bi_superset.py")), uri, file.name).splitlines()[-1])
    for view, columns in promised("sqlite" if uri.startswith("sqlite") else "postgresql").items():
        days = {name for name, column in columns_of(read_released()[view]).items() if column["logicalType"] == "date"}
        seen = {name for name, (_, is_day) in told["columns"][view].items() if is_day}
        if set(told["columns"][view]) != set(columns) or seen != days:
            raise DifferentAnswerError(f"Superset, {view}: columns {sorted(told['columns'][view])}, days {sorted(seen)}")
    counts = {"columns": sum(map(len, told["columns"].values())), "seconds": told["seconds"]}
    for name, rows in told["answers"].items():
        counts[name] = questions.check("Superset", name, [tuple(row.values()) for row in rows])
    return counts


@contextmanager
def postgis(source: Warehouse) -> Iterator[sa.URL]:
    """A PostgreSQL with PostGIS in which the newest day of another warehouse is published."""
    with running_server() as server:
        name = f"kc_bi_{uuid.uuid4().hex[:12]}"
        url = sa.make_url(new_database(server, name, with_postgis=True))
        target = Warehouse(url.render_as_string(hide_password=False))
        try:
            marts = {mart: source.read_view(view) for mart, view in PUBLISHED_MARTS.items()}
            as_of = marts["marts/source_quality"]["as_of"][0].as_py()
            target.publish(marts, as_of, "bi_clients", datetime.now(UTC), {})
            yield url
        finally:
            target.engine.dispose()
            drop_database(server, name)


def main() -> None:
    """Ask every client and print what it saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--superset", type=Path, help="Python of an environment with Superset.")
    given = parser.parse_args()
    kept = load_settings({"KC_DATA_DIR": str(given.data_dir)}, "sandbox").warehouse_url
    lines: list[tuple[str, Mapping[str, float], float]] = []

    def run(client: str, work: Callable[[], Mapping[str, float]]) -> None:
        started = time.monotonic()
        lines.append((client, work(), time.monotonic() - started))

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bi-clients-")))
        path = str(folder / "warehouse.sqlite")
        shutil.copy(str(sa.make_url(kept).database), path)  # the run that is given stays as it is
        warehouse = Warehouse(f"sqlite:///{path}")
        questions = Questions(warehouse)
        rows = {view: ViewRows(VIEWS[view].contract, warehouse.read_view(view), contract_text(view)) for view in VIEWS}
        write_export(folder / "export", rows, EXPORT_FORMATS)
        url = stack.enter_context(postgis(warehouse))
        run(f"sqlite3 {sqlite3.sqlite_version} command line", lambda: by_sqlite(path, questions))
        run("psql", lambda: by_psql(url, questions))
        run("GDAL on PostGIS, as QGIS reads it", lambda: by_gdal_on_postgis(url, questions))
        lines += [(name, counts, float("nan")) for name, counts in by_gdal_on_files(folder / "export", questions)]
        run("DuckDB on Parquet exports", lambda: by_duckdb(folder / "export", questions))
        if given.superset:
            run("Superset on SQLite", lambda: by_superset(given.superset, f"sqlite:///{path}", questions))
            on_postgresql = url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
            run("Superset on PostgreSQL", lambda: by_superset(given.superset, on_postgresql, questions))
    print(f"{len(questions.views[RISK])} places; {len(VIEWS)} views; every answer is that of pandas on the same views")
    table = pd.DataFrame([{"client": client, "seconds": seconds, **counts} for client, counts, seconds in lines])
    shown = table.astype(dict.fromkeys(["columns", "filter", "join", "map"], "Int64"))
    print(shown.to_string(index=False, na_rep="-", float_format=lambda value: f"{value:.1f}"))


if __name__ == "__main__":
    main()
