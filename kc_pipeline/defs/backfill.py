"""Years of months, filled in batch by batch: a run of the event feeds for each batch, in this process.

What a batch pulled is committed month by month, and a month that is there and unchanged is passed over, so that a backfill
that was killed goes on when it is started again, and memory is bounded by the batch.
"""

import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.partitions import BACKFILL, MONTHS, RANGE_END, RANGE_START, REFRESH
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.run import blocking_failures, execute_quietly, pulled_parts, step_failures

_LAYERS = ("raw", "clean", "quarantine")


@dataclass(frozen=True)
class BatchReport:
    """How a batch went.

    Attributes:
        first: its first month, YYYY-MM.
        last: its last month.
        pulled: parts (a month of a data set) newly pulled.
        unchanged: parts that hold what they held before.
        failures: step -> message.
        failed_checks: 'asset: check' of blocking checks that failed.
        peak_bytes: the most memory that this process ever had.
    """

    first: str
    last: str
    pulled: int
    unchanged: int
    failures: dict[str, str]
    failed_checks: list[str]
    peak_bytes: int


def batches_of(first: str, last: str, size: int) -> list[tuple[str, str]]:
    """First and last month of each batch, oldest first.

    Args:
        first: YYYY-MM.
        last: YYYY-MM, included.
        size: months of a batch.

    Raises:
        ValueError: a month is none that is kept, or the range is empty.
    """
    for month in (first, last):
        if not MONTHS.has_partition_key(month):
            raise ValueError(f"{month!r} is no month from {MONTHS.get_first_partition_key()} to {MONTHS.get_last_partition_key()}")
    if first > last:
        raise ValueError(f"{first} lies after {last}")
    months = MONTHS.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))
    return [(months[start], months[min(start + size, len(months)) - 1]) for start in range(0, len(months), size)]


def backfill(
    platform: Platform, batches: Iterable[tuple[str, str]], instance: dg.DagsterInstance, feeds: Iterable[str] = EVENT_FEEDS
) -> Iterator[BatchReport]:
    """Fill in months; a batch that fails does not keep the later ones.

    Args:
        platform: what to work on.
        batches: see `batches_of`.
        instance: Dagster instance that records the runs.
        feeds: feeds of events.
    """
    job = build_defs(platform=platform).resolve_job_def("ingest")
    selection = [dg.AssetKey([layer, feed]) for feed in feeds for layer in _LAYERS]
    for first, last in batches:
        platform.progress(f"{first} to {last}")
        tags = {RANGE_START: first, RANGE_END: last, REFRESH: BACKFILL}
        done = execute_quietly(job, instance, asset_selection=selection, tags=tags)
        parts = pulled_parts(done).values()
        yield BatchReport(
            first,
            last,
            sum(pulled for pulled, _ in parts),
            sum(unchanged for _, unchanged in parts),
            step_failures(done),
            blocking_failures(done),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
