"""Cells of CSV files that no spreadsheet takes for a formula, and the way back.

A text that begins with a formula character gets an apostrophe before it, and so does a text of apostrophes followed by one;
else the way back could not tell which apostrophes are ours.  Numbers are no texts and are never touched: a longitude stays
a number.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula; the wide forms stand for the plain ones
# where the language is Chinese or Japanese.  Tabs and line ends are skipped by some before they look for the formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_STARTS = "[" + "".join(re.escape(start) for start in FORMULA_STARTS) + "]"
_UNSAFE = re.compile(f"'*{_STARTS}")
_MARKED = re.compile(f"'+{_STARTS}")


def safe_cell(value: object) -> str:
    """A value as a cell that no spreadsheet takes for a formula; '' for None and NaN."""
    text = "" if value is None or value != value else str(value)
    return f"'{text}" if _UNSAFE.match(text) else text


def original_text(cell: str) -> str:
    """The text that `safe_cell` was given."""
    return cell[1:] if _MARKED.match(cell) else cell


def safe_cells(texts: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """`safe_cell` of every text of an Arrow column; missing ones stay missing."""
    import pyarrow.compute as pc

    return pc.if_else(pc.match_substring_regex(texts, f"^(?:{_UNSAFE.pattern})"), pc.binary_join_element_wise("'", texts, ""), texts)
