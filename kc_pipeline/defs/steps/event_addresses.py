"""What the events of all months name: which addresses, and which points where neither key nor address says the place.

Two questions are about all events, however few of them are new: which addresses are to be located, and which points too many
addresses share.  Neither needs the events, only what they name; that is kept, with the number of events that name it, so that
a day counts the events that changed.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.event_changes import EventChanges, changes_since, event_stamps
from kc_pipeline.defs.steps.frames import read_frame
from kc_pipeline.defs.steps.parts import work_on
from kc_pipeline.defs.steps.unchanged import code_digest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from distributed import Client


def read_event_addresses(platform: Platform) -> "pd.DataFrame":
    """Rows of kept/event_addresses as they are with the clean tables of now."""
    from kc_pipeline.cluster import attribution

    def of_all() -> "pa.Table":
        return attribution.addresses_in_parts(work_on(platform, None, EVENT_TABLES, EVENT_TABLES))

    return _kept(platform, "kept/event_addresses", of_all, attribution.count_addresses, {})


def read_loose_points(platform: Platform, client: "Client | None", located_by: object) -> "pd.DataFrame":
    """Rows of kept/loose_points as they are with the clean tables of now.

    Args:
        platform: what to work on.
        client: cluster on which all months are read, if they have to be; None: here.
        located_by: by what addresses were located; with another, points are loose that were not.
    """
    from kc_pipeline.cluster import attribution

    def of_all() -> "pa.Table":
        return attribution.loose_points_in_parts(work_on(platform, client, (*EVENT_TABLES, *attribution.NAMES), EVENT_TABLES))

    def of_some(rows: "pa.Table") -> "pa.Table":
        return attribution.count_loose_points(rows, *(read_frame(platform, table, columns) for table, columns in attribution.NAMES.items()))

    more = {"located_by": located_by, "parcels": platform.lake.version("clean/parcels")}
    return _kept(platform, "kept/loose_points", of_all, of_some, more)


def _kept(
    platform: Platform, table: str, of_all: "Callable[[], pa.Table]", of_some: "Callable[[pa.Table], pa.Table]", more: Mapping[str, object]
) -> "pd.DataFrame":
    """Rows of a kept table, brought up to date.

    Args:
        platform: what to work on.
        table: the table.
        of_all: counts anew over all events.
        of_some: counts over some rows.
        more: what else the rows follow from.
    """
    lake = platform.lake
    before = lake.making_of(table) if lake.is_whole(table) else {}
    rest, events = {"code": code_digest(), **more}, event_stamps(platform)
    is_of_this = before.get("rest") == rest
    if not is_of_this or before["events"] != events:
        changes = changes_since(platform, before["events"]) if is_of_this else None
        rows = of_all() if changes is None else _counted_on(lake.read(table), changes, of_some)
        lake.write(table, rows, made_from=lake.versions(EVENT_TABLES))
        lake.note_making(table, {"rest": rest, "events": events})
    return lake.read(table).to_pandas()


def _counted_on(kept: "pa.Table", changes: EventChanges, count: "Callable[[pa.Table], pa.Table]") -> "pa.Table":
    """What was kept, less what the changed events named then, with what they name now."""
    import pyarrow.compute as pc

    from kc_pipeline.cluster.attribution import added_up

    less = count(changes.gone)
    less = less.set_column(less.schema.get_field_index("event_count"), "event_count", pc.negate(less["event_count"]))
    return added_up([kept, count(changes.come), less])
