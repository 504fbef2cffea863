"""Which databases the warehouse can lie in, and how a connection to each is set up.

SQLite runs in WAL mode and forces every commit to the disk.  PostgreSQL is reached by psycopg 3.  No message from here
holds a password, and no error of the database quotes the rows that were being written.
"""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, StaticPool

WRITES = "kc_writes"
WAIT_SECONDS = 30
_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_PAGE_BYTES = 16_384  # of a file that is new; with SQLite's own 4096 a commit of a day's marts takes half as long again
_CACHE_KB = 262_144  # a day's marts lie in it until they are committed; SQLite's own 2 MB made publishing a sixth slower
_LOCK_STATES = {"55P03", "40P01"}  # PostgreSQL: lock_not_available, deadlock_detected
_LOCK_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class WarehouseError(RuntimeError):
    """The warehouse cannot be used as it is; the message says why and what helps."""


def open_engine(url: str) -> sa.Engine:
    """Engine for a warehouse URL.

    Args:
        url: `sqlite:///file` or `postgresql://user@host/database`, also with the driver's name (`postgresql+psycopg`).

    Raises:
        WarehouseError: the URL cannot be read or names another database.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # the message would quote the URL
        raise WarehouseError("KC_WAREHOUSE is not an SQLAlchemy URL; write sqlite:///file or postgresql://user@host/database") from None
    if parsed.drivername in _SQLITE:
        return _open_sqlite(parsed)
    if parsed.drivername in _POSTGRESQL:
        return _open_postgresql(parsed)
    raise WarehouseError(
        f"KC_WAREHOUSE names {parsed.drivername!r}; the warehouse can lie in SQLite (sqlite:///file) or PostgreSQL (postgresql://...)"
    )


def location(engine: sa.Engine) -> str:
    """Where the database is: the file, or server and database; without user, password or options."""
    url = engine.url
    if engine.name == "sqlite":
        return url.database or ":memory:"
    return f"postgresql://{url.host or 'local'}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def for_writing(engine: sa.Engine) -> sa.Engine:
    """The same engine, whose transactions are those of a writer: on SQLite they take the write lock as they begin."""
    return engine.execution_options(**{WRITES: True})


def is_locked_out(error: sa.exc.DBAPIError) -> bool:
    """Whether a statement failed because another session holds what it needs (or both wait for each other)."""
    if getattr(error.orig, "sqlstate", None) in _LOCK_STATES:
        return True
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _LOCK_CODES


def _open_sqlite(url: sa.URL) -> sa.Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    # A file's connection is closed after each use: the last one to close leaves a single whole file without a log beside it.
    engine = sa.create_engine(url, poolclass=StaticPool if in_memory else NullPool, hide_parameters=True)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is said by us, so that DDL stands in transactions too
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={1000 * WAIT_SECONDS}")
    cursor.execute(f"PRAGMA page_size={_PAGE_BYTES}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")


def _open_postgresql(url: sa.URL) -> sa.Engine:
    # No prepared statements: they fail behind a pooler that hands connections on.
    arguments: dict[str, Any] = {"prepare_threshold": None, "client_encoding": "utf8", "application_name": "kc_pipeline"}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = WAIT_SECONDS
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), connect_args=arguments, pool_pre_ping=True, hide_parameters=True)
    sa.event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(WRITES):
        # What a publisher waits for, and how long the server waits for a publisher that fell silent or whose machine is gone.
        for setting in (
            f"lock_timeout = '{WAIT_SECONDS}s'", "statement_timeout = 0", "synchronous_commit = on",
            "idle_in_transaction_session_timeout = '5min'", "tcp_keepalives_idle = 60", "tcp_keepalives_interval = 10",
        ):  # fmt: skip
            connection.exec_driver_sql(f"SET LOCAL {setting}")
