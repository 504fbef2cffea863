"""Lots of the synthetic city: two rows of them in each block, with addresses, land use and KIVA PINs."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.sandbox.draws import generator
from kc_pipeline.sandbox.ground import BLOCK_WIDTH_M, HALF_STREET_M, TENTH, Line
from kc_pipeline.sandbox.street_names import ARTERIALS, LOCUST

# Land-use codes of the city (data set 83fx-3sa2) by kind of parcel, with their shares.
_LAND_USE = {
    "residential": (("1111", 0.80), ("1122", 0.10), ("1124", 0.05), ("1125", 0.05)),
    "vacant": (("9500", 1.0),),
    "commercial": (("2100", 0.72), ("2300", 0.16), ("2200", 0.08), ("5212", 0.04)),
    "large": (("3120", 0.4), ("3110", 0.2), ("4110", 0.15), ("6620", 0.15), ("7100", 0.1)),
}

_SOUTH_ZIP_CODES = (
    "64108", "64109", "64111", "64106", "64110", "64112", "64113", "64124", "64127", "64128", "64129", "64130", "64131",
    "64132", "64133", "64134", "64114",
)  # fmt: skip
_NORTH_ZIP_CODES = ("64116", "64117", "64118", "64119", "64155", "64156")


def divide_blocks(columns: tuple[int, int], rows: dict[str, tuple[Line, ...]], faces: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The parcels, as described in `layout.Layout`.

    Args:
        columns: offsets of the first and last avenue.
        rows: street lines by section.
        faces: street segments.
        seed: the city's seed.
    """
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
    middle, east_edge = xa + BLOCK_WIDTH_M / 2, xa + BLOCK_WIDTH_M - HALF_STREET_M
    p["x0"], p["x1"] = np.where(west, xa + HALF_STREET_M, middle), np.where(west, middle, east_edge)
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
    p["kiva_pin"] = (rng.permutation(len(p)) + 1_000).astype(str)
    helpers = ["y_start", "y_end", "lots", "span", "low", "avenue_face", "low_street_face", "high_street_face", "low_node", "high_node"]
    return p.drop(columns=helpers)


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
            wanted = pd.MultiIndex.from_arrays([[line] * len(r), [section] * len(r), row, column])
            part[name] = key.reindex(wanted).to_numpy().astype(np.int64)
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
    west_of_locust = (p["section"].to_numpy() == "south") & (p["col"].to_numpy() == LOCUST - 1) & (p["side"].to_numpy() == 1)
    of_block: NDArray[np.bool_] = west_of_locust & (p["low"].to_numpy() == 100 * TENTH)
    return of_block


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
    south, north = np.array(_SOUTH_ZIP_CODES), np.array(_NORTH_ZIP_CODES)
    across, down = (p["col"].to_numpy() + 20) // 14, np.maximum(p["low"].to_numpy() // 100 - 2, 0) // 14
    code = across * 3 + down
    zip_codes: NDArray[np.str_] = np.where(p["section"].to_numpy() == "south", south[code % len(south)], north[code % len(north)])
    return zip_codes
