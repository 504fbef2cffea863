"""Contracts of the views: by the standard, true of both engines, as they were released, and bound to what was released."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from open_data_contract_standard.model import OpenDataContractStandard

from kc_pipeline.catalog import releases
from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.compatibility import Weight, changes, columns_of, key_of, valid_values
from kc_pipeline.catalog.contracts import Document, custom, from_yaml, to_odcs, to_yaml, version_of
from kc_pipeline.catalog.dictionary import to_markdown
from kc_pipeline.catalog.releases import ReleaseError, contract_text, present_contracts, read_released, release, unreleased
from kc_pipeline.catalog.rules import RULES
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.view_notes import NOTES
from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.cli import main
from kc_pipeline.cli_contracts import CHANGELOG, DICTIONARY
from kc_pipeline.store.warehouse import Warehouse

RELEASED = read_released()
STANDARD = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
VIEW = "v1_source_quality"
ENTRY = f"# Changelog\n\n## [{SCHEMA_VERSION}] - 2026-11-23\n"


@pytest.mark.parametrize("view", VIEWS)
def test_every_contract_is_one_by_the_standards_own_schema(view: str) -> None:
    contract = from_yaml(contract_text(view))
    jsonschema.Draft201909Validator.check_schema(STANDARD)
    assert [error.message for error in jsonschema.Draft201909Validator(STANDARD).iter_errors(contract)] == []
    assert contract["apiVersion"] == STANDARD["properties"]["apiVersion"]["default"] == "v3.1.0"
    read = OpenDataContractStandard.from_string(contract_text(view))
    assert [column.name for column in read.schema_[0].properties] == list(VIEWS[view].contract.column_names)


def test_the_schema_refuses_what_is_no_contract() -> None:
    wrong = {**RELEASED[VIEW], "apiVersion": "v9"}
    wrong["schema"] = [{**wrong["schema"][0], "colour": "red"}]
    assert len(list(jsonschema.Draft201909Validator(STANDARD).iter_errors(wrong))) >= 2


def test_the_catalogue_is_as_it_was_released() -> None:
    """A change of the catalogue that readers of the views would see has to be released: kc contracts release."""
    assert unreleased() == []
    assert set(RELEASED) == set(VIEWS)


@pytest.mark.parametrize("view", VIEWS)
def test_a_contract_says_all_that_the_catalogue_says(view: str) -> None:
    contract, table = RELEASED[view], VIEWS[view].contract
    columns = columns_of(contract)
    assert key_of(contract) == list(table.key)
    for column in table.columns:
        said = columns[column.name]
        options = said.get("logicalTypeOptions", {})
        assert said["description"] == column.description
        assert said["required"] == (not column.nullable or column.name in table.key)
        assert (custom(said, "unit"), options.get("minimum"), options.get("maximum")) == (column.unit, column.minimum, column.maximum)
        assert column.values == () or valid_values(said) == [str(value) for value in column.values]
    laws = {rule["name"] for rule in contract["schema"][0]["quality"]}
    own = {rule.name for rule in RULES.get(table.name, ()) if not rule.is_derived}
    assert laws == own | {"key_is_unique"}
    assert contract["team"]["name"] == table.owner.removeprefix("team:")


def test_every_view_says_what_may_not_be_concluded() -> None:
    assert set(NOTES) == set(VIEWS)
    assert all(note.limits and note.purpose and note.usage for note in NOTES.values())
    assert "no ground for closing" in RELEASED["v1_business_risk_current"]["description"]["limitations"]
    assert "provisional" in RELEASED["v1_threshold_status"]["description"]["limitations"]


def test_promises_of_time_are_those_of_the_service_and_the_feeds() -> None:
    promised = {
        (p["property"], p.get("element", "").rpartition(".")[2]): p["value"] for p in RELEASED["v1_business_risk_current"]["slaProperties"]
    }
    assert (promised["timeOfAvailability", "as_of"], promised["retention", "v1_business_risk_current"]) == ("09:00", 90)
    assert {feed: promised["latency", f"{feed}_count_365d"] for feed in EVENT_FEEDS} == {
        "police_reports": 9, "calls_911": 56, "health_inspections": 1, "streetlight_outages": 7, "dumping_complaints": 7,
    }  # fmt: skip
    assert "slaProperties" not in RELEASED["v1_dim_date"]


def test_types_are_those_of_both_engines(warehouse_url: str) -> None:
    engine = Warehouse(warehouse_url).engine
    if engine.name == "sqlite":
        query, what = "select p.name, p.type from sqlite_master m join pragma_table_info(m.name) p where m.name = :view", "sqlite"
    else:
        query, what = "select column_name, data_type from information_schema.columns where table_name = :view", "postgresql"
    with engine.connect() as connection:
        for view, contract in RELEASED.items():
            stored = dict(map(tuple, connection.execute(sa.text(query), {"view": view})))
            said = {
                name: custom(column, "physicalTypeSqlite") if what == "sqlite" else column["physicalType"]
                for name, column in columns_of(contract).items()
            }
            assert stored == said, view


def test_what_a_column_points_to_is_the_whole_key_of_a_view_of_its_own_or_of_the_day() -> None:
    pointed = set()
    for contract in RELEASED.values():
        for column in columns_of(contract).values():
            for relation in column.get("relationships", ()):
                file, _, path = relation["to"].partition("#")
                target, name = path.removeprefix("/schema/").split("/properties/")
                assert file == f"{target}.odcs.yaml"
                assert columns_of(RELEASED[target])[name]["logicalType"] == column["logicalType"]
                assert [key for key in key_of(RELEASED[target]) if key != "as_of"] == [name]
                pointed.add((contract["name"], column["name"], target))
    assert ("v1_action_list", "business_parcel_id", "v1_business_risk_current") in pointed
    assert ("v1_business_risk_current", "as_of", "v1_dim_date") in pointed
    assert not [one for one in pointed if one[0] == one[2]]


# --- compatibility -------------------------------------------------------------------------------------------------------


def edited(edit: Callable[[dict[str, Document]], object]) -> dict[str, Document]:
    """The present contracts after an edit of the columns of one view."""
    present = copy.deepcopy(RELEASED)
    columns = columns_of(present[VIEW])
    edit(columns)
    present[VIEW]["schema"][0]["properties"] = list(columns.values())
    return present


def renamed(columns: dict[str, Document]) -> None:
    columns["received_count"]["name"] = "rows_received"


def other_unit(columns: dict[str, Document]) -> None:
    columns["usual_lag_days"]["customProperties"] = [
        {"property": "unit", "value": "hour"},
        {"property": "physicalTypeSqlite", "value": "BIGINT"},
    ]


@pytest.mark.parametrize(
    ("edit", "said"),
    [(lambda columns: columns.pop("good_count"), "column good_count is gone"),
     (renamed, r"column received_count is gone \(was it renamed to rows_received\?\)"),
     (lambda columns: columns["good_count"].update(logicalType="number"), "good_count was integer .* and is number"),
     (lambda columns: columns["as_of"].update(physicalType="text"), r"as_of was date \(date in PostgreSQL.*\) and is date \(text"),
     (lambda columns: columns["feed"].update(required=False), "feed always had a value and may lack one now"),
     (other_unit, "usual_lag_days was in day and is in hour"),
     (lambda columns: columns["feed"].update(primaryKey=False), "the key was as_of, feed and is as_of")],
)  # fmt: skip
def test_what_breaks_queries_needs_a_new_view(edit, said: str) -> None:
    found = [change for change in changes(RELEASED, edited(edit)) if change.weight is Weight.BREAKING]
    assert len(found) == 1
    assert re.search(f"^{VIEW}: .*{said}.*make it v2_source_quality", str(found[0]))


def test_a_view_that_is_gone_breaks_queries() -> None:
    (found,) = changes(RELEASED, {view: contract for view, contract in RELEASED.items() if view != VIEW})
    assert (found.weight, "make it v2_" in str(found)) == (Weight.BREAKING, True)


@pytest.mark.parametrize(
    ("edit", "said", "weight"),
    [(lambda columns: columns.update(new={**columns["newest_report_date"], "name": "new"}), "column new is new", Weight.MINOR),
     (lambda columns: columns["newest_report_date"].update(required=True), "has a value in every row now", Weight.MINOR),
     (lambda columns: columns["good_count"].update(logicalTypeOptions={"minimum": -1}), "another range or form", Weight.MINOR),
     (lambda columns: columns["source_status"].pop("quality"), "another set of values", Weight.MINOR),
     (lambda columns: columns["good_count"].update(description="Rows."), "described in other words", Weight.WORDING)],
)  # fmt: skip
def test_what_adds_breaks_nothing(edit, said: str, weight: Weight) -> None:
    (found,) = changes(RELEASED, edited(edit))
    assert (said in str(found), found.weight, "v2_" in str(found)) == (True, weight, False)


def test_the_order_of_columns_is_not_promised() -> None:
    present = copy.deepcopy(RELEASED)
    present[VIEW]["schema"][0]["properties"].reverse()
    assert changes(RELEASED, present) == []


def written(folder: Path, contracts: dict[str, Document], version: str = SCHEMA_VERSION) -> Path:
    """A folder with contracts as they were once released."""
    for view, contract in contracts.items():
        (folder / f"{view}.odcs.yaml").write_text(to_yaml({**contract, "version": version}))
    return folder


def test_a_breaking_change_is_not_released_and_nothing_is_written(tmp_path: Path) -> None:
    once = edited(lambda columns: columns.update(old_count={**columns["good_count"], "name": "old_count"}))
    folder = written(tmp_path, once)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ReleaseError, match=r"column old_count is gone.*make it v2_source_quality"):
        release(folder, ENTRY)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_addition_needs_a_higher_minor_version_and_an_entry(tmp_path: Path) -> None:
    once = edited(lambda columns: columns.pop("covered_days_365d"))
    with pytest.raises(ReleaseError, match=r"covered_days_365d is new.*set SCHEMA_VERSION .* to \d+\.\d+\.0"):
        release(written(tmp_path, once), ENTRY)
    folder = written(tmp_path, once, "1.3.9")
    with pytest.raises(ReleaseError, match=rf"CHANGELOG.md has no entry '## \[{re.escape(SCHEMA_VERSION)}\]'"):
        release(folder, "# Changelog\n\n## [1.3.9]\n")
    (change,) = release(folder, ENTRY)
    assert "covered_days_365d is new" in str(change)
    after = columns_of(read_released(folder)[VIEW])
    assert custom(after["covered_days_365d"], "sinceVersion") == SCHEMA_VERSION
    assert custom(after["good_count"], "sinceVersion") == "1.0.0"
    assert unreleased(folder) == []


def test_a_new_view_and_a_later_version_are_seen(tmp_path: Path) -> None:
    folder = written(tmp_path, {view: contract for view, contract in RELEASED.items() if view != VIEW}, "1.3.9")
    found = unreleased(folder)
    assert f"{VIEW}: the view is new" in found
    assert f"v1_dim_date: version 1.3.9 was released, the catalogue is at {SCHEMA_VERSION}" in found
    with pytest.raises(ReleaseError, match="versions only grow"):
        release(written(tmp_path, RELEASED, "99.0.0"), ENTRY)


def test_versions_are_ordered_as_numbers() -> None:
    assert sorted(["1.10.0", "1.9.0", "1.2.11"], key=version_of) == ["1.2.11", "1.9.0", "1.10.0"]


# --- pages and commands --------------------------------------------------------------------------------------------------


def test_the_committed_dictionary_is_that_of_the_catalogue() -> None:
    """If it is not: kc contracts dictionary."""
    assert DICTIONARY.read_text(encoding="utf-8") == to_markdown(present_contracts(RELEASED))


def test_the_dictionary_has_a_section_per_view_and_a_row_per_column() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", to_markdown(RELEASED), re.DOTALL | re.MULTILINE))
    assert list(sections) == list(VIEWS)
    for view, text in sections.items():
        assert re.findall(r"^\| `(\w+)`", text, re.MULTILINE) == list(VIEWS[view].contract.column_names)
        cells = [len(re.split(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
        assert set(cells) == {8}, view
    assert "| `usual_lag_days` • | bigint | day | The feed's usual delay" in sections[VIEW]
    assert "| 0 to 365 | 1.1.0 |" in sections[VIEW]


def test_the_newest_entry_of_the_changelog_is_the_version_of_the_tables() -> None:
    entries = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    assert entries[0] == SCHEMA_VERSION
    assert entries == sorted(set(entries), key=version_of, reverse=True)


def test_the_changelog_names_every_addition_at_its_version() -> None:
    entries = dict(re.findall(r"^## \[([\d.]+)\].*?\n(.*?)(?=^## |\Z)", CHANGELOG.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
    for view, contract in RELEASED.items():
        since = custom(contract["schema"][0], "sinceVersion")
        assert f"`{view}`" in entries[since]
        for name, column in columns_of(contract).items():
            if (added := custom(column, "sinceVersion")) != since:
                assert f"`{name}`" in entries[added], (view, name, added)


def test_the_commands_say_what_the_functions_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(main, ["contracts", "show", VIEW]).output == contract_text(VIEW)
    assert "11 contracts are as they were released" in run.invoke(main, ["contracts", "check"]).output
    assert run.invoke(main, ["contracts", "dictionary", "--to", str(tmp_path / "d" / "page.md")]).exit_code == 0
    assert (tmp_path / "d" / "page.md").read_bytes() == DICTIONARY.read_bytes()
    (tmp_path / "released").mkdir()
    old = written(tmp_path / "released", edited(lambda columns: columns.update(old={**columns["good_count"], "name": "old"})))
    monkeypatch.setattr(releases, "released_folder", lambda: old)
    for command in ("check", "release"):
        done = run.invoke(main, ["contracts", command])
        assert done.exit_code == 1
        assert "make it v2_source_quality" in done.output


def test_contracts_are_made_without_heavy_libraries() -> None:
    heavy = ("pandas", "pyarrow", "sqlalchemy", "dagster")
    program = f"import sys; from kc_pipeline.catalog.releases import unreleased; unreleased(); print({{*{heavy!r}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "set()"


def test_a_contract_is_the_same_text_every_time() -> None:
    view = VIEWS[VIEW]
    assert to_yaml(to_odcs(view, {})) == to_yaml(to_odcs(view, {}))
    assert from_yaml(to_yaml(RELEASED[VIEW])) == RELEASED[VIEW]
