"""What is said of a day, and its publication."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kc_pipeline.catalog.columns import EVENT_FEEDS, WINDOWS_DAYS, covered_column
from kc_pipeline.catalog.sources import FEEDS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps.drifts import doubts_about, movement_of
from kc_pipeline.defs.steps.frames import read_frame, write_mart
from kc_pipeline.defs.steps.parts import cluster_of, work_on
from kc_pipeline.defs.steps.risk import MODEL_INPUTS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kc_pipeline.defs.steps.risk import DayScore
    from kc_pipeline.quality.contracts import Breach
    from kc_pipeline.store.lake import Commit
    from kc_pipeline.store.staged import Staged
    from kc_pipeline.store.warehouse import Publication

_VIEW_SAMPLE = 1_000
_SCORED_FROM = ["eval/model_card", *MODEL_INPUTS]


@dataclass(frozen=True)
class DayOfMarts:
    """A day's marts as the lake holds them.

    Attributes:
        as_of: the day.
        rows: mart -> its rows of the day.
        lake_versions: Delta versions of the marts and of what they were made from.
    """

    as_of: date
    rows: "Mapping[str, pa.Table]"
    lake_versions: Mapping[str, int | None]


def judge_sources(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/source_quality of a day."""
    from kc_pipeline.extract.status import read_failures
    from kc_pipeline.quality.sources import covered_days, source_quality

    account = read_frame(platform, "quality/reconciliation")
    newest, covered, doubts = {}, {}, {}
    for feed in EVENT_FEEDS:
        moved = movement_of(platform, feed, as_of)
        newest[feed] = moved.newest
        covered[feed] = covered_days(set(account.loc[account["feed"] == feed, "month"]), moved.oldest, moved.newest, as_of)
        doubts[feed] = doubts_about(feed, moved.drifts)
    held = {feed: platform.lake.count(f"clean/{feed}") for feed in FEEDS}
    rows = source_quality(account, held, newest, read_failures(platform.settings.raw_dir), as_of, doubts, covered)
    return write_mart(platform, "marts/source_quality", rows, as_of, run_id, ["quality/reconciliation"])


def score_business_risk(platform: Platform, day: "DayScore", as_of: date, run_id: str) -> "Commit":
    """marts/business_risk of a day, from what the model says of it (`risk.score_day`)."""
    import numpy as np

    from kc_pipeline.quality.sources import COVERAGE_DAYS, stale_event_feeds
    from kc_pipeline.risk.rtm import scores_of_card
    from kc_pipeline.risk.score import score_places

    inputs, places = day.inputs, day.inputs.places
    of_cell = scores_of_card(day.card["risk_terrain_model"], inputs.grid, inputs.features)
    relative = np.where(places.cell >= 0, of_cell[np.maximum(places.cell, 0)], np.nan)
    counted = count_at_places(platform, inputs.business_parcels, as_of)
    rows = score_places(counted, day.risks, inputs.type_flags, relative, places.past)
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    covered = quality.set_index("feed")["covered_days_365d"].reindex(list(EVENT_FEEDS))
    rows = rows.assign(
        as_of=as_of,
        model_id=day.model_id,
        stale_sources=stale_event_feeds(quality),
        coverage_pct=round(100.0 * float(covered.mean()) / COVERAGE_DAYS, 2),
        **{covered_column(feed): int(days) for feed, days in covered.items()},
    )
    return write_mart(platform, "marts/business_risk", rows, as_of, run_id, _SCORED_FROM)


def explain_business_risk(platform: Platform, day: "DayScore", as_of: date, run_id: str) -> "Commit":
    """marts/business_risk_factors of a day, from what the model says of it (`risk.score_day`)."""
    from kc_pipeline.risk.explain import explain_risks

    inputs = day.inputs
    factors = explain_risks(inputs.business_parcels, day.risks, inputs.observations, inputs.east_north, as_of)
    factors = factors.assign(as_of=as_of, model_id=day.model_id)
    return write_mart(platform, "marts/business_risk_factors", factors, as_of, run_id, _SCORED_FROM)


def count_at_places(platform: Platform, places: "pd.DataFrame", as_of: date) -> "pd.DataFrame":
    """Counts at places, from the months that the longest window before a day reaches into."""
    from kc_pipeline.cluster.counts import LEDGER, count_in_parts
    from kc_pipeline.risk.score import COUNTED_COLUMNS, count_events

    months = counted_months(platform, as_of)
    with cluster_of(platform) as client:
        if client is None:
            return count_events(places, read_frame(platform, LEDGER, list(COUNTED_COLUMNS), months), as_of)
        return count_in_parts(work_on(platform, client, [LEDGER], [LEDGER], months), places, as_of)


def counted_months(platform: Platform, as_of: date) -> list[str]:
    """Months of core/event_attribution that the longest window before a day reaches into, in order."""
    first = f"{as_of - timedelta(days=max(WINDOWS_DAYS)):%Y-%m}"
    return sorted(month for month in platform.lake.partitions("core/event_attribution") if month >= first)


def list_actions(platform: Platform, as_of: date, run_id: str) -> "Commit":
    """marts/action_items of a day."""
    from kc_pipeline.quality.sources import stale_event_feeds
    from kc_pipeline.risk import actions

    inputs = ["core/business_parcels", "core/factor_observations", "clean/dumping_complaints"]
    places, observations = (read_frame(platform, table) for table in inputs[:2])
    dumping = read_frame(platform, inputs[2], ["event_id", "category"]).drop_duplicates("event_id").set_index("event_id")["category"]
    items = actions.list_actions(places, observations, dumping, as_of)
    columns = ["business_parcel_id", "business_names", "address", "council_district", "division", "latitude", "longitude"]
    quality = read_frame(platform, "marts/source_quality", partitions=[as_of.isoformat()])
    rows = items.merge(places[columns], on="business_parcel_id", how="left").assign(as_of=as_of, stale_sources=stale_event_feeds(quality))
    return write_mart(platform, "marts/action_items", rows, as_of, run_id, inputs)


def list_dimensions(platform: Platform, as_of: date, run_id: str) -> "tuple[Commit, Commit]":
    """marts/dim_business and marts/dim_business_parcel of a day: the versions as they are known when the day is published."""
    history = {"marts/dim_business": "core/business_history", "marts/dim_business_parcel": "core/business_parcel_history"}
    of_business, of_place = (
        write_mart(platform, mart, read_frame(platform, table).assign(as_of=as_of), as_of, run_id, [table])
        for mart, table in history.items()
    )
    return of_business, of_place


def read_marts(platform: Platform, as_of: date) -> DayOfMarts:
    """What is to be published of a day; what is read is the version that is recorded."""
    from kc_pipeline.catalog.views import PUBLISHED_MARTS, VIEWS

    lake = platform.lake
    versions = lake.versions([*PUBLISHED_MARTS, *(f"clean/{feed}" for feed in FEEDS), *_SCORED_FROM])
    marts = {mart: lake.read(mart, partitions=[as_of.isoformat()], version=versions[mart]) for mart in PUBLISHED_MARTS}
    return DayOfMarts(
        as_of, {mart: rows for mart, rows in marts.items() if rows.num_rows or VIEWS[PUBLISHED_MARTS[mart]].can_be_empty}, versions
    )


def breaches_of_contracts(day: DayOfMarts) -> "dict[str, list[Breach]]":
    """What the rows to be published do not keep of what readers of each view were promised: view -> breaches, if any."""
    from kc_pipeline.catalog.releases import read_released
    from kc_pipeline.catalog.views import PUBLISHED_MARTS
    from kc_pipeline.quality.contracts import Breach, breaches

    released = read_released()
    found = {}
    for mart, rows in day.rows.items():
        view = PUBLISHED_MARTS[mart]
        contract = released.get(view)
        found[view] = (
            [Breach(view, "contract", "was never released: kc contracts release", 0)]
            if contract is None
            else breaches(view, contract, rows)
        )
    return found


def publish_marts(
    platform: Platform, day: DayOfMarts, run_id: str, staged: "Callable[[str], Staged | None]" = lambda _mart: None
) -> "Publication":
    """Show a day's marts to BI; see `Warehouse.publish`."""
    return platform.warehouse.publish(day.rows, day.as_of, run_id, platform.now(), day.lake_versions, staged)


def check_views(platform: Platform) -> "list[Breach]":
    """What in the views, as anyone reads them now, breaks the contracts that readers were given; empty if nothing.

    Every row was judged before it was published; here the views are: their columns, some of their rows, and that they show
    as many rows as were published.
    """
    import sqlalchemy as sa

    from kc_pipeline.catalog.releases import read_released
    from kc_pipeline.catalog.views import VIEWS
    from kc_pipeline.quality.contracts import Breach, breaches

    warehouse, found, released = platform.warehouse, [], read_released()
    published = {row["mart"]: row["row_count"] for row in warehouse.snapshots() if row["is_current"]}
    for view in VIEWS.values():
        try:
            found += breaches(view.name, released[view.name], warehouse.read_view(view.name, _VIEW_SAMPLE))
            shown, wanted = warehouse.count_view(view.name), published.get(view.table, 0)
        except sa.exc.DBAPIError as error:
            found.append(Breach(view.name, "view", f"cannot be read: {error.orig}", 0))
            continue
        if view.is_of_a_mart and shown != wanted:
            found.append(Breach(view.name, "view", f"shows {shown} rows, and {wanted} were published", 0))
    return found


def prune_warehouse(platform: Platform) -> list[tuple[str, str]]:
    """Take snapshots out of the warehouse that it no longer has to keep; the lake keeps them.

    The days that cases speak of stay, and those on which models were fitted or tested.

    Returns:
        (mart, snapshot_id) that left.
    """
    from kc_pipeline.defs.steps.evidence import days_of_cases
    from kc_pipeline.store.retention import prune

    fitted = set(platform.lake.read("eval/model_card", columns=["fitted_as_of"])["fitted_as_of"].to_pylist())
    tested = set(platform.lake.read("eval/backtest", columns=["trained_as_of"])["trained_as_of"].to_pylist())
    return prune(platform.warehouse.engine, platform.now(), keep_days=fitted | tested | days_of_cases(platform))
