"""The data dictionary of the views as a page: what a row is, and what each column means."""

from collections.abc import Iterator

from kc_pipeline.catalog.columns import Column
from kc_pipeline.catalog.contracts import contract
from kc_pipeline.catalog.tables import SCHEMA_VERSION
from kc_pipeline.catalog.views import MAP_VIEWS, VIEWS, View

_HEAD = f"""# Data dictionary

What BI reads, version {SCHEMA_VERSION}. Made from the catalogue by `kc contracts dictionary`; the same descriptions stand in PostgreSQL
as comments and beside every export as a data contract. `data/<source>/warehouse.sqlite` and PostgreSQL have the same views.
Times come twice where they matter: local days in America/Chicago, and moments in UTC. Positions are WGS 84 degrees.
"""


def dictionary_page() -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *(line for view in VIEWS.values() for line in _section(view))])


def _section(view: View) -> Iterator[str]:
    table = view.contract
    yield f"## {view.name}\n"
    yield f"One row is {table.grain}. Key: {', '.join(f'`{name}`' for name in table.key)}. Owner: {table.owner.removeprefix('team:')}."
    yield f"{contract(view)['description']['limitations']}"
    if view.table in MAP_VIEWS:
        yield f"With PostGIS, `{MAP_VIEWS[view.table]}` has the same columns and the place as point `geom` (EPSG:4326)."
    yield "\n| column | type | unit | missing | meaning |\n|---|---|---|---|---|"
    for column in table.columns:
        yield _row(column, is_key=column.name in table.key)
    yield ""


def _row(column: Column, *, is_key: bool) -> str:
    said = column.description
    if column.values and not any(f"'{value}'" in said for value in column.values):
        said = f"{said} One of: {', '.join(column.values)}."
    missing = "may be" if column.nullable and not is_key else "never"
    return f"| `{column.name}` | {column.type.replace('_', ' ')} | {column.unit or ''} | {missing} | {said.replace('|', '/')} |"
