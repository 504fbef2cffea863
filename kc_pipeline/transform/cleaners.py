"""The cleaner of each feed: raw table in, clean rows, quarantine and account out.

It is the function `clean` of the module that has the feed's name, unless `_ELSEWHERE` says otherwise.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec

import pyarrow as pa

from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.transform.result import CleanResult

Cleaner = Callable[[pa.Table], CleanResult]

# Feeds that share a module with others of their kind, or whose module is named by what it holds.
_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "police_reports": ("police", "clean"),
    "calls_911": ("calls", "clean"),
    "health_inspections": ("inspections", "clean"),
    "streetlight_outages": ("requests_311", "clean_streetlights"),
    "dumping_complaints": ("requests_311", "clean_dumping"),
    "business_licenses": ("registers", "clean_licenses"),
    "food_permits": ("registers", "clean_permits"),
    "parcels": ("areas", "clean_parcels"),
    "streets": ("areas", "clean_streets"),
    "districts": ("areas", "clean_districts"),
    "property_violations": ("registers", "clean_violations"),
    "dangerous_buildings": ("registers", "clean_dangerous_buildings"),
    "bus_stops": ("registers", "clean_bus_stops"),
}


class MissingCleanerError(LookupError):
    """A feed of the catalogue has no cleaner."""


def find_cleaner(feed: str) -> Cleaner:
    """The cleaner of a feed.

    Raises:
        MissingCleanerError: its module does not exist or has no such function; the message says what to write where.
    """
    module, function = _ELSEWHERE.get(feed, (feed, "clean"))
    name = f"{__package__}.{module}"
    if find_spec(name) is None:
        raise MissingCleanerError(f"{feed}: no cleaner; write kc_pipeline/transform/{module}.py with a function {function}(raw)")
    cleaner: Cleaner | None = getattr(import_module(name), function, None)
    if cleaner is None:
        raise MissingCleanerError(f"{feed}: kc_pipeline/transform/{module}.py has no function {function}(raw)")
    return cleaner


class _Cleaners(Mapping[str, Cleaner]):
    """Feed -> cleaner, each found when it is asked for: a feed without one does not stop the others."""

    def __getitem__(self, feed: str) -> Cleaner:
        if feed not in FEEDS:
            raise KeyError(feed)
        return find_cleaner(feed)

    def __iter__(self) -> Iterator[str]:
        return iter(FEEDS)

    def __len__(self) -> int:
        return len(FEEDS)


CLEANERS: Mapping[str, Cleaner] = _Cleaners()
