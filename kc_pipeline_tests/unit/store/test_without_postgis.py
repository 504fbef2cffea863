"""A PostgreSQL without PostGIS: the tests that need it are skipped, or fail where there must be one."""

from collections.abc import Callable

import postgres_server
import pytest


@pytest.mark.parametrize(("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)], ids=["skips", "fails"])
def test_a_server_without_postgis(
    postgres_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("REQUIRE_PG", required)
    monkeypatch.setattr(postgres_server, "POSTGIS", "no_such_extension")
    with pytest.raises(outcome, match=r"makes no database with PostGIS: .*no_such_extension.*; install it"):
        postgres_database(with_postgis=True)
    assert postgres_database()
