"""What a finished run left for the UI: numbers that Dagster draws over time, small previews, small pictures."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from kc_runs import platform

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.lineage import upstream_columns
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.previews import MOST_CHARACTERS, PERSONAL, PLACES_OF_INCIDENTS, ROWS, preview_columns

LARGEST_BYTES = 30_000
KEYS = build_defs(environ={}).resolve_asset_graph().get_all_asset_keys()


@pytest.fixture(scope="module")
def shown(finished_run: tuple[Path, str]) -> Iterator[dict[str, dict[str, Any]]]:
    """Asset -> the metadata of its newest materialization."""
    with dg.DagsterInstance.from_config(str(finished_run[0] / "sandbox" / "dagster")) as instance:
        events = {key.to_user_string(): instance.get_latest_materialization_event(key) for key in KEYS}
        yield {
            name: {label: entry.value for label, entry in event.asset_materialization.metadata.items()}
            for name, event in events.items()
            if event
        }


def test_every_asset_was_made_and_its_metadata_is_small(shown: dict[str, dict[str, Any]]) -> None:
    assert set(shown) == {key.to_user_string() for key in KEYS}
    sizes = {f"{name}: {label}": len(str(value)) for name, labels in shown.items() for label, value in labels.items()}
    assert {label: size for label, size in sizes.items() if size > LARGEST_BYTES} == {}


# Read beside the tables that a commit names: the state of the sources, the months pulled, the registers of the audit.
REGISTERS, STATE = frozenset({"clean/business_licenses", "clean/food_permits"}), frozenset({"marts/source_quality"})
BESIDE = {
    "core/business_history": REGISTERS,
    "core/business_parcel_history": REGISTERS,
    "eval/fairness_audit": frozenset({"clean/parcels", "core/factor_observations"}),
    "marts/business_risk": STATE,
    "marts/threshold_status": STATE,
    "marts/action_items": STATE,
    "marts/public_neighborhood_quarter": STATE,
}
COMPUTED = [name for name, table in TABLES.items() if table.layer in ("core", "eval", "marts") and name != "marts/source_quality"]


@pytest.mark.parametrize("name", COMPUTED)
def test_columns_come_from_tables_that_the_run_read(finished_run: tuple[Path, str], name: str) -> None:
    named = {column.rpartition(".")[0] for columns in upstream_columns(name).values() for column in columns}
    read = set(platform(finished_run[0]).lake.made_from(name))
    assert named <= read | BESIDE.get(name, frozenset())
    assert BESIDE.get(name, frozenset()) <= named


def test_previews_are_a_few_rows_of_the_table_without_people_or_places_of_incidents(shown: dict[str, dict[str, Any]]) -> None:
    previewed = {name: labels["preview"].splitlines() for name, labels in shown.items() if "preview" in labels}
    assert {"clean/police_reports", "core/businesses", "core/event_attribution", "marts/threshold_status", "marts/action_items"} <= set(
        previewed
    )
    for name, (heading, line, *rows) in previewed.items():
        columns = [cell.strip() for cell in heading.strip("|").split("|")]
        assert columns == list(preview_columns(TABLES[name]))
        assert 1 <= len(rows) <= ROWS
        assert len("\n".join((heading, line, *rows))) <= MOST_CHARACTERS
        assert not PERSONAL & set(columns)
        if "event_id" in TABLES[name].column_names:
            assert not PLACES_OF_INCIDENTS & set(columns)
        assert all(row.count("|") == len(columns) + 1 for row in rows)


@pytest.mark.parametrize("layer", ["clean", "quarantine"])
def test_every_month_that_was_made_says_how_many_rows_it_has(finished_run: tuple[Path, str], layer: str) -> None:
    key = dg.AssetKey([layer, "police_reports"])
    with dg.DagsterInstance.from_config(str(finished_run[0] / "sandbox" / "dagster")) as instance:
        records = instance.fetch_materializations(key, limit=500).records
    told = {record.partition_key: record.asset_materialization.metadata["dagster/partition_row_count"].value for record in records}
    months = platform(finished_run[0]).lake.read(key.to_user_string(), columns=["month"])["month"].to_pylist()
    assert len(told) == 25
    assert {month: rows for month, rows in told.items() if rows} == Counter(month for month in months if month != "undated")


def test_rates_ages_and_accuracy_are_numbers(shown: dict[str, dict[str, Any]]) -> None:
    for feed in EVENT_FEEDS:
        assert 0.9 < shown[f"clean/{feed}"]["good_share"] <= 1.0
        assert shown["marts/source_quality"][f"age_days_{feed}"] >= 1
    assert 0.8 < shown["core/businesses"]["active_on_parcel_share"] <= 1.0
    assert 0.8 < shown["core/located_addresses"]["located_share"] <= 1.0
    accuracy = {label: value for label, value in shown["eval/backtest"].items() if label.startswith("pai_")}
    assert max(map(len, accuracy), default=0) <= 33, "the UI draws longer names over their values"
    assert bool(accuracy) != ("no_backtest_because" in shown["eval/backtest"])
    assert all(isinstance(value, float) and value >= 0 for value in accuracy.values())
    states = shown["marts/threshold_status"]
    assert sum(states[f"rules_{state}"] for state in ("met", "near", "clear")) == states["dagster/row_count"]
    owed = shown["marts/action_items"]
    assert sum(owed[f"items_of_{party}"] for party in ("city", "owner", "another_owner")) == owed["dagster/row_count"]
    assert json.dumps(shown["marts/source_quality"]["feeds_fresh"]).isdigit()
