"""Points placed once stay placed while the parcels stay the same, and never change what is found."""

import shutil
from pathlib import Path

import pytest
from kc_runs import copied, platform

from kc_pipeline.defs.steps import attribution
from kc_pipeline.places import locations


def test_a_later_run_asks_no_geometry_and_writes_the_same_ledger(
    finished_run: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(finished_run[0], tmp_path / "copy")
    lake = platform(tmp_path / "copy").lake
    kept, ledger = lake.read("kept/locations"), lake.read("core/event_attribution")
    assert kept.num_rows > 0
    assert lake.made_from("kept/locations") == lake.versions(["clean/parcels"])

    def placed_again(*_: object) -> None:
        raise AssertionError("every point is known")

    shutil.rmtree(lake.path("core/event_attribution"))
    with monkeypatch.context() as patched:
        patched.setattr(locations.Locations, "_place", placed_again)
        attribution.attribute_events(platform(tmp_path / "copy"))
    key = [("event_id", "ascending"), ("business_parcel_id", "ascending")]
    lake = platform(tmp_path / "copy").lake
    assert lake.read("core/event_attribution").sort_by(key).equals(ledger.sort_by(key))
    assert lake.version("kept/locations") == 0


def test_points_kept_for_other_parcels_are_placed_anew(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    copied(finished_run[0], tmp_path / "copy")
    lake = platform(tmp_path / "copy").lake
    kept = lake.read("kept/locations")
    lake.write("kept/locations", kept.slice(0, 1), made_from={"clean/parcels": 999})
    shutil.rmtree(lake.path("core/event_attribution"))
    attribution.attribute_events(platform(tmp_path / "copy"))
    lake = platform(tmp_path / "copy").lake
    assert lake.made_from("kept/locations") == lake.versions(["clean/parcels"])
    assert lake.count("kept/locations") == kept.num_rows


def test_years_attributed_some_months_at_a_time_are_the_same_ledger(
    finished_run: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(finished_run[0], tmp_path / "copy")
    stores = platform(tmp_path / "copy")
    key = [("event_id", "ascending"), ("business_parcel_id", "ascending")]
    ledger = stores.lake.read("core/event_attribution").sort_by(key)
    shutil.rmtree(stores.lake.path("core/event_attribution"))
    monkeypatch.setattr(attribution, "_EVENTS_AT_ONCE", ledger.num_rows // 5)
    commit = attribution.attribute_events(stores)
    assert commit.row_count == ledger.num_rows
    assert set(commit.changed) == set(ledger["month"].to_pylist())
    assert commit.version is not None
    assert commit.version > 1
    assert platform(tmp_path / "copy").lake.read("core/event_attribution").sort_by(key).equals(ledger)
