"""What is known of a row from before: when it was first seen, and from which pull its present version came."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.geography import TIME_ZONE
from kc_pipeline.catalog.tables import PROVENANCE


def carry_forward(new: pa.Table, old: pa.Table, key: str, held: Collection[str] = ()) -> pa.Table:
    """Clean rows with the history that the previous rows of the same key carry.

    A row whose content (row_hash) is the same keeps the provenance of the pull that first delivered it, so that pulling
    it again changes nothing.  A corrected row gets new provenance but keeps the day on which it was first seen.

    An event that was not among the rows of a month that we held already is late: it was not available before it was seen,
    whatever the lag of its source lets expect. Of a month that is pulled for the first time nothing better is known than that.

    Args:
        new: rows just cleaned.
        old: rows of the same table as it stands, at least those with the same keys.
        key: the table's key column.
        held: 'data set/month' (or 'data set/whole') of what had been cleaned before.
    """
    if not old.num_rows or not new.num_rows:
        return new
    position = pc.index_in(new[key], old[key])
    known = pc.is_valid(position)
    before = old.take(position)
    unchanged = pc.fill_null(pc.equal(new["row_hash"], before["row_hash"]), False)
    for name in PROVENANCE:
        kept = known if name == "first_seen_utc" else unchanged
        new = _replace(new, name, pc.if_else(kept, before[name], new[name]))
    if "available_date" in new.column_names:
        new = _replace(new, "available_date", _available(new, before, known, old, held))
    return new


def _available(new: pa.Table, before: pa.Table, known: pa.ChunkedArray, old: pa.Table, held: Collection[str]) -> pa.ChunkedArray:
    """Day from which each row was available: never before it was seen, where it is known that it was not there earlier."""
    parts, places = pa.array(sorted(held), pa.string()), (new["month"], "whole")
    was_pulled = [pc.is_in(pc.binary_join_element_wise(new["data_set"], place, "/"), parts) for place in places]
    is_late = pc.and_(pc.or_(*was_pulled), pc.is_in(new["month"], old["month"].combine_chunks()))
    fresh = pc.if_else(is_late, pc.max_element_wise(_local_day(new["first_seen_utc"]), new["report_date"]), new["available_date"])
    was_seen = pc.greater_equal(before["available_date"], _local_day(before["first_seen_utc"]))
    kept = pc.max_element_wise(before["available_date"], new["report_date"])
    earlier = pc.max_element_wise(pc.min_element_wise(before["available_date"], new["available_date"]), new["report_date"])
    return pc.if_else(known, pc.if_else(was_seen, kept, earlier), fresh)


def _local_day(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.local_timestamp(moments.cast(pa.timestamp("us", TIME_ZONE))).cast(pa.date32())


def _replace(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    index = rows.schema.get_field_index(name)
    return rows.set_column(index, rows.schema.field(index), values)
