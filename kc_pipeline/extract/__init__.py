"""Talk to a portal, a drop folder or a database: raw pages and their manifests, nothing cleaned.

What leaves this room is the *raw table* (`table.read_pull`): one row per source row, every value still text, under the
canonical raw names of `catalog/sources.py`, with these columns in front:

    data_set: string       id of the data set
    partition: string      'YYYY-MM', 'undated' (no usable date) or 'whole' (a data set without months)
    pull_id: string        the pull
    page, line: int32      where the row stands in the pull, both from 0
    row_id: string         the row's identity at the source (:id, OBJECTID, key field, else page and line)
    pulled_at: timestamp[us, UTC]

A `point` field becomes `longitude` and `latitude` (text); a `shape` field becomes `geometry` (binary, WKB, EPSG:4326).
Values that a data set implies (a view's filter) are filled in. Fields that a source does not declare are absent.
"""
