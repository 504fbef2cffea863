"""Streets, blocks and parcels of the synthetic city, in metres around 10th and Locust.

`x` grows to the east and `y` to the north. Avenues lie 100 m apart and numbered streets 200 m; some hundred-blocks
are halved by a terrace. A *face* is one street segment between two crossings, with its house numbers; a *node* is a
crossing. Who does business on a parcel is in `registers`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.sandbox.draws import generator
from kc_pipeline.sandbox.street_names import ARTERIALS, EASTERNMOST, LOCUST, WESTERNMOST, StreetName, avenue, cross_street

ORIGIN_LONGITUDE, ORIGIN_LATITUDE = -94.5755, 39.1018  # 10th and Locust
BLOCK_WIDTH_M, BLOCK_HEIGHT_M, HALF_STREET_M, RIVER_M = 100.0, 200.0, 10.0, 700.0
FULL_CITY_BLOCKS = 8_750
EXPRESS_STOP_ADDRESS = "1000 Locust St"
_FIRST_NORTH_NUMBER, _TENTH = 33, 10
_TERRACE_EVERY = 7
# Land-use codes of the city (data set 83fx-3sa2) by kind of parcel, with their shares.
_LAND_USE = {
    "residential": (("1111", 0.80), ("1122", 0.10), ("1124", 0.05), ("1125", 0.05)),
    "vacant": (("9500", 1.0),),
    "commercial": (("2100", 0.72), ("2300", 0.16), ("2200", 0.08), ("5212", 0.04)),
    "large": (("3120", 0.4), ("3110", 0.2), ("4110", 0.15), ("6620", 0.15), ("7100", 0.1)),
}


@dataclass(frozen=True)
class Line:
    """One east-west street line across the city.

    Attributes:
        number: its number ('E 43rd St'), also for a terrace ('E 43rd Ter').
        terrace: whether it is the terrace south (north of the river: north) of that street.
        y: metres north of 10th Street.
    """

    number: int
    terrace: bool
    y: float


@dataclass(frozen=True)
class Layout:
    """The city's ground.

    Attributes:
        parcels: one row per parcel, index 0..n-1: rectangle (x0, y0, x1, y1), centre (x, y), kind, land_use, block
            (col, row, north), address parts and text, face and node, zip_code, frontage point (front_x, front_y).
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


def to_degrees(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude (WGS 84) of layout coordinates in metres."""
    from pyproj import Transformer

    plane = f"+proj=aeqd +lat_0={ORIGIN_LATITUDE} +lon_0={ORIGIN_LONGITUDE} +datum=WGS84 +units=m"
    longitude, latitude = Transformer.from_crs(plane, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(longitude), np.asarray(latitude)


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
    first_number = max(4, _TENTH - south // 2)
    rows = {
        "south": _lines(first_number, south, lambda n: -(n - _TENTH) * BLOCK_HEIGHT_M, -1),
        "north": _lines(
            _FIRST_NORTH_NUMBER, max(2, lines - south),
            lambda n: (_TENTH - first_number + n - _FIRST_NORTH_NUMBER) * BLOCK_HEIGHT_M + RIVER_M, 1,
        ),
    }  # fmt: skip
    columns = (first, first + width)
    faces, nodes = _streets(columns, rows)
    return Layout(_parcels(columns, rows, faces, nodes, seed), faces, nodes, columns, rows)


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
                    faces.append(("street", section, r, c, x, line.y, x + BLOCK_WIDTH_M, line.y, *_parts(name), hundred, max(hundred, 1), hundred + 99))
                if r + 1 < len(lines):
                    low = 100 * line.number + 50 * line.terrace
                    high = low + (49 if line.terrace or lines[r + 1].terrace else 99)
                    faces.append(("avenue", section, r, c, x, line.y, x, lines[r + 1].y, *_parts(avenue(c, north=north)), 100 * line.number, low, high))
    face_columns = ["line", "section", "row", "col", "x0", "y0", "x1", "y1", "prefix", "street", "street_type", "full", "hundred", "low", "high"]
    return pd.DataFrame(faces, columns=face_columns), pd.DataFrame(nodes, columns=["section", "row", "col", "x", "y", "avenue", "street"])


def _parts(name: StreetName) -> tuple[str, str, str, str]:
    return name.prefix, name.name, name.type, name.full


def _parcels(columns: tuple[int, int], rows: dict[str, tuple[Line, ...]], faces: pd.DataFrame, nodes: pd.DataFrame, seed: int) -> pd.DataFrame:
    sides = _block_sides(columns, rows, faces, seed)
    rng = generator(seed, "parcels")
    n = sides["lots"].to_numpy()
    p = sides.loc[sides.index.repeat(n)].reset_index(drop=True)
    k = np.arange(len(p)) - np.repeat(np.cumsum(n) - n, n)
    lots = p["lots"].to_numpy()
    step = (p["y_end"].to_numpy() - p["y_start"].to_numpy()) / lots
    ya, yb = p["y_start"].to_numpy() + k * step, p["y_start"].to_numpy() + (k + 1) * step
    west = p["side"].to_numpy() == 0
    xa = (p["col"].to_numpy() - LOCUST) * BLOCK_WIDTH_M
    p["x0"], p["x1"] = np.where(west, xa + HALF_STREET_M, xa + BLOCK_WIDTH_M / 2), np.where(west, xa + BLOCK_WIDTH_M / 2, xa + BLOCK_WIDTH_M - HALF_STREET_M)
    p["y0"], p["y1"] = np.minimum(ya, yb), np.maximum(ya, yb)
    p["x"], p["y"] = (p["x0"] + p["x1"]) / 2, (p["y0"] + p["y1"]) / 2
    span = p["span"].to_numpy()
    number = p["low"].to_numpy() + 2 * (k * (span + 1) // (2 * lots)) + west
    face = p["avenue_face"].to_numpy().copy()
    low_end, high_end = k == 0, k == lots - 1
    express = _is_express_side(p) & low_end
    corner = (low_end | high_end) & (rng.random(len(p)) < 0.6) & ~express
    face = np.where(corner, np.where(low_end, p["low_street_face"], p["high_street_face"]), face)
    # The lots south of a street have even numbers, those north of it odd ones; west of Main Street numbers run westward.
    south_of_street = np.where(p["section"].to_numpy() == "south", low_end, high_end & ~low_end)
    quarter = np.where(west == (p["col"].to_numpy() >= 0), 24, 74)
    number = np.where(corner, faces["hundred"].to_numpy()[face] + quarter + ~south_of_street, number)
    p["face"], p["number"], p["is_corner"] = face, number, low_end | high_end
    nearer_low = k < lots / 2
    p["node"] = np.where(nearer_low, p["low_node"], p["high_node"]).astype(np.int64)
    side_sign = np.where(west, -1.0, 1.0)
    f = faces.loc[face].reset_index(drop=True)
    p["front_x"] = np.where(corner, p["x"], np.where(west, p["x0"], p["x1"]) + side_sign * HALF_STREET_M)
    p["front_y"] = np.where(corner, f["y0"], p["y"])
    for part in ("prefix", "street", "street_type", "full"):
        p[part] = f[part].to_numpy()
    vacant = (p["kind"].to_numpy() == "residential") & (rng.random(len(p)) < 0.06)
    p["kind"] = np.where(express, "commercial", np.where(vacant, "vacant", p["kind"].to_numpy(dtype=object)))
    p["land_use"] = _land_use(p["kind"].to_numpy(dtype=object), rng.random(len(p)))
    p.loc[express, "land_use"] = "2100"
    p["fraction"] = np.where((p["kind"].to_numpy() == "residential") & (rng.random(len(p)) < 0.002), "1/2", "")
    number_text = p["number"].astype(str) + np.where(p["fraction"] == "", "", " " + p["fraction"])
    p["address"] = number_text + " " + p["full"]
    p["zip_code"] = _zip_codes(p)
    return p.drop(columns=["y_start", "y_end", "lots", "span", "low", "avenue_face", "low_street_face", "high_street_face", "low_node", "high_node"])


def _block_sides(columns: tuple[int, int], rows: dict[str, tuple[Line, ...]], faces: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Two sides per block, each with its number of lots and the street segments around it."""
    rng = generator(seed, "blocks")
    width = columns[1] - columns[0]
    key = faces.reset_index().set_index(["line", "section", "row", "col"])["index"]
    parts = []
    node_start = 0
    for section, lines in rows.items():
        y = np.array([line.y for line in lines])
        r, c, side = (a.ravel() for a in np.meshgrid(np.arange(len(lines) - 1), np.arange(width), [0, 1], indexing="ij"))
        inset = HALF_STREET_M * np.sign(y[1] - y[0])
        col = c + columns[0]
        part = pd.DataFrame({"section": section, "row": r, "col": col, "side": side, "y_start": y[r] + inset, "y_end": y[r + 1] - inset})
        for name, line, row, column in (
            ("avenue_face", "avenue", r, col + side), ("low_street_face", "street", r, col), ("high_street_face", "street", r + 1, col),
        ):  # fmt: skip
            part[name] = key.reindex(pd.MultiIndex.from_arrays([[line] * len(r), [section] * len(r), row, column])).to_numpy().astype(np.int64)
        part["low_node"] = node_start + r * (width + 1) + c + side
        part["high_node"] = part["low_node"] + width + 1
        node_start += len(lines) * (width + 1)
        parts.append(part)
    sides = pd.concat(parts, ignore_index=True)
    segment = faces.loc[sides["avenue_face"]].reset_index(drop=True)
    sides["low"], sides["span"] = segment["low"].to_numpy(), (segment["high"] - segment["low"]).to_numpy()
    half = sides["span"].to_numpy() < 60
    arterial = segment["street"].isin({name.split(" ")[0] for name in ARTERIALS}).to_numpy()
    downtown = (sides["section"].to_numpy() == "south") & (sides["low"].to_numpy() < 1400) & (np.abs(sides["col"].to_numpy() - 2) < 6)
    u = rng.random(len(sides))
    share = np.where(downtown, 0.42, np.where(arterial, 0.45, 0.07))
    express = _is_express_side(sides)
    kind = np.where((u < share) | express, "commercial", np.where(u < share + 0.03, "large", "residential"))
    lots = np.where(kind == "commercial", 5, np.where(kind == "large", 2, rng.integers(12, 15, len(sides))))
    sides["kind"], sides["lots"] = kind, np.maximum(1, np.where(half, lots // 2, lots))
    return sides


def _is_express_side(p: pd.DataFrame) -> NDArray[np.bool_]:
    return (
        (p["section"].to_numpy() == "south") & (p["col"].to_numpy() == LOCUST - 1) & (p["side"].to_numpy() == 1) & (p["low"].to_numpy() == 100 * _TENTH)
    )


def _land_use(kinds: NDArray[np.object_], u: NDArray[np.float64]) -> NDArray[np.object_]:
    codes = np.empty(len(kinds), dtype=object)
    for kind, shares in _LAND_USE.items():
        edges = np.cumsum([share for _, share in shares])
        of_kind = kinds == kind
        names = np.array([code for code, _ in shares], dtype=object)
        codes[of_kind] = names[np.minimum(np.searchsorted(edges, u[of_kind], side="right"), len(names) - 1)]
    return codes


def _zip_codes(p: pd.DataFrame) -> NDArray[np.str_]:
    """ZIP codes as areas of about 14 by 14 blocks."""
    south = np.array(["64108", "64109", "64111", "64106", "64110", "64112", "64113", "64124", "64127", "64128", "64129", "64130", "64131", "64132", "64133", "64134", "64114"])
    north = np.array(["64116", "64117", "64118", "64119", "64155", "64156"])
    across, down = (p["col"].to_numpy() + 20) // 14, np.maximum(p["low"].to_numpy() // 100 - 2, 0) // 14
    code = across * 3 + down
    return np.where(p["section"].to_numpy() == "south", south[code % len(south)], north[code % len(north)])
