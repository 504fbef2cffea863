"""The catalogue and the steps' results in Dagster's own words."""

import base64
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from kc_pipeline.catalog.columns import Type
from kc_pipeline.catalog.sources import Feed
from kc_pipeline.catalog.tables import Table
from kc_pipeline.defs.partitions import MONTHS
from kc_pipeline.defs.plots import stacked_bars

if TYPE_CHECKING:
    import pandas as pd

_TYPE_NAMES = {
    Type.TEXT: "string",
    Type.INTEGER: "int64",
    Type.NUMBER: "float64",
    Type.BOOLEAN: "boolean",
    Type.DATE: "date",
    Type.LOCAL_TIME: "timestamp (America/Chicago wall clock)",
    Type.UTC_TIME: "timestamp (UTC)",
    Type.GEOMETRY: "WKB (EPSG:4326)",
}


def table_schema(table: Table) -> dg.TableSchema:
    """A table's contract as Dagster shows it: types, nullability, units, descriptions, key."""
    columns = [
        dg.TableColumn(
            column.name,
            _TYPE_NAMES[column.type],
            column.description,
            constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,)),
            tags={"unit": column.unit.replace(" ", "_")} if column.unit else None,
        )
        for column in table.columns
    ]
    return dg.TableSchema(columns=columns, constraints=dg.TableConstraints(other=[f"primary key ({', '.join(table.key)})"]))


def table_metadata(table: Table) -> dict[str, object]:
    """Definition metadata of the asset that is a table."""
    return {"dagster/column_schema": table_schema(table), "grain": table.grain, "key": ", ".join(table.key)}


def sources_table(feed: Feed) -> dg.MarkdownMetadataValue:
    """Where a feed is read from, as a Markdown table."""
    lines = ["| data set | transport | months | record system | read |", "|---|---|---|---|---|"]
    for data_set in feed.data_sets:
        months = f"{data_set.first_month} to {data_set.last_month or 'now'}" if data_set.month_field else "whole snapshot"
        read = "always" if data_set.is_primary else "from recordings only"
        lines.append(f"| `{data_set.id}` | {data_set.transport} | {months} | {data_set.record_system} | {read} |")
    return dg.MetadataValue.md("\n".join(lines))


def counts_table(counts: Mapping[str, int], heading: str, unit: str = "rows") -> dg.MarkdownMetadataValue:
    """Named counts as a Markdown table."""
    lines = [f"| {heading} | {unit} |", "|---|--:|", *(f"| {name} | {count:,} |" for name, count in counts.items())]
    return dg.MetadataValue.md("\n".join(lines))


def rates_metadata(rates: Mapping[str, Mapping[str, float]], what: str) -> dict[str, "dg.MetadataValue[Any] | float"]:
    """Amounts by name and part as a table, a plot of shares, and one number each that Dagster plots over time.

    Args:
        rates: name -> part -> amount.
        what: what the parts are, one word: it begins the metadata's names.
    """
    lines = [f"| | {what} | amount | share |", "|---|---|--:|--:|"]
    over_time: dict[str, dg.MetadataValue[Any] | float] = {}
    for name, amounts in rates.items():
        total = sum(amounts.values()) or 1.0
        for part, amount in amounts.items():
            lines.append(f"| {name} | {part} | {amount:,.1f} | {amount / total:.1%} |")
            over_time[f"share_{name}_{part}"] = round(amount / total, 4)
    table, plot = dg.MetadataValue.md("\n".join(lines)), stacked_bars(rates, f"shares by {what}")
    return {f"{what}_table": table, f"{what}_plot": plot, **over_time}


def note_other_months(context: dg.AssetExecutionContext, key: dg.AssetKey, months: Iterable[str]) -> None:
    """Tell Dagster of months that were written beside those the run was asked for (missing before, or changed at the source)."""
    for month in sorted(set(months) - set(context.partition_keys)):
        if MONTHS.has_partition_key(month):
            context.log_event(dg.AssetMaterialization(key, "missing before, or changed at the source", partition=month))


def frame_table(rows: "pd.DataFrame") -> dg.MarkdownMetadataValue:
    """A small frame as a Markdown table, numbers to three decimals."""

    def cell(value: object) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = [f"| {' | '.join(rows.columns)} |", "|" + "---|" * len(rows.columns)]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows.astype(object).itertuples(index=False)]
    return dg.MetadataValue.md("\n".join(lines))


def picture(path: Path, title: str) -> dg.MarkdownMetadataValue:
    """A PNG file inside Markdown."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})")


def card_metadata(card: Mapping[str, Any]) -> dict[str, Any]:
    """A model card as tables: the terms of our model and the factor table of risk terrain modelling."""
    model, rtm = card["model"], card["risk_terrain_model"]
    terms = zip(model["terrain"]["terms"], model["terrain"]["coefficients"], strict=True)
    ours = [f"| {t['factor']} | {t['kind']} | {t['reach_m']:.0f} | {b:.3f} |" for t, b in sorted(terms, key=lambda pair: -pair[1])]
    traits = [
        f"| {name} | trait of the place | | {b:.3f} |"
        for name, b in zip(model["places"]["traits"], model["places"]["coefficients"], strict=True)
    ]
    forms = sorted(zip(rtm["variables"], rtm["coefficients"], strict=True), key=lambda pair: -pair[1])
    theirs = [f"| {v['factor']} | {v['kind']} | {v['reach_m']:.0f} | {b:.4f} | {math.exp(b):.4f} |" for v, b in forms]
    return {
        "terms": dg.MetadataValue.md("\n".join(["| factor | form | reach, m | coefficient |", "|---|---|--:|--:|", *ours, *traits])),
        "risk_terrain_model": dg.MetadataValue.md(
            "\n".join(["| factor | operationalization | reach, m | coefficient | relative risk value |", "|---|---|--:|--:|--:|", *theirs])
        ),
        "place_effects": dg.MetadataValue.json(model["effects"]),
        "data": dg.MetadataValue.json(card["data"]),
        "metrics": dg.MetadataValue.json(card["metrics"]),
        "limits": dg.MetadataValue.md("\n".join(f"- {limit}" for limit in card["limits"])),
    }
