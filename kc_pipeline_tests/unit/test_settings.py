"""Settings from the environment."""

import re
from pathlib import Path

import pytest

from kc_pipeline import settings as settings_module
from kc_pipeline.settings import load_settings


def test_the_default_is_the_sandbox_on_loopback() -> None:
    settings = load_settings({})
    assert settings.source == "sandbox"
    assert settings.socrata_url.startswith("http://127.0.0.1:")
    assert settings.data_dir.name == "sandbox"
    assert not settings.schedules_on


def test_live_asks_the_city_and_keeps_its_data_apart() -> None:
    settings = load_settings({"KC_SOURCE": "live", "KC_SCHEDULES": "on"})
    assert settings.socrata_url == "https://data.kcmo.org"
    assert settings.department_url is None
    assert settings.drop_dir is None
    assert settings.data_dir.name == "live"
    assert settings.schedules_on


@pytest.mark.parametrize(
    ("environ", "message"), [({"KC_SOURCE": "moon"}, "KC_SOURCE is 'moon'"), ({"KC_HISTORY_START": "2024"}, "KC_HISTORY_START")]
)
def test_a_value_that_cannot_be_used_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_settings(environ)


def test_secrets_do_not_show_in_the_settings_text() -> None:
    settings = load_settings(
        {"KC_APP_TOKEN": "t0ken", "KC_DEPARTMENT_DB": "postgresql://u:pa55@h/d", "KC_WAREHOUSE": "postgresql://u:pa55@h/d"}
    )
    assert "t0ken" not in repr(settings)
    assert "pa55" not in repr(settings)


def test_a_local_portal_serves_both_protocols() -> None:
    settings = load_settings({}).at_portal("http://127.0.0.1:9")
    assert settings.arcgis_url == "http://127.0.0.1:9/arcgis/rest/services"


def test_the_file_of_decisions_lies_beside_the_data_unless_it_is_named() -> None:
    default = load_settings({"KC_DATA_DIR": "/d"})
    assert (default.decisions_file.as_posix(), default.is_decisions_file_named) == ("/d/sandbox/decisions/business_parcels.csv", False)
    named = load_settings({"KC_DECISIONS": "/x/told.csv"})
    assert (named.decisions_file.as_posix(), named.is_decisions_file_named) == ("/x/told.csv", True)


def test_the_interface_of_socrata_is_chosen() -> None:
    assert (load_settings({}).soda_version, load_settings({"KC_SODA": "3"}).soda_version) == ("2", "3")
    with pytest.raises(ValueError, match="KC_SODA is '4'; use one of 2, 3"):
        load_settings({"KC_SODA": "4"})


def test_every_variable_that_is_read_is_documented() -> None:
    project = Path(settings_module.__file__).parents[1]
    read = set(re.findall(r"KC_[A-Z_]+[A-Z]", Path(settings_module.__file__).read_text(encoding="utf-8")))
    assert len(read) > 15
    assert read <= set(re.findall(r"KC_[A-Z_]+[A-Z]", (project / "docs" / "settings.md").read_text(encoding="utf-8")))


@pytest.mark.parametrize("number", ["0", "17", "many", "²", "-1", ""])
def test_how_many_pulls_run_at_once_is_a_small_number(number: str) -> None:
    with pytest.raises(ValueError, match=r"KC_PULLS_AT_ONCE is .*from 1 to 16"):
        load_settings({"KC_PULLS_AT_ONCE": number})
    assert load_settings({"KC_PULLS_AT_ONCE": "5"}).pulls_at_once == 5
