"""A source over loopback in each of the ways of reading one, with a client that does not sleep.

`Rig` reads from the sandbox's portal with its named misbehaviours; `ScriptedRig` from a scripted portal whose answers a test
writes itself.
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from scripted_portal import (
    LAYER,
    PARCELS,
    QUERY,
    REQUEST_COLUMNS,
    TOKEN,
    Answer,
    FakeLayer,
    FakeSocrata,
    ScriptedPortal,
    now,
    request_row,
    requests_data_set,
)

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.extract.arcgis import ArcgisTransport
from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.manifest import Manifest
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.replies import Limits
from kc_pipeline.extract.socrata import SocrataTransport
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import WHOLE, Held, Months, Survey, Transport
from kc_pipeline.sandbox.faults import Faults
from kc_pipeline.sandbox.portal import Portal
from kc_pipeline.sandbox.records import DeclaredColumn, RecordStore

KINDS = ("soda2", "soda3", "arcgis")
SODA = ("soda2", "soda3")
MONTHS = Months("2021-02", "2026-07")
JUNE = "2026-06"
ROW_COUNT, PAGE_SIZE, ATTEMPTS = 30, 10, 4
_UPDATED = datetime(2026, 7, 1, tzinfo=UTC)
_LONG = "a street light that has been out for a week " * 6


def request_rows(count: int = ROW_COUNT) -> list[dict[str, str | None]]:
    """June's requests, as the scripted portal plays them."""
    return [request_row(n, f"2026-06-{n % 28 + 1:02d}T08:00:00.000") for n in range(count)]


def records(folder: Path) -> RecordStore:
    """The same rows for the sandbox's portal, and as many parcels."""
    store = RecordStore(folder / "portal.sqlite")
    requests = pd.DataFrame(request_rows(), dtype=object).assign(issue_type="Streetlights", phone=_LONG)
    requests["lat_long"] = [json.dumps({"type": "Point", "coordinates": [-94.5, 39.1]})] * ROW_COUNT
    requests[":created_at"] = requests[":updated_at"]
    columns = [DeclaredColumn(name, kind) for name, kind in REQUEST_COLUMNS.items()]
    store.replace("aaaa-1111", "socrata", "Requests", columns, requests, _UPDATED)
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
    parcels = pd.DataFrame(
        {
            "OBJECTID": [str(10 * n + 1) for n in range(ROW_COUNT)],
            "KIVAPIN": [str(n) for n in range(ROW_COUNT)],
            "LANDUSECODE": ["7100"] * ROW_COUNT,
            "Shape": [json.dumps(square)] * ROW_COUNT,
        }
    )
    kinds = {"OBJECTID": "esriFieldTypeOID", "KIVAPIN": "esriFieldTypeString", "LANDUSECODE": "esriFieldTypeInteger", "Shape": "polygon"}
    store.replace(PARCELS.id, "arcgis", "Parcels", [DeclaredColumn(*item) for item in kinds.items()], parcels, _UPDATED)
    return store


@dataclass
class Rig:
    """One source and what reads it.

    Attributes:
        kind: 'soda2', 'soda3' or 'arcgis'.
        transport: reads it.
        store: keeps what was read.
        waits: seconds that the client was told to wait.
    """

    kind: str
    transport: Transport
    store: RawStore
    waits: list[float]
    data_set: DataSet = field(init=False)

    def __post_init__(self) -> None:
        self.data_set = PARCELS if self.kind == "arcgis" else requests_data_set()

    @property
    def partition(self) -> str:
        """What is pulled: all parcels, or June's requests."""
        return WHOLE if self.kind == "arcgis" else JUNE

    def survey(self) -> Survey:
        """What the source holds."""
        survey = self.transport.survey(self.data_set, MONTHS)
        assert survey is not None
        return survey

    def pull(self, held: Held | None = None) -> Manifest:
        """Survey, unless it is told what is held, and pull."""
        known = held or self.survey().partitions[self.partition]
        return self.transport.pull(self.data_set, self.partition, MONTHS, known).manifest

    def latest(self) -> Manifest | None:
        """The newest pull."""
        return self.store.latest(self.data_set.feed, self.data_set.id, self.partition)

    def kept(self) -> list[str]:
        """Row ids of the newest pull, in order."""
        latest = self.latest()
        return read_pull(self.store, latest)["row_id"].to_pylist() if latest else []

    def nothing_kept(self) -> bool:
        """Whether the store is as if nothing had been asked."""
        return not [path for path in self.store.root.rglob("*") if path.is_file()]


def expected_ids(kind: str) -> list[str]:
    """Row ids of everything that the rigs' sources hold."""
    return [str(10 * n + 1) for n in range(ROW_COUNT)] if kind == "arcgis" else [f"row-{n:06d}" for n in range(ROW_COUNT)]


def transport_of(kind: str, url: str, client: PortalClient, store: RawStore, page_size: int = PAGE_SIZE) -> Transport:
    """What reads a source of a kind; the ArcGIS base is the portal's own."""
    if kind == "arcgis":
        return ArcgisTransport(url, client, store, now, page_size)
    return SocrataTransport(url, client, store, now, page_size, kind.removeprefix("soda"))


def quick_limits(**changes: Any) -> Limits:
    """Limits that fit a test."""
    return Limits(**{"attempts": ATTEMPTS, "body_bytes": 4_000_000, "deadline_seconds": 20.0, "read_seconds": 10.0, **changes})


def sandbox_rig(stack: ExitStack, kind: str, folder: Path, source: RecordStore, *faults: str, limits: Limits | None = None) -> Rig:
    """A rig before the sandbox's portal with these misbehaviours."""
    portal = stack.enter_context(Portal(source, faults=Faults.parse(faults)))
    waits: list[float] = []
    client = stack.enter_context(PortalClient(now, app_token=TOKEN, limits=limits or quick_limits(), sleep=waits.append))
    store = RawStore(folder / "raw")
    url = f"{portal.url}/arcgis/rest/services" if kind == "arcgis" else portal.url
    return Rig(kind, transport_of(kind, url, client, store), store, waits)


@dataclass
class ScriptedRig(Rig):
    """A rig before a scripted portal.

    Attributes:
        portal: takes answers for paths.
        fake: the data set or layer behind it.
    """

    portal: ScriptedPortal
    fake: Any

    @property
    def pages(self) -> str:
        """Path of the pages; of SODA 3 and ArcGIS, of the counts too."""
        paths = {"soda2": "/resource/aaaa-1111.csv", "soda3": "/api/v3/views/aaaa-1111/query.json", "arcgis": QUERY}
        return paths[self.kind]

    @property
    def description(self) -> str:
        """Path of what the source says of the data set."""
        return LAYER if self.kind == "arcgis" else "/api/views/aaaa-1111.json"

    @property
    def counts(self) -> str:
        """Path of the counts."""
        return "/resource/aaaa-1111.json" if self.kind == "soda2" else self.pages

    @property
    def media_type(self) -> str:
        """Content type of a page."""
        return "text/csv" if self.kind == "soda2" else "application/json"

    def held(self) -> Held:
        """What the fake holds, without asking it."""
        changed_at = "2026-05-28T20:26:40+00:00" if self.kind == "arcgis" else "2026-07-01T00:00:00.000Z"
        return Held(len(self.fake.rows), changed_at)

    def good_page(self) -> bytes:
        """The body of the first page."""
        params = {"$select": ":id,reported_issue,open_date_time,issue_type,lat_long", "$limit": str(PAGE_SIZE), "where": "1=1"}
        answer: Answer = (self.fake.page if self.kind == "soda2" else self.fake.query)(params)
        return answer.body


def scripted_rig(stack: ExitStack, kind: str, folder: Path, *, limits: Limits | None = None, page_size: int = PAGE_SIZE) -> ScriptedRig:
    """A rig before a scripted portal that holds the same rows."""
    portal = ScriptedPortal()
    stack.callback(portal.close)
    fake = (
        FakeLayer(portal, ROW_COUNT)
        if kind == "arcgis"
        else FakeSocrata(portal, "aaaa-1111", REQUEST_COLUMNS, request_rows(), "open_date_time")
    )
    fake.cap = page_size
    waits: list[float] = []
    client = stack.enter_context(PortalClient(now, app_token=TOKEN, limits=limits or quick_limits(), sleep=waits.append))
    store = RawStore(folder / "raw")
    return ScriptedRig(kind, transport_of(kind, portal.url, client, store, page_size), store, waits, portal, fake)
