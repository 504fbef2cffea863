"""What everybody may read: events by neighborhood and quarter, counted again only in months that changed."""

from datetime import date
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.attribution import located_by
from kc_pipeline.defs.steps.frames import read_frame, write_mart, write_table
from kc_pipeline.defs.steps.unchanged import code_digest

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.store.lake import Commit

_COUNTS = "kept/neighborhood_counts"
_COLUMNS = ["event_id", "feed", "month", "available_date", "address", "address_precision", "latitude", "longitude"]
_INPUTS = (*(f"clean/{feed}" for feed in EVENT_FEEDS), "core/located_addresses", "clean/districts")


def count_for_the_public(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/public_neighborhood_quarter of a day."""
    from kc_pipeline.places.public_counts import first_day_shown, public_quarters
    from kc_pipeline.quality.sources import stale_event_feeds

    lags = {feed: FEEDS[feed].usual_lag_days for feed in EVENT_FEEDS}
    districts = read_frame(platform, "clean/districts")
    months = _months_with_events(platform, first_day_shown(as_of, lags).isoformat()[:7])
    _count_changed_months(platform, months, districts)
    names = districts.loc[districts["district_kind"] == "neighborhood", "district_name"]
    rows = public_quarters(read_frame(platform, _COUNTS, partitions=months), names, lags, as_of)
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    rows = rows.assign(as_of=as_of, stale_sources=stale_event_feeds(quality))
    return write_mart(platform, "marts/public_neighborhood_quarter", rows, as_of, run_id, [*_INPUTS])


def _months_with_events(platform: Platform, first: str) -> list[str]:
    return sorted({month for feed in EVENT_FEEDS for month in platform.lake.partitions(f"clean/{feed}") if month >= first})


def _count_changed_months(platform: Platform, months: list[str], districts: "pd.DataFrame") -> None:
    """Bring kept/neighborhood_counts up to date in some months."""
    import pandas as pd

    from kc_pipeline.places.public_counts import count_by_neighborhood

    lake = platform.lake
    before = lake.making_of(_COUNTS)
    rest = {"code": code_digest(), "located_by": located_by(platform), "districts": lake.version("clean/districts")}
    is_of_this = None not in rest.values() and all(before.get(name) == value for name, value in rest.items())
    states = {feed: lake.states(f"clean/{feed}") for feed in EVENT_FEEDS}
    made_of = {month: [states[feed].get(month) for feed in EVENT_FEEDS] for month in months}
    known = before["months"] if is_of_this else {}
    intact = lake.intact_partitions(_COUNTS)
    stale = [month for month in months if known.get(month) != made_of[month] or month not in intact]
    if stale:
        events = pd.concat([read_frame(platform, f"clean/{feed}", _COLUMNS, stale) for feed in EVENT_FEEDS], ignore_index=True)
        counts = count_by_neighborhood(events, read_frame(platform, "core/located_addresses"), districts)
        write_table(platform, _COUNTS, counts, _INPUTS, stale)
    lake.note_making(_COUNTS, {**rest, "months": {**known, **made_of}})
