"""Seals of a table's versions: what was altered is named, each thing once and nothing else."""

import json
from pathlib import Path

import pytest

from kc_pipeline.store.seals import broken_seals, seal


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of three versions, each with a file."""
    (tmp_path / "_delta_log").mkdir()
    for version in range(3):
        (tmp_path / f"part-{version}.parquet").write_bytes(b"rows %d" % version)
        entry = {"add": {"path": f"part-{version}.parquet"}}
        (tmp_path / "_delta_log" / f"{version:020d}.json").write_text(json.dumps(entry))
    seal(tmp_path, 2)
    return tmp_path


def seal_of(table: Path, version: int) -> Path:
    (found,) = [path for path in table.rglob(f"{version:020d}.json") if path.parent.name != "_delta_log"]
    return found


def test_an_untouched_table_has_nothing_to_say(table: Path) -> None:
    assert list(broken_seals(table, 2)) == []


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_altered_file_and_one_that_is_gone_are_named(table: Path, version: int) -> None:
    path = table / f"part-{version}.parquet"
    path.write_bytes(b"others")
    assert list(broken_seals(table, 2)) == [f"{path}: altered since version {version}"]
    path.unlink()
    assert list(broken_seals(table, 2)) == [f"{path}: gone since version {version}"]


def test_an_altered_log_entry_is_named(table: Path) -> None:
    entry = table / "_delta_log" / f"{1:020d}.json"
    entry.write_text(entry.read_text() + "\n")
    assert list(broken_seals(table, 2)) == [f"{entry}: the log entry of version 1 is not the one that was committed"]


def test_a_seal_that_is_gone_is_named_and_the_later_versions_are_looked_at_all_the_same(table: Path) -> None:
    path = seal_of(table, 0)
    path.unlink()
    (table / "part-2.parquet").write_bytes(b"others")
    said = list(broken_seals(table, 2))
    assert said[0].startswith(f"{path}: the seal is gone or cannot be read")
    assert said[1:] == [
        f"{path}: the seal was replaced after version 1 was sealed",
        f"{table / 'part-2.parquet'}: altered since version 2",
    ]


def test_a_seal_that_was_written_anew_breaks_the_chain(table: Path) -> None:
    path = seal_of(table, 1)
    sealed = json.loads(path.read_text())
    path.write_text(json.dumps(sealed))
    assert list(broken_seals(table, 2)) == [f"{path}: the seal was replaced after version 2 was sealed"]


def test_only_versions_without_a_seal_are_sealed(table: Path) -> None:
    before = {version: seal_of(table, version).read_bytes() for version in range(3)}
    seal(table, 2)
    assert {version: seal_of(table, version).read_bytes() for version in range(3)} == before
    seal_of(table, 2).unlink()
    seal(table, 2)
    assert {version: seal_of(table, version).read_bytes() for version in range(3)} == before
    assert list(json.loads(before[2])) == sorted(json.loads(before[2]))
