"""A scripted portal over loopback, a client that does not sleep, a raw store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_portal import TOKEN, ScriptedPortal, now

from kc_pipeline.extract.http import PortalClient
from kc_pipeline.extract.raw import RawStore
from kc_pipeline.extract.replies import Limits


@pytest.fixture
def portal() -> Iterator[ScriptedPortal]:
    scripted = ScriptedPortal()
    yield scripted
    scripted.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Iterator[PortalClient]:
    with PortalClient(now, app_token=TOKEN, limits=Limits(attempts=4, body_bytes=2_000_000), sleep=waits.append) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")
