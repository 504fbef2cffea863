"""How well places are found, and how fast.

    .venv/bin/python benchmarks/places.py --real FOLDER_WITH_KCDATA      # on recorded city rows
    .venv/bin/python benchmarks/places.py --sandbox [--scale 1.0]        # against the synthetic city's truth, and speed

On recorded rows the police addresses, which the gazetteer never sees, are located and compared with the point that the
police published for them, one address per report; the parcel pins of property violations are held out and compared with the
parcel that other registers give for the address.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from clean_tables import make_clean_tables

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS, PROJECTED_CRS
from kc_pipeline.defs.answers import match_rates
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import attribution as attribution_steps
from kc_pipeline.defs.steps import frames, places
from kc_pipeline.places import attribution, blocks, gazetteer
from kc_pipeline.places.addresses import standardize
from kc_pipeline.places.geometry import project
from kc_pipeline.places.locate import locate

CITY_BOX = {"latitude": (38.83, 39.40), "longitude": (-94.77, -94.37)}
SAMPLE = 50
CORE_STEPS: Mapping[str, Callable[[Platform], object]] = {
    "core/gazetteer": places.build_gazetteer,
    "core/block_places": places.place_on_blocks,
    "core/located_addresses": attribution_steps.locate_addresses,
    "core/businesses": places.build_businesses,
    "core/business_parcels": places.build_business_parcels,
    "core/event_attribution": attribution_steps.attribute_events,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="folder that holds kcdata/")
    parser.add_argument("--sandbox", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark"), help="where the clean tables are kept")
    arguments = parser.parse_args()
    if arguments.real:
        platform = make_clean_tables(arguments.folder, "replay", recordings=arguments.real / "kcdata")
        build_core(platform)
        print_police(platform)
        print_violations(platform)
        print_licenses(platform)
    if arguments.sandbox:
        platform = make_clean_tables(arguments.folder / f"scale-{arguments.scale}", "sandbox", scale=arguments.scale)
        build_core(platform)
        print_truth(platform)
        print_speed(platform)


def print_table(title: str, heads: str, rows: Iterable[Iterable[object]]) -> None:
    """Print a Markdown table; heads separated by '|'."""
    names = [name.strip() for name in heads.split("|")]
    print(f"\n{title}\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def build_core(platform: Platform) -> None:
    """The core tables, from the clean ones that are there."""
    seconds = {table: timed(partial(step, platform)) for table, step in CORE_STEPS.items()}
    rows = [(table, f"{value:.1f}", f"{platform.lake.count(table):,}") for table, value in seconds.items()]
    print_table("Core tables", "table | seconds | rows", rows)


def print_police(platform: Platform) -> None:
    """Located share, distance to the published point, and whether the stated radius holds it."""
    reports = frames.read_frame(platform, "clean/police_reports")
    for column, (low, high) in CITY_BOX.items():
        reports = reports[reports[column].between(low, high)]
    found = locate(reports["address"], frames.read_frame(platform, "core/gazetteer"), exact=False)
    located = found["latitude"].notna()
    metres = pd.Series(np.nan, index=reports.index)
    published, ours = reports[located], found[located]
    metres[located] = np.hypot(*(project(published["longitude"], published["latitude"]) - project(ours["longitude"], ours["latitude"])).T)
    rows = found.assign(data_set=reports["data_set"], metres=metres, is_held=(metres <= found["error_radius_m"]).where(located))
    measures = "addresses | located | median m | p90 m | radius holds the point | median radius m"
    kinds = [
        (data_set, kind, *distances(part))
        for data_set, of_set in rows.groupby("data_set")
        for kind, part in [("all", of_set), *of_set.groupby("address_kind")]
    ]
    print_table("Police addresses, one per report, with a published point inside the city", f"data set | kind | {measures}", kinds)
    methods = [(*names, *distances(part)) for names, part in rows[located].groupby(["position_method", "name_match"])]
    print_table("The located ones by method", f"position | street name | {measures}", methods)


def distances(part: pd.DataFrame) -> tuple[str, ...]:
    """Addresses, share located, median and 90th percentile of the distance, how often the radius holds it, median radius."""
    metres, radius = part["metres"], part["error_radius_m"].median()
    middle, high = metres.median(), metres.quantile(0.9)
    return (
        f"{len(part):,}",
        f"{metres.notna().mean():.1%}",
        f"{middle:.0f}",
        f"{high:.0f}",
        f"{part['is_held'].mean():.1%}",
        f"{radius:.0f}",
    )


def print_violations(platform: Platform) -> None:
    """Agreement of the violations' own parcel pins with parcels found by address in the other registers."""
    registers = places.read_address_registers(platform)
    violations = registers.pop("property_violations").drop_duplicates(["address", "parcel_id"])
    parcels = registers["parcels"]
    without = gazetteer.build_gazetteer(registers, parcels, frames.read_frame(platform, "clean/streets"))
    found = locate(violations["address"], without)
    given = found["parcel_id"].notna()
    agree = (found["parcel_id"] == violations["parcel_id"])[given]
    points = parcels.dropna(subset=["parcel_id", "latitude"])
    tree = shapely.STRtree(shapely.points(project(points["longitude"], points["latitude"])))
    placed = violations[violations["latitude"].notna()]
    nearest = tree.nearest(shapely.points(project(placed["longitude"], placed["latitude"])))
    by_point = points["parcel_id"].to_numpy()[nearest] == placed["parcel_id"].to_numpy()
    rows = [
        ("equal address in another register", f"{len(violations):,}", f"{given.mean():.1%}", f"{agree.mean():.1%}"),
        ("nearest parcel point (not used by us)", f"{len(placed):,}", "100.0%", f"{by_point.mean():.1%}"),
    ]
    print_table("Parcel pins of property violations, held out", "how | addresses | given a parcel | agree", rows)


def print_licenses(platform: Platform) -> None:
    """How licences are matched to places, and a sample to check by hand."""
    businesses = frames.read_frame(platform, "core/businesses")
    stands = frames.read_frame(platform, "core/business_parcels").set_index("business_parcel_id")
    addresses = frames.read_frame(platform, "core/gazetteer").query("address_kind == 'numbered'").set_index("address_key")
    licensed = businesses[businesses["license_ids"].notna()]
    licensed = licensed[licensed["business_parcel_id"].map(stands["neighborhood"]).notna()]
    named_by = licensed["address_key"].map(addresses["evidence"]).fillna("")
    elsewhere = named_by.str.split(";").map(lambda registers: bool(set(registers) - {"business_licenses", ""}))
    unmatched = np.where(elsewhere, "no parcel, address point in another register", "no parcel, address point of licences only")
    kind = licensed["match_method"].where(licensed["match_method"] != "none", unmatched)
    rows = [(method, f"{count:,}", f"{count / len(licensed):.1%}") for method, count in kind.value_counts().items()]
    print_table(f"Licensed businesses inside a city neighborhood: {len(licensed):,}", "match | businesses | share", rows)
    on_parcel = licensed[licensed["parcel_id"].notna()].sample(SAMPLE, random_state=1).sort_values("match_method")
    sample = [
        (
            row.business_name,
            row.address,
            row.match_method,
            f"{row.match_score:.2f}",
            row.parcel_id,
            addresses["evidence"].get(row.address_key, ""),
        )
        for row in on_parcel.itertuples()
    ]
    print_table(
        "A sample on parcels, to check by hand", "name | address | method | score | parcel | registers that name the address", sample
    )
    counts = [(status, method, f"{count:,.0f}") for status, methods in match_rates(platform).items() for method, count in methods.items()]
    print_table("All businesses", "status | match | businesses", counts)


def print_truth(platform: Platform) -> None:
    """Precision and recall against the synthetic city's truth."""
    truth_folder = platform.settings.data_dir / "city" / "truth"
    truth = pd.read_parquet(truth_folder / "events.parquet")
    truth["event_key"] = truth["source"] + ":" + truth["source_id"]
    true_parcel = truth.drop_duplicates("event_key").set_index("event_key")["parcel_id"]
    land = pd.read_parquet(truth_folder / "parcels.parquet").set_index("parcel_id")
    addresses = ("address:" + standardize(land["address"])["address_key"]).to_dict()
    ledger = frames.read_frame(platform, "core/event_attribution")
    events, inputs = attribution_inputs(platform)
    unkeyed = attribution.attribute_events(events.assign(parcel_id=pd.Series(None, index=events.index, dtype="str")), *inputs)
    counts = []
    for name, rows in (("as built", ledger), ("without parcel keys", unkeyed)):
        source = rows["feed"].replace({"dumping_complaints": "requests_311", "streetlight_outages": "requests_311"})
        there = (source + ":" + rows["event_id"].str.split(":", n=1).str[1]).map(true_parcel)
        tied = rows[rows["precision"].isin(attribution.TIED) & rows["business_parcel_id"].notna()]
        there = there.reindex(tied.index)
        # A parcel published without its PIN, or with a neighbor's, can only be known by its address.
        right = (tied["business_parcel_id"] == "parcel:" + there.fillna("?")) | (tied["business_parcel_id"] == there.map(addresses))
        for names, part in right.groupby([tied["precision"], tied["attribution_method"]]):
            counts.append((name, *names, f"{len(part):,}", f"{part.mean():.3%}"))
        exact = right[tied["precision"] == "EXACT"]
        counts.append((name, "EXACT", "all", f"{len(exact):,}", f"{exact.mean():.3%}"))
    title = "Events tied to a business place, against the truth"
    print_table(title, "ledger | precision | method | events | at the true place", counts)
    print_license_truth(platform, pd.read_parquet(truth_folder / "businesses.parquet"), land["published_parcel_id"])


def print_license_truth(platform: Platform, truth: pd.DataFrame, published: pd.Series) -> None:
    """Licence to parcel, and what the review list holds of the errors."""
    businesses = frames.read_frame(platform, "core/businesses")
    members = businesses.assign(record=businesses["license_ids"].str.split(";")).explode("record").dropna(subset="record")
    of_city = truth[(truth["register"] == "business_licenses") & truth["parcel_id"].notna()].drop_duplicates("record")
    licenses = of_city[of_city["parcel_id"] == of_city["parcel_id"].map(published)]
    found = licenses.merge(members[["record", "parcel_id", "business_id"]], on="record", how="left", suffixes=("_true", ""))
    given, right = found["parcel_id"].notna(), found["parcel_id"] == found["parcel_id_true"]
    review = frames.read_frame(platform, "core/business_review").set_index("business_id")
    doubtful = found[found["business_id"].isin(review.index)]
    likeliest = doubtful["business_id"].map(review["suggested_parcel_id"])
    rows = [
        ("licences on a parcel that is published under its own PIN", f"{len(found):,}"),
        ("others, left out here", f"{len(of_city) - len(found):,}"),
        ("precision of those given a parcel", f"{right[given].mean():.2%}"),
        ("recall", f"{right.mean():.2%}"),
        ("given a wrong parcel", f"{(given & ~right).sum():,}"),
        ("without a parcel", f"{(~given).sum():,}"),
        ("in review", f"{len(doubtful):,}"),
        ("of these the likeliest parcel is wrong", f"{(likeliest != doubtful['parcel_id_true']).sum():,}"),
    ]
    print_table("Licences in the city, against the truth", "measure | value", rows)


def attribution_inputs(platform: Platform) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Distinct events, and the tables that attribution needs beside them."""
    clean = [frames.read_frame(platform, f"clean/{feed}", attribution.attribution_columns(feed)) for feed in EVENT_FEEDS]
    events = attribution.distinct_events(clean)
    tables = ["core/located_addresses", "core/business_parcels", "clean/parcels", "core/block_places"]
    return events, [frames.read_frame(platform, table) for table in tables]


def print_speed(platform: Platform) -> None:
    """Seconds for one year of events, against a straightforward geopandas script doing the same joins."""
    events, inputs = attribution_inputs(platform)
    table = frames.read_frame(platform, "core/gazetteer")
    texts = events[["address", "address_precision"]].dropna().drop_duplicates().head(100_000)
    works: Mapping[str, Callable[[], object]] = {
        f"locate {len(texts):,} distinct addresses": lambda: locate(texts["address"], table, texts["address_precision"] == "exact"),
        f"place {len(inputs[2]):,} parcels on blocks": lambda: blocks.place_on_blocks(table, inputs[2]),
        f"attribute {len(events):,} events": lambda: attribution.attribute_events(events, *inputs),
        "the same ties with geopandas: merge on keys and addresses, sjoin of all points": lambda: plain_geopandas(events, *inputs[1:3]),
    }
    seconds = {name: min(timed(work) for _ in range(3)) for name, work in works.items()}
    print_table("Speed, best of 3", "work | seconds", [(name, f"{value:.2f}") for name, value in seconds.items()])
    ours, plain = list(seconds.values())[-2:]
    print(f"\nattribution takes {ours / plain:.2f} times the straightforward script's time")


def plain_geopandas(events: pd.DataFrame, business_parcels: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """What a straightforward script does: upper-case merge on address, merge on key, spatial join of every point."""
    shapes = gpd.GeoSeries.from_wkb(parcels["geometry"], crs=GEOGRAPHIC_CRS).to_crs(PROJECTED_CRS)
    land = gpd.GeoDataFrame(parcels[["parcel_id", "address"]], geometry=shapes)
    points = gpd.points_from_xy(events["longitude"], events["latitude"], crs=GEOGRAPHIC_CRS).to_crs(PROJECTED_CRS)
    placed = gpd.GeoDataFrame(events[["event_id", "parcel_id", "address", "longitude"]], geometry=points)
    by_key = placed.merge(parcels[["parcel_id"]].drop_duplicates(), on="parcel_id", how="left", indicator=True)
    own = land.assign(text=land["address"].str.upper().str.strip()).drop_duplicates("text")
    by_address = placed.assign(text=placed["address"].str.upper().str.strip()).merge(own[["text", "parcel_id"]], on="text", how="left")
    by_point = gpd.sjoin(placed[placed["longitude"].notna()].drop(columns="parcel_id"), land, predicate="within")
    tied = pd.concat([by_key[["event_id", "parcel_id"]], by_address[["event_id", "parcel_id_y"]], by_point[["event_id", "parcel_id"]]])
    return tied.merge(business_parcels[["parcel_id", "business_parcel_id"]], on="parcel_id", how="left")


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
