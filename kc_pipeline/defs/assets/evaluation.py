"""Evaluation: the fitted model and its card, its back-test against rivals, and the audit of who is flagged."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.defs.automation import WHEN_CORE_IS_DONE
from kc_pipeline.defs.beside import audit_fairness
from kc_pipeline.defs.metadata import card_metadata, frame_table, picture, table_metadata
from kc_pipeline.defs.partitions import DAYS
from kc_pipeline.defs.resources import Platform
from kc_pipeline.defs.steps import evaluation, risk

if TYPE_CHECKING:
    import pandas as pd

_CARD, _BACKTEST, _FAIRNESS = (TABLES[f"eval/{name}"] for name in ("model_card", "backtest", "fairness_audit"))


@dg.asset(
    key_prefix="eval",
    deps=[dg.AssetKey(table.split("/")) for table in risk.MODEL_INPUTS],
    partitions_def=DAYS,
    group_name="eval",
    kinds={"deltalake", "scipy"},
    owners=[_CARD.owner],
    metadata=table_metadata(_CARD),
    automation_condition=WHEN_CORE_IS_DONE,
    description=(
        "The risk model that scores a day: fitted once a month, as of its first day, and kept as a card from which every score "
        "can be computed again. Beside it stands risk terrain modelling as RTMDx does it."
    ),
)
def model_card(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
    """eval/model_card."""
    as_of = date.fromisoformat(context.partition_key)
    commit = risk.fit_model(platform, as_of)
    known = risk.stored_card(platform, risk.fit_day(as_of))
    if known is None:
        raise dg.Failure(f"eval/model_card: the fit as of {risk.fit_day(as_of)} cannot be read back", allow_retries=False)
    model_id, card = known
    plots = _pictures(evaluation.draw_model(platform, as_of))
    return dg.MaterializeResult(metadata={"model_id": model_id, "newly_fitted": bool(commit.changed), **plots, **card_metadata(card)})


@dg.asset(
    key_prefix="eval",
    deps=[model_card],
    partitions_def=DAYS,
    group_name="eval",
    kinds={"deltalake", "scikitlearn"},
    owners=[_BACKTEST.owner],
    metadata=table_metadata(_BACKTEST),
    automation_condition=WHEN_CORE_IS_DONE,
    description=(
        "What the model and its rivals would have said a year before the month began, against what happened since: accuracy by "
        "area, calibration, and how much hangs on each source and each neighborhood. Made once a month."
    ),
)
def backtest(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
    """eval/backtest."""
    found = evaluation.run_backtest(platform, date.fromisoformat(context.partition_key))
    accuracy = {} if found.judged is None else pai_numbers(found.judged)
    tables: dict[str, pd.DataFrame | None] = {
        "models": found.judged, "without_a_source": found.without_sources, "without_a_neighborhood": found.without_areas,
    }  # fmt: skip
    return dg.MaterializeResult(
        metadata={
            "trained_as_of": found.trained_as_of.isoformat(),
            **({"no_backtest_because": found.reason} if found.reason else {}),
            **{name: frame_table(rows) for name, rows in tables.items() if rows is not None},
            **accuracy,
            **_pictures(found.plots),
        }
    )


def pai_numbers(judged: "pd.DataFrame") -> dict[str, float]:
    """The prediction accuracy index of each model at each share of area in per cent, a number each that Dagster draws over time.

    Names are short enough for the UI, which draws longer ones over their values: pai_5_our_model.
    """
    rows = judged[["model_name", "area_share_pct", "pai"]].itertuples(index=False)
    return {f"pai_{area:g}_{re.sub(r'[^A-Za-z0-9]+', '_', name)}": round(float(pai), 4) for name, area, pai in rows}


@dg.asset(
    key_prefix="eval",
    deps=[dg.AssetKey(["marts", "business_risk"]), dg.AssetKey(["core", "factor_observations"])],
    partitions_def=DAYS,
    group_name="eval",
    kinds={"deltalake"},
    owners=[_FAIRNESS.owner],
    metadata=table_metadata(_FAIRNESS),
    automation_condition=WHEN_CORE_IS_DONE,
    op_tags={"dagster/priority": -2},  # nothing waits for it: after the publication, beside which `kc run` makes it
    description=(
        "How the highest tenth of business parcels spreads over council districts and patrol divisions, with alerts outside 0.8 to "
        "1.25 of the city's rate, beside what was expected and what happened there and how much people report."
    ),
)
def fairness_audit(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult[None]:
    """eval/fairness_audit."""
    commit, rows, sentences = audit_fairness(platform, date.fromisoformat(context.partition_key))
    said = dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in sentences) or "Nothing stands out.")
    alerts = int(rows["is_alert"].sum())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": commit.row_count,
            "alerts": alerts,
            "largest_flag_rate_ratio": round(float(rows["flag_rate_ratio"].max()), 4) if len(rows) else 0.0,
            "noticed": said,
            "districts": frame_table(rows),
        }
    )


def _pictures(files: Mapping[str, Path]) -> dict[str, dg.MetadataValue]:
    """Each picture, and where its file lies."""
    shown: dict[str, dg.MetadataValue] = {}
    for name, path in files.items():
        shown |= {f"{name}_plot": picture(path, name), f"{name}_file": dg.MetadataValue.path(str(path))}
    return shown


EVALUATION_ASSETS = [model_card, backtest, fairness_audit]
