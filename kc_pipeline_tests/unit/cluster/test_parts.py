"""How months are cut into parts, and in what order parts are worked on."""

from pathlib import Path

import pyarrow as pa
import pytest

from kc_pipeline.catalog.columns import EVENT_TABLES
from kc_pipeline.catalog.render import to_arrow
from kc_pipeline.catalog.tables import TABLES
from kc_pipeline.cluster.attribution import REGISTERS, addresses_in_parts, loose_points_in_parts, standings_elsewhere
from kc_pipeline.cluster.parts import Months, PinnedLake, Work, parts_of
from kc_pipeline.store.lake import Lake

STOPS = "clean/bus_stops"


@pytest.mark.parametrize(
    ("most_rows", "parts"),
    [(1, [("a",), ("b",), ("c",), ("d",)]), (5, [("a", "b"), ("c",), ("d",)]), (100, [("a", "b", "c", "d")])],
)
def test_a_part_has_as_many_months_as_fit(most_rows: int, parts: list[Months]) -> None:
    assert parts_of([{"a": 2, "b": 1}, {"b": 2, "c": 9}], "dcba", most_rows) == parts


def test_nothing_is_an_empty_part() -> None:
    assert parts_of([{}], (), 5) == [()]


def test_a_lake_without_events_names_no_addresses_and_no_points(tmp_path: Path) -> None:
    work = Work.cut(None, tmp_path, (*EVENT_TABLES, *REGISTERS), EVENT_TABLES)
    assert addresses_in_parts(work).num_rows == loose_points_in_parts(work).num_rows == len(standings_elsewhere(work)) == 0


def test_parts_are_worked_on_in_order_here_without_a_cluster(tmp_path: Path) -> None:
    work = Work(None, PinnedLake(tmp_path, ()), [("b",), ("a",)])
    assert list(work.in_order(lambda months, _lake, same: (months, same), "x")) == [(("b",), "x"), (("a",), "x")]


def test_a_pinned_lake_stays_as_it_was(tmp_path: Path) -> None:
    schema = to_arrow(TABLES["eval/model_card"])
    lake = Lake(tmp_path)

    def write(day: str) -> None:
        row = {"fitted_as_of": pa.scalar(day).cast(pa.date32()).as_py(), "model_id": day, "model_version": "1", "card": "{}"}
        lake.write("eval/model_card", pa.Table.from_pylist([row], schema=schema), partitions=[day])

    write("2026-01-01")
    pinned = PinnedLake.of(tmp_path, ["eval/model_card"])
    write("2026-02-01")
    assert pinned.frame("eval/model_card", ["model_id"])["model_id"].tolist() == ["2026-01-01"]
    assert lake.row_counts("eval/model_card") == {"2026-01-01": 1, "2026-02-01": 1}
    assert lake.row_counts(STOPS) == {}
    with pytest.raises(KeyError, match=STOPS):
        pinned.frame(STOPS)
