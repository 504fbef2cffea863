"""Bring a feed's raw pulls up to date: survey each data set, pull what is missing, open or changed, and check the totals."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from kc_pipeline.catalog.sources import DataSet, Feed, planned_data_sets
from kc_pipeline.extract.errors import SourceError, TransientSourceError, collected
from kc_pipeline.extract.guard import Guards
from kc_pipeline.extract.manifest import Manifest
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.sources import open_sources
from kc_pipeline.extract.transport import (
    CITY_ZONE,
    DEFAULT_PAGE_SIZE,
    UNDATED,
    WHOLE,
    Held,
    Months,
    Progress,
    Survey,
    Transport,
    label,
    month_of,
)
from kc_pipeline.settings import Settings

_ROUNDS = 3
_NOTHING = Held(0, None)
MONTH_WITHOUT_END = "9999-12"  # as the first open month: none is


class PulledPart(NamedTuple):
    """One new pull: which data set and partition, why it was read, how many source rows it has."""

    data_set: str
    partition: str
    why: str
    rows: int


class Totals(NamedTuple):
    """Source rows of a data set; the last four add up to the first, or the refresh fails.

    `total` is the source's own count; `months` and `whole` are kept by partition, `undated` has no usable date, `elsewhere`
    lies before the first month that is kept, or after the last one that was asked for.
    """

    total: int
    months: int
    whole: int
    undated: int
    elsewhere: int


@dataclass
class FeedRefresh:
    """How a refresh of a feed went.

    Attributes:
        feed: name of the feed.
        pulled: new pulls, in order.
        unchanged: partitions that hold what they held before.
        skipped: data sets that were not read, each with the reason.
        totals: data set -> source rows.
        newest_change: newest change that any survey saw, UTC, ISO 8601; None where no source says.
    """

    feed: str
    pulled: list[PulledPart] = field(default_factory=list)
    unchanged: int = 0
    skipped: list[str] = field(default_factory=list)
    totals: dict[str, Totals] = field(default_factory=dict)
    newest_change: str | None = None

    @property
    def rows_by_data_set(self) -> dict[str, int]:
        """The source's own count of rows by data set."""
        return {data_set: totals.total for data_set, totals in self.totals.items()}


def refresh_feed(
    feed: Feed,
    settings: Settings,
    store: RawStore,
    now: Callable[[], datetime],
    open_from: str,
    *,
    through: str | None = None,
    only_available: bool = False,
    progress: Progress | None = None,
    page_size: int = DEFAULT_PAGE_SIZE,
    sleep: Callable[[float], None] = time.sleep,
    guards: Guards | None = None,
) -> FeedRefresh:
    """Pull what is missing, open or changed of one feed.

    Args:
        feed: the feed.
        settings: where its sources are.
        store: where pulls are kept.
        now: the time, UTC.
        open_from: first month that is read again whatever the survey says, YYYY-MM; the first month that is kept makes a
            sweep, which finds what neither a count nor a time of change tells.
        through: last month that is read, YYYY-MM; later ones stay as they are. None: the present one.
        only_available: read every data set that the sources have, primary or not, and no other; so it is for a replay.
        progress: told what is being done.
        page_size: rows to ask for at once.
        sleep: waits between tries.
        guards: what is known of the portals from other refreshes.

    Raises:
        SourceError: data sets failed; the others were committed. Permanent only if all errors are.
        MissingDataSetError: a yearly feed has no data set for a year of the range.
    """
    months = Months(feed.first_month, month_of(now()))
    last = min(through or months.last, months.last)
    refresh = FeedRefresh(feed.name)
    errors: list[SourceError] = []
    recorded = only_available or settings.source == "replay"
    planned: Sequence[DataSet] = feed.data_sets if recorded else planned_data_sets(feed, settings.history_start, last)
    with open_sources(settings, store, now, page_size, sleep, guards) as sources:
        for data_set in planned:
            try:
                transport = sources.of(data_set)
                if transport is None:
                    refresh.skipped.append(f"{data_set.id}: not configured")
                elif recorded and not sources.has(data_set):
                    refresh.skipped.append(f"{data_set.id}: not available")
                else:
                    kept = Months(settings.history_start, through or MONTH_WITHOUT_END)
                    _DataSetRefresh(data_set, transport, store, months, kept, open_from, progress).run(refresh)
            except SourceError as error:
                errors.append(error)
                _tell(progress, f"{label(data_set)}: failed: {error}")
    if errors:
        raise collected(feed.name, errors)
    return refresh


class _DataSetRefresh:
    """One data set of a refresh."""

    def __init__(
        self,
        data_set: DataSet,
        transport: Transport,
        store: RawStore,
        months: Months,
        kept: Months,
        open_from: str,
        progress: Progress | None,
    ) -> None:
        self._data_set, self._transport, self._store, self._months = data_set, transport, store, months
        self._kept, self._open_from, self._progress = kept, open_from, progress

    def run(self, refresh: FeedRefresh) -> None:
        """Survey, pull and check; where rows moved meanwhile, again, at most three times."""
        data_set = self._data_set
        seen: set[str] = set()
        renewed: set[str] = set()
        for attempt in range(_ROUNDS):
            survey = self._transport.survey(data_set, self._months)
            if survey is None:
                if self._held_partitions():
                    raise TransientSourceError(
                        f"{label(data_set)}: was handed over before and is not there now; what was pulled stays. Hand it over again, "
                        f"or take its place out of the settings"
                    )
                refresh.skipped.append(f"{data_set.id}: not handed over")
                return
            kept = {p: held for p, held in survey.partitions.items() if self._is_kept(p)}
            latest = {p: self._store.latest(data_set.feed, data_set.id, p) for p in {*kept, *self._held_partitions()}}
            seen |= set(latest)
            for partition in sorted(latest):
                held, before = kept.get(partition, _NOTHING), latest[partition]
                why = why_to_pull(partition, held, before, self._open_from if attempt == 0 else None, sweeps=self._sweeps)
                if why is None and held.rows and before and survey.columns - set(before.resolution):
                    why = "a column is there again"  # it was pulled while its column was not declared
                if why is None:
                    continue
                pulled = self._transport.pull(data_set, partition, self._months, held)
                latest[partition] = pulled.manifest
                if pulled.is_new:
                    renewed.add(partition)
                    refresh.pulled.append(PulledPart(data_set.id, partition, why, pulled.manifest.row_count))
                    _tell(self._progress, f"{label(data_set, partition)}: {pulled.manifest.row_count:,} rows ({why})")
            totals = self._totals(survey, latest)
            if sum(totals[1:]) == totals.total:
                refresh.totals[data_set.id] = totals
                refresh.unchanged += len(seen - renewed)
                refresh.newest_change = newest([refresh.newest_change, *(held.changed_at for held in kept.values())])
                return
        kept_rows = f"{totals.months + totals.whole:,} rows kept + {totals.undated:,} undated + {totals.elsewhere:,} of other months"
        raise TransientSourceError(
            f"{label(data_set)}: {kept_rows} are not the source's {totals.total:,}; fails closed, what was pulled stays"
        )

    def _is_kept(self, partition: str) -> bool:
        return partition in (WHOLE, UNDATED) or self._kept.first <= partition <= self._kept.last

    @property
    def _sweeps(self) -> bool:
        """Whether every month that is kept is open: then what is not cut by month is read again too."""
        return self._open_from <= max(self._kept.first, self._months.first)

    def _held_partitions(self) -> list[str]:
        held = self._store.partitions(self._data_set.feed, self._data_set.id)
        return [partition for partition in held if self._is_kept(partition)]

    def _totals(self, survey: Survey, latest: Mapping[str, Manifest | None]) -> Totals:
        rows = {partition: manifest.row_count for partition, manifest in latest.items() if manifest}
        whole, undated = rows.pop(WHOLE, 0), rows.pop(UNDATED, 0)
        elsewhere = sum(held.rows for partition, held in survey.partitions.items() if not self._is_kept(partition))
        return Totals(survey.total, sum(rows.values()), whole, undated, elsewhere)


def why_to_pull(partition: str, held: Held, latest: Manifest | None, open_from: str | None, *, sweeps: bool = False) -> str | None:
    """Why a partition has to be read, in a few words; None where it need not be.

    Args:
        partition: 'YYYY-MM', 'undated' or 'whole'.
        held: what the source holds of it.
        latest: our newest pull of it.
        open_from: first open month; None: no month is open.
        sweeps: whether undated rows and whole data sets are open as well.
    """
    if latest is None:
        return "missing" if held.rows else None
    if held.rows == 0:
        return "vanished at the source" if latest.row_count else None
    if held.rows != latest.row_count:
        return f"{latest.row_count:,} rows became {held.rows:,}"
    if held.changed_at != latest.changed_at:
        return "changed at the source"
    is_open = sweeps if partition in (WHOLE, UNDATED) else open_from is not None and partition >= open_from
    return "open" if open_from is not None and is_open else None


def newest(moments: Sequence[str | None]) -> str | None:
    """The latest of some moments, UTC, ISO 8601; without a zone they are Kansas City's.

    Digests of files are passed over, and so are moments in whose year UTC cannot be reckoned.
    """
    read = []
    for moment in moments:
        try:
            told = datetime.fromisoformat(moment or "")
            read.append((told if told.tzinfo else told.replace(tzinfo=CITY_ZONE)).astimezone(UTC))
        except (ValueError, OverflowError):
            continue
    return max(read).isoformat() if read else None


def _tell(progress: Progress | None, message: str) -> None:
    if progress:
        progress(message)
