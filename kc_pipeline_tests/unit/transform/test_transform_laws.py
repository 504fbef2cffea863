"""Laws that hold for every feed: conservation, order-independence, idempotence, contract."""

import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transform_rows import department_row, only, police_row, raw_table, request_row

from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.transform.cleaners import CLEANERS, MissingCleanerError, find_cleaner
from kc_pipeline.transform.result import CleanResult

LAWS = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
_TEXTS = st.sampled_from(
    [
        None,
        "",
        " ",
        "A1",
        "a1",
        "B2",
        "0",
        "1",
        "99999",
        "39.1",
        "-94.57",
        "Y",
        "true",
        "2026-06-10T10:11:12.000",
        "2026-06-11",
        "1923-01-01",
        "20260612",
        "soon",
        "3400  NORTON AV",
        "E 43 ST and TROOST AV",
        "UNKNOWN",
        "13A",
        "332",
    ]
)


def canonical_names(feed: str) -> list[str]:
    names = {name for data_set in FEEDS[feed].data_sets for name in (*data_set.fields, *data_set.implied)}
    return sorted(names - {"point", "shape"} | ({"latitude", "longitude"} if "point" in names else set()))


@st.composite
def raw_tables(draw: st.DrawFn, feed: str) -> pa.Table:
    """Raw rows as bad as can be: any text in any column, repeated identities, several data sets, partitions and pages."""
    ids = [data_set.id for data_set in FEEDS[feed].data_sets]
    fixed = {
        "data_set": st.sampled_from(ids),
        "partition": st.sampled_from(["2026-06", "2026-05", "undated"]) if FEEDS[feed].kind == "event" else st.just("whole"),
        "page": st.integers(0, 1),
        "row_id": st.sampled_from(["r1", "r2", "r3", "r4", "r5", "r6"]),
    }
    if feed == "districts":
        fixed["district_kind"] = st.sampled_from(["neighborhood", "patrol_division"])
    names = [name for name in canonical_names(feed) if name not in fixed]
    rows = draw(st.lists(st.fixed_dictionaries({**fixed, **dict.fromkeys(names, _TEXTS)}), max_size=8))
    return raw_table(rows)


def outputs(result: CleanResult) -> tuple[pa.Table, pa.Table, pa.Table]:
    return result.clean, result.quarantine, result.reconciliation


def check(feed: str, raw: pa.Table, result: CleanResult) -> None:
    account = result.reconciliation
    sums = {name: pc.sum(account[f"{name}_count"]).as_py() or 0 for name in ("received", "good", "quarantined", "duplicate")}
    assert sums["received"] == raw.num_rows
    assert sums["good"] + sums["quarantined"] + sums["duplicate"] == raw.num_rows
    assert sums["quarantined"] == result.quarantine.num_rows
    if "source_row_count" in result.clean.column_names:
        assert (pc.sum(result.clean["source_row_count"]).as_py() or 0) == sums["good"]
    for table, name in zip(outputs(result), (f"clean/{feed}", f"quarantine/{feed}", "quality/reconciliation"), strict=True):
        contract = TABLES[name]
        assert table.schema.equals(to_arrow(contract), check_metadata=False)
        assert all(table[field.name].null_count == 0 for field in table.schema if not field.nullable)
    keys = result.clean[TABLES[f"clean/{feed}"].key[0]].to_pylist()
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("feed", list(CLEANERS))
@LAWS
@given(data=st.data(), seed=st.integers(0, 9))
@pytest.mark.fault(21)
def test_every_row_is_accounted_for_and_their_order_does_not_matter(feed: str, data: st.DataObject, seed: int) -> None:
    raw = data.draw(raw_tables(feed))
    before = raw.to_pylist()
    result = CLEANERS[feed](raw)
    check(feed, raw, result)
    order = list(range(raw.num_rows))
    random.Random(seed).shuffle(order)
    shuffled = CLEANERS[feed](raw.take(pa.array(order, pa.int64())))
    assert all(ours.equals(theirs) for ours, theirs in zip(outputs(result), outputs(shuffled), strict=True))
    assert raw.to_pylist() == before


@pytest.mark.parametrize("feed", list(CLEANERS))
def test_no_rows_at_all(feed: str) -> None:
    front = raw_table([police_row()]).select(["data_set", "partition", "pull_id", "page", "line", "row_id", "pulled_at"]).slice(0, 0)
    for raw in (front, pa.table({})):
        result = CLEANERS[feed](raw)
        check(feed, raw, result)
        assert [table.num_rows for table in outputs(result)] == [0, 0, 0]


def test_every_feed_has_a_cleaner() -> None:
    assert {feed for feed, cleaner in CLEANERS.items() if callable(cleaner)} == set(FEEDS)


def test_a_feed_without_a_cleaner_says_what_to_write() -> None:
    with pytest.raises(MissingCleanerError, match=r"tow_ins: no cleaner; write kc_pipeline/transform/tow_ins\.py with a function clean"):
        find_cleaner("tow_ins")
    with pytest.raises(MissingCleanerError, match=r"ledger: kc_pipeline/transform/ledger\.py has no function clean\(raw\)"):
        find_cleaner("ledger")


@pytest.mark.fault(21)
def test_rows_that_look_alike_are_no_duplicates_but_a_repeated_identity_is() -> None:
    rows = [police_row(row_id="a"), police_row(row_id="b"), police_row(row_id="a", address="9900  ELSEWHERE")]
    result = CLEANERS["police_reports"](raw_table(rows))
    account = only(result.reconciliation)
    assert (account["good_count"], account["duplicate_count"], account["event_count"]) == (2, 1, 1)
    assert only(result.clean)["address"] == "3400  NORTON AV"


def test_a_place_in_a_pull_is_no_identity_in_another_pull() -> None:
    rows = [
        request_row(request_id=str(n), partition=f"2026-0{n}", row_id="0:0", line=0, opened_at=f"2026-0{n}-03T10:00:00.000") for n in (5, 6)
    ]
    assert CLEANERS["dumping_complaints"](raw_table(rows)).clean.num_rows == 2


def test_the_content_hash_is_blind_to_provenance_and_sees_content() -> None:
    def row_hash(**changes: object) -> object:
        return only(CLEANERS["police_reports"](raw_table([department_row(**changes)])).clean)["row_hash"]

    assert row_hash(line=7, pull_id="000009") == row_hash()
    assert row_hash(beat="111") != row_hash()
