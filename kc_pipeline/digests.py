"""A number for each row that equal rows share, made without a table of what was seen: for a million texts that takes ten times as long.

Rows that differ may share a number too: among five million rows that happens once in a million times.  So rows that share one are
compared themselves, which hardly ever costs anything.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Digests = npt.NDArray[np.uint64]

_WORD = 8
_STEP, _MISSING = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
_FACTOR, _SHIFT = np.uint64(0xBF58476D1CE4E5B9), np.uint64(29)


def row_digests(rows: pa.Table) -> Digests:
    """A 64-bit number for each row, the same for rows that are the same in every column.

    Args:
        rows: columns of numbers, of text, or of what Arrow can write as text.
    """
    return np.concatenate([np.zeros(0, np.uint64), *(_digests_of(batch) for batch in rows.to_batches() if batch.num_rows)])


def repeated_keys(keys: pa.Table) -> pa.Table:
    """Keys that stand in more than one row, each once, with how often in `count_all`.

    Args:
        keys: the key columns of some rows.
    """
    digests = row_digests(keys)
    ordered = np.sort(digests)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    counts = keys.filter(np.isin(digests, twice)).group_by(keys.column_names).aggregate([([], "count_all")])
    return counts.filter(pc.greater(counts["count_all"], 1))


def _digests_of(batch: pa.RecordBatch) -> Digests:
    digests = np.zeros(batch.num_rows, np.uint64)
    for column in batch.columns:
        is_fractional = pa.types.is_floating(column.type)
        of_column = _fraction_digests(column) if is_fractional else _text_digests(column)
        if column.null_count:
            of_column[np.asarray(pc.is_null(column))] = _MISSING
        digests = _mixed(digests * _STEP ^ of_column)
    return digests


def _fraction_digests(numbers: pa.Array) -> Digests:
    """The bits of each number, since its text takes long to write."""
    filled = np.asarray(pc.fill_null(numbers, 0.0).cast(pa.float64()))
    return _mixed(filled.view(np.uint64))


def _text_digests(texts: pa.Array) -> Digests:
    """A number for each text, from its length and its bytes, eight at a time."""
    texts = texts.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(texts) + 1, _WORD * texts.offset)
    held = np.zeros((data.size if data is not None else 0) + _WORD, np.uint8)  # the last text's last word reaches beyond its bytes
    held[:-_WORD] = np.frombuffer(data, np.uint8) if data is not None else 0
    word_at = np.ndarray((len(held) - _WORD + 1,), "<u8", held, strides=(1,))
    starts, lengths = bounds[:-1], np.diff(bounds)
    digests = _mixed(lengths.astype(np.uint64) * _STEP)
    longer = np.arange(len(texts))
    for done in range(0, int(lengths.max(initial=0)), _WORD):
        longer = longer[lengths[longer] > done]
        beyond = np.maximum(done + _WORD - lengths[longer], 0).astype(np.uint64)  # bytes of the word that are not the text's
        words = word_at[starts[longer] + done] << (np.uint64(_WORD) * beyond)
        digests[longer] = _mixed(digests[longer] * _STEP ^ words)
    return digests


def _mixed(digests: Digests) -> Digests:
    """Every bit spread over the others: the finalizer's step of a multiply-and-shift hash."""
    digests = digests * _FACTOR
    mixed: Digests = digests ^ (digests >> _SHIFT)
    return mixed
