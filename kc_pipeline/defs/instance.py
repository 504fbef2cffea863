"""Dagster's own records: where they lie, and how a command opens them."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


def dagster_home(settings: Settings) -> Path:
    """Folder of Dagster's own records: DAGSTER_HOME, else one beside the data, with our dagster.yaml in it."""
    if "DAGSTER_HOME" in os.environ:
        return Path(os.environ["DAGSTER_HOME"])
    home = settings.data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(resources.files("kc_pipeline.deploy").joinpath("dagster.yaml").read_text())
    return home


@contextmanager
def dagster_instance(settings: Settings) -> Iterator["dg.DagsterInstance"]:
    """The instance of these settings; DAGSTER_HOME names it from then on, for what this process starts too."""
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    with dg.DagsterInstance.get() as instance:
        yield instance


@contextmanager
def kept_open(instance: "dg.DagsterInstance", run_id: str) -> Iterator[None]:
    """Keep Dagster's SQLite files open while a run of this process writes its events.

    Dagster opens and closes a file for every event, and SQLite writes its journal back into a file that nobody has open any more:
    that took longer than the events themselves.

    Args:
        instance: where the run is recorded; one that does not lie in SQLite is left alone.
        run_id: of the run that is about to begin.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    with ExitStack() as held:
        if isinstance(storage, SqliteEventLogStorage):
            for shard in ("index", run_id):
                held.enter_context(closing(_opened(storage.path_for_shard(shard))))
        yield


def _opened(path: str) -> sqlite3.Connection:
    """A connection that has the file open; without reading something SQLite would not have opened it yet."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection
