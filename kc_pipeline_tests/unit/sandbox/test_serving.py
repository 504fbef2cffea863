"""The synthetic city as commands open it."""

from datetime import timedelta
from pathlib import Path

from kc_pipeline.sandbox.city import ANCHOR_DATE, build_city, built_months, built_scale
from kc_pipeline.sandbox.serving import city_folder, prepare_city
from kc_pipeline.settings import load_settings


def test_a_city_keeps_its_size_unless_another_is_asked_for(tmp_path: Path) -> None:
    settings = load_settings({"KC_DATA_DIR": str(tmp_path)})
    assert built_scale(city_folder(settings)) is None
    prepare_city(settings, ANCHOR_DATE, 0.01).close()
    marker = city_folder(settings) / "city.json"
    written = marker.stat().st_mtime_ns
    prepare_city(settings, ANCHOR_DATE).close()
    assert (built_scale(city_folder(settings)), marker.stat().st_mtime_ns) == (0.01, written)
    prepare_city(settings, ANCHOR_DATE, 0.012).close()
    assert built_scale(city_folder(settings)) == 0.012


def test_a_city_that_goes_on_keeps_its_years(tmp_path: Path) -> None:
    settings = load_settings({"KC_DATA_DIR": str(tmp_path)})
    build_city(city_folder(settings), scale=0.01, months=3)
    prepare_city(settings, ANCHOR_DATE + timedelta(days=1)).close()
    assert built_months(city_folder(settings)) == 3
