"""How work on the lake is cut into parts, and what a worker sees of it.

A task is an importable function of this package and small arguments: it reads its months of the lake's files itself, so the
lake's folder must lie under the same path for the driver and for every worker.  No process holds more events than a few parts.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kc_pipeline.store.lake import Lake

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")

Months = tuple[str, ...]
# Rows of a part.  benchmarks/cluster.py prints what workers hold with it.
PART_ROWS = 250_000
# Parts for each thread of the cluster that are under way or wait to be fetched.
_AHEAD = 2


@dataclass(frozen=True)
class PinnedLake:
    """Tables of the lake as they are when work begins, whatever is written meanwhile.

    Attributes:
        root: folder of the lake.
        versions: each table that is read, and its version.
    """

    root: Path
    versions: tuple[tuple[str, int | None], ...]

    @classmethod
    def of(cls, root: Path, tables: Iterable[str]) -> "PinnedLake":
        """The newest versions of some tables."""
        return cls(root.resolve(), tuple(Lake(root).versions(tables).items()))

    def rows(
        self, table: str, columns: Sequence[str] | None = None, months: Months | None = None, where: pc.Expression | None = None
    ) -> pa.Table:
        """Rows of a table; see `Lake.read`.

        Raises:
            KeyError: the table is none of those that were pinned.
        """
        version = dict(self.versions)[table]
        return _lake(self.root, get_ident()).read(table, columns=columns, partitions=months, version=version, where=where)

    def frame(
        self, table: str, columns: Sequence[str] | None = None, months: Months | None = None, where: pc.Expression | None = None
    ) -> pd.DataFrame:
        """The same as a frame."""
        return self.rows(table, columns, months, where).to_pandas()


@lru_cache(maxsize=16)
def _lake(root: Path, _thread: int) -> Lake:
    """A lake for each thread, whose opened tables are no two threads' at once."""
    return Lake(root)


@contextmanager
def connected(address: str) -> "Iterator[Client]":
    """A connection to the scheduler at an address; 'local': to two workers that are started here.

    A step that is itself a task of a cluster gives its parts to the same cluster, and its place there to them.
    """
    from distributed import Client, LocalCluster, get_worker, worker_client

    try:
        get_worker()
    except ValueError:  # no task
        if address != "local":
            with Client(address) as client:
                yield client
            return
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            yield client
        return
    with worker_client() as client:
        yield client


def parts_of(counts: Sequence[Mapping[str, int]], months: Iterable[str], most_rows: int) -> list[Months]:
    """Months in their order, as many together as have no more rows than a part may; one that has more is a part by itself.

    No months at all are one empty part, so that what is made of all parts is never made of none.

    Args:
        counts: rows of each month in each table that is read.
        months: what is cut, those without rows too.
        most_rows: of a part.  Sums hang in their last digits on how they are cut, so this is no matter of the cluster's size.
    """
    parts: list[list[str]] = []
    held = 0
    for month in sorted(months):
        rows = sum(of_table.get(month, 0) for of_table in counts)
        if not parts or held + rows > most_rows:
            parts.append([])
            held = 0
        parts[-1].append(month)
        held += rows
    return [tuple(part) for part in parts] or [()]


@dataclass(frozen=True)
class Work:
    """What is done part by part.

    Attributes:
        client: connection to the cluster; None: the parts are worked on here.
        lake: the tables that are read.
        parts: what is cut, mostly months.
    """

    client: "Client | None"
    lake: PinnedLake
    parts: Sequence[Any]

    @classmethod
    def cut(
        cls, client: "Client | None", root: Path, tables: Iterable[str], by: Iterable[str], months: Collection[str] | None = None,
        most_rows: int | None = None,
    ) -> "Work":  # fmt: skip
        """Work on months of some tables in their newest versions.

        Args:
            client: connection to the cluster, if any.
            root: folder of the lake.
            tables: all that is read.
            by: those of them whose months are cut into parts.
            months: which; None: all that have rows.
            most_rows: of a part; None: PART_ROWS.
        """
        lake = Lake(root)
        counts = [lake.row_counts(table) for table in by]
        months = set().union(*counts) if months is None else months
        return cls(client, PinnedLake.of(root, tables), parts_of(counts, months, most_rows or PART_ROWS))

    def in_order(self, task: Callable[..., Result], *same: object) -> Iterator[Result]:
        """Results of a task for all parts in the parts' order, made on the workers and fetched one by one.

        Only so many parts are under way that neither driver nor workers fill with results.

        Args:
            task: importable function of a part, the lake, and what is the same for all parts.
            same: further arguments.
        """
        if self.client is None:
            yield from (task(part, self.lake, *same) for part in self.parts)
            return
        most = _AHEAD * max(1, sum(self.client.nthreads().values()))
        running: deque[Future] = deque()
        for part in self.parts:
            running.append(self.client.submit(task, part, self.lake, *same, pure=False))
            if len(running) >= most:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
