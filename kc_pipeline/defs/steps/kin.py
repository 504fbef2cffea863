"""Which months must be cleaned together: those that hold rows of the same incidents.

A department and the portal do not always give an incident the same date, and a report can stand in two yearly sets, so the rows of
one event can lie in several months.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

from kc_pipeline.catalog.sources import Feed, find_data_set
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    import pyarrow as pa

    from kc_pipeline.extract.manifest import Manifest


def read_with_kin(
    platform: Platform, feed: Feed, latest: Mapping[tuple[str, str], "Manifest"], months: set[str]
) -> "tuple[set[str], list[pa.Table]]":
    """Raw tables of months and of those that will have to be cleaned with them, as far as the keys of their rows tell.

    What is cleaned tells exactly, but then all of it has to be cleaned again.

    Returns:
        The months, and a table for each pull of them in the order of `latest`.
    """
    from kc_pipeline.extract.table import read_pull

    read: dict[tuple[str, str], pa.Table] = {}
    while True:
        for place, manifest in sorted(latest.items()):
            if place[1] in months and place not in read:
                read[place] = read_pull(platform.raw, manifest)
                if feed.kind == "event":
                    platform.pull_keys.note(manifest, _key_field(manifest), read[place])
        kin = set() if feed.kind == "reference" or "whole" in months else _months_of_kin(platform, feed, latest, months, read)
        if not kin:
            return months, [rows for _, rows in sorted(read.items())]
        months = months | kin


def _months_of_kin(
    platform: Platform, feed: Feed, latest: Mapping[tuple[str, str], "Manifest"], months: set[str],
    read: "Mapping[tuple[str, str], pa.Table]",
) -> set[str]:  # fmt: skip
    """Other months that hold an event of rows that were read, or rows that an event no longer has among these."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from kc_pipeline.extract.transport import UNDATED

    lake, clean = platform.lake, f"clean/{feed.name}"
    intact = lake.intact_partitions(clean)
    # Rows without a usable date become part of no event, whatever their key.
    named = [(rows, _key_field(latest[place])) for place, rows in read.items() if place[1] != UNDATED]
    keys = pa.chunked_array([chunk for rows, key in named if key in rows.column_names for chunk in rows[key].chunks], pa.string())
    counted = pc.value_counts(pc.binary_join_element_wise(feed.name, pc.utf8_upper(pc.drop_null(keys)), ":"))
    now = pa.table({"event_id": counted.field("values"), "source_row_count": counted.field("counts")})
    shared = months_that_hold(platform, clean, intact - months, now["event_id"])
    old = lake.read(clean, partitions=sorted(intact & months), columns=["event_id", "source_row_count"])
    others = [manifest for (_, month), manifest in sorted(latest.items()) if month not in months]
    return {*shared, *months_of_lost_rows(platform, others, old, now)}


def months_that_hold(platform: Platform, table: str, months: "Collection[str]", ids: "pa.ChunkedArray") -> set[str]:
    """Which of some months of a clean table of events hold one of some ids.

    Sources number their events one after the other, so the files of nearly all other months are passed over by their statistics.
    """
    import pyarrow.compute as pc

    if not len(ids):
        return set()
    least, most = pc.min_max(ids).values()
    held = pc.field("event_id").isin(ids.combine_chunks()) & (pc.field("event_id") >= least) & (pc.field("event_id") <= most)
    return set(platform.lake.read(table, partitions=sorted(months), columns=["month"], where=held)["month"].unique().to_pylist())


def months_of_lost_rows(platform: Platform, others: "list[Manifest]", old: "pa.Table", new: "pa.Table") -> set[str]:
    """Months that were not read and hold rows of events that have fewer rows than before.

    The rows of one incident can lie in several months, where a department and the portal do not give it the same date; the
    event itself stands in one of them, so that the clean table does not tell the others.
    """
    import pyarrow.compute as pc

    from kc_pipeline.extract.table import read_pull

    many = old.filter(pc.greater(old["source_row_count"], 1))
    place = pc.index_in(many["event_id"], new["event_id"])
    left = pc.fill_null(new["source_row_count"].take(place), 0)
    lost = many["event_id"].filter(pc.less(left, many["source_row_count"]))
    if not len(lost):
        return set()
    keys = pc.utf8_slice_codeunits(lost, pc.find_substring(lost, ":")[0].as_py() + 1).to_pylist()
    return {
        manifest.partition
        for manifest in others
        if platform.pull_keys.holds_any(manifest, _key_field(manifest), keys, partial(read_pull, platform.raw, manifest))
    }


def _key_field(manifest: "Manifest") -> str:
    """Canonical name of the column that names the event of a row."""
    return find_data_set(manifest.feed, manifest.data_set).required[0]
