"""The questions that benchmarks/bi_clients.py asks every BI client, and their answers by pandas."""

from typing import Any

import numpy as np
import pandas as pd

from kc_pipeline.catalog.compatibility import columns_of
from kc_pipeline.catalog.contracts import Document, custom
from kc_pipeline.catalog.releases import read_released
from kc_pipeline.catalog.views import VIEWS
from kc_pipeline.store.warehouse import Warehouse

RISK, ACTIONS, DAYS = "v1_business_risk_current", "v1_action_list", "v1_dim_date"
Rows = list[tuple[Any, ...]]


class DifferentAnswerError(AssertionError):
    """A client says something else than the views."""


class Questions:
    """The questions, as SQL that every client understands, and their answers by pandas."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.views = {view: warehouse.read_view(view).to_pandas() for view in VIEWS}
        risk = self.views[RISK]
        self.district = str(risk["council_district"].mode()[0])
        self.box = tuple(_edge(risk[name].dropna(), share) for name in ("longitude", "latitude") for share in (0.25, 0.75))
        west, east, south, north = self.box
        self.sql = {
            "filter": f"SELECT business_parcel_id, risk_rank FROM {RISK} WHERE council_district = '{self.district}' AND risk_score >= 50 "  # noqa: S608
            "ORDER BY risk_rank, business_parcel_id",
            "join": f"SELECT r.business_parcel_id, a.observation_id, a.department, d.weekday_name FROM {RISK} r "  # noqa: S608
            f"JOIN {ACTIONS} a ON a.business_parcel_id = r.business_parcel_id JOIN {DAYS} d ON d.calendar_date = r.as_of "
            "WHERE a.condition = 'streetlight_outage' AND a.distance_m <= 100 AND r.risk_score >= 50 ORDER BY 1, 2",
            "map": f"SELECT business_parcel_id, latitude, longitude FROM {RISK} "  # noqa: S608
            f"WHERE longitude BETWEEN {west!r} AND {east!r} AND latitude BETWEEN {south!r} AND {north!r} ORDER BY 1",
        }  # fmt: skip
        self.answers = {"filter": self._filter(), "join": self._join(), "map": self._map()}
        if empty := [name for name, rows in self.answers.items() if not rows]:
            raise SystemExit(f"{', '.join(empty)}: no row answers it, so nothing would be shown; give a larger city")

    def _filter(self) -> Rows:
        risk = self.views[RISK]
        rows = risk[(risk["council_district"] == self.district) & (risk["risk_score"] >= 50)].sort_values(
            ["risk_rank", "business_parcel_id"]
        )
        return list(rows[["business_parcel_id", "risk_rank"]].itertuples(index=False, name=None))

    def _join(self) -> Rows:
        risk, actions, days = self.views[RISK], self.views[ACTIONS], self.views[DAYS]
        near = actions[(actions["condition"] == "streetlight_outage") & (actions["distance_m"] <= 100)]
        rows = risk.loc[risk["risk_score"] >= 50, ["business_parcel_id", "as_of"]].merge(
            near.drop(columns="as_of"), on="business_parcel_id"
        )
        rows = rows.merge(days, left_on="as_of", right_on="calendar_date").sort_values(["business_parcel_id", "observation_id"])
        return list(rows[["business_parcel_id", "observation_id", "department", "weekday_name"]].itertuples(index=False, name=None))

    def _map(self) -> Rows:
        risk, (west, east, south, north) = self.views[RISK], self.box
        inside = risk[risk["longitude"].between(west, east) & risk["latitude"].between(south, north)].sort_values("business_parcel_id")
        return list(inside[["business_parcel_id", "latitude", "longitude"]].itertuples(index=False, name=None))

    def check(self, client: str, name: str, rows: Rows, digits: int | None = None) -> int:
        """Rows of an answer, which is the right one; in any order, coordinates rounded if a file rounds them.

        Raises:
            DifferentAnswerError: it is not.
        """

        def plain(rows: Rows) -> Rows:
            return sorted(tuple(round(v, digits) if isinstance(v, float) and digits else v for v in row) for row in rows)

        if plain(rows) != plain(self.answers[name]):
            raise DifferentAnswerError(f"{client}, {name}: {rows[:3]} ..., and pandas says {self.answers[name][:3]} ...")
        return len(rows)


def _edge(values: pd.Series, share: float) -> float:
    """An edge of the map that cuts off a share of the places, through the widest gap thereabouts.

    PostGIS compares boxes in single precision and GeoJSON rounds to seven decimals: no place may stand on the edge.
    """
    ordered = np.unique(values)
    around = slice(max(int(share * len(ordered)) - 10, 0), int(share * len(ordered)) + 10)
    gaps = np.diff(ordered[around])
    widest = int(gaps.argmax())
    return float(ordered[around][widest] + gaps[widest] / 2)


def promised(engine: str) -> dict[str, dict[str, str]]:
    """View -> column -> type by the released contracts."""

    def kind(column: Document) -> str:
        return str(custom(column, "physicalTypeSqlite") if engine == "sqlite" else column["physicalType"])

    return {view: {name: kind(column) for name, column in columns_of(contract).items()} for view, contract in read_released().items()}


def same_columns(client: str, listed: dict[str, dict[str, str]], wanted: dict[str, dict[str, str]]) -> int:
    """How many columns a client lists, which are those of the contracts with their types.

    Raises:
        DifferentAnswerError: they are not.
    """
    if listed != wanted:
        views = [view for view in wanted if listed.get(view) != wanted[view]]
        raise DifferentAnswerError(f"{client} lists other columns or types than the contracts: {views}")
    return sum(map(len, listed.values()))
