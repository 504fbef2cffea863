"""Businesses, decisions, review and history through the steps, on two parcels and three licences."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.cli import main
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import places
from kc_pipeline.extract.manifest import Facts
from kc_pipeline.places.decisions import DecisionsError
from kc_pipeline.places.versions import OldSnapshotError
from kc_pipeline.settings import load_settings

FACTS = Facts(
    transport="socrata",
    paging="keyset",
    count_before=1,
    count_after=1,
    changed_at="x",
    declared=(),
    resolution={},
    implied={},
    key_field=None,
)
PROVENANCE = {
    "first_seen_utc": datetime(2026, 7, 1, tzinfo=UTC),
    "data_set": "x",
    "pull_id": "000001",
    "page": 0,
    "line": 0,
    "row_hash": "x",
}
FAR = (-94.40, 39.20)
MORNING, EVENING = datetime(2026, 7, 2, 10, tzinfo=UTC), datetime(2026, 7, 9, 3, tzinfo=UTC)  # the latter is the 8th in Kansas City
Write = Callable[..., None]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(load_settings({"KC_DATA_DIR": str(tmp_path)}))


@pytest.fixture
def write(platform: Platform) -> Write:
    """Puts rows into a clean table, as made from a pull that was received at a moment."""

    def put(feed: str, rows: list[dict[str, object]], received: datetime = MORNING) -> None:
        with platform.raw.begin(feed, "x", "whole") as writer:
            content = repr(rows).encode()
            writer.add_page(content, "csv", "identity", content, len(rows))
            pull = writer.commit(FACTS, lambda: received).manifest
        schema = to_arrow(TABLES[f"clean/{feed}"])
        full = [{**PROVENANCE, "record_id": f"{feed}:{number}", **row} for number, row in enumerate(rows)]
        platform.lake.write(f"clean/{feed}", pa.Table.from_pylist(full, schema=schema), made_from={"x/whole": pull.pull_id})

    lots = [("1", "1000 Locust St", -94.58), ("2", "1004 Locust St", -94.57)]
    shapes = [bytes(shapely.to_wkb(shapely.box(west, 39.1, west + 0.001, 39.101))) for _, _, west in lots]
    put(
        "parcels",
        [
            {"parcel_id": key, "address": address, "geometry": shape, "geometry_kind": "polygon", "longitude": west, "latitude": 39.1}
            for (key, address, west), shape in zip(lots, shapes, strict=True)
        ],
    )
    return put


def license_row(number: str, name: str, address: str = "1000 LOCUST ST", **more: object) -> dict[str, object]:
    kept = {"city": "KANSAS CITY", "state": "MO", "zip_code": "64106", "valid_until": date(2026, 12, 31), "business_type": "x"}
    return {"license_id": number, "business_name": name, "address": address, **kept, **more}


DOUBTFUL = license_row("3", "FAR CAFE", "1004 LOCUST ST", longitude=FAR[0], latitude=FAR[1])
ROWS = [license_row("1", "JOES DELI"), license_row("2", "JOS DELI"), DOUBTFUL]


def make(platform: Platform) -> dict[str, dict[str, object]]:
    """Businesses by name after all business steps."""
    if not platform.lake.count("core/gazetteer"):
        places.build_gazetteer(platform)
    places.build_businesses(platform)
    places.update_business_history(platform)
    return {str(row["business_name"]): row for row in platform.lake.read("core/businesses").to_pylist()}


def decide(platform: Platform, *rows: tuple[str, ...]) -> Path:
    path = platform.settings.decisions_file
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["business_id,decision,parcel_id,same_as_business_id,decided_by,decided_on", *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_steps_make_every_business_table_and_change_nothing_the_second_time(platform: Platform, write: Write) -> None:
    write("business_licenses", ROWS)
    found = make(platform)
    assert {name: row["parcel_id"] for name, row in found.items()} == {"JOES DELI": "1", "JOS DELI": "1", "FAR CAFE": None}
    (question,) = platform.lake.read("core/business_review").to_pylist()
    assert (question["business_name"], question["suggested_parcel_id"]) == ("FAR CAFE", "2")
    tables = [name for name in TABLES if name.startswith("core/business_") or name == "core/businesses"]
    before = platform.lake.versions(tables)
    make(platform)
    assert platform.lake.versions(tables) == before


def test_a_decision_moves_a_business_and_stays_true_in_the_next_run(platform: Platform, write: Write) -> None:
    write("business_licenses", ROWS)
    ids = {name: str(row["business_id"]) for name, row in make(platform).items()}
    decide(
        platform,
        (ids["FAR CAFE"], "parcel", "2", "", "ann", "2026-07-03"),
        (ids["JOS DELI"], "same_as", "", ids["JOES DELI"], "ann", "2026-07-03"),
        ("business:0", "no_parcel", "", "", "ann", "2026-07-03"),
    )
    for _ in range(2):
        found = make(platform)
        assert {name: (row["business_id"], row["parcel_id"], row["match_method"], row["license_ids"]) for name, row in found.items()} == {
            "JOES DELI": (ids["JOES DELI"], "1", "address", "1;2"),
            "FAR CAFE": (ids["FAR CAFE"], "2", "decision", "3"),
        }
        assert platform.lake.count("core/business_review") == 0
        statuses = platform.lake.read("core/business_decisions").sort_by("file_line")["decision_status"].to_pylist()
        assert statuses == ["applied", "applied", "rejected"]


def test_an_id_lasts_through_snapshots_and_the_history_follows(platform: Platform, write: Write) -> None:
    write("business_licenses", ROWS)
    first = make(platform)["JOES DELI"]["business_id"]
    write("business_licenses", [license_row("1", "JOE AND SONS"), DOUBTFUL], EVENING)
    assert make(platform)["JOE AND SONS"]["business_id"] == first
    history = platform.lake.read("core/business_history").to_pandas().sort_values(["business_name", "valid_from"])
    days = (date(2026, 7, 2), date(2026, 7, 8))
    assert history[["business_name", "valid_from", "valid_to", "is_current"]].values.tolist() == [
        ["FAR CAFE", days[0], None, True], ["JOE AND SONS", days[1], None, True], ["JOES DELI", *days, False], ["JOS DELI", *days, False],
    ]  # fmt: skip


def test_an_older_pull_is_refused_by_the_history(platform: Platform, write: Write) -> None:
    write("business_licenses", ROWS, EVENING)
    make(platform)
    write("business_licenses", ROWS[:1], MORNING)
    with pytest.raises(OldSnapshotError, match="2026-07-02 is older"):
        make(platform)


def test_a_file_of_decisions_that_is_gone_stops_the_run(platform: Platform, write: Write) -> None:
    write("business_licenses", ROWS)
    identity = str(make(platform)["JOES DELI"]["business_id"])
    path = decide(platform, (identity, "no_parcel", "", "", "ann", "2026-07-03"))
    make(platform)
    path.unlink()
    with pytest.raises(DecisionsError, match=r"business_parcels\.csv: the file is gone, and with it 1 decisions .*restore it"):
        make(platform)
    decide(platform)
    assert make(platform)["JOES DELI"]["match_method"] == "address"


def test_a_named_file_of_decisions_must_exist(platform: Platform, write: Write) -> None:
    write("business_licenses", ROWS)
    settings = replace(platform.settings, decisions_file=Path("elsewhere.csv"), is_decisions_file_named=True)
    with pytest.raises(DecisionsError, match=r"elsewhere\.csv: there is no such file; correct KC_DECISIONS"):
        make(Platform(settings))


def test_the_review_is_listed_exported_and_read_back(
    platform: Platform, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("business_licenses", ROWS)
    ids = {name: str(row["business_id"]) for name, row in make(platform).items()}
    decide(platform, (ids["JOS DELI"], "maybe", "", "", "ann", "2026-07-03"))
    make(platform)
    monkeypatch.setenv("KC_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "250")
    listed = CliRunner().invoke(main, ["review"])
    assert listed.exit_code == 0, listed.output
    assert "FAR CAFE" in listed.output
    assert "'maybe' is no decision" in listed.output
    assert CliRunner().invoke(main, ["review", "--export", str(tmp_path / "todo.csv")]).exit_code == 0
    again = CliRunner().invoke(main, ["review", "--export", str(tmp_path / "todo.csv")])
    assert again.exit_code == 1
    assert "exists, and may hold decisions" in again.output
    rows = pd.read_csv(tmp_path / "todo.csv", dtype=str, keep_default_na=False)
    assert rows[["business_id", "decision", "parcel_id"]].values.tolist() == [[ids["JOS DELI"], "maybe", ""], [ids["FAR CAFE"], "", "2"]]
    rows.loc[1, ["decision", "decided_by", "decided_on"]] = ["parcel", "ann", "2026-07-03"]
    rows.to_csv(platform.settings.decisions_file, index=False)
    assert make(platform)["FAR CAFE"]["parcel_id"] == "2"
