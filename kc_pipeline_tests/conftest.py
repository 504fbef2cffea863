"""What holds for every test, and the PostgreSQL that some need."""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
import sqlalchemy as sa
from postgres_server import NoPostgresError, drop_database, new_database, running_server

pytest_plugins = ["fault_table"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: made bytes may carry a clock, and each worker must collect the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """A running PostgreSQL; without one the test is skipped, or fails where REQUIRE_PG is set."""
    try:
        with running_server() as url:
            yield url
    except NoPostgresError as error:
        do_without(error)


def do_without(error: NoPostgresError) -> NoReturn:
    """Skip a test, or fail it where REQUIRE_PG says that there must be a PostgreSQL with all that is tested."""
    if os.environ.get("REQUIRE_PG"):
        pytest.fail(str(error))
    pytest.skip(str(error))


@pytest.fixture
def postgres_database(postgres_server: sa.URL) -> Iterator[Callable[..., str]]:
    """Makes an empty database and returns its URL; `with_postgis=True` with the extension, or the test is skipped as without a server."""
    made: list[str] = []

    def make(*, with_postgis: bool = False) -> str:
        made.append(f"kc_{os.getpid()}_{uuid.uuid4().hex[:12]}")
        try:
            return new_database(postgres_server, made[-1], with_postgis=with_postgis)
        except NoPostgresError as error:
            do_without(error)

    yield make
    for name in made:
        drop_database(postgres_server, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path) -> str:
    """URL of an empty warehouse, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'w.sqlite'}"
    return str(request.getfixturevalue("postgres_database")())
