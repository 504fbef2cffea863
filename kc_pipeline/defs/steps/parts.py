"""The cluster that the settings name, and work on the lake that is cut for it."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    from distributed import Client

    from kc_pipeline.cluster.parts import Work


@contextmanager
def cluster_of(platform: Platform) -> "Iterator[Client | None]":
    """A connection to the Dask cluster that the settings name; None where they name none."""
    from kc_pipeline.cluster.parts import connected

    if platform.settings.dask_address is None:
        yield None
        return
    with connected(platform.settings.dask_address) as client:
        yield client


def work_on(
    platform: Platform, client: "Client | None", tables: Iterable[str], by: Iterable[str], months: Collection[str] | None = None
) -> "Work":
    """Work on months of some tables of the lake; see `cluster.parts.Work.cut`."""
    from kc_pipeline.cluster.parts import Work

    return Work.cut(client, platform.settings.lake_dir, tables, by, months)
