"""What befalls the city and its portal on each day of a soak: faults of a day, and changes that stay."""

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from kc_pipeline.sandbox.records import RecordStore

# Misbehaviours of single pages that a run outlives by asking again; not a Retry-After date, since the city lives on another day.
PASSING = (
    "server-error=2", "throttle=1", "accepted=1", "html=1", "error-object=1", "hang-up=1", "cut-body=1", "truncated-page=1",
    "line-cut=1", "damaged-gzip=1", "early-empty=1", "moving-count=1",
)  # fmt: skip
# Those that make a feed fail for the day, or change what it looks like.
LASTING = (
    "data-set-gone=4cef-rqti", "data-set-refused=d4px-6rwg", "data-set-gone=AGOL/MapServer/6", "column-removed=address",
    "column-removed=priority", "column-retyped=latitude", "column-renamed=beat", "repeat-pages", "short-pages=40", "no-id-compare",
    "column-removed=firearm_used_flag", "column-removed=council_district", "moving-count=100000",
)  # fmt: skip
REQUESTS = "d4px-6rwg"
# A soak of fewer days has every fault on them, several a day.
_SHORT = 20
_REPLACED = ("d4px-6rwg", "4cef-rqti", "dmnp-9ajg", "f7wj-ckmw")
_RENAMED, _NEW_NAME = "Dumping in the Right-of-Way", "Dumping in a Right-of-Way"


@dataclass(frozen=True)
class Day:
    """One day of the soak.

    Attributes:
        number: 0 for the first.
        day: the day on which the run takes place.
        faults: misbehaviours of the portal, as `kc sandbox serve --fault` takes them.
        local: what else befalls the run: 'outage', 'database gone', 'torn drop', 'killed' or 'disk'.
        is_published: whether core and marts are made and published.
        is_full: whether the whole of `kc run` is done through Dagster, checks included.
    """

    number: int
    day: date
    faults: tuple[str, ...]
    local: tuple[str, ...]
    is_published: bool
    is_full: bool


@dataclass(frozen=True)
class Change:
    """A change at the portal that stays: from which day, and what."""

    day: date
    kind: str


def plan(first: date, count: int, every: int, full: int, seed: int) -> tuple[list[Day], list[Change]]:
    """The days of a soak and the changes that stay; the last two days are quiet.

    Args:
        first: first day.
        count: days.
        every: each so many days core and marts are made and published.
        full: each so many days the run goes through Dagster.
        seed: of what befalls when.
    """
    draw = random.Random(seed)  # noqa: S311 - a rehearsal, not a secret
    locals_ = ["outage", "database gone", "torn drop", "killed", "disk"]
    days = []
    is_short = count < _SHORT
    for n in range(count):
        day = first + timedelta(days=n)
        faults: list[str] = []
        local: list[str] = []
        if 0 < n < count - 2:
            if is_short or n % 7 == 4:
                local += [locals_[(n - 1 if is_short else n // 7) % len(locals_)]]
            if is_short and "outage" not in local:
                faults += [*PASSING[n - 2 :: count - 4], *LASTING[n - 2 :: count - 4]]
            elif not is_short:
                faults += [PASSING[(n // 3) % len(PASSING)]] * (n % 3 == 1) + [LASTING[(n // 5) % len(LASTING)]] * (n % 5 == 2)
        if day.month == 1 and day.day <= 9:
            faults.append("data-set-gone=f7wj-ckmw")
        is_full = full > 0 and n % full == full - 1 and not local
        days.append(Day(n, day, tuple(faults), tuple(local), n % every == 0 or n == count - 1, is_full))
    at = sorted(draw.sample(range(1, count - 2), min(7, count - 3)))
    kinds = ("full replace", "issued anew", "category renamed", "column added", "full replace", "issued anew", "full replace")
    return days, [Change(first + timedelta(days=n), kind) for n, kind in zip(at, kinds, strict=False)]


def apply_changes(portal: Path, changes: list[Change], today: date) -> None:
    """Change the portal's rows as the changes so far would have left them."""
    store = RecordStore(portal)
    for change in changes:
        if change.day > today:
            continue
        stamp = f"{change.day}T12:00:00.000Z"
        for data_set in _REPLACED:
            _change(portal, store, data_set, change, stamp)


def _change(portal: Path, store: RecordStore, data_set: str, change: Change, stamp: str) -> None:
    info = store.info(data_set)
    if info is None:
        return
    place = {column.field_name: f"c{i}" for i, column in enumerate(info.stored_columns)}
    table, updated, row_id = info.table_name, place[":updated_at"], place[":id"]
    earlier = f"{place[':created_at']} < ?"
    with closing(sqlite3.connect(portal)) as connection, connection:
        if change.kind == "full replace":
            connection.execute(f"UPDATE {table} SET {updated} = max({updated}, ?) WHERE {earlier}", [stamp, stamp])  # noqa: S608
        elif change.kind == "issued anew":
            mark = f"row-{change.day:%j}x-"
            statement = f"UPDATE {table} SET {row_id} = ? || substr({row_id}, 5), {updated} = max({updated}, ?) WHERE {earlier}"  # noqa: S608
            connection.execute(statement, [mark, stamp, stamp])
        elif change.kind == "category renamed" and data_set == REQUESTS:
            kind = place["issue_sub_type"]
            statement = f"UPDATE {table} SET {kind} = ? WHERE {kind} = ? AND {place[':created_at']} >= ?"  # noqa: S608
            connection.execute(statement, [_NEW_NAME, _RENAMED, stamp])


def lasting_faults(changes: list[Change], today: date) -> tuple[str, ...]:
    """Misbehaviours that stay: a column that was added."""
    return tuple("column-added=body_camera" for change in changes if change.kind == "column added" and change.day <= today)
