"""CSV cells that begin like a formula: marked, and given back as they were."""

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kc_pipeline.store.csv_cells import FORMULA_STARTS, original_text, safe_cell, safe_cells

TEXTS = st.text() | st.builds("".join, st.tuples(st.sampled_from(["", "'", "''"]), st.sampled_from(FORMULA_STARTS), st.text()))


@pytest.mark.fault(28)
@given(TEXTS)
@example("'=1")
@example("''=1")
def test_no_cell_begins_like_a_formula_and_the_text_comes_back(text: str) -> None:
    assert not safe_cell(text).startswith(FORMULA_STARTS)
    assert original_text(safe_cell(text)) == text


@pytest.mark.fault(28)
@given(st.lists(TEXTS | st.none()))
def test_a_column_is_marked_like_its_cells(texts: list[str | None]) -> None:
    marked = safe_cells(pa.chunked_array([pa.array(texts, pa.string())])).to_pylist()
    assert marked == [None if text is None else safe_cell(text) for text in texts]


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("value", "cell"),
    [("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("-1 MAIN ST", "'-1 MAIN ST"), ("'=1", "''=1"), ("O'HARA'S", "O'HARA'S"),
     ("'S LANDS", "'S LANDS"),
     ("\uff1d1", "'\uff1d1"), ("a=b", "a=b"), (None, ""), (float("nan"), ""), (7, "7")],
)  # fmt: skip
def test_what_a_cell_becomes(value: object, cell: str) -> None:
    assert safe_cell(value) == cell
