"""One founded ledger for the whole folder; a browser-like client for each role."""

import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ledger.roles import Role
from tests.service.ui.lender import COUNT, Lender

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}

SignIn = Callable[..., "Browser"]


class Browser:
    """A client that asks for pages and sends the token of the last one it saw."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.token = ""

    def get(self, address: str) -> TestResponse:
        return self._keep(self.client.get(address, headers=HTML, buffered=True))

    def post(self, address: str, **form: str) -> TestResponse:
        data = {"csrf_token": self.token, **form}
        return self._keep(self.client.post(address, data=data, headers=HTML))

    def _keep(self, response: TestResponse) -> TestResponse:
        if response.mimetype == "text/html":
            found = re.search(r'name="csrf_token" value="([^"]+)"', response.text)
            self.token = found[1] if found else self.token
        return response


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    lender = Lender(tmp_path_factory.mktemp("lender") / "data")
    lender.record(COUNT)
    yield lender
    lender.runtime.close()


@pytest.fixture
def browser(lender: Lender) -> Browser:
    return Browser(lender.app().test_client())


def enter(lender: Lender, role: Role = Role.CASE_HANDLER, purpose: str = "review") -> Browser:
    """A browser that has signed in with the key of a role."""
    browser = Browser(lender.app().test_client())
    browser.get("/sign-in")
    response = browser.post("/sign-in", key=lender.keys[role], purpose=purpose)
    assert response.status_code == 303, response.text
    return browser


@pytest.fixture
def sign_in(lender: Lender) -> SignIn:
    return partial(enter, lender)
