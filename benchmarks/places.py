"""How well places are found, and how fast.

    .venv/bin/python benchmarks/places.py --real FOLDER_WITH_KCDATA      # on recorded city rows
    .venv/bin/python benchmarks/places.py --sandbox [--scale 1.0]        # against the synthetic city's truth, and speed

On recorded rows the police addresses, which the gazetteer never sees, are located and compared with the point that the
police published for them, one address per report; the parcel pins of property violations are held out and compared with the
parcel that other registers give for the address.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from clean_tables import make_clean_tables

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.geography import GEOGRAPHIC_CRS, PROJECTED_CRS
from kc_pipeline.defs import steps
from kc_pipeline.defs.answers import match_rates
from kc_pipeline.defs.resources import Platform
from kc_pipeline.places import attribution, blocks, gazetteer
from kc_pipeline.places.geometry import project
from kc_pipeline.places.locate import locate

CITY_BOX = {"latitude": (38.83, 39.40), "longitude": (-94.77, -94.37)}
SAMPLE = 50
CORE_STEPS: Mapping[str, Callable[[Platform], object]] = {
    "core/gazetteer": steps.build_gazetteer,
    "core/block_places": steps.place_on_blocks,
    "core/located_addresses": steps.locate_addresses,
    "core/businesses": steps.build_businesses,
    "core/business_parcels": steps.build_business_parcels,
    "core/event_attribution": steps.attribute_events,
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


def build_core(platform: Platform) -> None:
    """The core tables, from the clean ones that are there."""
    print("\n| core table | seconds | rows |\n|---|--:|--:|")
    for table, step in CORE_STEPS.items():
        seconds = timed(lambda step=step: step(platform))
        print(f"| {table} | {seconds:.1f} | {platform.lake.count(table):,} |")


def print_police(platform: Platform) -> None:
    """Located share, distance to the published point, and whether the stated radius holds it."""
    reports = steps.read_frame(platform, "clean/police_reports")
    for column, (low, high) in CITY_BOX.items():
        reports = reports[reports[column].between(low, high)]
    found = locate(reports["address"], steps.read_frame(platform, "core/gazetteer"), exact=False)
    located = found["latitude"].notna()
    metres = pd.Series(np.nan, index=reports.index)
    published, ours = reports[located], found[located]
    metres[located] = np.hypot(*(project(published["longitude"], published["latitude"]) - project(ours["longitude"], ours["latitude"])).T)
    rows = found.assign(data_set=reports["data_set"], metres=metres, is_held=(metres <= found["error_radius_m"]).where(located))
    print("\nPolice addresses, one per report, with a published point inside the city\n")
    print(
        "| data set | kind | addresses | located | median m | p90 m | radius holds the point | median radius m |\n|---|---|--:|--:|--:|--:|--:|--:|"
    )
    for data_set, of_set in rows.groupby("data_set"):
        for kind, part in [("all", of_set), *of_set.groupby("address_kind")]:
            print(
                f"| {data_set} | {kind} | {len(part):,} | {part['metres'].notna().mean():.1%} | {part['metres'].median():.0f} "
                f"| {part['metres'].quantile(0.9):.0f} | {part['is_held'].mean():.1%} | {part['error_radius_m'].median():.0f} |"
            )
    print("\n| position | street name | addresses | median m | p90 m | radius holds the point |\n|---|---|--:|--:|--:|--:|")
    for (method, name), part in rows[located].groupby(["position_method", "name_match"]):
        print(
            f"| {method} | {name} | {len(part):,} | {part['metres'].median():.0f} | {part['metres'].quantile(0.9):.0f} | {part['is_held'].mean():.1%} |"
        )


def print_violations(platform: Platform) -> None:
    """Agreement of the violations' own parcel pins with parcels found by address in the other registers."""
    registers = steps.read_address_registers(platform)
    violations = registers.pop("property_violations").drop_duplicates(["address", "parcel_id"])
    parcels = registers["parcels"]
    without = gazetteer.build_gazetteer(registers, parcels, steps.read_frame(platform, "clean/streets"))
    found = locate(violations["address"], without)
    given = found["parcel_id"].notna()
    agree = found["parcel_id"] == violations["parcel_id"]
    points = parcels.dropna(subset=["parcel_id", "latitude"])
    tree = shapely.STRtree(shapely.points(project(points["longitude"], points["latitude"])))
    placed = violations["latitude"].notna()
    nearest = tree.nearest(shapely.points(project(violations["longitude"][placed], violations["latitude"][placed])))
    by_point = points["parcel_id"].to_numpy()[nearest] == violations["parcel_id"][placed].to_numpy()
    print(
        "\nParcel pins of property violations, held out\n\n| how the parcel is found | addresses | share given a parcel | agree |\n|---|--:|--:|--:|"
    )
    print(f"| equal address in another register | {len(violations):,} | {given.mean():.1%} | {agree[given].mean():.1%} |")
    print(f"| nearest parcel point (not used by us) | {placed.sum():,} | 100.0% | {by_point.mean():.1%} |")


def print_licenses(platform: Platform) -> None:
    """How licences are matched to places, and a sample to check by hand."""
    businesses = steps.read_frame(platform, "core/businesses")
    places = steps.read_frame(platform, "core/business_parcels").set_index("business_parcel_id")
    addresses = steps.read_frame(platform, "core/gazetteer").query("address_kind == 'numbered'").set_index("address_key")
    licensed = businesses[businesses["license_ids"].notna()]
    licensed = licensed[licensed["business_parcel_id"].map(places["neighborhood"]).notna()]
    named_by = licensed["address_key"].map(addresses["evidence"]).fillna("")
    elsewhere = named_by.str.split(";").map(lambda registers: bool(set(registers) - {"business_licenses", ""}))
    print(f"\nLicensed businesses inside a city neighborhood: {len(licensed):,}\n\n| match | businesses | share |\n|---|--:|--:|")
    kind = licensed["match_method"].where(
        licensed["match_method"] != "none", np.where(elsewhere, "no parcel, address in another register", "own address only")
    )
    for method, count in kind.value_counts().items():
        print(f"| {method} | {count:,} | {count / len(licensed):.1%} |")
    on_parcel = licensed[licensed["parcel_id"].notna()].sample(SAMPLE, random_state=1).sort_values("match_method")
    print(
        "\nA sample on parcels, to check by hand\n\n| name | address | method | score | parcel | evidence for the address |\n|---|---|---|--:|---|---|"
    )
    for row in on_parcel.itertuples():
        evidence = addresses["evidence"].get(row.address_key, "")
        print(f"| {row.business_name} | {row.address} | {row.match_method} | {row.match_score:.2f} | {row.parcel_id} | {evidence} |")
    print(f"\nAll businesses by method: {match_rates(platform)}")


def print_truth(platform: Platform) -> None:
    """Precision and recall against the synthetic city's truth."""
    truth_folder = platform.settings.data_dir / "city" / "truth"
    truth = pd.read_parquet(truth_folder / "events.parquet")
    truth["event_key"] = truth["source"] + ":" + truth["source_id"]
    true_parcel = truth.drop_duplicates("event_key").set_index("event_key")["parcel_id"]
    ledger = steps.read_frame(platform, "core/event_attribution")
    events, inputs = attribution_inputs(platform)
    unkeyed = attribution.attribute_events(events.assign(parcel_id=pd.Series(None, index=events.index, dtype="str")), *inputs)
    print("\nEvents tied to a business place, against the truth\n")
    print("| ledger | precision | method | events | on the true parcel |\n|---|---|---|--:|--:|")
    for name, rows in (("as built", ledger), ("without parcel keys", unkeyed)):
        source = rows["feed"].replace({"dumping_complaints": "requests_311", "streetlight_outages": "requests_311"})
        there = (source + ":" + rows["event_id"].str.split(":", n=1).str[1]).map(true_parcel)
        tied = rows[rows["precision"].isin(attribution.TIED) & rows["business_parcel_id"].notna()]
        right = tied["business_parcel_id"] == "parcel:" + there.reindex(tied.index).fillna("?")
        for (precision, method), part in right.groupby([tied["precision"], tied["attribution_method"]]):
            print(f"| {name} | {precision} | {method} | {len(part):,} | {part.mean():.3%} |")
        exact = tied["precision"] == "EXACT"
        print(f"| {name} | EXACT | all | {exact.sum():,} | {right[exact].mean():.3%} |")
    print_license_truth(platform, pd.read_parquet(truth_folder / "businesses.parquet"))


def print_license_truth(platform: Platform, truth: pd.DataFrame) -> None:
    """Licence to parcel, and what the review list holds of the errors."""
    businesses = steps.read_frame(platform, "core/businesses")
    members = businesses.assign(record=businesses["license_ids"].str.split(";")).explode("record").dropna(subset="record")
    licenses = truth[(truth["register"] == "business_licenses") & truth["parcel_id"].notna()].drop_duplicates("record")
    found = licenses.merge(members[["record", "parcel_id", "business_id"]], on="record", how="left", suffixes=("_true", ""))
    given = found["parcel_id"].notna()
    right = found["parcel_id"] == found["parcel_id_true"]
    review = set(steps.read_frame(platform, "core/business_review")["business_id"])
    wrong = found[~right]
    print("\nLicences in the city, against the truth\n\n| measure | value |\n|---|--:|")
    print(
        f"| licences | {len(found):,} |\n| precision of those given a parcel | {right[given].mean():.2%} |\n| recall | {right.mean():.2%} |"
    )
    print(f"| wrong or without a parcel | {len(wrong):,} |\n| of these in review | {wrong['business_id'].isin(review).mean():.1%} |")
    print(f"| businesses in review | {len(review):,} |")


def attribution_inputs(platform: Platform) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Distinct events, and the tables that attribution needs beside them."""
    events = attribution.distinct_events([steps.read_frame(platform, f"clean/{feed}") for feed in EVENT_FEEDS])
    tables = ["core/located_addresses", "core/business_parcels", "clean/parcels", "core/block_places"]
    return events, [steps.read_frame(platform, table) for table in tables]


def print_speed(platform: Platform) -> None:
    """Seconds for one year of events, against a straightforward geopandas script doing the same joins."""
    events, inputs = attribution_inputs(platform)
    table = steps.read_frame(platform, "core/gazetteer")
    texts = events[["address", "address_precision"]].dropna().drop_duplicates().head(100_000)
    steps_timed: Mapping[str, Callable[[], object]] = {
        f"locate {len(texts):,} distinct addresses": lambda: locate(texts["address"], table, texts["address_precision"] == "exact"),
        f"place {len(inputs[2]):,} parcels on blocks": lambda: blocks.place_on_blocks(table, inputs[2]),
        f"attribute {len(events):,} events": lambda: attribution.attribute_events(events, *inputs),
        "the same ties with geopandas: merge on keys and addresses, sjoin of all points": lambda: plain_geopandas(events, *inputs[1:3]),
    }
    seconds = {name: min(timed(work) for _ in range(3)) for name, work in steps_timed.items()}
    ours, plain = list(seconds.values())[-2:]
    print("\n| work, best of 3 | seconds |\n|---|--:|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.2f} |")
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
