"""Parcels, streets and districts."""

import pytest
import shapely
from transform_rows import by_key, only, raw_table

from kc_pipeline.transform.areas import clean_districts, clean_parcels, clean_streets


def square(west: float = -94.6, south: float = 39.1, side: float = 0.001) -> bytes:
    return bytes(shapely.to_wkb(shapely.box(west, south, west + side, south + side)))


def parcel_row(**changes: object) -> dict[str, object]:
    return {"data_set": "AGOL/MapServer/6", "partition": "whole", "parcel_id": "8297", "geometry": square(), **changes}


def point_row(**changes: object) -> dict[str, object]:
    return {
        "data_set": "parcel_points_*.csv*",
        "partition": "whole",
        "parcel_id": "8297",
        "latitude": "39.2",
        "longitude": "-94.5",
        **changes,
    }


def test_a_parcel_by_value() -> None:
    record = only(
        clean_parcels(
            raw_table([parcel_row(county_parcel_number="JA3", land_use_code="1111", owner_name="X", address="1320 E 44th St")])
        ).clean
    )
    assert (record["record_id"], record["parcel_id"], record["county_parcel_number"]) == ("parcels:8297", "8297", "JA3")
    assert (record["geometry_kind"], record["address"], record["land_use_code"]) == ("polygon", "1320 E 44th St", "1111")
    assert shapely.from_wkb(record["geometry"]).contains(shapely.Point(record["longitude"], record["latitude"]))


def test_a_polygon_wins_over_a_point_and_an_address_over_none() -> None:
    rows = [point_row(land_use_code="1111"), parcel_row(), parcel_row(data_set="u4kw-fe52", geometry=None, address="1320 E 44th St")]
    result = clean_parcels(raw_table(rows))
    record = only(result.clean)
    assert (record["geometry_kind"], record["address"], record["land_use_code"]) == ("polygon", "1320 E 44th St", "1111")
    assert record["data_set"] == "AGOL/MapServer/6"
    assert sum(line["good_count"] for line in result.reconciliation.to_pylist()) == 3


def test_the_layer_wins_over_its_copy() -> None:
    rows = [parcel_row(data_set="6g4y-sh3m", geometry=square(side=0.002)), parcel_row()]
    record = only(clean_parcels(raw_table(rows)).clean)
    assert (record["data_set"], shapely.from_wkb(record["geometry"]).area) == ("AGOL/MapServer/6", shapely.from_wkb(square()).area)


def test_points_with_one_number_are_one_parcel() -> None:
    result = clean_parcels(raw_table([point_row(), point_row(latitude="39.21"), point_row(parcel_id="1")]))
    records = by_key(result.clean, "record_id")
    assert set(records) == {"parcels:8297", "parcels:1"}
    assert (records["parcels:8297"]["geometry_kind"], records["parcels:8297"]["latitude"]) == ("point", 39.2)


def test_polygons_with_one_number_are_joined() -> None:
    record = only(clean_parcels(raw_table([parcel_row(), parcel_row(geometry=square(west=-94.5))])).clean)
    shape = shapely.from_wkb(record["geometry"])
    assert shapely.get_num_geometries(shape) == 2


def test_without_a_number_the_county_number_names_a_parcel_else_nothing() -> None:
    rows = [parcel_row(parcel_id="0", county_parcel_number="CL147"), parcel_row(parcel_id=None)]
    result = clean_parcels(raw_table(rows))
    record = only(result.clean)
    assert record["parcel_id"] is None
    assert "CL147" in str(record["record_id"])
    assert only(result.quarantine)["month"] == "undated"


def test_shapes_that_cannot_be_read_do_not_break_the_rest() -> None:
    records = by_key(clean_parcels(raw_table([parcel_row(parcel_id="1", geometry=b"no shape"), parcel_row()])).clean, "parcel_id")
    assert records["1"]["geometry_kind"] is None
    assert records["8297"]["geometry_kind"] == "polygon"


def test_a_street() -> None:
    line = bytes(shapely.to_wkb(shapely.LineString([(-94.6, 39.1), (-94.6, 39.2)])))
    row = {
        "data_set": "AGOL/MapServer/27",
        "partition": "whole",
        "row_id": "17",
        "street_name": "LOCUST ST",
        "from_number": "1000",
        "to_number": "1099",
        "geometry": line,
    }
    record = only(clean_streets(raw_table([row])).clean)
    assert (record["street_name"], record["from_number"], record["to_number"], record["geometry"]) == ("LOCUST ST", 1000, 1099, line)


def test_house_numbers_of_a_street_are_lowest_and_highest() -> None:
    row = {"data_set": "AGOL/MapServer/27", "partition": "whole", "street_name": "LOCUST ST", "from_number": "1099", "to_number": "1000"}
    record = only(clean_streets(raw_table([row])).clean)
    assert (record["from_number"], record["to_number"]) == (1000, 1099)


def test_districts_with_and_without_a_name() -> None:
    row = {"data_set": "vq6h-tqrf", "partition": "whole", "district_kind": "neighborhood", "geometry": square()}
    records = by_key(clean_districts(raw_table([{**row, "district_name": "Lykins"}, row, row])).clean, "district_name")
    assert set(records) == {"Lykins", "unnamed row-1", "unnamed row-2"}
    assert "neighborhood:Lykins" in str(records["Lykins"]["record_id"])


SPIKE = [(-94.6, 39.1), (-94.6, 39.2), (-94.5, 39.2), (-94.5, 39.1), (-94.4, 39.1), (-94.5, 39.1)]


def test_a_broken_polygon_is_mended_to_a_polygon_and_nothing_else() -> None:
    record = only(clean_parcels(raw_table([parcel_row(geometry=bytes(shapely.to_wkb(shapely.Polygon(SPIKE))))])).clean)
    shape = shapely.from_wkb(record["geometry"])
    assert shape.equals(shapely.box(-94.6, 39.1, -94.5, 39.2))
    assert (shape.geom_type, record["geometry_kind"]) == ("Polygon", "polygon")


@pytest.mark.parametrize(
    "shape", [shapely.Polygon(), shapely.MultiPolygon(), shapely.Polygon([(-94.6, 39.1), (-94.6, 39.2), (-94.6, 39.1)])]
)
def test_a_polygon_that_encloses_nothing_gives_way_to_a_point(shape: shapely.Geometry) -> None:
    rows = [parcel_row(geometry=bytes(shapely.to_wkb(shape))), point_row()]
    record = only(clean_parcels(raw_table(rows)).clean)
    assert (record["geometry_kind"], record["latitude"], record["longitude"]) == ("point", 39.2, -94.5)


def test_parts_and_holes_stay_and_the_point_lies_on_the_parcel() -> None:
    ring = shapely.box(-94.6, 39.1, -94.5, 39.2).difference(shapely.box(-94.59, 39.11, -94.51, 39.19))
    given = shapely.MultiPolygon([ring, shapely.box(-94.4, 39.1, -94.39, 39.11)])
    record = only(clean_parcels(raw_table([parcel_row(geometry=bytes(shapely.to_wkb(given)))])).clean)
    assert shapely.from_wkb(record["geometry"]).equals(given)
    assert given.contains(shapely.Point(record["longitude"], record["latitude"]))


@pytest.mark.parametrize("geometry", [None, b"no shape", bytes(shapely.to_wkb(shapely.Point(-94.5, 39.1)))])
def test_a_district_without_a_polygon_is_quarantined(geometry: bytes | None) -> None:
    row = {"data_set": "vq6h-tqrf", "partition": "whole", "district_kind": "neighborhood", "geometry": square(), "district_name": "Lykins"}
    result = clean_districts(raw_table([{**row, "district_name": "Ivanhoe", "geometry": geometry}, row]))
    assert only(result.clean)["district_name"] == "Lykins"
    assert "'Ivanhoe'" in str(only(result.quarantine)["reason"])


def test_a_street_with_a_shape_that_cannot_be_read_is_kept_without() -> None:
    row = {"data_set": "AGOL/MapServer/27", "partition": "whole", "street_name": "LOCUST ST", "from_number": "x", "geometry": b"no shape"}
    record = only(clean_streets(raw_table([row])).clean)
    assert (record["geometry"], record["from_number"], record["to_number"]) == (None, None, None)
