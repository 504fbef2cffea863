"""How published rows change after their day: some come late, some are corrected, some are taken back.

What becomes of a row follows from its data set, day and position alone, so that a city that goes on a day changes what
is due that day and nothing else. Nothing is revised before the day on which revisions begin: a city at its anchor date
is the same with them and without.
"""

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from kc_pipeline.sandbox.draws import Floats, Integers, day_number

_MOVED_DAYS = 20


@dataclass(frozen=True)
class Rates:
    """Shares of rows that are revised; no source tells them, so they are low by default."""

    late: float = 0.004
    corrected: float = 0.008
    deleted: float = 0.002


@dataclass(frozen=True)
class Revisions:
    """What is revised by when.

    Attributes:
        since: the first day on which anything is revised.
        through: the day after the last one.
        rates: shares of rows.
    """

    since: date
    through: date
    rates: Rates = Rates()


@dataclass(frozen=True)
class Revisable:
    """Rows of one data set before they are revised; arrays run along the rows.

    Attributes:
        rows: as the source would show them.
        day: day of each row, days since 1970-01-01.
        position: its position within the day, unique there.
        created: day on which it was published.
        updated: day on which it last changed.
    """

    rows: pd.DataFrame
    day: Integers
    position: Integers
    created: Integers
    updated: Integers


def revise(data_set: str, found: Revisable, date_field: str, value_field: str, fixed: "np.ndarray", revisions: Revisions) -> Revisable:
    """Rows as they stand once late ones have waited, and corrections and deletions have been made.

    A correction changes the value or moves the date back by 20 days, which can take a row into another month.

    Args:
        data_set: id of the data set.
        found: its rows.
        date_field: column whose date a correction moves.
        value_field: column whose text a correction replaces by a neighbour's kind of text ('true' and 'false' change places).
        fixed: rows that are never revised.
        revisions: what is revised by when.
    """
    since, through, rates = day_number(revisions.since), day_number(revisions.through), revisions.rates
    u, v, w = (_uniform(f"{data_set}/{name}", found.day, found.position) for name in ("which", "when", "how"))
    is_late = (u < rates.late) & (found.created >= since) & ~fixed
    created = found.created + np.where(is_late, 20 + (v * 60).astype(np.int64), 0)
    updated = np.maximum(found.updated, created)
    changed_on = created + 3 + (v * 60).astype(np.int64)
    is_due = (changed_on >= since) & (changed_on < through) & ~fixed
    is_corrected = is_due & (u >= rates.late) & (u < rates.late + rates.corrected)
    is_deleted = is_due & (u >= rates.late + rates.corrected) & (u < rates.late + rates.corrected + rates.deleted)
    rows = found.rows.copy()
    for is_moved, field in ((w < 0.5, date_field), (w >= 0.5, value_field)):
        chosen = np.flatnonzero(is_corrected & is_moved)
        texts = rows[field].to_numpy(dtype=object).copy()
        texts[chosen] = [_moved(text) if field == date_field else _replaced(text) for text in texts[chosen]]
        rows[field] = texts
    updated = np.where(is_corrected, np.maximum(updated, changed_on), updated)
    kept = (created < through) & ~is_deleted
    return Revisable(rows[kept], found.day[kept], found.position[kept], created[kept], updated[kept])


def _moved(text: object) -> object:
    if not isinstance(text, str):
        return text
    return str(np.datetime64(text[:10]) - _MOVED_DAYS) + text[10:]


def _replaced(text: object) -> object:
    return {"true": "false", "false": "true", "1": "2"}.get(str(text), "1")


def _uniform(name: str, day: Integers, position: Integers) -> Floats:
    """A number from 0 to 1 per row: a pure function of name, day and position."""
    h = (np.uint64(zlib.crc32(name.encode())) << np.uint64(32)) ^ (day.astype(np.uint64) << np.uint64(20)) ^ position.astype(np.uint64)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # splitmix64
        h = (h ^ (h >> np.uint64(30))) * np.uint64(factor)
    numbers: Floats = (h ^ (h >> np.uint64(31))).astype(np.float64) / 2.0**64
    return numbers
