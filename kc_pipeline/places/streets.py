"""Streets as lines of blocks: where each hundred-block lies, and where streets cross.

A street's blocks come from its centre line where the city publishes one, else from the known addresses along it.  All
positions are metres in catalog.geography.PROJECTED_CRS, in columns `east_m` and `north_m`.
"""

import numpy as np
import pandas as pd
import shapely

from kc_pipeline.places.addresses import canonical_street
from kc_pipeline.places.geometry import project_shapes

# Blocks of American cities are 60 to 400 m long; two blocks further apart than this for their numbers are not neighbours.
_LONGEST_BLOCK_M, _SHORTEST_BLOCK_M, _JUMP_M = 400.0, 60.0, 200.0
_FAR_FROM_BLOCK_M = 400.0  # an address this far from the middle of its block is a bad point
_LOOK_BACK = 3
_FEW_ADDRESSES = 2
_LONGEST_CARRY = 40  # hundreds
_BESIDE_M, _ENOUGH_BESIDE, _SPREAD_M = 1_500.0, 3, 150.0
_TOUCH_M = 1.0
_NEAR_MISS_M = 60.0  # lines drawn through house points miss a corner by up to this
_LONGEST_UNKNOWN_M = 500.0  # a drawn line says nothing about corners further than this from any of its known blocks
_SAME_CORNER_M = 200.0  # a winding street can meet another more than once at what people call one corner

_ENDS_AND_MIDDLE = {"a": 0.0, "m": 0.5, "b": 1.0}

KNOTS = ["street", "hundred", "chain", "east_m", "north_m", "length_m", "reach_m", "address_count", "is_line"]


def find_blocks(addresses: pd.DataFrame, centre_lines: pd.DataFrame) -> pd.DataFrame:
    """Known hundred-blocks of every street.

    Args:
        addresses: one row per address with street, number (house number above 0), east_m, north_m.
        centre_lines: segments as `read_centre_lines` gives them.

    Returns:
        Frame sorted by street and hundred: street; hundred (0 for house numbers 1 to 99); chain (blocks of a street that
        lie in a row share it); middle east_m, north_m; length_m of the block; reach_m, the distance from the middle to
        its farthest end or address; address_count; is_line (from a centre line).  A block that its neighbours contradict
        and only a few addresses speak for is left out.
    """
    blocks = _blocks_of_addresses(addresses)
    lines = _blocks_of_lines(centre_lines)
    known = pd.MultiIndex.from_frame(lines[["street", "hundred"]])
    blocks = blocks[~pd.MultiIndex.from_frame(blocks[["street", "hundred"]]).isin(known)]
    blocks = pd.concat([blocks, lines], ignore_index=True).sort_values(["street", "hundred"], ignore_index=True)
    blocks["chain"] = _chains(blocks)
    blocks = _without_contradicted(blocks)
    nearer, farther = _spacing(blocks)
    blocks["length_m"] = blocks["length_m"].fillna(nearer)
    drawn = ~blocks["is_line"].astype(bool)
    blocks["reach_m"] = np.maximum(blocks["reach_m"], np.where(drawn, farther, blocks["length_m"]) / 2)
    return blocks[KNOTS].reset_index(drop=True)


def fill_gaps(blocks: pd.DataFrame, longest_gap: int, beyond: int) -> pd.DataFrame:
    """Blocks that no register names, between known blocks of one chain and a little beyond its ends.

    Args:
        blocks: rows of `find_blocks`.
        longest_gap: blocks are filled in where two known ones are at most so many hundreds apart.
        beyond: hundreds to go on past either end of a chain.

    Returns:
        Frame with street, hundred, east_m, north_m, length_m, reach_m, gap (hundreds to the nearest known block) and
        is_between; none for a block that another chain of the street knows.
    """
    after = blocks.groupby("chain").shift(-1)
    gap = after["hundred"] - blocks["hundred"]
    parts = [_between(blocks, after, gap, longest_gap), *(_beyond(blocks, side, beyond) for side in (1, -1))]
    filled = pd.concat(parts, ignore_index=True)
    known = pd.MultiIndex.from_frame(blocks[["street", "hundred"]])
    filled = filled[~pd.MultiIndex.from_frame(filled[["street", "hundred"]]).isin(known) & (filled["hundred"] >= 0)]
    return filled.sort_values(["street", "hundred", "gap"]).drop_duplicates(["street", "hundred"], ignore_index=True)


def carry_along(asked: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Blocks far from any known block of their street, set as the streets beside it go on.

    A street beside it counts if it knows both of the street's blocks nearest in number, and goes from one to the other
    the same way; the way on to the asked block is the median of theirs.

    Args:
        asked: street and hundred of each block.
        blocks: street, hundred, east_m, north_m of known blocks.

    Returns:
        Frame indexed as `asked` with east_m, north_m and spread_m (how far the streets beside disagree in nine of ten);
        without the blocks for which fewer than three streets can be asked, or that disagree by more than 150 m.
    """
    own = asked.reset_index(names="row").merge(blocks, on="street", suffixes=("_asked", ""))
    own["steps"] = (own["hundred"] - own["hundred_asked"]).abs()
    own = own[own["steps"] <= _LONGEST_CARRY].sort_values(["row", "steps", "hundred"])
    order = own.groupby("row").cumcount()
    pairs = own[order == 0].merge(own[order == 1], on="row", suffixes=("_near", "_next"))
    for name in ("near", "next", "asked"):
        column = "hundred_asked_near" if name == "asked" else f"hundred_{name}"
        names = {"street": "beside", "hundred": column, "east_m": f"beside_east_{name}", "north_m": f"beside_north_{name}"}
        beside = blocks.rename(columns=names)
        pairs = pairs.merge(beside[list(names.values())], on=[column] if name == "near" else ["beside", column])
        if name == "near":
            away = np.hypot(pairs["beside_east_near"] - pairs["east_m_near"], pairs["beside_north_near"] - pairs["north_m_near"])
            pairs = pairs[away.between(1.0, _BESIDE_M)]
    way = pairs["east_m_next"] - pairs["east_m_near"], pairs["north_m_next"] - pairs["north_m_near"]
    their_way = pairs["beside_east_next"] - pairs["beside_east_near"], pairs["beside_north_next"] - pairs["beside_north_near"]
    pairs = pairs[np.hypot(way[0] - their_way[0], way[1] - their_way[1]) <= 0.2 * np.hypot(*way) + 20]
    spots = pd.DataFrame(
        {
            "row": pairs["row"],
            "east_m": pairs["east_m_near"] + pairs["beside_east_asked"] - pairs["beside_east_near"],
            "north_m": pairs["north_m_near"] + pairs["beside_north_asked"] - pairs["beside_north_near"],
        }
    )
    found = spots.groupby("row").median()
    middle = found.loc[spots["row"]]
    off = np.hypot(spots["east_m"] - middle["east_m"].to_numpy(), spots["north_m"] - middle["north_m"].to_numpy())
    found["spread_m"] = off.groupby(spots["row"]).quantile(0.9)
    return found[(spots.groupby("row").size() >= _ENOUGH_BESIDE) & (found["spread_m"] <= _SPREAD_M)]


def find_crossings(blocks: pd.DataFrame, centre_lines: pd.DataFrame) -> pd.DataFrame:
    """Corners of two streets.

    Args:
        blocks: rows of `find_blocks`.
        centre_lines: segments as `read_centre_lines` gives them.

    Returns:
        Frame with street, cross_street (in alphabetical order), east_m, north_m, spread_m (distance between the points that
        came into question), unknown_m (how far the nearest known block of either street is) and is_line (both streets from
        centre lines).  Streets that meet at corners further apart than
        200 m have no row: which corner is meant is not known.
    """
    lines = _lines(blocks, centre_lines)
    shapes = lines["shape"].to_numpy()
    tree = shapely.STRtree(shapes)
    left, right = tree.query(shapes, predicate="dwithin", distance=_NEAR_MISS_M)
    streets = lines["street"].to_numpy(dtype=object)
    ordered = streets[left] < streets[right]
    left, right = left[ordered], right[ordered]
    exact = lines["is_line"].to_numpy()[left] & lines["is_line"].to_numpy()[right]
    between = shapely.shortest_line(shapes[left], shapes[right])
    miss = shapely.length(between)
    meeting = shapely.intersection(shapes[left], shapes[right])
    meets = ~shapely.is_empty(meeting)
    spots = np.where(meets, shapely.centroid(meeting), shapely.line_interpolate_point(between, 0.5, normalized=True))
    xmin, ymin, xmax, ymax = shapely.bounds(np.where(meets, meeting, between)).T
    known = lines["known"].to_numpy()
    found = pd.DataFrame(
        {
            "street": streets[left], "cross_street": streets[right], "east_m": shapely.get_x(spots), "north_m": shapely.get_y(spots),
            "spread_m": np.hypot(xmax - xmin, ymax - ymin), "is_line": exact,
            "unknown_m": np.maximum(shapely.distance(spots, known[left]), shapely.distance(spots, known[right])),
        }
    )  # fmt: skip
    found = found[(~exact | (miss < _TOUCH_M)) & (found["unknown_m"] <= _LONGEST_UNKNOWN_M)]
    by_pair = found.groupby(["street", "cross_street"], as_index=False)
    corners = by_pair.agg(
        east_m=("east_m", "mean"), north_m=("north_m", "mean"),
        spread_m=("spread_m", "max"), unknown_m=("unknown_m", "max"), is_line=("is_line", "all"),
        west=("east_m", "min"), east=("east_m", "max"), south=("north_m", "min"), north=("north_m", "max"),
    )  # fmt: skip
    corners["spread_m"] = np.maximum(corners["spread_m"], np.hypot(corners["east"] - corners["west"], corners["north"] - corners["south"]))
    columns = ["street", "cross_street", "east_m", "north_m", "spread_m", "unknown_m", "is_line"]
    return corners.loc[corners["spread_m"] <= _SAME_CORNER_M, columns]


def read_centre_lines(streets: pd.DataFrame) -> pd.DataFrame:
    """Centre-line segments in metres.

    Args:
        streets: rows of clean/streets (geometry as WKB in EPSG:4326).

    Returns:
        Frame with street (canonical), low and high (house numbers, NaN where not given) and shape (LineString); empty and
        other geometry is left out.
    """
    shapes = project_shapes(shapely.from_wkb(streets["geometry"].to_numpy(dtype=object)))
    names = {name: canonical_street(str(name).upper()) for name in streets["street_name"].dropna().unique()}
    lines = pd.DataFrame(
        {
            "street": streets["street_name"].map(names),
            "low": streets[["from_number", "to_number"]].astype(float).min(axis=1),
            "high": streets[["from_number", "to_number"]].astype(float).max(axis=1),
            "shape": shapes,
        }
    )  # fmt: skip
    lines = lines[lines["street"].fillna("").ne("") & ~shapely.is_empty(shapes)].reset_index(drop=True)
    parts, whole = shapely.get_parts(lines["shape"].to_numpy(), return_index=True)
    return lines.iloc[whole].assign(shape=parts)[shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING].reset_index(drop=True)


def _blocks_of_addresses(addresses: pd.DataFrame) -> pd.DataFrame:
    rows = addresses.assign(hundred=addresses["number"].astype(int) // 100)
    keys = ["street", "hundred"]
    middle = rows.groupby(keys)[["east_m", "north_m"]].transform("median")
    off = np.hypot(rows["east_m"] - middle["east_m"], rows["north_m"] - middle["north_m"])
    rows = rows[off <= _FAR_FROM_BLOCK_M]
    middle = rows.groupby(keys)[["east_m", "north_m"]].transform("median")
    rows = rows.assign(off=np.hypot(rows["east_m"] - middle["east_m"], rows["north_m"] - middle["north_m"]))
    blocks = rows.groupby(keys, as_index=False).agg(
        east_m=("east_m", "median"), north_m=("north_m", "median"), reach_m=("off", "max"), address_count=("off", "size")
    )
    return blocks.assign(length_m=np.nan, is_line=False)


def _blocks_of_lines(lines: pd.DataFrame) -> pd.DataFrame:
    """Centre-line segments cut into hundred-blocks; a segment over several hundreds is cut in proportion to its numbers."""
    numbered = lines[lines["high"].gt(0)]
    first, last = (numbered["low"] // 100).astype(int), (numbered["high"] // 100).astype(int)
    count = (last - first + 1).to_numpy()
    pieces = numbered.loc[numbered.index.repeat(count)]
    order = np.arange(len(pieces)) - np.repeat(np.cumsum(count) - count, count)
    share = np.repeat(1.0 / count, count)
    shape = pieces["shape"].to_numpy()
    at = {
        name: shapely.line_interpolate_point(shape, (order + f) * share, normalized=True)
        for name, f in (("a", 0.0), ("m", 0.5), ("b", 1.0))
    }
    rows = pd.DataFrame({"street": pieces["street"].to_numpy(), "hundred": np.repeat(first.to_numpy(), count) + order})
    rows["piece_m"] = shapely.length(shape) * share
    for name, points in at.items():
        rows[f"east_{name}"], rows[f"north_{name}"] = shapely.get_x(points), shapely.get_y(points)
    keys = [rows["street"], rows["hundred"]]
    weight = rows["piece_m"].clip(lower=0.1)
    total = weight.groupby(keys).sum()
    blocks = pd.DataFrame({f"{axis}_m": (rows[f"{axis}_m"] * weight).groupby(keys).sum() / total for axis in ("east", "north")})
    middle = blocks.loc[pd.MultiIndex.from_arrays(keys)]
    ends = [np.hypot(rows[f"east_{e}"] - middle["east_m"].to_numpy(), rows[f"north_{e}"] - middle["north_m"].to_numpy()) for e in "ab"]
    blocks["reach_m"] = pd.Series(np.maximum(*ends), index=rows.index).groupby(keys).max()
    blocks["length_m"] = rows["piece_m"].groupby(keys).sum()
    return blocks.rename_axis(["street", "hundred"]).reset_index().assign(address_count=0, is_line=True)


def _chains(blocks: pd.DataFrame) -> np.ndarray:
    """Number of the row of blocks that each block belongs to; blocks sorted by street and hundred."""
    street = pd.factorize(blocks["street"])[0]
    hundred, east, north = (blocks[name].to_numpy(float) for name in ("hundred", "east_m", "north_m"))
    before = np.full(len(blocks), -1)
    undecided = np.ones(len(blocks), dtype=bool)
    for back in range(1, _LOOK_BACK + 1):
        i = np.flatnonzero(undecided[back:]) + back
        j = i - back
        near = np.hypot(east[i] - east[j], north[i] - north[j]) <= (hundred[i] - hundred[j]) * _LONGEST_BLOCK_M + _JUMP_M
        linked = i[(street[i] == street[j]) & near]
        before[linked] = linked - back
        undecided[linked] = False
    root = list(range(len(blocks)))
    for row in np.flatnonzero(before >= 0).tolist():  # in ascending order, so a predecessor's root is known
        root[row] = root[before[row]]
    return np.array(root, dtype=int)


def _without_contradicted(blocks: pd.DataFrame) -> pd.DataFrame:
    support = blocks["address_count"].where(~blocks["is_line"], 100).groupby(blocks["chain"]).transform("sum")
    strongest = support.groupby(blocks["street"]).transform("max")
    return blocks[(support > _FEW_ADDRESSES) | (strongest <= 2 * support)].reset_index(drop=True)


def _spacing(blocks: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Metres per hundred to the nearer and the farther of a block's neighbours in its chain; the usual where it has none."""
    by_chain = blocks.groupby("chain")
    metres = []
    for side in (1, -1):
        other = by_chain[["hundred", "east_m", "north_m"]].shift(side)
        away = np.hypot(blocks["east_m"] - other["east_m"], blocks["north_m"] - other["north_m"])
        metres.append(away / (blocks["hundred"] - other["hundred"]).abs())
    both = pd.concat(metres, axis="columns").astype(float)
    usual = both.min(axis="columns").median()
    usual = 2 * _SHORTEST_BLOCK_M if np.isnan(usual) else float(usual)
    nearer, farther = (ends.fillna(usual).clip(_SHORTEST_BLOCK_M, _LONGEST_BLOCK_M) for ends in (both.min(axis=1), both.max(axis=1)))
    return nearer, farther


def _between(blocks: pd.DataFrame, after: pd.DataFrame, gap: pd.Series, longest_gap: int) -> pd.DataFrame:
    wide = gap.between(2, longest_gap)
    low, high = blocks[wide], after[wide]
    count = gap[wide].astype(int).to_numpy() - 1
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + 1
    low, high, width = low.loc[low.index.repeat(count)], high.loc[high.index.repeat(count)], np.repeat(count + 1, count)
    share = step / width
    position = {c: low[c].to_numpy() + share * (high[c].to_numpy() - low[c].to_numpy()) for c in ("east_m", "north_m")}
    metres = np.hypot(high["east_m"].to_numpy() - low["east_m"].to_numpy(), high["north_m"].to_numpy() - low["north_m"].to_numpy())
    length = np.clip(metres / width, _SHORTEST_BLOCK_M, _LONGEST_BLOCK_M)
    return pd.DataFrame(
        {
            "street": low["street"].to_numpy(), "hundred": low["hundred"].to_numpy() + step, **position,
            "length_m": length, "reach_m": length / 2, "gap": np.minimum(step, width - step), "is_between": True,
        }
    )  # fmt: skip


def _beyond(blocks: pd.DataFrame, side: int, beyond: int) -> pd.DataFrame:
    """Blocks past the upper (side 1) or lower (-1) end of each chain of two or more, straight on; round a chain of one."""
    ends = _chain_ends(blocks, side)
    inner = blocks.groupby("chain")[["hundred", "east_m", "north_m"]].shift(side).loc[ends.index]
    parts = []
    for step in range(1, beyond + 1):
        away = {c: ends[c] - inner[c] for c in ("east_m", "north_m")}
        metres = np.hypot(away["east_m"], away["north_m"])
        move = (step * ends["length_m"] / metres.where(metres > 0)).fillna(0.0)
        parts.append(
            pd.DataFrame(
                {
                    "street": ends["street"], "hundred": ends["hundred"] + side * step,
                    "east_m": ends["east_m"] + (away["east_m"] * move).fillna(0.0),
                    "north_m": ends["north_m"] + (away["north_m"] * move).fillna(0.0),
                    "length_m": ends["length_m"], "reach_m": ends["length_m"] * (0.5 + inner["hundred"].isna() * step),
                    "gap": step, "is_between": False,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _lines(blocks: pd.DataFrame, centre_lines: pd.DataFrame) -> pd.DataFrame:
    """Every street as lines: its centre lines, else the middles of its blocks, drawn on by a block at either end.

    Column `known` is what of a line is not guessed: all of a centre line, the blocks of a drawn one.
    """
    own = centre_lines[["street", "shape"]].assign(is_line=True, known=centre_lines["shape"])
    drawn = blocks[~blocks["street"].isin(own["street"])]
    drawn = drawn[drawn.groupby("chain")["chain"].transform("size") > 1]
    if drawn.empty:
        return own.reset_index(drop=True)
    ends = [_beyond(drawn, side, 1).assign(chain=_chain_ends(drawn, side)["chain"].to_numpy()) for side in (1, -1)]
    points = pd.concat([drawn, *ends], ignore_index=True).sort_values(["chain", "hundred"])
    number, _ = pd.factorize(points["chain"])
    inner, chains = pd.factorize(drawn["chain"])
    shapes = shapely.linestrings(points[["east_m", "north_m"]].to_numpy(float), indices=number)
    known = shapely.multipoints(drawn[["east_m", "north_m"]].to_numpy(float), indices=inner)
    street = drawn.drop_duplicates("chain").set_index("chain")["street"].reindex(chains).to_numpy()
    return pd.concat([own, pd.DataFrame({"street": street, "shape": shapes, "is_line": False, "known": known})], ignore_index=True)


def _chain_ends(blocks: pd.DataFrame, side: int) -> pd.DataFrame:
    return blocks.drop_duplicates("chain", keep="last" if side == 1 else "first")
