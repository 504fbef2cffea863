"""Rigs that last as long as a test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_feeds import FeedRig, feed_rig
from fault_rig import Rig, ScriptedRig, records, sandbox_rig, scripted_rig

from kc_pipeline.extract.replies import Limits
from kc_pipeline.sandbox.records import RecordStore

Serve = Callable[..., Rig]
Script = Callable[..., ScriptedRig]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> RecordStore:
    return records(tmp_path_factory.mktemp("source"))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def serve(stack: ExitStack, tmp_path: Path, source: RecordStore) -> Serve:
    """Start a rig before the sandbox's portal, by its kind and the misbehaviours of the portal."""

    def start(kind: str, *faults: str, limits: Limits | None = None) -> Rig:
        return sandbox_rig(stack, kind, tmp_path, source, *faults, limits=limits)

    return start


@pytest.fixture
def script(stack: ExitStack, tmp_path: Path) -> Script:
    """Start a rig before a scripted portal, by its kind."""

    def start(kind: str, limits: Limits | None = None) -> ScriptedRig:
        return scripted_rig(stack, kind, tmp_path, limits=limits)

    return start


@pytest.fixture
def feed(stack: ExitStack, tmp_path: Path) -> Callable[[str], FeedRig]:
    """Start a feed to refresh, by its kind."""
    return lambda kind: feed_rig(stack, kind, tmp_path)
