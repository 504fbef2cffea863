"""Whether a score falls evenly on the parts of a city, and whether what people report does.

A flag is a score in the highest tenth of all business parcels.  The rate of flags of a district is compared with the city's;
a difference is no wrong by itself, since violence is not spread evenly, so what was expected in the district stands beside
what happened there.  Requests to 311 are compared too: a district that reports little looks safer than it is.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

FLAG_SHARE = 0.10
ALERT_BELOW, ALERT_ABOVE = 0.80, 1.25
# Districts with fewer business parcels are shown without an alert: one place would make it.
LEAST_PLACES = 20
DISTRICTS: Mapping[str, str] = {"council_district": "council_district", "patrol_division": "division"}
_REPORTED = ("streetlight_outage", "dumping")
_UNKNOWN = "unknown"


def audit_fairness(risk: pd.DataFrame, events_since: pd.Series, requests: pd.DataFrame) -> pd.DataFrame:
    """Flags, expectation, outcome and reports of each council district and patrol division.

    Args:
        risk: marts/business_risk of a day: business_parcel_id, council_district, division, expected_events_per_year.
        events_since: business_parcel_id -> shares of serious events in the year before the day.
        requests: 311 requests of the year: district_kind, district_name, request_count, parcel_count.

    Returns:
        district_kind, district_name, place_count, flagged_count, flag_rate_pct, flag_rate_ratio (over the city's), is_alert,
        expected_events, observed_events, request_rate (requests per parcel), request_rate_ratio (over the city's).
    """
    expected = risk["expected_events_per_year"]
    top = max(round(len(risk) * FLAG_SHARE), 1)
    order = risk.sort_values(["expected_events_per_year", "business_parcel_id"], ascending=[False, True]).index
    flagged = pd.Series(False, index=risk.index)
    flagged[order[:top]] = True
    observed = risk["business_parcel_id"].map(events_since).fillna(0.0)
    city_rate = flagged.mean()
    rows = []
    for kind, column in DISTRICTS.items():
        of_district = pd.DataFrame({"name": risk[column].fillna(_UNKNOWN), "flagged": flagged, "expected": expected, "observed": observed})
        for name, places in of_district.groupby("name"):
            rate = places["flagged"].mean()
            ratio = rate / city_rate
            rows.append(
                {
                    "district_kind": kind,
                    "district_name": str(name),
                    "place_count": len(places),
                    "flagged_count": int(places["flagged"].sum()),
                    "flag_rate_pct": 100 * rate,
                    "flag_rate_ratio": ratio,
                    "is_alert": bool(len(places) >= LEAST_PLACES and not ALERT_BELOW <= ratio <= ALERT_ABOVE),
                    "expected_events": places["expected"].sum(),
                    "observed_events": places["observed"].sum(),
                }
            )
    return pd.DataFrame(rows).merge(_request_rates(requests), on=["district_kind", "district_name"], how="left")


def _request_rates(requests: pd.DataFrame) -> pd.DataFrame:
    """Requests per parcel of each district, and over the city's rate."""
    totals = requests.groupby("district_kind")[["request_count", "parcel_count"]].transform("sum")
    city = (totals["request_count"] / totals["parcel_count"].replace(0, np.nan)).replace(0, np.nan)
    rate = requests["request_count"] / requests["parcel_count"].replace(0, np.nan)
    return requests[["district_kind", "district_name"]].assign(request_rate=rate, request_rate_ratio=rate / city)


def count_parcels(parcels: pd.DataFrame) -> pd.DataFrame:
    """Parcels of each district.

    Args:
        parcels: districts of every parcel: council_district, division.

    Returns:
        Frame in the columns of kept/district_parcels.
    """
    counts = {kind: parcels[column].fillna(_UNKNOWN).value_counts() for kind, column in DISTRICTS.items()}
    return pd.concat(counts, names=["district_kind", "district_name"]).rename("parcel_count").reset_index()


def count_requests(observations: pd.DataFrame, district_of: pd.DataFrame, parcels: pd.DataFrame) -> pd.DataFrame:
    """Requests about streetlights and dumping, and parcels, of each district.

    Args:
        observations: located observations of the year: condition.
        district_of: districts of the same rows: council_district, division.
        parcels: rows of `count_parcels`.
    """
    asked = district_of[observations["condition"].isin(_REPORTED).to_numpy()]
    counts = {kind: asked[column].fillna(_UNKNOWN).value_counts() for kind, column in DISTRICTS.items()}
    requests = pd.concat(counts, names=["district_kind", "district_name"]).rename("request_count").reset_index()
    both = parcels.merge(requests, on=["district_kind", "district_name"], how="outer")
    return both.fillna({"request_count": 0.0, "parcel_count": 0.0})


def fairness_sentences(audit: pd.DataFrame) -> list[str]:
    """What a reader must know: alerts, and districts that hardly report."""
    said = [
        f"{row.district_kind} {row.district_name}: {row.flag_rate_pct:.1f} % of its business parcels are among the city's highest tenth "
        f"({row.flag_rate_ratio:.2f} times the city's rate); {row.expected_events:.1f} events expected, {row.observed_events:.1f} happened."
        for row in audit[audit["is_alert"]].itertuples()
    ]
    quiet = audit[(audit["request_rate_ratio"] < 0.5) & (audit["district_name"] != _UNKNOWN)]
    said += [
        f"{row.district_kind} {row.district_name}: {row.request_rate_ratio:.2f} times the city's 311 requests per parcel; "
        "few reports do not mean few problems."
        for row in quiet.itertuples()
    ]
    return said
