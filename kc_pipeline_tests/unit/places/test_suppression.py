"""Small counts stay hidden, also from a reader who knows the rule."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kc_pipeline.places import suppression
from kc_pipeline.places.suppression import could_be_computed, hidden_cells

COUNTS = st.lists(st.integers(0, 60), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("counts", "hidden", "hides_total"),
    [
        ([0, 11, 30], [], False),
        ([5, 20, 30, 40, 50], [0, 1, 2], False),
        ([1, 9, 10, 40], [0, 1, 2], False),
        ([1, 1, 1, 20, 30], [0, 1, 2, 3], False),
        ([10, 10, 10, 40], [0, 1, 2, 3], False),
        ([5, 0, 0], [0, 1, 2], True),
        ([5], [0], True),
        ([0, 0], [], False),
    ],
)
def test_what_is_hidden(counts: list[int], hidden: list[int], hides_total: bool) -> None:
    found, total = hidden_cells(np.array(counts))
    assert (np.flatnonzero(found).tolist(), total) == (hidden, hides_total)


@settings(max_examples=300, deadline=None)
@given(COUNTS)
def test_no_small_count_is_shown_and_none_can_be_computed(counts: list[int]) -> None:
    values = np.array(counts)
    hidden, hides_total = hidden_cells(values)
    assert not ((values >= 1) & (values <= 10) & ~hidden).any()
    assert hidden.any() == ((values >= 1) & (values <= 10)).any(), "nothing is hidden without need"
    assert not could_be_computed(values[~hidden], int(hidden.sum()), None if hides_total else int(values.sum()))


def test_a_total_with_one_or_two_counts_missing_is_found_out() -> None:
    assert could_be_computed(np.array([20, 30]), 1, 57)
    assert could_be_computed(np.array([20, 30]), 2, 52)
    assert could_be_computed(np.array([20, 30]), 3, 53), "three ones"
    assert not could_be_computed(np.array([20, 30]), 3, 65)
    assert not could_be_computed(np.array([20, 30]), 1, None)


@pytest.mark.parametrize(("cells", "largest"), [(1, 14), (2, 20), (3, 14), (4, 9)])
def test_a_reader_who_knows_the_rule_never_knows_a_small_count(cells: int, largest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every group of counts there can be, with 3 as the largest small count: what else could have been published the same way?"""
    monkeypatch.setattr(suppression, "LARGEST_SMALL_COUNT", 3)
    alike = defaultdict(list)
    for counts in itertools.product(range(largest + 1), repeat=cells):
        values = np.array(counts)
        hidden, hides_total = hidden_cells(values)
        shown = tuple(None if is_hidden else int(value) for value, is_hidden in zip(values, hidden, strict=True))
        alike[shown, None if hides_total else int(values.sum())].append(counts)
    for (shown, total), groups in alike.items():
        if total is not None and total > largest:
            continue  # groups with larger counts would be among those alike, and were not gone through
        for position in [number for number, value in enumerate(shown) if value is None]:
            could_be = {counts[position] for counts in groups}
            assert len(could_be) > 1 or not could_be & {1, 2, 3}, (shown, total)
