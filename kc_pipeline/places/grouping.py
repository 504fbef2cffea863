"""Texts of several rows as one."""

import pandas as pd


def join_distinct(keys: pd.Series, texts: pd.Series) -> pd.Series:
    """Distinct texts of each key, sorted, separated by ';'; indexed by key, without keys that have no text."""
    pairs = pd.DataFrame({"key": keys, "text": texts}).dropna().drop_duplicates().sort_values(["key", "text"])
    joined: dict[str, str] = {}
    for key, text in zip(pairs["key"], pairs["text"], strict=True):
        joined[key] = f"{joined[key]};{text}" if key in joined else text
    return pd.Series(joined, dtype="str")
