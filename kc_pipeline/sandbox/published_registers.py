"""Licences, food permits, property violations, dangerous buildings and bus stops as the portal shows them.

Licence points are street geocodes, some metres from the lot; names differ between the registers.
"""

import json
from datetime import date

import numpy as np
import pandas as pd

from kc_pipeline.catalog.sources import DataSet, find_data_set
from kc_pipeline.sandbox.draws import Floats, Integers, day_number, draw_days, generator, pick
from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.incident_codes import VIOLATION_KINDS
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.published import Texts, choose, local_times, numbers, points, publish, text_where
from kc_pipeline.sandbox.records import RecordStore
from kc_pipeline.sandbox.registers import EXPRESS_STOP_NAME, Registers

_NO_TRADE_NAME, _NO_POINT, _TWO_BLANKS, _UNKNOWN_PIN = 0.68, 0.036, 0.05, 0.011
_VALID, _VALID_WEIGHTS = ("20261231", "20251231", "20241231"), (84.0, 13.0, 3.0)
_TOWNS = (
    ("OVERLAND PARK", "KS", "66210", -94.685, 38.93),
    ("LEES SUMMIT", "MO", "64081", -94.382, 38.911),
    ("INDEPENDENCE", "MO", "64050", -94.415, 39.091),
    ("OLATHE", "KS", "66061", -94.819, 38.881),
    ("LENEXA", "KS", "66215", -94.733, 38.954),
    ("BLUE SPRINGS", "MO", "64015", -94.282, 39.017),
    ("SAINT LOUIS", "MO", "63101", -90.199, 38.627),
    ("SHAWNEE", "KS", "66203", -94.715, 39.023),
)
_TOWN_STREETS = ("METCALF AVE", "OAK GROVE RD", "COLLEGE BLVD", "NOLAND RD", "MARKET ST")
_CITY_SPELLINGS = ("Kansas City", "Kansas City ", "KANSAS CITY", "KANSAS CITY ", "Kansas CIty")
_CITY_WEIGHTS = (81.0, 8.0, 5.0, 4.0, 2.0)
_VIOLATIONS_BY_KIND = {"vacant": 3.0, "residential": 1.0, "commercial": 0.7, "large": 0.5}
# Licence addresses without direction, without type, misspelt (each as measured on recorded rows), of another place (a guess).
_SLIP_SHARES = (0.003, 0.010, 0.003, 0.003)
_REGISTER_DAY = day_number(date(2024, 6, 20))
VIOLATIONS_PER_YEAR = 15_000
_VIOLATIONS_SINCE = date(2021, 1, 1)


def publish_licenses(store: RecordStore, layout: Layout, registers: Registers, seed: int) -> None:
    """Put the licence holders on the portal: one row per licence class."""
    data_set = find_data_set("business_licenses", "pnm4-68wg")
    rng = generator(seed, "licence rows")
    b = registers.businesses
    n = len(b)
    parcel = b["parcel"].to_numpy().astype(np.int64)
    local, p = parcel >= 0, layout.parcels
    town = np.array(_TOWNS, dtype=object)[rng.integers(0, len(_TOWNS), n)]
    away_address = np.where(
        rng.random(n) < 0.12, "PO BOX " + _text(rng.integers(100, 99_000, n)),
        _text(rng.integers(100, 9_900, n)) + " " + np.array(_TOWN_STREETS, dtype=object)[rng.integers(0, len(_TOWN_STREETS), n)],
    )  # fmt: skip
    address = p["address"].str.upper().to_numpy(dtype=object)[np.maximum(parcel, 0)]
    address = _slips(address, generator(seed, "licence address slips"))
    blanks = (rng.random(n) < _TWO_BLANKS) & (np.arange(n) > 0)
    address = np.where(blanks, pd.Series(address, dtype=object).str.replace(" ", "  ", n=1, regex=False).to_numpy(dtype=object), address)
    longitude, latitude = to_degrees(*_street_geocodes(layout, seed))
    jitter = rng.normal(0, 0.02, (2, n))
    longitude = np.where(local, longitude[np.maximum(parcel, 0)], town[:, 3].astype(np.float64) + jitter[0])
    latitude = np.where(local, latitude[np.maximum(parcel, 0)], town[:, 4].astype(np.float64) + jitter[1])
    name = b["name"].to_numpy(dtype=object)
    legal = name + choose((" LLC", " INC", "", " LLC"), rng.random(n))
    legal[0] = EXPRESS_STOP_NAME
    has_trade_name = (rng.random(n) >= _NO_TRADE_NAME) | (np.arange(n) == 0)
    valid = choose(_VALID, rng.random(n), _VALID_WEIGHTS)
    valid[0] = _VALID[0]
    values = {
        "license_id": b["license_id"].to_numpy(dtype=object), "business_type": b["business_type"].to_numpy(dtype=object),
        "address": np.where(local, address, away_address),
        "city": np.where(local, "KANSAS CITY", town[:, 0]), "state": np.where(local, "MO", town[:, 1]),
        "zip_code": np.where(local, p["zip_code"].to_numpy(dtype=object)[np.maximum(parcel, 0)], town[:, 2]),
        "business_name": text_where(has_trade_name, name), "dba_name": legal, "valid_until": valid,
        "point": text_where((rng.random(n) >= _NO_POINT) | (np.arange(n) == 0), points(longitude, latitude, 5)),
    }  # fmt: skip
    rows = pd.DataFrame({data_set.fields[raw][0]: value for raw, value in values.items()}, dtype=object)
    further = {data_set.fields["business_type"][0]: registers.classes["business_type"].to_numpy(dtype=object)}
    again = rows.iloc[registers.classes["business"].to_numpy()].assign(**further)
    complete = pd.concat([rows, again], ignore_index=True)
    _publish_static(store, data_set, "Business License Holders", complete, {data_set.fields["point"][0]: "point"})


def _slips(addresses: Texts, rng: np.random.Generator) -> Texts:
    """Addresses as people fill them in: some lack the direction or the type, have a letter too many, or are another place's.

    The first one, the Express Stop's, is right.
    """
    n = len(addresses)
    kind = np.searchsorted(np.cumsum(_SLIP_SHARES), rng.random(n), side="right")
    kind[0] = len(_SLIP_SHARES)
    text = pd.Series(addresses, dtype=object)
    forms = [
        text.str.replace(r"^(\d+) [EW] ", r"\1 ", regex=True),
        text.str.replace(r" (?:ST|AVE|BLVD|RD)$", "", regex=True),
        text.str.replace(r" ([A-Z]{3})([A-Z])([A-Z]+) ", r" \1\2\2\3 ", n=1, regex=True),
        text.iloc[rng.permutation(n)].reset_index(drop=True),
    ]
    slipped: Texts = np.select([kind == place for place in range(len(forms))], forms, default=text).astype(object)
    return slipped


def _street_geocodes(layout: Layout, seed: int) -> tuple[Floats, Floats]:
    """A point near the street for each parcel, the same for all its licences: 27 m from the lot's centre in the median."""
    rng = generator(seed, "geocodes")
    p = layout.parcels
    dx, dy = p["front_x"].to_numpy() - p["x"].to_numpy(), p["front_y"].to_numpy() - p["y"].to_numpy()
    length = np.hypot(dx, dy)
    along = rng.laplace(0.0, 20.0, len(p))
    return p["x"].to_numpy() + 0.75 * dx - along * dy / length, p["y"].to_numpy() + 0.75 * dy + along * dx / length


def permit_names(registers: Registers, seed: int) -> Texts:
    """Names on food permits: the licence's name with other case, punctuation or a store number."""
    rng = generator(seed, "permit names")
    name = registers.permits["name"]
    u = rng.random(len(name))
    title = name.str.title()
    with_number = name + " #" + pd.Series(_text(rng.integers(1, 900, len(name))))
    with_sign, with_blanks = title.str.replace(" And ", " & ") + " L.L.C.", title.str.replace(" ", "  ", n=1)
    forms = [title, title + ", Inc.", with_number, with_sign, with_blanks]
    varied: Texts = np.select([u < 0.3, u < 0.5, u < 0.62, u < 0.74, u < 0.84], forms, default=title + " ").astype(object)
    varied[0] = "Express Stop"
    return varied


def publish_permits(store: RecordStore, layout: Layout, registers: Registers, seed: int) -> None:
    """Put the food permits on the portal."""
    data_set = find_data_set("food_permits", "sz9c-c5ux")
    rng = generator(seed, "permit rows")
    permits, p = registers.permits, layout.parcels
    n = len(permits)
    parcel = permits["parcel"].to_numpy().astype(np.int64)
    address = p["address"].to_numpy(dtype=object)[parcel] + choose(("", " ", "", "."), rng.random(n), (70, 15, 10, 5))
    address[0] = p["address"].to_numpy(dtype=object)[parcel[0]]
    longitude, latitude = to_degrees(p["x"].to_numpy()[parcel] + rng.normal(0, 8, n), p["y"].to_numpy()[parcel] + rng.normal(0, 8, n))
    zip_code = p["zip_code"].to_numpy(dtype=object)[parcel]
    has_point = (rng.random(n) < 0.94) | (np.arange(n) == 0)
    location = _locations(address, zip_code, text_where(has_point, numbers(latitude, 6)), text_where(has_point, numbers(longitude, 6)))
    fields = data_set.fields
    name = permit_names(registers, seed)
    size = choose((" 0-5 Employees", " 6-9 Employees", " 10-20 Employees"), rng.random(n))
    kind = permits["permit_type"].to_numpy(dtype=object)
    rows = pd.DataFrame(
        {
            fields["permit_number"][0]: permits["permit_number"].to_numpy(dtype=object),
            "establishment_name": name, fields["establishment_name"][0]: name,
            fields["address"][0]: address,
            fields["city"][0]: choose(_CITY_SPELLINGS, rng.random(n), _CITY_WEIGHTS),
            fields["state"][0]: "MISSOURI", fields["zip_code"][0]: zip_code, "business_status": "Open",
            "facility_type": kind + size, fields["business_type"][0]: kind,
            fields["status"][0]: text_where((rng.random(n) >= 0.002) | (np.arange(n) == 0), "Operational"),
            fields["point"][0]: location,
        },
        dtype=object,
    )  # fmt: skip
    _publish_static(store, data_set, "Food Establishment Permits", rows, {fields["point"][0]: "location"})


def _locations(address: Texts, zip_code: Texts, latitude: Texts, longitude: Texts) -> list[str]:
    """Socrata location objects as JSON, the address as JSON within."""
    found = []
    for street, code, north, east in zip(address.tolist(), zip_code.tolist(), latitude.tolist(), longitude.tolist(), strict=True):
        human = json.dumps({"address": street.strip(), "city": "Kansas City", "state": "MISSOURI", "zip": code})
        point = {} if north is None else {"latitude": north, "longitude": east}
        found.append(json.dumps(point | {"human_address": human}))
    return found


def publish_violations(store: RecordStore, layout: Layout, scale: float, seed: int, through: date) -> None:
    """Put the property violations since 2021 on the portal, each as it stood before `through`."""
    data_set = find_data_set("property_violations", "vq3e-m9ge")
    draws = draw_days(seed, "violations", _VIOLATIONS_SINCE, through, VIOLATIONS_PER_YEAR * scale / 365.25, 8)
    p = layout.parcels
    weight = generator(seed, "violation places").gamma(0.3, 1.0, len(p)) * p["kind"].map(_VIOLATIONS_BY_KIND).to_numpy()
    parcel = pick(weight, draws.next())
    kind = (draws.next() * len(VIOLATION_KINDS)).astype(np.int64)
    resolved = draws.day + 20 + (-np.log(np.maximum(draws.next(), 1e-6)) * 150).astype(np.int64)
    end = day_number(through)
    done = resolved + 1 < end  # a change is published the day after
    longitude, latitude = to_degrees(p["x"].to_numpy()[parcel], p["y"].to_numpy()[parcel])
    fields = data_set.fields
    case = draws.day.astype("datetime64[D]").astype("datetime64[Y]").astype(str).astype(object)
    keys = zip(draws.day.tolist(), draws.position.tolist(), strict=True)
    identity = np.array([f"{d:08x}-{k:04x}-4000-8000-{d * 65_537 + k:012x}" for d, k in keys], dtype=object)
    open_status = choose(("In Violation", "In Violation (Transferred to Courts)"), draws.next(), (9, 1))
    pin = p["kiva_pin"].to_numpy(dtype=object)[parcel]
    rows = pd.DataFrame(
        {
            fields["violation_id"][0]: identity,
            fields["case_number"][0]: "NPD-" + case + "-" + _text(draws.day % 366 * 100 + draws.position // 2),
            "case_status": np.where(done, "Closed", "In-Violation"),
            fields["address"][0]: p["address"].to_numpy(dtype=object)[parcel],
            fields["zip_code"][0]: p["zip_code"].to_numpy(dtype=object)[parcel],
            "chapter": "56", fields["violation_code"][0]: np.array([k[0] for k in VIOLATION_KINDS], dtype=object)[kind],
            fields["violation_text"][0]: np.array([k[1] for k in VIOLATION_KINDS], dtype=object)[kind],
            fields["status"][0]: np.where(done, "In Compliance", open_status),
            fields["opened_at"][0]: local_times(draws.day),
            fields["resolved_at"][0]: text_where(done, local_times(resolved)),
            fields["parcel_id"][0]: np.where(draws.next() < _UNKNOWN_PIN, "999" + pin, pin),
            fields["point"][0]: points(longitude, latitude, 5),
        },
        dtype=object,
    )  # fmt: skip
    types = {fields["opened_at"][0]: "calendar_date", fields["resolved_at"][0]: "calendar_date", fields["point"][0]: "point"}
    updated = np.where(done, resolved + 1, draws.day)
    publish(store, data_set, "Property Violations", rows, types, draws.day, draws.position, draws.day, updated)


def publish_dangerous(store: RecordStore, layout: Layout, registers: Registers, seed: int) -> None:
    """Put the dangerous-building cases on the portal; all were opened before the city begins."""
    data_set = find_data_set("dangerous_buildings", "ax3m-jhxx")
    rng = generator(seed, "dangerous rows")
    p, parcel = layout.parcels, registers.dangerous
    n = len(parcel)
    longitude, latitude = to_degrees(p["x"].to_numpy()[parcel], p["y"].to_numpy()[parcel])
    fields = data_set.fields
    opened = day_number(date(2020, 1, 1)) + rng.integers(0, 1_600, n)
    rows = pd.DataFrame(
        {
            fields["case_id"][0]: "DB-" + _text(20_000 + np.arange(n)),
            fields["status"][0]: choose(("Open", "Active", "Pending Demolition", "Under Repair"), rng.random(n)),
            fields["opened_at"][0]: local_times(opened),
            fields["address"][0]: p["address"].to_numpy(dtype=object)[parcel],
            fields["zip_code"][0]: p["zip_code"].to_numpy(dtype=object)[parcel],
            fields["parcel_id"][0]: p["kiva_pin"].to_numpy(dtype=object)[parcel],
            fields["latitude"][0]: numbers(latitude, 6),
            fields["longitude"][0]: numbers(longitude, 6),
        },
        dtype=object,
    )
    _publish_static(store, data_set, "Dangerous Buildings List", rows, {fields["opened_at"][0]: "calendar_date"})


def publish_bus_stops(store: RecordStore, stops: pd.DataFrame, seed: int) -> None:
    """Put the bus stops on the portal."""
    data_set = find_data_set("bus_stops", "ydqf-pvmx")
    rng = generator(seed, "bus stop rows")
    n = len(stops)
    longitude, latitude = to_degrees(stops["x"].to_numpy(), stops["y"].to_numpy())
    rows = pd.DataFrame(
        {
            "stop_id": _text(1_060_000 + np.arange(n)),
            "stop_name": "STOP " + _text(1 + np.arange(n)),
            "shelter": choose(("true", "false"), rng.random(n), (15, 85)),
            "lighting": choose(("true", "false"), rng.random(n), (20, 80)),
            "location": points(longitude, latitude, 6),
        },
        dtype=object,
    )
    _publish_static(store, data_set, "Bus Stops", rows, {"location": "point"})


def _publish_static(store: RecordStore, data_set: DataSet, title: str, rows: pd.DataFrame, types: dict[str, str]) -> None:
    day = np.full(len(rows), _REGISTER_DAY)
    publish(store, data_set, title, rows, types, day, np.arange(len(rows)), day, day)


def _text(values: Integers) -> Texts:
    texts: Texts = values.astype(str).astype(object)
    return texts
