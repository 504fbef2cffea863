"""Patrol divisions, council districts, neighborhoods and beats of the synthetic city: rectangles of whole blocks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.catalog.geography import DIVISION_OF_AREA_CODE, DIVISION_OF_BEAT_DIGIT
from kc_pipeline.sandbox.ground import BLOCK_WIDTH_M
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.street_names import LOCUST

_AREA_OF_NAME = {name: area for area, name in DIVISION_OF_AREA_CODE.items()}
AREA_OF_DIGIT = {digit: _AREA_OF_NAME[name] for digit, name in DIVISION_OF_BEAT_DIGIT.items()}
_NEIGHBORHOOD_BLOCKS = 6
_NAMES = (
    "Beacon", "Forest Park", "Linden", "Quality Heights", "Union", "Parade", "Longview", "Market", "Mill Creek", "Gateway",
    "Boulevard", "Summit View", "Garfield", "Washington", "Attucks", "Ivanhoe", "Squier", "Volker", "Manheim", "Wornall",
    "Swope", "Vineyard", "Oak Meadow", "Palestine", "Key", "Santa Fe", "Marlborough", "Waldo", "Ruskin", "Hickman",
    "Briarcliff", "Gashland", "Antioch", "Winnwood", "Chouteau", "Nashua", "Clayton", "Coachlight", "Platte", "Maple Park",
)  # fmt: skip
_SUFFIXES = ("", " East", " West", " North", " South", " Heights", " Gardens", " Place")


@dataclass(frozen=True)
class District:
    """One rectangle of blocks.

    Attributes:
        kind: 'neighborhood', 'patrol_division' or 'council_district'.
        name: its name or number; None for a neighborhood that the city left unnamed.
        code: number in its own numbering.
        section: 'south' or 'north' of the river.
        x0: western edge, metres.
        x1: eastern edge.
        y0: southern edge.
        y1: northern edge.
    """

    kind: str
    name: str | None
    code: str
    section: str
    x0: float
    x1: float
    y0: float
    y1: float


def find_districts(layout: Layout) -> tuple[list[District], pd.DataFrame]:
    """All districts, and per parcel its division digit, beat, council district and neighborhood.

    The frame has the parcels' index and columns division_digit, area, division, beat, council_district, neighborhood.
    """
    districts: list[District] = []
    of_parcel = pd.DataFrame(index=layout.parcels.index, columns=["division_digit", "council_district", "neighborhood"], dtype=object)
    for section in ("south", "north"):
        lines = layout.rows[section]
        y = np.array([line.y for line in lines])
        columns, rows = layout.columns[1] - layout.columns[0], len(lines) - 1
        mine = (layout.parcels["section"] == section).to_numpy()
        col, row = layout.parcels["col"].to_numpy()[mine] - layout.columns[0], layout.parcels["row"].to_numpy()[mine]
        for kind, target, cuts in _plans(section, columns, rows):
            for c0, c1, r0, r1, code in cuts:
                inside = (col >= c0) & (col < c1) & (row >= r0) & (row < r1)
                name = _name(kind, code)
                x = [(layout.columns[0] + c - LOCUST) * BLOCK_WIDTH_M for c in (c0, c1)]
                districts.append(District(kind, name, code, section, x[0], x[1], min(y[r0], y[r1]), max(y[r0], y[r1])))
                of_parcel.loc[layout.parcels.index[mine][inside], target] = code if kind != "neighborhood" else (name or "")
    digit = of_parcel["division_digit"]
    of_parcel["area"], of_parcel["division"] = digit.map(AREA_OF_DIGIT), digit.map(DIVISION_OF_BEAT_DIGIT)
    of_parcel["beat"] = digit + _beat_tail(layout.parcels)
    return districts, of_parcel


def _plans(section: str, columns: int, rows: int) -> list[tuple[str, str, list[tuple[int, int, int, int, str]]]]:
    mid_c, mid_r, third, two_thirds = columns // 2, rows // 2, rows // 3, 2 * rows // 3
    if section == "south":
        divisions = [
            (0, mid_c, 0, third, "1"),
            (mid_c, columns, 0, third, "3"),
            (0, columns, third, two_thirds, "2"),
            (0, columns, two_thirds, rows, "5"),
        ]
        councils = [
            (0, mid_c, 0, mid_r, "4"),
            (mid_c, columns, 0, mid_r, "3"),
            (0, mid_c, mid_r, rows, "6"),
            (mid_c, columns, mid_r, rows, "5"),
        ]
    else:
        divisions = [(0, mid_c, 0, rows, "4"), (mid_c, columns, 0, rows, "6")]
        councils = [(0, mid_c, 0, rows, "2"), (mid_c, columns, 0, rows, "1")]
    step = _NEIGHBORHOOD_BLOCKS
    tiles = [(c, min(c + step, columns), r, min(r + step, rows)) for r in range(0, rows, step) for c in range(0, columns, step)]
    start = 0 if section == "south" else 1
    names = [(*tile, str(2 * i + start)) for i, tile in enumerate(tiles)]
    return [
        ("patrol_division", "division_digit", divisions),
        ("council_district", "council_district", councils),
        ("neighborhood", "neighborhood", names),
    ]


def _name(kind: str, code: str) -> str | None:
    if kind == "patrol_division":
        return DIVISION_OF_BEAT_DIGIT[code]
    if kind == "council_district":
        return code
    number = int(code)
    if number % 41 == 40:  # six of the city's 246 neighborhoods have no name
        return None
    suffix = number // len(_NAMES)
    return _NAMES[number % len(_NAMES)] + (_SUFFIXES[suffix] if suffix < len(_SUFFIXES) else f" {suffix}")


def _beat_tail(parcels: pd.DataFrame) -> NDArray[np.str_]:
    across, down = (parcels["col"].to_numpy() + 20) // 5 % 4 + 1, parcels["row"].to_numpy() // 4 % 4 + 1
    tail: NDArray[np.str_] = (down * 10 + across).astype(str)
    return tail
