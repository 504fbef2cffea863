"""Whole refreshes of one feed from a scripted portal, by any transport, with the rows of the feed as a list to change."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripted_portal import PARCELS, REQUEST_COLUMNS, TOKEN, FakeLayer, FakeSocrata, ScriptedPortal, now, request_row, requests_data_set

from kc_pipeline.catalog.sources import DataSet, Feed
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.refresh import FeedRefresh, refresh_feed
from kc_pipeline.extract.table import read_pull
from kc_pipeline.extract.transport import WHOLE
from kc_pipeline.settings import Settings, load_settings

HISTORY, OPEN_FROM = "2026-01", "2026-07"
MONTHLY = [request_row(n, f"2026-0{5 + n // 4}-{n + 1:02d}T08:00:00.000") for n in range(12)]
OLD, NEWER = "2025-01-01T00:00:00.000Z", "2026-07-10T00:00:00.000Z"


@dataclass
class FeedRig:
    """One feed, its source and its raw store.

    Attributes:
        kind: 'soda2', 'soda3' or 'arcgis'.
        portal: answers.
        fake: the data set or layer; its `rows` are what the source holds.
        settings: of the refreshes.
        store: keeps the pulls.
        data_sets: what is read.
    """

    kind: str
    portal: ScriptedPortal
    fake: Any
    settings: Settings
    store: RawStore
    data_sets: tuple[DataSet, ...]

    def refresh(self, open_from: str = OPEN_FROM, **changes: Any) -> FeedRefresh:
        """Refresh; the first month of the history as `open_from` makes it a sweep."""
        feed = Feed(self.data_sets[0].feed, "", "", "event", "", 21, self.data_sets)
        return refresh_feed(feed, self.settings, self.store, now, open_from, page_size=3, sleep=lambda _: None, **changes)

    def row(self, number: int, month: str = "2026-05", updated: str = NEWER, **more: str | None) -> dict[str, Any]:
        """A row of the source."""
        if self.kind == "arcgis":
            return {"attributes": {"OBJECTID": number + 1000, "KIVAPIN": str(number), "LANDUSECODE": 1}}
        return request_row(number, f"{month}-15T00:00:00.000", updated, **more)

    def current(self) -> list[dict[str, Any]]:
        """The rows of the newest pulls, by partition."""
        latest = self.store.latest_of_feed(self.data_sets[0].feed)
        return [row for manifest in latest for row in read_pull(self.store, manifest).to_pylist()]

    def ids(self) -> set[str]:
        """Row ids of the newest pulls."""
        return {row["row_id"] for row in self.current()}

    def source_ids(self) -> set[str]:
        """Row ids that the source holds."""
        return {str(row["attributes"]["OBJECTID"]) if self.kind == "arcgis" else row[":id"] for row in self.fake.rows}

    def versions(self, partition: str = "2026-05") -> list[set[str]]:
        """Row ids of each pull of a partition, oldest first."""
        data_set = self.data_sets[0]
        place = (data_set.feed, data_set.id, WHOLE if self.kind == "arcgis" else partition)
        return [set(read_pull(self.store, manifest)["row_id"].to_pylist()) for manifest in self.store.pulls(*place)]


def feed_rig(stack: ExitStack, kind: str, folder: Path) -> FeedRig:
    """A feed with twelve rows, four in each month from May to July."""
    portal = ScriptedPortal()
    stack.callback(portal.close)
    environ = {"KC_DATA_DIR": str(folder), "KC_APP_TOKEN": TOKEN, "KC_HISTORY_START": HISTORY, "KC_DROP_DIR": "", "KC_DEPARTMENT_DB": ""}
    settings = load_settings({**environ, "KC_SODA": "3" if kind == "soda3" else "2"}, "sandbox")
    settings = replace(settings, socrata_url=portal.url, arcgis_url=portal.url)
    store = RawStore(folder / "raw")
    if kind == "arcgis":
        return FeedRig(kind, portal, FakeLayer(portal, 12), settings, store, (PARCELS,))
    fake = FakeSocrata(portal, "aaaa-1111", REQUEST_COLUMNS, [dict(row) for row in MONTHLY], "open_date_time")
    return FeedRig(kind, portal, fake, settings, store, (requests_data_set(),))
