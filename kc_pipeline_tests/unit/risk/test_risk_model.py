"""The whole model: parts multiply to the expectation, a card gives the same scores, own premises are told apart."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shapely
from risk_frames import AS_OF, LATITUDE, LONGITUDE, north_of, observations, places

from kc_pipeline.places.geometry import project
from kc_pipeline.risk import card as cards
from kc_pipeline.risk.explain import PREMISES, explain_risks
from kc_pipeline.risk.history import PlaceEffects
from kc_pipeline.risk.observations import features_on
from kc_pipeline.risk.premises import divide_premises
from kc_pipeline.risk.risk_model import BASELINE, OWN_HISTORY, Places, RiskModel, fit_risk_model, score_risks
from kc_pipeline.risk.terrain import build_grid
from kc_pipeline.risk.terrain_model import PAST_CRIME

RNG = np.random.default_rng(4)
EAST, NORTH = project(pd.Series([LONGITUDE]), pd.Series([LATITUDE]))[0]
GRID = build_grid(shapely.box(EAST - 2_000, NORTH - 2_000, EAST + 2_000, NORTH + 2_000), 65)
COUNT = 300
SPOTS = list(zip(RNG.uniform(-1_900, 1_900, 160), RNG.uniform(-0.02, 0.02, 160), strict=True))
OBSERVED = observations(
    *({"latitude": north_of(metres), "longitude": LONGITUDE + east} for metres, east in SPOTS[:80]),
    *(
        {
            "condition": "property_violation",
            "latitude": north_of(metres),
            "longitude": LONGITUDE + east,
            "business_parcel_id": f"parcel:{n % 40}",
        }
        for n, (metres, east) in enumerate(SPOTS[80:])
    ),
)
FEATURES = features_on(OBSERVED, AS_OF)
MEAN = 0.1 * np.exp(
    1.2 * np.exp(-GRID.distance(FEATURES["streetlight_outages"]) / 150)
    + 1.0 * np.exp(-GRID.distance(FEATURES["property_violations"]) / 150)
)
PAST = RNG.poisson(MEAN, (3, GRID.size)).astype(float)
IDS = places(COUNT)["business_parcel_id"]


@pytest.fixture(scope="module")
def business_places() -> Places:
    cell = np.concatenate([GRID.cell_of(FEATURES["property_violations"][:40]), RNG.integers(0, GRID.size, COUNT - 41), [-1]])
    is_bar = RNG.random(COUNT) < 0.3
    mean = 0.6 * MEAN[np.maximum(cell, 0)] * np.exp(0.9 * is_bar) * RNG.gamma(1.0, 1.0, COUNT)
    return Places(cell, {"type_bar": is_bar.astype(float), "business_count": np.zeros(COUNT)}, RNG.poisson(mean, (3, COUNT)).astype(float))


@pytest.fixture(scope="module")
def model(business_places: Places) -> RiskModel:
    return fit_risk_model(GRID, FEATURES, PAST, business_places, AS_OF)


def test_the_parts_of_every_place_multiply_to_its_expectation(model: RiskModel, business_places: Places) -> None:
    risks = score_risks(model, GRID, FEATURES, PAST, business_places)
    product = np.prod([np.exp(part) for part in risks.parts.values()], axis=0)
    assert product == pytest.approx(risks.expected, rel=1e-12)
    assert {BASELINE, OWN_HISTORY, "streetlight_outages", "property_violations", "type_bar"} <= set(risks.parts)
    assert (risks.low < risks.high).all()
    assert risks.parts[PAST_CRIME].mean() == pytest.approx(0, abs=1e-9) if PAST_CRIME in risks.parts else True


def test_more_past_at_a_place_means_more_is_expected_there(model: RiskModel, business_places: Places) -> None:
    more = business_places.past.copy()
    quiet = int(np.argmin(more.sum(axis=0)))
    more[0, quiet] += 5
    lasting = replace(model, effects=PlaceEffects(1.0, 0.0, 1.0, model.effects.mean_expected))
    before = score_risks(lasting, GRID, FEATURES, PAST, business_places)
    after = score_risks(lasting, GRID, FEATURES, PAST, Places(business_places.cell, business_places.traits, more))
    assert after.expected[quiet] > 2 * before.expected[quiet]


def test_a_card_gives_the_same_scores_again(model: RiskModel, business_places: Places) -> None:
    card = cards.make_card(model, {}, GRID, {}, {}, {})
    again = RiskModel.from_card(json.loads(cards.card_text(card))["model"])
    assert again == model
    ours, theirs = (score_risks(m, GRID, FEATURES, PAST, business_places).expected for m in (model, again))
    assert (ours == theirs).all()
    assert cards.model_id(card).startswith("2026-07-01-")
    elsewhere = cards.make_card(model, {}, GRID, {}, {"lake_versions": {"clean/parcels": 7}}, {})
    assert cards.model_id(elsewhere) == cards.model_id(card)
    assert cards.model_id(cards.make_card(model, {}, GRID, {"bars": 1}, {}, {})) != cards.model_id(card)
    assert set(cards.describe_grid(GRID)) == {"west", "south", "cell_m", "rows", "columns", "cells", "sha256"}


def test_what_comes_from_the_own_premises_is_told_apart_and_the_sum_stays(model: RiskModel, business_places: Places) -> None:
    risks = score_risks(model, GRID, FEATURES, PAST, business_places)
    observed = {"property_violations": OBSERVED[OBSERVED["condition"] == "property_violation"]}
    divided = divide_premises(risks, model.terrain, GRID, business_places.cell, IDS, observed)
    own, rest = divided.parts[f"{PREMISES}property_violations"], divided.parts["property_violations"]
    assert own + rest == pytest.approx(risks.parts["property_violations"], abs=1e-12)
    assert (own[:40] > 0).all()
    assert own[40:] == pytest.approx(np.zeros(COUNT - 40))
    assert (rest >= -1e-12).all()


def test_the_explanation_of_each_place_sums_to_its_expectation(model: RiskModel, business_places: Places) -> None:
    risks = score_risks(model, GRID, FEATURES, PAST, business_places)
    east_north = np.where(business_places.cell[:, None] >= 0, GRID.centres()[np.maximum(business_places.cell, 0)], np.nan)
    rows = explain_risks(places(COUNT), risks, OBSERVED, east_north, AS_OF)
    product = rows.groupby("business_parcel_id")["risk_multiplier"].prod()
    assert product.loc[IDS].to_numpy() == pytest.approx(risks.expected, rel=1e-9)
    assert not rows.duplicated(["business_parcel_id", "factor"]).any()
    groups = rows.drop_duplicates("factor").set_index("factor")["factor_group"]
    assert groups[BASELINE] == groups[OWN_HISTORY] == groups["type_bar"] == "context and history"
    assert groups["streetlight_outages"] == "city can mend"
    assert rows["explanation"].str.endswith(".").all()
    assert not rows["explanation"].str.contains("cause").any()
    lights = rows[(rows["factor"] == "streetlight_outages") & (rows["business_parcel_id"] == "parcel:60")].iloc[0]
    assert lights["what_if_events_per_year"] * lights["risk_multiplier"] == pytest.approx(risks.expected[60])
    away = np.hypot(*(FEATURES["streetlight_outages"] - east_north[60]).T)
    assert lights["observation_count"] == (away <= 200).sum()
    assert lights["nearest_m"] == pytest.approx(away.min(), abs=0.06)
