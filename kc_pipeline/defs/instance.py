"""Dagster's own records: where they lie, and how a command opens them."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from kc_pipeline.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    import sqlalchemy as sa
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage


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
    """Keep Dagster's SQLite files open while a run of this process writes its events, each with one connection.

    Dagster makes an engine and opens a file for every event, and SQLite writes its journal back into a file that nobody has open
    any more: that took longer than the events themselves.  The disk is not waited for after each event: a power cut may cost
    the newest ones, but harms no file, and what the run made is on the disk before it is told of.

    Args:
        instance: where the run is recorded; one that does not lie in SQLite is left alone.
        run_id: of the run that is about to begin.
    """
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    with ExitStack() as held:
        connections = {shard: held.enter_context(_connection(storage, shard)) for shard in ("index", run_id)}
        opening, lock = storage._connect, storage._db_lock

        @contextmanager
        def connect(shard: str) -> "Iterator[sa.Connection]":
            if shard in connections:
                with lock, connections[shard].begin():
                    yield connections[shard]
            else:
                with opening(shard) as connection:
                    yield connection

        # Attributes of this one object, which stand before its class's methods until they are taken away again.
        vars(storage).update(_connect=connect, has_table=cache(storage.has_table))
        held.callback(lambda: [vars(storage).pop(name) for name in ("_connect", "has_table")])
        yield


@contextmanager
def _connection(storage: "SqliteEventLogStorage", shard: str) -> "Iterator[sa.Connection]":
    """A connection to one of the storage's files, which is made where there is none."""
    import sqlalchemy as sa
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

    with storage._connect(shard):
        pass
    arguments = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(storage.conn_string_for_shard(shard), poolclass=sa.NullPool, connect_args=arguments)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        connection.rollback()
        yield connection
