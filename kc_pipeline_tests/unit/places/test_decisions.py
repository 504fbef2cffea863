"""A person's decisions: read from a file that was edited by hand, checked row by row, applied."""

import csv
import io
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from business_frames import only, resolve
from frames import licenses, parcels
from hypothesis import given
from hypothesis import strategies as st

from kc_pipeline.places.decisions import COLUMNS, DecisionsError, check_decisions, read_decisions, review_csv, safe_cell

TODAY, EARLIER = pd.Index(["b:1", "b:2", "b:3", "b:4"]), pd.Index(["b:1", "b:old"])
PARCELS = pd.Index(["7", "8"])
HEADER = ",".join(COLUMNS)


def told(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of a frame, None for what is missing."""
    return [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows.to_dict("records")]


def checked(tmp_path: Path, *lines: str, header: str = HEADER) -> list[tuple[int, str, str | None]]:
    """Line, status and reason of each decision in a file."""
    path = tmp_path / "decisions.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    rows = check_decisions(read_decisions(path), TODAY, EARLIER, PARCELS)
    return [(row["file_line"], row["decision_status"], row["rejection_reason"]) for row in told(rows)]


def test_decisions_are_read_as_typed_and_open_questions_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(
        b"\xef\xbb\xbfBusiness_ID,decision,parcel_id,same_as_business_id,decided_by,decided_on,note,business_name\r\n"
        b'b:1, Parcel ,7,,ann,2026-07-01,"seen, with photo","A; B"\r\n'
        b"b:2,,8,,,,,open question\r\n"
        b"\r\n"
        b"b:3,no_parcel,,,ann,2026-07-02,'=gone,\r\n"
    )
    rows = check_decisions(read_decisions(path), TODAY, EARLIER, PARCELS)
    assert told(rows[["file_line", "business_id", "decision", "parcel_id", "decided_on", "note", "decision_status"]]) == [
        {"file_line": 2, "business_id": "b:1", "decision": "parcel", "parcel_id": "7", "decided_on": date(2026, 7, 1),
         "note": "seen, with photo", "decision_status": "applied"},
        {"file_line": 5, "business_id": "b:3", "decision": "no_parcel", "parcel_id": None, "decided_on": date(2026, 7, 2),
         "note": "=gone", "decision_status": "applied"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",parcel,7,,ann,2026-07-01,", "business_id is empty"),
        ("b:1,perhaps,7,,ann,2026-07-01,", "'perhaps' is no decision; write one of parcel, no_parcel"),
        ("b:99,parcel,7,,ann,2026-07-01,", "No business has the id 'b:99'"),
        ("b:1,parcel,7,,,2026-07-01,", "decided_by is empty"),
        ("b:1,parcel,7,,ann,,", "decided_on is empty"),
        ("b:1,parcel,7,,ann,7/1/2026,", "decided_on is '7/1/2026'; write the day as YYYY-MM-DD"),
        ("b:1,parcel,7,,ann,20260701,", "write the day as YYYY-MM-DD"),
        ("b:1,parcel,,,ann,2026-07-01,", "parcel_id is empty"),
        ("b:1,parcel,9,,ann,2026-07-01,", "No parcel has the id '9'"),
        ("b:1,same_as,,,ann,2026-07-01,", "same_as_business_id is empty"),
        ("b:1,same_as,,b:1,ann,2026-07-01,", "cannot be the same as itself"),
        ("b:1,same_as,,b:99,ann,2026-07-01,", "No business has the id 'b:99'"),
        ("b:1,parcel,7,,ann,2026-07-01,seen, twice", "The row has 8 cells for 7 columns"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_the_others_apply(tmp_path: Path, line: str, reason: str) -> None:
    bad, good = checked(tmp_path, line, "b:2,parcel,8,,ann,2026-07-01,")
    assert bad[:2] == (2, "rejected")
    assert reason in str(bad[2])
    assert good == (3, "applied", None)


def test_letters_in_another_encoding_reject_their_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(HEADER.encode() + b"\nb:1,parcel,7,,Ren\xe9,2026-07-01,\nb:2,parcel,8,,ann,2026-07-01,\n")
    rows = check_decisions(read_decisions(path), TODAY, EARLIER, PARCELS)
    assert rows["decision_status"].tolist() == ["rejected", "applied"]
    assert "not UTF-8; save it as 'CSV UTF-8" in rows["rejection_reason"].iloc[0]
    assert rows["decided_by"].iloc[0] == "Ren\ufffd"


def test_two_decisions_for_one_business_reject_each_other(tmp_path: Path) -> None:
    found = checked(tmp_path, "b:1,parcel,7,,ann,2026-07-01,", "b:1,no_parcel,,,bob,2026-07-02,", "b:2,no_parcel,,,ann,2026-07-01,")
    assert [status for _, status, _ in found] == ["rejected", "rejected", "applied"]
    assert found[0][2] == "There are several decisions for b:1; keep one."


def test_chains_and_cycles_of_same_as_are_rejected(tmp_path: Path) -> None:
    chain = checked(tmp_path, "b:1,same_as,,b:2,ann,2026-07-01,", "b:2,same_as,,b:3,ann,2026-07-01,")
    assert [status for _, status, _ in chain] == ["rejected", "applied"]
    assert "b:2 is the same as yet another business by another decision; name the one that stays" in str(chain[0][2])
    cycle = checked(tmp_path, "b:1,same_as,,b:2,ann,2026-07-01,", "b:2,same_as,,b:1,ann,2026-07-01,")
    assert [status for _, status, _ in cycle] == ["rejected", "rejected"]
    gone = checked(tmp_path, "b:1,same_as,,b:2,ann,2026-07-01,", "b:2,not_a_business,,,ann,2026-07-01,")
    assert [status for _, status, _ in gone] == ["rejected", "applied"]


def test_a_decision_for_a_business_that_is_in_no_register_now_waits(tmp_path: Path) -> None:
    found = checked(tmp_path, "b:old,parcel,7,,ann,2026-07-01,", "b:1,same_as,,b:old,ann,2026-07-01,")
    assert [status for _, status, _ in found] == ["waiting", "waiting"]


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("decided_by", "decided_by is empty"), ("business_id", "no column business_id"), ("decision", "no column decision")],
)
def test_an_absent_column_rejects_the_rows_that_need_it(tmp_path: Path, missing: str, reason: str) -> None:
    row = dict(zip(COLUMNS, ("b:1", "parcel", "7", "", "ann", "2026-07-01", ""), strict=True))
    row.pop(missing)
    ((_, status, why),) = checked(tmp_path, ",".join(row.values()), header=",".join(row))
    assert status == "rejected"
    assert reason in str(why)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest of a workbook", "this is a workbook, not a CSV file; save it as 'CSV UTF-8"),
        (HEADER.encode("utf-16"), "this is no UTF-8 text; save it as"),
        (b"name,place\nA,B\n", "the first line has no column business_id or decision"),
        (b"business_id,decision,decision\nb:1,parcel,parcel\n", "a column stands twice"),
        (HEADER.encode() + b'\nb:1,parcel,7,,ann,2026-07-01,"never closed\n', r"line 2: .*close or double the quotation mark"),
    ],
)
def test_a_file_that_cannot_be_read_stops_the_run_with_its_name_and_the_fix(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "decisions.csv"
    path.write_bytes(content)
    with pytest.raises(DecisionsError, match=rf"decisions\.csv.*{message}"):
        read_decisions(path)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DecisionsError, match="cannot be read"):
        read_decisions(tmp_path)


def test_an_empty_file_holds_no_decision(tmp_path: Path) -> None:
    (tmp_path / "decisions.csv").write_text("")
    assert read_decisions(tmp_path / "decisions.csv").empty


def test_semicolons_between_cells_are_understood(tmp_path: Path) -> None:
    assert checked(tmp_path, "b:1;parcel;7;;ann;2026-07-01;", header=HEADER.replace(",", ";")) == [(2, "applied", None)]


LOTS = parcels(("1", "1000 Locust St", 0), ("2", "1004 Locust St", 1))
LICENSES = licenses(
    ("11", "A", "x", "1000 LOCUST ST", None, None),
    ("12", "B", "y", "1000 LOCUST ST", None, None),
    ("13", "C", "z", "1004 LOCUST ST", None, None),
)


def decide(**decisions: tuple[str, str]) -> pd.DataFrame:
    """Businesses after decisions, given as name -> (decision, parcel id or name of another business)."""
    known = resolve(LOTS, LICENSES).businesses.set_index("business_name")["business_id"]
    rows = pd.DataFrame(
        [
            {"file_line": line, "business_id": known[name], "decision": decision, "decided_by": "ann", "decided_on": "2026-07-01",
             "parcel_id": told if decision == "parcel" else "", "same_as_business_id": known.get(told, ""), "note": "", "problem": None}
            for line, (name, (decision, told)) in enumerate(decisions.items(), start=2)
        ]
    )  # fmt: skip
    return resolve(LOTS, LICENSES, decisions=rows).businesses.set_index("business_name")


def test_a_decided_parcel_stands_before_the_search() -> None:
    found = decide(A=("parcel", "2"), B=("no_parcel", ""))
    columns = ["business_parcel_id", "match_method", "match_score", "runner_up_parcel_id"]
    assert found.loc["A", columns].tolist() == ["parcel:2", "decision", 1.0, "1"]
    assert found.loc["B", columns].tolist() == ["address:1000 LOCUST ST", "decision", 1.0, "1"]
    assert found.loc["C", "match_method"] == "address"


def test_what_is_not_a_business_goes_and_a_second_name_is_joined() -> None:
    found = decide(A=("not_a_business", ""), B=("same_as", "C"))
    row = only(found.reset_index())
    assert (row["business_name"], row["license_ids"], row["business_types"], row["parcel_id"]) == ("C", "12;13", "y;z", "2")


def test_the_exported_file_reads_back_as_it_was(tmp_path: Path) -> None:
    review = pd.DataFrame(
        [{"business_id": "b:3", "business_name": "=HYPERLINK(1)", "business_types": "x", "address": "-1 MAIN ST", "reason": "why, and\nhow",
          "candidates": 'parcel 7 (1.00, "x")', "suggested_parcel_id": "7"}]
    )  # fmt: skip
    path = tmp_path / "decisions.csv"
    path.write_text(f"{HEADER}\nb:1,parcel,7,,ann,2026-07-01,+1 for this\n", encoding="utf-8")
    before = read_decisions(path)
    content = review_csv(review, before)
    path.write_text(content, encoding="utf-8-sig", newline="")
    pd.testing.assert_frame_equal(read_decisions(path), before)
    _, decided, open_question = csv.reader(io.StringIO(content))
    assert decided[:7] == ["b:1", "parcel", "7", "", "ann", "2026-07-01", "'+1 for this"]
    assert open_question[:9] == ["b:3", "", "7", "", "", "", "", "'=HYPERLINK(1)", "x"]
    assert open_question[9] == "'-1 MAIN ST"


@given(st.text())
@pytest.mark.fault(28)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
