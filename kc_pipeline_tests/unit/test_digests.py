"""Numbers for rows: equal rows share one, others do not, however the rows are cut and stored."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.digests import row_digests, values_twice

TEXTS = st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["", "a", "a\0", "\0", "12345678", "123456789"]))
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=30)


def _table(rows: list[tuple[str | None, str | None]], of_type: pa.DataType | None = None) -> pa.Table:
    columns = {"a": [first for first, _ in rows], "b": [second for _, second in rows]}
    return pa.table({name: pa.array(values, of_type or pa.string()) for name, values in columns.items()})


@given(ROWS)
def test_rows_share_a_number_exactly_where_they_are_equal(rows: list[tuple[str | None, str | None]]) -> None:
    digests = row_digests(_table(rows))
    assert len(digests) == len(rows)
    assert len(set(digests.tolist())) == len(set(rows))
    repeated = {row for row in rows if rows.count(row) > 1}
    assert {rows[i] for i in np.flatnonzero(np.isin(digests, values_twice(digests)))} == repeated


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


def test_a_million_rows_in_a_series_have_as_many_numbers() -> None:
    """Ids that count up are the hardest for a weak hash: few bits of them differ."""
    ids = pa.table({"a": [f"calls_911:26-{number}" for number in range(1_000_000)]})
    assert len(values_twice(row_digests(ids))) == 0
