"""Attribution of events on a Dask cluster: the same rows as `attribution.attribute_events`, made in parts.

Events are cut so that all events of one point are in one part, since a point that many addresses share is judged over all of
them.  Parts and registers go through a folder that every worker sees; a task is a function of this module and three paths.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kc_pipeline.places.attribution import attribute_events

if TYPE_CHECKING:
    from distributed import Client

_CROWDED = "crowded.parquet"
_REGISTERS = ("located", "business_parcels", "parcels", "block_places")


def attribute_on_cluster(
    events: pd.DataFrame,
    registers: dict[str, pd.DataFrame],
    folder: Path,
    client: "Client",
    crowded: pd.MultiIndex | None = None,
    parts: int | None = None,
) -> pd.DataFrame:
    """Shares of each event at business places; see `attribution.attribute_events` for the frames.

    Args:
        events: distinct events of all feeds.
        registers: the frames 'located', 'business_parcels', 'parcels' and 'block_places'.
        folder: an empty folder that the driver and every worker see under the same path.
        client: connection to the cluster.
        crowded: points that tie nothing; None: those of these events.
        parts: how many; None: two for each thread of the cluster.

    Raises:
        ValueError: a register is missing.
    """
    if missing := sorted(set(_REGISTERS) - set(registers)):
        raise ValueError(f"attribution on a cluster lacks {', '.join(missing)}; give a frame of each of {', '.join(_REGISTERS)}")
    for name in _REGISTERS:
        registers[name].to_parquet(folder / f"{name}.parquet")
    if crowded is not None:
        crowded.to_frame(index=False).to_parquet(folder / _CROWDED)
    parts = parts or 2 * max(1, sum(client.nthreads().values()))
    number = part_of_event(events, parts)
    tasks = []
    for part in np.unique(number):
        source, target = folder / f"events-{part}.parquet", folder / f"rows-{part}.parquet"
        events[number == part].to_parquet(source)
        tasks.append(client.submit(attribute_part, str(source), str(folder), str(target), pure=False))
    made = [pd.read_parquet(path) for path in client.gather(tasks)]
    if not made:
        return attribute_events(events, **{name: registers[name] for name in _REGISTERS}, crowded=crowded)
    return pd.concat(made, ignore_index=True).sort_values(["event_id", "business_parcel_id"], ignore_index=True)


def attribute_part(source: str, folder: str, target: str) -> str:
    """Attribute one part on a worker.

    Args:
        source: Parquet file of its events.
        folder: where the registers lie.
        target: Parquet file to write.

    Returns:
        `target`.
    """
    registers = {name: pd.read_parquet(Path(folder) / f"{name}.parquet") for name in _REGISTERS}
    path = Path(folder) / _CROWDED
    crowded = pd.MultiIndex.from_frame(pd.read_parquet(path)) if path.exists() else None
    attribute_events(pd.read_parquet(source), **registers, crowded=crowded).to_parquet(target)
    return target


def part_of_event(events: pd.DataFrame, parts: int) -> np.ndarray:
    """Number of the part, from 0, of each event: the same for all events at one point; by event_id where there is none."""
    by_point = pd.util.hash_pandas_object(events[["longitude", "latitude"]], index=False)
    by_id = pd.util.hash_pandas_object(events["event_id"], index=False)
    has_point = events["longitude"].notna().to_numpy() & events["latitude"].notna().to_numpy()
    part: np.ndarray = np.where(has_point, by_point.to_numpy(), by_id.to_numpy()) % np.uint64(parts)
    return part
