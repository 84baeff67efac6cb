import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ledger.roles import Role
from tests.service.ui.lender import Lender

CONTACTS = {
    "controller": {"name": "Harbour Savings Bank", "address": ["1 Example Street", "Boston"]},
    "review": {"name": "Review desk", "telephone": "+1 617 555 0100"},
    "authority": {"name": "Data protection authority", "address": ["2 Example Street"]},
}


@dataclass(frozen=True, slots=True)
class Door:
    """The HTTP interface of a small lender, asked in a role."""

    lender: Lender
    client: FlaskClient

    def ask(
        self, role: Role | None, method: str, path: str, body: Any = None, **headers: str
    ) -> TestResponse:
        """One request; a body that is not bytes is sent as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            sent["Authorization"] = f"Bearer {self.lender.keys[role]}"
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.open(path, method=method, data=body, headers=sent)

    def decision(self, **changes: Any) -> dict[str, Any]:
        """A decision that fits, like the first one recorded, with a fresh id and counter."""
        payload = self.lender.runtime.decisions.read(self.lender.ids[0]).payload.to_json()
        payload["id"] = self.lender.runtime.decisions.new_id()
        return payload | changes


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lender]:
    made = Lender(tmp_path_factory.mktemp("lender") / "data")
    made.record(6)
    (made.settings.data / "contacts.json").write_text(json.dumps(CONTACTS))
    yield made
    made.runtime.close()


@pytest.fixture(scope="session")
def app(lender: Lender) -> Flask:
    return lender.app()


@pytest.fixture
def door(lender: Lender, app: Flask) -> Door:
    return Door(lender, app.test_client())


@pytest.fixture
def data(lender: Lender) -> Path:
    return lender.settings.data
