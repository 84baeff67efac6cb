"""The whole service on PostgreSQL, set up as the operating page says."""

import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import URL, create_engine, make_url, text

from ledger.errors import LedgerError
from ledger.storage.database import open_database, writing
from service.cli import main
from tests.functional.real_server import RealServer
from tests.functional.test_first_run import declined, register, verified
from tests.ledger.verify.dumps import pg_dump

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
NAMES = ("ledger", "ledger_owner", "ledger_service", "vault")
SEQ_OF_FIRST_DECISION = 3  # after the log's creation, the model and the policy

pytestmark = pytest.mark.postgres


class Databases:
    """The page's two databases and two roles, under names of this test's own."""

    def __init__(self, server: str) -> None:
        own = uuid.uuid4().hex[:8]
        self.server = make_url(server)
        self.names = {name: f"{name}_{own}" for name in NAMES}
        page = PAGE.read_text("utf-8")
        self._setup, self._ledger, self._vault = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
        run_sql(self.server, self._named(self._setup))

    def url(self, database: str, role: str) -> str:
        url = self.server.set(username=self.names[role], database=self.names[database])
        return url.set(drivername="postgresql").render_as_string(hide_password=False)

    def settings(self, role: str) -> dict[str, str]:
        return {
            "LEDGER_DATABASE_URL": self.url("ledger", role),
            "LEDGER_VAULT_URL": self.url("vault", role),
        }

    def grant(self) -> None:
        for database, statements in (("ledger", self._ledger), ("vault", self._vault)):
            owner = make_url(self.url(database, "ledger_owner"))
            run_sql(owner.set(drivername="postgresql+psycopg"), self._named(statements))

    def drop(self) -> None:
        for database in ("ledger", "vault"):
            run_sql(self.server, f"DROP DATABASE {self.names[database]} WITH (FORCE)")
        for role in ("ledger_service", "ledger_owner"):
            run_sql(self.server, f"DROP ROLE {self.names[role]}")

    def _named(self, statements: str) -> str:
        return re.sub(rf"\b({'|'.join(NAMES)})\b", lambda name: self.names[name[0]], statements)


def run_sql(url: URL, statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements.strip().split(";\n"):
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def databases(postgres_server: str) -> Iterator[Databases]:
    made = Databases(postgres_server)
    yield made
    made.drop()


def runner(settings: Mapping[str, str]) -> Any:
    def run(*arguments: str, code: int = 0) -> Any:
        done = CliRunner(env=settings).invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done

    return run


def issue(run: Any, role: str) -> str:
    return str(run("key", "issue", "--name", role, "--role", role).stdout.strip())


def test_the_main_path_with_a_restart(databases: Databases, tmp_path: Path) -> None:
    here = {"LEDGER_DATA": str(tmp_path / "data")}
    runner(here | databases.settings("ledger_owner"))("init", "--origin", "ledger.example/demo")
    databases.grant()
    settings = here | databases.settings("ledger_service")
    run = runner(settings)
    one = declined(*register(run, tmp_path))
    source, officer = issue(run, "source"), issue(run, "data_protection_officer")

    server = RealServer(settings, tmp_path / "server.log")
    with server, server.client(source) as desk, server.client(officer) as reader:
        answer = desk.post("/v1/decisions", json=one)
        assert answer.status_code == 201, answer.text
        first = answer.json()
        kept = tmp_path / "kept.tlog-proof"
        kept.write_text(first["receipt"])
        batch = [one | {"source": {"id": "loan-desk", "seq": seq}} for seq in range(2, 30)]
        assert desk.post("/v1/decisions", json={"decisions": batch}).json()["recorded"] == 28
        read_all(reader, first["id"])
        # The terminal works on the same ledger meanwhile.
        assert first["id"] in run("decisions", "find", "--outcome", "declined").output
        run("key", "revoke", issue(run, "auditor").split("_")[1])

    with server:  # once more, on what is there
        with server.client(source) as desk:
            again = desk.post("/v1/decisions", json=one | {"id": first["id"]})
            assert (again.status_code, again.json()["status"]) == (200, "duplicate")
            last = one | {"source": {"id": "loan-desk", "seq": 30}}
            assert desk.post("/v1/decisions", json=last).json()["seq"] > first["seq"] + 28
        run("export", str(tmp_path / "public"))
        policy = str(tmp_path / "data" / "policy.txt")
        for log in ("decisions", "access"):
            verified(f"{server.url}/log/{log}", "--policy", policy)

    verified(str(tmp_path / "public" / "decisions"), "--policy", policy)
    address = databases.url("ledger", "ledger_service")
    for _ in range(2):
        verified(address, "--policy", policy, "--state", str(tmp_path / "state.json"))
    (tmp_path / "nightly.sql").write_bytes(pg_dump(databases.url("ledger", "ledger_owner")))
    verified(str(tmp_path / "nightly.sql"), "--policy", policy)
    for target in ("public/access", kept.name):
        run("verify", str(tmp_path / target), "--policy", policy)
    assert "30 recorded, none missing" in run("sources").output
    day = ("--since", "2026-05-14", "--until", "2026-05-15")
    assert "agrees, 30 are here" in run("sources", "total", "loan-desk", "30", *day).output
    assert run("replay", first["id"]).output.startswith("reproduced")
    refused_to_the_service(databases)
    erased_by_two(run, runner(here | databases.settings("ledger_owner")), tmp_path, first["id"])


def erased_by_two(run: Any, as_owner: Any, folder: Path, decision: str) -> None:
    """The service's role erases; only the owner of the tables can clean up after it."""
    keys = []
    for name in ("ann", "ben"):
        key = run("key", "issue", "--name", name, "--role", "data_protection_officer")
        (folder / name).write_text(key.stdout)
        keys.append(("--key-file", str(folder / name)))
    asked = run("erasure", "request", "--record", decision, "--ground", "objection", *keys[0])
    done = run("erasure", "approve", asked.stdout.strip(), *keys[1])
    assert "1 decisions and 1 records" in done.stdout
    assert "erased" in run("decisions", "show", decision, code=1).output
    assert "owns the tables" in run("erasure", "clean-up", code=1).output
    assert "Clean: 1 erasures" in as_owner("erasure", "clean-up").stdout


def read_all(reader: Any, decision: str) -> None:
    """What an officer reads of a decision, and what nobody can have meant."""
    found = reader.post("/v1/decisions/search", json={"subject": "MTG-000123"}).json()
    assert (found["total"], len(found["decisions"])) == (29, 29)
    assert reader.get(f"/v1/decisions/{decision}").json()["seq"] == SEQ_OF_FIRST_DECISION
    explained = reader.get(f"/v1/decisions/{decision}/explanation")
    assert explained.json()["explanation"]["outcome"] == "declined"
    assert "tlog-proof" in reader.get(f"/v1/decisions/{decision}/proof").text
    assert reader.get("/v1/models/mortgage-approval%00@1.0.0").status_code == 404
    assert "Sign in" in reader.get("/sign-in").text


def refused_to_the_service(databases: Databases) -> None:
    """The role that serves cannot go around the fences: neither rewrite nor take them down."""
    engine = open_database(databases.url("ledger", "ledger_service"))
    for statement in (
        "DELETE FROM log_entry",
        "UPDATE log_entry SET entry = ''",
        "TRUNCATE log_checkpoint",
        "ALTER TABLE log_entry DISABLE TRIGGER ALL",
        "DROP TABLE log_entry",
        "CREATE TABLE mine (id integer)",
    ):
        with pytest.raises(LedgerError, match="privilege"), writing(engine) as connection:
            connection.execute(text(statement))
    engine.dispose()
