"""Cleaning of recorded city rows: counts that were measured on them."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from real_rows import NEEDS_REAL_DATA, raw_table

from kc_pipeline.transform.cleaners import CLEANERS
from kc_pipeline.transform.result import CleanResult

pytestmark = NEEDS_REAL_DATA


def total(result: CleanResult, kind: str) -> int:
    return int(pc.sum(result.reconciliation[f"{kind}_count"]).as_py())


@pytest.mark.parametrize(
    ("feed", "data_set", "file", "received", "made"),
    [
        ("police_reports", "8w6q-wd5b", "8w6q-wd5b.json.gz", 3_444, 1_784),
        ("police_reports", "dmjw-d28i", "dmjw-d28i.sample.json.gz", 1_000, 926),
        ("dumping_complaints", "p227-55mh", "p227-55mh.json.gz", 27_914, 27_914),
        ("business_licenses", "pnm4-68wg", "pnm4-68wg.json.gz", 28_245, 28_245),
        ("food_permits", "sz9c-c5ux", "sz9c-c5ux.json.gz", 3_681, 3_681),
        ("property_violations", "w5nm-8qv8", "w5nm-8qv8.json.gz", 5_945, 5_945),
        ("dangerous_buildings", "vzsi-k8cj", "vzsi-k8cj.json.gz", 7_703, 7_703),
        ("bus_stops", "ydqf-pvmx", "ydqf-pvmx.json.gz", 2_467, 2_467),
        ("districts", "vq6h-tqrf", "vq6h-tqrf.json.gz", 246, 246),
        ("districts", "evs7-zsdk", "evs7-zsdk.json.gz", 6, 6),
    ],
)
def test_recorded_rows(feed: str, data_set: str, file: str, received: int, made: int) -> None:
    result = CLEANERS[feed](raw_table(feed, data_set, file))
    assert total(result, "received") == received
    assert total(result, "good") + total(result, "quarantined") + total(result, "duplicate") == received
    assert total(result, "good") >= 0.97 * received
    assert result.clean.num_rows == made
    assert len(pc.unique(result.clean[0])) == made


def test_firearm_assaults_are_what_the_view_says() -> None:
    events = CLEANERS["police_reports"](raw_table("police_reports", "8w6q-wd5b", "8w6q-wd5b.json.gz")).clean
    assert pc.unique(events["category"]).to_pylist() == ["aggravated_assault"]
    assert pc.all(events["is_firearm_used"]).as_py()
    assert set(pc.unique(events["address_precision"]).to_pylist()) == {"block", "intersection"}


def test_the_state_plane_origin_is_no_place() -> None:
    records = CLEANERS["dangerous_buildings"](raw_table("dangerous_buildings", "vzsi-k8cj", "vzsi-k8cj.json.gz")).clean
    at_origin = records.filter(pc.equal(records["no_location_reason"], "state_plane_origin"))
    assert at_origin.num_rows == 186
    assert at_origin["latitude"].null_count == 186


def test_polygons_and_points_of_parcels_are_one_set() -> None:
    polygons = raw_table("parcels", "u4kw-fe52", "u4kw-fe52.json.gz")
    points = raw_table("parcels", "parcel_points_*.csv*", "parcel_points_2015.csv.gz")
    result = CLEANERS["parcels"](pa.concat_tables([polygons, points], promote_options="default"))
    assert total(result, "received") == 2_358 + 204_762
    assert total(result, "quarantined") == 69
    assert total(result, "good") == 2_358 + 204_762 - 69
    kinds = result.clean["geometry_kind"].value_counts().to_pylist()
    assert {kind["values"]: kind["counts"] for kind in kinds}["polygon"] == 2_358
    numbers = pc.unique(pa.chunked_array([*polygons["parcel_id"].chunks, *points["parcel_id"].chunks]))
    assert result.clean.num_rows == len(numbers) - 1  # the blank one
