"""Nothing is lost and nothing is made up between the raw pulls, the account, the quarantine and the clean table."""

from collections.abc import Collection

import pandas as pd

from kc_pipeline.catalog.own_rules import ACCEPTED_LOSSES, LARGEST_LOSS_SHARE, LEAST_ROWS_TO_LOSE
from kc_pipeline.quality.checks import Finding

Facts = dict[str, int | float | str]
_PART = ["data_set", "month"]


def check_conservation(
    account: pd.DataFrame, pulls: pd.DataFrame, quarantined: pd.DataFrame, clean_row_count: int, source_row_count: int | None
) -> list[Finding]:
    """Judge one feed.

    Args:
        account: its rows of quality/reconciliation.
        pulls: newest pull of each part: data_set, month, pull_id, row_count.
        quarantined: rows of its quarantine: data_set, row_count.
        clean_row_count: rows of its clean table.
        source_row_count: source rows that its events are made of; None for a register, whose records do not say.
    """
    return [
        _sums(account),
        _pulls(account, pulls),
        _quarantine(account, quarantined),
        _made_of(account, clean_row_count, source_row_count),
    ]


def check_history(pulls: pd.DataFrame, accepted: Collection[tuple[str, str]] = ACCEPTED_LOSSES) -> Finding:
    """Whether no part lost most of the rows that an earlier pull of it had.

    A portal that replaces a year by a nearly empty one states a count that agrees with it; only the past tells.

    Args:
        pulls: newest pull of each part: data_set, month, row_count, largest_before (rows of its largest earlier pull; 0: none).
        accepted: (data set, month) of losses that a person has found to be right.
    """
    had_enough = pulls["largest_before"] >= LEAST_ROWS_TO_LOSE
    lost = pulls[had_enough & (pulls["row_count"] < (1 - LARGEST_LOSS_SHARE) * pulls["largest_before"])]
    is_accepted = [part in accepted for part in zip(lost["data_set"], lost["month"], strict=True)]
    lost = lost[~pd.Series(is_accepted, index=lost.index, dtype=bool)]
    said = tuple(
        f"{row.data_set} {row.month}: {row.row_count:,} rows now, {row.largest_before:,} before; nothing is published until the rows are "
        "back or the loss is accepted (ACCEPTED_LOSSES in kc_pipeline/catalog/own_rules.py)."
        for row in lost.itertuples()
    )
    return Finding("history_does_not_shrink", lost.empty, {"parts": len(pulls), "shrunk": len(lost), "sample": _sample(lost)}, said)


def _sums(account: pd.DataFrame) -> Finding:
    became = account[["good_count", "quarantined_count", "duplicate_count"]].sum(axis="columns")
    wrong = account[account["received_count"] != became]
    facts: Facts = {
        "received": int(account["received_count"].sum()),
        **{name: int(account[f"{name}_count"].sum()) for name in ("good", "quarantined", "duplicate")},
        "sample": _sample(wrong),
    }
    return Finding("every_received_row_is_accounted_for", wrong.empty, facts)


def _pulls(account: pd.DataFrame, pulls: pd.DataFrame) -> Finding:
    both = account[[*_PART, "pull_id", "received_count"]].merge(pulls, on=_PART, how="outer", suffixes=("", "_of_pull"))
    agrees = (both["pull_id"] == both["pull_id_of_pull"]) & (both["received_count"] == both["row_count"])
    wrong = both[~agrees]
    return Finding("the_account_is_that_of_the_pulls", wrong.empty, {"parts": len(both), "wrong": len(wrong), "sample": _sample(wrong)})


def _quarantine(account: pd.DataFrame, quarantined: pd.DataFrame) -> Finding:
    said = account.groupby("data_set")["quarantined_count"].sum()
    held = quarantined.groupby("data_set")["row_count"].sum()
    said, held = said.align(held, fill_value=0)
    wrong = said[said != held]
    facts: Facts = {"rejected": int(said.sum()), "in_quarantine": int(held.sum()), "sample": ", ".join(map(str, wrong.index[:5]))}
    return Finding("every_rejected_row_is_in_quarantine", wrong.empty, facts)


def _made_of(account: pd.DataFrame, clean_row_count: int, source_row_count: int | None) -> Finding:
    good = int(account["good_count"].sum())
    holds = source_row_count == good if source_row_count is not None else (clean_row_count > 0) == (good > 0) and clean_row_count <= good
    facts: Facts = {"good": good, "clean_rows": clean_row_count}
    if source_row_count is not None:
        facts["source_rows_of_events"] = source_row_count
    return Finding("every_good_row_is_in_an_event", holds, facts)


def _sample(parts: pd.DataFrame) -> str:
    return ", ".join(f"{data_set} {month}" for data_set, month in parts[_PART].head(5).itertuples(index=False))
