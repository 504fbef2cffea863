"""Where a feed's rows lie: shares without a position, and shares at points that only look like places."""

from datetime import date

import numpy as np
import pandas as pd

from kc_pipeline.quality.drift.finding import Drift, in_order, percent

SENTINELS = frozenset({"state_plane_origin", "city_hall_default"})
# A month's share has moved if it lies this far above the median of the year before, in share and in standard errors.
_LEAST_RISE, _LEAST_ERRORS, _LEAST_ROWS, _PAST_MONTHS, _LEAST_MONTHS = 0.05, 5.0, 30, 12, 3
_LEAST_SENTINEL_RISE = 0.01


def location_drift(feed: str, monthly: pd.DataFrame, as_of: date) -> list[Drift]:
    """A newest month with far more rows without a position, or at default points, than the year before.

    The current month and the one before are joined where the current one has few rows.

    Args:
        feed: name of the feed.
        monthly: month (YYYY-MM), no_location_reason (missing where the row has a position), event_count.
        as_of: the day that is spoken about; later months are left out.
    """
    known = monthly[monthly["month"] <= as_of.strftime("%Y-%m")]
    sentinel = known["no_location_reason"].isin(SENTINELS)
    kinds = {
        "location_missing": (known["no_location_reason"].notna() & ~sentinel, _LEAST_RISE, "have no position"),
        "location_sentinel": (sentinel, _LEAST_SENTINEL_RISE, "lie at a default point"),
    }
    found = []
    for kind, (is_bad, least_rise, verb) in kinds.items():
        rows = known.groupby("month")["event_count"].sum()
        bad = known[is_bad].groupby("month")["event_count"].sum().reindex(rows.index, fill_value=0)
        since, share, usual = _rise(bad, rows, least_rise)
        if since is not None:
            facts: dict[str, int | float | str] = {"share": round(share, 4), "usual_share": round(usual, 4)}
            sentence = f"{feed}: {percent(share)} of rows {verb} since {since}, where {percent(usual)} did before."
            found.append(Drift(kind, feed, feed, date.fromisoformat(f"{since}-01"), sentence, facts))
    return in_order(found)


def location_shares(counts: pd.DataFrame, by: str = "address_precision") -> pd.DataFrame:
    """Share of rows for each reason why there is no position, by what their address names.

    Args:
        counts: the `by` column, no_location_reason, event_count.
        by: what to divide by.

    Returns:
        One row per value of `by`, one column per reason, 'located' and 'rows' among them.
    """
    reason = counts["no_location_reason"].astype("object").where(counts["no_location_reason"].notna(), "located")
    table = counts.assign(reason=reason).pivot_table(index=by, columns="reason", values="event_count", aggfunc="sum", fill_value=0)
    rows = table.sum(axis="columns")
    return table.div(rows, axis="index").assign(rows=rows.astype("int64"))


def _rise(bad: pd.Series, rows: pd.Series, least_rise: float) -> tuple[str | None, float, float]:
    """First month of the run of risen months that goes on to the newest, the newest share and the usual one; None if it is usual."""
    months = rows.index[rows >= _LEAST_ROWS]
    since, newest, usual = None, 0.0, 0.0
    for month in months[::-1]:
        before = rows.index[rows.index < month][-_PAST_MONTHS:]
        before = before[rows[before] >= _LEAST_ROWS]
        share = float(bad[month] / rows[month])
        if len(before) < _LEAST_MONTHS:
            break
        level = float(np.median(bad[before] / rows[before]))
        error = float(np.sqrt(max(level * (1 - level), 1 / rows[month]) / rows[month]))
        if share - level < max(least_rise, _LEAST_ERRORS * error):
            break
        if since is None:
            newest = share
        since, usual = str(month), level
    return since, newest, usual
