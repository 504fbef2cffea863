"""The assets as a picture: docs/graph.svg, drawn from the definitions by `kc graph`."""

from collections.abc import Mapping, Sequence
from html import escape

import dagster as dg

from kc_pipeline.catalog.sources import FEEDS

# Group -> what it is, the colour of its boxes, and that of their edges.
_GROUPS = {
    "raw": ("as the source sent it", "#e6edf4", "#7d93a8"),
    "clean": ("one row per event or record", "#e2f1e7", "#5f9c76"),
    "quarantine": ("what could not be used", "#f6e6e2", "#b9776a"),
    "core": ("addresses, businesses, what belongs where", "#fdf2d8", "#c29a3c"),
    "eval": ("model, back-test, fairness", "#efe6f5", "#9472ad"),
    "marts": ("what is said about a day", "#e0ecfb", "#5b86bd"),
    "warehouse": ("what BI reads", "#dcdfe6", "#6a7286"),
}
_OF_FEEDS = ("quarantine", "raw", "clean")  # a column each, a row per feed
_BOX, _ROW, _APART, _GAP, _MARGIN, _TOP, _LETTER, _PADDING = 25, 36, 64, 28, 14, 66, 6.8, 20  # pixels
_LEGEND = (290, 4)  # width of an entry, entries of a line
_SWEEPS = 12

Place = tuple[float, float, float]


def picture(defs: dg.Definitions) -> str:
    """The graph as SVG, a box per asset.

    A line that follows from others is left out: what an asset is made from is everything from which lines lead to it.
    """
    parents = _parents(defs)
    edges = _without_shortcuts(parents)
    columns = _columns(parents)
    _order(columns, edges)
    place = _places(columns)
    width = max(x + w for x, _, w in place.values()) + _MARGIN
    height = _TOP + max(map(len, columns)) * _ROW
    lines = [_line(place[above], place[below]) for above, below in edges]
    boxes = [_box(name, *place[name]) for column in columns for name in column]
    style = 'font-family="Helvetica, Arial, sans-serif" font-size="13"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" {style}>',
            "<title>The assets, from the city's feeds on the left to what BI reads on the right</title>",
            f'<rect width="{width:g}" height="{height}" fill="#ffffff"/>',
            *_legend(),
            *lines,
            *boxes,
            "</svg>\n",
        )
    )


def _parents(defs: dg.Definitions) -> dict[str, set[str]]:
    """Asset -> what it is made after; feeds in their order, then the others by name."""
    graph, order = defs.resolve_asset_graph(), {feed: number for number, feed in enumerate(FEEDS)}
    keys = sorted(graph.get_all_asset_keys(), key=lambda key: (order.get(key.path[-1], len(order)), key.path))
    return {key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys} for key in keys}


def _without_shortcuts(parents: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Edges but those that another path says as well."""
    above: dict[str, set[str]] = {}

    def ancestors(name: str) -> set[str]:
        if name not in above:
            above[name] = parents[name].union(*(ancestors(parent) for parent in parents[name]))
        return above[name]

    return sorted(
        (parent, name)
        for name in parents
        for parent in parents[name]
        if not any(parent in ancestors(other) for other in parents[name] - {parent})
    )


def _columns(parents: Mapping[str, set[str]]) -> list[list[str]]:
    """Assets in columns: the three tables of the feeds, then all others by how many steps they lie after them."""
    columns = [[name for name in parents if name.startswith(f"{group}/")] for group in _OF_FEEDS]
    rest, depth = [name for name in parents if name.partition("/")[0] not in _OF_FEEDS], dict[str, int]()

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((deep(parent) for parent in parents[name] if parent in rest), default=-1)
        return depth[name]

    return columns + [[name for name in rest if deep(name) == level] for level in range(1 + max(map(deep, rest)))]


def _order(columns: list[list[str]], edges: Sequence[tuple[str, str]]) -> None:
    """Put assets of a column near those they are joined to, going back and forth; feeds keep their order."""
    joined: dict[str, list[str]] = {}
    for above, below in edges:
        joined.setdefault(above, []).append(below)
        joined.setdefault(below, []).append(above)
    of_others = columns[len(_OF_FEEDS) :]
    for sweep in range(_SWEEPS):
        for column in of_others if sweep % 2 == 0 else reversed(of_others):
            height = {name: y for name, (_, y, _) in _places(columns).items()}
            middle = {name: sum(height[other] for other in joined[name]) / len(joined[name]) for name in column}
            column.sort(key=lambda name, at=middle: (at[name], name))  # type: ignore[misc]


def _places(columns: Sequence[Sequence[str]]) -> dict[str, Place]:
    """Asset -> left and upper edge and width of its box; each column stands in the middle of the picture's height."""
    most, found, x = max(map(len, columns)), dict[str, Place](), float(_MARGIN)
    for column in columns:
        width = round(max(len(_label(name)) for name in column) * _LETTER + _PADDING)
        group = column[0].partition("/")[0]
        apart = _ROW if group in _OF_FEEDS else _APART
        for row, name in enumerate(column):
            found[name] = (x, _TOP + (most - 1) / 2 * _ROW + (row - (len(column) - 1) / 2) * apart, width)
        x += width + (_GAP // 2 if group in _OF_FEEDS[:2] else _GAP)
    return found


def _label(name: str) -> str:
    """A box's text; the name of a feed stands in the middle one of its three boxes."""
    group, _, table = name.partition("/")
    return group if group in ("quarantine", "clean") else table


def _box(name: str, x: float, y: float, width: float) -> str:
    _, fill, edge = _GROUPS[name.partition("/")[0]]
    return (
        f'<g><title>{escape(name)}</title><rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_BOX}" rx="5" fill="{fill}" '
        f'stroke="{edge}"/><text x="{x + _PADDING / 2:g}" y="{y + 17:g}" fill="#1f2733">{escape(_label(name))}</text></g>'
    )


def _line(above: Place, below: Place) -> str:
    """A curve from the right of one box to the left of another, or leftwards to one that stands before it."""
    x1, x2 = (above[0] + above[2], below[0]) if above[0] < below[0] else (above[0], below[0] + below[2])
    y1, y2, bend = above[1] + _BOX / 2, below[1] + _BOX / 2, (_GAP if above[0] < below[0] else 0)
    return f'<path d="M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}" fill="none" stroke="#aeb7c4"/>'


def _legend() -> list[str]:
    wide, per_line = _LEGEND
    drawn = []
    for number, (group, (said, fill, edge)) in enumerate(_GROUPS.items()):
        x, y = _MARGIN + number % per_line * wide, 12 + number // per_line * 22
        drawn.append(
            f'<rect x="{x}" y="{y}" width="13" height="13" rx="3" fill="{fill}" stroke="{edge}"/><text x="{x + 20}" y="{y + 11}" '
            f'fill="#4a5361"><tspan font-weight="bold">{group}</tspan>: {escape(said)}</text>'
        )
    return drawn
