"""Read files that a department drops into a folder: CSV, JSON, GeoJSON, Parquet, packed with gzip or not.

A file's bytes are kept as dropped; where it holds columns that are not on the allow-list, they are taken out before the
first write, and the manifest names them beside the digest of the original.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.errors import PermanentSourceError, SourceError, TransientSourceError
from kc_pipeline.extract.manifest import FILES, Facts, Pulled, Request
from kc_pipeline.extract.pages import GEOMETRY, PageError, read_csv, read_page, read_records
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.replies import pack, unpack
from kc_pipeline.extract.transport import WHOLE, Held, Months, Survey, check_required, label, match_fields

FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".geojson": "json", ".parquet": "parquet"}
_UNFINISHED = (".part", ".tmp", ".crdownload", "~")
FILE_BYTES = 1 << 29


@dataclass(frozen=True)
class Drop:
    """One dropped file, read.

    Attributes:
        name: its name in the folder.
        page_format: see `pages`.
        encoding: 'gzip' or 'identity'.
        wire: bytes as dropped.
        content: bytes, unpacked.
        table: what it holds, as text.
    """

    name: str
    page_format: str
    encoding: str
    wire: bytes
    content: bytes
    table: pa.Table


class FileTransport:
    """Files in one folder; a data set's id is a pattern of names."""

    def __init__(self, folder: Path, store: RawStore, now: Callable[[], datetime], file_bytes: int = FILE_BYTES) -> None:
        """Prepare; nothing is read yet.

        Args:
            folder: where files are dropped.
            store: where pulls are kept.
            now: the time, UTC.
            file_bytes: largest file, as dropped and unpacked.
        """
        self._folder, self._store, self._now, self._file_bytes = folder, store, now, file_bytes

    def files(self, data_set: DataSet) -> list[Path]:
        """Files of a data set, in order of their names.

        Raises:
            PermanentSourceError: the pattern or a link leaves the folder, or a file is of a kind that is not read.
        """
        if PurePath(data_set.id).is_absolute() or ".." in PurePath(data_set.id).parts:
            raise PermanentSourceError(f"{label(data_set)}: the pattern leaves the drop folder; edit kc_pipeline/catalog/sources.py")
        root = self._folder.resolve()
        found = []
        for path in sorted(self._folder.glob(data_set.id)):
            if not path.is_file() or path.name.startswith((".", "~")) or path.name.endswith(_UNFINISHED):
                continue
            if not path.resolve().is_relative_to(root):
                raise PermanentSourceError(f"{label(data_set)}: {_name(path)} is a link out of the drop folder; put the file itself there")
            if _format_of(path) is None:
                kinds = ", ".join(FORMATS)
                raise PermanentSourceError(f"{label(data_set)}: {_name(path)} cannot be read; drop it as one of {kinds} (.gz is fine)")
            found.append(path)
        return found

    def state(self, data_set: DataSet) -> str | None:
        """Names, sizes and times of the files; None where there is none."""
        with _held_still(data_set):
            found = [(_name(path), f"{path.stat().st_size} {path.stat().st_mtime_ns}") for path in self.files(data_set)]
        return _digest(found) if found else None

    def survey(self, data_set: DataSet, months: Months) -> Survey | None:
        """Digest of the files; rows are counted only where it is new. None without a file: a share that is away looks like that."""
        files = self.files(data_set)
        if not files:
            return None
        digest = _digest([(_name(path), hashlib.sha256(self._wire(data_set, path)).hexdigest()) for path in files])
        latest = self._store.latest(data_set.feed, data_set.id, WHOLE)
        known = latest is not None and latest.changed_at == digest
        rows = latest.row_count if latest and known else sum(self._read(data_set, path).table.num_rows for path in files)
        return Survey(rows, {WHOLE: Held(rows, digest)})

    def pull(self, data_set: DataSet, partition: str, months: Months, held: Held) -> Pulled:
        """Keep the files, one page each.

        Raises:
            TransientSourceError: the files changed since the survey.
            PermanentSourceError: a file cannot be read, or lacks a required column.
        """
        drops = [self._read(data_set, path) for path in self.files(data_set)]
        digest = _digest([(drop.name, hashlib.sha256(drop.wire).hexdigest()) for drop in drops])
        rows = sum(drop.table.num_rows for drop in drops)
        if drops and digest != held.changed_at:
            raise TransientSourceError(f"{label(data_set)}: the dropped files changed while they were being read")
        declared: dict[str, str] = {}
        resolution: dict[str, str] = {}
        dropped: set[str] = set()
        with self._store.begin(data_set.feed, data_set.id, partition) as writer:
            for drop in drops:
                names = [name for name in drop.table.column_names if name != GEOMETRY]
                mine = _resolve(data_set, drop)
                check_required(data_set, mine, names)
                declared |= {name: str(drop.table.schema.field(name).type) for name in names}
                resolution = {**mine, **resolution}
                unlisted = _unlisted(data_set, drop, mine)
                dropped |= {name for name in unlisted if name != GEOMETRY} | ({"geometry"} if GEOMETRY in unlisted else set())
                content = _without(drop, unlisted) if unlisted else drop.content
                packed = bool(unlisted) and drop.page_format != "parquet"
                writer.requests.append(Request("FILE", drop.name))
                writer.add_page(
                    pack(content) if packed else content if unlisted else drop.wire,
                    drop.page_format,
                    "gzip" if packed else "identity" if unlisted else drop.encoding,
                    content,
                    drop.table.num_rows,
                    resolution=mine,
                    original=(drop.name, hashlib.sha256(drop.wire).hexdigest() if unlisted else None),
                )
                if read_page(content, drop.page_format).num_rows != drop.table.num_rows:
                    raise PermanentSourceError(
                        f"{label(data_set)}: {drop.name} loses rows without {', '.join(unlisted)}; drop it without them"
                    )
            facts = Facts(
                transport=str(data_set.transport),
                paging=FILES,
                count_before=rows,
                count_after=rows,
                changed_at=digest if drops else None,
                declared=tuple(declared.items()),
                resolution=resolution,
                implied=data_set.implied,
                key_field=data_set.key_field,
                dropped_columns=tuple(sorted(dropped)),
            )
            return writer.commit(facts, self._now)

    def _read(self, data_set: DataSet, path: Path) -> Drop:
        page_format = _format_of(path) or ""
        encoding = "gzip" if path.suffix.lower() == ".gz" else "identity"
        wire = self._wire(data_set, path)
        try:
            content = unpack(wire, encoding, self._file_bytes)
            return Drop(_name(path), page_format, encoding, wire, content, read_page(content, page_format))
        except (PageError, SourceError) as error:
            raise PermanentSourceError(f"{label(data_set)}: {_name(path)} cannot be read ({error}); drop it again") from error

    def _wire(self, data_set: DataSet, path: Path) -> bytes:
        """A file's bytes, never many more than may be."""
        with _held_still(data_set), path.open("rb") as file:
            wire = file.read(self._file_bytes + 1)
        if len(wire) > self._file_bytes:
            raise PermanentSourceError(f"{label(data_set)}: {_name(path)} has more than {self._file_bytes:,} bytes; drop it in parts")
        return wire


@contextmanager
def _held_still(data_set: DataSet) -> Iterator[None]:
    """Files are being read; one that is taken away or renamed meanwhile, or that a share does not give, may be there the next time."""
    try:
        yield
    except OSError as error:
        raise TransientSourceError(f"{label(data_set)}: a dropped file cannot be read now: {error}") from error


def _name(path: Path) -> str:
    """A file's name as text; what in it is no UTF-8 is replaced."""
    return os.fsencode(path.name).decode(errors="replace")


def _format_of(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def _digest(files: Sequence[tuple[str, str]]) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(list(files)).encode()).hexdigest()


def _resolve(data_set: DataSet, drop: Drop) -> dict[str, str]:
    """Which column of a file is which; a GeoJSON geometry stands for a shape or a point of any name."""
    resolution = match_fields(data_set, drop.table.column_names)
    if GEOMETRY in drop.table.column_names:
        resolution |= {name: GEOMETRY for name in ("shape", "point") if name in data_set.fields and name not in resolution}
    return resolution


def _unlisted(data_set: DataSet, drop: Drop, resolution: dict[str, str]) -> list[str]:
    """Columns that are not on the allow-list; a point's geometry stays where its coordinates are allowed."""
    allowed = {name.casefold() for names in data_set.fields.values() for name in names} | set(resolution.values())
    allowed |= {(data_set.key_field or "").casefold()}
    if {"latitude", "longitude"} & set(data_set.fields):
        allowed.add(GEOMETRY)
    return [name for name in drop.table.column_names if name.strip().casefold() not in allowed and name not in allowed]


def _without(drop: Drop, unlisted: Sequence[str]) -> bytes:
    """A file's content without some columns, in the same format."""
    sink = io.BytesIO()
    if drop.page_format == "parquet":
        pq.write_table(pq.read_table(io.BytesIO(drop.content)).drop_columns(list(unlisted)), sink)
    elif drop.page_format == "csv":
        table = read_csv(drop.content).drop_columns(list(unlisted))
        filled = [column.fill_null("") for column in table.columns] if table.num_columns == 1 else table.columns
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(table.column_names)
        sink.write(header.getvalue().encode())
        pa_csv.write_csv(pa.table(filled, names=table.column_names), sink, pa_csv.WriteOptions(include_header=False))
    else:
        records = [{name: value for name, value in record.items() if name not in unlisted} for record in read_records(drop.content)]
        if any(GEOMETRY in record for record in records):
            features = [{"type": "Feature", "geometry": record.pop(GEOMETRY, None), "properties": record} for record in records]
            sink.write(json.dumps({"type": "FeatureCollection", "features": features}).encode())
        else:
            sink.write(json.dumps(records).encode())
    return sink.getvalue()
