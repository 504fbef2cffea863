"""How much of a food-inspection model is the inspector: Chicago's published model, with and without their identity.

    KC_REAL_DATA=FOLDER .venv/bin/python benchmarks/food_inspections.py

Reads riskdata/chicago/food_inspections_30_xgboost_data.csv.gz in that folder: the inspections that the City of Chicago
published with its model.  The model is fitted on the inspections before the test's and dealt out over the test's own dates.

What differs from the published model: there only the inspectors' coefficients are penalised, here all are, by a penalty that is
chosen the same way (ten folds, least held-out deviance).
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from kc_pipeline.risk.inspectors import adjusted_count, days_earlier, fit_findings, inspector_effects

FILE = Path("riskdata/chicago/food_inspections_30_xgboost_data.csv.gz")
DATE, FOUND, INSPECTOR, IS_TEST = "Inspection_Date", "criticalFound", "Inspector_Assigned", "Test"
AS_PUBLISHED = ["timeSinceLast", "consumption_on_premises_incidental_activity", "tobacco_retail_over_counter", "temperatureMax"]
CAPS = {"pastSerious": 1, "pastCritical": 1, "heat_burglary": 70, "heat_sanitation": 70, "heat_garbage": 50}
AGE, OLD_YEARS = "ageAtInspection", 4
# Days earlier, by whether the model knows the inspector.
BARS = {True: 7.43, False: 2.29}
TOLERANCE_DAYS = 0.3


def read_inspections(folder: Path) -> pd.DataFrame:
    """Chicago's inspections, one row each, in the order of their ids; where the file is."""
    return pd.read_csv(folder / FILE, parse_dates=[DATE]).sort_values("Inspection_ID", ignore_index=True)


def features_of(inspections: pd.DataFrame, *, with_inspector: bool) -> pd.DataFrame:
    """The published model's features; a column of zeros and ones per group of inspectors if these are wanted."""
    capped = {name: inspections[name].clip(upper=most) for name, most in CAPS.items()}
    features = inspections[AS_PUBLISHED].assign(**capped, **{AGE: (inspections[AGE] > OLD_YEARS).astype(int)})
    return features.join(pd.get_dummies(inspections[INSPECTOR], dtype=int)) if with_inspector else features


def measure(inspections: pd.DataFrame, *, with_inspector: bool) -> float:
    """Days by which the test's critical inspections move forward."""
    features, test = features_of(inspections, with_inspector=with_inspector), inspections[IS_TEST]
    model = fit_findings(features[~test], inspections.loc[~test, FOUND])
    return days_earlier(inspections.loc[test, DATE], inspections.loc[test, FOUND], model.predict(features[test]))


def print_inspectors(inspections: pd.DataFrame) -> None:
    """Findings and ratio of each group of inspectors before the test, and what the ratio leaves of it during the test."""
    test, blind = inspections[IS_TEST], features_of(inspections, with_inspector=False)
    before, during = inspections[~test], inspections[test]
    model = fit_findings(blind[~test], before[FOUND])
    effects = inspector_effects(before[FOUND], model.predict(blind[~test]), before[INSPECTOR])
    adjusted = during.assign(adjusted=adjusted_count(during[FOUND], during[INSPECTOR], effects)).groupby(INSPECTOR)
    print("\n| inspectors | inspections | critical | ratio | test: critical | test: critical, adjusted |\n|---|--:|--:|--:|--:|--:|")
    for name, group in before.groupby(INSPECTOR):
        part = adjusted.get_group(name)
        later = f"{part[FOUND].mean():.1%} | {part['adjusted'].mean():.1%}"
        print(f"| {name} | {len(group):,} | {group[FOUND].mean():.1%} | {np.exp(effects[name]):.2f} | {later} |")


def main() -> None:
    """Measure and print."""
    folder = os.environ.get("KC_REAL_DATA")
    if not folder or not (Path(folder) / FILE).is_file():
        sys.exit(f"KC_REAL_DATA is {folder or 'unset'}; set it to the folder that holds {FILE}, Chicago's published food inspections.")
    inspections = read_inspections(Path(folder))
    test = inspections[inspections[IS_TEST]]
    print(f"{len(inspections):,} inspections, {len(test):,} of them the test, {test[FOUND].sum()} of these critical\n")
    print(f"| model | days earlier | bar | within {TOLERANCE_DAYS} |\n|---|--:|--:|---|")
    for with_inspector, bar in BARS.items():
        days = measure(inspections, with_inspector=with_inspector)
        name = "with the inspector" if with_inspector else "without"
        print(f"| {name} | {days:.2f} | {bar:.2f} | {'yes' if abs(days - bar) <= TOLERANCE_DAYS else 'no'} |")
    print_inspectors(inspections)


if __name__ == "__main__":
    main()
