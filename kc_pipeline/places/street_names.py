"""Which known street a written one means: a direction or type left out, a slip of spelling; never a guess between two."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from kc_pipeline.places.addresses import Street, split_street

_MIN_SPELLED = 5  # letters; shorter names differ too little to be corrected
_TWO_SLIPS = 9
_CONFUSED_TYPES = frozenset({"AVE", "BLVD", "PKWY", "RD", "ST", "TRFY"})  # a terrace, court or drive beside an avenue is another street
_TELLING_DIRECTIONS = frozenset({"N"})  # N CAMPBELL ST and CAMPBELL ST are two streets, one on either bank of the river


class NameMatch(NamedTuple):
    """A known street that a written one may mean, what differs, how much that is, and whether only a corner can bear it out."""

    street: str
    known_street: str
    name_match: str
    cost: float
    needs_corner: bool


def match_names(asked: Iterable[str], known: Iterable[str]) -> pd.DataFrame:
    """Known streets that written ones may mean.

    A direction or a type may be missing on either side, a type may differ ('GRAND AVE' for 'GRAND BLVD'; not a side street's, and not a
    numbered street's, where '43RD ST' and '43RD TER' are two), and a name of five letters or more may have one slip of spelling, of
    nine or more two.  East is never taken for West.
    N is left out or added only where a corner of two streets bears it out.

    Returns:
        Frame in the fields of `NameMatch`: every pair, the written street itself not among them.
    """
    by_name: dict[str, list[tuple[str, Street]]] = {}
    for street in dict.fromkeys(known):
        parts = split_street(street)
        by_name.setdefault(parts.name, []).append((street, parts))
    wanted = {street: split_street(street) for street in dict.fromkeys(asked)}
    slips = _misspelt({parts.name for parts in wanted.values()} - by_name.keys(), by_name)
    matches = [
        NameMatch(
            street,
            candidate,
            label,
            cost,
            bool({parts.direction, other.direction} & _TELLING_DIRECTIONS) and parts.direction != other.direction,
        )
        for street, parts in wanted.items()
        for name, slip in [(parts.name, 0), *slips.get(parts.name, ())]
        for candidate, other in by_name.get(name, ())
        if candidate != street and (found := _difference(parts, other, slip)) is not None
        for label, cost in [found]
    ]
    return pd.DataFrame(matches, columns=list(NameMatch._fields))


def _difference(asked: Street, known: Street, slips: int) -> tuple[str, float] | None:
    """What differs between two streets of the same or nearly the same name; None if they cannot be one."""
    label, cost = "equal", 0.0
    if asked.suffix != known.suffix:
        if asked.suffix and known.suffix:
            return None
        label, cost = "direction", 0.5
    if asked.direction != known.direction:
        if asked.direction and known.direction:
            return None
        label, cost = "direction", cost + (4.0 if _is_telling(asked, known) else 1.5)
    if asked.type != known.type:
        both = bool(asked.type and known.type)
        if both and (known.name[0].isdigit() or cost or slips or not {asked.type, known.type} <= _CONFUSED_TYPES):
            return None
        label, cost = "type", cost + (3.0 if both else 2.0)
    return ("spelling", cost + 3.0 + slips) if slips else (label, cost)


def _is_telling(asked: Street, known: Street) -> bool:
    return asked.direction != known.direction and bool({asked.direction, known.direction} & _TELLING_DIRECTIONS)


def _misspelt(unknown: set[str], known: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """Known names within a slip or two of unknown ones."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    correctable = sorted(name for name in unknown if len(name) >= _MIN_SPELLED and not any(c.isdigit() for c in name))
    names = sorted(name for name in known if len(name) >= _MIN_SPELLED and not any(c.isdigit() for c in name))
    if not correctable or not names:
        return {}
    distance = process.cdist(correctable, names, scorer=OSA.distance, score_cutoff=2, dtype=np.uint8)
    allowed = np.where(np.array([len(name) for name in correctable]) >= _TWO_SLIPS, 2, 1)
    found: dict[str, list[tuple[str, int]]] = {}
    for i, j in zip(*np.nonzero(distance <= allowed[:, None]), strict=True):
        found.setdefault(correctable[i], []).append((names[j], int(distance[i, j])))
    return found
