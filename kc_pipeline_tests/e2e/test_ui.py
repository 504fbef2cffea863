"""The Dagster UI as `kc ui` serves it: to look at, not to touch; and what remains true without Dagster's records."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kc_runs import ask, copied, kc, served_uis

WIPE = """mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["marts", "business_risk"]}}]) { __typename } }"""
ASSETS = "{ assetsOrError { ... on AssetConnection { nodes { key { path } assetMaterializations(limit: 1) { runId } } } } }"


@pytest.fixture(scope="module")
def served(finished_run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the GraphQL interface of `kc ui` on a finished run."""
    with served_uis(copied(finished_run[0], tmp_path_factory.mktemp("ui") / "copy"), ()) as (address,):
        yield f"{address}/graphql"


@pytest.mark.fault(40)
def test_what_ran_can_be_looked_at_and_nothing_can_be_wiped(served: str) -> None:
    nodes = ask(served, ASSETS)["data"]["assetsOrError"]["nodes"]
    made = {"/".join(node["key"]["path"]) for node in nodes if node["assetMaterializations"]}
    assert {"marts/business_risk", "warehouse/published_snapshots", "clean/calls_911"} <= made
    assert ask(served, WIPE)["data"]["wipeAssets"]["__typename"] == "UnauthorizedError"
    again = ask(served, ASSETS)["data"]["assetsOrError"]["nodes"]
    assert made == {"/".join(node["key"]["path"]) for node in again if node["assetMaterializations"]}


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    "mutation",
    [
        (
            'launchRun(executionParams: {selector: {repositoryLocationName: "kc_pipeline.definitions", repositoryName: "__repository__", '
            'jobName: "__ASSET_JOB"}, mode: "default"})'
        ),
        'terminateRun(runId: "x")',
        'deletePipelineRun(runId: "x")',
        'reportRunlessAssetEvents(eventParams: {eventType: ASSET_MATERIALIZATION, assetKey: {path: ["marts", "business_risk"]}})',
        "reloadWorkspace",
    ],
    ids=["launch", "terminate", "delete", "report", "reload"],
)
def test_nothing_can_be_launched_ended_or_claimed(served: str, mutation: str) -> None:
    name = mutation.partition("(")[0]
    assert ask(served, f"mutation {{ {mutation} {{ __typename }} }}")["data"][name]["__typename"] == "UnauthorizedError"


@pytest.mark.fault(40)
def test_what_the_tables_rest_on_is_told_without_dagsters_records(finished_run: tuple[Path, str], tmp_path: Path) -> None:
    folder = copied(finished_run[0], tmp_path / "copy")
    shutil.rmtree(folder / "sandbox" / "dagster")
    for words in (["trace", "EXPRESS STOP"], ["verify"], ["snapshots"]):
        done = kc(folder, *words)
        assert done.returncode == 0, done.stdout + done.stderr
