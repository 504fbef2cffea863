"""The steps behind the assets: read from a store, call a room, write to a store.  Knows no Dagster.

Assets wrap these, one each; the rooms below know nothing of each other and meet here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.sources import FEEDS, Feed
from kc_pipeline.catalog.tables import SCHEMA_VERSION, TABLES
from kc_pipeline.defs.resources import Platform

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kc_pipeline.extract.manifest import Manifest
    from kc_pipeline.extract.refresh import FeedRefresh
    from kc_pipeline.quality.checks import Finding
    from kc_pipeline.store.lake import Commit
    from kc_pipeline.store.warehouse import Publication

MONTHS_AT_ONCE = 24
_ATTRIBUTION_INPUTS = (
    "event_id", "feed", "month", "report_date", "available_date", "category", "address", "address_precision", "parcel_id",
    "latitude", "longitude",
)  # fmt: skip
_ADDRESS_REGISTERS = ("parcels", "property_violations", "dangerous_buildings", "business_licenses", "food_permits")


def refresh_raw(platform: Platform, feed: Feed, open_from: str) -> "FeedRefresh":
    """Pull what is open, missing or changed of one feed, and note how that went.

    Raises:
        SourceError: a data set could not be refreshed; what could be is committed all the same.
    """
    from kc_pipeline.extract.errors import SourceError
    from kc_pipeline.extract.refresh import refresh_feed
    from kc_pipeline.extract.status import note_failure, note_success

    settings = platform.settings
    try:
        refresh = refresh_feed(feed, settings, platform.raw, platform.now, open_from, progress=platform.progress)
    except SourceError as error:
        note_failure(settings.raw_dir, feed.name, str(error), platform.now())
        raise
    note_success(settings.raw_dir, feed.name, platform.now())
    return refresh


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
    latest = {(m.data_set, m.partition): m for m in platform.raw.latest_of_feed(feed.name)}
    commits: list[Commit] = []
    for months in _batches(feed, _stale_partitions(platform, feed, latest), {month for _, month in latest}):
        platform.progress(f"clean {feed.name}: {months[0]} to {months[-1]}" if len(months) > 1 else f"clean {feed.name}: {months[0]}")
        commits += _clean_partitions(platform, feed, latest, set(months))
    return CleanReport(tuple(commits), lake.read("quality/reconciliation", partitions=[feed.name]), lake.count(f"clean/{feed.name}"))


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
    from kc_pipeline.extract.table import read_pull
    from kc_pipeline.transform.cleaners import CLEANERS
    from kc_pipeline.transform.versions import carry_forward

    lake = platform.lake
    manifests = [manifest for (_, month), manifest in sorted(latest.items()) if month in months]
    raw = pa.concat_tables([read_pull(platform.raw, manifest) for manifest in manifests], promote_options="permissive")
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
        clean_parts = sorted(touched - {"undated"})
        quarantine_parts = sorted(touched | set(pc.unique(result.quarantine["month"]).to_pylist()))
        elsewhere = lake.read(clean, partitions=sorted(intact - touched), columns=["event_id", "month"])
        shared = elsewhere.filter(pc.is_in(elsewhere["event_id"], result.clean["event_id"]))["month"].unique().to_pylist()
        if shared:  # a report that stands in two yearly sets under different dates
            return _clean_partitions(platform, feed, latest, months | set(shared))
        old = lake.read(clean, partitions=sorted(intact & touched))
    rows = carry_forward(result.clean, old, TABLES[clean].key[0])
    pulls = {f"{m.data_set}/{m.partition}": m.pull_id for m in manifests}
    account = lake.read("quality/reconciliation", partitions=[feed.name])
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


def read_address_registers(platform: Platform) -> "dict[str, pd.DataFrame]":
    """Registers that give exact addresses: name -> rows; of 311 the exact ones, of licences and permits those in the city."""
    from kc_pipeline.places.business_records import lies_in_city

    registers = {name: read_frame(platform, f"clean/{name}") for name in _ADDRESS_REGISTERS}
    for feed in ("streetlight_outages", "dumping_complaints"):
        registers[feed] = read_frame(platform, f"clean/{feed}").query("address_precision == 'exact'")
    for name in ("business_licenses", "food_permits"):
        registers[name] = registers[name][lies_in_city(registers[name])]
    return registers


def build_gazetteer(platform: Platform) -> "Commit":
    """core/gazetteer from the registers and the exact addresses of 311."""
    from kc_pipeline.places import gazetteer

    registers = read_address_registers(platform)
    rows = gazetteer.build_gazetteer(registers, registers["parcels"], read_frame(platform, "clean/streets"))
    return _write(platform, "core/gazetteer", rows, [*(f"clean/{name}" for name in registers), "clean/streets"])


def place_on_blocks(platform: Platform) -> "Commit":
    """core/block_places: every parcel with the blocks it stands on."""
    from kc_pipeline.places import blocks

    inputs = ["core/gazetteer", "clean/parcels"]
    return _write(platform, "core/block_places", blocks.place_on_blocks(*(read_frame(platform, table) for table in inputs)), inputs)


def build_businesses(platform: Platform) -> "tuple[Commit, ...]":
    """core/businesses, core/business_review and core/business_decisions: made together, for a decision moves a business.

    Ids are carried on from core/business_history, which is made from the businesses in turn.
    """
    from kc_pipeline.places import business_records, businesses

    inputs = ["clean/business_licenses", "clean/food_permits", "core/gazetteer", "clean/parcels"]
    licenses, permits, gazetteer, parcels = (read_frame(platform, table) for table in inputs)
    located = business_records.locate_registers(licenses, permits, gazetteer)
    history = read_frame(platform, "core/business_history")
    tables = businesses.build_businesses(licenses, permits, located, parcels, history, read_decisions(platform))
    made = {
        "core/business_decisions": tables.decisions,
        "core/business_review": tables.review,
        "core/businesses": tables.businesses,
    }
    return tuple(_write(platform, table, rows, inputs) for table, rows in made.items())


def read_decisions(platform: Platform) -> "pd.DataFrame":
    """The rows of the file of decisions.

    Raises:
        DecisionsError: it cannot be read, or is gone although it was named or earlier decisions came from it.
    """
    from kc_pipeline.places import decisions

    path = platform.settings.decisions_file
    if path.exists():
        return decisions.read_decisions(path)
    if platform.settings.is_decisions_file_named:
        raise decisions.DecisionsError(f"{path}: there is no such file; correct KC_DECISIONS, or write the file with `kc review --export`")
    if count := platform.lake.count("core/business_decisions"):
        raise decisions.DecisionsError(
            f"{path}: the file is gone, and with it {count} decisions (core/business_decisions has them); restore it, "
            "or put a file there that holds the header alone to withdraw them"
        )
    return decisions.no_decisions()


def update_business_history(platform: Platform) -> "Commit":
    """core/business_history after the newest snapshot of the registers."""
    from kc_pipeline.places import business_history

    history, snapshot_date = read_frame(platform, "core/business_history"), register_snapshot_date(platform)
    if snapshot_date is not None:
        history = business_history.update_history(history, read_frame(platform, "core/businesses"), snapshot_date)
    return _write(platform, "core/business_history", history, ["core/businesses"])


def register_snapshot_date(platform: Platform) -> date | None:
    """Local day on which the newest pull behind today's licences and permits was received; None before the first."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from kc_pipeline.catalog.geography import TIME_ZONE

    received = [
        manifest.pulled_at
        for feed in ("business_licenses", "food_permits")
        for place, pull_id in platform.lake.made_from(f"clean/{feed}").items()
        for manifest in platform.raw.pulls(feed, *place.rsplit("/", 1))
        if manifest.pull_id == pull_id
    ]
    return max((datetime.fromisoformat(moment).astimezone(ZoneInfo(TIME_ZONE)).date() for moment in received), default=None)


def build_business_parcels(platform: Platform) -> "Commit":
    """core/business_parcels from the businesses and where they stand."""
    from kc_pipeline.places import businesses

    inputs = ["core/businesses", "clean/parcels", "core/gazetteer", "clean/districts"]
    rows = businesses.build_business_parcels(*(read_frame(platform, table) for table in inputs))
    return _write(platform, "core/business_parcels", rows, inputs)


def locate_addresses(platform: Platform) -> "Commit":
    """core/located_addresses: every address text of the event feeds, located once."""
    import pandas as pd

    from kc_pipeline.places import attribution

    events = pd.concat([read_frame(platform, f"clean/{feed}", ["address", "address_precision"]) for feed in EVENT_FEEDS])
    rows = attribution.locate_addresses(events, read_frame(platform, "core/gazetteer"))
    return _write(platform, "core/located_addresses", rows, [*(f"clean/{feed}" for feed in EVENT_FEEDS), "core/gazetteer"])


def attribute_events(platform: Platform) -> "Commit":
    """core/event_attribution: every event's share at business parcels, or what remains of it."""
    from kc_pipeline.places import attribution

    events = attribution.distinct_events([read_frame(platform, f"clean/{feed}", attribution_columns(feed)) for feed in EVENT_FEEDS])
    inputs = ["core/located_addresses", "core/business_parcels", "clean/parcels", "core/block_places"]
    rows = attribution.attribute_events(events, *(read_frame(platform, table) for table in inputs))
    return _write(platform, "core/event_attribution", rows, [*(f"clean/{feed}" for feed in EVENT_FEEDS), *inputs])


def judge_gazetteer(platform: Platform) -> "list[Finding]":
    """Whether the gazetteer obeys its laws."""
    from kc_pipeline.quality.places import check_gazetteer

    return check_gazetteer(read_frame(platform, "core/gazetteer"))


def judge_businesses(platform: Platform) -> "list[Finding]":
    """Whether the businesses obey their laws."""
    from kc_pipeline.quality.places import check_businesses

    columns = ["business_id", "parcel_id", "is_active"]
    parcels = read_frame(platform, "clean/parcels", ["parcel_id", "address"])
    return check_businesses(read_frame(platform, "core/businesses", columns), parcels)


def judge_attribution(platform: Platform) -> "list[Finding]":
    """Whether the attribution ledger obeys its laws."""
    import pandas as pd

    from kc_pipeline.quality.places import check_attribution

    columns = ["event_id", "feed", "address", "address_precision", "latitude"]
    events = pd.concat([read_frame(platform, f"clean/{feed}", columns) for feed in EVENT_FEEDS], ignore_index=True)
    ledger = read_frame(platform, "core/event_attribution", ["event_id", "business_parcel_id", "attribution_method", "precision", "weight"])
    return check_attribution(ledger, events, read_frame(platform, "core/located_addresses", ["address", "address_precision", "latitude"]))


def judge_sources(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/source_quality of a day."""
    from kc_pipeline.extract.status import read_failures
    from kc_pipeline.quality.sources import source_quality

    newest = {}
    for feed in EVENT_FEEDS:
        seen = read_frame(platform, f"clean/{feed}", ["report_date", "available_date"])
        usable = seen[(seen["available_date"] <= as_of) & (seen["report_date"] < as_of)]
        newest[feed] = usable["report_date"].max() if len(usable) else None
    account = read_frame(platform, "quality/reconciliation")
    counts = {feed: platform.lake.count(f"clean/{feed}") for feed in FEEDS}
    rows = source_quality(account, counts, newest, read_failures(platform.settings.raw_dir), as_of)
    return _write_mart(platform, "marts/source_quality", rows, as_of, run_id, ["quality/reconciliation"])


def score_business_risk(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/business_risk of a day."""
    from kc_pipeline.quality.sources import stale_event_feeds
    from kc_pipeline.risk.score import count_events, score_places

    inputs = ["core/business_parcels", "core/event_attribution"]
    rows = score_places(count_events(read_frame(platform, inputs[0]), read_frame(platform, inputs[1]), as_of))
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    rows = rows.assign(as_of=as_of, stale_sources=stale_event_feeds(quality))
    return _write_mart(platform, "marts/business_risk", rows, as_of, run_id, inputs)


def publish_marts(platform: Platform, as_of: date, run_id: str) -> "Publication":
    """Show a day's marts to BI."""
    from kc_pipeline.store.warehouse import PUBLISHED_MARTS

    lake = platform.lake
    marts = {mart: lake.read(mart, partitions=[as_of.isoformat()]) for mart in PUBLISHED_MARTS}
    marts = {mart: rows for mart, rows in marts.items() if rows.num_rows}
    versions = lake.versions([*marts, *(f"clean/{feed}" for feed in FEEDS), "core/business_parcels", "core/event_attribution"])
    return platform.warehouse.publish(marts, as_of, run_id, platform.now(), versions)


def attribution_columns(feed: str) -> list[str]:
    """Columns of a feed's clean table that attribution needs."""
    extra = ("current_status", "is_officer_initiated")
    return [*_ATTRIBUTION_INPUTS, *(name for name in extra if name in TABLES[f"clean/{feed}"].column_names)]


def read_frame(platform: Platform, table: str, columns: list[str] | None = None, partitions: list[str] | None = None) -> "pd.DataFrame":
    """Rows of a lake table as a frame."""
    return platform.lake.read(table, columns=columns, partitions=partitions).to_pandas()


def _write(platform: Platform, table: str, rows: "pd.DataFrame", inputs: list[str]) -> "Commit":
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow

    lake = platform.lake
    schema = to_arrow(TABLES[table])
    arrow = pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)
    column = TABLES[table].partition
    partitions = None if column is None else sorted(lake.partitions(table) | set(arrow[column].cast(pa.string()).unique().to_pylist()))
    return lake.write(table, arrow, partitions=partitions, made_from=lake.versions(inputs))


def _write_mart(platform: Platform, mart: str, rows: "pd.DataFrame", as_of: date, run_id: str, inputs: list[str]) -> "Commit":
    import pyarrow as pa

    from kc_pipeline.catalog.render import to_arrow

    rows = rows.assign(snapshot_id=platform.warehouse.next_snapshot_id(), run_id=run_id, schema_version=SCHEMA_VERSION)
    schema = to_arrow(TABLES[mart])
    arrow = pa.Table.from_pandas(rows[schema.names], schema=schema, preserve_index=False)
    return platform.lake.write(mart, arrow, partitions=[as_of.isoformat()], made_from=platform.lake.versions(inputs))
