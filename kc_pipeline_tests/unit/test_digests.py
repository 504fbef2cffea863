"""Numbers for rows: equal rows share one, others do not, however the rows are cut and stored."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline import digests
from kc_pipeline.digests import repeated_keys, row_digests

TEXTS = st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["", "a", "a\0", "\0", "12345678", "123456789"]))
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=30)


def _table(rows: list[tuple[str | None, str | None]], of_type: pa.DataType | None = None) -> pa.Table:
    columns = {"a": [first for first, _ in rows], "b": [second for _, second in rows]}
    return pa.table({name: pa.array(values, of_type or pa.string()) for name, values in columns.items()})


@given(ROWS)
def test_rows_share_a_number_exactly_where_they_are_equal(rows: list[tuple[str | None, str | None]]) -> None:
    numbers = row_digests(_table(rows)).tolist()
    assert len(numbers) == len(rows)
    assert len(set(numbers)) == len(set(rows)) == len(set(zip(numbers, rows, strict=True)))


@given(ROWS)
def test_repeated_keys_are_told_with_how_often_they_stand(rows: list[tuple[str | None, str | None]]) -> None:
    found = repeated_keys(_table(rows)).to_pylist()
    assert {(key["a"], key["b"]): key["count_all"] for key in found} == {row: count for row, count in Counter(rows).items() if count > 1}
    assert len(found) == len({(key["a"], key["b"]) for key in found})


def test_rows_that_share_a_number_by_chance_are_not_taken_for_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "row_digests", lambda keys: np.zeros(keys.num_rows, np.uint64))
    assert repeated_keys(_table([("a", "b"), ("a", "c"), ("a", "b")])).to_pylist() == [{"a": "a", "b": "b", "count_all": 2}]


@given(ROWS, st.integers(0, 30), st.integers(0, 30))
def test_neither_chunks_nor_slices_nor_types_of_text_matter(rows: list[tuple[str | None, str | None]], cut: int, start: int) -> None:
    whole = row_digests(_table(rows))
    assert row_digests(pa.concat_tables([_table(rows[:cut]), _table(rows[cut:])])).tolist() == whole.tolist()
    assert row_digests(_table(rows).slice(start)).tolist() == whole.tolist()[start:]
    assert row_digests(_table(rows, pa.large_string())).tolist() == whole.tolist()


OTHER_TYPES = [pa.array([1, 2, None]), pa.array([0, 1, 2], pa.date32()), pa.array(["x", "y", "x"]).dictionary_encode()]


@pytest.mark.parametrize("column", OTHER_TYPES, ids=lambda column: str(column.type))
def test_other_types_are_taken_as_the_text_that_arrow_writes(column: pa.Array) -> None:
    assert row_digests(pa.table({"a": column})).tolist() == row_digests(pa.table({"a": column.cast(pa.string())})).tolist()


def test_fractions_are_told_apart_by_their_bits() -> None:
    numbers = [0.1, 0.1 + 2**-55, 0.25, None, -0.25, 0.0, 1e300]
    found = row_digests(pa.table({"a": pa.array(numbers)})).tolist()
    assert len(set(found)) == len(set(numbers))
    assert found[1:] == row_digests(pa.table({"a": pa.array(numbers).slice(1)})).tolist()
    assert row_digests(pa.table({"a": pa.array([0.5, 0.25], pa.float32())})).tolist() == row_digests(pa.table({"a": [0.5, 0.25]})).tolist()


def test_a_million_rows_in_a_series_have_as_many_numbers() -> None:
    """Ids that count up are the hardest for a weak hash: few bits of them differ."""
    ids = pa.table({"a": [f"calls_911:26-{number}" for number in range(1_000_000)]})
    assert len(np.unique(row_digests(ids))) == 1_000_000
