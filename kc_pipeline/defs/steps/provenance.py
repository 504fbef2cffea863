"""Where a published row comes from, whether anything behind it was altered, and whether it can be made again from raw.

The way back: a view's row -> its snapshot in the warehouse -> the Delta versions that are recorded with it -> the pulls that
each version names -> the page and line as they were received.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.feeds import clean_feed

if TYPE_CHECKING:
    import pyarrow as pa

    from kc_pipeline.extract.manifest import Manifest


class NoSuchRowError(LookupError):
    """Nothing is known of what is asked for; the message says what can be asked."""


@dataclass(frozen=True)
class SourceRow:
    """One row as it was received.

    Attributes:
        event: the clean row that it became part of.
        manifest: the pull.
        page_file: file of the page, in the pull's folder.
        line: its line on the page, from 0.
        values: column at the source -> text.
    """

    event: Mapping[str, Any]
    manifest: "Manifest"
    page_file: Path
    line: int
    values: Mapping[str, str | None]


@dataclass(frozen=True)
class Replayed:
    """One table, as it is and as it was made again.

    Attributes:
        table: name in the catalogue.
        row_count: rows that it has.
        sha256: of its canonical bytes.
        again_sha256: of those of the table that was made again.
    """

    table: str
    row_count: int
    sha256: str
    again_sha256: str

    @property
    def is_same(self) -> bool:
        """Whether both are the same, byte for byte."""
        return self.sha256 == self.again_sha256


def trace_event(platform: Platform, event_id: str) -> SourceRow:
    """The row as it was received, from which an event was made (of several, the one that the event is known by).

    Raises:
        NoSuchRowError: no clean table has the event.
        PermanentSourceError: the page is not what was received.
    """
    import pyarrow.compute as pc

    from kc_pipeline.extract.table import read_pull

    feed = event_id.partition(":")[0]
    if feed not in EVENT_FEEDS:
        raise NoSuchRowError(f"{event_id!r} is no event_id; it begins with one of {', '.join(EVENT_FEEDS)} and a colon")
    table = platform.lake.read(f"clean/{feed}")
    found = table.filter(pc.equal(table["event_id"], event_id)).to_pylist()
    if not found:
        raise NoSuchRowError(f"clean/{feed} has no event {event_id!r}")
    event = found[0]
    for partition in (event["month"], "whole", "undated"):
        for manifest in platform.raw.pulls(feed, event["data_set"], partition):
            if manifest.pull_id == event["pull_id"]:
                rows = read_pull(platform.raw, manifest)
                here = rows.filter(pc.and_(pc.equal(rows["page"], event["page"]), pc.equal(rows["line"], event["line"]))).to_pylist()
                folder = platform.raw.folder(feed, event["data_set"], partition) / manifest.pull_id
                return SourceRow(event, manifest, folder / manifest.pages[event["page"]].file, event["line"], here[0])
    raise NoSuchRowError(f"{event_id}: pull {event['pull_id']} of {event['data_set']} is gone; restore the folder of raw pulls")


def inputs_of(platform: Platform, mart: str, snapshot_id: str) -> dict[str, int | None]:
    """Lake table -> Delta version that a snapshot was made from, as recorded when it was published.

    Raises:
        NoSuchRowError: the snapshot was never published.
    """
    for row in platform.warehouse.snapshots():
        if (row["mart"], row["snapshot_id"]) == (mart, snapshot_id):
            return dict(row["lake_versions"])
    raise NoSuchRowError(f"{mart}: {snapshot_id} was never published; `kc snapshots` lists what was")


def verify(platform: Platform) -> Iterator[tuple[str, str]]:
    """Go through everything that is kept: ('', what was gone through) and (what is altered, how)."""
    yield from _verify_raw(platform)
    yield from _verify_lake(platform)
    yield from _verify_warehouse(platform)
    yield from _verify_cases(platform)


def _verify_raw(platform: Platform) -> Iterator[tuple[str, str]]:
    """Pages against their manifests, each manifest against the next, all against the account of what was cleaned."""
    from kc_pipeline.extract.errors import PermanentSourceError

    account = platform.lake.read("quality/reconciliation").to_pylist()
    content = {(row["feed"], row["data_set"], row["month"]): row for row in account}
    pulls = 0
    for feed in FEEDS:
        for place in platform.raw.places(feed):
            try:
                pulls += platform.raw.verify(feed, *place)
                manifest = platform.raw.latest(feed, *place)
            except PermanentSourceError as error:
                yield "raw", str(error)
                continue
            known = content.get((feed, manifest.data_set, manifest.partition)) if manifest else None
            if known and manifest and known["pull_id"] == manifest.pull_id and known["content_sha256"] != manifest.content_sha256():
                yield "raw", f"{feed}/{'/'.join(place)}: pull {manifest.pull_id} is not the one that was cleaned; its manifest was replaced"
    for named, known in content.items():
        folder = platform.raw.folder(*named) / known["pull_id"]
        if not folder.is_dir():
            yield "raw", f"{folder}: the pull was cleaned and is gone; restore it from a backup"
    yield "", f"{pulls:,} pulls: pages, manifests and their chain"


def _verify_lake(platform: Platform) -> Iterator[tuple[str, str]]:
    """Every file of every version against its seal; the versions that snapshots were made from, whose seals may be gone too."""
    for table in TABLES:
        for sentence in platform.lake.alterations(table):
            yield "lake", sentence
    named: dict[str, int] = {}
    for row in platform.warehouse.snapshots():
        for table, version in row["lake_versions"].items():
            named[table] = max(named.get(table, -1), -1 if version is None else version)
    for table, version in sorted(named.items()):
        newest = platform.lake.version(table) if table in TABLES else version
        if (-1 if newest is None else newest) < version:
            yield "lake", f"{table}: version {version}, of which a snapshot was made, is gone; restore {platform.lake.path(table)}"
    yield "", "every file of every version of the lake against its seal"


def _verify_warehouse(platform: Platform) -> Iterator[tuple[str, str]]:
    """Every snapshot in the warehouse against the rows that the lake keeps of it."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from deltalake.exceptions import DeltaError

    from kc_pipeline.store.lake import canonical_rows

    held = [row for row in platform.warehouse.snapshots() if row["pruned_utc"] is None and row["mart"] in TABLES]
    for row in held:
        mart, day = row["mart"], row["as_of"].isoformat()
        try:
            kept = platform.lake.read(mart, partitions=[day], version=row["lake_versions"].get(mart))
        except (DeltaError, OSError, pa.ArrowException) as error:
            yield "lake", f"{mart}: what it kept of {row['snapshot_id']} cannot be read ({type(error).__name__})"
            continue
        kept = kept.filter(pc.equal(kept["snapshot_id"], row["snapshot_id"]))
        shown = platform.warehouse.read_snapshot(mart, row["snapshot_id"])
        if not _same(canonical_rows(TABLES[mart], kept), canonical_rows(TABLES[mart], shown)):
            yield "warehouse", f"{mart}: {row['snapshot_id']} of {day} is not what the lake keeps of it"
    yield "", f"{len(held)} snapshots of the warehouse against the lake"


def _verify_cases(platform: Platform) -> Iterator[tuple[str, str]]:
    from kc_pipeline.defs.steps.evidence import verify_ledger
    from kc_pipeline.ordinance.cases import LedgerError

    try:
        steps, packets = verify_ledger(platform)
    except LedgerError as error:
        yield "cases", str(error)
    else:
        yield "", f"{steps} case steps and {packets} evidence packets"


def replay_clean(platform: Platform, feeds: Sequence[str], folder: Path) -> Iterator[Replayed]:
    """Make the clean tables of some feeds again from raw alone, and compare them with those that are there.

    Pulls are cleaned in the batches in which they were cleaned, which the lake's log names, so that each row is first seen when
    it was and by the pull by which it was: a pull that was never cleaned, since one of its feed failed that day, is passed over.
    Nothing is asked of any source, and nothing that is kept is touched.

    Args:
        platform: whose raw pulls and lake.
        feeds: names of feeds.
        folder: an empty folder to work in.
    """
    again = Platform(replace(platform.settings, data_dir=folder), platform.now, platform.progress)
    for feed in feeds:
        newest = {f"{manifest.data_set}/{manifest.partition}": manifest.pull_id for manifest in platform.raw.latest_of_feed(feed)}
        linked: set[tuple[str, object]] = set()
        batches: list[Mapping[str, object]] = [*platform.lake.made_from_each(f"clean/{feed}"), newest]
        for batch in batches:
            fresh = {item for item in batch.items() if item[0] in newest} - linked
            for part, pull_id in sorted(fresh, key=str):
                data_set, _, partition = part.rpartition("/")
                _link_pull(platform, again, feed, data_set, partition, str(pull_id))
            if fresh:
                clean_feed(again, FEEDS[feed])
            linked |= fresh
        for table in (f"clean/{feed}", f"quarantine/{feed}"):
            ours, theirs = platform.lake.read(table), again.lake.read(table)
            yield Replayed(table, ours.num_rows, _digest(table, ours), _digest(table, theirs))


def _link_pull(platform: Platform, again: Platform, feed: str, data_set: str, partition: str, pull_id: str) -> None:
    if not platform.raw.folder(feed, data_set, partition).joinpath(pull_id).is_dir():
        return  # the pull was removed since; `verify` says so
    home = again.raw.folder(feed, data_set, partition)
    home.mkdir(parents=True, exist_ok=True)
    (home / pull_id).symlink_to(platform.raw.folder(feed, data_set, partition) / pull_id, target_is_directory=True)


def _digest(table: str, rows: "pa.Table") -> str:
    """SHA-256 of a table's canonical rows, in Arrow's own form: also bytes and geometry."""
    import pyarrow as pa

    from kc_pipeline.store.lake import canonical_rows

    canonical = canonical_rows(TABLES[table], rows).combine_chunks().replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, canonical.schema) as writer:
        for batch in canonical.to_batches(max_chunksize=1 << 16):
            writer.write_batch(batch)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _same(one: "pa.Table", other: "pa.Table") -> bool:
    if one.num_rows != other.num_rows:
        return False
    return all(one[name].cast(other.schema.field(name).type).to_pylist() == other[name].to_pylist() for name in one.column_names)
