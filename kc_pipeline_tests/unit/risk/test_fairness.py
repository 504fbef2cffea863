"""The audit of flags: rates, alerts, and districts that report little."""

import numpy as np
import pandas as pd
import pytest

from kc_pipeline.risk.fairness import audit_fairness, count_parcels, count_requests, fairness_sentences

COUNT = 200
RISK = pd.DataFrame(
    {
        "business_parcel_id": [f"p{n}" for n in range(COUNT)],
        "council_district": np.where(np.arange(COUNT) < 100, "1", "2"),
        "division": np.where(np.arange(COUNT) < 190, "East", None),
        "expected_events_per_year": np.linspace(2, 0.1, COUNT),
    }
)
REQUESTS = pd.DataFrame(
    {"district_kind": "council_district", "district_name": ["1", "2"], "request_count": [90, 10], "parcel_count": [100, 100]}
)


@pytest.fixture
def audit() -> pd.DataFrame:
    return audit_fairness(RISK, pd.Series({"p0": 3.0, "p150": 1.0}), REQUESTS)


def test_rates_are_compared_with_the_citys(audit: pd.DataFrame) -> None:
    rows = audit[audit["district_kind"] == "council_district"].set_index("district_name")
    assert rows["flagged_count"].to_dict() == {"1": 20, "2": 0}
    assert rows["flag_rate_ratio"].to_dict() == {"1": 2.0, "2": 0.0}
    assert rows["is_alert"].all()
    assert rows["observed_events"].to_dict() == {"1": 3.0, "2": 1.0}
    assert rows["expected_events"].sum() == pytest.approx(RISK["expected_events_per_year"].sum())
    assert rows["request_rate_ratio"].to_dict() == pytest.approx({"1": 1.8, "2": 0.2})


def test_a_district_of_few_places_raises_no_alert_and_the_unknown_one_is_shown(audit: pd.DataFrame) -> None:
    rows = audit[audit["district_kind"] == "patrol_division"].set_index("district_name")
    assert rows["place_count"].to_dict() == {"East": 190, "unknown": 10}
    assert not rows["is_alert"].any()


def test_sentences_name_alerts_and_quiet_districts(audit: pd.DataFrame) -> None:
    said = fairness_sentences(audit)
    assert any(sentence.startswith("council_district 1: 20.0 %") for sentence in said)
    assert any("council_district 2: 0.20 times the city's 311 requests" in sentence for sentence in said)


def test_requests_are_counted_by_district_over_all_parcels() -> None:
    observations = pd.DataFrame({"condition": ["dumping", "bar", "streetlight_outage"]})
    districts = pd.DataFrame({"council_district": ["1", "1", None], "division": ["East", "East", "East"]})
    parcels = pd.DataFrame({"council_district": ["1", "2"], "division": ["East", "East"]})
    found = count_requests(observations, districts, count_parcels(parcels)).set_index(["district_kind", "district_name"])
    assert found.loc[("council_district", "1")].to_dict() == {"request_count": 1.0, "parcel_count": 1.0}
    assert found.loc[("council_district", "unknown")].to_dict() == {"request_count": 1.0, "parcel_count": 0.0}
    assert found.loc[("council_district", "2")].to_dict() == {"request_count": 0.0, "parcel_count": 1.0}
    assert found.loc[("patrol_division", "East")].to_dict() == {"request_count": 2.0, "parcel_count": 2.0}
