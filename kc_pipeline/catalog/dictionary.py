"""The data dictionary: one page for the readers of the views, made from their contracts."""

from collections.abc import Iterator, Mapping
from typing import Any

from kc_pipeline.catalog.compatibility import columns_of, key_of, valid_values
from kc_pipeline.catalog.contracts import Document, custom
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.views import MAP_VIEWS, VIEWS

_HEAD = """# Data dictionary

What the views say that BI tools read, at version {version} of their contracts. This page is made by `kc contracts dictionary`
from the catalogue (`kc_pipeline/catalog/`): change it there.

Every view shows the newest published day; older days stand in `<mart>_history` by `snapshot_id`, and `kc table VIEW --as-of DAY`
shows them. Types are those of PostgreSQL; SQLite keeps days and times as ISO 8601 text, and true and false as 1 and 0.
Coordinates are EPSG:4326. Columns marked with a dot (•) always have a value. A view keeps its columns, their types, units and
key for ever; columns may be added, and their order is not promised. Name columns, do not count them.
"""


def to_markdown(contracts: Mapping[str, Document]) -> str:
    """The page.

    Args:
        contracts: view -> contract.
    """
    parts = [_HEAD.format(version=SCHEMA_VERSION)]
    parts.append("| view | one row is | since |\n|---|---|---|\n" + "\n".join(_line(view, contracts[view]) for view in VIEWS))
    parts += ["\n".join(_section(view, contracts[view])) for view in VIEWS]
    return "\n\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def _line(view: str, contract: Document) -> str:
    of_view = contract["schema"][0]
    return f"| [{view}](#{view}) | {_cell(of_view['dataGranularityDescription'])} | {custom(of_view, 'sinceVersion')} |"


def _section(view: str, contract: Document) -> Iterator[str]:
    of_view, said = contract["schema"][0], contract["description"]
    yield f"## {view}"
    yield f"\n{of_view['businessName']}. {said['purpose']}\n"
    yield f"- One row is: {of_view['dataGranularityDescription']}"
    yield f"- Key: {', '.join(f'`{name}`' for name in key_of(contract))}"
    yield f"- Owner: {contract['team']['name']}"
    yield f"- How to read it: {said['usage']}"
    if VIEWS[view].is_of_a_mart and (with_points := MAP_VIEWS.get(VIEWS[view].table)):
        yield f"- On a map: `{with_points}` has the same columns and a point `geom` (EPSG:4326), where PostgreSQL has PostGIS."
    if said["limitations"]:
        yield f"\nWhat may not be concluded from it:\n\n{said['limitations']}"
    yield "\n| column | type | unit | meaning | values | since |\n|---|---|---|---|---|---|"
    yield from (_row(name, column) for name, column in columns_of(contract).items())


def _row(name: str, column: Document) -> str:
    cells = (
        f"`{name}`{' •' if column['required'] else ''}",
        column["physicalType"],
        custom(column, "unit") or "",
        column["description"] + (f" Source: {source}." if (source := custom(column, "source")) else ""),
        _values(column),
        custom(column, "sinceVersion"),
    )
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _values(column: Document) -> str:
    if values := valid_values(column):
        return ", ".join(f"`{value}`" for value in values)
    limits: dict[str, Any] = column.get("logicalTypeOptions", {})
    if "pattern" in limits:
        return f"form `{limits['pattern']}`"
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is None and high is None:
        return ""
    return f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
