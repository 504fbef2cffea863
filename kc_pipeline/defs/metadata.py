"""The catalogue and the steps' results in Dagster's own words."""

import base64
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from kc_pipeline.catalog.columns import Column, Type
from kc_pipeline.catalog.lineage import made_of_nothing, upstream_columns
from kc_pipeline.catalog.raw_fields import raw_columns
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
_MONTH_ROWS = "dagster/partition_row_count"  # the UI shows it on the page of a month
_SHOWN_UPSTREAM = 3  # columns that a description names
_LARGEST_PICTURE_BYTES, _WIDEST_PICTURE, _COLORS = 22_000, 760, 24


def table_schema(table: Table) -> dg.TableSchema:
    """A table's contract as Dagster shows it: types, nullability, units, descriptions with what a column is made from, key."""
    upstream, made = upstream_columns(table.name), made_of_nothing(table.name)
    columns = [
        _column(column, _made_from(upstream.get(column.name, ()), made.get(column.name)), is_unique=table.key == (column.name,))
        for column in table.columns
    ]
    return dg.TableSchema(columns=columns, constraints=dg.TableConstraints(other=[f"primary key ({', '.join(table.key)})"]))


def table_metadata(table: Table) -> dict[str, object]:
    """Definition metadata of the asset that is a table."""
    return {
        "dagster/column_schema": table_schema(table),
        "dagster/column_lineage": column_lineage(table),
        "dagster/table_name": table.name.replace("/", "."),
        "grain": table.grain,
        "key": ", ".join(table.key),
    }


def raw_metadata(feed: Feed) -> dict[str, object]:
    """Definition metadata of the asset that is a feed's raw rows."""
    return {
        **columns_metadata(raw_columns(feed)),
        "dagster/table_name": f"raw.{feed.name}",
        "publisher": feed.publisher,
        "usual_lag_days": feed.usual_lag_days,
        "sources": sources_table(feed),
    }


def columns_metadata(columns: Iterable[Column]) -> dict[str, object]:
    """Definition metadata of an asset with columns but without a contract."""
    return {"dagster/column_schema": dg.TableSchema(columns=[_column(column, "") for column in columns])}


def column_lineage(table: Table) -> dg.TableColumnLineage:
    """Which columns of which assets a table's columns are made from, as the catalogue's lineage says."""
    return dg.TableColumnLineage({name: [_dependency(each) for each in named] for name, named in upstream_columns(table.name).items()})


@cache
def _dependency(column: str) -> dg.TableColumnDep:
    """A column that is named as 'layer/table.column'."""
    table, _, name = column.rpartition(".")
    return dg.TableColumnDep(dg.AssetKey(table.split("/")), name)


def _column(column: Column, made_from: str, *, is_unique: bool = False) -> dg.TableColumn:
    return dg.TableColumn(
        column.name,
        _TYPE_NAMES[column.type],
        f"{column.description} {made_from}".strip(),
        constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=is_unique),
        tags={"unit": column.unit.replace(" ", "_")} if column.unit else None,
    )


def _made_from(named: Sequence[str], made: str | None) -> str:
    """Where a column comes from, in a sentence: the main columns, and how many more there are.

    The open-source UI keeps column lineage for its API and does not draw it, so that it is said here as well.
    """
    if made is not None:
        return f"Not from a source: {made}."
    shown = ", ".join(named[:_SHOWN_UPSTREAM])
    more = f" and {len(named) - _SHOWN_UPSTREAM} more" if len(named) > _SHOWN_UPSTREAM else ""
    return f"From {shown}{more}." if named else ""


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
            lines.append(f"| {name} | {part} | {f'{amount:,.1f}'.removesuffix('.0')} | {amount / total:.1%} |")
            over_time[f"share_{name}_{part}"] = round(amount / total, 4)
    table, plot = dg.MetadataValue.md("\n".join(lines)), stacked_bars(rates, f"shares by {what}")
    return {f"{what}_table": table, f"{what}_plot": plot, **over_time}


def note_months(context: dg.AssetExecutionContext, key: dg.AssetKey, written: Iterable[str], rows: Mapping[str, int]) -> None:
    """Tell Dagster how many rows each month has, and of months that were written beside those the run was asked for.

    Args:
        context: of the run.
        key: the asset.
        written: months that the run wrote; those it was not asked for were missing before, or changed at the source.
        rows: month -> rows that it has now.
    """
    asked = set(context.partition_keys)
    for month in sorted(asked):
        context.add_asset_metadata({_MONTH_ROWS: rows.get(month, 0)}, key, month)
    for month in sorted(set(written) - asked):
        if MONTHS.has_partition_key(month):
            why, counted = "missing before, or changed at the source", {_MONTH_ROWS: rows.get(month, 0)}
            context.log_event(dg.AssetMaterialization(key, why, counted, partition=month))


def spans(months: Iterable[str]) -> str:
    """Months as spans without gaps: '2024-07 to 2025-02, 2026-05'; what is no month stands by itself, after them.

    A table without partitions has one part, named ''.
    """
    found: list[list[str]] = []
    ordered = sorted(set(months), key=lambda month: (not MONTHS.has_partition_key(month), month))
    for month in ordered:
        if found and MONTHS.has_partition_key(month) and _month_after(found[-1][-1]) == month:
            found[-1] = [found[-1][0], month]
        else:
            found.append([month])
    return ", ".join(" to ".join(span) or "the whole table" for span in found) or "none"


def _month_after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12}-{number % 12 + 1:02}"


def frame_table(rows: "pd.DataFrame") -> dg.MarkdownMetadataValue:
    """A small frame as a Markdown table, numbers to three decimals, whole ones without."""

    def cell(value: object) -> str:
        return f"{value:.3f}".removesuffix(".000") if isinstance(value, float) else str(value)

    lines = [f"| {' | '.join(rows.columns)} |", "|" + "---|" * len(rows.columns)]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows.astype(object).itertuples(index=False)]
    return dg.MetadataValue.md("\n".join(lines))


def picture(path: Path, title: str) -> dg.MarkdownMetadataValue:
    """A PNG file inside Markdown, in few colors and small enough for an event log; the file itself stays as it is.

    The small form is kept beside the file for as long as that does not change.
    """
    kept = path.with_suffix(".small.png")
    if not kept.exists() or kept.stat().st_mtime_ns < path.stat().st_mtime_ns:
        writing = path.with_suffix(f".{os.getpid()}.writing")
        writing.write_bytes(_small_picture(path))
        writing.replace(kept)
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(kept.read_bytes()).decode()})")


def _small_picture(path: Path) -> bytes:
    from PIL import Image

    with Image.open(path) as full:
        flat = full.convert("RGB")
    width = min(flat.width, _WIDEST_PICTURE)
    while True:
        small = flat.resize((width, flat.height * width // flat.width), Image.Resampling.LANCZOS).quantize(_COLORS)
        packed = io.BytesIO()
        small.save(packed, "PNG", optimize=True)
        if packed.tell() <= _LARGEST_PICTURE_BYTES:
            return packed.getvalue()
        width = width * 4 // 5


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
