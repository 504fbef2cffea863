"""Several rows as one: their texts joined, or what repeats taken once."""

import numpy as np
import pandas as pd


def join_distinct(keys: pd.Series, texts: pd.Series) -> pd.Series:
    """Distinct texts of each key, sorted, separated by ';'; indexed by key, without keys that have no text."""
    pairs = pd.DataFrame({"key": keys, "text": texts}).dropna().drop_duplicates().sort_values(["key", "text"])
    joined: dict[str, str] = {}
    for key, text in zip(pairs["key"], pairs["text"], strict=True):
        joined[key] = f"{joined[key]};{text}" if key in joined else text
    return pd.Series(joined, dtype="str")


def distinct_rows(rows: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Distinct values of some columns in the order in which they first stand, none of them missing, and each row's place among them."""
    back = rows.groupby(columns, sort=False).ngroup().to_numpy()
    return rows[columns].drop_duplicates(ignore_index=True), back
