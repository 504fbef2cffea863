"""What each column is made from: column lineage from the feeds' raw fields to the marts, derived from one declaration a table.

A name means the same thing in every table, so a column that a table takes over is found by its name in the tables that it
is carried from.  Only what is computed, renamed or made of nothing is declared (`lineage_clean.py`, `lineage_marts.py`).
Where a column depends on many, the main ones are named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from kc_pipeline.catalog.raw_fields import FRONT, field_names
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES

# column -> what it is, of columns that no upstream column makes, in any table
MADE_EVERYWHERE: Mapping[str, str] = {
    "as_of": "the day that is asked for",
    "snapshot_id": "the number of the publication",
    "run_id": "the run's own id",
    "schema_version": "the catalogue's version",
}


@dataclass(frozen=True)
class Origin:
    """Where the columns of one table come from.

    Attributes:
        carried: groups of tables: a column that is not declared comes from those of its name in the first group that has any.
        computed: column -> upstream columns as 'layer/table.column', main ones first.
        made: column -> what it is, of columns that no upstream column makes.
    """

    carried: tuple[tuple[str, ...], ...] = ()
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)


def of(column: str, *tables: str) -> tuple[str, ...]:
    """A column of several tables, of those that have it."""
    return tuple(f"{table}.{column}" for table in tables if column in column_names(table))


@cache
def column_names(table: str) -> tuple[str, ...]:
    """Columns of a table of the catalogue, or of a feed's raw rows."""
    layer, _, name = table.partition("/")
    return (*FRONT, *field_names(name)) if layer == "raw" else TABLES[table].column_names


@cache
def origins() -> Mapping[str, Origin]:
    """Table -> where its columns come from, for every table that is an asset."""
    from kc_pipeline.catalog.lineage_clean import clean_origin, quarantine_origin
    from kc_pipeline.catalog.lineage_marts import ORIGINS

    of_feeds = {f"clean/{name}": clean_origin(feed) for name, feed in FEEDS.items()}
    rejected = {f"quarantine/{name}": quarantine_origin(feed) for name, feed in FEEDS.items()}
    return {**of_feeds, **rejected, **ORIGINS}


@cache
def made_of_nothing(table: str) -> Mapping[str, str]:
    """Columns of a table that no upstream column makes, each with what it is."""
    origin = origins()[table]
    made = {**{name: says for name, says in MADE_EVERYWHERE.items() if name not in origin.computed}, **origin.made}
    return {name: made[name] for name in column_names(table) if name in made}


@cache
def upstream_columns(table: str) -> Mapping[str, tuple[str, ...]]:
    """Columns of a table that are made from others: column -> 'layer/table.column', main ones first."""
    origin, made = origins()[table], made_of_nothing(table)
    found = {}
    for name in column_names(table):
        if name in made:
            continue
        upstream = origin.computed.get(name) or next((named for group in origin.carried if (named := of(name, *group))), ())
        if upstream:
            found[name] = tuple(dict.fromkeys(upstream))
    return found


@cache
def reached_fields(table: str, column: str) -> frozenset[str]:
    """Raw columns that a column goes back to, through every table between: 'raw/feed.column'."""
    if table.startswith("raw/"):
        return frozenset({f"{table}.{column}"})
    return _together(reached_fields(*name.rsplit(".", 1)) for name in upstream_columns(table).get(column, ()))


def _together(parts: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*parts)
