"""Which keys each pull holds, kept from run to run, so that no page is read again to look for a row.

A file for each pull: digests of the distinct values of its key column, named by the pull's content.  A digest that two keys share
only makes a pull be looked at that need not be.  The folder can be deleted at any time; what it holds is made anew.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.extract.manifest import Manifest

Digests = npt.NDArray[np.uint64]


class PullKeys:
    """Key digests of the pulls of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, manifest: Manifest, field: str, rows: pa.Table) -> Digests:
        """Keep the keys of a pull whose rows were read for another reason; returns their digests.

        Args:
            manifest: of the pull.
            field: canonical name of its key column.
            rows: its raw table.
        """
        path = self._path(manifest, field)
        if (known := _read(path)) is not None:
            return known
        digests = np.sort(_digests(pc.unique(rows[field].combine_chunks()))) if field in rows.column_names else np.zeros(0, np.uint64)
        path.parent.mkdir(parents=True, exist_ok=True)
        writing = path.with_name(f"{path.name}.{os.getpid()}.writing")
        with writing.open("wb") as file:
            np.save(file, digests, allow_pickle=False)
        writing.replace(path)
        return digests

    def holds_any(self, manifest: Manifest, field: str, keys: Sequence[str], read: Callable[[], pa.Table]) -> bool:
        """Whether a pull holds a row with one of some keys, in whatever case.

        Args:
            manifest: of the pull.
            field: canonical name of its key column.
            keys: what is looked for.
            read: reads the pull's raw table; asked only if its keys are not kept yet.
        """
        held = _read(self._path(manifest, field))
        held = self.note(manifest, field, read()) if held is None else held
        asked = _digests(pa.array(keys, pa.string()))
        place = np.searchsorted(held, asked)  # they are kept sorted
        found = place < len(held)
        return bool((held[place[found]] == asked[found]).any())

    def _path(self, manifest: Manifest, field: str) -> Path:
        return self._folder / f"{manifest.content_sha256()}-{field}.npy"


def _read(path: Path) -> Digests | None:
    try:
        digests: Digests = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return digests


def _digests(keys: pa.Array) -> Digests:
    texts = pc.utf8_upper(keys.drop_null()).to_numpy(zero_copy_only=False)
    digests: Digests = pd.util.hash_array(texts.astype(object), categorize=False)
    return digests
