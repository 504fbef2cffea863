"""What was known of each business, from when to when: a slowly changing dimension (type 2) over the registers' snapshots.

Days are snapshot days: the local day on which this platform first received the newest pull of licences or permits, taken
from the pull's manifest.  A version holds from valid_from up to, not including, valid_to.  What is corrected between two
snapshots (a decision, a better gazetteer) rewrites the versions of the snapshot that stands: the history tells of the
registers, not of our runs, and the same inputs give the same rows on any day.
"""

from datetime import date

import pandas as pd

TRACKED = (
    "business_name", "business_types", "license_ids", "permit_numbers", "valid_until", "is_active", "address", "address_key",
    "block_key", "business_parcel_id", "parcel_id", "match_method",
)  # fmt: skip
COLUMNS = ("business_id", "valid_from", "valid_to", "is_current", *TRACKED, "snapshot_date")


class OldSnapshotError(ValueError):
    """A snapshot is older than the newest that the history has taken in."""


def update_history(previous: pd.DataFrame, businesses: pd.DataFrame, snapshot_date: date) -> pd.DataFrame:
    """The history after a snapshot.

    Args:
        previous: rows of core/business_history; may be empty.
        businesses: rows of core/businesses, one per business.
        snapshot_date: day of the snapshot that they were made from.

    Returns:
        Frame in the columns of core/business_history, sorted by business_id and valid_from.  A business that is new, or
        comes back, opens a version; one of which a tracked attribute changed gets a new version where the old one ends; one
        that is gone is closed.  Taking in the same snapshot again replaces what it said before.

    Raises:
        OldSnapshotError: the history has taken in a later snapshot.
    """
    newest = previous["snapshot_date"].max() if len(previous) else None
    if newest is not None and snapshot_date < newest:
        raise OldSnapshotError(
            f"core/business_history: it has taken in the snapshot of {newest}; that of {snapshot_date} is older. "
            "Restore the newer pulls of business_licenses and food_permits, or the older version of the table"
        )
    before = _before(previous, snapshot_date) if newest == snapshot_date else previous
    is_open = before["valid_to"].isna()
    today = businesses.reindex(columns=["business_id", *TRACKED])
    known = before[is_open].set_index("business_id").index
    unchanged = _content(before[is_open]).rename("content").reset_index(drop=True).isin(_content(today)).to_numpy()
    ended = known[~unchanged]
    closed = before.assign(valid_to=before["valid_to"].where(~(is_open & before["business_id"].isin(ended)), snapshot_date))
    opened = today[~today["business_id"].isin(known[unchanged])].assign(valid_from=snapshot_date, valid_to=None)
    rows = pd.concat([closed.astype("object"), opened.astype("object")], ignore_index=True)
    rows = rows.assign(snapshot_date=snapshot_date, is_current=rows["valid_to"].isna()).reindex(columns=list(COLUMNS))
    return rows.sort_values(["business_id", "valid_from"], ignore_index=True)


def _before(history: pd.DataFrame, snapshot_date: date) -> pd.DataFrame:
    """The history as it was before a snapshot was taken in: without the versions it opened, and with those it closed still open."""
    kept = history[history["valid_from"] != snapshot_date]
    return kept.assign(valid_to=kept["valid_to"].where(kept["valid_to"] != snapshot_date, None))


def _content(rows: pd.DataFrame) -> pd.Series:
    """Id and tracked attributes of each row as one text; missing values differ from every other."""
    columns = ["business_id", *TRACKED]
    texts = [rows[name].astype("object").map(lambda value: "" if pd.isna(value) else f"={value}") for name in columns]
    return texts[0].astype("str").str.cat([text.astype("str") for text in texts[1:]], sep="\x1f")
