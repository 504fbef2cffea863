"""Small counts that the public must not see: hidden, together with as many others as keep them from being computed.

Counts from 1 to 10 may point at a person.  A hidden count that is the only one missing from a published total is the total
less the others, so the next larger counts are hidden too (complementary suppression), until there are three and what is
known of them leaves each anything from 1 to 10.  Three, because of two a reader who knows this very rule can at times tell
one; of three never (a test goes through all groups of up to four counts).
"""

import numpy as np
import numpy.typing as npt

from kc_pipeline.catalog.columns import LARGEST_SMALL_COUNT

LEAST_HIDDEN = 3


def hidden_cells(counts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], bool]:
    """Which counts of one published total to hide, and whether to hide the total itself.

    Args:
        counts: the counts that sum to the total; none is negative.

    Returns:
        A flag for each count, and one for the total: where too few other counts are left to hide, nothing of the group is shown.
    """
    hidden = (counts >= 1) & (counts <= LARGEST_SMALL_COUNT)
    if not hidden.any():
        return hidden, False
    others = np.flatnonzero(counts > LARGEST_SMALL_COUNT)
    others = others[np.argsort(counts[others], kind="stable")]
    for taken in range(len(others) + 1):
        hidden[others[:taken]] = True
        most = _most(counts[others[taken:]], int(counts.sum())) if taken else LARGEST_SMALL_COUNT
        if leaves_open(int(counts[hidden].sum()), int(hidden.sum()), most):
            return hidden, False
    return np.ones(len(counts), dtype=bool), True


def leaves_open(hidden_sum: int, hidden_count: int, most: int) -> bool:
    """Whether each of some hidden counts can be anything from 1 to 10, by their sum and the most that one of them can be."""
    others = hidden_count - 1
    if hidden_count < LEAST_HIDDEN:
        return False
    return hidden_sum - others * most <= 1 and hidden_sum - others >= LARGEST_SMALL_COUNT


def could_be_computed(shown: npt.NDArray[np.int64], hidden_count: int, total: int | None) -> bool:
    """Whether a reader of a published group could narrow its hidden counts down.

    Args:
        shown: the counts that are published.
        hidden_count: how many are not.
        total: the published total; None where it is hidden too.
    """
    if hidden_count == 0 or total is None:
        return False
    hidden_sum = total - int(shown.sum())
    most = _most(shown[shown > LARGEST_SMALL_COUNT], total)
    return not any(leaves_open(hidden_sum, hidden_count, limit) for limit in (LARGEST_SMALL_COUNT, most))


def _most(larger: npt.NDArray[np.int64], total: int) -> int:
    """No hidden count is above the smallest one that is shown, since the smaller are hidden first."""
    return int(larger.min()) if len(larger) else total
