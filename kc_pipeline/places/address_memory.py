"""The parts of address texts that were parsed before, kept in a file from run to run.

Parsing is text by text and the dearest thing of a day at the size of the whole city, while nearly every text of a day was
seen the day before.  The parts of a text depend on it and on the parser alone, so the file is named by the parser's digest:
another parser starts another file.  It can be deleted at any time; what it holds is parsed anew.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kc_pipeline.digests import repeated_keys
from kc_pipeline.membership import places_among

_TEXT = "text"
Parse = Callable[["pd.Index[Any]"], pd.DataFrame]


class AddressMemory:
    """Parsed texts of one data folder, read when they are first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parser = ""
        self._known: pd.DataFrame | None = None
        self._kept_count = 0

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the block addresses are looked up here first; what was new is kept at its end."""
        token = _IN_USE.set(self)
        try:
            yield
        finally:
            _IN_USE.reset(token)
        self._keep()

    def parts_of(self, texts: "pd.Index[Any]", parser: str, parse: Parse) -> pd.DataFrame:
        """Parts of distinct texts, in their order.

        Args:
            texts: distinct address texts.
            parser: digest of the parser.
            parse: gives the parts of texts, a row each; asked only for texts that are not known.
        """
        if self._known is None or parser != self._parser:
            self._parser, self._known = parser, self._read(parser, parse(texts[:0]))
            self._kept_count = len(self._known)
        places = places_among(texts, self._known.index)
        new = texts[places < 0]
        if len(new):
            self._known = pd.concat([self._known, parse(new).set_axis(new.astype("str"))])
            places = places_among(texts, self._known.index)
        return self._known.iloc[places].reset_index(drop=True)

    def _path(self, parser: str) -> Path:
        return self._folder / f"{parser}.parquet"

    def _read(self, parser: str, nothing: pd.DataFrame) -> pd.DataFrame:
        """What the file holds; nothing where there is none, or none that can be read."""
        nothing = nothing.set_axis(pd.Index([], dtype="str"))
        try:
            rows = pq.read_table(self._path(parser))
            is_whole = not repeated_keys(rows.select([_TEXT])).num_rows
            known = rows.to_pandas().set_index(_TEXT).astype(nothing.dtypes.to_dict())
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
            return nothing
        return known[nothing.columns] if is_whole else nothing

    def _keep(self) -> None:
        """Write the file whole and put it in the place of the old one."""
        if self._known is None or len(self._known) == self._kept_count:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        rows = pa.Table.from_pandas(self._known.rename_axis(_TEXT).reset_index(), preserve_index=False)
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        os.close(handle)
        try:
            pq.write_table(rows, name)
            Path(name).replace(self._path(self._parser))
        finally:
            Path(name).unlink(missing_ok=True)
        self._kept_count = len(self._known)


_IN_USE: ContextVar[AddressMemory | None] = ContextVar("address_memory", default=None)


def parts_of(texts: "pd.Index[Any]", parser: str, parse: Parse) -> pd.DataFrame:
    """Parts of distinct texts, from the memory in use where there is one."""
    memory = _IN_USE.get()
    return parse(texts) if memory is None else memory.parts_of(texts, parser, parse)
