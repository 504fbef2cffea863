"""What is known of a row from before: when it was first seen, and from which pull its present version came."""

import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.tables import PROVENANCE


def carry_forward(new: pa.Table, old: pa.Table, key: str) -> pa.Table:
    """Clean rows with the history that the previous rows of the same key carry.

    A row whose content (row_hash) is the same keeps the provenance of the pull that first delivered it, so that pulling
    it again changes nothing.  A corrected row gets new provenance but keeps the day on which it was first seen.

    Args:
        new: rows just cleaned.
        old: rows of the same table as it stands, at least those with the same keys.
        key: the table's key column.
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
        earliest = pc.min_element_wise(before["available_date"], new["available_date"])
        new = _replace(new, "available_date", earliest)
    return new


def _replace(rows: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    index = rows.schema.get_field_index(name)
    return rows.set_column(index, rows.schema.field(index), values)
