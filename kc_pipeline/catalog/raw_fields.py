"""Columns of a feed's raw rows: where each row lies in its pull, and the fields that its data sets are asked for.

A point arrives as one field and is kept as two columns, a shape as `geometry`; everything else keeps its canonical raw name.
"""

from collections.abc import Mapping

from kc_pipeline.catalog.columns import COLUMNS, Column, Type
from kc_pipeline.catalog.sources import FEEDS, Feed

_KEPT_AS: Mapping[str, tuple[str, ...]] = {"point": ("longitude", "latitude"), "shape": ("geometry",)}
_FRONT = (
    COLUMNS["data_set"],
    Column("partition", Type.TEXT, "Month that was asked for, YYYY-MM, or 'undated' or 'whole'.", False),
    COLUMNS["pull_id"],
    COLUMNS["page"],
    COLUMNS["line"],
    Column("row_id", Type.TEXT, "The row's identity at the source, or its place in the pull where the source gives none.", False),
    Column("pulled_at", Type.UTC_TIME, "When the pull was received.", False),
)
FRONT = tuple(column.name for column in _FRONT)


def field_names(feed: str) -> dict[str, dict[str, None]]:
    """Raw columns of a feed's fields, in order: name -> the names it has at the source, first seen first."""
    names: dict[str, dict[str, None]] = {}
    for data_set in FEEDS[feed].data_sets:
        for name in (*data_set.fields, *data_set.implied):
            for column in _KEPT_AS.get(name, (name,)):
                names.setdefault(column, {}).update(dict.fromkeys(data_set.fields.get(name, ())))
    return names


def raw_columns(feed: Feed) -> tuple[Column, ...]:
    """Every column of a feed's raw rows, described by the names that its data sets give it."""
    described = []
    for name, at_source in field_names(feed.name).items():
        said = f"At the source: {', '.join(f'`{each}`' for each in at_source)}." if at_source else "Said by which data set it is."
        kind = Type.GEOMETRY if name == "geometry" else Type.TEXT
        described.append(Column(name, kind, f"{said} As received, blanks trimmed."))
    return (*_FRONT, *described)
