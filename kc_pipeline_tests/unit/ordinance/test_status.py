"""What is listed of a day, and which places climb no step before a person has looked."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from ordinance_rows import LAW, day, shares

from kc_pipeline.ordinance.countability import judge_events
from kc_pipeline.ordinance.incidents import pair_records
from kc_pipeline.ordinance.rules import STEPS, Rule, RuleSet
from kc_pipeline.ordinance.status import block_escalation, cap_steps, list_events
from kc_pipeline.ordinance.timeline import prepare, states_on
from kc_pipeline.ordinance.windows import day_number

AS_OF = day("2026-06-01")
TWO_RULES: RuleSet = dataclasses.replace(
    LAW,
    counts_earlier_events=True,
    rules=(Rule("short", "ten days", 10, None, 2, 0, 10), Rule("long", "two months", None, 2, 4, 0, 10)),
)


def listed(*rows: dict) -> pd.DataFrame:
    made = shares(*rows)
    states = states_on(prepare(judge_events(made, TWO_RULES), pair_records(made), TWO_RULES), (), day_number(AS_OF), TWO_RULES)
    return list_events(states, TWO_RULES, AS_OF)


def test_each_incident_names_the_rules_whose_window_holds_it() -> None:
    days = {"2026-05-31": "short;long", "2026-05-22": "short;long", "2026-05-21": "long", "2026-04-01": "long", "2026-03-31": None}
    found = listed(*({"at": day(text), "event_id": text} for text in days), {"at": AS_OF, "event_id": "today"})
    assert dict(zip(found["event_id"], found["rule_ids"], strict=True)) == {text: rules for text, rules in days.items() if rules}
    assert list(found.index) == list(range(4))
    assert set(found["rule_set_id"]) == {TWO_RULES.id}


def test_only_what_is_tied_to_the_place_is_listed_with_its_state() -> None:
    found = listed(
        *({"at": day("2026-05-30"), "precision": name, "event_id": name} for name in ("EXACT", "NEAR", "BLOCK", "AREA")),
        {"at": day("2026-05-30"), "category": "theft", "event_id": "theft"},
    ).set_index("event_id")
    assert set(found.index) == {"EXACT", "NEAR", "theft"}
    assert found["count_state"].to_dict() == {"EXACT": "counts", "NEAR": "possible", "theft": "excluded"}
    assert found.loc["EXACT", "not_counted_reasons"] == ""
    assert found.loc["NEAR", "not_counted_reasons"] == ";".join(found.loc["NEAR", "reasons"]) != ""


def test_nothing_to_list_is_an_empty_list() -> None:
    found = listed({"at": day("2020-01-01")})
    assert found.empty
    assert {"rule_ids", "count_state", "not_counted_reasons"} <= set(found.columns)


# Whether people live there (by the parcel's land use), whether a person cleared it -> blocked.
CASES = {
    "home": (True, False, True),
    "home, cleared": (True, True, False),
    "shop": (False, False, False),
    "shop, cleared": (False, True, False),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_home_climbs_no_step_but_the_first_until_it_is_cleared(step: str) -> None:
    from kc_pipeline.catalog.land_use import DWELLING_CODES

    home, names = next(iter(DWELLING_CODES)), [*CASES, "not known"]
    places = pd.DataFrame({"business_parcel_id": names, "parcel_id": [*"1234", None], "business_types": "Retail"}, dtype="str")
    codes = [home if lived_in else "9999" for lived_in, _, _ in CASES.values()]
    parcels = pd.DataFrame({"parcel_id": [*"1234"], "land_use_code": codes}, dtype="str")
    cleared = frozenset(name for name, (_, is_cleared, _) in CASES.items() if is_cleared)
    status = pd.DataFrame({"business_parcel_id": names, "ladder_step": step}, dtype="str")
    found = block_escalation(status, places, parcels, cleared).set_index("business_parcel_id")
    for name, (lived_in, is_cleared, blocked) in CASES.items():
        row = found.loc[name]
        assert (row["has_dwelling"], row["is_dwelling_reviewed"], row["is_escalation_blocked"]) == (lived_in, is_cleared, blocked), name
        assert row["ladder_step"] == (STEPS[0] if blocked else step), name
    unknown = found.loc["not known"]
    assert pd.isna(unknown["has_dwelling"])
    assert (unknown["is_escalation_blocked"], unknown["ladder_step"]) == (True, STEPS[0])


def test_a_blocked_place_without_a_step_gets_none() -> None:
    steps = pd.Series([None, STEPS[2], None, STEPS[3]], dtype="str")
    held = cap_steps(steps, np.array([True, True, False, False]))
    assert held.isna().tolist() == [True, False, True, False]
    assert held.dropna().tolist() == [STEPS[0], STEPS[3]]
