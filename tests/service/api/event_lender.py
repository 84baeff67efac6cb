"""A small lender whose model server sends events, and how they are sent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from flask.testing import FlaskClient

from ledger.entries import SourceGap, parse_entry
from ledger.roles import Role
from service.settings import Settings
from tests.service.ui.lender import Lender

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
SERVICES: dict[str, Any] = {
    "services": {
        "default/mortgage": {
            "model": "mortgage-approval@1.0.0",
            "policy": "mortgage-cutoff@1.0.0",
            "source": "kserve.mortgage",
            "subject": "customer",
            "context": {"decision_role": "advisory"},
        },
        "risk/mortgage": {
            "model": "mortgage-approval@1.0.0",
            "policy": "mortgage-cutoff@1.0.0",
            "source": "kserve.risk",
            "prediction": "probability",
            "output": "score",
        },
    }
}
ROW = {"loan_to_value": 92.5, "late": 2, "bankrupt": True}


@contextmanager
def event_lender(directory: Path, services: dict[str, Any] = SERVICES) -> Iterator[Lender]:
    """A lender with these model servers, and its model registered."""
    (directory / "events.json").write_text(json.dumps(services))
    settings = Settings(
        data=directory / "data", origin="ledger.example/demo", events=directory / "events.json"
    )
    made = Lender(directory / "data", settings)
    made.record(1)
    try:
        yield made
    finally:
        made.runtime.close()


def headers(lender: Lender, kind: str, **changes: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {lender.keys[Role.SOURCE]}",
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "http://mortgage.default/",
        "ce-type": kind,
        "ce-time": "2026-05-14T09:31:07.123456789Z",
        "ce-inferenceservicename": "mortgage",
        "ce-namespace": "default",
        "ce-customer": "MTG-7",
    } | changes


def send(client: FlaskClient, lender: Lender, kind: str, data: Any, **changes: str) -> Any:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return client.post("/v1/events", data=body, headers=headers(lender, kind, **changes))


def margin(lender: Lender, row: dict[str, Any]) -> float:
    model = lender.runtime.explaining.opened(lender.runtime.registry.models()[0])
    return float(model.predictor.margin(np.stack([model.schema.row(row)]))[0])


def gaps(lender: Lender) -> list[tuple[str, int, int, str]]:
    bodies = (parse_entry(raw).body for raw in lender.runtime.logs["decisions"].entries())
    return [(b.source, b.first, b.last, b.reason) for b in bodies if isinstance(b, SourceGap)]
