"""Places on recorded city rows: the gazetteer never sees the police rows that it is judged by."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from real_rows import NEEDS_REAL_DATA, raw_table

from kc_pipeline.places.business_records import lies_in_city
from kc_pipeline.places.gazetteer import build_gazetteer
from kc_pipeline.places.geometry import project
from kc_pipeline.places.locate import locate
from kc_pipeline.transform.cleaners import CLEANERS

pytestmark = NEEDS_REAL_DATA
REGISTERS = {
    "property_violations": [("w5nm-8qv8", "w5nm-8qv8.json.gz")],
    "dangerous_buildings": [("vzsi-k8cj", "vzsi-k8cj.json.gz")],
    "business_licenses": [("pnm4-68wg", "pnm4-68wg.json.gz")],
    "food_permits": [("sz9c-c5ux", "sz9c-c5ux.json.gz")],
    "dumping_complaints": [("p227-55mh", "p227-55mh.json.gz")],
    "parcels": [("u4kw-fe52", "u4kw-fe52.json.gz"), ("parcel_points_*.csv*", "parcel_points_2015.csv.gz")],
}
NO_STREETS = pd.DataFrame({name: pd.Series(dtype="object") for name in ("street_name", "from_number", "to_number", "geometry")})


def clean(feed: str, *files: tuple[str, str]) -> pd.DataFrame:
    raw = pa.concat_tables([raw_table(feed, data_set, file) for data_set, file in files], promote_options="default")
    return CLEANERS[feed](raw).clean.to_pandas()


@pytest.fixture(scope="module")
def registers() -> dict[str, pd.DataFrame]:
    rows = {feed: clean(feed, *files) for feed, files in REGISTERS.items()}
    rows["dumping_complaints"] = rows["dumping_complaints"].query("address_precision == 'exact'")
    return rows | {name: rows[name][lies_in_city(rows[name])] for name in ("business_licenses", "food_permits")}


@pytest.fixture(scope="module")
def gazetteer(registers: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return build_gazetteer(registers, registers["parcels"], NO_STREETS)


@pytest.mark.parametrize(
    ("data_set", "file", "least", "farthest_90"),
    [("8w6q-wd5b", "8w6q-wd5b.json.gz", 0.88, 220), ("dmjw-d28i", "dmjw-d28i.sample.json.gz", 0.82, 220)],
)
def test_police_addresses_are_found_near_their_published_points(
    gazetteer: pd.DataFrame, data_set: str, file: str, least: float, farthest_90: float
) -> None:
    reports = clean("police_reports", (data_set, file))
    reports = reports[reports["latitude"].between(38.83, 39.40) & reports["longitude"].between(-94.77, -94.37)]
    found = locate(reports["address"], gazetteer, exact=False)
    located = found["latitude"].notna()
    there, here = reports[located], found[located]
    metres = np.hypot(*(project(there["longitude"], there["latitude"]) - project(here["longitude"], here["latitude"])).T)
    assert len(reports) > 500
    assert located.mean() >= least
    assert np.median(metres) <= 90
    assert np.quantile(metres, 0.9) <= farthest_90
    assert 0.85 <= (metres <= here["error_radius_m"]).mean() <= 0.97


def test_the_registers_alone_make_the_gazetteer(gazetteer: pd.DataFrame) -> None:
    named = set(gazetteer["evidence"].str.split(";").explode())
    assert named == {*REGISTERS, "streets", "neighboring_blocks"}


def test_pins_of_violations_are_found_again_from_the_other_registers(registers: dict[str, pd.DataFrame]) -> None:
    others = {name: rows for name, rows in registers.items() if name != "property_violations"}
    held_out = registers["property_violations"].drop_duplicates(["address", "parcel_id"])
    found = locate(held_out["address"], build_gazetteer(others, registers["parcels"], NO_STREETS))
    given = found["parcel_id"].notna()
    assert given.sum() > 100
    assert (found["parcel_id"] == held_out["parcel_id"])[given].mean() >= 0.95
