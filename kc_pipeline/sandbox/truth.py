"""What is true in the synthetic city: where trouble spots lie and how each planted factor raises serious violence.

Planted: rate of serious street violence at a parcel = ground area * exp(sum of beta * factor) * place effect, where a
factor is 0 or 1 in one of the two forms of risk terrain modelling: 'proximity' (1 within distance_m of a feature) or
'density' (1 where the density, by a Gaussian as wide as a quartic kernel of bandwidth distance_m, exceeds its mean over
parcels by two standard deviations), and the place effect is gamma with mean 1. A beta of 0 is a decoy.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.sandbox.draws import Floats, generator
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.registers import Registers
from kc_pipeline.sandbox.street_names import ARTERIALS

PLACE_EFFECT_SHAPE = 1.5
SCATTERED_SHARE = 0.30  # of 311 requests: anywhere, not at a trouble spot
_BLOCK_M = 120.0
_LAMPS_PER_CIRCUIT = 6


@dataclass(frozen=True)
class Effect:
    """One planted factor: its form, its reach and the log of its relative risk."""

    factor: str
    form: str
    distance_m: float
    beta: float


EFFECTS = (
    Effect("streetlight_outages", "density", 3 * _BLOCK_M, 0.75),
    Effect("dumping_complaints", "density", 3 * _BLOCK_M, 0.65),
    Effect("convenience_stores", "proximity", _BLOCK_M, 0.80),
    Effect("liquor_stores", "proximity", _BLOCK_M, 0.55),
    Effect("bars", "proximity", _BLOCK_M, 0.65),
    Effect("hotels", "proximity", 2 * _BLOCK_M, 0.45),
    Effect("vacant_buildings", "proximity", _BLOCK_M, 0.55),
    Effect("health_violations", "proximity", _BLOCK_M, 0.40),
    Effect("coin_laundries", "proximity", 2 * _BLOCK_M, 0.35),
    Effect("bus_stops", "proximity", _BLOCK_M, 0.0),
    Effect("beauty_salons", "proximity", _BLOCK_M, 0.0),
)
_TYPES_OF_FACTOR = {
    "convenience_stores": ("Gasoline Stations with Convenience Stores", "Convenience Retailers"),
    "liquor_stores": ("Beer Wine and Liquor Retailers",),
    "bars": ("Drinking Places (Alcoholic Beverages)",),
    "hotels": ("Hotels (except Casino Hotels) and Motels",),
    "coin_laundries": ("Coin-Operated Laundries and Drycleaners",),
    "beauty_salons": ("Beauty Salons",),
}
# How busy a business of a type is, against 1 for an ordinary one; drives the many events that are not serious.
_ACTIVITY = {
    "Gasoline Stations with Convenience Stores": 3.0, "Convenience Retailers": 2.5, "Beer Wine and Liquor Retailers": 2.0,
    "Drinking Places (Alcoholic Beverages)": 2.0, "Hotels (except Casino Hotels) and Motels": 2.5,
    "Supermarkets and Other Grocery Retailers (except Convenience Retailers)": 3.0, "All Other General Merchandise Retailers": 1.8,
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """The city's hidden state.

    Attributes:
        features: one row per feature: factor, x, y in metres, weight.
        factors: one 0/1 column per planted factor, one row per parcel.
        place_effect: gamma place effect of each parcel.
        weights: per kind of event ('serious', 'domestic', 'business', 'street', 'home', 'officer') how much each parcel draws.
    """

    features: pd.DataFrame
    factors: pd.DataFrame
    place_effect: Floats
    weights: dict[str, Floats]

    def spots(self, factor: str) -> pd.DataFrame:
        """Features of one factor."""
        return self.features[self.features["factor"] == factor].reset_index(drop=True)


def plant(layout: Layout, registers: Registers, seed: int) -> Truth:
    """Decide where trouble spots lie and what draws events to each parcel."""
    features = _features(layout, registers, seed)
    x, y = layout.parcels["x"].to_numpy(), layout.parcels["y"].to_numpy()
    factors = pd.DataFrame({e.factor: exposure(e, features[features["factor"] == e.factor], x, y) for e in EFFECTS})
    rng = generator(seed, "place effects")
    place_effect = rng.gamma(PLACE_EFFECT_SHAPE, 1 / PLACE_EFFECT_SHAPE, len(x))
    log_risk = factors.to_numpy() @ np.array([e.beta for e in EFFECTS])
    return Truth(features, factors, place_effect, _weights(layout, registers, log_risk, place_effect, rng))


def exposure(effect: Effect, features: pd.DataFrame, x: Floats, y: Floats) -> NDArray[np.int64]:
    """One factor at points, 0 or 1, in the form in which it is planted."""
    import shapely

    tree = shapely.STRtree(shapely.points(features["x"].to_numpy(), features["y"].to_numpy()))
    deviation = effect.distance_m / np.sqrt(8)
    reach = effect.distance_m if effect.form == "proximity" else 3 * deviation
    point, feature = tree.query(shapely.points(x, y), predicate="dwithin", distance=reach)
    if effect.form == "proximity":
        return (np.bincount(point, minlength=len(x)) > 0).astype(np.int64)
    fx, fy, weight = (features[c].to_numpy()[feature] for c in ("x", "y", "weight"))
    squared = (x[point] - fx) ** 2 + (y[point] - fy) ** 2
    density = np.bincount(point, weights=weight * np.exp(-squared / (2 * deviation**2)), minlength=len(x))
    dense: NDArray[np.int64] = (density > density.mean() + 2 * density.std()).astype(np.int64)
    return dense


def _features(layout: Layout, registers: Registers, seed: int) -> pd.DataFrame:
    rng = generator(seed, "features")
    p = layout.parcels
    parts = [_lamps(layout, rng), _dumps(layout, rng)]
    business = registers.businesses[registers.businesses["parcel"] >= 0]
    for factor, types in _TYPES_OF_FACTOR.items():
        parcels = business.loc[business["business_type"].isin(types) & ~business["is_home"], "parcel"].to_numpy().astype(np.int64)
        parts.append(_at(factor, p, np.unique(parcels)))
    parts.append(_at("vacant_buildings", p, registers.dangerous))
    poor = registers.permits.loc[registers.permits["is_poor"], "parcel"].to_numpy().astype(np.int64)
    parts.append(_at("health_violations", p, np.unique(poor)))
    stops = layout.nodes[layout.nodes["avenue"].str.replace("N ", "").isin(ARTERIALS)]
    parts.append(pd.DataFrame({"factor": "bus_stops", "x": stops["x"].to_numpy(), "y": stops["y"].to_numpy(), "weight": 1.0}))
    return pd.concat(parts, ignore_index=True)


def _at(factor: str, parcels: pd.DataFrame, which: NDArray[np.int64]) -> pd.DataFrame:
    return pd.DataFrame({"factor": factor, "x": parcels["x"].to_numpy()[which], "y": parcels["y"].to_numpy()[which], "weight": 1.0})


def _lamps(layout: Layout, rng: np.random.Generator) -> pd.DataFrame:
    """Lamps on bad circuits: some street segments, the Express Stop's among them, with six lamps each."""
    chosen = rng.choice(len(layout.faces), max(2, round(len(layout.faces) * 0.025)), replace=False)
    chosen[0] = layout.parcels["face"].to_numpy()[layout.express_stop]
    faces = layout.faces.iloc[np.repeat(chosen, _LAMPS_PER_CIRCUIT)]
    along = np.tile((np.arange(_LAMPS_PER_CIRCUIT) + 0.5) / _LAMPS_PER_CIRCUIT, len(chosen))
    weight = np.repeat(rng.gamma(3.0, 1 / 3, len(chosen)), _LAMPS_PER_CIRCUIT)
    x = faces["x0"].to_numpy() + along * (faces["x1"] - faces["x0"]).to_numpy()
    y = faces["y0"].to_numpy() + along * (faces["y1"] - faces["y0"]).to_numpy()
    return pd.DataFrame({"factor": "streetlight_outages", "x": x, "y": y, "weight": weight})


def _dumps(layout: Layout, rng: np.random.Generator) -> pd.DataFrame:
    """Corners and vacant lots where rubbish is left again and again; one is beside the Express Stop."""
    vacant = layout.parcels.index[layout.parcels["kind"] == "vacant"].to_numpy()
    chosen = rng.choice(vacant, max(3, round(len(layout.parcels) * 0.004)), replace=False)
    spots = _at("dumping_complaints", layout.parcels, chosen)
    spots["weight"] = rng.gamma(2.0, 0.5, len(spots))
    beside_x = layout.parcels["x0"].to_numpy()[layout.express_stop] - 2.0
    spots.loc[0, ["x", "y", "weight"]] = [beside_x, layout.parcels["y"].to_numpy()[layout.express_stop], 1.5]
    return spots


def _weights(layout: Layout, registers: Registers, log_risk: Floats, place_effect: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    p = layout.parcels
    n = len(p)
    area = ((p["x1"] - p["x0"]) * (p["y1"] - p["y0"])).to_numpy()
    units = p["land_use"].map({"1111": 1.0, "1122": 2.0, "1124": 4.0, "1125": 9.0}).fillna(0.0).to_numpy()
    business = registers.businesses[(registers.businesses["parcel"] >= 0) & ~registers.businesses["is_home"]]
    activity = business["business_type"].map(_ACTIVITY).fillna(0.8).to_numpy()
    busy = np.zeros(n)
    np.maximum.at(busy, business["parcel"].to_numpy().astype(np.int64), activity)
    busy = np.where((busy == 0) & p["kind"].isin(["commercial", "large"]).to_numpy(), 0.25, busy)
    mild = np.exp(0.4 * log_risk)
    tail = rng.gamma(1.0, 1.0, n)
    return {
        "serious": area * np.exp(log_risk) * place_effect,
        "domestic": units * mild * rng.gamma(0.8, 1.25, n),
        "business": _capped(busy * mild * tail, 7.0),
        "street": _capped(area * mild * rng.gamma(1.0, 1.0, n), 7.0),
        "home": units * mild,
        "officer": _capped(busy * rng.gamma(0.8, 1.25, n), 9.0),
    }


def _capped(weight: Floats, times_mean: float) -> Floats:
    """Weights of which none exceeds so many times the mean of those above zero."""
    capped: Floats = np.minimum(weight, times_mean * weight[weight > 0].mean())
    return capped
