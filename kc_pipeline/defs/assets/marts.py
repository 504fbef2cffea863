"""Marts: what is said about each source and each business parcel on a day."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from kc_pipeline.catalog.columns import EVENT_FEEDS
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.assets.evaluation import model_card
from kc_pipeline.defs.automation import WHEN_CORE_IS_DONE
from kc_pipeline.defs.beside import begin_audits, begin_fairness, make_mart
from kc_pipeline.defs.freshness import EVERY_MORNING
from kc_pipeline.defs.metadata import counts_table, table_metadata
from kc_pipeline.defs.partitions import DAYS
from kc_pipeline.defs.previews import counted, numbers, preview, rows_table
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import marts, ordinance, risk

_RISK, _FACTORS, _STATUS, _INCIDENTS, _QUALITY = (
    TABLES[f"marts/{name}"]
    for name in ("business_risk", "business_risk_factors", "threshold_status", "threshold_events", "source_quality")
)  # fmt: skip
# `kc run` makes these beside its steps: theirs only take what was made, and had better wait until it is.
MADE_BESIDE = {"dagster/priority": -1}


@dg.asset(
    key_prefix="marts",
    deps=[dg.AssetKey(["core", "event_attribution"]), *(dg.AssetKey(["clean", feed]) for feed in EVENT_FEEDS)],
    partitions_def=DAYS,
    group_name="marts",
    kinds={"deltalake"},
    owners=[_QUALITY.owner],
    metadata=table_metadata(_QUALITY),
    automation_condition=WHEN_CORE_IS_DONE,
    freshness_policy=EVERY_MORNING,
    op_tags={"dagster/priority": 1},  # `kc run` has made it beside the core tables, and all other marts wait for it
    description="How each feed stands on a day: fresh, degraded, stale, silent or failed, and what became of its rows. Silent is not safe.",
)
def source_quality(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
    """marts/source_quality."""
    as_of = date.fromisoformat(context.partition_key)
    make_mart(platform, marts.judge_sources, as_of, context.run.run_id)
    columns = ["feed", "source_status", "newest_report_date", "covered_days_365d"]
    rows = platform.lake.read(_QUALITY.name, partitions=[context.partition_key], columns=columns)
    counts = counted(rows, "source_status")
    age = {row["feed"]: (as_of - row["newest_report_date"]).days for row in rows.to_pylist() if row["newest_report_date"]}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows.num_rows,
            "statuses": counts_table(counts, "status", "feeds"),
            **numbers("feeds", counts, ("fresh", "degraded", "stale", "silent", "failed")),
            **{f"age_days_{feed}": days for feed, days in age.items()},
            **preview(platform, _QUALITY.name, context.partition_key),
        }
    )


_RISK_DEPS = [dg.AssetKey(table.split("/")) for table in risk.MODEL_INPUTS if table.startswith("core/")]

_RISK_DESCRIPTIONS = {
    _RISK: (
        "Each business parcel's counts, expected serious events with their interval, score and ranks on a day. Counts are "
        "EXACT and NEAR events only; shares of block-level events stand apart in the `_weighted_` columns. The score says "
        "where help is needed, never who is at fault."
    ),
    _FACTORS: "What adds to each business parcel's expectation on a day: contributions sum to its logarithm. Associations, not causes.",
}


@dg.multi_asset(
    name="business_risk",
    specs=[
        dg.AssetSpec(
            table.name.split("/"),
            deps=[*_RISK_DEPS, model_card, source_quality],
            group_name="marts",
            kinds={"deltalake"},
            owners=[table.owner],
            metadata=table_metadata(table),
            automation_condition=WHEN_CORE_IS_DONE,
            freshness_policy=EVERY_MORNING,
            description=description,
        )
        for table, description in _RISK_DESCRIPTIONS.items()
    ],
    partitions_def=DAYS,
    op_tags={"dagster/priority": 1},  # of all marts it takes longest, and is made by its own step
)
def business_risk(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult[None]]:
    """marts/business_risk and marts/business_risk_factors."""
    day = date.fromisoformat(context.partition_key)
    said = risk.score_day(platform, day)
    of_risk = marts.score_business_risk(platform, said, day, context.run.run_id)
    begin_audits(platform, [_RISK.name], day)
    of_factors = marts.explain_business_risk(platform, said, day, context.run.run_id)
    begin_audits(platform, [_FACTORS.name], day)
    begin_fairness(platform, day)
    columns = ["risk_rank", "business_names", "address", "expected_events_per_year", "serious_events_365d", "coverage_pct"]
    top = platform.lake.read(_RISK.name, partitions=[context.partition_key], columns=columns)
    first = sorted(top.to_pylist(), key=lambda row: row["risk_rank"])[:10]
    yield dg.MaterializeResult(
        asset_key=_RISK.name.split("/"),
        metadata={
            "dagster/row_count": of_risk.row_count,
            "expected_events_per_year": round(sum(top["expected_events_per_year"].to_pylist()), 3),
            "serious_events_365d": round(sum(top["serious_events_365d"].to_pylist()), 3),
            "coverage_pct": min(top["coverage_pct"].to_pylist(), default=0.0),
            "highest": rows_table(
                ("rank", "businesses", "address", "expected a year", "last year"), ([row[name] for name in columns[:5]] for row in first)
            ),
        },
    )
    yield dg.MaterializeResult(
        asset_key=_FACTORS.name.split("/"),
        metadata={"dagster/row_count": of_factors.row_count, **preview(platform, _FACTORS.name, context.partition_key)},
    )


_THRESHOLD_DESCRIPTIONS = {
    _STATUS: (
        "What the nuisance ordinance counts at each business parcel on a day, for each rule in force: confirmed, possible, what is "
        "missing, until when. Never estimated, and apart from the risk score. Provisional while nobody has read the rule set in the "
        "ordinance's text."
    ),
    _INCIDENTS: "The incidents behind the counts of marts/threshold_status, with every reason why one does not count.",
}


@dg.multi_asset(
    name="thresholds",
    specs=[
        dg.AssetSpec(
            table.name.split("/"),
            deps=[*(dg.AssetKey(name.split("/")) for name in ordinance.COUNT_INPUTS if name.startswith("core/")), source_quality],
            group_name="marts",
            kinds={"deltalake"},
            owners=[table.owner],
            metadata=table_metadata(table),
            automation_condition=WHEN_CORE_IS_DONE,
            freshness_policy=EVERY_MORNING,
            description=description,
        )
        for table, description in _THRESHOLD_DESCRIPTIONS.items()
    ],
    partitions_def=DAYS,
    op_tags=MADE_BESIDE,
)
def thresholds(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[dg.MaterializeResult[None]]:
    """marts/threshold_status and marts/threshold_events."""
    day = date.fromisoformat(context.partition_key)
    of_status, of_events = make_mart(platform, ordinance.count_thresholds, day, context.run.run_id)
    begin_audits(platform, (_STATUS.name, _INCIDENTS.name), day)
    rows = platform.lake.read(_STATUS.name, partitions=[context.partition_key], columns=["threshold_status"])
    statuses = counted(rows, "threshold_status")
    said = counts_table(statuses, "status", "places and rules")
    yield dg.MaterializeResult(
        asset_key=_STATUS.name.split("/"),
        metadata={
            "dagster/row_count": of_status.row_count,
            "statuses": said,
            **numbers("rules", statuses, ("met", "near", "clear")),
            **preview(platform, _STATUS.name, context.partition_key),
        },
    )
    events = platform.lake.read(_INCIDENTS.name, partitions=[context.partition_key], columns=["count_state"])
    yield dg.MaterializeResult(
        asset_key=_INCIDENTS.name.split("/"),
        metadata={
            "dagster/row_count": of_events.row_count,
            **numbers("events", counted(events, "count_state"), ("counts", "possible", "excluded")),
            **preview(platform, _INCIDENTS.name, context.partition_key),
        },
    )


MART_ASSETS = [source_quality, business_risk, thresholds]
