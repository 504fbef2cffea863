"""Whether texts are among many others: by Arrow, since pandas reads the others one by one (about 6 s for a million)."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_BETWEEN = pa.scalar("\x1f", pa.large_string())


def among(texts: pd.Series, others: "pd.Series | pd.Index") -> pd.Series:
    """Whether each text is among the others; False where it is missing.

    Args:
        texts: of dtype str.
        others: any number of them, some perhaps missing or repeated.
    """
    known = pa.array(others, type=pa.large_string(), from_pandas=True).drop_null()
    asked = pa.array(texts, type=pa.large_string(), from_pandas=True)
    found = pc.is_in(asked, value_set=known)
    return pd.Series(np.asarray(pc.fill_null(found, False)), index=texts.index)


def places_among(texts: pd.Index, others: pd.Index) -> npt.NDArray[np.int32]:
    """Where each text stands first among the others, a missing one where one is missing; -1 where it does not."""
    known, asked = (pa.array(of, type=pa.large_string(), from_pandas=True) for of in (others, texts))
    return np.asarray(pc.fill_null(pc.index_in(asked, value_set=known), -1))


def rows_among(rows: pd.DataFrame, others: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Whether some columns of text say in each row what they say in one of other rows; False where one of them is missing."""
    return pd.Series(row_places_among(rows, others, columns) >= 0, index=rows.index)


def row_places_among(rows: pd.DataFrame, others: pd.DataFrame, columns: list[str]) -> npt.NDArray[np.int32]:
    """Where other rows first say in some columns of text what each row says there; -1 where none does, or one of them is missing."""
    known, asked = (
        pc.binary_join_element_wise(*(pa.array(of[name], pa.large_string(), from_pandas=True) for name in columns), _BETWEEN)
        for of in (others, rows)
    )
    found = pc.index_in(asked, value_set=known, skip_nulls=True)
    return np.asarray(pc.fill_null(found, -1))
