"""What happens in the synthetic city, event by event, with the true place of each.

A frame of events has columns day (since 1970-01-01), position (within the day), minute (of the day), kind (row of the
feed's table in `incident_codes`), parcel (-1: on a crossing), node, is_scripted. How a source shows them is in the
`published_*` modules and `department`.
"""

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kc_pipeline.sandbox.draws import DailyDraws, Floats, Integers, day_number, draw_days, pick, poisson
from kc_pipeline.sandbox.express_stop import in_window, script
from kc_pipeline.sandbox.incident_codes import CALL_KINDS, REPORT_KINDS, REQUEST_KINDS, SILENT_SUB_TYPE
from kc_pipeline.sandbox.layout import Layout
from kc_pipeline.sandbox.registers import Registers
from kc_pipeline.sandbox.truth import SCATTERED_SHARE, Truth

REPORTS_PER_YEAR, CALLS_PER_YEAR, REQUESTS_PER_YEAR, INSPECTIONS_PER_YEAR = 60_000, 350_000, 60_000, 15_000
SILENT_AFTER = date(2026, 6, 18)
_HOURS = np.array([5, 4, 3.5, 3, 2, 1.5, 2, 3, 4, 4.5, 5, 5, 5.5, 5.5, 6, 6.5, 6.5, 7, 7, 6.5, 6, 6, 6, 5.5])
# Uniform numbers per event: those that choose the event, and those that its published forms may use.
COLUMNS = 26


def reports(layout: Layout, truth: Truth, scale: float, seed: int, first: date, through: date) -> tuple[pd.DataFrame, DailyDraws]:
    """Police reports, and the draws from which their published forms take further numbers."""
    weights = [(k.share, k.drawn_by) for k in REPORT_KINDS]
    return _incidents("reports", weights, 0.12, REPORTS_PER_YEAR, layout, truth, scale, seed, first, through)


def calls(layout: Layout, truth: Truth, scale: float, seed: int, first: date, through: date) -> tuple[pd.DataFrame, DailyDraws]:
    """Dispatched calls, officers' own among them."""
    weights = [(k.share, k.drawn_by) for k in CALL_KINDS]
    return _incidents("calls", weights, 0.18, CALLS_PER_YEAR, layout, truth, scale, seed, first, through)


def requests(layout: Layout, truth: Truth, scale: float, seed: int, first: date, through: date) -> tuple[pd.DataFrame, DailyDraws]:
    """311 requests about streetlights, dumping and other things; with the point (x, y) of each."""
    draws, scripted = _draws("requests", REQUESTS_PER_YEAR, scale, seed, first, through)
    minute = _minute(draws)
    kind = np.where(scripted >= 0, scripted, pick(np.array([k[4] for k in REQUEST_KINDS], dtype=np.float64), draws.next()))
    source = np.array([k[3] for k in REQUEST_KINDS], dtype=object)[kind]
    where, scatter, jitter_x, jitter_y = draws.next(), draws.next(), draws.next(), draws.next()
    parcel = pick(np.ones(len(layout.parcels)), where)
    x, y = layout.parcels["front_x"].to_numpy()[parcel], layout.parcels["front_y"].to_numpy()[parcel]
    for name, factor in (("lamp", "streetlight_outages"), ("dump", "dumping_complaints")):
        spots = truth.spots(factor)
        mine = (source == name) & (scatter >= SCATTERED_SHARE)
        spot = pick(spots["weight"].to_numpy(), where[mine])
        x[mine], y[mine] = spots["x"].to_numpy()[spot], spots["y"].to_numpy()[spot]
        parcel[mine] = _nearest(layout, spots)[spot]
    x, y = x + 6 * (jitter_x - 0.5), y + 6 * (jitter_y - 0.5)
    fixed = scripted >= 0
    parcel = np.where(fixed, layout.express_stop, parcel)
    x = np.where(fixed, layout.parcels["front_x"].to_numpy()[layout.express_stop] - 4 * jitter_x, x)
    y = np.where(fixed, layout.parcels["front_y"].to_numpy()[layout.express_stop] + 12 * (jitter_y - 0.5), y)
    frame = _frame(draws, minute, kind, parcel, layout.parcels["node"].to_numpy()[parcel], scripted).assign(x=x, y=y)
    silent = (frame["day"] > day_number(SILENT_AFTER)) & (np.array([k[1] for k in REQUEST_KINDS])[kind] == SILENT_SUB_TYPE)
    return _without(frame, draws, silent.to_numpy())


def inspections(
    layout: Layout, registers: Registers, scale: float, seed: int, first: date, through: date
) -> tuple[pd.DataFrame, DailyDraws]:
    """Health inspections; with `permit`, the row of the permits, and the counts of violations found."""
    draws, scripted = _draws("inspections", INSPECTIONS_PER_YEAR, scale, seed, first, through)
    minute = _minute(draws)
    permits = registers.permits
    permit = np.where(scripted >= 0, 0, pick(np.where(permits["is_poor"], 1.5, 1.0), draws.next()))
    fixed = scripted >= 0
    poor = permits["is_poor"].to_numpy()[permit]
    critical = poisson(np.where(poor, 2.6, 0.15), draws.next())
    critical = np.where(fixed, np.maximum(critical, 1), critical)
    minor = poisson(np.where(poor, 3.0, 1.2), draws.next())
    parcel = permits["parcel"].to_numpy().astype(np.int64)[permit]
    frame = _frame(draws, minute, np.zeros(len(draws), dtype=np.int64), parcel, layout.parcels["node"].to_numpy()[parcel], scripted)
    return frame.assign(permit=permit, critical=critical, noncritical=minor), draws


def _incidents(
    feed: str, kinds: list[tuple[float, str]], crossing_share: float, per_year: int, layout: Layout, truth: Truth,
    scale: float, seed: int, first: date, through: date,
) -> tuple[pd.DataFrame, DailyDraws]:  # fmt: skip
    draws, scripted = _draws(feed, per_year, scale, seed, first, through)
    minute = _minute(draws)
    kind = np.where(scripted >= 0, scripted, pick(np.array([share for share, _ in kinds]), draws.next()))
    where, on_crossing = draws.next(), draws.next() < crossing_share
    drawn_by = np.array([name for _, name in kinds], dtype=object)[kind]
    parcel = np.zeros(len(draws), dtype=np.int64)
    for name, weight in truth.weights.items():
        mine = drawn_by == name
        parcel[mine] = pick(weight, where[mine])
    fixed = scripted >= 0
    parcel = np.where(fixed, layout.express_stop, parcel)
    node = layout.parcels["node"].to_numpy()[parcel]
    frame = _frame(draws, minute, kind, np.where(on_crossing & ~fixed, -1, parcel), node, scripted)
    unplanned = (frame["parcel"] == layout.express_stop) & in_window(draws.day) & ~fixed
    return _without(frame, draws, unplanned.to_numpy())


def _draws(feed: str, per_year: int, scale: float, seed: int, first: date, through: date) -> tuple[DailyDraws, Integers]:
    """Draws of ordinary and scripted events, in order of day and position; and per event its scripted kind or -1."""
    ordinary = draw_days(seed, feed, first, through, per_year * scale / 365.25, COLUMNS)
    planned = script(seed, feed, first, through, COLUMNS)
    day = np.concatenate([ordinary.day, planned.draws.day])
    position = np.concatenate([ordinary.position, planned.draws.position])
    kind = np.concatenate([np.full(len(ordinary), -1), planned.kind])
    order = np.lexsort((position, day))
    uniforms = np.concatenate([ordinary.uniforms, planned.draws.uniforms])[order]
    return DailyDraws(day[order], position[order], uniforms), kind[order]


def _minute(draws: DailyDraws) -> Integers:
    hour = pick(_HOURS, draws.next())
    return hour * 60 + (draws.next() * 60).astype(np.int64)


def _frame(draws: DailyDraws, minute: Integers, kind: Integers, parcel: Integers, node: Integers, scripted: Integers) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": draws.day, "position": draws.position, "minute": minute, "kind": kind, "parcel": parcel, "node": node,
            "is_scripted": scripted >= 0,
        }
    )  # fmt: skip


def _without(frame: pd.DataFrame, draws: DailyDraws, gone: NDArray[np.bool_]) -> tuple[pd.DataFrame, DailyDraws]:
    kept = DailyDraws(draws.day[~gone], draws.position[~gone], draws.uniforms[~gone], draws._used)
    return frame[~gone].reset_index(drop=True), kept


def _nearest(layout: Layout, spots: pd.DataFrame) -> Integers:
    """The parcel nearest to each spot."""
    import shapely

    p = layout.parcels
    boxes = shapely.box(p["x0"].to_numpy(), p["y0"].to_numpy(), p["x1"].to_numpy(), p["y1"].to_numpy())
    points = shapely.points(spots["x"].to_numpy(), spots["y"].to_numpy())
    found = shapely.STRtree(boxes).query_nearest(points, all_matches=False)
    nearest: Integers = found[1].astype(np.int64)
    return nearest


def points_of(events: pd.DataFrame, layout: Layout, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Exact position of each event in metres: inside its parcel, or on its crossing."""
    parcel = np.maximum(events["parcel"].to_numpy(), 0)
    p, n = layout.parcels, layout.nodes
    on_parcel, node = events["parcel"].to_numpy() >= 0, events["node"].to_numpy()
    x = p["x"].to_numpy()[parcel] + 0.6 * (u - 0.5) * (p["x1"] - p["x0"]).to_numpy()[parcel]
    y = p["y"].to_numpy()[parcel] + 0.6 * (v - 0.5) * (p["y1"] - p["y0"]).to_numpy()[parcel]
    return np.where(on_parcel, x, n["x"].to_numpy()[node]), np.where(on_parcel, y, n["y"].to_numpy()[node])
