"""From a published row back to the line that was received; whatever was altered on the way is named; clean is made again from raw."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from kc_runs import kc, platform

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.steps import provenance
from kc_pipeline.defs.steps.frames import read_frame

MODEL_CASE = "EXPRESS STOP"


def altered(folder: Path) -> list[str]:
    return [sentence for where, sentence in provenance.verify(platform(folder)) if where]


@pytest.mark.parametrize("feed", ["police_reports", "calls_911", "health_inspections", "dumping_complaints"])
def test_an_event_leads_to_the_line_that_the_source_sent(finished_run: tuple[Path, str], feed: str) -> None:
    stores = platform(finished_run[0])
    event_id = read_frame(stores, f"clean/{feed}", ["event_id"])["event_id"].iloc[7]
    row = provenance.trace_event(stores, event_id)
    wire = row.page_file.read_bytes()
    text = (gzip.decompress(wire) if wire[:2] == b"\x1f\x8b" else wire).decode(errors="replace")
    number = event_id.partition(":")[2].split("/")[-1]
    assert number in "".join(str(value) for value in row.values.values())
    assert number in text, "the page holds it as it was received"
    shown = kc(finished_run[0], "trace", event_id)
    assert shown.returncode == 0, shown.stderr
    assert number in shown.stdout
    assert row.page_file.name in shown.stdout


def test_a_published_row_leads_to_its_inputs_and_events(finished_run: tuple[Path, str]) -> None:
    stores = platform(finished_run[0])
    shown = kc(finished_run[0], "trace", MODEL_CASE).stdout
    [snapshot] = [row for row in stores.warehouse.snapshots() if row["mart"] == "marts/business_risk"]
    assert snapshot["snapshot_id"] in shown
    assert all(table in shown for table in snapshot["lake_versions"])
    assert shown.count("police_reports:") >= 14
    assert shown.count("calls_911:") >= 59


def test_what_is_not_there_is_said(finished_run: tuple[Path, str]) -> None:
    wrong = kc(finished_run[0], "trace", "calls_911:nothing")
    assert wrong.returncode == 1
    assert "no event 'calls_911:nothing'" in wrong.stderr


def test_an_untouched_city_is_as_it_was_written(finished_run: tuple[Path, str]) -> None:
    done = kc(finished_run[0], "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("looked at") == 4
    assert "everything is as it was written" in done.stdout


def test_the_command_fails_where_something_was_altered(copied_city: Path) -> None:
    named = alter_page(copied_city)
    done = kc(copied_city, "verify")
    assert done.returncode == 1
    assert f"ALTERED in raw: {named}" in done.stdout


def a_page(folder: Path) -> Path:
    return next((folder / "sandbox" / "raw" / "calls_911").rglob("page-*"))


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def alter_page(folder: Path) -> Path:
    flip_a_byte(page := a_page(folder))
    return page


def alter_page_and_manifest(folder: Path) -> str:
    """A forger who knows the manifest: page and digests agree, and it is the newest pull, to which no other is chained."""
    from hashlib import sha256

    page = a_page(folder)
    data = page.read_bytes()
    content = (gzip.decompress(data) if page.suffix == ".gz" else data).replace(b"2", b"3", 1)
    page.write_bytes(gzip.compress(content, mtime=0) if page.suffix == ".gz" else content)
    manifest = page.with_name("manifest.json")
    told = json.loads(manifest.read_bytes())
    entry = next(entry for entry in told["pages"] if entry["file"] == page.name)
    entry |= {"sha256": sha256(page.read_bytes()).hexdigest(), "content_sha256": sha256(content).hexdigest()}
    manifest.write_text(json.dumps(told))
    return "its manifest was replaced"


def lose_page(folder: Path) -> Path:
    (page := a_page(folder)).unlink()
    return page


def lose_pull(folder: Path) -> Path:
    """The newest of a partition, so that no later manifest names it."""
    shutil.rmtree(pull := a_page(folder).parent)
    return pull


def lose_partition(folder: Path) -> Path:
    shutil.rmtree((pull := a_page(folder).parent).parent)
    return pull


def break_manifest(folder: Path) -> Path:
    (manifest := a_page(folder).with_name("manifest.json")).write_text("{")
    return manifest


def alter_lake_file(folder: Path) -> Path:
    flip_a_byte(path := next((folder / "sandbox" / "lake" / "clean" / "calls_911").rglob("*.parquet")))
    return path


def lose_lake_file(folder: Path) -> Path:
    (path := next((folder / "sandbox" / "lake" / "marts" / "business_risk").rglob("*.parquet"))).unlink()
    return path


def alter_log(folder: Path) -> Path:
    flip_a_byte(path := folder / "sandbox" / "lake" / "core" / "businesses" / "_delta_log" / f"{0:020d}.json")
    return path


def lose_seal(folder: Path) -> Path:
    (path := folder / "sandbox" / "lake" / "core" / "businesses" / "_seals" / f"{0:020d}.json").unlink()
    return path


def alter_warehouse(folder: Path) -> str:
    with platform(folder).warehouse.engine.begin() as connection:
        connection.execute(sa.text("update business_risk_history set risk_score = 100 where risk_rank = 7"))
    return "marts/business_risk: s"


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    "forgery",
    [
        alter_page,
        alter_page_and_manifest,
        lose_page,
        lose_pull,
        lose_partition,
        break_manifest,
        alter_lake_file,
        lose_lake_file,
        alter_log,
        lose_seal,
        alter_warehouse,
    ],
)
def test_whatever_was_altered_is_named_and_nothing_else(copied_city: Path, forgery: Callable[[Path], object]) -> None:
    named = str(forgery(copied_city))
    found = altered(copied_city)
    assert found
    assert any(named in sentence for sentence in found), found
    assert len(found) <= 2


@pytest.mark.fault(38)
def test_a_manifest_that_cannot_be_read_hides_nothing_else(copied_city: Path) -> None:
    pages = sorted((copied_city / "sandbox" / "raw" / "calls_911").rglob("page-*"))
    pages[0].with_name("manifest.json").write_text("{")
    flip_a_byte(pages[-1])
    found = altered(copied_city)
    assert [any(str(path) in sentence for sentence in found) for path in (pages[0].with_name("manifest.json"), pages[-1])] == [True, True]


@pytest.mark.fault(39)
def test_clean_tables_are_made_again_from_raw_byte_for_byte(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    found = list(provenance.replay_clean(platform(finished_run[0]), sorted(FEEDS), tmp_path))
    assert {each.table.partition("/")[2] for each in found} == set(FEEDS)
    assert [each.table for each in found if not each.is_same] == []
    assert sum(each.row_count for each in found) > 1_000


def test_a_clean_row_that_was_altered_is_found_by_the_replay(copied_city: Path) -> None:
    stores = platform(copied_city)
    rows = stores.lake.read("clean/bus_stops")
    names = rows["stop_name"].to_pylist()
    forged = rows.set_column(rows.column_names.index("stop_name"), rows.schema.field("stop_name"), [["NOWHERE", *names[1:]]])
    stores.lake.write("clean/bus_stops", forged)
    done = kc(copied_city, "replay", "bus_stops")
    assert done.returncode == 1
    assert "clean/bus_stops" in done.stdout
    assert "DIFFERENT" in done.stdout
    assert altered(copied_city) == [], "a commit like any other: only the replay can tell"
