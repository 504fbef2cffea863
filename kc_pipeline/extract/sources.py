"""Which transport reads a data set, and whether its source has it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from kc_pipeline.catalog.sources import DataSet
from kc_pipeline.catalog.sources import Transport as Kind
from kc_pipeline.extract.arcgis import ArcgisTransport
from kc_pipeline.extract.database import DatabaseTransport
from kc_pipeline.extract.files import FileTransport
from kc_pipeline.extract.guard import Guards, Manners
from kc_pipeline.extract.http import PortalClient, is_loopback
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.socrata import SocrataTransport
from kc_pipeline.extract.transport import Transport
from kc_pipeline.settings import Settings

LOCAL = Manners()
POLITE = Manners(least_seconds_between=0.2)


class Sources:
    """The transports of one refresh, made as they are needed."""

    def __init__(
        self,
        settings: Settings,
        socrata: PortalClient,
        arcgis: PortalClient,
        store: RawStore,
        now: Callable[[], datetime],
        page_size: int,
    ) -> None:
        """Prepare the transports; each portal has its own client."""
        self._socrata = SocrataTransport(settings.socrata_url, socrata, store, now, page_size, settings.soda_version)
        self._arcgis = ArcgisTransport(settings.arcgis_url, arcgis, store, now, page_size)
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
    settings: Settings,
    store: RawStore,
    now: Callable[[], datetime],
    page_size: int,
    sleep: Callable[[float], None],
    guards: Guards | None = None,
) -> Iterator[Sources]:
    """The transports of one refresh, closed at its end; the application token goes to the Socrata portal alone."""
    guards = guards or Guards()

    def client(portal: str, token: str | None) -> PortalClient:
        is_local = is_loopback(portal)
        guard = guards.of(portal, LOCAL if is_local else POLITE)
        return PortalClient(now, app_token=token, trust_env=not is_local, guard=guard, sleep=sleep)

    with client(settings.socrata_url, settings.app_token) as socrata, client(settings.arcgis_url, None) as arcgis:
        sources = Sources(settings, socrata, arcgis, store, now, page_size)
        try:
            yield sources
        finally:
            sources.close()
