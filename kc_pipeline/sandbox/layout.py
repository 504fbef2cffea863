"""Streets, blocks and parcels of the synthetic city, in metres around 10th and Locust.

`x` grows to the east and `y` to the north. Avenues lie 100 m apart and numbered streets 200 m; some hundred-blocks
are halved by a terrace. A *face* is one street segment between two crossings, with its house numbers; a *node* is a
crossing. Who does business on a parcel is in `registers`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from kc_pipeline.sandbox.ground import BLOCK_HEIGHT_M, BLOCK_WIDTH_M, RIVER_M, TENTH, Line
from kc_pipeline.sandbox.lots import divide_blocks
from kc_pipeline.sandbox.street_names import EASTERNMOST, LOCUST, WESTERNMOST, StreetName, avenue, cross_street

FULL_CITY_BLOCKS = 8_750
EXPRESS_STOP_ADDRESS = "1000 Locust St"
_FIRST_NORTH_NUMBER = 33
_TERRACE_EVERY = 7


@dataclass(frozen=True)
class Layout:
    """The city's ground.

    Attributes:
        parcels: one row per parcel, index 0..n-1: rectangle (x0, y0, x1, y1), centre (x, y), kind, land_use, block
            (col, row, north), address parts and text, face and node, zip_code, kiva_pin, frontage point (front_x, front_y).
        faces: one row per street segment: ends (x0, y0, x1, y1), street parts, full name, hundred, low and high number.
        nodes: one row per crossing: x, y, avenue and street names.
        columns: offsets from Main Street of the first and last avenue.
        rows: per section ('south', 'north'), the street lines in order of rising house numbers.
    """

    parcels: pd.DataFrame
    faces: pd.DataFrame
    nodes: pd.DataFrame
    columns: tuple[int, int]
    rows: dict[str, tuple[Line, ...]]

    @cached_property
    def express_stop(self) -> int:
        """Index of the parcel at 10th and Locust."""
        return int(self.parcels.index[self.parcels["address"].to_numpy() == EXPRESS_STOP_ADDRESS][0])


def lay_out(scale: float, seed: int) -> Layout:
    """The city's ground at a scale; 1.0 has about 200,000 parcels.

    Raises:
        ValueError: the scale is not between 0.005 and 1.2.
    """
    if not 0.005 <= scale <= 1.2:
        raise ValueError(f"scale is {scale}; a city can be built from 0.005 to 1.2 (1.0 is the full city)")
    blocks = FULL_CITY_BLOCKS * scale
    width = max(6, round(16 * (scale / 0.05) ** 0.5))
    first = max(LOCUST - width // 2, WESTERNMOST)
    width = min(width, EASTERNMOST - first)
    lines = round(blocks / width)
    south = round(lines * 0.8)
    first_number = max(4, TENTH - south // 2)
    rows = {
        "south": _lines(first_number, south, lambda n: -(n - TENTH) * BLOCK_HEIGHT_M, -1),
        "north": _lines(
            _FIRST_NORTH_NUMBER, max(2, lines - south),
            lambda n: (TENTH - first_number + n - _FIRST_NORTH_NUMBER) * BLOCK_HEIGHT_M + RIVER_M, 1,
        ),
    }  # fmt: skip
    columns = (first, first + width)
    faces, nodes = _streets(columns, rows)
    return Layout(divide_blocks(columns, rows, faces, seed), faces, nodes, columns, rows)


def _lines(first: int, count: int, y_of: Callable[[int], float], direction: int) -> tuple[Line, ...]:
    lines = []
    for number in range(first, first + count + 1):
        y = y_of(number)
        lines.append(Line(number, False, y))
        if number % _TERRACE_EVERY == 0 and number < first + count:
            lines.append(Line(number, True, y + direction * BLOCK_HEIGHT_M / 2))
    return tuple(lines)


def _streets(columns: tuple[int, int], rows: dict[str, tuple[Line, ...]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    faces: list[tuple[object, ...]] = []
    nodes: list[tuple[object, ...]] = []
    offsets = range(columns[0], columns[1] + 1)
    for section, lines in rows.items():
        north = section == "north"
        for r, line in enumerate(lines):
            for c in offsets:
                x = (c - LOCUST) * BLOCK_WIDTH_M
                east = cross_street(line.number, east=c >= 0, north=north, terrace=line.terrace)
                nodes.append((section, r, c, x, line.y, avenue(c, north=north).full, east.full))
                if c < columns[1]:
                    name = cross_street(line.number, east=c >= 0, north=north, terrace=line.terrace)
                    hundred = 100 * c if c >= 0 else 100 * (-c - 1)
                    ends = (x, line.y, x + BLOCK_WIDTH_M, line.y)
                    faces.append(("street", section, r, c, *ends, *_parts(name), hundred, max(hundred, 1), hundred + 99))
                if r + 1 < len(lines):
                    low = 100 * line.number + 50 * line.terrace
                    high = low + (49 if line.terrace or lines[r + 1].terrace else 99)
                    name = avenue(c, north=north)
                    faces.append(("avenue", section, r, c, x, line.y, x, lines[r + 1].y, *_parts(name), 100 * line.number, low, high))
    place, words, numbers = (
        ["line", "section", "row", "col", "x0", "y0", "x1", "y1"],
        ["prefix", "street", "street_type", "full"],
        ["hundred", "low", "high"],
    )
    return pd.DataFrame(faces, columns=place + words + numbers), pd.DataFrame(
        nodes, columns=["section", "row", "col", "x", "y", "avenue", "street"]
    )


def _parts(name: StreetName) -> tuple[str, str, str, str]:
    return name.prefix, name.name, name.type, name.full
