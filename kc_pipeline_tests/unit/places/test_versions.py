"""The history of businesses: versions that follow one another without gap or overlap, and the same bytes every time."""

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.places.versions import BUSINESS_COLUMNS, OldSnapshotError, update_versions

DAY = [date(2026, 1, 1) + timedelta(days=30 * number) for number in range(12)]
COLUMNS = ("business_id", "valid_from", "valid_to", "is_current", *BUSINESS_COLUMNS, "snapshot_date")
NO_HISTORY = pd.DataFrame({name: [] for name in COLUMNS}, dtype=object)
SNAPSHOT = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["one", "two"]))


def update(previous: pd.DataFrame, rows: pd.DataFrame, snapshot_date: date) -> pd.DataFrame:
    return update_versions(previous, rows, snapshot_date, "business_id", BUSINESS_COLUMNS)


def businesses(**names: str | None) -> pd.DataFrame:
    """Rows of core/businesses: id -> name."""
    rows = [{"business_id": identity, "business_name": name, "is_active": True, "permit_numbers": None} for identity, name in names.items()]
    return pd.DataFrame(rows, columns=["business_id", *BUSINESS_COLUMNS, "match_score"])


def versions(history: pd.DataFrame) -> list[tuple[str, str, int, int | None]]:
    """Id, name, first snapshot and snapshot of the end (None: current) of every version."""
    assert history["is_current"].tolist() == history["valid_to"].isna().tolist()
    return [
        (row.business_id, row.business_name, DAY.index(row.valid_from), None if pd.isna(row.valid_to) else DAY.index(row.valid_to))
        for row in history.itertuples()
    ]


def after(*snapshots: pd.DataFrame) -> pd.DataFrame:
    """The history of snapshots, one on each of DAY."""
    history = NO_HISTORY
    for day, snapshot in zip(DAY, snapshots, strict=False):
        history = update(history, snapshot, day)
    return history


def test_a_new_business_opens_a_version() -> None:
    assert versions(after(businesses(a="A"))) == [("a", "A", 0, None)]


def test_what_stays_the_same_stays_one_version() -> None:
    history = after(businesses(a="A"), businesses(a="A"))
    assert versions(history) == [("a", "A", 0, None)]
    assert set(history["snapshot_date"]) == {DAY[1]}


def test_a_changed_attribute_opens_a_version_where_the_old_one_ends() -> None:
    assert versions(after(businesses(a="A"), businesses(a="B"))) == [("a", "A", 0, 1), ("a", "B", 1, None)]


def test_a_score_is_not_tracked() -> None:
    history = after(businesses(a="A").assign(match_score=0.9), businesses(a="A").assign(match_score=0.8))
    assert versions(history) == [("a", "A", 0, None)]


def test_a_value_that_goes_missing_is_a_change() -> None:
    assert len(after(businesses(a="A").assign(parcel_id="1"), businesses(a="A"))) == 2


def test_a_vanished_business_is_closed_and_one_that_comes_back_opens_a_version() -> None:
    history = after(businesses(a="A", b="B"), businesses(b="B"), businesses(a="A", b="B"))
    assert versions(history) == [("a", "A", 0, 1), ("a", "A", 2, None), ("b", "B", 0, None)]


def test_the_same_snapshot_again_changes_nothing() -> None:
    first = after(businesses(a="A", b="B"), businesses(a="C", d="D"))
    pd.testing.assert_frame_equal(update(first, businesses(a="C", d="D"), DAY[1]), first)


def test_a_corrected_snapshot_replaces_what_it_said_before() -> None:
    wrong = after(businesses(a="A", b="B"), businesses(a="C"))
    assert versions(update(wrong, businesses(a="A", b="E"), DAY[1])) == [("a", "A", 0, None), ("b", "B", 0, 1), ("b", "E", 1, None)]


def test_an_older_snapshot_is_refused() -> None:
    with pytest.raises(OldSnapshotError, match=r"have taken in the snapshot of 2026-01-31; that of 2026-01-01 is older"):
        update(after(businesses(a="A"), businesses(a="A")), businesses(a="A"), DAY[0])


def test_rows_as_the_lake_gives_them_back_are_the_same_content() -> None:
    first = after(businesses(a="A", b="B"))
    back = first.astype({"business_name": "str", "is_active": bool})
    assert versions(update(back, businesses(b="B", a="A").astype({"is_active": bool}), DAY[1])) == versions(first)


@settings(max_examples=40, deadline=None)
@given(st.lists(SNAPSHOT, min_size=1, max_size=6), st.data())
def test_versions_never_overlap_and_leave_no_gap_while_a_business_exists(snapshots: list[dict[str, str]], data: st.DataObject) -> None:
    history = NO_HISTORY
    for day, snapshot in zip(DAY, snapshots, strict=False):
        if data.draw(st.booleans()):  # a first attempt at the same snapshot, which is replaced
            history = update(history, businesses(**data.draw(SNAPSHOT)), day)
        history = update(history, businesses(**snapshot), day)
    said = {(row[0], day): [] for row in versions(history) for day in range(len(snapshots))}
    for identity, name, start, end in versions(history):
        for day in range(start, len(snapshots) if end is None else end):
            said[identity, day].append(name)
    for day, snapshot in enumerate(snapshots):
        assert {identity: names for (identity, of), names in said.items() if of == day and names} == {
            identity: [name] for identity, name in snapshot.items()
        }
    starts = {(identity, start): name for identity, name, start, _ in versions(history)}
    assert all(starts.get((identity, end)) != name for identity, name, _, end in versions(history)), "versions that touch differ"
