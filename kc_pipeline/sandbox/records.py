"""The rows that the local portal serves: any number of data sets in one SQLite file.

Writing whole data sets and opening read-only connections live here. What a query means is in `query`; how a row
looks on the wire is in `portal`; where rows come from is in `city` and `replay`.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

SYSTEM_COLUMNS = {":id": "row_identifier", ":created_at": "fixed_timestamp", ":updated_at": "fixed_timestamp"}
PROTOCOLS = ("socrata", "arcgis")
MONTH_SQL = ("(substr(", ", 1, 7) || '-01T00:00:00.000')")  # stands before and behind a date; every date is indexed by it
GEOMETRY_TYPES = frozenset({"polygon", "polyline", "point"})

_WRITE_CACHE_KIB = 256_000
_LOCK_TIMEOUT_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS data_sets (
    data_set TEXT PRIMARY KEY, protocol TEXT NOT NULL, name TEXT NOT NULL, columns TEXT NOT NULL,
    rows_updated_at TEXT NOT NULL, row_count INTEGER NOT NULL, table_name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class DeclaredColumn:
    """One column as its portal declares it.

    Attributes:
        field_name: name in queries and answers.
        data_type: Socrata dataTypeName (text, number, calendar_date, point, location, multipolygon, multiline,
            checkbox), or an esri field type (esriFieldTypeOID and others), or for the one geometry of a layer
            'polygon', 'polyline' or 'point'.
    """

    field_name: str
    data_type: str


@dataclass(frozen=True)
class DataSetInfo:
    """What a store knows about one data set.

    Attributes:
        data_set: Socrata id or ArcGIS layer path.
        protocol: 'socrata' or 'arcgis'.
        name: title for people.
        columns: declared columns, without Socrata's system fields.
        rows_updated_at: when the publisher last changed rows, in UTC.
        row_count: rows held.
        table_name: SQLite table of the rows.
    """

    data_set: str
    protocol: str
    name: str
    columns: tuple[DeclaredColumn, ...]
    rows_updated_at: datetime
    row_count: int
    table_name: str

    @property
    def stored_columns(self) -> tuple[DeclaredColumn, ...]:
        """Declared columns followed by the system fields, in the order in which SQLite holds them as c0, c1, ..."""
        return _stored_columns(self.protocol, self.columns)


def _stored_columns(protocol: str, columns: Sequence[DeclaredColumn]) -> tuple[DeclaredColumn, ...]:
    system = SYSTEM_COLUMNS if protocol == "socrata" else {}
    return (*columns, *(DeclaredColumn(*item) for item in system.items()))


class RecordStore:
    """Rows of portal data sets in one SQLite file.

    Any number of threads may read at once, each through its own read-only connection; a writer makes them wait
    while it commits.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it where there is none."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing() as connection:
            connection.executescript(_SCHEMA)

    def replace(
        self,
        data_set: str,
        protocol: str,
        name: str,
        columns: Sequence[DeclaredColumn],
        rows: pd.DataFrame,
        rows_updated_at: datetime,
    ) -> None:
        """Put these rows in place of all rows of a data set, in one transaction.

        Args:
            data_set: Socrata id ('dmnp-9ajg') or ArcGIS layer path ('AGOL/MapServer/6').
            protocol: 'socrata' or 'arcgis'.
            name: title for people.
            columns: what the portal declares; for ArcGIS it includes OBJECTID and the geometry.
            rows: a column per declared column, all values str or missing. Numbers as text; geometry as GeoJSON text
                in EPSG:4326; 'location' as JSON text with latitude, longitude and human_address; esri dates as epoch
                milliseconds. Socrata data sets also have :id, :created_at and :updated_at (ISO, UTC). Other columns
                are not kept.
            rows_updated_at: when the publisher last changed rows; aware.

        Raises:
            ValueError: the protocol or the id is not understood, or `rows` lacks a column.
        """
        stored = _stored_columns(protocol, columns)
        _check(data_set, protocol, stored, rows, rows_updated_at)
        types = ["INTEGER" if c.data_type == "esriFieldTypeOID" else "TEXT" for c in stored]
        values = zip(*(_plain_values(rows[c.field_name]) for c in stored), strict=True)
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            number = connection.execute("SELECT coalesce(max(CAST(substr(table_name, 6) AS INTEGER)), 0) + 1 FROM data_sets").fetchone()[0]
            table = f"rows_{number}"
            previous = connection.execute("SELECT table_name FROM data_sets WHERE data_set = ?", [data_set]).fetchone()
            connection.execute(f"CREATE TABLE {table} ({', '.join(f'c{i} {t}' for i, t in enumerate(types))})")
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(stored))})", values)  # noqa: S608
            for end, of in _indexes(stored).items():
                connection.execute(f"CREATE INDEX {table}_{end} ON {table} ({of})")
            if previous:
                connection.execute(f"DROP TABLE {previous[0]}")
            connection.execute(
                "INSERT OR REPLACE INTO data_sets VALUES (?, ?, ?, ?, ?, ?, ?)",
                [data_set, protocol, name, json.dumps([asdict(c) for c in columns]), rows_updated_at.isoformat(), len(rows), table],
            )
            connection.execute("COMMIT")

    def data_sets(self) -> list[DataSetInfo]:
        """Every data set held, by id."""
        with self.reading() as connection:
            return [_info(row) for row in connection.execute("SELECT * FROM data_sets ORDER BY data_set")]

    def info(self, data_set: str) -> DataSetInfo | None:
        """One data set; None where the store has none of this id."""
        with self.reading() as connection:
            row = connection.execute("SELECT * FROM data_sets WHERE data_set = ?", [data_set]).fetchone()
        return _info(row) if row else None

    def note(self, key: str) -> str | None:
        """A remark kept beside the rows, such as what they were built from."""
        with self.reading() as connection:
            row = connection.execute("SELECT value FROM notes WHERE key = ?", [key]).fetchone()
        return str(row[0]) if row else None

    def set_note(self, key: str, value: str) -> None:
        """Keep a remark beside the rows."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", [key, value])

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection for the calling thread."""
        uri = f"{self.path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as connection:
            yield connection

    def close(self) -> None:
        """Nothing stays open between calls; here so that a store can be handled like any other resource."""

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA cache_size = -{_WRITE_CACHE_KIB}")
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection


def _check(data_set: str, protocol: str, stored: Sequence[DeclaredColumn], rows: pd.DataFrame, updated: datetime) -> None:
    if protocol not in PROTOCOLS:
        raise ValueError(f"{data_set}: protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    pattern = r"[a-z0-9]{4}-[a-z0-9]{4}" if protocol == "socrata" else r"\w+(/\w+)*/(MapServer|FeatureServer)/\d+"
    if not re.fullmatch(pattern, data_set):
        raise ValueError(f"{data_set!r} is not the id of a {protocol} data set; expected the form {pattern}")
    if updated.tzinfo is None:
        raise ValueError(f"{data_set}: rows_updated_at {updated.isoformat()} has no time zone")
    missing = [c.field_name for c in stored if c.field_name not in rows.columns]
    if missing:
        raise ValueError(f"{data_set}: the rows lack {', '.join(missing)}; a {protocol} data set needs every declared and system field")
    if protocol == "arcgis" and not any(c.data_type == "esriFieldTypeOID" for c in stored):
        raise ValueError(f"{data_set}: no column is declared esriFieldTypeOID; a layer needs OBJECTID")


def _indexes(stored: Sequence[DeclaredColumn]) -> dict[str, str]:
    """End of an index's name -> what it is of: what clients order, filter and count by, as a portal does."""
    number = {column.field_name: f"c{i}" for i, column in enumerate(stored)}
    found = {}
    for column, name in zip(stored, number.values(), strict=True):
        if column.data_type in ("calendar_date", "esriFieldTypeOID") or column.field_name in (":id", ":updated_at"):
            found[name] = name
        if column.data_type == "calendar_date":
            found[f"{name}_month"] = ", ".join([name.join(MONTH_SQL), *([number[":updated_at"]] if ":updated_at" in number else [])])
    return found


def _plain_values(column: "pd.Series[str]") -> list[str | None]:
    values: list[str | None] = column.astype(object).where(column.notna(), None).tolist()
    return values


def _info(row: tuple[str, str, str, str, str, int, str]) -> DataSetInfo:
    data_set, protocol, name, columns, updated, row_count, table = row
    declared = tuple(DeclaredColumn(**c) for c in json.loads(columns))
    return DataSetInfo(data_set, protocol, name, declared, datetime.fromisoformat(updated).astimezone(UTC), row_count, table)
