"""What a person decided about businesses and their parcels: a CSV file, read, checked and applied.

The file is edited by hand, mostly in a spreadsheet: a bad row is rejected with a reason and the others apply; only a file
that cannot be read at all stops the run.  Rows without a decision are open questions and are passed over, and so are columns
that this module does not know: `review_csv` writes both.
"""

import csv
import io
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pandas as pd

from kc_pipeline.store.csv_cells import original_text, safe_cell

COLUMNS = ("business_id", "decision", "parcel_id", "same_as_business_id", "decided_by", "decided_on", "note")
DECISIONS = ("parcel", "no_parcel", "same_as", "not_a_business")
# What a run made of a row: 'applied', 'waiting' (its business, or the one it is the same as, is in no register now), 'rejected'.
APPLIED, WAITING, REJECTED = "applied", "waiting", "rejected"
_CONTEXT = ("business_name", "business_types", "address", "reason", "candidates")
_SAVE_AS = "save it as 'CSV UTF-8 (comma delimited)'"


class DecisionsError(ValueError):
    """The file of decisions cannot be read; the message names it and the fix."""


def no_decisions() -> pd.DataFrame:
    """Rows of `read_decisions` for a file that holds none."""
    return pd.DataFrame({"file_line": pd.Series(dtype="int64"), **{name: pd.Series(dtype="str") for name in (*COLUMNS, "problem")}})


def read_decisions(path: Path) -> pd.DataFrame:
    """Rows of the file that hold a decision, as typed.

    Returns:
        Frame with file_line (1 is the header), COLUMNS as text ('' where nothing is typed), and problem: why the row itself
        cannot be read, None for most.

    Raises:
        DecisionsError: the file is no CSV text, has no usable header, or a quotation mark in it is never closed.
    """
    text = _text_of(path)
    header_line = text.lstrip("\n").split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header_line.count), strict=True)
    rows, line = [], 1
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if header and not {"business_id", "decision"} & set(header):
            raise DecisionsError(
                f"{path}: the first line has no column business_id or decision; `kc review --export` writes a file to start from"
            )
        if len({name for name in header if name in COLUMNS}) != sum(name in COLUMNS for name in header):
            raise DecisionsError(f"{path}: a column stands twice in the first line: {', '.join(header)}; take one of them out")
        for cells in reader:
            line, start = reader.line_num, line + 1
            if any(cell.strip() for cell in cells):
                rows.append({"file_line": start, **_read_row(header, cells)})
    except csv.Error as error:
        raise DecisionsError(f"{path}, line {line + 1}: {error}; close or double the quotation mark, or {_SAVE_AS}") from error
    frame = pd.DataFrame(rows, columns=list(no_decisions().columns)).astype(no_decisions().dtypes.to_dict())
    return frame[(frame["decision"] != "") | frame["problem"].notna()].reset_index(drop=True)


def check_decisions(rows: pd.DataFrame, today: pd.Index, earlier: pd.Index, parcel_ids: pd.Index) -> pd.DataFrame:
    """Which decisions apply.

    Args:
        rows: rows of `read_decisions`.
        today: ids of the businesses in today's registers.
        earlier: ids of businesses that were in them before.
        parcel_ids: parcels that exist.

    Returns:
        Frame in the columns of core/business_decisions, sorted by file_line.
    """
    rows = rows.assign(decision=rows["decision"].str.lower(), day=rows["decided_on"].map(_day))
    repeated = rows["business_id"].duplicated(keep=False) & (rows["business_id"] != "")
    reasons = [
        row["problem"] if isinstance(row["problem"], str) else _objection(row, is_repeated, today, earlier, parcel_ids)
        for row, is_repeated in zip(rows.to_dict("records"), repeated, strict=True)
    ]
    reason = pd.Series(reasons, index=rows.index, dtype="object")
    reason = reason.where(reason.notna(), _chained(rows[reason.isna()]).reindex(rows.index))
    is_same = rows["decision"] == "same_as"
    is_here = rows["business_id"].isin(today) & (~is_same | rows["same_as_business_id"].isin(today))
    status = pd.Series(APPLIED, index=rows.index).mask(~is_here, WAITING).mask(reason.notna(), REJECTED)
    return rows.assign(
        parcel_id=_text_or_none(rows["parcel_id"]),
        same_as_business_id=_text_or_none(rows["same_as_business_id"]),
        decided_by=_text_or_none(rows["decided_by"]),
        note=_text_or_none(rows["note"]),
        decided_on=rows["day"],
        decision_status=status.astype("str"),
        rejection_reason=reason,
    )[["file_line", *COLUMNS, "decision_status", "rejection_reason"]]


def apply_decisions(businesses: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Businesses after what a person decided.

    Args:
        businesses: one row per business, with business_id, parcel_id, match_method, match_score, runner_up_parcel_id,
            runner_up_score, reason, and what same_as joins: license_ids, permit_numbers, business_types, valid_until, is_active.
        decisions: rows of `check_decisions`.
    """
    applied = decisions[decisions["decision_status"] == APPLIED].set_index("business_id")
    decision = businesses["business_id"].map(applied["decision"])
    given = businesses["business_id"].map(applied["parcel_id"])
    found = businesses["parcel_id"]
    is_placed = decision.isin(["parcel", "no_parcel"])
    other = is_placed & found.notna() & ~(found == given).fillna(False)
    businesses = businesses.assign(
        parcel_id=found.mask(is_placed, given.where(decision == "parcel")),
        match_method=businesses["match_method"].mask(is_placed, "decision"),
        match_score=businesses["match_score"].mask(is_placed, 1.0),
        runner_up_parcel_id=businesses["runner_up_parcel_id"].mask(other, found),
        runner_up_score=businesses["runner_up_score"].mask(other, businesses["match_score"]),
        reason=businesses["reason"].mask(decision.notna()),
    )
    businesses = businesses[decision.isna() | (decision != "not_a_business")]
    same = applied.loc[applied["decision"] == "same_as", "same_as_business_id"]
    return _joined(businesses, same)


def _joined(businesses: pd.DataFrame, same: pd.Series) -> pd.DataFrame:
    """Businesses of which some are others under a second name: `same` maps the id that goes to the id that stays."""
    if same.empty:
        return businesses
    stays = businesses["business_id"].map(same).astype("str").fillna(businesses["business_id"])
    several = businesses.assign(stays=stays, goes=businesses["business_id"] != stays)[stays.isin(same)]
    groups = several.sort_values("goes", kind="stable").groupby("stays", sort=False)
    lists = {
        name: groups[name].agg(lambda texts: ";".join(sorted({part for text in texts.dropna() for part in text.split(";")})))
        for name in ("license_ids", "permit_numbers", "business_types")
    }
    kept = businesses[businesses["business_id"] == stays]
    touched = kept["business_id"].isin(same)
    joined = {name: kept[name].mask(touched, kept["business_id"].map(values).replace("", None)) for name, values in lists.items()}
    latest = kept["business_id"].map(groups["valid_until"].agg(lambda days: max(days.dropna(), default=None)))
    return kept.assign(
        **joined,
        valid_until=kept["valid_until"].where(~touched, latest),
        is_active=kept["is_active"].where(~touched, kept["business_id"].map(groups["is_active"].any())).astype(bool),
    )


def review_csv(review: pd.DataFrame, decided: pd.DataFrame) -> str:
    """The file of decisions to edit: what was decided so far, and every open question with an empty decision.

    Args:
        review: rows of core/business_review.
        decided: rows of `read_decisions`.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *_CONTEXT])
    for row in decided.to_dict("records"):
        writer.writerow([safe_cell(row[name]) for name in COLUMNS])
    for row in review.sort_values("business_id").to_dict("records"):
        prefilled: Mapping[str, object] = {"business_id": row["business_id"], "parcel_id": row["suggested_parcel_id"]}
        writer.writerow([safe_cell(prefilled.get(name)) for name in COLUMNS] + [safe_cell(row[name]) for name in _CONTEXT])
    return out.getvalue()


def _text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DecisionsError(f"{path}: the file of decisions cannot be read ({error.strerror}); mend the path or the rights") from error
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DecisionsError(f"{path}: this is a workbook, not a CSV file; {_SAVE_AS}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in content:
        raise DecisionsError(f"{path}: this is no UTF-8 text; {_SAVE_AS}")
    return content.decode("utf-8-sig", errors="surrogateescape").replace("\r\n", "\n").replace("\r", "\n")


def _read_row(header: list[str], cells: list[str]) -> dict[str, str | None]:
    typed = dict(zip(header, (_as_typed(cell) for cell in cells), strict=False))
    row: dict[str, str | None] = {name: typed.get(name, "") for name in COLUMNS}
    problem = None
    if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
        row = {name: (cell or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name, cell in row.items()}
        problem = f"The row has letters that are not UTF-8; {_SAVE_AS}."
    elif any(cell.strip() for cell in cells[len(header) :]):
        problem = f"The row has {len(cells)} cells for {len(header)} columns; put quotation marks around a text with commas."
    missing = [name for name in ("business_id", "decision") if name not in header]
    if missing:
        problem = f"The file has no column {missing[0]}."
    elif not row["decision"]:
        problem = None  # an open question
    return {**row, "problem": problem}


def _as_typed(cell: str) -> str:
    """A cell without blanks around it and without the mark before what looks like a formula."""
    return original_text(cell.strip())


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-31") else None
    except ValueError:
        return None


def _objection(row: Mapping[str, object], is_repeated: bool, today: pd.Index, earlier: pd.Index, parcel_ids: pd.Index) -> str | None:
    """Why a decision cannot apply, None where it can."""
    business, decision, parcel, other = (str(row[name]) for name in ("business_id", "decision", "parcel_id", "same_as_business_id"))
    checks = (
        (not business, "business_id is empty."),
        (decision not in DECISIONS, f"{decision!r} is no decision; write one of {', '.join(DECISIONS)}."),
        (business not in today and business not in earlier, f"No business has the id {business!r}; copy it from `kc review`."),
        (is_repeated, f"There are several decisions for {business}; keep one."),
        (not row["decided_by"], "decided_by is empty: say who decided."),
        (not row["decided_on"], "decided_on is empty: say when, as YYYY-MM-DD."),
        (row["day"] is None, f"decided_on is {row['decided_on']!r}; write the day as YYYY-MM-DD."),
        (decision == "parcel" and not parcel, "parcel_id is empty, and the decision is 'parcel'."),
        (decision == "parcel" and parcel not in parcel_ids, f"No parcel has the id {parcel!r}."),
        (decision == "same_as" and not other, "same_as_business_id is empty, and the decision is 'same_as'."),
        (decision == "same_as" and other == business, "A business cannot be the same as itself."),
        (decision == "same_as" and other not in today and other not in earlier, f"No business has the id {other!r}."),
    )
    return next((reason for applies, reason in checks if applies), None)


def _chained(rows: pd.DataFrame) -> pd.Series:
    """Why a 'same_as' among valid decisions cannot apply: the business it names goes itself, in a chain or a cycle."""
    fate = rows.set_index("business_id")["decision"]
    same = rows[rows["decision"] == "same_as"]
    target = same["same_as_business_id"].map(fate)
    gone = {"same_as": "is the same as yet another business", "not_a_business": "is not a business"}
    told = target[target.isin(list(gone))].map(gone)
    return "The business " + same["same_as_business_id"].reindex(told.index) + " " + told + " by another decision; name the one that stays."


def _text_or_none(texts: pd.Series) -> pd.Series:
    return texts.where(texts != "")
