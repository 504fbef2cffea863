"""The city as a grid of half-block cells, and risk factors on it: how near and how dense their features are.

All coordinates are projected metres; nothing here knows which projection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

PROXIMITY, DENSITY = "proximity", "density"
# A density counts where it lies more than this many standard deviations above the city's mean.
DENSE_Z = 2.0
# Standard deviation of a quartic kernel along one axis, as a share of its bandwidth: the Gaussian used here has the same.
_QUARTIC_DEVIATION = 1 / np.sqrt(8)
_REACH_IN_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Grid:
    """Square cells over a city; a cell belongs to it if its centre does.

    Attributes:
        west: left edge, metres.
        south: lower edge, metres.
        cell_m: side of a cell, metres.
        inside: rows (from the south) by columns (from the west): whether the cell belongs to the city.
    """

    west: float
    south: float
    cell_m: float
    inside: Flags

    @property
    def size(self) -> int:
        """Cells of the city."""
        return int(self.inside.sum())

    def centres(self) -> Points:
        """Centres of the city's cells, x and y in metres, row by row from the south-west."""
        row, column = np.nonzero(self.inside)
        return np.column_stack([self.west + (column + 0.5) * self.cell_m, self.south + (row + 0.5) * self.cell_m])

    def cell_of(self, points: Points) -> npt.NDArray[np.int64]:
        """Number of the city's cell (in the order of `centres`) that holds each point; -1 outside the city."""
        column, row = (np.floor((points - (self.west, self.south)) / self.cell_m).astype(np.int64)).T
        rows, columns = self.inside.shape
        within = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        number = np.where(self.inside, np.cumsum(self.inside).reshape(self.inside.shape) - 1, -1)
        found = np.full(len(points), -1, dtype=np.int64)
        found[within] = number[row[within], column[within]]
        return found

    def count(self, points: Points) -> Floats:
        """Points in each of the city's cells; points outside are left out."""
        cell = self.cell_of(points)
        return np.bincount(cell[cell >= 0], minlength=self.size).astype(float)

    def density(self, points: Points, bandwidth_m: float, at: Points | None = None) -> Floats:
        """Points per square kilometre around each cell, by a Gaussian as wide as a quartic kernel of that bandwidth.

        Args:
            points: x and y, metres.
            bandwidth_m: bandwidth of the quartic kernel.
            at: read there, not at the cells' centres.
        """
        return self.smooth(points, bandwidth_m * _QUARTIC_DEVIATION, at)

    def smooth(self, points: Points, deviation_m: float, at: Points | None = None) -> Floats:
        """Points per square kilometre around each cell, by a Gaussian of that standard deviation.

        Points outside the city but within its rectangle count; beyond it nothing is known.

        Args:
            points: x and y, metres.
            deviation_m: standard deviation of the Gaussian along one axis.
            at: read there, between the four nearest centres in proportion, not at the cells' centres.
        """
        column, row = (np.floor((points - (self.west, self.south)) / self.cell_m).astype(np.int64)).T
        rows, columns = self.inside.shape
        within = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        raster = np.bincount(row[within] * columns + column[within], minlength=rows * columns).reshape(rows, columns).astype(float)
        smoothed = self._blur(raster, deviation_m) / (self.cell_m / 1000) ** 2
        return np.asarray(smoothed[self.inside] if at is None else self._read(smoothed, at))

    def _read(self, raster: Floats, at: Points) -> Floats:
        """Values between the centres of cells; beyond the outermost centres theirs."""
        from scipy.ndimage import map_coordinates

        column, row = ((at - (self.west, self.south)) / self.cell_m - 0.5).T
        return np.asarray(map_coordinates(raster, [row, column], order=1, mode="nearest"))

    def around(self, values: Floats, deviation_m: float) -> Floats:
        """Mean of the city's *other* cells around each cell, weighted by a Gaussian of that standard deviation."""
        raster, single = np.zeros(self.inside.shape), np.zeros(self.inside.shape)
        raster[self.inside] = values
        row, column = (side // 2 for side in self.inside.shape)
        single[row, column] = 1
        own = float(self._blur(single, deviation_m)[row, column])
        mass = self._blur(self.inside.astype(float), deviation_m)[self.inside] - own
        others = self._blur(raster, deviation_m)[self.inside] - own * values
        return np.asarray(np.divide(np.maximum(others, 0), mass, out=np.zeros(self.size), where=mass > 1e-9))

    def _blur(self, raster: Floats, deviation_m: float) -> Floats:
        from scipy.ndimage import gaussian_filter

        return np.asarray(gaussian_filter(raster, deviation_m / self.cell_m, mode="constant", truncate=_REACH_IN_DEVIATIONS))

    def distance(self, points: Points, at: Points | None = None) -> Floats:
        """Metres from each cell's centre, or from each place of `at`, to the nearest point; infinite where there is none."""
        from scipy.spatial import cKDTree

        places = self.centres() if at is None else at
        if not len(points):
            return np.full(len(places), np.inf)
        return np.asarray(cKDTree(points).query(places, workers=-1)[0])


def build_grid(boundary: Any, cell_m: float) -> Grid:
    """The grid of a city.

    Args:
        boundary: shapely polygon or multipolygon, projected metres.
        cell_m: side of a cell, metres; half the usual length of a block.
    """
    import shapely

    west, south, east, north = boundary.bounds
    columns, rows = int(np.ceil((east - west) / cell_m)), int(np.ceil((north - south) / cell_m))
    x, y = np.meshgrid(west + (np.arange(columns) + 0.5) * cell_m, south + (np.arange(rows) + 0.5) * cell_m)
    shapely.prepare(boundary)
    return Grid(float(west), float(south), float(cell_m), np.asarray(shapely.contains_xy(boundary, x, y)))


@dataclass(frozen=True)
class Variable:
    """One way to read a factor off the map.

    Attributes:
        factor: name of the factor.
        kind: 'proximity' (a feature lies within the reach) or 'density' (features lie unusually dense, at that bandwidth).
        reach_m: metres.
    """

    factor: str
    kind: str
    reach_m: float

    @property
    def name(self) -> str:
        """'<factor>: <kind> <reach> m'."""
        return f"{self.factor}: {self.kind} {self.reach_m:.0f} m"


def bands(block_m: float, blocks: int, increment: str) -> tuple[float, ...]:
    """Reaches in metres: multiples of a half or a whole block up to some blocks.

    Args:
        block_m: usual length of a block.
        blocks: farthest reach in blocks.
        increment: 'half' or 'whole'.
    """
    step = {"half": 0.5, "whole": 1.0}[increment]
    return tuple(block_m * step * n for n in range(1, round(blocks / step) + 1))


def operationalize(
    grid: Grid,
    features: Mapping[str, Points],
    reaches_m: Sequence[float],
    kinds: Mapping[str, Sequence[str]] | None = None,
    at: Points | None = None,
) -> tuple[npt.NDArray[np.float32], list[Variable]]:
    """Every factor in every form, as zeros and ones.

    Args:
        grid: the city.
        features: factor -> x and y of its features, metres.
        reaches_m: distances and bandwidths.
        kinds: factor -> the kinds to make; None or not named: both.
        at: x and y of the places to judge, metres; densities are unusual among these.  None: the cells' centres.

    Returns:
        Matrix of cells (or places) by variables, and the variables.
    """
    columns, variables = [], []
    for factor, points in features.items():
        wanted = (kinds or {}).get(factor, (PROXIMITY, DENSITY))
        away = grid.distance(points, at) if PROXIMITY in wanted else None
        for kind in wanted:
            for reach in reaches_m:
                variables.append(Variable(factor, kind, reach))
                columns.append(away <= reach if kind == PROXIMITY and away is not None else _is_dense(grid.density(points, reach, at)))
    return np.column_stack(columns).astype(np.float32), variables


def _is_dense(density: Floats) -> Flags:
    deviation = density.std()
    return np.asarray(density > density.mean() + DENSE_Z * deviation) if deviation else np.zeros(len(density), dtype=bool)
