"""Tenants from the command line to the browser: added, served, signed in to, and apart."""

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from click.testing import CliRunner, Result
from playwright.sync_api import Page, sync_playwright
from sqlalchemy import make_url
from werkzeug.serving import make_server

from ledger.roles import Role
from service import create_app
from service.cli import main
from service.settings import Settings
from service.tenants import Tenants, mounted, settings_of
from tests.functional.real_server import RealServer
from tests.functional.test_postgres import run_sql
from tests.service.ui.lender import Lender

CHROMIUM: Final = Path("/usr/bin/chromium")  # Debian's; Playwright's own would be a download
ARGUMENTS: Final = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
Run = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(place: Path) -> Run:
    def invoke(*arguments: str, code: int = 0, **environ: str) -> Result:
        done = CliRunner(env={"LEDGER_DATA": str(place), **environ}).invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done

    return invoke


def issued(done: Result) -> str:
    return done.output.splitlines()[0]


def test_commands_work_on_the_tenant_that_is_named(run: Run, place: Path, tmp_path: Path) -> None:
    assert "decision-ledger init" in run("tenant", "add", "bank-a", code=1).output
    run("init", "--origin", "ledger.example")
    said = run("tenant", "add", "bank-a").output
    assert "under ledger.example/bank-a" in said
    assert "decision-ledger --tenant bank-a key issue" in said
    assert "already" in run("tenant", "add", "bank-a", code=1).output
    assert "choose another name" in run("tenant", "add", "log", code=1).output
    assert "lower-case" in run("tenant", "add", "Bank", code=2).output
    run("--tenant", "bank-a", "key", "issue", "--name", "desk", "--role", "auditor")
    assert "desk" in run("--tenant", "bank-a", "key", "list").output
    assert "desk" in run("key", "list", LEDGER_TENANT="bank-a").output
    assert "desk" not in run("key", "list").output
    assert "tenant add bank-b" in run("--tenant", "bank-b", "key", "list", code=1).output
    for command in (("init",), ("serve",), ("tenant", "list")):
        assert "not for one tenant" in run("--tenant", "bank-a", *command, code=2).output
    public = tmp_path / "public"
    run("--tenant", "bank-a", "export", str(public))
    policy = str(place / "tenants" / "bank-a" / "policy.txt")
    assert "ledger.example/bank-a/log/access" in run("verify", str(public / "access"), "--policy", policy).output  # fmt: skip
    assert "could not" in run("verify", str(public / "access"), "--policy", str(place / "policy.txt"), code=2).output.lower()  # fmt: skip


def test_the_list_says_who_does_not_start(run: Run, place: Path) -> None:
    run("init")
    assert run("tenant", "list").output == ""
    for name in ("bank-a", "bank-b"):
        run("tenant", "add", name)
    assert "localhost/ledger/bank-b" in run("tenant", "list").output
    (place / "tenants" / "bank-a" / "checkpoints" / "access.lock").unlink()
    said = run("tenant", "list", code=1).output
    assert "bank-a" in said
    assert "does not start: checkpoint lock" in said
    assert "localhost/ledger/bank-b" in said
    shared = run("tenant", "list", code=1, LEDGER_DATABASE_URL=f"sqlite:///{place}/ledger.db")
    assert "may not share a database" in shared.output
    refused = run("tenant", "add", "bank-c", code=2, LEDGER_DATABASE_URL="postgresql://x/ledger")
    assert "{tenant}" in refused.output


@pytest.mark.postgres
def test_on_postgresql_each_has_databases_of_its_own(run: Run, postgres_server: str) -> None:
    server = make_url(postgres_server)
    template = server.set(drivername="postgresql", database="DATABASE")
    address = template.render_as_string(hide_password=False)
    own = uuid.uuid4().hex[:8]
    databases = [f"{kind}_{own}_{name}" for kind in ("l", "v") for name in ("main", "bank-a")]
    run_sql(server, ";\n".join(f'CREATE DATABASE "{name}"' for name in databases))
    environ = {
        "LEDGER_DATABASE_URL": address.replace("DATABASE", f"l_{own}_{{tenant}}"),
        "LEDGER_VAULT_URL": address.replace("DATABASE", f"v_{own}_{{tenant}}"),
    }
    try:
        run("init", **environ)
        run("tenant", "add", "bank-a", **environ)
        asked = ("key", "issue", "--name", "desk", "--role", "auditor")
        run("--tenant", "bank-a", *asked, **environ)
        assert "desk" not in run("key", "list", **environ).output
        assert "localhost/ledger/bank-a" in run("tenant", "list", **environ).output
        shared = environ | {"LEDGER_VAULT_URL": address.replace("DATABASE", databases[2])}
        refused = run("--tenant", "bank-a", "key", "list", code=2, **shared)
        assert "may not share a database" in refused.output
    finally:
        run_sql(server, ";\n".join(f'DROP DATABASE "{name}" WITH (FORCE)' for name in databases))


@pytest.mark.slow
def test_one_process_serves_them_all(run: Run, place: Path, tmp_path: Path) -> None:
    run("init", "--origin", "ledger.example")
    keys = {"": issued(run("key", "issue", "--name", "one", "--role", "auditor"))}
    for name in ("bank-a", "bank-b", "bank-c"):
        run("tenant", "add", name)
        asked = ("--tenant", name, "key", "issue", "--name", "one", "--role", "auditor")
        keys[f"/{name}"] = issued(run(*asked))
    (place / "tenants" / "bank-c" / "vault.kek").unlink()
    log = tmp_path / "server.log"
    with RealServer({"LEDGER_DATA": str(place)}, log) as server:
        for mount in ("", "/bank-a", "/bank-b"):
            for owner, key in keys.items():
                header = {"Authorization": f"Bearer {key}"}
                got = httpx.get(f"{server.url}{mount}/v1/models", headers=header)
                assert got.status_code == (200 if mount == owner else 401)
        got = httpx.get(f"{server.url}/bank-c/readyz")
        assert (got.status_code, "bank-c did not start" in got.text) == (503, True)
        assert httpx.get(f"{server.url}/healthz").json()["tenants_down"] == ["bank-c"]
        with httpx.Client(base_url=server.url, headers={"Accept": "text/html"}) as browser:
            page = browser.get("/bank-a/", follow_redirects=True)
            assert str(page.url) == f"{server.url}/bank-a/sign-in"
            token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
            form = {"csrf_token": token, "key": keys["/bank-a"], "purpose": "audit"}
            page = browser.post("/bank-a/sign-in", data=form, follow_redirects=True)
            assert (page.status_code, str(page.url)) == (200, f"{server.url}/bank-a/")
            assert 'href="/bank-a/decisions"' in page.text
            assert browser.get("/bank-b/").headers["Location"] == "/bank-b/sign-in"
    said = log.read_text()
    assert f"Tenant bank-a at http://localhost:{server.url.rpartition(':')[2]}/bank-a/" in said
    assert "tenant bank-c did not start" in said
    assert " GET /bank-a/v1/models 200 " in said


class _Deployment:
    """A tenant with decisions, behind a real port."""

    def __init__(self, data: Path) -> None:
        environ = {"LEDGER_DATA": str(data), "LEDGER_ORIGIN": "ledger.example"}
        self.lender = Lender(data, settings_of(environ, "bank-a"))
        self.lender.record(3)
        main_lender = Lender(data, Settings.from_environ(environ))
        main_lender.runtime.close()
        app = create_app(main_lender.settings)
        self.tenants = Tenants(app, environ)
        self.server = make_server("127.0.0.1", 0, mounted(app, self.tenants), threaded=True)
        # Closing waits for whoever still answers, and reads a database.
        self.server.daemon_threads = False  # type: ignore[attr-defined]
        self.main = app

    def close(self) -> None:
        self.server.server_close()
        self.tenants.close()
        self.main.extensions["ledger"].close()
        self.lender.runtime.close()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[_Deployment]:
    made = _Deployment(tmp_path / "data")
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.close()


@pytest.mark.browser
@pytest.mark.enable_socket
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is not installed")
def test_a_browser_reads_and_proves_below_the_mount(deployment: _Deployment) -> None:
    site = f"http://localhost:{deployment.server.server_port}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page: Page = chromium.new_page()
        elsewhere: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: elsewhere.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{site}/bank-a/decisions")
        page.get_by_label("API key").fill(deployment.lender.keys[Role.CASE_HANDLER])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site}/bank-a/decisions")
        page.locator("main a[href*='/decisions/0']").first.click()
        page.wait_for_url(f"{site}/bank-a/decisions/0*")
        page.locator("[data-verdict][data-state=yes]").wait_for()  # proved in the browser
        page.get_by_role("link", name="Overview").first.click()
        page.wait_for_url(f"{site}/bank-a/")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{site}/bank-a/sign-in")
        chromium.close()
    assert errors == []
    assert [url for url in elsewhere if not url.startswith(f"{site}/bank-a/")] == []
