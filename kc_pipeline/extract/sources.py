"""Which transport reads a data set, and whether its source has it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.catalog.sources import Transport as Kind
from kc_pipeline.extract.arcgis import ArcgisTransport
from kc_pipeline.extract.database import DatabaseTransport
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.http import PortalClient, is_loopback
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.socrata import SocrataTransport
from kc_pipeline.extract.transport import Transport
from kc_pipeline.settings import Settings


class Sources:
    """The transports of one refresh, made as they are needed."""

    def __init__(self, settings: Settings, client: PortalClient, store: RawStore, now: Callable[[], datetime], page_size: int) -> None:
        self._socrata = SocrataTransport(settings.socrata_url, client, store, now, page_size)
        self._arcgis = ArcgisTransport(settings.arcgis_url, client, store, now, page_size)
        self._files = FileTransport(settings.drop_dir, store, now) if settings.drop_dir else None
        self._department_url, self._store, self._now, self._page_size = settings.department_url, store, now, page_size
        self._database: DatabaseTransport | None = None
        self._listed: frozenset[str] | None = None

    def of(self, data_set: DataSet) -> Transport | None:
        """How a data set is read; None where that is not configured."""
        match data_set.transport:
            case Kind.SOCRATA:
                return self._socrata
            case Kind.ARCGIS:
                return self._arcgis
            case Kind.FILES:
                return self._files
            case Kind.DATABASE:
                if self._database is None and self._department_url:
                    self._database = DatabaseTransport(self._department_url, self._store, self._now, self._page_size)
                return self._database

    def has(self, data_set: DataSet) -> bool:
        """Whether a recording has a data set; a saved view is passed over where the data set behind it is there."""
        if data_set.transport == Kind.SOCRATA:
            if self._listed is None:
                self._listed = self._socrata.listing()
            return data_set.id in self._listed and data_set.view_of not in self._listed
        if data_set.transport == Kind.ARCGIS:
            return self._arcgis.has(data_set)
        if data_set.transport == Kind.FILES:
            return bool(self._files and self._files.files(data_set))
        return True  # a database says so in its survey

    def close(self) -> None:
        """Close the connections to the database."""
        if self._database:
            self._database.close()


@contextmanager
def open_sources(
    settings: Settings, store: RawStore, now: Callable[[], datetime], page_size: int, sleep: Callable[[float], None]
) -> Iterator[Sources]:
    """The transports of one refresh, closed at its end."""
    is_local = is_loopback(settings.socrata_url) and is_loopback(settings.arcgis_url)
    with PortalClient(now, app_token=settings.app_token, trust_env=not is_local, sleep=sleep) as client:
        sources = Sources(settings, client, store, now, page_size)
        try:
            yield sources
        finally:
            sources.close()
