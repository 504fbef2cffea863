"""The straightforward contender: what a competent script with geopandas and pandas does, vectorised, nothing kept between runs.

python benchmarks/suite_plain.py JOB INPUTS OUT
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

if TYPE_CHECKING:
    import requests

    from kc_pipeline.catalog.sources import DataSet

GEOGRAPHIC, METRES = "EPSG:4326", "EPSG:26915"
EVENT_FEEDS = ("police_reports", "calls_911", "health_inspections", "streetlight_outages", "dumping_complaints")
NEAR_M, CELL_M = 5.0, 74.0
WINDOWS_DAYS = (90, 365)


def read_points(rows: pd.DataFrame) -> gpd.GeoDataFrame:
    """Rows with their points in metres."""
    return gpd.GeoDataFrame(rows, geometry=gpd.points_from_xy(rows["longitude"], rows["latitude"], crs=GEOGRAPHIC)).to_crs(METRES)


def read_parcels(rows: pd.DataFrame) -> gpd.GeoDataFrame:
    """Parcels in metres."""
    return gpd.GeoDataFrame(rows[["parcel_id"]], geometry=gpd.GeoSeries.from_wkb(rows["geometry"], crs=GEOGRAPHIC)).to_crs(METRES)


def find_parcels(points: gpd.GeoDataFrame, parcels: gpd.GeoDataFrame) -> pd.DataFrame:
    """event_id, parcel_id, is_near: the parcel that holds each point (nearest centroid first), else the only one within 5 m."""
    parcels = parcels.assign(middle=parcels.centroid)
    held = gpd.sjoin(points[["event_id", "geometry"]], parcels[["parcel_id", "middle", "geometry"]], predicate="intersects")
    held["away"] = held.geometry.distance(gpd.GeoSeries(held["middle"], crs=METRES))
    held = held.sort_values(["event_id", "away", "parcel_id"]).drop_duplicates("event_id")
    rest = points.loc[~points["event_id"].isin(held["event_id"]), ["event_id", "geometry"]]
    near = gpd.sjoin(rest, parcels[["parcel_id", "geometry"]], predicate="dwithin", distance=NEAR_M)
    near = near[~near["event_id"].duplicated(keep=False)]
    found = pd.concat([held[["event_id", "parcel_id"]].assign(is_near=False), near[["event_id", "parcel_id"]].assign(is_near=True)])
    return points[["event_id"]].merge(found, on="event_id", how="left").fillna({"is_near": False})


def attribute(inputs: Path, out: Path) -> None:
    """The parcel of each point."""
    points = read_points(pd.read_parquet(inputs / "points.parquet", columns=["event_id", "longitude", "latitude"]))
    found = find_parcels(points, read_parcels(pd.read_parquet(inputs / "parcels.parquet")))
    found.astype({"is_near": bool}).to_parquet(out / "attribution.parquet", index=False)


def features(inputs: Path, out: Path) -> None:
    """Metres from each business to the nearest event of each feed, and events of each feed in the half-block cell around it."""
    points = read_points(pd.read_parquet(inputs / "points.parquet", columns=["feed", "longitude", "latitude"]))
    businesses = read_points(pd.read_parquet(inputs / "businesses.parquet"))
    west, south = businesses.geometry.x.min() // 1 - 1, businesses.geometry.y.min() // 1 - 1
    for rows in (points, businesses):
        rows["column"], rows["row"] = (rows.geometry.x - west) // CELL_M, (rows.geometry.y - south) // CELL_M
    result = businesses[["business_parcel_id", "column", "row"]]
    for feed in EVENT_FEEDS:
        of_feed = points[points["feed"] == feed]
        nearest = gpd.sjoin_nearest(businesses[["business_parcel_id", "geometry"]], of_feed[["geometry"]], distance_col="metres")
        metres = nearest.drop_duplicates("business_parcel_id").set_index("business_parcel_id")["metres"]
        counts = of_feed.groupby(["column", "row"]).size().rename(f"{feed}_count").reset_index()
        result = result.assign(**{f"{feed}_m": result["business_parcel_id"].map(metres)}).merge(counts, on=["column", "row"], how="left")
    counted = {f"{feed}_count": result[f"{feed}_count"].fillna(0).astype("int64") for feed in EVENT_FEEDS}
    result.assign(**counted).drop(columns=["column", "row"]).to_parquet(out / "features.parquet", index=False)


def decade(inputs: Path, out: Path, day: str = "2026-07-01") -> None:
    """The ledger of every event, the counts and a score, from the same clean tables and the same located addresses."""
    from deltalake import DeltaTable

    lake = inputs / "sandbox" / "lake"
    columns = [
        "event_id",
        "feed",
        "report_date",
        "available_date",
        "category",
        "address",
        "address_precision",
        "parcel_id",
        "longitude",
        "latitude",
    ]

    def read(table: str, wanted: list[str] | None = None) -> pd.DataFrame:
        stored = DeltaTable(lake / table)
        held = {field.name for field in stored.schema().fields}
        return stored.to_pandas(columns=[name for name in wanted if name in held] if wanted else None)

    statuses = ["current_status", "is_officer_initiated"]
    events = pd.concat([read(f"clean/{feed}", [*columns, *statuses]) for feed in EVENT_FEEDS], ignore_index=True)
    events["inexact"] = events["address_precision"] != "exact"
    events = events.sort_values(["event_id", "inexact", "report_date"], kind="stable").drop_duplicates("event_id")
    ledger = tie(events, read("clean/parcels", ["parcel_id", "geometry"]), read("core/located_addresses"), read("core/block_places"))
    places = read("core/business_parcels")
    ledger = ledger[ledger["place_id"].isin(places["business_parcel_id"])]
    ledger.to_parquet(out / "ledger.parquet", index=False)
    write_scores(count(ledger, places, day), out)


def daily(inputs: Path, out: Path, day: str = "2026-06-30") -> None:
    """Pull the open months as JSON, throw repeated rows away, attribute, count and score everything, write it to SQL.

    Cleaning is left out: the rows that are attributed come from our own clean tables, which spares this script the merging of
    the departments' records with the portal's.
    """
    import sqlite3
    from contextlib import closing

    import requests
    from suite_inputs import FEEDS, open_from, planned_data_sets, platform_of, served

    with served(platform_of(inputs)) as platform, requests.Session() as session:
        first, last = open_from(pd.Timestamp(day).date()), day[:7]
        for feed in EVENT_FEEDS:
            for data_set in planned_data_sets(FEEDS[feed], first, last):
                if data_set.transport.name == "SOCRATA":
                    pull(session, f"{platform.settings.socrata_url}/resource/{data_set.id}.json", data_set, first)
        with closing(sqlite3.connect(platform.settings.data_dir / "city" / "department.sqlite")) as department:
            names = pd.read_sql("select name from sqlite_master where type = 'table'", department)["name"]
            for name in names:
                pd.read_sql(f'select * from "{name}"', department)  # noqa: S608 - a name of the database's own
    decade(inputs, out, day)
    with closing(sqlite3.connect(out / "warehouse.sqlite")) as warehouse:
        pd.read_parquet(out / "counts.parquet").to_sql("business_risk", warehouse, if_exists="replace", index=False)
        warehouse.commit()


def daily_whole(inputs: Path, out: Path, day: str = "2026-06-30") -> None:
    """The whole day, nothing kept: clean and validate all that was ever pulled, locate all addresses, then `daily` and the other marts.

    Cleaning rules, expectations, the gazetteer, the stored fit and the marts beside the counts are our own functions, called on a
    year's rows at once or on all; what the businesses are, and the numbers for everybody, are taken as made.
    """
    import sqlite3
    from contextlib import closing
    from itertools import groupby

    import pyarrow as pa
    from suite_inputs import FEEDS, platform_of

    from kc_pipeline.catalog.views import PUBLISHED_MARTS
    from kc_pipeline.defs.steps import marts, ordinance, places, risk
    from kc_pipeline.defs.steps.feeds import newest_pulls
    from kc_pipeline.defs.steps.frames import read_frame
    from kc_pipeline.extract.table import read_pull
    from kc_pipeline.places.attribution import locate_addresses
    from kc_pipeline.places.gazetteer import build_gazetteer
    from kc_pipeline.quality.audit import judge_rows
    from kc_pipeline.transform.cleaners import CLEANERS

    platform, as_of = platform_of(inputs), pd.Timestamp(day).date()
    for feed in FEEDS.values():
        pulls = sorted(newest_pulls(platform, feed).items(), key=lambda pull: pull[0][1][:4])
        for _, of_year in groupby(pulls, key=lambda pull: pull[0][1][:4]):
            pages = [read_pull(platform.raw, manifest) for _, manifest in of_year]
            judge_rows(f"clean/{feed.name}", CLEANERS[feed.name](pa.concat_tables(pages, promote_options="permissive")).clean)
    registers = places.read_address_registers(platform)
    gazetteer = build_gazetteer(registers, registers["parcels"], read_frame(platform, "clean/streets"))
    named = [read_frame(platform, f"clean/{feed}", ["address", "address_precision"]).drop_duplicates() for feed in EVENT_FEEDS]
    locate_addresses(pd.concat(named), gazetteer)
    daily(inputs, out, day)
    ledger = "core/event_attribution"
    for _, months in groupby(sorted(platform.lake.partitions(ledger)), key=lambda month: month[:4]):
        judge_rows(ledger, platform.lake.read(ledger, partitions=list(months)))
    marts.judge_sources(platform, as_of, "script")
    risk.score_day(platform, as_of)
    ordinance.count_thresholds(platform, as_of, "script")
    marts.list_actions(platform, as_of, "script")
    with closing(sqlite3.connect(out / "warehouse.sqlite")) as warehouse:
        for mart in PUBLISHED_MARTS:
            rows = platform.lake.read(mart, partitions=[day]).to_pandas()
            rows.to_sql(mart.replace("/", "_"), warehouse, if_exists="replace", index=False)
        warehouse.commit()


def pull(session: "requests.Session", url: str, data_set: "DataSet", first: str) -> pd.DataFrame:
    """Rows of a data set from a month on, by pages of JSON."""
    dated = data_set.fields[str(data_set.month_field)][0]
    pages, offset = [], 0
    while True:
        asked = {"$where": f"{dated} >= '{first}-01T00:00:00'", "$order": ":id", "$limit": 50_000, "$offset": offset}
        reply = session.get(url, params=asked, timeout=120)
        reply.raise_for_status()
        page = pd.DataFrame(reply.json())
        pages.append(page)
        offset += len(page)
        if len(page) < 50_000:
            rows = pd.concat(pages, ignore_index=True)
            return rows[~rows.astype(str).duplicated()]


def tie(events: pd.DataFrame, parcels: pd.DataFrame, located: pd.DataFrame, block_places: pd.DataFrame) -> pd.DataFrame:
    """Events at places by key, by equal address, by point, and shared over blocks: event_id, place_id, precision, weight."""
    names = ["found_kind", "found_key", "name_match", "address_kind", "block_key"]
    texts = located[["address", "address_precision", *names, "parcel_id"]].rename(columns={"parcel_id": "address_parcel"})
    events = events.merge(texts, on=["address", "address_precision"], how="left")
    known = parcels.dropna(subset=["parcel_id"]).drop_duplicates("parcel_id")
    exact = events[events["address_precision"] == "exact"]
    by_key = exact[exact["parcel_id"].isin(known["parcel_id"])]
    by_key = by_key.assign(place_id="parcel:" + by_key["parcel_id"], precision="EXACT")
    rest = exact[~exact["event_id"].isin(by_key["event_id"])]
    equal = rest[(rest["found_kind"] == "numbered") & (rest["name_match"] == "equal")]
    at_parcel = equal["address_parcel"].isin(known["parcel_id"])
    equal = equal.assign(
        place_id=("parcel:" + equal["address_parcel"]).where(at_parcel, "address:" + equal["found_key"]), precision="EXACT"
    )
    rest = rest[~rest["event_id"].isin(equal["event_id"]) & rest["latitude"].notna()]
    crowded = rest.groupby(["longitude", "latitude"])["address"].transform("nunique") > 10
    found = find_parcels(read_points(rest[~crowded]), read_parcels(known.dropna(subset=["geometry"])))
    addressed = block_places.loc[block_places["placed_by"] == "address", "parcel_id"].dropna()
    pointed = rest.drop(columns="parcel_id").merge(found.dropna(subset=["parcel_id"]), on="event_id")
    pointed = pointed[~((pointed["address_kind"] == "numbered") & pointed["parcel_id"].isin(addressed))]
    precision = pointed["is_near"].map({True: "NEAR", False: "EXACT"})
    pointed = pointed.assign(place_id="parcel:" + pointed["parcel_id"], precision=precision)
    tied = pd.concat([by_key, equal, pointed]).assign(weight=1.0)
    block = events[~events["event_id"].isin(tied["event_id"])]
    block = block[(block["address_precision"] == "block") & (block["address_kind"] == "numbered")]
    shared = block.drop(columns="parcel_id").merge(block_places[["block_key", "place_id"]], on="block_key")
    shared = shared.assign(precision="BLOCK", weight=1.0 / shared.groupby("event_id")["place_id"].transform("size"))
    kept = ["event_id", "feed", "report_date", "available_date", "category", "current_status", "is_officer_initiated"]
    return pd.concat([tied, shared], ignore_index=True)[[*kept, "place_id", "precision", "weight"]]


def count(ledger: pd.DataFrame, places: pd.DataFrame, as_of: str) -> pd.DataFrame:
    """Counts of each feed at each place in each window before a day."""
    day = pd.Timestamp(as_of)
    reported, available = pd.to_datetime(ledger["report_date"]), pd.to_datetime(ledger["available_date"])
    excluded = ledger["current_status"].isin(["canceled", "duplicate"]) | ledger["is_officer_initiated"].fillna(False).astype(bool)
    usable = ledger[(available <= day) & (reported < day) & ~excluded].assign(age=(day - reported).dt.days)
    counts = places[["business_parcel_id"]].set_index("business_parcel_id")
    for feed in EVENT_FEEDS:
        for days in WINDOWS_DAYS:
            rows = usable[(usable["feed"] == feed) & (usable["age"] <= days)]
            for kind, part in (("count", rows[rows["precision"] != "BLOCK"]), ("weighted", rows[rows["precision"] == "BLOCK"])):
                counts[f"{feed}_{kind}_{days}d"] = part.groupby("place_id")["weight"].sum()
    return counts.fillna(0.0).reset_index()


def write_scores(counts: pd.DataFrame, out: Path) -> None:
    """A score: the rank of last year's events, serious or not; a risk model is more work than this."""
    year = counts[[name for name in counts if name.endswith("_365d")]].sum(axis="columns")
    counts.assign(score=100 * year.rank(pct=True)).to_parquet(out / "counts.parquet", index=False)


JOBS = {"attribute": attribute, "features": features, "daily": daily, "daily_whole": daily_whole, "decade": decade}

if __name__ == "__main__":
    JOBS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
