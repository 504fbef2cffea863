"""Texts among others."""

import pandas as pd

from kc_pipeline.membership import among, rows_among


def test_a_missing_text_is_among_none() -> None:
    texts = pd.Series(["a", None, "c"], index=[5, 6, 7], dtype="str")
    assert among(texts, pd.Series(["c", None, "a", "a"], dtype="str")).to_dict() == {5: True, 6: False, 7: True}


def test_rows_are_told_apart_by_all_their_columns() -> None:
    rows = pd.DataFrame({"street": ["1 A ST", "1 A ST", "2 B ST", None], "kind": ["exact", "block", "exact", "exact"]}, index=[9, 8, 7, 6])
    others = pd.DataFrame({"kind": ["exact", "block", "exact"], "street": ["1 A ST", "2 B ST", None], "more": [1, 2, 3]})
    assert rows_among(rows, others, ["street", "kind"]).to_dict() == {9: True, 8: False, 7: False, 6: False}
    joined = pd.DataFrame({"street": ["1 A STe"], "kind": ["xact"]})
    assert not rows_among(joined, others, ["street", "kind"]).any()
