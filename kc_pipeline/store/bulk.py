"""Many rows into a table at once, inside a transaction that stands already.

SQLite takes tuples by executemany, PostgreSQL a COPY of the CSV that Arrow writes; both were the fastest of what was
measured (`benchmarks/publish.py` compares them with `DataFrame.to_sql`).
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import sqlalchemy as sa

_ROWS_PER_BLOCK = 20_000


def append(connection: sa.Connection, table: sa.Table, rows: pa.Table) -> None:
    """Add rows to a table.

    Args:
        connection: a connection within a transaction.
        table: where to; columns that the rows lack are left to the table.
        rows: rows whose columns are named as the table's.

    Raises:
        sqlalchemy.exc.DBAPIError: the database refused a row; the transaction has to be rolled back.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in rows.column_names)
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {quote(table.name)} ({names}) FROM STDIN (FORMAT csv)", rows)
    elif rows.num_rows:
        but_one = zip(rows.column_names[1:], rows.columns[1:], strict=True)  # something has to be handed over for each row
        shared = {name: value for name, column in but_one if (value := _shared_text(column))}
        values = ", ".join(shared.get(name, "?") for name in rows.column_names)
        statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({values})"  # noqa: S608 - names of the catalogue, quoted texts
        try:
            insert(connection.connection.cursor(), statement, rows.drop_columns(list(shared)))
        except Exception as error:
            raise _wrapped(connection, statement, error) from error


def insert(cursor: Any, statement: str, rows: pa.Table) -> None:
    """Add rows to a SQLite table by the driver itself: SQLAlchemy's executemany would first make a list of all parameters.

    Args:
        cursor: of the driver; it is closed.
        statement: INSERT with a question mark for each column.
        rows: rows in the order of the question marks.
    """
    try:
        for block in _blocks(rows):
            cursor.executemany(statement, zip(*[_sqlite_values(column) for column in block.columns], strict=True))
    finally:
        cursor.close()


def _shared_text(column: pa.ChunkedArray) -> str | None:
    """The text that stands in every row of a column, quoted: handing it over with each row took a fifth of the time."""
    text = _sqlite_values(column[:1])[0]
    is_shared = isinstance(text, str) and not column.null_count and pc.all(pc.equal(column, column[0])).as_py()
    return "'" + text.replace("'", "''") + "'" if is_shared and "\0" not in text else None


def _copy(connection: sa.Connection, statement: str, rows: pa.Table) -> None:
    cursor: Any = connection.connection.cursor()
    try:
        with cursor, cursor.copy(statement) as copy:
            for block in _blocks(rows):
                sink = pa.BufferOutputStream()
                pa_csv.write_csv(_csv_columns(block), sink, pa_csv.WriteOptions(include_header=False))
                copy.write(memoryview(sink.getvalue()))
    except Exception as error:
        raise _wrapped(connection, statement, error) from error


def _blocks(rows: pa.Table) -> Iterator[pa.Table]:
    return (rows.slice(start, _ROWS_PER_BLOCK) for start in range(0, rows.num_rows, _ROWS_PER_BLOCK))


def _sqlite_values(column: pa.ChunkedArray) -> list[Any]:
    """Values as SQLAlchemy's own types keep them in SQLite: dates and times as text, UTC without a mark."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.string())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.string())
    elif not column.null_count and (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return list(column.to_numpy().tolist())
    return list(column.to_pylist())


def _csv_columns(rows: pa.Table) -> pa.Table:
    """Rows with bytes as PostgreSQL writes them; Arrow has no CSV form for these."""
    for position, field in enumerate(rows.schema):
        if pa.types.is_binary(field.type):
            texts = [None if value is None else "\\x" + value.hex() for value in rows.column(position).to_pylist()]
            rows = rows.set_column(position, field.name, pa.array(texts, pa.string()))
    return rows


def _wrapped(connection: sa.Connection, statement: str, error: Exception) -> Exception:
    """The driver's error as the SQLAlchemy error it would have been, without the rows."""
    module: Any = connection.dialect.dbapi
    if not isinstance(error, module.Error):
        return error
    wrapped = sa.exc.DBAPIError.instance(statement, None, error, module.Error, hide_parameters=True, dialect=connection.dialect)
    return wrapped if isinstance(wrapped, Exception) else error
