"""Rows of a snapshot that are written ahead, in another process, into a SQLite file of their own.

A publish takes them over by SQLite itself, in a third of the time that handing over Python's values takes.  Nothing in these
files is published or meant to last.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from kc_pipeline.store import bulk
from kc_pipeline.store.engines import WarehouseError

_PAGE_BYTES = 65_536  # the largest; the file is written once and read once
_quote = sqlite.dialect().identifier_preparer.quote


@dataclass(frozen=True)
class Staged:
    """Where the rows of a snapshot wait.

    Attributes:
        file: the SQLite file.
        columns: names of their columns.
        snapshot_id: the snapshot; its rows never change.
        row_count: how many there are.
    """

    file: Path
    columns: Sequence[str]
    snapshot_id: str
    row_count: int


def stage(folder: Path, name: str, snapshot_id: str, rows: pa.Table) -> Staged:
    """Write rows into a file, which replaces one of the same name.

    Args:
        folder: where to; made if it is missing.
        name: of the file.
        snapshot_id: the snapshot that they are.
        rows: the rows, in the order in which they shall be taken over.

    Raises:
        OSError, sqlite3.Error: it cannot be written.
    """
    file = folder / f"{name}.sqlite"
    folder.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        # A file that nobody needs after a crash; columns without a type keep values as they come.
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE staged ({', '.join(map(_quote, rows.column_names))})")
        statement = f"INSERT INTO staged VALUES ({', '.join('?' * rows.num_columns)})"  # noqa: S608 - question marks
        bulk.insert(connection.cursor(), statement, rows)
        connection.execute("COMMIT")
    finally:
        connection.close()
    return Staged(file, tuple(rows.column_names), snapshot_id, rows.num_rows)


def take_over(connection: sa.Connection, table: sa.Table, staged: Staged) -> None:
    """Add staged rows to a table of a SQLite database.

    Args:
        connection: a connection within a transaction; the file stays attached until it is closed.
        table: where to; its columns that are not staged are left to it.
        staged: the rows.

    Raises:
        sqlalchemy.exc.DBAPIError: the file cannot be read, or a row was refused; the transaction has to be rolled back.
        WarehouseError: the file does not hold the rows that were staged; the transaction has to be rolled back.
    """
    names, schema = ", ".join(map(_quote, staged.columns)), _quote(staged.file.stem)
    connection.exec_driver_sql(f"ATTACH ? AS {schema}", (str(staged.file),))
    statement = f"INSERT INTO {_quote(table.name)} ({names}) SELECT {names} FROM {schema}.staged ORDER BY rowid"  # noqa: S608 - quoted names
    taken = connection.exec_driver_sql(statement).rowcount
    if taken != staged.row_count:
        raise WarehouseError(f"{staged.file} holds {taken} rows, and {staged.row_count} were staged; run again")
