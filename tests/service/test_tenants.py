"""Tenants: ledgers with nothing in common but the process, each under the path of its origin."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from ledger.errors import ConflictError, RefusedError
from ledger.roles import Role
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import SignedNote
from service import create_app
from service.founding import found
from service.runtime import Runtime
from service.settings import TENANT_NAME, Settings, SettingsError
from service.tenants import (
    RESERVED,
    RETRY_SECONDS,
    Mount,
    Tenants,
    add,
    mounted,
    names,
    segments,
    settings_of,
)
from tests.service.ui.lender import Lender

HTML = {"Accept": "text/html,*/*;q=0.8"}
JSON = {"Accept": "application/json"}


class Deployment:
    """A main ledger and two tenants with some decisions each, as one application."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.environ = {"LEDGER_DATA": str(data), "LEDGER_ORIGIN": "ledger.example"} | environ
        main = Settings.from_environ(self.environ)
        found(main)
        runtime = Runtime.open(main)
        self.main_key = runtime.api_keys.issue("one", Role.AUDITOR)[0]
        runtime.close()
        self.lenders = {
            name: Lender(data, settings_of(self.environ, name)) for name in ("bank-a", "bank-b")
        }
        for lender in self.lenders.values():
            lender.record(2)
        self.main = create_app(main)
        self.tenants = Tenants(self.main, self.environ)
        self.client = Client(mounted(self.main, self.tenants))

    def key(self, tenant: str, role: Role = Role.AUDITOR) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.lenders[tenant].keys[role]}"}

    def sign_in(self, mount: str, key: str, client: Client | None = None) -> Client:
        """A browser that has signed in below a mount."""
        browser = client or Client(mounted(self.main, self.tenants))
        page = browser.get(f"{mount}/sign-in", headers=HTML).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token is not None
        form = {"csrf_token": token[1], "key": key, "purpose": "audit"}
        done = browser.post(f"{mount}/sign-in", data=form, headers=HTML)
        assert (done.status_code, done.headers["Location"]) == (303, f"{mount}/")
        return browser

    def close(self) -> None:
        self.tenants.close()
        self.main.extensions["ledger"].close()
        for lender in self.lenders.values():
            lender.runtime.close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(tmp_path_factory.mktemp("deployment") / "data")
    yield made
    made.close()


def test_each_log_is_where_its_origin_says(deployment: Deployment) -> None:
    for mount in ("", "/bank-a", "/bank-b"):
        for log in ("decisions", "access"):
            note = deployment.client.get(f"{mount}/log/{log}/checkpoint").text
            origin = Checkpoint.parse(SignedNote.parse(note).text).origin
            assert origin == f"ledger.example{mount}/log/{log}"
        policy = deployment.client.get(f"{mount}/log/policy.txt").text
        assert policy.count(f"log ledger.example{mount}/log/") == 4
    assert deployment.client.get("/bank-c/log/decisions/checkpoint").status_code == 404


def test_tenants_have_no_file_and_no_key_in_common(deployment: Deployment) -> None:
    places = [Settings.from_environ(deployment.environ)]
    places += [settings_of(deployment.environ, name) for name in ("bank-a", "bank-b")]
    for name in ("vault.kek", "session.key", "policy.txt", "keys/decisions/ed25519.pem"):
        assert len({(each.data / name).read_bytes() for each in places}) == 3
    for member in ("database_url", "vault_url", "artefacts_dir", "locks_dir", "contacts_path"):
        assert len({str(getattr(each, member)) for each in places}) == 3
    assert len({each.origin for each in places}) == 3


def test_a_key_of_one_is_nothing_in_another(deployment: Deployment) -> None:
    keys = {
        "": {"Authorization": f"Bearer {deployment.main_key}"},
        "/bank-a": deployment.key("bank-a"),
        "/bank-b": deployment.key("bank-b"),
    }
    for mount in keys:
        for owner, header in keys.items():
            got = deployment.client.get(f"{mount}/v1/models", headers=header)
            assert got.status_code == (200 if mount == owner else 401), (mount, owner)


def test_a_decision_of_one_is_not_found_in_another(deployment: Deployment) -> None:
    record = deployment.lenders["bank-a"].ids[0]
    for name, status in (("bank-a", 200), ("bank-b", 404)):
        for path in (f"/v1/decisions/{record}", f"/v1/decisions/{record}/proof"):
            got = deployment.client.get(f"/{name}{path}", headers=deployment.key(name))
            assert got.status_code == status


def test_a_session_of_one_is_nothing_in_another(deployment: Deployment) -> None:
    key = deployment.lenders["bank-a"].keys[Role.AUDITOR]
    browser = deployment.sign_in("/bank-a", key)
    assert browser.get("/bank-a/", headers=HTML).status_code == 200
    for mount in ("", "/bank-b"):
        away = browser.get(f"{mount}/", headers=HTML)
        assert (away.status_code, away.headers["Location"]) == (303, f"{mount}/sign-in")
    # The same cookie under the other's name, as somebody would try it.
    cookie = browser.get_cookie("ledger-bank-a")
    assert cookie is not None
    for name, mount in (("ledger-bank-b", "/bank-b"), ("ledger", "")):
        thief = Client(mounted(deployment.main, deployment.tenants))
        thief.set_cookie(name, cookie.value)
        assert thief.get(f"{mount}/", headers=HTML).status_code == 303


def test_one_browser_is_signed_in_to_two_at_once(deployment: Deployment) -> None:
    browser = deployment.sign_in("", deployment.main_key)
    for name in ("bank-a", "bank-b"):
        key = deployment.lenders[name].keys[Role.AUDITOR]
        deployment.sign_in(f"/{name}", key, browser)
    for mount in ("", "/bank-a", "/bank-b"):
        assert browser.get(f"{mount}/decisions", headers=HTML).status_code == 200
    token = re.search(
        r'name="csrf_token" value="([^"]+)"', browser.get("/bank-a/", headers=HTML).text
    )
    assert token is not None
    form = {"csrf_token": token[1]}
    assert browser.post("/bank-b/sign-out", data=form, headers=HTML).status_code == 400
    done = browser.post("/bank-a/sign-out", data=form, headers=HTML)
    assert done.headers["Location"] == "/bank-a/sign-in"
    assert browser.get("/bank-a/", headers=HTML).status_code == 303
    assert browser.get("/bank-b/", headers=HTML).status_code == 200


def test_every_link_of_a_tenants_pages_stays_in_it(deployment: Deployment) -> None:
    browser = deployment.sign_in("/bank-a", deployment.lenders["bank-a"].keys[Role.CASE_HANDLER])
    waiting, seen = ["/bank-a/"], set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen or len(seen) > 80:
            continue
        seen.add(address)
        got = browser.get(address, headers=HTML, buffered=True)
        # A letter needs contacts, which this tenant has not.
        assert got.status_code in ({200, 404} if "letter" in address else {200}), address
        if got.mimetype != "text/html":
            continue
        links = re.findall(r'(?:href|src|action|data-receipt)="([^"#][^"]*)"', got.text)
        assert links
        for link in links:
            assert link.startswith("/bank-a/"), (address, link)
        waiting += [
            link.replace("&amp;", "&") for link in re.findall(r'(?:href|src)="([^"#]+)"', got.text)
        ]
    for kind in ("decisions/0", "receipt", "app.css", "verify.js", "decisions.csv"):
        assert any(kind in address for address in seen), kind


def test_redirects_and_locations_keep_the_mount(deployment: Deployment) -> None:
    client = Client(mounted(deployment.main, deployment.tenants))
    got = client.get("/bank-a/decisions?outcome=declined", headers=HTML)
    assert got.headers["Location"] == ("/bank-a/sign-in?to=/bank-a/decisions?outcome%3Ddeclined")
    page = client.get(got.headers["Location"], headers=HTML).text
    assert 'name="target" value="/bank-a/decisions?outcome=declined"' in page
    lender = deployment.lenders["bank-a"]
    body = dict(lender.runtime.decisions.read(lender.ids[0]).payload.to_json())
    body["id"] = lender.runtime.decisions.new_id()
    source = deployment.key("bank-a", Role.SOURCE)
    recorded = client.post("/bank-a/v1/decisions", json=body, headers=source)
    assert recorded.status_code == 201, recorded.text
    assert recorded.headers["Location"] == f"/bank-a/v1/decisions/{body['id']}"
    found_there = client.get(recorded.headers["Location"], headers=deployment.key("bank-a"))
    assert found_there.status_code == 200
    assert client.get("/bank-a/openapi.json").get_json()["servers"] == [{"url": "/bank-a"}]
    assert client.get("/openapi.json").get_json()["servers"] == [{"url": "/"}]
    kinds = client.get("/bank-a/problems/").text
    assert 'href="/bank-a/problems/pruned"' in kinds
    assert 'href="/bank-a/problems/"' in client.get("/bank-a/problems/pruned").text


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/decisions", "/bank-b/decisions", "/bank-ab/", "//evil.example", "x"),
        *("/bank-a//evil.example", "/bank-a/\\evil", "/bank-a/sign-in", "/bank-a"),
    ],
)
def test_signing_in_leads_nowhere_but_into_the_tenant(deployment: Deployment, target: str) -> None:
    browser = Client(mounted(deployment.main, deployment.tenants))
    page = browser.get("/bank-a/sign-in", query_string={"to": target}, headers=HTML).text
    assert 'name="target" value="/bank-a/"' in page


def test_cookies_have_a_name_each_and_keep_to_the_host(tmp_path: Path) -> None:
    environ = {"LEDGER_DATA": str(tmp_path / "data"), "LEDGER_HTTPS": "yes"}
    for settings in (Settings.from_environ(environ), settings_of(environ, "bank-a")):
        found(settings)
        app = create_app(settings)
        expected = "__Host-ledger-bank-a" if settings.tenant else "__Host-ledger"
        assert app.config["SESSION_COOKIE_NAME"] == expected
        app.extensions["ledger"].close()


# What does not start


def broken(environ: dict[str, str]) -> Callable[[], Path]:
    """Move a tenant's last checkpoint away: the start-up rule forbids to go on."""
    lock = settings_of(environ, "bank-b").locks_dir / "decisions.lock"

    def mend() -> Path:
        return lock.with_suffix(".away").rename(lock)

    lock.rename(lock.with_suffix(".away"))
    return mend


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_that_does_not_start_takes_nobody_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"LEDGER_DATA": str(tmp_path / "data"), "LEDGER_ORIGIN": "ledger.example"}
    for settings in (
        Settings.from_environ(environ),
        *(settings_of(environ, name) for name in ("bank-a", "bank-b")),
    ):
        found(settings)
    mend = broken(environ)
    main, ticks = create_app(Settings.from_environ(environ)), Ticks()
    tenants = Tenants(main, environ, ticks=ticks)
    client = Client(mounted(main, tenants))
    assert "tenant bank-b did not start: checkpoint lock" in caplog.text
    for path in ("/bank-b", "/bank-b/", "/bank-b/log/decisions/checkpoint", "/bank-b/healthz"):
        got = client.get(path)
        assert (got.status_code, got.mimetype) == (503, "application/problem+json")
        assert got.get_json()["type"] == "/problems/unavailable"
        assert "bank-b did not start" in got.get_json()["detail"]
        assert got.headers["Retry-After"] == str(RETRY_SECONDS)
        assert got.headers["Cache-Control"] == "no-store"
    for path in ("/readyz", "/bank-a/readyz", "/bank-a/log/access/checkpoint"):
        assert client.get(path).status_code == 200
    assert client.get("/healthz").get_json() == {"status": "alive", "tenants_down": ["bank-b"]}
    assert client.get("/bank-a/healthz").get_json() == {"status": "alive"}
    # Mended, it serves again without a new start of the others, but nobody can ask too often.
    mend()
    assert client.get("/bank-b/readyz").status_code == 503
    ticks.now += RETRY_SECONDS
    assert client.get("/bank-b/readyz").status_code == 200
    assert client.get("/healthz").get_json() == {"status": "alive"}
    tenants.close()
    main.extensions["ledger"].close()


def test_it_is_tried_again_by_one_request_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    ticks, tried = Ticks(), []

    def open_app() -> Flask:
        tried.append(ticks())
        if len(tried) == 2:
            ticks.now += RETRY_SECONDS
            assert Client(mount).get("/").status_code == 503  # while another one tries
        raise ValueError("postgresql://user:secret@db/bank")

    mount = Mount("bank-a", open_app, ticks)
    assert Client(mount).get("/").status_code == 503
    ticks.now += RETRY_SECONDS
    assert Client(mount).get("/").status_code == 503
    assert tried == [0, RETRY_SECONDS]
    assert "secret" not in caplog.text
    assert "ValueError" in caplog.text
    mount.close()


def test_an_address_that_the_main_ledger_got_later_stays_its_own(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    main = create_app(Settings.from_environ(deployment.environ))
    main.add_url_rule("/bank-b", view_func=lambda: "ours", endpoint="new")
    tenants = Tenants(main, deployment.environ)
    client = Client(mounted(main, tenants))
    assert client.get("/bank-b").text == "ours"
    assert client.get("/healthz").get_json()["tenants_down"] == ["bank-b"]
    assert "bank-b is not served" in caplog.text
    tenants.close()
    main.extensions["ledger"].close()


def test_without_tenants_the_main_ledger_is_alone(tmp_path: Path) -> None:
    environ = {"LEDGER_DATA": str(tmp_path / "data")}
    found(Settings.from_environ(environ))
    main = create_app(Settings.from_environ(environ))
    assert mounted(main, Tenants(main, environ)) is main
    with pytest.raises(SettingsError, match="LEDGER_TENANT: leave it out"):
        Tenants(main, environ | {"LEDGER_TENANT": "bank-a"})
    main.extensions["ledger"].close()


# Names


def test_no_name_is_an_address_of_the_ledger(deployment: Deployment) -> None:
    taken = segments(deployment.main)
    assert {"v1", "log", "healthz", "readyz", "problems", "assets", "decisions", "sign-in"} < taken
    assert not any(segment.startswith("<") for segment in taken)  # it would shadow every tenant
    for name in sorted({*filter(TENANT_NAME.fullmatch, taken), *RESERVED}):
        with pytest.raises(RefusedError, match="choose another"):
            add(deployment.main, settings_of(deployment.environ, name))
        assert name not in names(Settings.from_environ(deployment.environ))


def test_a_tenant_is_added_once(deployment: Deployment) -> None:
    with pytest.raises(ConflictError, match="bank-a already"):
        add(deployment.main, settings_of(deployment.environ, "bank-a"))


def test_only_directories_with_a_tenants_name_are_tenants(tmp_path: Path) -> None:
    main = Settings(data=tmp_path)
    assert names(main) == ()
    for name in ("b", "a-1", "lost+found", "A", ".hidden"):
        (tmp_path / "tenants" / name).mkdir(parents=True)
    (tmp_path / "tenants" / "file").touch()
    assert names(main) == ("a-1", "b")
