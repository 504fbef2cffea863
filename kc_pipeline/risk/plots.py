"""Plots of a model and of its back-test, written as PNG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kc_pipeline.risk.metrics import hit_counts
from kc_pipeline.risk.rivals import OUR_MODEL, TERRAIN_ONLY
from kc_pipeline.risk.terrain import Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

_OURS, _OTHERS = "#b3261e", ("#1b6ca8", "#4aa3a2", "#8a6fa8", "#9aa0a6", "#e0a030", "#5b7f3a", "#6b4f3a", "#b0506b")
_MOST_AREA = 0.20
_BINS = 15


def accuracy_curves(expected: Mapping[str, Floats], events: Floats, path: Path) -> None:
    """Share of later events against the share of the area that is flagged, for every model."""
    figure = _figure(7.5, 5)
    axes = figure.subplots()
    shares = np.linspace(0, _MOST_AREA, 41)
    tops = [int(share * len(events)) for share in shares]
    others = iter(_OTHERS * 3)
    for name, score in expected.items():
        hits = 100 * hit_counts(score, events, tops, draws=3) / events.sum()
        ours = name == OUR_MODEL
        axes.plot(
            100 * shares, hits, label=name, color=_OURS if ours else next(others), linewidth=2.4 if ours else 1.2, zorder=3 if ours else 2
        )
    best = 100 * np.concatenate([[0.0], np.cumsum(np.sort(events)[::-1])])[tops] / events.sum()
    axes.plot(100 * shares, best, color="#cccccc", linestyle="--", label="the most that could be", linewidth=1)
    axes.set(xlabel="area flagged, % of cells", ylabel="later serious events in it, %", xlim=(0, 100 * _MOST_AREA), ylim=(0, None))
    axes.set_title("Back-test: events of the year after, by area flagged before it")
    axes.legend(fontsize=8, frameon=False)
    _save(figure, path)


def calibration(expected: Mapping[str, Floats], events: Floats, path: Path) -> None:
    """What happened against what was expected, by groups of cells with about equal expectation."""
    figure = _figure(5.5, 5)
    axes = figure.subplots()
    for name, color in ((OUR_MODEL, _OURS), (TERRAIN_ONLY, _OTHERS[0])):
        if name not in expected:
            continue
        score = expected[name]
        order = np.argsort(score)
        edges = np.searchsorted(np.cumsum(score[order]), np.linspace(0, score.sum(), _BINS + 1)[1:-1])
        groups = [group for group in np.split(order, edges) if len(group)]
        means = [(score[group].mean(), events[group].mean()) for group in groups]
        axes.plot(*zip(*means, strict=True), marker="o", color=color, label=name, linewidth=1)
    axes.set(xlabel="expected events per cell and year", ylabel="events in the year after", xscale="log", yscale="log")
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color="#999999", linestyle="--", linewidth=1, label="right")
    axes.set_title("Calibration: groups of equal expected total")
    axes.legend(fontsize=8, frameon=False)
    _save(figure, path)


def factor_chart(card: Mapping[str, Any], path: Path) -> None:
    """How much each factor sets cells apart in our terrain, and the relative risk values of risk terrain modelling."""
    rtm = card["risk_terrain_model"]
    ours = {factor: float(np.exp(spread)) for factor, spread in card["metrics"]["log_spread_by_factor"].items()}
    theirs = {v["factor"]: float(np.exp(b)) for v, b in zip(rtm["variables"], rtm["coefficients"], strict=True)}
    figure = _figure(9, 1.2 + 0.28 * max(len(ours), len(theirs), 3))
    left, right = figure.subplots(1, 2)
    _bars(left, ours, "our terrain: times the risk, one standard deviation apart", _OURS)
    _bars(right, theirs, "RTM: relative risk value", _OTHERS[0])
    _save(figure, path)


def terrain_map(grid: Grid, terrain: Floats, places: Floats, path: Path) -> None:
    """The terrain's expectation on the city's cells, and the places with the highest expectation."""
    rows, columns = grid.inside.shape
    figure = _figure(6 * max(columns / rows, 0.6) + 1.5, 7)
    axes = figure.subplots()
    image = np.full(grid.inside.shape, np.nan)
    image[grid.inside] = terrain
    extent = (grid.west, grid.west + columns * grid.cell_m, grid.south, grid.south + rows * grid.cell_m)
    from matplotlib.colors import LogNorm

    drawn = axes.imshow(
        image, origin="lower", extent=extent, cmap="magma", norm=LogNorm(*np.quantile(terrain, [0.05, 0.999])), interpolation="nearest"
    )
    axes.scatter(
        places[:, 0], places[:, 1], s=26, facecolors="none", edgecolors="#35d0ff", linewidths=1.2, label="highest business parcels"
    )
    axes.set(xlabel="metres east (UTM 15N)", ylabel="metres north")
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.tick_params(labelsize=7)
    axes.set_title("Expected serious events per cell and year")
    axes.legend(fontsize=8, loc="lower right")
    figure.colorbar(drawn, ax=axes, shrink=0.7)
    _save(figure, path)


def _bars(axes: Any, values: Mapping[str, float], title: str, color: str) -> None:
    ordered = sorted(values.items(), key=lambda pair: pair[1])
    axes.barh([name.replace("_", " ") for name, _ in ordered], [value for _, value in ordered], color=color)
    axes.set_title(title, fontsize=9)
    if values:
        axes.set_xlim(left=1)
    axes.tick_params(labelsize=8)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _save(figure: "Figure", path: Path) -> None:
    """Write beside, then move, so that no half picture is seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".writing.png")
    figure.savefig(temporary)
    temporary.replace(path)
