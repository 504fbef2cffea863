"""Take old runs and their events out of Dagster's storage.

Lake, raw pulls, warehouse, cases and reports are never touched. A run stays, however old, while it holds the newest word on an
asset, a month or a check: without it Dagster would take what is there for missing.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from kc_pipeline.defs.partitions import MONTHS

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_AT_ONCE = 500
_BUSY_SECONDS = 5.0


@dataclass(frozen=True)
class OldRuns:
    """Runs that ended and were created before a moment.

    Attributes:
        purgeable: ids of those that may go, oldest first.
        needed: ids of those that hold the newest word on something.
    """

    purgeable: list[str]
    needed: list[str]


@dataclass(frozen=True)
class Freed:
    """What a purge did.

    Attributes:
        runs: how many runs went.
        bytes: by how much Dagster's folder shrank.
        busy: databases that somebody worked in, so that their room was not given back.
    """

    runs: int
    bytes: int
    busy: list[str]


def find_old_runs(instance: dg.DagsterInstance, before: datetime, checks: Iterable[dg.AssetCheckKey]) -> OldRuns:
    """Ended runs that were created before a moment, and whether they may go.

    Args:
        instance: whose records.
        before: the moment, with a time zone.
        checks: the checks whose newest outcome is kept.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=_FINISHED, created_before=before), ascending=True)
    old = [record.dagster_run.run_id for record in records]
    if not old:
        return OldRuns([], [])
    newest = _runs_of_newest_materializations(instance)
    for check in checks:
        if outcome := instance.get_latest_asset_check_evaluation_record(check):
            newest.add(outcome.run_id)
    return OldRuns([run for run in old if run not in newest], [run for run in old if run in newest])


def delete_runs(instance: dg.DagsterInstance, runs: list[str]) -> Freed:
    """Delete runs with their events and captured output, and give the room back."""
    home = Path(instance.root_directory)
    before = _size(home)
    for run in runs:
        instance.delete_run(run)
        instance.compute_log_manager.delete_logs(prefix=[run])
        _remove_shard(instance, run)
    busy = [path.name for path in _databases(instance, home) if not _vacuumed(path)]
    return Freed(len(runs), before - _size(home), busy)


def _runs_of_newest_materializations(instance: dg.DagsterInstance) -> set[str]:
    """Runs that made the newest version of an asset, or of one of its months. Days are forgotten; the lake has them."""
    found = set()
    for key in instance.get_asset_keys():
        if newest := instance.get_latest_materialization_event(key):
            found.add(newest.run_id)
        by_partition = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        ids = [event for partition, event in by_partition.items() if MONTHS.has_partition_key(partition)]
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            page = instance.fetch_materializations(dg.AssetRecordsFilter(key, storage_ids=some), limit=len(some))
            found |= {record.run_id for record in page.records}
    return found


def _remove_shard(instance: dg.DagsterInstance, run: str) -> None:
    """On SQLite every run has a file for its events, which stays behind empty."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        shard = Path(storage.path_for_shard(run))
        for path in (shard, Path(f"{shard}-wal"), Path(f"{shard}-shm")):
            path.unlink(missing_ok=True)


def _databases(instance: dg.DagsterInstance, home: Path) -> list[Path]:
    """The SQLite files that many runs share; none where the storage is PostgreSQL, which gives room back by itself."""
    if not isinstance(instance.event_log_storage, SqliteEventLogStorage):
        return []
    shared = [Path(instance.event_log_storage.path_for_shard("index")), home / "history" / "runs.db", home / "schedules" / "schedules.db"]
    return [path for path in shared if path.exists()]


def _vacuumed(path: Path) -> bool:
    """Give the room of deleted rows back; whether nobody kept us from it."""
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
