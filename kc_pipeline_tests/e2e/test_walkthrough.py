"""docs/adding-a-source.md followed to the letter: its code blocks are put into a copy of the package, which is then run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
END_OF_FEEDS = ")  # fmt: skip\n\nFEEDS: "
PROPERTIES = [
    {"property_id": "LB-1", "property_class": "Vacant Lot", "property_status": "Available", "date_acquired": "2024-03-05T00:00:00.000",
     "address": "3400 NORTON AVE", "zip_code": "64128", "kiva_pin": "12345.0",
     "location": {"type": "Point", "coordinates": [-94.54, 39.06]}},
    {"property_id": "LB-2", "property_class": "Residential", "property_status": "Sold", "date_acquired": "2023-11-30T00:00:00.000",
     "address": "10 E 43RD ST", "zip_code": "99999", "kiva_pin": "0", "owner_phone": "816-555-0100"},
    {"property_id": "LB-3", "property_class": "Houseboat", "address": "1 RIVER RD"},
    {"property_class": "Residential", "address": "2 RIVER RD"},
    *({"property_id": f"LB-{n}", "property_class": "Commercial", "address": f"{n} OAK ST"} for n in range(100, 200)),
]  # fmt: skip
# Pull, clean and check the new feed alone, as the UI would, from a portal of recorded rows; print what came out.
PROGRAM = """
import json, sys
from datetime import date
from pathlib import Path
import dagster as dg
import kc_pipeline
from kc_pipeline.defs.build import build_defs
from kc_pipeline.defs.resources import Platform
from kc_pipeline.sandbox.serving import open_source
from kc_pipeline.settings import load_settings

settings = load_settings({"KC_DATA_DIR": sys.argv[1]}, "replay")
settings.data_dir.mkdir(parents=True)
with open_source(settings, through=date(2026, 7, 1), recordings=Path(sys.argv[2])) as opened:
    platform = Platform(opened)
    defs = build_defs(platform=platform)
    keys = [dg.AssetKey([layer, "land_bank"]) for layer in ("raw", "clean", "quarantine")]
    job = dg.define_asset_job("one_feed", selection=dg.AssetSelection.assets(*keys))
    done = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("one_feed").execute_in_process(raise_on_error=False)
    graph = defs.resolve_asset_graph()
    schema = graph.get(keys[1]).metadata["dagster/column_schema"]
    print(json.dumps({
        "package": str(Path(kc_pipeline.__file__).parents[1]),
        "failures": [e.step_failure_data.error.to_string() for e in done.all_events if e.is_step_failure],
        "clean": platform.lake.read("clean/land_bank").to_pylist(),
        "quarantine": platform.lake.read("quarantine/land_bank").to_pylist(),
        "account": platform.lake.read("quality/reconciliation").to_pylist(),
        "schema": {c.name: c.description for c in getattr(schema, "value", schema).columns},
        "blocking": sorted(k.name for k in graph.asset_check_keys if k.asset_key == keys[1] and graph.get(k).blocking),
        "checks": {c.check_name: c.passed for c in done.get_asset_check_evaluations()},
    }, default=str))
"""


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def run_copy(folder: Path, program: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    env.pop("DAGSTER_HOME", None)
    return subprocess.run(words, capture_output=True, text=True, env=env, cwd=folder, check=False)  # noqa: S603


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "4257-6mtc.json").write_text(json.dumps(PROPERTIES))
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the page's entry in its catalogue, and without the transform module."""
    folder = tmp_path_factory.mktemp("walkthrough")
    shutil.copytree(PROJECT / "kc_pipeline", folder / "kc_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    catalogue = folder / "kc_pipeline" / "catalog" / "sources.py"
    text = catalogue.read_text(encoding="utf-8")
    assert text.count(END_OF_FEEDS) == 1
    catalogue.write_text(text.replace(END_OF_FEEDS, blocks()[0] + END_OF_FEEDS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def without_transform(copy: Path) -> str:
    """What is said before the second step was taken."""
    return run_copy(copy, "from kc_pipeline.transform.cleaners import CLEANERS; CLEANERS['land_bank']").stderr


@pytest.fixture(scope="module")
def result(copy: Path, recordings: Path, without_transform: str) -> dict[str, Any]:
    """What the finished copy makes of the recorded rows."""
    (copy / "kc_pipeline" / "transform" / "land_bank.py").write_text(blocks()[1], encoding="utf-8")
    done = run_copy(copy, PROGRAM, copy / "data", recordings)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_page_has_an_entry_and_a_module() -> None:
    assert len(blocks()) == 2


def test_a_missing_transform_is_named(without_transform: str) -> None:
    assert "land_bank: no cleaner; write kc_pipeline/transform/land_bank.py with a function clean(raw)" in without_transform


def test_rows_are_cleaned_and_rejected(result: dict[str, Any], copy: Path) -> None:
    assert (result["package"], result["failures"]) == (str(copy), [])
    names = ("record_id", "property_class", "property_status", "acquired_date", "parcel_id", "address", "zip_code", "latitude", "longitude")
    assert [tuple(row[name] for name in names) for row in result["clean"] if row["property_class"] != "commercial"] == [
        ("land_bank:LB-1", "lot", "Available", "2024-03-05", "12345", "3400 NORTON AVE", "64128", 39.06, -94.54),
        ("land_bank:LB-2", "residential", "Sold", "2023-11-30", None, "10 E 43RD ST", None, None, None),
    ]
    assert sorted((row["rule"], row["rejected_value"]) for row in result["quarantine"] if row["rejected_value"]) == [
        ("class_unknown", "Houseboat")
    ]
    assert sorted(row["rule"] for row in result["quarantine"]) == ["class_unknown", "identity_missing"]
    (account,) = result["account"]
    assert [account[f"{name}_count"] for name in ("received", "good", "quarantined", "duplicate")] == [104, 102, 2, 0]
    assert "816-555" not in json.dumps(result)


def test_schema_and_checks_follow_from_the_entry(result: dict[str, Any]) -> None:
    assert result["schema"]["acquired_date"] == "Local day on which the land bank got it. From raw/land_bank.acquired_at."
    assert list(result["schema"])[:4] == ["record_id", "property_class", "property_status", "acquired_date"]
    assert result["blocking"]
    assert set(result["blocking"]) <= set(result["checks"])
    assert all(result["checks"][name] for name in result["blocking"])
