"""The catalogue: complete, consistent, and rendered without loss."""

import re

import pytest
import sqlalchemy as sa

from kc_pipeline.catalog import events
from kc_pipeline.catalog.columns import COLUMNS, EVENT_FEEDS, Column, Type
from kc_pipeline.catalog.reference import REFERENCE_TABLES
from kc_pipeline.catalog.render import to_arrow, to_ddl
from kc_pipeline.catalog.sources import FEEDS, Feed, FeedTable, MissingDataSetError, find_data_set, planned_data_sets
from kc_pipeline.catalog.tables import FEEDS as TABLE_FEEDS
from kc_pipeline.catalog.tables import TABLES, feed_columns

PERSON_FIELDS = re.compile(r"\b(race|sex|age|age_range|gender|phone|dob|birth|victim_name|suspect)\b", re.IGNORECASE)
POLICE = FEEDS["police_reports"]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_of_every_table_is_described_and_the_key_is_among_them(table) -> None:
    assert len(set(table.column_names)) == len(table.column_names)
    assert set(table.key) <= set(table.column_names)
    assert all(column.description for column in table.columns)
    assert to_arrow(table).names == list(table.column_names)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_ddl_of_every_table_names_its_columns(table, dialect: str) -> None:
    ddl = to_ddl(table, dialect)
    assert all(re.search(rf"\b{name}\b", ddl) for name in table.column_names)


def test_sqlite_accepts_the_ddl_of_every_table() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        for table in TABLES.values():
            connection.execute(sa.text(to_ddl(table)))
    assert len(sa.inspect(engine).get_table_names()) == len(TABLES)


def test_no_column_or_source_field_is_about_a_person() -> None:
    asked = {name for feed in FEEDS.values() for d in feed.data_sets for names in d.fields.values() for name in names}
    assert not [name for name in {*COLUMNS, *asked} if PERSON_FIELDS.search(name.replace("_", " "))]


def test_every_column_is_used_by_some_table() -> None:
    used = {name for table in (*TABLES.values(), *REFERENCE_TABLES.values()) for name in table.column_names}
    assert set(COLUMNS) <= used


def test_sources_and_tables_name_the_same_feeds() -> None:
    assert set(FEEDS) == set(TABLE_FEEDS)
    assert [name for name, feed in FEEDS.items() if feed.kind == "event"] == list(EVENT_FEEDS)


@pytest.mark.parametrize(
    ("year", "number", "reported"),
    [(2015, "report_no", "reported_date"), (2020, "report_no", "reported_date"), (2021, "report_no", "report_date"),
     (2023, "report", "report_date"), (2024, "report_no", "reported_date"), (2025, "report", "report_date"),
     (2026, "report", "report_date")],
)  # fmt: skip
def test_police_field_names_change_by_year(year: int, number: str, reported: str) -> None:
    (data_set,) = [d for d in POLICE.data_sets if d.first_month == f"{year}-01" and d.is_primary]
    assert data_set.fields["report_number"] == (number,)
    assert data_set.fields["reported_at"] == (reported,)


def test_a_range_of_months_plans_the_years_it_touches() -> None:
    planned = [d.id for d in planned_data_sets(POLICE, "2017-12", "2018-01")]
    assert planned == ["98is-shjt", "dmjw-d28i", "reports"]


def test_a_year_without_a_data_set_says_what_to_add() -> None:
    with pytest.raises(
        MissingDataSetError, match=r"police_reports 2027: no data set id for this year; add it to kc_pipeline/catalog/sources\.py"
    ):
        planned_data_sets(POLICE, "2026-01", "2031-01")


def test_recorded_views_are_found_but_never_planned() -> None:
    view = find_data_set("police_reports", "8w6q-wd5b")
    assert view.view_of == "bfyq-5nh6"
    assert view not in planned_data_sets(POLICE, "2023-01", "2023-12")


def test_every_category_that_is_scored_or_excluded_can_occur() -> None:
    assert set(events.POLICE_CATEGORY_OF_NIBRS.values()) <= set(events.POLICE_SEVERITY)
    assert set(events.POLICE_CATEGORY_OF_NIBRS.values()) >= events.SERIOUS_VIOLENCE
    assert {category for _, category in events.CALL_CATEGORY_OF_PATTERN} >= events.OFFICER_INITIATED_CATEGORIES


def test_the_two_numbers_never_stand_in_one_table_or_view() -> None:
    """What the ordinance counts, and what the model expects, are kept apart everywhere."""
    ordinance = {"confirmed_count", "possible_count", "needed_count", "count_state", "ladder_step", "threshold_status"}
    risk = {"risk_score", "risk_rank", "relative_risk", "expected_events_per_year", "risk_multiplier", "relative_risk_score"}
    assert ordinance | risk <= set(COLUMNS)
    mixed = [name for name, table in TABLES.items() if ordinance & set(table.column_names) and risk & set(table.column_names)]
    assert mixed == []


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("record_id", Column("address", Type.TEXT, "Another.")), "towed: column 'address' is described already"),
        (("record_id", "tow_reason"), "towed: column 'tow_reason' is described nowhere"),
        (("address",), "towed: the first column of its table must be 'record_id'"),
        (None, "towed: no table; give its entry"),
    ],
)
def test_a_register_whose_table_is_not_right_is_named(columns: tuple[str | Column, ...] | None, said: str) -> None:
    feed = Feed("towed", "Tow-ins", "Towed.", "reference", "City", None, (), table=FeedTable("one car", columns) if columns else None)
    with pytest.raises(ValueError, match=said):
        feed_columns((feed,))
