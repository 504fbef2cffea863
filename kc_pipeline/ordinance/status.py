"""The rows that are published of a day: the status of each place, and the incidents behind it."""

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.ordinance.clock import in_window
from kc_pipeline.ordinance.dwellings import has_dwelling
from kc_pipeline.ordinance.rules import STEPS, RuleSet

_TIED = ("EXACT", "NEAR")


def list_events(states: pd.DataFrame, rule_set: RuleSet, as_of: date) -> pd.DataFrame:
    """Incidents tied EXACT or NEAR that lie in a rule's window, with their state, reasons and the rules whose window holds them.

    Args:
        states: what `timeline.states_on` returns.
        rule_set: the law.
        as_of: the day.
    """
    held = np.column_stack([in_window(states, rule_set, rule, as_of) for rule in rule_set.rules])
    listed = held.any(axis=1) & states["precision"].isin(_TIED).to_numpy()
    names = np.array([rule.id for rule in rule_set.rules], dtype=object)
    patterns, back = np.unique(held[listed], axis=0, return_inverse=True)
    texts = np.array([";".join(names[pattern]) for pattern in patterns], dtype=object)
    rows = states[listed]
    return rows.assign(
        rule_set_id=rule_set.id,
        rule_ids=texts[back.ravel()] if len(rows) else "",
        count_state=rows["state"],
        not_counted_reasons=rows["reasons"].map(";".join).astype("str"),
    ).reset_index(drop=True)


def block_escalation(status: pd.DataFrame, business_parcels: pd.DataFrame, parcels: pd.DataFrame, cleared: frozenset[str]) -> pd.DataFrame:
    """Add has_dwelling, is_dwelling_reviewed and is_escalation_blocked to status rows; blocked places climb no step but the first.

    Args:
        status: rows with business_parcel_id and ladder_step.
        business_parcels: rows of core/business_parcels.
        parcels: rows of clean/parcels with parcel_id and land_use_code.
        cleared: places that a person looked into and cleared.
    """
    dwelling = has_dwelling(business_parcels, parcels)
    of_place = pd.Series(dwelling.to_numpy(), index=business_parcels["business_parcel_id"], dtype="boolean")
    lived_in = status["business_parcel_id"].map(of_place).astype("boolean")
    is_reviewed = status["business_parcel_id"].isin(cleared)
    blocked = lived_in.fillna(value=True).to_numpy(bool) & ~is_reviewed.to_numpy()
    held = cap_steps(status["ladder_step"], blocked)
    return status.assign(ladder_step=held, has_dwelling=lived_in, is_dwelling_reviewed=is_reviewed, is_escalation_blocked=blocked)


def cap_steps(steps: pd.Series, blocked: npt.NDArray[np.bool_]) -> pd.Series:
    """Steps of the ladder, those that are blocked no higher than the first."""
    return steps.mask(blocked & steps.notna().to_numpy(), STEPS[0])
