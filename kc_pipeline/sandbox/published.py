"""What all published forms share: how the city's sources write times, points and addresses, and putting rows on the portal."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.catalog.geography import CITY_HALL, STATE_PLANE_ORIGIN
from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.sandbox.draws import Floats, Integers, row_ids
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

Texts = NDArray[np.object_]
Flags = NDArray[np.bool_]
_OLD_FORMS = (("AVE", "AV"), ("TER", "TE"), ("TRFY", "TR"), ("HWY", "HW"), ("BLVD", "BL"))


@dataclass(frozen=True)
class StreetTexts:
    """Rounded addresses as police and dispatch write them, per street segment and per crossing.

    Attributes:
        blocks: '1000  LOCUST ST' for each face.
        old_blocks: the same in the older form, '1000  LOCUST ST', '3400  NORTON AV', '1900  E 71 TE'.
        crossings: 'E 43RD ST and TROOST AVE' for each node.
        old_crossings: 'E 43 ST and TROOST AV'.
    """

    blocks: Texts
    old_blocks: Texts
    crossings: Texts
    old_crossings: Texts


def street_texts(layout: Layout) -> StreetTexts:
    """Rounded addresses of every street segment and crossing."""
    hundred = layout.faces["hundred"]
    number = hundred.astype(str).where(hundred > 0, "00")
    names = layout.faces["full"].str.upper()
    avenues, streets = layout.nodes["avenue"].str.upper(), layout.nodes["street"].str.upper()
    return StreetTexts(
        _objects(number + "  " + names), _objects(number + "  " + _older(names)),
        _crossing(streets, avenues), _crossing(_older(streets), _older(avenues)),
    )  # fmt: skip


def _older(names: "pd.Series[str]") -> "pd.Series[str]":
    def shorten(name: str) -> str:
        for new, old in _OLD_FORMS:
            name = re.sub(rf" {new}$", f" {old}", name)
        return re.sub(r"(\d)(ST|ND|RD|TH) ", r"\1 ", name)

    return names.map({name: shorten(name) for name in names.unique()})


def _crossing(streets: "pd.Series[str]", avenues: "pd.Series[str]") -> Texts:
    first = streets.where(streets < avenues, avenues)
    second = avenues.where(streets < avenues, streets)
    return _objects(first + " and " + second)


def _objects(column: "pd.Series[str]") -> Texts:
    values: Texts = column.to_numpy(dtype=object)
    return values


def text_where(condition: Flags, value: Texts | str) -> Texts:
    """The value where the condition holds, else None."""
    result = np.full(len(condition), None, dtype=object)
    result[condition] = value if isinstance(value, str) else value[condition]
    return result


def choose(values: Sequence[str | None], u: Floats, weights: Sequence[float] | None = None) -> Texts:
    """Values drawn with weights (equal ones by default)."""
    edges = np.cumsum(weights if weights is not None else np.ones(len(values)))
    found: Texts = np.array([*values, None], dtype=object)[np.minimum(np.searchsorted(edges, u * edges[-1], side="right"), len(values) - 1)]
    return found


def local_times(day: Integers, minute: Integers | int = 0, second: Integers | int = 0) -> Texts:
    """Floating local timestamps as Socrata writes them, '2026-04-24T11:34:00.000'."""
    moment = day.astype("datetime64[D]").astype("datetime64[ms]") + ((np.asarray(minute) * 60 + second) * 1000).astype("timedelta64[ms]")
    texts: Texts = np.datetime_as_string(moment, unit="ms").astype(object)
    return texts


def clock_texts(minute: Integers) -> Texts:
    """'HH:MM'."""
    return np.array([f"{m // 60:02d}:{m % 60:02d}" for m in range(1440)], dtype=object)[minute]


def utc_stamps(day: Integers, hour: int = 11) -> Texts:
    """System timestamps of a publication on a day, '2026-04-24T11:00:00.000Z'."""
    distinct, inverse = np.unique(day, return_inverse=True)
    dates = np.datetime_as_string(distinct.astype("datetime64[D]"), unit="D")
    stamps: Texts = np.array([f"{d}T{hour:02d}:00:00.000Z" for d in dates], dtype=object)
    return stamps[inverse] if len(day) else stamps


def numbers(values: Floats, decimals: int) -> Texts:
    """Numbers as text."""
    return np.char.mod(f"%.{decimals}f", values).astype(object)


def points(longitude: Floats, latitude: Floats, decimals: int = 6) -> Texts:
    """GeoJSON points as text."""
    joined: Texts = '{"type": "Point", "coordinates": [' + numbers(longitude, decimals) + ", " + numbers(latitude, decimals) + "]}"
    return joined


def with_bad_geocodes(longitude: Floats, latitude: Floats, u: Floats, rate: float, allowed: Flags) -> tuple[Floats, Floats]:
    """Points of which a share is a sentinel (city hall, State Plane origin) or lies in another state."""
    bad = (u < rate) & allowed
    which = np.where(bad, (u / rate * 3).astype(np.int64), -1)
    spots = (CITY_HALL, STATE_PLANE_ORIGIN, (-86.1581, 39.7684))
    for i, (x, y) in enumerate(spots):
        longitude, latitude = np.where(which == i, x, longitude), np.where(which == i, y, latitude)
    return longitude, latitude


def publish(
    store: RecordStore, data_set: DataSet, title: str, rows: pd.DataFrame, types: Mapping[str, str], day: Integers, position: Integers,
    created: Integers, updated: Integers,
) -> None:  # fmt: skip
    """Put rows on the Socrata side of the portal, with row identifiers and times of publication.

    Args:
        store: the portal's rows.
        data_set: which data set.
        title: its name for people.
        rows: columns as the source names them.
        types: Socrata type of each column that is not text.
        day: day of each row, for its identifier.
        position: its position within the day, unique there.
        created: day on which it was published.
        updated: day on which it last changed.
    """
    system = {":id": row_ids(data_set.id, day, position), ":created_at": utc_stamps(created), ":updated_at": utc_stamps(updated)}
    complete = rows.assign(**system)
    columns = [DeclaredColumn(name, types.get(name, "text")) for name in rows.columns]
    newest = int(updated.max()) if len(updated) else 0
    store.replace(data_set.id, "socrata", title, columns, complete, datetime.fromtimestamp(newest * 86_400 + 11 * 3_600, tz=UTC))


def next_weekday(day: Integers, weekday: int) -> Integers:
    """The first day on or after each day that is this weekday (Monday is 0)."""
    # 1970-01-01 was a Thursday.
    return day + (weekday - (day + 3)) % 7


def next_month_day(day: Integers, of_month: int) -> Integers:
    """The first day on or after each day that is this day of a month."""
    dates = day.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    this = month.astype("datetime64[D]") + (of_month - 1)
    following = (month + 1).astype("datetime64[D]") + (of_month - 1)
    return np.where(dates <= this, this, following).astype(np.int64)
