"""The views that BI reads, once each: which mart's current snapshot a view shows, or which SQL it is over other views.

`store/warehouse_schema.py` makes them on both engines.  A view's columns only ever grow at its end; anything else is a new
view with a new number (`v2_`), beside which the old one stays.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kc_pipeline.catalog.reference import REFERENCE_TABLES
from kc_pipeline.catalog.tables import TABLES, Table


@dataclass(frozen=True)
class View:
    """One view.

    Attributes:
        name: its name in the database.
        table: name of the contract whose columns it has: the mart or reference table it shows, or the contract of the SQL's result.
        sql: SELECT over views that are declared before it, with its columns in the contract's order, in SQL that SQLite and
            PostgreSQL both understand; empty: the current snapshot of the mart, or the whole reference table.
        can_be_empty: whether a day without rows is a result (nothing to do) and not a day that was not scored.
    """

    name: str
    table: str
    sql: str = ""
    can_be_empty: bool = False

    @property
    def contract(self) -> Table:
        """What its columns are."""
        return REFERENCE_TABLES.get(self.table) or TABLES[self.table]

    @property
    def is_of_a_mart(self) -> bool:
        """Whether it shows the current snapshot of a mart."""
        return not self.sql and self.table in TABLES


_VIEWS = (
    View("v1_business_risk_current", "marts/business_risk"),
    View("v1_business_risk_factors", "marts/business_risk_factors"),
    View("v1_threshold_status", "marts/threshold_status"),
    View("v1_threshold_events", "marts/threshold_events", can_be_empty=True),
    View("v1_action_list", "marts/action_items", can_be_empty=True),
    View("v1_source_quality", "marts/source_quality"),
    View("v1_public_neighborhood_quarter", "marts/public_neighborhood_quarter", can_be_empty=True),
    View("v1_dim_business_parcel", "marts/dim_business_parcel"),
    View("v1_dim_business", "marts/dim_business"),
    View("v1_dim_date", "reference/dim_date"),
    View("v1_dim_feed", "reference/dim_feed"),
)

VIEWS: Mapping[str, View] = {view.name: view for view in _VIEWS}

# mart -> the view that shows its current snapshot; every mart here is published with each day
PUBLISHED_MARTS: Mapping[str, str] = {view.table: view.name for view in _VIEWS if view.is_of_a_mart}

# marts whose places are also given as points where PostGIS is there: mart -> view with a column `geom` (EPSG:4326)
MAP_VIEWS: Mapping[str, str] = {"marts/business_risk": "v1_business_risk_map", "marts/threshold_status": "v1_threshold_status_map"}

# kinds of file that views are exported as (store/exports.py)
EXPORT_FORMATS = ("csv", "geoparquet", "geojson", "geopackage")

# other ways to look rows up than by their key within a snapshot: mart -> columns of an index
LOOKUPS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "marts/business_risk": (("business_parcel_id", "as_of"),),
    "marts/action_items": (("snapshot_id", "condition", "distance_m"),),
}


def marts_of(view: str) -> list[str]:
    """Marts whose snapshots a view shows, directly or through the views that its SQL names.

    Raises:
        KeyError: there is no such view.
    """
    if not VIEWS[view].sql:
        return [VIEWS[view].table] if VIEWS[view].is_of_a_mart else []
    named = [name for name in VIEWS if name != view and re.search(rf"\b{name}\b", VIEWS[view].sql)]
    return sorted({mart for name in named for mart in marts_of(name)})
