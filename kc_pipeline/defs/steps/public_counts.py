"""What everybody may read: events by neighborhood and quarter; a day counts the events that changed."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import EVENT_FEEDS, EVENT_TABLES
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.attribution import located_by
from kc_pipeline.defs.steps.event_changes import changes_since, event_stamps
from kc_pipeline.defs.steps.frames import read_frame, write_mart, write_table
from kc_pipeline.defs.steps.unchanged import code_digest

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.store.lake import Commit

_COUNTS = "kept/neighborhood_counts"
_COLUMNS = ["event_id", "feed", "month", "available_date", "address", "address_precision", "latitude", "longitude"]
_LOCATED = "core/located_addresses"
_INPUTS = (*EVENT_TABLES, _LOCATED, "clean/districts")


def count_for_the_public(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/public_neighborhood_quarter of a day."""
    from kc_pipeline.places.public_counts import first_day_shown, public_quarters
    from kc_pipeline.quality.sources import stale_event_feeds

    lags = {feed: FEEDS[feed].usual_lag_days for feed in EVENT_FEEDS}
    districts = read_frame(platform, "clean/districts")
    months = _months_with_events(platform, first_day_shown(as_of, lags).isoformat()[:7])
    _bring_up_to_date(platform, months, districts)
    names = districts.loc[districts["district_kind"] == "neighborhood", "district_name"]
    rows = public_quarters(read_frame(platform, _COUNTS, partitions=months), names, lags, as_of)
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    rows = rows.assign(as_of=as_of, stale_sources=stale_event_feeds(quality))
    return write_mart(platform, "marts/public_neighborhood_quarter", rows, as_of, run_id, [*_INPUTS])


def _months_with_events(platform: Platform, first: str) -> list[str]:
    return sorted({month for feed in EVENT_FEEDS for month in platform.lake.partitions(f"clean/{feed}") if month >= first})


def _bring_up_to_date(platform: Platform, months: list[str], districts: "pd.DataFrame") -> None:
    """Bring kept/neighborhood_counts up to date in some months: by the events that changed, and by all of months that are not there."""
    import pandas as pd

    from kc_pipeline.places.public_counts import added_up, count_by_neighborhood

    lake = platform.lake
    before = lake.making_of(_COUNTS)
    rest = {"code": code_digest(), "located_by": located_by(platform), "districts": lake.version("clean/districts")}
    is_of_this = None not in rest.values() and all(before.get(name) == value for name, value in rest.items())
    changed = _changed_counts(platform, before, districts) if is_of_this else None
    counted = lake.intact_partitions(_COUNTS) & set(before["months"]) if changed is not None else set()
    stale = sorted(counted & set(changed["month"])) if changed is not None else []
    missing = sorted(set(months) - counted)
    parts = []
    if stale:
        counts = added_up([read_frame(platform, _COUNTS, partitions=stale), changed])
        parts.append(counts[counts["month"].isin(stale)])
    if missing:
        events = pd.concat([read_frame(platform, f"clean/{feed}", _COLUMNS, missing) for feed in EVENT_FEEDS], ignore_index=True)
        parts.append(count_by_neighborhood(events, read_frame(platform, _LOCATED), districts))
    if parts:
        write_table(platform, _COUNTS, pd.concat(parts, ignore_index=True), _INPUTS, [*stale, *missing])
    made_of = {**rest, "events": event_stamps(platform), "located": lake.stamp(_LOCATED)}
    lake.note_making(_COUNTS, {**made_of, "months": sorted(counted | set(months))})


def _changed_counts(platform: Platform, before: Mapping[str, Any], districts: "pd.DataFrame") -> "pd.DataFrame | None":
    """What is to be added to the counts because of the events that changed; None where what they were cannot be read any more."""
    from deltalake.exceptions import DeltaError

    from kc_pipeline.places.public_counts import added_up, count_by_neighborhood

    lake, (version, _) = platform.lake, before["located"]
    changes = changes_since(platform, before["events"])
    if changes is None:
        return None
    try:  # an address that no event names any more is not located any more
        if lake.stamp(_LOCATED, version) != before["located"]:
            return None
        then = lake.read(_LOCATED, version=version).to_pandas() if changes.gone.num_rows else None
    except (OSError, DeltaError):
        return None
    parts = []
    if changes.come.num_rows:
        parts.append(count_by_neighborhood(changes.come.to_pandas(), read_frame(platform, _LOCATED), districts))
    if then is not None:
        parts.append(count_by_neighborhood(changes.gone.to_pandas(), then, districts).assign(event_count=lambda rows: -rows["event_count"]))
    return added_up(parts)
