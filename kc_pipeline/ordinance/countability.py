"""Whether an event counts at the place it is tied to, and every reason why not.

The default is that it does not: it counts if the rule set lists its category, it is tied EXACTly, and nothing speaks against
it.  A reason that an exact record or a person could remove leaves it 'possible'; any other makes it 'excluded'.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from kc_pipeline.catalog.countability import REASONS
from kc_pipeline.catalog.events import NEVER_COUNTED, NEVER_COUNTED_BY_TEXT, UNKNOWN
from kc_pipeline.ordinance.rules import RuleSet

COUNTS, POSSIBLE, EXCLUDED = "counts", "possible", "excluded"
# What the law says of an event, beside what is known of every share of one.
DETAILS = (
    "is_domestic", "is_officer_initiated", "texts", "reported_local", "occurred_local", "reported_clock", "record_systems", "block_key",
)  # fmt: skip
_OPEN = frozenset(name for name, reason in REASONS.items() if reason.is_open)
# Offenses without a victim, which cannot be domestic violence.
_WITHOUT_VICTIM = ("drugs", "prostitution", "gambling")

Flags = npt.NDArray[np.bool_]


def judge_events(shares: pd.DataFrame, rule_set: RuleSet) -> pd.DataFrame:
    """Every reason, but for what another record or a person adds.

    Args:
        shares: shares of incidents at business places (core/event_attribution: event_id, business_parcel_id, feed, report_date,
            available_date, category, precision, distance_m) with DETAILS.
        rule_set: the law.

    Returns:
        The shares of the feeds that the rule set knows, with is_violent and reasons (tuples of names in catalog/countability.py,
        in its order).
    """
    known = shares["feed"].isin((*rule_set.documented_feeds, *rule_set.reviewed_feeds))
    shares = shares[known & shares["business_parcel_id"].notna()].reset_index(drop=True)
    pairs = shares["feed"] + ":" + shares["category"]
    says = _reasons_by_kind(shares, pairs, rule_set)
    violent = [f"{feed}:{category}" for feed, categories in rule_set.violent.items() for category in categories]
    return shares.assign(is_violent=pairs.isin(violent), reasons=join_reasons(says))


def _reasons_by_kind(shares: pd.DataFrame, pairs: pd.Series, rule_set: RuleSet) -> dict[str, Flags]:
    counted = [f"{feed}:{category}" for feed, categories in rule_set.counted.items() for category in categories]
    never = {f"{feed}:{category}": reason for feed, kinds in NEVER_COUNTED.items() for category, reason in kinds.items()}
    by_category = pairs.map(never)
    is_unknown = shares["category"].eq(UNKNOWN).to_numpy()
    says: dict[str, Flags] = {name: by_category.eq(name).to_numpy(bool) for name in REASONS}
    for name, found in _reasons_by_text(shares["texts"]).items():
        says[name] = says[name] | found
    domestic = shares["is_domestic"].astype("boolean")
    of_persons = shares["feed"].isin(rule_set.documented_feeds) & ~shares["category"].isin(_WITHOUT_VICTIM)
    says["domestic"] = says["domestic"] | domestic.fillna(False).to_numpy(bool)
    says["domestic_unknown"] = (domestic.isna() & of_persons).to_numpy(bool)
    officer = shares["is_officer_initiated"].astype("boolean").fillna(False).to_numpy(bool)
    says["officer_initiated"] = says["officer_initiated"] | officer
    says["unknown_code"] = is_unknown
    says["not_listed"] = ~pairs.isin([*counted, *never]).to_numpy() & ~is_unknown
    says["earlier_law"] = (pd.to_datetime(shares["report_date"]) < pd.Timestamp(rule_set.first_countable_day)).to_numpy()
    says["not_exact"] = shares["precision"].ne("EXACT").to_numpy()
    says["off_premises"] = (shares["distance_m"].astype(float) > rule_set.premises_tolerance_m).to_numpy()
    says["needs_review"] = shares["feed"].isin(rule_set.reviewed_feeds).to_numpy()
    return says


def _reasons_by_text(texts: pd.Series) -> dict[str, Flags]:
    """Reasons that the words of an offense or call type give, found once for each distinct text."""
    codes, distinct = pd.factorize(texts.fillna("").str.upper())
    words = pd.Series(distinct, dtype="str")
    found: dict[str, Flags] = {}
    for pattern, reason in NEVER_COUNTED_BY_TEXT:
        of_text = words.str.contains(pattern, regex=True).to_numpy(bool) if len(words) else np.zeros(0, dtype=bool)
        found[reason] = of_text[codes] | found.get(reason, np.zeros(len(texts), dtype=bool))
    return found


def join_reasons(says: dict[str, Flags]) -> list[tuple[str, ...]]:
    """Names of the reasons that hold for each row; rows of one combination share one tuple."""
    names = list(REASONS)
    codes = sum((says[name].astype(np.int64) << i for i, name in enumerate(names)), np.int64(0))
    distinct, back = np.unique(codes, return_inverse=True)
    tuples = [tuple(name for i, name in enumerate(names) if code >> i & 1) for code in distinct.tolist()]
    return [tuples[i] for i in back.tolist()]


def state_of(reasons: Sequence[str]) -> str:
    """'counts', 'possible' or 'excluded'."""
    if not reasons:
        return COUNTS
    return POSSIBLE if _OPEN.issuperset(reasons) else EXCLUDED


def states_of(reasons: pd.Series) -> pd.Series:
    """States of many rows."""
    distinct = {held: state_of(held) for held in set(reasons)}
    return reasons.map(distinct).astype("str")
