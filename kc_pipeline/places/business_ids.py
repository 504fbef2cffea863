"""Ids of businesses that last from snapshot to snapshot.

A business that is new gets the hash of its name and address.  A business of today that shares a licence id or a permit
number with an earlier one at the same address keeps that one's id, whatever became of its name's spelling or its classes;
so the first spelling that the platform saw decides the id.  Where several earlier businesses are candidates, the one with
which it shares most of its records gets the first choice, so a join or a split of records moves as few ids as possible.
Nothing depends on the order of rows.  A lake that is built anew from the newest snapshot alone has no earlier businesses
and starts from today's spelling: keep core/business_history when moving a lake.
"""

import hashlib

import pandas as pd

_NUMBERS = {"licence": "license_ids", "permit": "permit_numbers"}


def assign_ids(records: pd.DataFrame, history: pd.DataFrame | None = None) -> pd.Series:
    """The id of each business.

    Args:
        records: rows of `business_groups.group_records`, in its order.
        history: rows of core/business_history; None: no earlier snapshot.

    Returns:
        Ids indexed by business.
    """
    first = records.drop_duplicates("business").set_index("business")
    first = first.assign(text=first["name_key"] + "|" + first["read_key"])
    kept = _kept_ids(records, history) if history is not None and len(history) else pd.Series(dtype="str")
    taken, ids = set(kept), dict(kept)
    newcomers = first.drop(index=kept.index).sort_values(["text", "number"])
    for business, text, number in newcomers[["text", "number"]].itertuples(name=None):
        ids[business] = _unused_id(text, number, taken)
        taken.add(ids[business])
    return pd.Series(ids, dtype="str").reindex(first.index)


def _unused_id(text: str, number: str, taken: set[str]) -> str:
    """The hash of a name and address; of its number too where another business already carries that id."""
    candidate = _hashed(text)
    while candidate in taken:
        text = f"{text}|{number}"
        candidate = _hashed(text)
    return candidate


def _hashed(text: str) -> str:
    return "business:" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _kept_ids(records: pd.DataFrame, history: pd.DataFrame) -> pd.Series:
    """Ids of earlier businesses for those of today that go on from them, indexed by business."""
    numbers = records[["business", "register", "number"]].drop_duplicates()
    keys = records.melt("business", ["read_key", "address_key"], value_name="address_key_today")[["business", "address_key_today"]]
    before = _numbers_before(history)
    shared = numbers.merge(before, on=["register", "number"]).merge(keys.drop_duplicates(), on="business")
    shared = shared[shared["address_key"] == shared["address_key_today"]]
    if shared.empty:
        return pd.Series(dtype="str")
    count = shared.groupby(["business", "business_id", "is_gone"]).size().rename("shared").reset_index()
    of_today, of_before = numbers.groupby("business").size(), before.groupby("business_id").size()
    either = count["business"].map(of_today) + count["business_id"].map(of_before) - count["shared"]
    first = records.drop_duplicates("business").set_index("business")
    text = count["business"].map(first["name_key"] + "|" + first["read_key"])
    count = count.assign(
        alike=count["shared"] / either,
        is_renamed=text.map(_hashed) != count["business_id"],
        text=text + "|" + count["business"].map(first["number"]),
    )
    order = ["is_renamed", "alike", "shared", "is_gone", "business_id", "text"]
    ranked = count.sort_values(order, ascending=[name not in ("alike", "shared") for name in order])
    kept: dict[int, str] = {}
    used: set[str] = set()
    for business, identity in ranked[["business", "business_id"]].itertuples(index=False, name=None):
        if business not in kept and identity not in used:
            kept[business] = identity
            used.add(identity)
    return pd.Series(kept, dtype="str")


def _numbers_before(history: pd.DataFrame) -> pd.DataFrame:
    """Register, number, address and id of every business ever seen, as it was seen last."""
    last = history.sort_values(["business_id", "valid_from"]).drop_duplicates("business_id", keep="last")
    parts = []
    for register, column in _NUMBERS.items():
        numbers = last[["business_id", "address_key", "valid_to"]].assign(number=last[column].str.split(";"), register=register)
        parts.append(numbers.explode("number").dropna(subset="number"))
    together = pd.concat(parts, ignore_index=True)
    return together.assign(is_gone=together["valid_to"].notna()).drop(columns="valid_to").query("number != ''")
