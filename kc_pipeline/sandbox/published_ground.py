"""Parcels, streets and districts as the GIS server and the portal show them.

A few parcels lack their KIVA PIN, a few repeat another's, and some vacant lots have no address.
"""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd

from kc_pipeline.catalog.sources import FEEDS, find_data_set
from kc_pipeline.sandbox.districts import District
from kc_pipeline.sandbox.draws import Floats, day_number, generator
from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.published import Texts, numbers, publish, text_where
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

_NO_PIN, _REPEATED_PIN, _NO_ADDRESS_IF_VACANT, _HAS_SUITE = 0.004, 0.003, 0.15, 0.004
GROUND_UPDATED = datetime(2024, 6, 15, 11, tzinfo=UTC)
_SQUARE_FEET_PER_M2 = 10.7639
_OWNERS = (
    "PRAIRIE HOLDINGS LLC", "HEARTLAND HOMES LLC", "Land Bank of Kansas City Missouri", "RIVER BEND PROPERTIES",
    "OWNER OCCUPANT", "UNION TRUST CO",
)  # fmt: skip


def published_pins(layout: Layout, seed: int) -> Texts:
    """KIVA PIN of each parcel as published: some missing, some a neighbour's; the Express Stop's is right."""
    rng = generator(seed, "pins")
    u = rng.random(len(layout.parcels))
    u[layout.express_stop] = 1.0
    pins = layout.parcels["kiva_pin"].to_numpy(dtype=object).copy()
    repeated = np.flatnonzero((u >= _NO_PIN) & (u < _NO_PIN + _REPEATED_PIN))
    # Never the Express Stop's.
    neighbour = np.where(repeated - 1 == layout.express_stop, repeated - 2, repeated - 1)
    pins[repeated] = pins[np.maximum(neighbour, 0)]
    return text_where(u >= _NO_PIN, pins)


def publish_parcels(store: RecordStore, layout: Layout, seed: int) -> None:
    """Put the parcel layer on the GIS server."""
    data_set = find_data_set("parcels", "AGOL/MapServer/6")
    rng = generator(seed, "parcel attributes")
    p = layout.parcels
    n = len(p)
    owner, suite, lost = rng.random(n), rng.random(n), rng.random(n)
    has_address = ~((p["kind"] == "vacant").to_numpy() & (lost < _NO_ADDRESS_IF_VACANT))
    suffix = np.where((suite < _HAS_SUITE) & (p["kind"] == "residential").to_numpy(), "B", "")
    county = _counties(layout)
    names = {raw: found[0] for raw, found in data_set.fields.items()}
    address = p["address"].to_numpy(dtype=object) + np.where(suffix == "", "", " " + suffix.astype(object))
    rows = pd.DataFrame(
        {
            "OBJECTID": (np.arange(n) + 1).astype(str),
            names["parcel_id"]: published_pins(layout, seed),
            names["county_parcel_number"]: county + (10_000_000_000_000_000 + np.arange(n) * 7_919).astype(str).astype(object),
            names["owner_name"]: np.array(_OWNERS, dtype=object)[(owner * len(_OWNERS)).astype(np.int64)],
            names["address"]: text_where(has_address, address),
            "ADDR": text_where(has_address, p["number"].astype(str).to_numpy(dtype=object)),
            "FRACTION": _or_none(p["fraction"]), "PREFIX": _or_none(p["prefix"]),
            "STREET": text_where(has_address, p["street"].to_numpy(dtype=object)), "STREET_TYPE": _or_none(p["street_type"]),
            "SUITE": text_where(suffix != "", "B"),
            names["land_use_code"]: p["land_use"].to_numpy(dtype=object),
            names["shape"]: _rectangles(p["x0"].to_numpy(), p["y0"].to_numpy(), p["x1"].to_numpy(), p["y1"].to_numpy()),
            "SHAPE.STArea()": numbers(((p["x1"] - p["x0"]) * (p["y1"] - p["y0"])).to_numpy() * _SQUARE_FEET_PER_M2, 3),
        },
        dtype=object,
    )  # fmt: skip
    types = {
        "OBJECTID": "esriFieldTypeOID", "ADDR": "esriFieldTypeInteger", names["land_use_code"]: "esriFieldTypeSmallInteger",
        names["shape"]: "polygon", "SHAPE.STArea()": "esriFieldTypeDouble",
    }  # fmt: skip
    _publish_layer(store, data_set.id, "Parcels", rows, types)


def publish_streets(store: RecordStore, layout: Layout) -> None:
    """Put the street centre lines on the GIS server."""
    data_set = find_data_set("streets", "AGOL/MapServer/27")
    names = {raw: found[0] for raw, found in data_set.fields.items()}
    f = layout.faces
    x0, y0 = to_degrees(f["x0"].to_numpy(), f["y0"].to_numpy())
    x1, y1 = to_degrees(f["x1"].to_numpy(), f["y1"].to_numpy())
    a, b = numbers(x0, 7) + ", " + numbers(y0, 7), numbers(x1, 7) + ", " + numbers(y1, 7)
    rows = pd.DataFrame(
        {
            "OBJECTID": (np.arange(len(f)) + 1).astype(str),
            names["street_name"]: f["full"].to_numpy(dtype=object),
            names["from_number"]: f["low"].astype(str).to_numpy(dtype=object),
            names["to_number"]: f["high"].astype(str).to_numpy(dtype=object),
            names["shape"]: '{"type": "LineString", "coordinates": [[' + a + "], [" + b + "]]}",
        },
        dtype=object,
    )
    integer = "esriFieldTypeInteger"
    types = {"OBJECTID": "esriFieldTypeOID", names["from_number"]: integer, names["to_number"]: integer, names["shape"]: "polyline"}
    _publish_layer(store, data_set.id, "Street Centerlines", rows, types)


def publish_districts(store: RecordStore, districts: list[District]) -> None:
    """Put neighborhoods, patrol divisions and council districts on the portal."""
    for data_set in FEEDS["districts"].data_sets:
        mine = [d for d in districts if d.kind == data_set.implied["district_kind"]]
        edges = [np.array([getattr(d, name) for d in mine]) for name in ("x0", "y0", "x1", "y1")]
        polygons = _rectangles(*edges)
        table = pd.DataFrame({"name": [d.name for d in mine], "code": [d.code for d in mine], "polygon": polygons}, dtype=object)
        # A district on both banks would be one row of several polygons.
        grouped = table.groupby("code", sort=False).agg(name=("name", "first"), polygon=("polygon", list)).reset_index()
        rings = [", ".join(polygon.split('"coordinates": ')[1][:-1] for polygon in polygons) for polygons in grouped["polygon"]]
        shape = ['{"type": "MultiPolygon", "coordinates": [' + ring + "]}" for ring in rings]
        name_field = data_set.fields["district_name"][0]
        rows = pd.DataFrame(
            {
                data_set.fields["shape"][0]: shape,
                name_field: grouped["name"].where(grouped["name"].notna(), None).to_numpy(dtype=object),
                "objectid": (grouped.index + 1).astype(str),
            },
            dtype=object,
        )
        day = np.full(len(rows), day_number(date(2024, 6, 15)))
        types = {data_set.fields["shape"][0]: "multipolygon", "objectid": "number"}
        title = data_set.implied["district_kind"].replace("_", " ").title() + "s"
        publish(store, data_set, title, rows, types, day, np.arange(len(rows)), day, day)


def _publish_layer(store: RecordStore, layer: str, title: str, rows: pd.DataFrame, types: dict[str, str]) -> None:
    columns = [DeclaredColumn(name, types.get(name, "esriFieldTypeString")) for name in rows.columns]
    store.replace(layer, "arcgis", title, columns, rows, GROUND_UPDATED)


def _rectangles(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Texts:
    """GeoJSON polygons of rectangles in metres, counter-clockwise."""
    degrees = [to_degrees(x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    corners = [numbers(longitude, 7) + ", " + numbers(latitude, 7) for longitude, latitude in degrees]
    ring = "[" + corners[0] + "], [" + corners[1] + "], [" + corners[2] + "], [" + corners[3] + "], [" + corners[0] + "]"
    texts: Texts = '{"type": "Polygon", "coordinates": [[' + ring + "]]}"
    return texts


def _counties(layout: Layout) -> Texts:
    """County letters: Clay and Platte north of the river, Cass in the far south, Jackson elsewhere."""
    p = layout.parcels
    north, west = (p["section"] == "north").to_numpy(), p["col"].to_numpy() < sum(layout.columns) / 2
    far_south = p["y"].to_numpy() < p["y"].min() + 300.0
    return np.where(north, np.where(west, "PL", "CL"), np.where(far_south, "CA", "JA")).astype(object)


def _or_none(column: "pd.Series[str]") -> Texts:
    values = column.to_numpy(dtype=object)
    return text_where(values != "", values)
