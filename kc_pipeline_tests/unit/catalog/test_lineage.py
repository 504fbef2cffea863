"""Column lineage of the catalogue: nothing named that is not there, nothing left out."""

import pytest

from kc_pipeline.catalog.lineage import MADE_EVERYWHERE, column_names, made_of_nothing, origins, reached_fields, upstream_columns
from kc_pipeline.catalog.tables import TABLES

ASSETS = sorted(name for name, table in TABLES.items() if table.layer not in ("kept", "quality"))


def test_every_table_that_is_an_asset_has_a_lineage() -> None:
    assert sorted(origins()) == ASSETS


@pytest.mark.parametrize("table", ASSETS)
def test_every_column_has_upstream_columns_that_exist_or_says_what_it_is(table: str) -> None:
    upstream, made = upstream_columns(table), made_of_nothing(table)
    assert not upstream.keys() & made.keys()
    assert sorted([*upstream, *made]) == sorted(column_names(table))
    named = {name for columns in upstream.values() for name in columns}
    assert sorted(name for name in named if name.rsplit(".", 1)[1] not in column_names(name.rsplit(".", 1)[0])) == []
    assert all(made.values())


@pytest.mark.parametrize("table", ASSETS)
def test_what_is_declared_is_of_the_table(table: str) -> None:
    origin = origins()[table]
    assert sorted({*origin.computed, *origin.made} - set(column_names(table))) == []


@pytest.mark.parametrize("table", [name for name in ASSETS if TABLES[name].layer == "marts"])
def test_every_column_of_a_mart_goes_back_to_a_feed_or_is_made_of_nothing(table: str) -> None:
    rootless = {name for name in upstream_columns(table) if not reached_fields(table, name)}
    # The feed's own name is the catalogue's, not a field of it.
    assert rootless <= {"feed"}
    assert set(MADE_EVERYWHERE) <= set(made_of_nothing(table))


def test_some_columns_go_back_to_these_fields() -> None:
    assert upstream_columns("clean/police_reports")["division"] == ("raw/police_reports.beat", "raw/police_reports.area")
    assert upstream_columns("marts/business_risk")["address"] == ("core/business_parcels.address",)
    assert reached_fields("marts/dim_business", "permit_numbers") == {"raw/food_permits.permit_number"}
    assert "raw/calls_911.called_at" in reached_fields("marts/business_risk", "calls_911_count_90d")
    assert "raw/streetlight_outages.opened_at" in reached_fields("marts/business_risk", "risk_score")
    assert reached_fields("marts/source_quality", "received_count") >= {"raw/parcels.line", "raw/calls_911.line"}
