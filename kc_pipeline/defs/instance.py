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
    """Keep Dagster's SQLite files open while a run of this process writes its events, and do not wait for the disk after each.

    Dagster opens and closes a file for every event, and SQLite writes its journal back into a file that nobody has open any more:
    that took longer than the events themselves.  A power cut may cost the newest events, but harms no file; what the run made is
    on the disk before it is told of.

    Args:
        instance: where the run is recorded; one that does not lie in SQLite is left alone.
        run_id: of the run that is about to begin.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    with ExitStack() as held:
        if isinstance(storage, SqliteEventLogStorage):
            held.enter_context(_written_without_waiting(Path(storage.path_for_shard("index")).parent))
            for shard in ("index", run_id):
                held.enter_context(closing(_opened(storage.path_for_shard(shard))))
        yield


@contextmanager
def _written_without_waiting(folder: Path) -> Iterator[None]:
    """Connections that SQLAlchemy opens to SQLite files in a folder leave it to the next checkpoint to wait for the disk."""
    import sqlalchemy as sa

    def relax(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            files = [Path(file) for _, _, file in connection.execute("PRAGMA database_list") if file]
            if any(file.parent == folder for file in files):
                connection.execute("PRAGMA synchronous = NORMAL")

    sa.event.listen(sa.Engine, "connect", relax)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", relax)


def _opened(path: str) -> sqlite3.Connection:
    """A connection that has the file open; without reading something SQLite would not have opened it yet."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection
