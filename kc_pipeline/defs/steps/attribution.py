"""Which events belong to which business places: every event's address, then every event's shares.

An event is attributed anew when it changed, or what is known of the places; the others keep their rows.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import EVENT_FEEDS, EVENT_TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.event_addresses import read_event_addresses, read_loose_points
from kc_pipeline.defs.steps.event_changes import changes_since, event_stamps
from kc_pipeline.defs.steps.frames import as_rows, read_frame, write_table
from kc_pipeline.defs.steps.parts import cluster_of, work_on
from kc_pipeline.defs.steps.unchanged import code_digest, remembering_addresses, unless_unchanged

if TYPE_CHECKING:
    import pandas as pd

    from kc_pipeline.cluster.parts import Work
    from kc_pipeline.defs.steps.event_changes import EventChanges
    from kc_pipeline.store.lake import Commit

_BUSINESS_PLACES = "core/business_parcels"
_PLACES = ("clean/parcels", "core/block_places")
_LEDGER, _ADDRESSES = "core/event_attribution", "core/located_addresses"
# About a gigabyte of memory.
_EVENTS_AT_ONCE = 1_000_000
LOCATION_INPUTS = (*EVENT_TABLES, "core/gazetteer")
ATTRIBUTION_INPUTS = (*EVENT_TABLES, _ADDRESSES, _BUSINESS_PLACES, *_PLACES)


@unless_unchanged([_ADDRESSES], LOCATION_INPUTS)
@remembering_addresses
def locate_addresses(platform: Platform) -> "Commit":
    """core/located_addresses: every address text of the event feeds, located once for as long as the gazetteer says the same."""
    from kc_pipeline.places import attribution

    rows = attribution.locate_addresses(read_event_addresses(platform), read_frame(platform, "core/gazetteer"), _still_located(platform))
    return write_table(platform, _ADDRESSES, rows, LOCATION_INPUTS)


def _still_located(platform: Platform) -> "pd.DataFrame | None":
    """Rows of core/located_addresses that would come out the same; None if the code or the gazetteer is another one."""
    lake = platform.lake
    is_of_this = located_by(platform) == [lake.version("core/gazetteer"), code_digest()]
    return read_frame(platform, _ADDRESSES) if is_of_this and lake.is_whole(_ADDRESSES) else None


def located_by(platform: Platform) -> list[object] | None:
    """Version of the gazetteer and code by which addresses were located; None if that is not known."""
    made_of = platform.lake.making_of(_ADDRESSES)
    return [made_of["inputs"]["core/gazetteer"], made_of["code"]] if made_of else None


def attribute_events(platform: Platform) -> "Commit":
    """core/event_attribution: every event's share at business parcels, or what remains of it."""
    from kc_pipeline.places.attribution import crowded_points
    from kc_pipeline.store.lake import Commit

    lake, before = platform.lake, platform.lake.making_of(_LEDGER)
    made_of: dict[str, Any] = {
        "code": code_digest(),
        "places": {**lake.versions(_PLACES), _ADDRESSES: located_by(platform), _BUSINESS_PLACES: _digest_of_ids(platform, before)},
        "business_places_version": lake.version(_BUSINESS_PLACES),
        "events": event_stamps(platform),
    }
    is_known = None not in made_of["places"].values() and lake.is_whole(_LEDGER)
    if is_known and made_of == {name: before.get(name) for name in made_of}:
        return Commit(_LEDGER, lake.version(_LEDGER), (), lake.count(_LEDGER))
    is_of_this = is_known and all(before.get(name) == made_of[name] for name in ("code", "places"))
    with cluster_of(platform) as client:
        everything = _all_months(platform)
        work = work_on(platform, client, ATTRIBUTION_INPUTS, EVENT_TABLES, everything)
        crowded = crowded_points(read_loose_points(platform, client, made_of["places"][_ADDRESSES]))
        made_of["crowded"] = sorted(list(point) for point in crowded)
        changes = changes_since(platform, before["events"]) if is_of_this else None
        turned = _turned_months(work, before, made_of) if changes is not None else everything
        if client is not None:
            commit = _attribute_on_cluster(platform, work, turned | (changes.months() if changes else set()), crowded)
        else:
            commit = _attribute_here(platform, turned, changes, crowded)
    lake.note_making(_LEDGER, made_of)
    return commit


def _digest_of_ids(platform: Platform, before: Mapping[str, Any]) -> str | None:
    """Digest of which business places there are: what else is said of them does not matter here.  None before the first."""
    version = platform.lake.version(_BUSINESS_PLACES)
    if version is None or version == before.get("business_places_version"):
        return None if version is None else str(before["places"][_BUSINESS_PLACES])
    ids = platform.lake.read(_BUSINESS_PLACES, columns=["business_parcel_id"])["business_parcel_id"].to_pylist()
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def _all_months(platform: Platform) -> set[str]:
    return {month for table in (*EVENT_TABLES, _LEDGER) for month in platform.lake.partitions(table)}


def _turned_months(work: "Work", before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """Months with events at a point that became crowded or is so no more."""
    import pandas as pd

    from kc_pipeline.cluster.attribution import months_at

    turned = {tuple(point) for point in before["crowded"]} ^ {tuple(point) for point in now["crowded"]}
    return months_at(work, pd.MultiIndex.from_tuples(sorted(turned))) if turned else set()


def _attribute_here(platform: Platform, months: set[str], changes: "EventChanges | None", crowded: "pd.MultiIndex") -> "Commit":
    """The rows of whole months, and in other months those of the events that changed, made on this machine; and kept/locations.

    A day's months are made and committed at once; years of months some at a time, a commit each, so that memory does not grow with
    the years.  A run that is killed in between is done again.

    The points that were placed before are kept in kept/locations, so that only new ones reach the parcels' geometry.  They are
    of use while the parcels stay the same; when these change, all are placed anew.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from kc_pipeline.cluster.attribution import REGISTERS
    from kc_pipeline.cluster.parts import parts_of
    from kc_pipeline.places.attribution import attribute_events, attribution_columns, distinct_events
    from kc_pipeline.places.locations import Locations

    lake = platform.lake
    is_of_these = lake.made_from("kept/locations") == lake.versions(["clean/parcels"])
    locations = Locations(read_frame(platform, "kept/locations") if is_of_these else None)
    located, stands, lots, blocks = (read_frame(platform, table, columns) for table, columns in REGISTERS.items())
    commits = []

    def write(events: "list[pd.DataFrame]", part: Iterable[str], kept: "pa.Table | None" = None) -> None:
        made = attribute_events(distinct_events(events), located, stands, lots, blocks, locations, crowded)
        rows = as_rows(_LEDGER, made)
        rows = rows if kept is None else pa.concat_tables([kept, rows], promote_options="permissive")
        commits.append(lake.write(_LEDGER, rows, partitions=sorted(part), made_from=lake.versions(ATTRIBUTION_INPUTS)))

    for part in parts_of([lake.row_counts(table) for table in EVENT_TABLES], months, _EVENTS_AT_ONCE) if months else ():
        write([read_frame(platform, f"clean/{feed}", attribution_columns(feed), list(part)) for feed in EVENT_FEEDS], part)
    others = sorted(changes.months() - months) if changes else []
    if changes and others:
        ids = pa.concat_arrays([*changes.gone["event_id"].chunks, *changes.come["event_id"].chunks])
        held = lake.read(_LEDGER, partitions=others)
        come = changes.come.filter(pc.is_in(changes.come["month"], pa.array(others)))
        write([come.to_pandas()], others, held.filter(pc.invert(pc.is_in(held["event_id"], ids))))
    if locations.added:
        write_table(platform, "kept/locations", locations.rows, ["clean/parcels"])
    return _together(platform, commits)


def _attribute_on_cluster(platform: Platform, work: "Work", months: set[str], crowded: "pd.MultiIndex") -> "Commit":
    """The same rows from the Dask cluster, a commit for each part that changed; a run that is killed in between is done again."""
    from kc_pipeline.cluster.attribution import attribute_in_parts, standings_elsewhere

    wanted = [part for all_of in work.parts if (part := tuple(month for month in all_of if month in months))]
    commits = [
        write_table(platform, _LEDGER, rows, ATTRIBUTION_INPUTS, part)
        for part, rows in attribute_in_parts(work, crowded, standings_elsewhere(work), wanted)
    ]
    return _together(platform, commits)


def _together(platform: Platform, commits: "Sequence[Commit]") -> "Commit":
    """What several commits of the ledger did."""
    from kc_pipeline.store.lake import Commit

    changed = tuple(month for commit in commits for month in commit.changed)
    return Commit(_LEDGER, platform.lake.version(_LEDGER), changed, sum(commit.row_count for commit in commits))
