"""Who gets in, for how long, and what the browser is told to keep to itself."""

from datetime import timedelta

import pytest

from ledger.roles import Role
from service.ui.rendering import CONTENT_SECURITY_POLICY
from tests.service.ui.conftest import HTML, Browser, SignIn
from tests.service.ui.lender import Lender


@pytest.fixture
def key(lender: Lender) -> str:
    return lender.keys[Role.AUDITOR]


def test_without_a_session_every_page_leads_to_the_sign_in(browser: Browser) -> None:
    for address in ("/", "/decisions", "/decisions.csv", "/decisions/x", "/decisions/x/receipt"):
        response = browser.get(address)
        assert response.status_code == 303
        assert response.headers["Location"].startswith("/sign-in")
    assert browser.get("/decisions?outcome=declined").headers["Location"] == (
        "/sign-in?to=/decisions?outcome%3Ddeclined"
    )


def test_a_program_without_a_session_gets_a_problem(browser: Browser) -> None:
    response = browser.client.get("/decisions", headers={"Accept": "application/json"})
    assert response.status_code == 401
    assert response.mimetype == "application/problem+json"


def test_signing_in_leads_to_where_the_visitor_was_going(browser: Browser, key: str) -> None:
    browser.get("/sign-in?to=/decisions?outcome%3Ddeclined")
    target = "/decisions?outcome=declined"
    response = browser.post("/sign-in", key=key, purpose="audit", target=target)
    assert (response.status_code, response.headers["Location"]) == (303, target)
    assert browser.get("/sign-in").headers["Location"] == "/"


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil", "x", "/sign-in", "/a\nb", ""]
)
def test_nobody_is_sent_elsewhere(browser: Browser, key: str, target: str) -> None:
    browser.get("/sign-in")
    response = browser.post("/sign-in", key=key, purpose="audit", target=target)
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (
            {"key": "dl_0000000000000000_" + "a" * 43, "purpose": "audit"},
            "this key is not valid here",
        ),
        ({"key": "", "purpose": "audit"}, "not valid"),
        ({"key": "x" * 300, "purpose": "audit"}, "not valid"),
        ({"purpose": "curiosity"}, "choose what you need access for"),
        ({"purpose": "audit", "case": "Jane Doe <jane>"}, "case reference"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_opened(
    browser: Browser, key: str, form: dict[str, str], says: str
) -> None:
    browser.get("/sign-in")
    response = browser.post("/sign-in", **{"key": key, **form})
    assert response.status_code == 403
    assert says in response.text
    assert 'role="alert"' in response.text
    assert "dl_0000" not in response.text
    assert browser.get("/").status_code == 303


def test_a_form_without_its_token_is_refused(browser: Browser, key: str) -> None:
    browser.get("/sign-in")
    browser.token = ""
    response = browser.post("/sign-in", key=key, purpose="audit")
    assert response.status_code == 400
    assert "Please try again" in response.text
    browser.token = "forged"
    assert browser.post("/sign-out").status_code == 400


def test_the_cookie_is_kept_from_scripts_and_other_sites(browser: Browser, key: str) -> None:
    browser.get("/sign-in")
    response = browser.post("/sign-in", key=key, purpose="audit")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert key not in cookie
    assert key.split("_", 2)[2] not in cookie


def test_signing_out_ends_the_session(sign_in: SignIn) -> None:
    browser = sign_in()
    browser.get("/")
    assert browser.post("/sign-out").headers["Location"] == "/sign-in"
    assert browser.get("/").status_code == 303


def test_a_revoked_key_ends_its_sessions(lender: Lender, browser: Browser) -> None:
    text, key_id = lender.runtime.api_keys.issue("Leaving", Role.AUDITOR)
    browser.get("/sign-in")
    browser.post("/sign-in", key=text, purpose="audit")
    assert browser.get("/decisions").status_code == 200
    lender.runtime.api_keys.revoke(key_id)
    assert browser.get("/decisions").status_code == 303


def test_a_session_ends_after_a_working_day(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in()
    then = lender.now
    try:
        lender.now = then + timedelta(hours=7, minutes=59)
        assert browser.get("/").status_code == 200
        lender.now = then + timedelta(hours=8, minutes=1)
        assert browser.get("/").status_code == 303
    finally:
        lender.now = then


def test_every_answer_carries_the_policy(lender: Lender, sign_in: SignIn) -> None:
    browser = sign_in()
    record = lender.ids[0]
    for address in (
        "/", "/decisions", f"/decisions/{record}", "/decisions/none", "/none", "/sign-in",
        "/assets/app.css", "/assets/verify.js", "/decisions.csv", f"/decisions/{record}/receipt",
    ):  # fmt: skip
        headers = browser.get(address).headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, address
        assert headers["X-Content-Type-Options"] == "nosniff", address
        if not address.startswith("/assets"):
            assert headers["Cache-Control"] == "no-store", address


@pytest.mark.parametrize("address", ["/none", "/decisions/none"])
def test_errors_are_pages_for_browsers_and_problems_for_programs(
    sign_in: SignIn, address: str
) -> None:
    browser = sign_in()
    page = browser.get(address)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "There is nothing here" in page.text
    problem = browser.client.get(address, headers={"Accept": "application/json"})
    assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
    assert browser.client.get("/v1/none", headers=HTML).status_code == 404
