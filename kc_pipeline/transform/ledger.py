"""The account of every source row: good, quarantined or duplicate, and the tables that cleaning returns.

A cleaner opens a `Ledger` over its raw rows, rejects what cannot be used, makes clean rows from the rest, and closes the
ledger with them.  Closing fails if a row of any page is unaccounted for.
"""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.catalog.raw_fields import FRONT, field_names
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import PROVENANCE, TABLES
from kc_pipeline.transform.result import CleanResult, ReconciliationError

# Raise it whenever the same raw rows would give other clean rows: every month is then cleaned again.
CODE_VERSION = "8"

_NOT_CONTENT = (*PROVENANCE, "available_date", "row_hash")
_UNIT_SEPARATOR, _NULL = "\x1f", "\x00"


class Ledger:
    """Raw rows of one feed and what becomes of each.

    Attributes:
        feed: name of the feed.
        rows: every raw row, texts trimmed and without NUL (PostgreSQL cannot hold it), empty texts missing, columns a source lacks
            added as missing.
    """

    def __init__(self, feed: str, raw: pa.Table) -> None:
        self.feed = feed
        fields = list(field_names(feed))
        raw = _with_front(raw)
        frame = raw.select([name for name in (*FRONT, *fields) if name in raw.column_names]).to_pandas()
        # In an order that does not hang on how the rows came: of a repeated identity the newest pull's row is used.
        order = ["data_set", "pulled_at", "partition", "pull_id", "page", "line"]
        frame = frame.sort_values(order, ascending=[name != "pulled_at" for name in order], kind="stable", ignore_index=True)
        for name in fields:
            if name not in frame:
                frame[name] = pd.Series(None, index=frame.index, dtype="object" if name == "geometry" else "str")
            elif name != "geometry":
                text = frame[name].astype("str").str.replace("\0", "", regex=False).str.strip()
                frame[name] = text.mask(text == "")
        self.rows = frame
        self._fields = fields
        self._is_duplicate = _repeats_identity(frame)
        self._rejected: list[pd.DataFrame] = []
        self._is_rejected = np.zeros(len(frame), dtype=bool)

    @property
    def usable(self) -> pd.DataFrame:
        """Rows that are neither duplicates nor rejected so far."""
        return self.rows[~self._is_duplicate & ~self._is_rejected]

    def reject(self, bad: pd.Series, rule: str, reason: str, values: pd.Series, months: pd.Series | None = None) -> None:
        """Reject usable rows.

        Args:
            bad: mask over `usable` rows (same index).
            rule: snake_case name of the rule.
            reason: sentence with '{value}' where the offending value goes.
            values: the offending values, indexed like `bad`.
            months: month of each row where its partition does not say it.
        """
        where = bad.index[bad.fillna(False).to_numpy(bool)]
        if not len(where):
            return
        self._is_rejected[where] = True
        rows = self.rows.loc[where]
        said = values.loc[where].astype("object").where(values.loc[where].notna(), None)
        month = rows["partition"].mask(
            rows["partition"] == "whole", "undated" if months is None else months.reindex(where).fillna("undated")
        )
        texts = rows[[name for name in self._fields if name != "geometry"]].astype("object").where(lambda f: f.notna(), None)
        self._rejected.append(
            pd.DataFrame(
                {
                    "feed": self.feed,
                    "month": month,
                    **{name: rows[name] for name in ("data_set", "pull_id", "page", "line")},
                    "rule": rule,
                    "reason": [reason.format(value="missing" if value is None else repr(value)) for value in said],
                    "rejected_value": said,
                    "raw_row": [
                        json.dumps({k: v for k, v in row.items() if v is not None}, sort_keys=True) for row in texts.to_dict("records")
                    ],
                }
            )
        )

    def close(self, clean: pd.DataFrame, key_of_row: pd.Series) -> CleanResult:
        """The tables that cleaning returns.

        Args:
            clean: clean rows in the columns of the contract, without row_hash.
            key_of_row: for every usable row (by index) the key of the clean row that it became part of.

        Raises:
            ReconciliationError: a source row is not exactly one of good, quarantined and duplicate, two clean rows have the same
                key, or one is made from no source row.
        """
        contract = TABLES[f"clean/{self.feed}"]
        table = _as_arrow(contract.name, clean.assign(row_hash=""))
        table = table.set_column(table.schema.get_field_index("row_hash"), table.schema.field("row_hash"), _row_hashes(table))
        table = table.sort_by([(name, "ascending") for name in contract.key])
        keys = pd.Series(table[contract.key[0]].to_pandas())
        strange = keys[keys.duplicated()]
        if strange.empty:
            became = pd.Series(pd.Index(keys).get_indexer(key_of_row), index=key_of_row.index)
            strange = keys[~keys.index.isin(became)]
        if len(strange):
            raise ReconciliationError(f"{self.feed}: the clean row {strange.iloc[0]!r} stands twice or is made from no source row")
        return CleanResult(table, self._quarantine(), self._reconcile(became[became >= 0]))

    def _quarantine(self) -> pa.Table:
        name = f"quarantine/{self.feed}"
        if not self._rejected:
            return to_arrow(TABLES[name]).empty_table()
        rows = _as_arrow(name, pd.concat(self._rejected, ignore_index=True))
        return rows.sort_by([(column, "ascending") for column in TABLES[name].key])

    def _reconcile(self, became: pd.Series) -> pa.Table:
        """The account; `became` holds the number of the clean row that each good source row is part of."""
        part = ["data_set", "partition", "pull_id"]
        account = self.rows[[*part, "page"]].copy()
        account["good_count"] = False
        account.loc[became.index, "good_count"] = True
        account["key"] = became.astype("float64").reindex(account.index)
        account["duplicate_count"] = self._is_duplicate
        account["quarantined_count"] = self._is_rejected
        counts = ["good_count", "quarantined_count", "duplicate_count"]
        pages = account.groupby([*part, "page"])[counts].sum()
        received = account.groupby([*part, "page"]).size()
        wrong = account[account[counts].sum(axis="columns") != 1]
        if len(wrong):
            page = tuple(wrong.iloc[0][[*part, "page"]])
            raise ReconciliationError(
                f"{self.feed} {page}: {received[page]} rows received, but {pages.loc[page].to_dict()} (good + quarantined + duplicates)"
            )
        totals = account.groupby(part, as_index=False).agg(
            received_count=("page", "size"), **{name: (name, "sum") for name in counts}, event_count=("key", "nunique")
        )
        totals = totals.rename(columns={"partition": "month"}).assign(feed=self.feed, code_version=CODE_VERSION)
        return _as_arrow("quality/reconciliation", totals)


def provenance(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """The provenance columns of clean rows that stand for one raw row each."""
    return {"first_seen_utc": rows["pulled_at"], **{name: rows[name] for name in PROVENANCE[1:]}}


def _with_front(raw: pa.Table) -> pa.Table:
    """The raw table with the provenance columns that one without rows may lack."""
    types = {"page": pa.int32(), "line": pa.int32(), "pulled_at": pa.timestamp("us", tz="UTC")}
    for name in FRONT:
        if name not in raw.column_names:
            raw = raw.append_column(name, pa.nulls(raw.num_rows, types.get(name, pa.string())))
    return raw


def _repeats_identity(rows: pd.DataFrame) -> np.ndarray:
    """Rows whose identity, (data set, row id), stands in an earlier row; a row id that is only a place names a row of its own pull."""
    place = rows["page"].astype("str") + ":" + rows["line"].astype("str")
    pull = (rows["partition"] + "/" + rows["pull_id"]).where(rows["row_id"] == place, "")
    return np.asarray(rows[["data_set", "row_id"]].assign(pull=pull).duplicated())


def _as_arrow(table: str, rows: pd.DataFrame) -> pa.Table:
    schema = to_arrow(TABLES[table])
    return pa.Table.from_pandas(rows.reindex(columns=schema.names), schema=schema, preserve_index=False)


def _row_hashes(rows: pa.Table) -> pa.Array:
    """SHA-256 of the content columns of each row, in the contract's order."""
    texts = []
    for field in rows.schema:
        if field.name in _NOT_CONTENT:
            continue
        column = rows[field.name].combine_chunks()
        if pa.types.is_binary(field.type):
            column = pa.array([None if value is None else hashlib.sha256(value).hexdigest() for value in column.to_pylist()], pa.string())
        texts.append(pc.fill_null(column.cast(pa.string()), _NULL))
    if not rows.num_rows:
        return pa.array([], pa.string())
    joined = pc.binary_join_element_wise(*texts, _UNIT_SEPARATOR)
    return pa.array([hashlib.sha256(text.encode()).hexdigest() for text in joined.to_pylist()], pa.string())
