"""Chicago's published food inspections: most of what the city's model gains comes from knowing who inspected."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from real_rows import NEEDS_REAL_DATA, REAL

pytestmark = NEEDS_REAL_DATA
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "food_inspections.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script that prints the same figures; it holds the published model's features."""
    spec = importlib.util.spec_from_file_location(BENCHMARK.stem, BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def inspections(benchmark: ModuleType) -> pd.DataFrame:
    return benchmark.read_inspections(Path(str(REAL)))


def test_the_file_is_the_one_that_the_figures_are_about(inspections: pd.DataFrame) -> None:
    test = inspections[inspections["Test"]]
    assert (len(inspections), len(test), test["criticalFound"].sum()) == (18_712, 1_637, 258)
    assert test["Inspection_Date"].min() > inspections.loc[~inspections["Test"], "Inspection_Date"].max()


@pytest.mark.parametrize(("with_inspector", "days"), [(True, 7.43), (False, 2.29)])
def test_critical_inspections_come_earlier_by_the_published_days(
    benchmark: ModuleType, inspections: pd.DataFrame, with_inspector: bool, days: float
) -> None:
    assert benchmark.measure(inspections, with_inspector=with_inspector) == pytest.approx(days, abs=0.3)
