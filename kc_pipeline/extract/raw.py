"""The raw store: pulls as they were received, one folder each, all or nothing.

Layout: root/<feed>/<data set>/<partition>/<pull id>/{manifest.json, page-00000.csv.gz, ...}. A pull is written beside its
place, flushed to disk, and made visible by one rename. Pull ids count up, so their order does not hang on a clock.
"""

import errno
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from kc_pipeline.extract.errors import PermanentSourceError, TransientSourceError
from kc_pipeline.extract.manifest import Facts, Manifest, Page, Pulled, Request, manifest_from_json, schema_hash
from kc_pipeline.store.unfinished import UnfinishedFolder, clear_unfinished, fsync_folder

_MANIFEST = "manifest.json"
_ID_DIGITS = 6


def safe_name(name: str) -> str:
    """A data set id as one folder name; ids that differ stay different."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")
    return plain if plain == name and name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class RawStore:
    """Pulls under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, feed: str, data_set: str, partition: str) -> Path:
        """Where the pulls of a partition lie."""
        return self.root / safe_name(feed) / safe_name(data_set) / safe_name(partition)

    def pulls(self, feed: str, data_set: str, partition: str) -> list[Manifest]:
        """Every pull of a partition, oldest first."""
        return [_read_manifest(folder) for folder in _pull_folders(self.folder(feed, data_set, partition))]

    def latest(self, feed: str, data_set: str, partition: str) -> Manifest | None:
        """The newest pull of a partition; None before the first."""
        folders = _pull_folders(self.folder(feed, data_set, partition))
        return _read_manifest(folders[-1]) if folders else None

    def partitions(self, feed: str, data_set: str) -> list[str]:
        """Partitions of a data set that were pulled at least once, in order."""
        folder = self.root / safe_name(feed) / safe_name(data_set)
        return sorted(entry.name for entry in _entries(folder) if _pull_folders(entry))

    def latest_of_feed(self, feed: str) -> list[Manifest]:
        """The newest pull of each partition of each data set of a feed, by data set and partition."""
        newest = [manifest for place in self.places(feed) if (manifest := self.latest(feed, *place))]
        return sorted(newest, key=lambda manifest: (manifest.data_set, manifest.partition))

    def places(self, feed: str) -> list[tuple[str, str]]:
        """Data set and partition, as their folders are called, of everything of a feed that was pulled at least once."""
        folders = [partition for data_set in _entries(self.root / safe_name(feed)) for partition in _entries(data_set)]
        return [(folder.parent.name, folder.name) for folder in folders if _pull_folders(folder)]

    def begin(self, feed: str, data_set: str, partition: str) -> "PullWriter":
        """A writer for the next pull of a partition; use it in a `with`."""
        return PullWriter(self, feed, data_set, partition)

    def page_bytes(self, manifest: Manifest, page: Page) -> bytes:
        """A page as it was received.

        Raises:
            PermanentSourceError: its bytes are not those that the manifest names.
        """
        path = self.folder(manifest.feed, manifest.data_set, manifest.partition) / manifest.pull_id / page.file
        try:
            wire = path.read_bytes()
        except FileNotFoundError:
            wire = b""
        if hashlib.sha256(wire).hexdigest() != page.sha256:
            raise PermanentSourceError(f"{path}: the bytes are not those that were received; restore the file or pull the partition again")
        return wire

    def verify(self, feed: str, data_set: str, partition: str) -> int:
        """Check the chain of manifests and every page of a partition; returns the number of pulls.

        Raises:
            PermanentSourceError: a manifest or a page was changed or removed; the message names it.
        """
        previous = None
        manifests = self.pulls(feed, data_set, partition)
        for manifest in manifests:
            if manifest.previous_manifest != previous:
                place = self.folder(feed, data_set, partition) / manifest.pull_id
                raise PermanentSourceError(f"{place}: the pull before it was changed or removed; restore it from a backup")
            for page in manifest.pages:
                self.page_bytes(manifest, page)
            previous = manifest.sha256()
        return len(manifests)

    def clear_debris(self, feed: str | None = None) -> int:
        """Remove what killed pulls left, of one feed or of all; what is being written is left alone. Returns the number of folders."""
        return clear_unfinished(self.root.glob(f"{safe_name(feed) if feed else '*'}/*/*"))


class PullWriter:
    """One pull while it is being received; without a `commit` it leaves no trace."""

    def __init__(self, store: RawStore, feed: str, data_set: str, partition: str) -> None:
        self._store = store
        self._names = (feed, data_set, partition)
        self._folder = store.folder(feed, data_set, partition)
        self._unfinished: UnfinishedFolder | None = None
        self.pages: list[Page] = []
        self.requests: list[Request] = []
        self.headers: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()
        for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
            if folder.is_dir() and not _entries(folder):
                folder.rmdir()

    @property
    def rows(self) -> int:
        """Rows on the pages so far."""
        return sum(page.rows for page in self.pages)

    def clear(self) -> None:
        """Forget the pages so far."""
        if self._unfinished:
            self._unfinished.discard()
        self._unfinished = None
        self.pages, self.requests, self.headers = [], [], {}

    def add_page(
        self,
        wire: bytes,
        page_format: str,
        encoding: str,
        content: bytes,
        rows: int,
        *,
        resolution: Mapping[str, str] | None = None,
        original: tuple[str, str | None] = ("", None),
    ) -> None:
        """Keep one page.

        Args:
            wire: bytes to keep.
            page_format: see `pages`.
            encoding: how `wire` is packed.
            content: `wire`, unpacked.
            rows: source rows on the page.
            resolution: where it differs from that of the pull.
            original: name of a dropped file, and its SHA-256 where it was rewritten.
        """
        self._unfinished = self._unfinished or UnfinishedFolder(self._folder)
        ending = {"esri": "json"}.get(page_format, page_format) + (".gz" if encoding == "gzip" else "")
        name = f"page-{len(self.pages):05d}.{ending}"
        self._unfinished.write(name, wire)
        digests = (hashlib.sha256(wire).hexdigest(), hashlib.sha256(content).hexdigest())
        self.pages.append(Page(name, page_format, encoding, *digests, rows, resolution, original[0] or None, original[1]))

    def commit(self, facts: Facts, now: Callable[[], datetime]) -> Pulled:
        """Make the pull visible, unless it says what the latest says.

        Raises:
            TransientSourceError: another run committed this partition meanwhile.
            OSError: the disk failed.
        """
        feed, data_set, partition = self._names
        latest = self._store.latest(*self._names)
        manifest = Manifest(
            feed=feed,
            data_set=data_set,
            partition=partition,
            pull_id=f"{int(latest.pull_id) + 1 if latest else 1:0{_ID_DIGITS}d}",
            requests=tuple(self.requests),
            pages=tuple(self.pages),
            headers=self.headers,
            row_count=self.rows,
            schema_hash=schema_hash(facts.declared),
            pulled_at=now().astimezone(UTC).isoformat(),
            previous_manifest=latest.sha256() if latest else None,
            **{name: getattr(facts, name) for name in Facts.__dataclass_fields__},
        )
        if latest and latest.says_the_same_as(manifest):
            return Pulled(latest, is_new=False)
        self._unfinished = self._unfinished or UnfinishedFolder(self._folder)
        self._unfinished.write(_MANIFEST, manifest.to_json())
        try:
            self._unfinished.put(self._folder / manifest.pull_id)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            raise TransientSourceError(f"{feed} {data_set} {partition}: another run has pulled it meanwhile ({error})") from error
        self._unfinished = None
        for folder in (self._folder.parent, self._folder.parent.parent, self._store.root):
            fsync_folder(folder)
        return Pulled(manifest, is_new=True)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _pull_folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.name.isdigit() and len(entry.name) >= _ID_DIGITS]


def _read_manifest(folder: Path) -> Manifest:
    try:
        return manifest_from_json((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PermanentSourceError(f"{folder / _MANIFEST} cannot be read; restore it, or remove the folder: {error}") from error
