"""Laws of the core tables: each holds on good rows and fails on a row that breaks it."""

import pandas as pd
import pytest

from kc_pipeline.quality.checks import Finding
from kc_pipeline.quality.places import added_up, are_located, check_attribution, check_businesses, count_attribution

EVENTS = pd.DataFrame(
    {
        "event_id": ["a", "b", "c"], "feed": "police_reports", "address": ["1 A ST", "1 A ST", None],
        "address_precision": ["exact", "block", "none"], "latitude": [39.1, None, None],
    }
)  # fmt: skip
LOCATED = pd.DataFrame({"address": ["1 A ST"] * 2, "address_precision": ["exact", "block"], "latitude": [39.1, 39.1]})
LEDGER = pd.DataFrame(
    [
        ("a", "parcel:1", "equal_address", "EXACT", 1.0),
        ("b", "parcel:1", "block_share", "BLOCK", 0.25),
        ("b", None, "none", "BLOCK", 0.75),
        ("c", None, "none", "NONE", 1.0),
    ],
    columns=["event_id", "business_parcel_id", "attribution_method", "precision", "weight"],
)


def check(ledger: pd.DataFrame, events: pd.DataFrame) -> list[Finding]:
    return check_attribution(count_attribution(ledger, events.assign(is_located=are_located(events, LOCATED))))


def by_law(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.law: finding for finding in findings}


def failed(findings: list[Finding]) -> set[str]:
    return {finding.law for finding in findings if not finding.passed}


def changed(row: int, **values: object) -> pd.DataFrame:
    rows = LEDGER.copy()
    for name, value in values.items():
        rows.loc[row, name] = value
    return rows


def test_a_ledger_that_keeps_every_event_whole_passes_but_tells_that_few_are_located() -> None:
    findings = by_law(check(LEDGER, EVENTS))
    assert {law for law, finding in findings.items() if not finding.passed} == {"enough_events_are_located"}
    assert findings["enough_events_are_located"].facts["located_share_police_reports"] == pytest.approx(0.6667)


@pytest.mark.parametrize(
    ("ledger", "law"),
    [
        (changed(2, weight=0.5), "shares_sum_to_one"),
        (LEDGER.iloc[:3], "every_event_is_attributed"),
        (pd.concat([LEDGER, LEDGER.iloc[3:].assign(event_id="z")]), "every_event_is_attributed"),
        (changed(1, precision="EXACT"), "precision_is_not_upgraded"),
        (changed(0, attribution_method="block_share"), "precision_is_not_upgraded"),
        (changed(0, precision="NEAR"), "precision_is_not_upgraded"),
    ],
)
def test_a_ledger_that_breaks_a_law_is_stopped(ledger: pd.DataFrame, law: str) -> None:
    found = by_law(check(ledger, EVENTS))[law]
    assert not found.passed
    assert found.facts["sample"]


def test_an_event_that_one_source_knows_exactly_may_be_tied_exactly() -> None:
    twice = pd.concat([EVENTS, EVENTS.iloc[1:2].assign(address_precision="exact")])
    assert "precision_is_not_upgraded" not in failed(check(changed(1, precision="EXACT", attribution_method="parcel_key"), twice))


def test_what_months_say_adds_up_to_what_all_of_them_say() -> None:
    events = EVENTS.assign(is_located=are_located(EVENTS, LOCATED))
    wrong = changed(2, weight=0.5)
    months = [count_attribution(wrong[wrong["event_id"].isin(ids)], events[events["event_id"].isin(ids)]) for ids in (["a"], ["b"], ["c"])]
    assert check_attribution(added_up(months)) == check(wrong, EVENTS)
    assert check_attribution(added_up([]))[0].passed


def test_businesses_stand_on_parcels_that_exist_and_most_on_one() -> None:
    parcels = pd.DataFrame({"parcel_id": ["1", "2"], "address": ["1 A ST", "2 A ST"]})
    rows = pd.DataFrame({"business_id": list("abcde"), "parcel_id": ["1", "1", "2", "2", None], "is_active": True})
    assert failed(check_businesses(rows, parcels)) == set()
    assert failed(check_businesses(rows.assign(parcel_id=["1", "1", "2", None, None]), parcels)) == {"enough_businesses_have_a_parcel"}
    assert failed(check_businesses(rows.assign(parcel_id=["1", "1", "2", "9", None]), parcels)) == {"parcels_exist"}
    no_addresses = parcels.assign(address=None)
    assert failed(check_businesses(rows.assign(parcel_id=None), no_addresses)) == set()
