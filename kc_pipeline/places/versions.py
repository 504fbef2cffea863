"""What was known of things, from when to when: slowly changing dimensions (type 2) over the registers' snapshots.

Days are snapshot days: the local day on which this platform first received the newest pull of licences or permits, taken
from the pull's manifest.  A version holds from valid_from up to, not including, valid_to.  What is corrected between two
snapshots (a decision, a better gazetteer) rewrites the versions of the snapshot that stands: the history tells of the
registers, not of our runs, and the same inputs give the same rows on any day.
"""

from collections.abc import Sequence
from datetime import date

import pandas as pd

BUSINESS_COLUMNS = (
    "business_name", "business_types", "license_ids", "permit_numbers", "valid_until", "is_active", "address", "address_key",
    "block_key", "business_parcel_id", "parcel_id", "match_method",
)  # fmt: skip
BUSINESS_PARCEL_COLUMNS = (
    "parcel_id", "business_names", "business_types", "business_count", "address", "address_key", "block_key", "zip_code", "latitude",
    "longitude", "neighborhood", "council_district", "division", "geometry_kind",
)  # fmt: skip


class OldSnapshotError(ValueError):
    """A snapshot is older than the newest that the history has taken in."""


def update_versions(previous: pd.DataFrame, rows: pd.DataFrame, snapshot_date: date, key: str, tracked: Sequence[str]) -> pd.DataFrame:
    """The versions after a snapshot.

    Args:
        previous: versions before it: key, valid_from, valid_to, is_current, the tracked columns, snapshot_date; may be empty.
        rows: what stands in the snapshot, one row per key.
        snapshot_date: day of the snapshot.
        key: column that names a thing.
        tracked: columns whose change makes a new version.

    Returns:
        Frame in the columns of `previous`, sorted by key and valid_from.  A thing that is new, or comes back, opens a version;
        one of which a tracked column changed gets a new version where the old one ends; one that is gone is closed.  Taking in
        the same snapshot again replaces what it said before.

    Raises:
        OldSnapshotError: the versions have taken in a later snapshot.
    """
    newest = previous["snapshot_date"].max() if len(previous) else None
    if newest is not None and snapshot_date < newest:
        raise OldSnapshotError(
            f"versions by {key}: they have taken in the snapshot of {newest}; that of {snapshot_date} is older. "
            "Restore the newer pulls of business_licenses and food_permits, or the older version of the table"
        )
    before = _before(previous, snapshot_date) if newest == snapshot_date else previous
    is_open = before["valid_to"].isna()
    today = rows.reindex(columns=[key, *tracked])
    known = before[is_open].set_index(key).index
    contents = _content(before[is_open], key, tracked).rename("content").reset_index(drop=True)
    unchanged = contents.isin(_content(today, key, tracked)).to_numpy()
    ended = known[~unchanged]
    closed = before.assign(valid_to=before["valid_to"].where(~(is_open & before[key].isin(ended)), snapshot_date))
    opened = today[~today[key].isin(known[unchanged])].assign(valid_from=snapshot_date, valid_to=None)
    merged = pd.concat([closed.astype("object"), opened.astype("object")], ignore_index=True)
    merged = merged.assign(snapshot_date=snapshot_date, is_current=merged["valid_to"].isna())
    columns = [key, "valid_from", "valid_to", "is_current", *tracked, "snapshot_date"]
    return merged.reindex(columns=columns).sort_values([key, "valid_from"], ignore_index=True)


def _before(versions: pd.DataFrame, snapshot_date: date) -> pd.DataFrame:
    """The versions as they were before a snapshot was taken in: without those it opened, and with those it closed still open."""
    kept = versions[versions["valid_from"] != snapshot_date]
    return kept.assign(valid_to=kept["valid_to"].where(kept["valid_to"] != snapshot_date, None))


def _content(rows: pd.DataFrame, key: str, tracked: Sequence[str]) -> pd.Series:
    """Key and tracked columns of each row as one text; missing values differ from every other."""
    texts = [rows[name].astype("object").map(lambda value: "" if pd.isna(value) else f"={value}") for name in (key, *tracked)]
    return texts[0].astype("str").str.cat([text.astype("str") for text in texts[1:]], sep="\x1f")
