"""What `kc verify` finds where nothing is left that could be compared."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from published_rows import MART, day, publish
from written_whole import TABLE, places

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import feeds, provenance
from kc_pipeline.extract.status import read_failures
from kc_pipeline.settings import load_settings


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}), lambda: datetime(2026, 7, 1, 12, tzinfo=UTC))


@pytest.mark.fault(38)
def test_a_table_that_is_gone_with_its_seals_is_named(platform: Platform) -> None:
    publish(platform.warehouse, day(1), 1)  # it says that version 3 of the mart was read
    assert any(f"{MART}: version 3, of which a snapshot was made, is gone" in said for where, said in provenance.verify(platform) if where)
    platform.lake.write(TABLE, places(1, 3))
    assert not [said for where, said in provenance.verify(platform) if where and TABLE in said]


@pytest.mark.parametrize("has_room_for_a_note", [True, False])
@pytest.mark.fault(30)
def test_a_disk_that_fails_during_a_refresh_is_noted_where_there_is_room(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, has_room_for_a_note: bool
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kc_pipeline.extract.refresh.refresh_feed", fails)
    if not has_room_for_a_note:
        monkeypatch.setattr("kc_pipeline.extract.status.note_failure", fails)
    with pytest.raises(OSError, match="No space left"):
        feeds.refresh_raw(platform, FEEDS["parcels"], "2026-07")
    noted = read_failures(platform.settings.raw_dir)
    assert noted == ({"parcels": "[Errno 28] No space left on device"} if has_room_for_a_note else {})


@pytest.mark.fault(30)
def test_a_note_that_the_disk_spoilt_says_that_nothing_is_known(platform: Platform) -> None:
    folder = platform.settings.raw_dir / "parcels"
    folder.mkdir(parents=True)
    (folder / "last_refresh.json").write_bytes(b"")
    assert "cannot be read" in read_failures(platform.settings.raw_dir)["parcels"]
