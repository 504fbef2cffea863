"""Which addresses and points the events name, over all months, brought up to date by the months that changed.

Two questions are about all events, however few of them are new: which addresses are to be located, and which points too many
addresses share.  Neither needs the events, only what they name, and that repeats from month to month.
"""

from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.parts import work_on
from kc_pipeline.defs.steps.unchanged import code_digest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from distributed import Client

_KEPT = "kept/event_addresses"
_CLEAN_EVENTS = tuple(f"clean/{feed}" for feed in EVENT_FEEDS)


def read_event_addresses(platform: Platform, client: "Client | None" = None) -> "pd.DataFrame":
    """Rows of kept/event_addresses as they are with the clean tables of now.

    Args:
        platform: what to work on.
        client: cluster on which months are read; None: here.
    """
    lake = platform.lake
    states = {table: lake.states(table) for table in _CLEAN_EVENTS}
    made_of = {"code": code_digest(), "states": states, "versions": lake.versions(_CLEAN_EVENTS)}
    before = lake.making_of(_KEPT) if lake.is_whole(_KEPT) else {}
    if before.get("code") != made_of["code"]:
        before = {}
    if before.get("states") != states:
        rows = _changed(platform, client, before["states"], before["versions"]) if before else None
        if rows is None:
            from kc_pipeline.cluster.attribution import addresses_in_parts

            rows = addresses_in_parts(work_on(platform, client, _CLEAN_EVENTS, _CLEAN_EVENTS))
        lake.write(_KEPT, rows, made_from=made_of["versions"])
        lake.note_making(_KEPT, made_of)
    return lake.read(_KEPT).to_pandas()


def _changed(
    platform: Platform, client: "Client | None", states: "dict[str, dict[str, str]]", versions: "dict[str, int | None]"
) -> "pa.Table | None":
    """What was kept, less what the changed months named then, with what they name now.

    None where the clean tables of then cannot be read any more.
    """
    from dataclasses import replace

    import pyarrow.compute as pc
    from deltalake.exceptions import DeltaError

    from kc_pipeline.cluster.attribution import added_up, addresses_in_parts
    from kc_pipeline.cluster.parts import PinnedLake

    lake = platform.lake
    months = set()
    for table in _CLEAN_EVENTS:
        now = lake.states(table)
        months |= {month for month in states[table].keys() | now.keys() if states[table].get(month) != now.get(month)}
    work = work_on(platform, client, _CLEAN_EVENTS, _CLEAN_EVENTS, months)
    then = replace(work, lake=PinnedLake(work.lake.root, tuple(versions.items())))
    try:
        named = addresses_in_parts(then)
    except (OSError, DeltaError):  # files of an older version are missing, or its log
        return None
    less = named.set_column(named.schema.get_field_index("month_count"), "month_count", pc.negate(named["month_count"]))
    return added_up([lake.read(_KEPT), addresses_in_parts(work), less])
