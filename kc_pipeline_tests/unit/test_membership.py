"""Texts among others."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.membership import among, places_among, row_places_among, rows_among


def test_a_missing_text_is_among_none() -> None:
    texts = pd.Series(["a", None, "c"], index=[5, 6, 7], dtype="str")
    assert among(texts, pd.Series(["c", None, "a", "a"], dtype="str")).to_dict() == {5: True, 6: False, 7: True}


def test_rows_are_told_apart_by_all_their_columns() -> None:
    rows = pd.DataFrame({"street": ["1 A ST", "1 A ST", "2 B ST", None], "kind": ["exact", "block", "exact", "exact"]}, index=[9, 8, 7, 6])
    others = pd.DataFrame({"kind": ["exact", "block", "exact"], "street": ["1 A ST", "2 B ST", None], "more": [1, 2, 3]})
    assert rows_among(rows, others, ["street", "kind"]).to_dict() == {9: True, 8: False, 7: False, 6: False}
    assert row_places_among(rows, pd.concat([others, others]), ["street", "kind"]).tolist() == [0, -1, -1, -1]
    joined = pd.DataFrame({"street": ["1 A STe"], "kind": ["xact"]})
    assert not rows_among(joined, others, ["street", "kind"]).any()


@given(st.lists(st.sampled_from(["", "a", "b", "é", None])), st.lists(st.sampled_from(["", "a", "b", "c", None])))
def test_places_are_the_first_of_each_text(texts: list[str | None], others: list[str | None]) -> None:
    found = places_among(pd.Index(texts, dtype="str"), pd.Index(others, dtype="str"))
    assert found.tolist() == [others.index(text) if text in others else -1 for text in texts]
