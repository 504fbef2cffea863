"""A real PostgreSQL for the tests: the one that KC_TEST_PG_DSN names, else one started here from the system's binaries."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

_BINARIES = "/usr/lib/postgresql/*/bin"
_OWNER = "postgres"
POSTGIS = "postgis"


class NoPostgresError(LookupError):
    """There is no PostgreSQL to test on, or it lacks PostGIS; the message says what to install."""


@contextmanager
def running_server() -> Iterator[sa.URL]:
    """A server on which databases can be made, as the URL of its administrator; one started here ends with the block.

    Raises:
        NoPostgresError: none is named and none can be started.
    """
    if named := os.environ.get("KC_TEST_PG_DSN"):
        yield sa.make_url(named)
        return
    binaries = sorted(Path("/").glob(f"{_BINARIES[1:]}/initdb"), key=lambda path: int(path.parts[-3]))
    if not binaries:
        raise NoPostgresError(
            f"no PostgreSQL in {_BINARIES}: install postgresql and postgis (Debian: postgresql-15-postgis-3), or name KC_TEST_PG_DSN"
        )
    folder = Path(tempfile.mkdtemp(prefix="kc-pg-"))
    user = _OWNER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    control = [str(binaries[-1].with_name("pg_ctl")), "--pgdata", str(folder / "data"), "--log", str(folder / "log"), "--wait", "--silent"]
    try:
        _run(
            [str(binaries[-1]), "--pgdata", str(folder / "data"), "--auth", "trust", "--encoding", "UTF8", "--no-sync", "--no-locale"], user
        )
        # A socket of its own and no port: servers of several workers stand side by side, and nothing from outside reaches them.
        _run([*control, "start", "--options", f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"], user)
        yield sa.URL.create("postgresql", user, database="postgres", query={"host": str(folder)})
    finally:
        subprocess.run(_as_user([*control, "stop", "--mode", "immediate"], user), check=False, capture_output=True)  # noqa: S603
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: sa.URL, name: str, *, with_postgis: bool) -> str:
    """Make an empty database, with PostGIS where wanted; its URL.

    Raises:
        NoPostgresError: the server has no PostGIS.
    """
    _administer(server, f'CREATE DATABASE "{name}"')
    if with_postgis:
        try:
            _administer(server.set(database=name), f"CREATE EXTENSION {POSTGIS}")
        except sa.exc.DBAPIError as error:
            advice = "install it (Debian: postgresql-15-postgis-3)"
            raise NoPostgresError(f"this PostgreSQL makes no database with PostGIS: {str(error.orig).splitlines()[0]}; {advice}") from error
    return server.set(database=name).render_as_string(hide_password=False)


def drop_database(server: sa.URL, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    _administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(url: sa.URL, statement: str) -> None:
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


def _run(command: list[str], user: str) -> None:
    done = subprocess.run(_as_user(command, user), capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    if done.returncode:
        raise NoPostgresError(f"{command[0]} failed: {done.stderr or done.stdout}")


def _as_user(command: list[str], user: str) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command] if os.geteuid() == 0 else command
