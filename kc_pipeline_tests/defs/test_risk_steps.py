"""The steps of the risk model where something that they need is not there."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kc_pipeline.catalog.factors import CONDITIONS, FACTORS, PREMISES_FACTORS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import evaluation, risk
from kc_pipeline.settings import load_settings

AS_OF = date(2026, 7, 17)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}), lambda: datetime(2026, 7, 17, 10, tzinfo=UTC))


def test_a_day_is_scored_by_the_model_of_its_month() -> None:
    assert risk.fit_day(AS_OF) == date(2026, 7, 1)


def test_without_districts_nothing_says_where_the_city_is(platform: Platform) -> None:
    with pytest.raises(risk.NoCityError, match="clean/districts"):
        risk.gather_inputs(platform, AS_OF)


def test_without_a_fit_nothing_is_scored_or_drawn(platform: Platform) -> None:
    assert risk.stored_card(platform, AS_OF) is None
    with pytest.raises(LookupError, match="no fit as of 2026-07-01"):
        risk.score_day(platform, AS_OF)
    assert evaluation.draw_model(platform, AS_OF) == {}


def test_without_any_row_there_is_no_observation(platform: Platform) -> None:
    risk.gather_observations(platform)
    assert platform.lake.count("core/factor_observations") == 0


def test_factors_are_made_of_conditions_that_tables_hold() -> None:
    assert {factor.condition for factor in FACTORS.values()} == set(CONDITIONS)
    assert {condition.table for condition in CONDITIONS.values()} <= set(TABLES)
    assert set(PREMISES_FACTORS) <= set(FACTORS)
    assert sorted(name for names in evaluation.sources().values() for name in names) == sorted(FACTORS)
