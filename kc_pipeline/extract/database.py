"""Read a department's own tables with SQLAlchemy Core: allowed columns only, month by month, on SQLite and PostgreSQL."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.sql.elements import quoted_name

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError, SourceError, TransientSourceError, redact
from kc_pipeline.extract.manifest import WHOLE_QUERY, Facts, Pulled, Request
from kc_pipeline.extract.pages import as_text, encodable
from kc_pipeline.extract.raw import PullWriter, RawStore
from kc_pipeline.extract.replies import pack
from kc_pipeline.extract.transport import (
    DEFAULT_PAGE_SIZE,
    UNDATED,
    WHOLE,
    Held,
    Months,
    Survey,
    by_partition,
    check_required,
    label,
    match_fields,
    next_month,
    read_until_agreed,
)

_STATEMENT_SECONDS = 1200.0
# Types whose values CSV has as they are, and as `as_text` would write them.
_AS_WRITTEN = frozenset({str, int, float, type(None)})


@dataclass(frozen=True)
class Described:
    """A table as the database declares it.

    Attributes:
        table: for queries; every name in it is quoted.
        declared: (name, type) of each column.
        resolution: canonical raw name -> column.
        dated: columns whose values are dates or times, not text.
    """

    table: sa.TableClause
    declared: tuple[tuple[str, str], ...]
    resolution: dict[str, str]
    dated: frozenset[str]


class DatabaseTransport:
    """Tables of one database; a data set's id is a table name, with a schema in front where there is one."""

    def __init__(
        self,
        url: str,
        store: RawStore,
        now: Callable[[], datetime],
        page_size: int = DEFAULT_PAGE_SIZE,
        statement_seconds: float = _STATEMENT_SECONDS,
    ) -> None:
        """Prepare the connection; nothing is asked yet.

        Args:
            url: of the database, for SQLAlchemy.
            store: where pulls are kept.
            now: the time, UTC.
            page_size: rows on a page.
            statement_seconds: longest time of one statement, waiting for locks included; SQLite waits five seconds for a lock.

        Raises:
            PermanentSourceError: the URL cannot be used, or its driver is not installed.
        """
        self._store, self._now, self._page_size = store, now, page_size
        try:
            self._url = sa.make_url(url)
            self._engine = sa.create_engine(self._url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise PermanentSourceError("KC_DEPARTMENT_DB is no usable SQLAlchemy URL, or its driver is not installed") from error
        if self._url.get_backend_name() == "postgresql":
            sa.event.listen(self._engine, "connect", partial(_limit_statements, seconds=statement_seconds))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def state(self, data_set: DataSet) -> str | None:
        """Newest change and number of rows; None where the department does not hand over the table."""
        described = self._describe(data_set)
        if described is None:
            return None
        columns = described.table.c
        changed = sa.func.max(columns[data_set.updated_field]) if data_set.updated_field in columns else sa.null()
        with self._connected(data_set) as connection:
            newest, total = connection.execute(sa.select(changed, sa.func.count()).select_from(described.table)).one()
        return f"{_text(newest)} {total}"

    def survey(self, data_set: DataSet, months: Months) -> Survey | None:
        """Rows and newest change by month; None where the department does not hand over the table."""
        described = self._describe(data_set)
        if described is None:
            return None
        columns = described.table.c
        names = [name for name, _ in described.declared]
        changed = sa.func.max(columns[data_set.updated_field]) if data_set.updated_field in names else sa.null()
        with self._connected(data_set) as connection:
            if data_set.month_field is None:
                total, changed_at = connection.execute(sa.select(sa.func.count(), changed).select_from(described.table)).one()
                return Survey(total, {WHOLE: Held(total, _text(changed_at))} if total else {})
            month = _month(_dating(described, data_set))
            found = connection.execute(sa.select(month, sa.func.count(), changed).select_from(described.table).group_by(month)).all()
            total = connection.execute(sa.select(sa.func.count()).select_from(described.table)).scalar_one()
        return Survey(total, by_partition([(m, n, _text(c)) for m, n, c in found], months))

    def pull(self, data_set: DataSet, partition: str, months: Months, held: Held) -> Pulled:
        """Read a partition, as `read_until_agreed` says.

        Raises:
            TransientSourceError: rows received and the database's count did not agree; nothing was kept.
            PermanentSourceError: the table is gone, lacks a required column, or its key is not one.
        """
        described = self._describe(data_set)
        if described is None:
            raise PermanentSourceError(f"{label(data_set)}: the table is gone; restore it or edit kc_pipeline/catalog/sources.py")
        if data_set.key_field is not None and data_set.key_field not in described.table.c:
            raise PermanentSourceError(
                f"{label(data_set)}: no column {data_set.key_field} to tell rows apart; edit kc_pipeline/catalog/sources.py"
            )
        where = _of_partition(described, data_set, partition, months)
        count = sa.select(sa.func.count()).select_from(described.table).where(where)
        with self._store.begin(data_set.feed, data_set.id, partition) as writer, self._connected(data_set) as connection:

            def ask() -> Held:
                connection.rollback()
                return Held(connection.execute(count).scalar_one(), held.changed_at)

            agreed = read_until_agreed(
                label(data_set, partition),
                writer,
                held,
                ask,
                read=lambda rows: self._pages(writer, connection, described, data_set, where, partition, rows),
            )
            facts = Facts(
                transport=str(data_set.transport),
                paging=WHOLE_QUERY,
                count_before=agreed.rows,
                count_after=agreed.rows,
                changed_at=agreed.changed_at,
                declared=described.declared,
                resolution=described.resolution,
                implied=data_set.implied,
                key_field=data_set.key_field,
            )
            return writer.commit(facts, self._now)

    def _pages(
        self,
        writer: PullWriter,
        connection: sa.Connection,
        described: Described,
        data_set: DataSet,
        where: sa.ColumnElement[bool],
        partition: str,
        rows: int,
    ) -> int:
        """Read batches in the order of the key; returns the number of distinct keys, or of rows where there is no key.

        Raises:
            PermanentSourceError: all rows were read, and their key is not one.
        """
        writer.clear()
        names = list(dict.fromkeys([*([data_set.key_field] if data_set.key_field else []), *described.resolution.values()]))
        columns = [described.table.c[name] for name in names]
        order = columns[:1] if data_set.key_field else columns
        found = connection.execute(sa.select(*columns).where(where).order_by(*order))
        writer.requests.append(Request("SQL", data_set.id, {"columns": ",".join(names), "partition": partition}))
        keys: set[object] = set()
        for batch in found.partitions(self._page_size):
            content = _csv_page(names, batch)
            writer.add_page(pack(content), "csv", "gzip", content, len(batch))
            keys.update(row[0] for row in batch if row[0] is not None)
        if data_set.key_field is None:
            return writer.rows
        if len(keys) != writer.rows == rows:
            repeats = f"{data_set.key_field} repeats or is null ({len(keys):,} values in {rows:,} rows)"
            raise PermanentSourceError(f"{label(data_set, partition)}: {repeats}; mend the table or name another key_field")
        return len(keys)

    def _describe(self, data_set: DataSet) -> Described | None:
        if self._url.get_backend_name() == "sqlite" and self._url.database and not Path(self._url.database).exists():
            return None
        schema, _, name = data_set.id.rpartition(".")
        with self._connected(data_set) as connection:
            inspector = sa.inspect(connection)
            if not (inspector.has_table(name, schema or None) or name in inspector.get_view_names(schema or None)):
                return None
            held = inspector.get_columns(name, schema or None)
        declared = tuple((column["name"], str(column["type"])) for column in held)
        dated = frozenset(column["name"] for column in held if isinstance(column["type"], (sa.Date, sa.DateTime)))
        names = [column for column, _ in declared]
        resolution = match_fields(data_set, names)
        check_required(data_set, resolution, names)
        columns: list[sa.ColumnClause[object]] = [sa.column(quoted_name(column, quote=True)) for column in names]
        table = sa.table(quoted_name(name, quote=True), *columns, schema=quoted_name(schema, quote=True) if schema else None)
        return Described(table, declared, resolution, dated)

    @contextmanager
    def _connected(self, data_set: DataSet) -> Iterator[sa.Connection]:
        """A connection; whatever the database says is told without the URL's password."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SourceError:
            raise
        except SQLAlchemyError as error:
            told = error.orig if isinstance(error, DBAPIError) else error
            message = redact(f"{label(data_set)}: the database at KC_DEPARTMENT_DB answered: {told}", self._url.password)
            raise TransientSourceError(message) from None


def _limit_statements(connection: DBAPIConnection, _record: object, seconds: float) -> None:
    """A table that somebody locks, or a server that is stuck, ends a statement as a deadline ends a request."""
    cursor = connection.cursor()
    cursor.execute(f"SET statement_timeout = {int(seconds * 1000)}")
    cursor.close()
    connection.commit()


def _dating(described: Described, data_set: DataSet) -> sa.ColumnClause[object]:
    """The column whose month cuts a data set into partitions."""
    return described.table.c[described.resolution[data_set.month_field or ""]]


def _month(column: sa.ColumnClause[object]) -> sa.ColumnElement[str]:
    """YYYY-MM of a row, without bound values: so a database can use an index on the expression."""
    return sa.func.substr(sa.cast(column, sa.String), sa.literal_column("1"), sa.literal_column("7"))


def _of_partition(described: Described, data_set: DataSet, partition: str, months: Months) -> sa.ColumnElement[bool]:
    if partition == WHOLE:
        return sa.true()
    column = _dating(described, data_set)
    month = _month(column)
    if partition == UNDATED:
        return sa.or_(month.is_(None), month.not_in(months.all()))
    if column.name not in described.dated:
        return month == partition
    # The same by a range, which an index on the column serves.
    first, behind = (date.fromisoformat(f"{each}-01") for each in (partition, next_month(partition)))
    return sa.and_(month == partition, column >= first, column < behind)


def _csv_page(names: Sequence[str], rows: Sequence[sa.Row[tuple[object, ...]]]) -> bytes:
    """Rows as CSV with every cell quoted, as `pages.read_csv` reads it: a null is an empty cell."""
    columns = (column if _AS_WRITTEN.issuperset(map(type, column)) else map(_text, column) for column in zip(*rows, strict=True))
    page = io.StringIO()
    writer = csv.writer(page, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return encodable(page.getvalue()).encode()


def _text(value: object) -> str | None:
    return value.isoformat() if isinstance(value, date | datetime) else as_text(value)
