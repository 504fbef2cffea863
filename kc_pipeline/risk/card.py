"""The model card of a fit: what it was made from, what it says, how good it is, and what it must not be used for."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from kc_pipeline.risk.risk_model import RiskModel
from kc_pipeline.risk.terrain import Grid

# Raised whenever the same data would give another score; fits of another version are not used.
MODEL_VERSION = "1"
LIMITS = (
    "Contributions are associations: they do not show that a factor causes crime, nor that mending it prevents any.",
    "The expectation says where help is needed. It is not evidence against a business and never enters the ordinance's count.",
    "Open police records are known to the block; their shares inform the expectation and are in no count of a place.",
    "A feed without rows is silence, not safety: see stale_sources and coverage_pct of each row.",
    "What people report differs between neighborhoods; factors made of 311 requests carry that.",
    "No demographic figure and nothing that enforcement makes (arrests, officer-initiated calls) is a factor.",
)


def make_card(
    model: RiskModel,
    rtm: Mapping[str, Any],
    grid: Grid,
    feature_counts: Mapping[str, int],
    data: Mapping[str, object],
    metrics: Mapping[str, object],
) -> dict[str, Any]:
    """All that is needed to understand a fit and to compute its scores again.

    Args:
        model: the fit.
        rtm: card of the risk terrain model beside it.
        grid: cells that it was fitted on.
        feature_counts: factor -> located observations.
        data: what it was made from: versions of the lake's tables, days, events.
        metrics: how well it describes what it was fitted to.
    """
    return {
        "model_version": MODEL_VERSION,
        "outcome": "serious street violence: homicide, robbery, aggravated assault, firearm; not domestic",
        "model": model.to_card(),
        "risk_terrain_model": dict(rtm),
        "grid": describe_grid(grid),
        "feature_counts": dict(feature_counts),
        "data": dict(data),
        "metrics": dict(metrics),
        "limits": list(LIMITS),
    }


def describe_grid(grid: Grid) -> dict[str, Any]:
    """Where the grid lies, metres in catalog.geography.PROJECTED_CRS, and a digest of which cells are the city's."""
    rows, columns = grid.inside.shape
    digest = hashlib.sha256(grid.inside.tobytes()).hexdigest()
    cells = {"cell_m": grid.cell_m, "rows": rows, "columns": columns, "cells": grid.size}
    return {"west": grid.west, "south": grid.south, **cells, "sha256": digest}


def card_text(card: Mapping[str, Any]) -> str:
    """A card as it is kept."""
    return json.dumps(card, sort_keys=True, indent=1, ensure_ascii=False)


def model_id(card: Mapping[str, Any]) -> str:
    """Name of a fit: its day and a digest of its card; versions of tables apart, which do not change what a fit says."""
    data = {name: value for name, value in card["data"].items() if name != "lake_versions"}
    text = card_text({**card, "data": data})
    return f"{card['model']['fitted_as_of']}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
