"""What is written down about a pull: enough to read its pages again, and to prove what was asked and received."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

KEYSET = "keyset"
OFFSET = "offset fallback"
WHOLE_QUERY = "one query"
FILES = "files"


@dataclass(frozen=True)
class Request:
    """One request, without its token.

    Attributes:
        method: HTTP method, or 'SQL', or 'FILE'.
        url: address without parameters, table or file name.
        params: parameters, bound values.
    """

    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One page of a pull.

    Attributes:
        file: its name in the pull's folder.
        format: 'csv', 'json' (also JSON lines and GeoJSON), 'esri' or 'parquet'.
        encoding: 'gzip' or 'identity'.
        sha256: of the bytes as kept, which are the bytes as received.
        content_sha256: of the unpacked bytes.
        rows: source rows on it.
        resolution: canonical raw name -> name on this page, where it differs from the manifest's.
        original_name: name of the dropped file.
        original_sha256: of the dropped file, where columns were taken out before it was kept.
    """

    file: str
    format: str
    encoding: str
    sha256: str
    content_sha256: str
    rows: int
    resolution: Mapping[str, str] | None = None
    original_name: str | None = None
    original_sha256: str | None = None


@dataclass(frozen=True)
class Manifest:
    """One pull of one partition of one data set.

    Attributes:
        feed: name of the feed.
        data_set: id of the data set.
        partition: 'YYYY-MM', 'undated' or 'whole'.
        pull_id: zero-padded number of the pull within the partition.
        transport: 'socrata', 'arcgis', 'files' or 'database'.
        requests: what was asked, in order.
        pages: what was received, in order.
        headers: response headers worth keeping.
        row_count: source rows on all pages.
        count_before: the source's own count before the pull.
        count_after: and after it.
        changed_at: newest change that the survey saw, or a digest of the files ('sha256:...').
        declared: (name, type) of every column that the source declares.
        schema_hash: SHA-256 of `declared`, whatever its order.
        resolution: canonical raw name -> name at the source.
        implied: canonical raw name -> value that the data set implies.
        key_field: name at the source of the row's identity; None: page and line.
        dropped_columns: columns that were taken out before the first write.
        paging: 'keyset', 'offset fallback', 'one query' or 'files'.
        pulled_at: UTC, ISO 8601.
        previous_manifest: SHA-256 of the manifest of the pull before; None for the first.
    """

    feed: str
    data_set: str
    partition: str
    pull_id: str
    transport: str
    requests: tuple[Request, ...]
    pages: tuple[Page, ...]
    headers: Mapping[str, str]
    row_count: int
    count_before: int
    count_after: int
    changed_at: str | None
    declared: tuple[tuple[str, str], ...]
    schema_hash: str
    resolution: Mapping[str, str]
    implied: Mapping[str, str]
    key_field: str | None
    dropped_columns: tuple[str, ...]
    paging: str
    pulled_at: str
    previous_manifest: str | None

    def to_json(self) -> bytes:
        """The manifest as it is kept."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()

    def sha256(self) -> str:
        """SHA-256 of the manifest as it is kept."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def content_sha256(self) -> str:
        """SHA-256 of what was received, page after page, however it was packed."""
        return hashlib.sha256("".join(page.content_sha256 for page in self.pages).encode()).hexdigest()

    def says_the_same_as(self, other: "Manifest") -> bool:
        """Whether two pulls delivered the same rows under the same reading, with the same newest change."""
        return _substance(self) == _substance(other)


def _substance(manifest: Manifest) -> Manifest:
    """A manifest without what differs from pull to pull of the same rows; packing may differ, content may not."""
    pages = tuple(replace(page, sha256="", encoding="", file="") for page in manifest.pages)
    blank: dict[str, Any] = {"requests": (), "headers": {}, "pull_id": "", "pulled_at": "", "previous_manifest": None, "paging": ""}
    return replace(manifest, pages=pages, **blank)


def manifest_from_json(data: bytes) -> Manifest:
    """A manifest as it was kept."""
    told = json.loads(data)
    told["requests"] = tuple(Request(**request) for request in told["requests"])
    told["pages"] = tuple(Page(**page) for page in told["pages"])
    told["declared"] = tuple((name, kind) for name, kind in told["declared"])
    told["dropped_columns"] = tuple(told["dropped_columns"])
    return Manifest(**told)


def schema_hash(declared: tuple[tuple[str, str], ...]) -> str:
    """SHA-256 of the declared columns, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(declared)).encode()).hexdigest()


@dataclass(frozen=True)
class Pulled:
    """What a pull came to.

    Attributes:
        manifest: of the new pull, or of the latest where nothing differed.
        is_new: whether something was written.
    """

    manifest: Manifest
    is_new: bool


@dataclass(frozen=True)
class Facts:
    """What a transport knows about a pull when its last page has come; see `Manifest` for the meaning of each."""

    transport: str
    paging: str
    count_before: int
    count_after: int
    changed_at: str | None
    declared: tuple[tuple[str, str], ...]
    resolution: Mapping[str, str]
    implied: Mapping[str, str]
    key_field: str | None
    dropped_columns: tuple[str, ...] = ()
