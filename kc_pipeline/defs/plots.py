"""Small plots for the metadata of a materialization, drawn as SVG inside Markdown."""

import base64
from collections.abc import Mapping
from html import escape

import dagster as dg

_COLORS = ("#1b6ca8", "#4aa3a2", "#e0a030", "#c8693b", "#8a6fa8", "#9aa0a6", "#5b7f3a", "#b0506b")
_LABEL, _BAR, _ROW, _LEGEND = 170, 460, 24, 118


def stacked_bars(shares: Mapping[str, Mapping[str, float]], title: str) -> dg.MarkdownMetadataValue:
    """One bar for each name, divided by parts.

    Args:
        shares: name -> part -> amount; a bar's amounts are drawn as shares of their sum.
        title: alternative text of the picture.
    """
    parts = list(dict.fromkeys(part for amounts in shares.values() for part in amounts))
    color = {part: _COLORS[place % len(_COLORS)] for place, part in enumerate(parts)}
    drawn = []
    for row, (name, amounts) in enumerate(shares.items()):
        y, x, total = row * _ROW, float(_LABEL), sum(amounts.values()) or 1.0
        drawn.append(f'<text x="0" y="{y + 15}">{escape(name)}</text>')
        for part, amount in amounts.items():
            width = _BAR * amount / total
            drawn.append(f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="17" fill="{color[part]}"/>')
            x += width
    bottom = len(shares) * _ROW + 8
    per_line = (_LABEL + _BAR) // _LEGEND
    for place, part in enumerate(parts):
        x, y = place % per_line * _LEGEND, bottom + place // per_line * _ROW
        drawn.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" fill="{color[part]}"/><text x="{x + 17}" y="{y + 11}">{escape(part)}</text>'
        )
    height = bottom + (len(parts) - 1) // per_line * _ROW + _ROW
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABEL + _BAR}" height="{height}" '
        f'font-family="sans-serif" font-size="13">{"".join(drawn)}</svg>'
    )
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")
