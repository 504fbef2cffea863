"""The lake: one Delta Lake table per asset, whole partitions replaced in one commit.

A reader sees a table before or after a commit, never in between.  Every version is kept: nothing here vacuums, and the
retention properties tell other tools not to.  What did not change is not written again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.dataset as pads
from deltalake import ColumnProperties, CommitProperties, DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pyarrow.fs import LocalFileSystem

from kc_pipeline.catalog.columns import COLUMNS, Type
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES, Table
from kc_pipeline.digests import repeated_keys
from kc_pipeline.store.made_of import digest_of, making_of, note_making
from kc_pipeline.store.orphans import clear_orphans
from kc_pipeline.store.seals import broken_seals, seal

# Without the bounds of each column: a file is a whole month, day or table, so nothing is passed over by them, and to find them took
# up to half of writing.
_WRITTEN_SO = WriterProperties(compression="SNAPPY", default_column_properties=ColumnProperties(statistics_enabled="NONE"))
_KEEP_FOR_EVER = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
_READ_BY_ARROW = {"timestampNtz"}  # what a reader has to understand, and Arrow does: wall-clock times


class ContractError(ValueError):
    """Rows do not fit the contract of the table they are written to."""


class LakeError(RuntimeError):
    """A table could not be written; nothing of the write is visible."""


class LakeConflictError(LakeError):
    """Another run wrote the table in between."""


@dataclass(frozen=True)
class Commit:
    """What a write did.

    Attributes:
        table: name of the table.
        version: Delta version that holds the rows now; None if the table was never written.
        changed: partitions that were replaced ('' for a table without partitions); empty if nothing differed.
        row_count: rows in the written partitions.
    """

    table: str
    version: int | None
    changed: tuple[str, ...]
    row_count: int


class Lake:
    """Delta tables under one folder, named and typed by the catalogue."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._newest: dict[str, tuple[DeltaTable, int, pads.Dataset | None]] = {}

    def path(self, table: str) -> Path:
        """Folder of a table."""
        return self._root / table

    def version(self, table: str) -> int | None:
        """Newest version of a table; None before its first write."""
        opened = self._open(table)
        return None if opened is None else opened.version()

    def versions(self, tables: Iterable[str]) -> dict[str, int | None]:
        """Newest versions of several tables, to say later what a result was made from."""
        return {table: self.version(table) for table in tables}

    def read(
        self,
        table: str,
        *,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        limit: int | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """Rows of a table, in the contract's schema; no rows where the table or a partition does not exist.

        Rows that an earlier minor version of the contract wrote lack the columns that were added since: those are missing in
        them, whether the contract allows it or not.

        Args:
            table: name in the catalogue.
            partitions: partition values to read; None: all.
            columns: columns to read; None: all.
            version: an older Delta version; None: the newest.
            limit: some rows, no more than so many; None: all.
            where: what holds for the rows to read, of columns that were always stored; None: all rows.
        """
        contract = TABLES[table]
        schema = to_arrow(contract)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        is_of_nothing = partitions is not None and not partitions
        stored = None if is_of_nothing else self._dataset(table, version)
        if stored is None:
            return schema.empty_table()
        wanted = None if partitions is None else pc.field(str(contract.partition)).isin(_partition_values(contract, partitions))
        if where is not None:
            wanted = where if wanted is None else wanted & where
        held = set(stored.schema.names)
        names = [name for name in schema.names if name in held]
        rows = stored.to_table(columns=names, filter=wanted) if limit is None else stored.head(limit, columns=names, filter=wanted)
        for field in schema:
            if field.name not in held:  # a column that the contract got after the table was last written
                rows = rows.append_column(field.name, pa.nulls(rows.num_rows, field.type))
        rows = rows.select(schema.names)
        return rows.cast(pa.schema([field.with_nullable(True) if rows[field.name].null_count else field for field in schema]))

    def count(self, table: str) -> int:
        """Rows of a table, from the statistics of its log."""
        opened = self._open(table)
        return 0 if opened is None else int(opened.count())

    def row_counts(self, table: str) -> dict[str, int]:
        """Partition value ('' for a table without partitions) -> its rows, from the statistics of the log."""
        opened = self._open(table)
        if opened is None:
            return {}
        files = opened.get_add_actions(flatten=True)
        column = TABLES[table].partition
        rows = files.column("num_records").to_pylist()
        parts = files.column(f"partition.{column}").to_pylist() if column else [""] * len(rows)
        counts: dict[str, int] = {}
        for part, count in zip(parts, rows, strict=True):
            counts[str(part)] = counts.get(str(part), 0) + int(count)
        return counts

    def partitions(self, table: str) -> set[str]:
        """Partition values that have rows."""
        opened = self._open(table)
        contract = TABLES[table]
        if opened is None or contract.partition is None:
            return set()
        return {str(part[contract.partition]) for part in opened.partitions()}

    def intact_partitions(self, table: str) -> set[str]:
        """Partition values that have rows and all of whose files are there ('' for a table without partitions)."""
        opened = self._open(table)
        if opened is None:
            return set()
        found: dict[str, bool] = {} if TABLES[table].partition else {"": True}
        for uri in opened.file_uris():
            part = self._partition_of(table, uri)
            found[part] = found.get(part, True) and _on_disk(uri).exists()
        return {part for part, is_whole in found.items() if is_whole}

    def is_whole(self, table: str) -> bool:
        """Whether a table was ever written, and none of its files is missing."""
        opened = self._open(table)
        return opened is not None and all(_on_disk(uri).exists() for uri in opened.file_uris())

    def states(self, table: str, version: int | None = None) -> dict[str, str]:
        """Partition value ('' for a table without partitions) -> digest that changes whenever its files do.

        Args:
            table: name in the catalogue.
            version: an older Delta version; None: the newest.
        """
        opened = self._open(table)
        if opened is None:
            return {}
        if version is not None and version != opened.version():
            opened = DeltaTable(self.path(table), version=version)
        files: dict[str, list[str]] = {}
        for uri in opened.file_uris():
            files.setdefault(self._partition_of(table, uri), []).append(Path(uri).name)
        if TABLES[table].partition is None and not files:
            files[""] = []
        return {part: hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest() for part, names in files.items()}

    def stamp(self, table: str, version: int | None = None) -> list[int | str | None]:
        """Version of a table, None before the first, and a digest of its files; it survives JSON.

        A table that was deleted and made anew counts its versions from 0 again, but never has the same stamp.

        Args:
            table: name in the catalogue.
            version: an older Delta version; None: the newest.
        """
        version = self.version(table) if version is None else version
        states = {} if version is None else self.states(table, version)
        return [version, digest_of(states)]

    def stored_schema(self, table: str) -> pa.Schema | None:
        """Columns and types as they are stored, whatever the contract says; None before the first write."""
        opened = self._open(table)
        return None if opened is None else pa.schema(opened.schema().to_arrow())

    def write(
        self,
        table: str,
        rows: pa.Table,
        *,
        partitions: Sequence[str] | None = None,
        made_from: Mapping[str, object] | None = None,
    ) -> Commit:
        """Replace partitions (or a whole unpartitioned table) in one commit.

        Partitions whose rows are the same as before, whatever their order, are left alone; if none differs there is no commit.

        Args:
            table: name in the catalogue.
            rows: the complete new rows of the partitions.
            partitions: partition values that are replaced, also those that are now empty; needed for partitioned tables.
            made_from: what the rows were made from (Delta versions, pulls); kept with the commit.

        Raises:
            ContractError: a column, type, null or repeated key does not fit the contract.
            LakeError: it cannot be written, or another run wrote it meanwhile.
        """
        contract = TABLES[table]
        rows = checked_rows(contract, rows)
        if contract.partition is None:
            changed = [] if "" in self.intact_partitions(table) and _same_rows(contract, self.read(table), rows) else [""]
        else:
            changed = self._changed_partitions(contract, rows, partitions)
            rows = rows.filter(pc.is_in(_as_text(rows[contract.partition]), pa.array(changed, pa.string())))
        if changed:
            self._commit(contract, rows, changed, dict(made_from or {}))
        elif (version := self.version(table)) is not None:
            seal(self.path(table), version)  # a crash may have kept the seal of the last commit from being written
        return Commit(table, self.version(table), tuple(changed), rows.num_rows)

    def made_from(self, table: str, version: int | None = None) -> dict[str, object]:
        """What the commit of a version of a table says that it was made from; None: the newest."""
        newest = self.version(table)
        if newest is None:
            return {}
        # From the log entry itself: a table opened at an older version tells the newest commits under the older numbers.
        entry = self.path(table) / "_delta_log" / _log_name(newest if version is None else version)
        actions = (json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines() if line.strip())
        stated = next((action["commitInfo"].get("made_from") for action in actions if "commitInfo" in action), None)
        return dict(json.loads(stated or "{}"))

    def made_from_each(self, table: str) -> list[dict[str, object]]:
        """What the commit of each version of a table says that it was made from, oldest first."""
        opened = self._open(table)
        return [] if opened is None else [dict(json.loads(entry.get("made_from", "{}"))) for entry in reversed(opened.history())]

    def note_making(self, table: str, made_of: Mapping[str, object]) -> None:
        """Note what the newest version of a table follows from, whether it was written for it or came out the same."""
        note_making(self.path(table), self.version(table), made_of)

    def making_of(self, table: str) -> dict[str, Any]:
        """What was noted of the newest version of a table by `note_making`; nothing if nothing was."""
        return making_of(self.path(table), self.version(table))

    def alterations(self, table: str) -> list[str]:
        """What in the files of a table, of every version, is not as it was committed, a sentence each."""
        entries = [int(path.stem) for path in (self.path(table) / "_delta_log").glob("*.json") if path.stem.isdigit()]
        return list(broken_seals(self.path(table), max(entries))) if entries else []

    def clear_orphans(self) -> int:
        """Remove files that killed writers left in any table; returns their number."""
        return sum(len(clear_orphans(self.path(table))) for table in TABLES)

    def _open(self, table: str) -> DeltaTable | None:
        """The newest version; opened again only where the log has gone on, since every opening reads the whole log."""
        log = self.path(table) / "_delta_log"
        if table in self._newest:
            opened, written_ns, _ = self._newest[table]
            if _written_ns(log, opened.version()) == written_ns and _written_ns(log, opened.version() + 1) is None:
                return opened
            del self._newest[table]
        try:
            return self._remember(table, DeltaTable(self.path(table)))
        except TableNotFoundError:
            return None

    def _remember(self, table: str, opened: DeltaTable) -> DeltaTable:
        self._newest[table] = (opened, _written_ns(self.path(table) / "_delta_log", opened.version()) or 0, None)
        return opened

    def _dataset(self, table: str, version: int | None) -> pads.Dataset | None:
        """The files of a version as one data set; None before the first write."""
        opened = self._open(table)
        if opened is None:
            return None
        if version is not None and version != opened.version():
            return self._files(table, DeltaTable(self.path(table), version=version))
        _, written_ns, known = self._newest[table]
        stored = known or self._files(table, opened)
        self._newest[table] = (opened, written_ns, stored)
        return stored

    def _files(self, table: str, opened: DeltaTable) -> pads.Dataset:
        """As `DeltaTable.to_pyarrow_dataset`, but Arrow reads the files itself, and without the bounds of all columns of each file.

        After ten years, to hear those took longer than to read two months.
        """
        protocol = opened.protocol()
        if protocol.min_reader_version > 1 and set(protocol.reader_features or ("more",)) - _READ_BY_ARROW:
            return opened.to_pyarrow_dataset()  # another tool wrote it, and more than files may have to be read
        contract, disk = TABLES[table], LocalFileSystem()
        parquet = pads.ParquetFileFormat(default_fragment_scan_options=pads.ParquetFragmentScanOptions(pre_buffer=True))
        fragments = []
        for uri in opened.file_uris():
            part = None if contract.partition is None else _partition_values(contract, [self._partition_of(table, uri)])[0]
            holds = None if part is None else pc.field(contract.partition) == part
            fragments.append(parquet.make_fragment(str(_on_disk(uri)), disk, partition_expression=holds))
        return pads.FileSystemDataset(fragments, pa.schema(opened.schema().to_arrow()), parquet, disk)

    @staticmethod
    def _partition_of(table: str, uri: str) -> str:
        """Partition value that a data file belongs to, by the name of its folder."""
        return unquote(Path(uri).parent.name.partition("=")[2]) if TABLES[table].partition else ""

    def _changed_partitions(self, contract: Table, rows: pa.Table, partitions: Sequence[str] | None) -> list[str]:
        if partitions is None:
            raise ContractError(f"{contract.name} is partitioned by {contract.partition}: say which partitions are replaced")
        column = str(contract.partition)
        present = _as_text(rows[column])
        stray = set(pc.unique(present).to_pylist()) - set(partitions)
        if stray:
            raise ContractError(f"{contract.name}: rows of partitions {sorted(stray)} which are not among those replaced")
        damaged = self.partitions(contract.name) - self.intact_partitions(contract.name)
        old = self.read(contract.name, partitions=sorted(set(partitions) - damaged))
        old_present = _as_text(old[column])
        return [
            part
            for part in sorted(set(partitions))
            if part in damaged or not _same_rows(contract, old.filter(pc.equal(old_present, part)), rows.filter(pc.equal(present, part)))
        ]

    def _commit(self, contract: Table, rows: pa.Table, changed: list[str], made_from: dict[str, object]) -> None:
        path = self.path(contract.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = self._open(contract.name)
        before = -1 if opened is None else opened.version()
        predicate = None
        if contract.partition is not None and opened is not None:
            values = ", ".join("'" + part.replace("'", "''") + "'" for part in changed)
            predicate = f"CAST({contract.partition} AS STRING) IN ({values})"
        try:
            write_deltalake(
                opened or path,
                _without_notes(rows),
                mode="overwrite",
                schema_mode="merge",
                predicate=predicate,
                writer_properties=_WRITTEN_SO,
                partition_by=[contract.partition] if contract.partition else None,
                configuration=_KEEP_FOR_EVER if opened is None else None,
                commit_properties=CommitProperties(custom_metadata={"made_from": json.dumps(made_from, sort_keys=True)}),
                post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False),
            )
        except CommitFailedError as error:
            raise LakeConflictError(f"{contract.name}: another run wrote it meanwhile; nothing of this one is there, run again") from error
        except DeltaError as error:
            raise LakeError(f"{contract.name}: it cannot be written under {path}, and is as it was: {error}") from error
        opened = self._remember(contract.name, opened or DeltaTable(path))
        for version in range(before + 1, opened.version() + 1):  # others may have written other partitions meanwhile
            _fsync_version(path, version)
        seal(path, opened.version())


def _on_disk(uri: str) -> Path:
    """Where a data file lies that the log names."""
    return Path(uri.removeprefix("file://"))


def _log_name(version: int) -> str:
    return f"{version:020d}.json"


def _written_ns(log: Path, version: int) -> int | None:
    """When a version's log entry was written; None if it is not there."""
    try:
        return (log / _log_name(version)).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def canonical_rows(contract: Table, rows: pa.Table) -> pa.Table:
    """Rows sorted by key, without volatile columns: equal whenever the data is."""
    kept = [name for name in contract.column_names if name not in contract.volatile]
    return rows.select(kept).sort_by([(name, "ascending") for name in contract.key])


def canonical_bytes(table: str, rows: pa.Table) -> bytes:
    """Canonical rows of a table as CSV bytes; geometry columns are not supported."""
    sink = pa.BufferOutputStream()
    pa_csv.write_csv(canonical_rows(TABLES[table], rows), sink, pa_csv.WriteOptions(quoting_style="all_valid"))
    return bytes(sink.getvalue())


def _partition_values(contract: Table, partitions: Sequence[str]) -> list[str] | list[date]:
    """Partition values in the type of their column."""
    if COLUMNS[str(contract.partition)].type == Type.DATE:
        return [date.fromisoformat(part) for part in partitions]
    return list(partitions)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _without_notes(rows: pa.Table) -> pa.Table:
    """Rows whose columns carry no descriptions: Delta refuses a write where those differ, and they stand in the catalogue."""
    return rows.cast(pa.schema([field.remove_metadata() for field in rows.schema]))


def _same_rows(contract: Table, old: pa.Table, new: pa.Table) -> bool:
    if old.num_rows != new.num_rows:
        return False
    return bool(canonical_rows(contract, old).equals(canonical_rows(contract, new)))


def checked_rows(contract: Table, rows: pa.Table) -> pa.Table:
    """Rows in the contract's columns and types.

    Raises:
        ContractError: a column, type, null or repeated key does not fit the contract.
    """
    schema = to_arrow(contract)
    missing = [name for name in schema.names if name not in rows.column_names]
    extra = [name for name in rows.column_names if name not in schema.names]
    if missing or extra:
        raise ContractError(f"{contract.name}: columns missing {missing}, not in the contract {extra}")
    nulls = [f.name for f in schema if not f.nullable and rows[f.name].null_count]
    if nulls:
        raise ContractError(f"{contract.name}: nulls in columns that must not have any: {nulls}")
    try:
        rows = rows.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ContractError(f"{contract.name}: a column does not have its type: {error}") from error
    if repeated_keys(rows.select(list(contract.key))).num_rows:
        raise ContractError(f"{contract.name}: key {contract.key} is repeated")
    return rows


def _fsync_version(path: Path, version: int) -> None:
    """Force a commit's data files and its log entry to the disk."""
    log = path / "_delta_log" / _log_name(version)
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    files = [path / action["add"]["path"] for action in actions if "add" in action]
    for target in [*files, *{file.parent for file in files}, log, log.parent]:
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
