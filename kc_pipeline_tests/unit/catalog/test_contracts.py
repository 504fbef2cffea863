"""Data contracts: by the standard, as released, and never changed in a way that breaks a reader's query."""

import copy
import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from kc_pipeline.catalog import contracts
from kc_pipeline.catalog.contracts import (
    BreakingChangeError,
    VersionError,
    as_text,
    breaking_changes,
    contract,
    released,
    unreleased_changes,
    write_released,
)
from kc_pipeline.catalog.dictionary import dictionary_page
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.views import VIEWS

ROOT = Path(__file__).parents[3]
VIEW = VIEWS["v1_business_risk_current"]


@pytest.mark.parametrize("view", VIEWS)
def test_every_contract_keeps_to_the_standard(view: str) -> None:
    schema = json.loads((resources.files("open_data_contract_standard") / "schema.json").read_text())
    assert contract(VIEWS[view])["apiVersion"] in schema["properties"]["apiVersion"]["enum"]
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(as_text(contract(VIEWS[view]))))


def test_what_is_released_is_what_the_catalogue_says() -> None:
    assert unreleased_changes() == {}, "run `kc contracts release`, and say in CHANGELOG.md what changed"


def test_the_changelog_speaks_of_the_version() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == SCHEMA_VERSION
    assert versions == sorted(versions, key=lambda version: [int(part) for part in version.split(".")], reverse=True)


def test_the_dictionary_is_that_of_the_catalogue() -> None:
    page = (ROOT / "docs" / "data-dictionary.md").read_text()
    assert page == dictionary_page(), "run `kc contracts dictionary > docs/data-dictionary.md`"
    assert all(f"| `{column.name}` |" in page for view in VIEWS.values() for column in view.contract.columns)


def changed(change) -> dict:
    """The released contract after somebody changed the catalogue."""
    document = copy.deepcopy(contract(VIEW))
    change({facts["name"]: facts for facts in document["schema"][0]["properties"]}, document["schema"][0]["properties"])
    return document


def _rename(by_name, _all) -> None:
    by_name["risk_score"]["name"] = "score"


def _drop(by_name, all_of_them) -> None:
    all_of_them.remove(by_name["zip_code"])


def _retype(by_name, _all) -> None:
    by_name["risk_rank"] |= {"logicalType": "string", "physicalType": "text"}


def _loosen(by_name, _all) -> None:
    by_name["risk_rank"]["required"] = False


def _change_unit(by_name, _all) -> None:
    by_name["expected_events_per_year"]["customProperties"] = [{"property": "unit", "value": "events per month"}]


def _change_key(by_name, _all) -> None:
    del by_name["as_of"]["primaryKey"]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (_rename, "risk_score"),
        (_drop, "zip_code"),
        (_retype, "risk_rank"),
        (_loosen, "risk_rank"),
        (_change_unit, "expected_events_per_year"),
        (_change_key, "as_of"),
    ],
)
def test_what_breaks_a_readers_query_says_make_it_v2(change, column: str) -> None:
    said = breaking_changes(contract(VIEW), changed(change))
    assert len(said) == 1
    assert "make it v2_business_risk_current" in said[0]
    assert column in said[0]


def _add(_by_name, all_of_them) -> None:
    all_of_them.append({"name": "more", "logicalType": "string", "physicalType": "text", "required": False})


def _tighten(by_name, _all) -> None:
    by_name["zip_code"]["required"] = True


def _describe(by_name, _all) -> None:
    by_name["zip_code"]["description"] = "Said better."


@pytest.mark.parametrize("change", [_add, _tighten, _describe])
def test_what_only_adds_breaks_nothing(change) -> None:
    assert breaking_changes(contract(VIEW), changed(change)) == []


def test_a_breaking_change_cannot_be_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(write_released(tmp_path)) == set(VIEWS)
    assert write_released(tmp_path) == []
    before = (tmp_path / f"{VIEW.name}.odcs.yaml").read_text()
    monkeypatch.setattr(contracts, "contract", lambda view: changed(_drop) if view is VIEW else contract(view))
    with pytest.raises(BreakingChangeError, match="make it v2_"):
        write_released(tmp_path)
    assert (tmp_path / f"{VIEW.name}.odcs.yaml").read_text() == before


def test_a_release_needs_a_new_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_released(tmp_path)
    monkeypatch.setattr(contracts, "contract", lambda view: changed(_add) if view is VIEW else contract(view))
    with pytest.raises(VersionError, match=r"raise SCHEMA_VERSION.*CHANGELOG"):
        write_released(tmp_path)
    monkeypatch.setattr(contracts, "SCHEMA_VERSION", "9.0.0")
    assert VIEW.name in write_released(tmp_path)
    assert "more" in (tmp_path / f"{VIEW.name}.odcs.yaml").read_text()


def test_a_view_that_is_gone_is_missed(tmp_path: Path) -> None:
    write_released(tmp_path)
    (tmp_path / "v1_gone.odcs.yaml").write_text("name: v1_gone")
    assert "v1_gone" in unreleased_changes(tmp_path)


def test_the_released_contract_is_read_back_as_it_is() -> None:
    assert released(VIEW.name) == contract(VIEW)
