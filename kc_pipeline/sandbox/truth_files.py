"""The truth of a synthetic city as Parquet files, for tests and audits; the platform never reads them."""

from pathlib import Path

import numpy as np
import pandas as pd

from kc_pipeline.sandbox.ground import to_degrees
from kc_pipeline.sandbox.incident_codes import CALL_KINDS, REPORT_KINDS, REQUEST_KINDS
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.published import Texts
from kc_pipeline.sandbox.published_ground import published_pins
from kc_pipeline.sandbox.registers import Registers
from kc_pipeline.sandbox.truth import EFFECTS, Truth

_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "police_reports": (tuple(k.offense for k in REPORT_KINDS), tuple(k.drawn_by for k in REPORT_KINDS)),
    "calls_911": (tuple(k.subtype for k in CALL_KINDS), tuple("officer" if k.officer_initiated else k.drawn_by for k in CALL_KINDS)),
    "requests_311": (tuple(k[1] for k in REQUEST_KINDS), tuple(k[3] for k in REQUEST_KINDS)),
    "health_inspections": (("inspection",), ("inspection",)),
}


def true_places(source: str, identity: Texts, events: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """One row per event: source, source_id, event_date, kind, drawn_by, parcel_id (KIVA PIN; None on a crossing), is_scripted."""
    names, drawn_by = _KINDS[source]
    kind, parcel = events["kind"].to_numpy(), events["parcel"].to_numpy()
    pins = layout.parcels["kiva_pin"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "source": source,
            "source_id": identity,
            "event_date": events["day"].to_numpy().astype("datetime64[D]").astype("datetime64[s]"),
            "kind": np.array(names, dtype=object)[kind],
            "drawn_by": np.array(drawn_by, dtype=object)[kind],
            "parcel_id": np.where(parcel >= 0, pins[np.maximum(parcel, 0)], None),
            "is_scripted": events["is_scripted"].to_numpy(),
        }
    )


def write(folder: Path, seed: int, layout: Layout, registers: Registers, planted: Truth, events: pd.DataFrame) -> None:
    """Write effects, features, parcels, hidden_risk, businesses and events."""
    folder.mkdir(parents=True)
    p = layout.parcels
    longitude, latitude = to_degrees(p["x"].to_numpy(), p["y"].to_numpy())
    pins = p["kiva_pin"].to_numpy(dtype=object)
    counts = planted.features["factor"].value_counts()
    tables = {
        "effects": pd.DataFrame(
            [(e.factor, e.form, e.distance_m, e.beta, float(np.exp(e.beta)), int(counts[e.factor])) for e in EFFECTS],
            columns=["factor", "form", "distance_m", "beta", "relative_risk", "feature_count"],
        ),
        "features": _features(planted),
        "parcels": pd.DataFrame(
            {
                "parcel_id": pins, "published_parcel_id": published_pins(layout, seed), "address": p["address"], "kind": p["kind"],
                "land_use_code": p["land_use"], "longitude": longitude, "latitude": latitude,
            }
        ),
        "hidden_risk": planted.factors.assign(
            parcel_id=pins, place_effect=planted.place_effect, serious_share=planted.weights["serious"] / planted.weights["serious"].sum()
        ),
        "businesses": _businesses(registers, pins),
        "events": events,
    }  # fmt: skip
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _features(planted: Truth) -> pd.DataFrame:
    f = planted.features
    longitude, latitude = to_degrees(f["x"].to_numpy(), f["y"].to_numpy())
    return pd.DataFrame({"factor": f["factor"], "longitude": longitude, "latitude": latitude, "weight": f["weight"]})


def _businesses(registers: Registers, pins: Texts) -> pd.DataFrame:
    """The true parcel of each licence and permit; None out of the city."""
    b, permits = registers.businesses, registers.permits
    parcel = b["parcel"].to_numpy().astype(np.int64)
    licenses = pd.DataFrame(
        {
            "register": "business_licenses", "record": b["license_id"], "name": b["name"], "business_type": b["business_type"],
            "parcel_id": np.where(parcel >= 0, pins[np.maximum(parcel, 0)], None), "is_home": b["is_home"], "license_id": b["license_id"],
        }
    )  # fmt: skip
    business = permits["business"].to_numpy().astype(np.int64)
    licence = np.where(business >= 0, b["license_id"].to_numpy(dtype=object)[np.maximum(business, 0)], None)
    food = pd.DataFrame(
        {
            "register": "food_permits", "record": permits["permit_number"], "name": permits["name"],
            "business_type": permits["permit_type"],
            "parcel_id": pins[permits["parcel"].to_numpy().astype(np.int64)], "is_home": False, "license_id": licence,
        }
    )  # fmt: skip
    return pd.concat([licenses, food], ignore_index=True)
