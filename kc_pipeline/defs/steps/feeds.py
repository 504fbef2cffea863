"""From a source to the clean tables: pull what is open, clean what is new."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.kin import months_of_lost_rows, months_that_hold, read_with_kin

if TYPE_CHECKING:
    import pyarrow as pa

    from kc_pipeline.extract.manifest import Manifest
    from kc_pipeline.extract.refresh import FeedRefresh
    from kc_pipeline.store.lake import Commit

MONTHS_AT_ONCE = 24


def _first(*names: str) -> tuple[Feed, ...]:
    """All feeds, these first."""
    return (*(FEEDS[name] for name in names), *(feed for feed in FEEDS.values() if feed.name not in names))


# Feeds in the order in which the steps of a run take them: those that take longest to clean, then the others.
IN_ORDER = _first("police_reports", "calls_911", "health_inspections", "property_violations")
# And in which a run pulls them: first one for its own steps, and quick ones for what works beside it.
PULL_ORDER = _first("police_reports", "health_inspections", "streetlight_outages", "calls_911", "property_violations")


def refresh_raw(platform: Platform, feed: Feed, open_from: str) -> "FeedRefresh":
    """Pull what is open, missing or changed of one feed, and note how that went.

    Args:
        platform: what to work on.
        feed: a feed.
        open_from: first month that is read again although nothing says that it changed.

    Raises:
        SourceError: a data set could not be refreshed; what could be is committed all the same.
        OSError: the disk failed; nothing half is kept.
    """
    from kc_pipeline.extract.errors import SourceError
    from kc_pipeline.extract.refresh import refresh_feed
    from kc_pipeline.extract.status import note_failure, note_success

    settings = platform.settings
    platform.raw.clear_debris(feed.name)
    try:
        refresh = refresh_feed(feed, settings, platform.raw, platform.now, open_from, progress=platform.progress, guards=platform.guards)
    except (SourceError, OSError) as error:
        with suppress(OSError):  # a disk that is full has no room for the note either
            note_failure(settings.raw_dir, feed.name, str(error), platform.now())
        raise
    note_success(settings.raw_dir, feed.name, platform.now())
    return refresh


def refresh_months(platform: Platform, feed: Feed, first: str, last: str, *, reads_again: bool) -> "FeedRefresh":
    """Pull some months of one feed and no other, also such as lie before the first month that is kept otherwise.

    Whether the feed as a whole is up to date does not follow from it, so nothing is noted.

    Args:
        platform: what to work on.
        feed: a feed of events.
        first: YYYY-MM.
        last: YYYY-MM, included.
        reads_again: read them all; otherwise what is missing, or changed by the source's own count or time of change.

    Raises:
        SourceError: a data set could not be refreshed; what could be is committed all the same.
    """
    from kc_pipeline.extract.refresh import MONTH_WITHOUT_END, refresh_feed

    settings = replace(platform.settings, history_start=first)
    platform.raw.clear_debris(feed.name)
    open_from = first if reads_again else MONTH_WITHOUT_END
    return refresh_feed(
        feed, settings, platform.raw, platform.now, open_from, through=last, progress=platform.progress, guards=platform.guards
    )


@dataclass(frozen=True)
class CleanReport:
    """What cleaning did: commits, this feed's whole account, and the rows of its clean table."""

    commits: tuple["Commit", ...]
    account: "pa.Table"
    row_count: int

    def total(self, column: str) -> int:
        """Sum of one count over all data sets and months."""
        import pyarrow.compute as pc

        return int(pc.sum(self.account[column]).as_py() or 0)


def clean_feed(platform: Platform, feed: Feed) -> CleanReport:
    """Clean what was pulled since the last time: good rows, quarantine, and the account of both.

    A month is cleaned again when any of its pulls is new, when the cleaning code's version changed, or when its clean rows
    are gone.  The account is written last, so a run that dies in between is simply done again.
    """
    lake = platform.lake
    latest = newest_pulls(platform, feed)
    commits: list[Commit] = []
    for months in _batches(feed, _stale_partitions(platform, feed, latest), {month for _, month in latest}):
        platform.progress(f"clean {feed.name}: {months[0]} to {months[-1]}" if len(months) > 1 else f"clean {feed.name}: {months[0]}")
        commits += _clean_partitions(platform, feed, latest, set(months))
    return CleanReport(tuple(commits), lake.read("quality/reconciliation", partitions=[feed.name]), lake.count(f"clean/{feed.name}"))


def clean_partitions_again(platform: Platform, feed: Feed, months: set[str]) -> None:
    """Clean months again although nothing changed, with the present code; a part that is not cut by month holds all of them.

    Args:
        platform: what to work on.
        feed: a feed.
        months: months (YYYY-MM), or 'undated'.
    """
    latest = newest_pulls(platform, feed)
    parts = {part for _, part in latest if part in months or part == "whole"}
    for batch in _batches(feed, parts, {part for _, part in latest}):
        _clean_partitions(platform, feed, latest, set(batch))


def newest_pulls(platform: Platform, feed: Feed) -> "dict[tuple[str, str], Manifest]":
    """(Data set, partition) -> its newest pull, of the data sets that the catalogue names.

    A data set that was issued again under another id is in the catalogue under the new one alone: what was pulled under the old
    one stays in the raw store, and counts no more.
    """
    named = {data_set.id for data_set in feed.data_sets}
    return {(m.data_set, m.partition): m for m in platform.raw.latest_of_feed(feed.name) if m.data_set in named}


def rows_held(platform: Platform, feed: Feed) -> dict[str, int]:
    """Source rows of a feed's newest pulls by raw partition: a month, 'undated' or 'whole'."""
    rows: dict[str, int] = {}
    for (_, partition), manifest in newest_pulls(platform, feed).items():
        rows[partition] = rows.get(partition, 0) + manifest.row_count
    return rows


def _stale_partitions(platform: Platform, feed: Feed, latest: Mapping[tuple[str, str], "Manifest"]) -> set[str]:
    """Raw partitions whose clean rows are not those of the newest pulls, or are not there."""
    from kc_pipeline.transform.ledger import CODE_VERSION

    table = f"clean/{feed.name}"
    account = {
        (row["data_set"], row["month"]): row for row in platform.lake.read("quality/reconciliation", partitions=[feed.name]).to_pylist()
    }
    stale = {
        month
        for (data_set, month), manifest in latest.items()
        if (row := account.get((data_set, month))) is None
        or (row["pull_id"], row["content_sha256"], row["code_version"]) != (manifest.pull_id, manifest.content_sha256(), CODE_VERSION)
    }
    retired = {month for data_set, month in account if data_set not in {d.id for d in feed.data_sets}}
    if retired and {data_set for data_set, _ in latest} - {data_set for data_set, _ in account}:
        stale |= retired  # what the data set is called now has been pulled
    intact, listed = platform.lake.intact_partitions(table), platform.lake.partitions(table)
    if feed.kind == "reference":
        return stale if "" in intact else {month for _, month in latest}
    whole = [row["event_count"] for (_, month), row in account.items() if month == "whole"]
    if whole and (listed - intact or platform.lake.count(table) < max(whole)):
        stale.add("whole")
    return stale | {month for (_, month), row in account.items() if row["event_count"] and month not in {*intact, "whole", "undated"}}


def _batches(feed: Feed, fresh: set[str], everything: set[str]) -> Iterable[list[str]]:
    """Raw partitions to clean together; a data set that is not cut by month drags all months of its feed along."""
    if not fresh:
        return []
    if feed.kind == "reference" or "whole" in everything:
        return [sorted(everything)]
    months = sorted(fresh)
    return [months[i : i + MONTHS_AT_ONCE] for i in range(0, len(months), MONTHS_AT_ONCE)]


def _clean_partitions(platform: Platform, feed: Feed, latest: Mapping[tuple[str, str], "Manifest"], months: set[str]) -> list["Commit"]:
    """Clean raw partitions together with the months that share an event with them, and write what became of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from kc_pipeline.catalog.render import to_arrow
    from kc_pipeline.transform.cleaners import CLEANERS
    from kc_pipeline.transform.versions import carry_forward

    lake = platform.lake
    months, pages = read_with_kin(platform, feed, latest, months)
    manifests = [manifest for (_, month), manifest in sorted(latest.items()) if month in months]
    raw = pa.concat_tables(pages, promote_options="permissive") if pages else pa.table({})
    result = CLEANERS[feed.name](raw)
    clean, quarantine = f"clean/{feed.name}", f"quarantine/{feed.name}"
    intact = lake.intact_partitions(clean)
    if feed.kind == "reference":
        clean_parts, old = None, lake.read(clean) if intact else to_arrow(TABLES[clean]).empty_table()
        quarantine_parts = sorted(lake.partitions(quarantine) | set(result.quarantine["month"].to_pylist()))
    else:
        touched = set(months) - {"whole"}
        if "whole" in months:
            touched |= lake.partitions(clean) | set(pc.unique(result.clean["month"]).to_pylist())
        elsewhere_months = set(pc.unique(result.clean["month"]).to_pylist()) - touched
        if elsewhere_months:  # rows without a readable date that have one since a rule was mended
            return _clean_partitions(platform, feed, latest, months | elsewhere_months)
        clean_parts = sorted(touched - {"undated"})
        quarantine_parts = sorted(touched | set(pc.unique(result.quarantine["month"]).to_pylist()))
        shared = months_that_hold(platform, clean, intact - touched, result.clean["event_id"])
        if shared:  # a report that stands in two yearly sets under different dates
            return _clean_partitions(platform, feed, latest, months | shared)
        old = lake.read(clean, partitions=sorted(intact & touched))
        rest = months_of_lost_rows(platform, [m for (_, month), m in sorted(latest.items()) if month not in months], old, result.clean)
        if rest:
            return _clean_partitions(platform, feed, latest, months | rest)
    pulls = {f"{m.data_set}/{m.partition}": m.pull_id for m in manifests}
    account = lake.read("quality/reconciliation", partitions=[feed.name])
    held = set(pc.binary_join_element_wise(account["data_set"], account["month"], "/").to_pylist())
    rows = carry_forward(result.clean, old, TABLES[clean].key[0], held)
    untouched = account.filter(pc.invert(pc.is_in(account["month"], pa.array(sorted(months)))))
    cleaned = pa.concat_tables([result.reconciliation, _empty_accounts(feed, manifests, result.reconciliation)])
    accounts = [untouched, _with_content(cleaned, manifests)]
    return [
        lake.write(clean, rows, partitions=clean_parts, made_from=pulls),
        lake.write(quarantine, result.quarantine, partitions=quarantine_parts, made_from=pulls),
        lake.write("quality/reconciliation", pa.concat_tables(accounts), partitions=[feed.name], made_from=pulls),
    ]


def _with_content(account: "pa.Table", manifests: "list[Manifest]") -> "pa.Table":
    """The account with the hash of each pull's content: a pull that was lost and made again can bear the same number."""
    import pyarrow as pa

    content = {(m.data_set, m.partition): m.content_sha256() for m in manifests}
    keys = zip(account["data_set"].to_pylist(), account["month"].to_pylist(), strict=True)
    place = account.schema.get_field_index("content_sha256")
    return account.set_column(place, account.schema.field(place), pa.array([content[key] for key in keys], pa.string()))


def _empty_accounts(feed: Feed, manifests: "list[Manifest]", account: "pa.Table") -> "pa.Table":
    """The account of pulls that hold no row (a month that became empty at the source)."""
    import pyarrow as pa

    from kc_pipeline.transform.ledger import CODE_VERSION

    known = set(zip(account["data_set"].to_pylist(), account["month"].to_pylist(), strict=True))
    nothing = {f.name: 0 for f in account.schema if f.name.endswith("_count")}
    rows = [
        {**nothing, "feed": feed.name, "data_set": m.data_set, "month": m.partition, "pull_id": m.pull_id, "code_version": CODE_VERSION}
        for m in manifests
        if (m.data_set, m.partition) not in known
    ]
    return pa.Table.from_pylist(rows, schema=account.schema)
