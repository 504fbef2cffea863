"""What the events of all months name: which addresses, and which points where neither key nor address says the place.

Two questions are about all events, however few of them are new: which addresses are to be located, and which points too many
addresses share.  Neither needs the events, only what they name; that is kept, with the number of months that name it, so
that a day reads the months that changed, as they were and as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.parts import work_on
from kc_pipeline.defs.steps.unchanged import code_digest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from distributed import Client

    from kc_pipeline.cluster.parts import Work

_CLEAN_EVENTS = tuple(f"clean/{feed}" for feed in EVENT_FEEDS)
_BY_NAME = ("core/located_addresses", "clean/parcels")


def read_event_addresses(platform: Platform) -> "pd.DataFrame":
    """Rows of kept/event_addresses as they are with the clean tables of now."""
    from kc_pipeline.cluster.attribution import addresses_in_parts

    return _kept(platform, "kept/event_addresses", addresses_in_parts, work_on(platform, None, _CLEAN_EVENTS, _CLEAN_EVENTS), {})


def read_loose_points(platform: Platform, client: "Client | None", located_by: object) -> "pd.DataFrame":
    """Rows of kept/loose_points as they are with the clean tables of now.

    Args:
        platform: what to work on.
        client: cluster on which months are read; None: here.
        located_by: by what addresses were located; with another, points are loose that were not.
    """
    from kc_pipeline.cluster.attribution import loose_points_in_parts

    work = work_on(platform, client, (*_CLEAN_EVENTS, *_BY_NAME), _CLEAN_EVENTS)
    more = {"located_by": located_by, "parcels": platform.lake.version("clean/parcels")}
    return _kept(platform, "kept/loose_points", loose_points_in_parts, work, more)


def _kept(
    platform: Platform, table: str, gather: "Callable[[Work], pa.Table]", work: "Work", more: Mapping[str, object]
) -> "pd.DataFrame":
    """Rows of a kept table, brought up to date.

    Args:
        platform: what to work on.
        table: the table.
        gather: its rows for the months of some work.
        work: on all months.
        more: what else the rows follow from.
    """
    lake = platform.lake
    states, versions = {name: lake.states(name) for name in _CLEAN_EVENTS}, lake.versions(_CLEAN_EVENTS)
    rest = {"code": code_digest(), **more}
    before = lake.making_of(table) if lake.is_whole(table) else {}
    is_of_this = before.get("rest") == rest
    if not (is_of_this and before["states"] == states):
        changed = _changed(platform, table, gather, work, before) if is_of_this else None
        lake.write(table, gather(work) if changed is None else changed, made_from=versions)
        lake.note_making(table, {"rest": rest, "states": states, "versions": versions})
    return lake.read(table).to_pandas()


def _changed(
    platform: Platform, table: str, gather: "Callable[[Work], pa.Table]", work: "Work", before: Mapping[str, dict[str, dict[str, str]]]
) -> "pa.Table | None":
    """What was kept, less what the changed months named then, with what they name now.

    None where the clean tables of then cannot be read any more.
    """
    import pyarrow.compute as pc
    from deltalake.exceptions import DeltaError

    from kc_pipeline.cluster.attribution import added_up

    lake, months = platform.lake, set()
    for name in _CLEAN_EVENTS:
        then, now = before["states"][name], lake.states(name)
        months |= {month for month in then.keys() | now.keys() if then.get(month) != now.get(month)}
    pinned = work.lake
    work = replace(work_on(platform, work.client, (), _CLEAN_EVENTS, months), lake=pinned)
    try:
        less = gather(replace(work, lake=replace(pinned, versions=(*pinned.versions, *before["versions"].items()))))
    except (OSError, DeltaError):  # files of an older version are missing, or its log
        return None
    less = less.set_column(less.schema.get_field_index("month_count"), "month_count", pc.negate(less["month_count"]))
    return added_up([lake.read(table), gather(work), less])
