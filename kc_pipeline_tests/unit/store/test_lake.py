"""The lake: whole partitions, one commit, nothing rewritten that did not change."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake
from deltalake.exceptions import DeltaProtocolError

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.store.lake import ContractError, Lake, canonical_bytes

TABLE = "quality/reconciliation"


def account(feed: str, counts: dict[str, int]) -> pa.Table:
    rows = [
        {
            "feed": feed, "data_set": "d", "month": month, "pull_id": "1", "received_count": count, "good_count": count,
            "quarantined_count": 0, "duplicate_count": 0, "event_count": count, "code_version": "1",
        }
        for month, count in counts.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=to_arrow(TABLES[TABLE]))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_a_table_that_was_never_written_is_empty_and_typed(lake: Lake) -> None:
    rows = lake.read(TABLE)
    assert rows.num_rows == 0
    assert rows.schema.equals(to_arrow(TABLES[TABLE]))
    assert lake.version(TABLE) is None
    assert lake.partitions(TABLE) == set()


def test_writing_the_same_rows_again_makes_no_commit(lake: Lake) -> None:
    first = lake.write(TABLE, account("a", {"2024-01": 3, "2024-02": 4}), partitions=["a"])
    again = lake.write(TABLE, account("a", {"2024-02": 4, "2024-01": 3}), partitions=["a"])
    assert (first.version, first.changed) == (0, ("a",))
    assert (again.version, again.changed) == (0, ())


def test_only_the_changed_partition_is_replaced(lake: Lake) -> None:
    lake.write(TABLE, pa.concat_tables([account("a", {"2024-01": 3}), account("b", {"2024-01": 5})]), partitions=["a", "b"])
    commit = lake.write(TABLE, pa.concat_tables([account("a", {"2024-01": 3}), account("b", {"2024-01": 6})]), partitions=["a", "b"])
    assert commit.changed == ("b",)
    assert lake.read(TABLE, partitions=["a"])["good_count"].to_pylist() == [3]
    assert lake.read(TABLE, partitions=["b"])["good_count"].to_pylist() == [6]


def test_no_more_rows_are_read_than_are_asked_for(lake: Lake) -> None:
    lake.write(TABLE, pa.concat_tables([account("a", {"2024-01": 3, "2024-02": 4}), account("b", {"2024-01": 5})]), partitions=["a", "b"])
    rows = lake.read(TABLE, partitions=["a"], columns=["feed", "good_count"], limit=1).to_pylist()
    assert rows in ([{"feed": "a", "good_count": 3}], [{"feed": "a", "good_count": 4}])
    assert lake.read(TABLE, limit=9).num_rows == 3


def test_an_older_version_can_still_be_read(lake: Lake) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    lake.write(TABLE, account("a", {"2024-01": 9}), partitions=["a"])
    assert lake.read(TABLE, version=0)["good_count"].to_pylist() == [3]
    assert lake.read(TABLE)["good_count"].to_pylist() == [9]


def test_a_partition_can_become_empty(lake: Lake) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    commit = lake.write(TABLE, account("a", {}), partitions=["a"])
    assert commit.changed == ("a",)
    assert lake.read(TABLE).num_rows == 0


def test_the_commit_says_what_it_was_made_from(lake: Lake) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"], made_from={"d/2024-01": "000001"})
    assert lake.made_from(TABLE) == {"d/2024-01": "000001"}
    lake.write(TABLE, account("a", {"2024-01": 4}), partitions=["a"], made_from={"d/2024-01": "000002"})
    assert lake.made_from(TABLE) == {"d/2024-01": "000002"}
    assert lake.made_from(TABLE, version=0) == {"d/2024-01": "000001"}, "an older version says its own"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda rows: rows.drop_columns(["pull_id"]), "missing"),
        (lambda rows: rows.append_column("race", pa.array(["x"] * rows.num_rows)), "not in the contract"),
        (lambda rows: rows.set_column(0, rows.schema.field(0), pa.array([None, "a"], pa.string())), "nulls"),
        (lambda rows: pa.concat_tables([rows, rows]), "repeated"),
    ],
)
def test_rows_that_break_the_contract_are_refused(lake: Lake, spoil, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        lake.write(TABLE, spoil(account("a", {"2024-01": 3, "2024-02": 1})), partitions=["a"])
    assert lake.version(TABLE) is None


def test_rows_outside_the_replaced_partitions_are_refused(lake: Lake) -> None:
    with pytest.raises(ContractError, match="not among those replaced"):
        lake.write(TABLE, account("b", {"2024-01": 3}), partitions=["a"])


def test_canonical_bytes_do_not_depend_on_row_order() -> None:
    rows = account("a", {"2024-01": 3, "2024-02": 4})
    assert canonical_bytes(TABLE, rows) == canonical_bytes(TABLE, rows.take(pa.array([1, 0])))


def test_nothing_is_ever_vacuumed(lake: Lake) -> None:
    from deltalake import DeltaTable

    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    kept = DeltaTable(lake.path(TABLE)).metadata().configuration
    assert kept["delta.deletedFileRetentionDuration"] == "interval 36500 days"
    assert kept["delta.logRetentionDuration"] == "interval 36500 days"


def test_a_table_outlives_a_new_description_and_a_new_column(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from kc_pipeline.catalog.columns import COLUMNS

    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    monkeypatch.setitem(COLUMNS, "good_count", replace(COLUMNS["good_count"], description="said otherwise"))
    monkeypatch.setitem(COLUMNS, "note", replace(COLUMNS["reason"], name="note", nullable=True))
    monkeypatch.setitem(TABLES, TABLE, replace(TABLES[TABLE], column_names=(*TABLES[TABLE].column_names, "note")))
    assert lake.read(TABLE)["note"].to_pylist() == [None]
    rows = account("b", {"2024-01": 5}).drop_columns("note").append_column("note", pa.array(["new"]))
    lake.write(TABLE, rows, partitions=["b"])
    assert sorted(zip(lake.read(TABLE)["feed"].to_pylist(), lake.read(TABLE)["note"].to_pylist(), strict=True)) == [
        ("a", None),
        ("b", "new"),
    ]


def test_a_partition_whose_files_are_gone_is_noticed_and_can_be_written_again(lake: Lake) -> None:
    rows = pa.concat_tables([account("a", {"2024-01": 3}), account("b", {"2024-01": 5})])
    lake.write(TABLE, rows, partitions=["a", "b"])
    for file in (lake.path(TABLE) / "feed=a").iterdir():
        file.unlink()
    assert (lake.partitions(TABLE), lake.intact_partitions(TABLE)) == ({"a", "b"}, {"b"})
    assert lake.write(TABLE, rows, partitions=["a", "b"]).changed == ("a",)
    assert lake.intact_partitions(TABLE) == {"a", "b"}
    assert lake.read(TABLE).num_rows == 2


def test_what_another_writer_committed_is_read_at_once(lake: Lake, tmp_path: Path) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    assert lake.read(TABLE)["good_count"].to_pylist() == [3]
    Lake(tmp_path).write(TABLE, account("a", {"2024-01": 9}), partitions=["a"])
    assert lake.read(TABLE)["good_count"].to_pylist() == [9]
    assert lake.version(TABLE) == 1


def test_a_table_that_takes_more_than_its_files_to_read_is_refused(lake: Lake) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    DeltaTable(lake.path(TABLE)).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(DeltaProtocolError, match="deletion"):
        lake.read(TABLE)


def test_a_table_with_wall_clock_times_is_read_by_arrow_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    DeltaTable(lake.path(TABLE)).alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)
    monkeypatch.delattr(DeltaTable, "to_pyarrow_dataset")
    assert lake.read(TABLE)["good_count"].to_pylist() == [3]


def test_a_commit_reads_the_log_no_second_time(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write(TABLE, account("a", {"2024-01": 2}), partitions=["a"])
    opened = []

    class Counted(DeltaTable):
        def __init__(self, *given: Any, **named: Any) -> None:
            opened.append(given)
            super().__init__(*given, **named)

    monkeypatch.setattr("kc_pipeline.store.lake.DeltaTable", Counted)
    for count in (3, 4, 5):
        assert lake.write(TABLE, account("a", {"2024-01": count}), partitions=["a"]).changed == ("a",)
        assert lake.read(TABLE)["good_count"].to_pylist() == [count]
    assert (lake.version(TABLE), opened) == (3, [])


def test_a_table_that_was_removed_and_made_again_is_read_anew(lake: Lake, tmp_path: Path) -> None:
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    shutil.rmtree(lake.path(TABLE))
    assert lake.read(TABLE).num_rows == 0
    Lake(tmp_path).write(TABLE, account("a", {"2024-01": 9}), partitions=["a"])
    assert lake.read(TABLE)["good_count"].to_pylist() == [9]


def test_rows_from_before_a_column_was_added_can_be_read_beside_later_ones(lake: Lake) -> None:
    later = account("b", {"2024-01": 3})
    earlier = account("a", {"2024-01": 3}).drop_columns(["code_version"])
    write_deltalake(lake.path(TABLE), earlier, partition_by=["feed"])
    assert lake.read(TABLE)["code_version"].to_pylist() == [None]
    lake.write(TABLE, later, partitions=["b"])
    assert sorted(lake.read(TABLE)["code_version"].to_pylist(), key=str) == ["1", None]
    lake.write(TABLE, account("a", {"2024-01": 3}), partitions=["a"])
    assert lake.read(TABLE).schema.field("code_version").nullable is False


def test_a_condition_chooses_rows_within_partitions_and_without_them(lake: Lake) -> None:
    lake.write(TABLE, pa.concat_tables([account("a", {"2024-01": 3, "2024-02": 4}), account("b", {"2024-01": 5})]), partitions=["a", "b"])
    many = pc.field("good_count") > 3
    assert sorted(lake.read(TABLE, where=many)["good_count"].to_pylist()) == [4, 5]
    assert lake.read(TABLE, partitions=["a"], where=many)["good_count"].to_pylist() == [4]
    assert lake.row_counts(TABLE) == {"a": 2, "b": 1}


def test_each_version_says_what_it_was_made_from_the_oldest_first(lake: Lake) -> None:
    assert lake.made_from_each(TABLE) == []
    for count in (3, 4):
        lake.write(TABLE, account("a", {"2024-01": count}), partitions=["a"], made_from={"pull": count})
    assert lake.made_from_each(TABLE) == [{"pull": 3}, {"pull": 4}]


def test_files_are_compressed_and_a_log_entry_says_how_many_rows_each_has_and_no_bounds(lake: Lake) -> None:
    lake.write(TABLE, pa.concat_tables([account("a", {"2024-01": 3, "2024-02": 4}), account("b", {"2024-01": 5})]), partitions=["a", "b"])
    written = [json.loads(line)["add"] for line in next(lake.path(TABLE).rglob("*.json")).read_text().splitlines() if '"add"' in line]
    assert sorted(json.loads(add["stats"])["numRecords"] for add in written) == [1, 2]
    assert not any(json.loads(add["stats"])["minValues"] for add in written)
    chunks = [pq.ParquetFile(lake.path(TABLE) / add["path"]).metadata.row_group(0).column(0) for add in written]
    assert [(chunk.compression, chunk.is_stats_set) for chunk in chunks] == [("SNAPPY", False)] * 2
