"""A FastAPI application whose exchanges are decisions: `python -m examples.ways_in.fastapi_app`.

Served as usual, it takes one line: `app.add_middleware(AsgiRequests, client=…, decides=…)`.
"""

from os import urandom
from time import time_ns
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from examples.ways_in import clinic, decorator
from ledger.client import AsgiRequests
from ledger.entries import uuid7

app = FastAPI()


@app.post("/score")
def score(measured: dict[str, float]) -> dict[str, Any]:
    """It knows nothing of a ledger."""
    number = uuid7(time_ns() // 1_000_000, urandom(10))
    return {"log_odds": decorator.log_odds(measured), "number": number}


def decide(asked: Any, answered: Any) -> dict[str, Any]:
    """Which decision a request and its answer are."""
    stated = decorator.tell(answered["log_odds"], asked)
    output = {"margin": stated.margin, "scale": 6, "space": stated.space}
    return {
        "id": answered["number"],
        "model": "biopsy-fastapi@1.0.0",
        "policy": clinic.POLICY,
        "input": stated.input,
        "output": output | {"outcome": clinic.OUTCOME(stated)},
        "attributions": stated.attributions,
    }


def about(scope: Any) -> dict[str, Any]:
    """Whom a request is about: here a gateway has said so in a header."""
    headers = dict(scope["headers"])
    return {"subject": headers[b"sample"].decode(), "context": {"decision_role": "advisory"}}


def main() -> None:
    clinic.register("biopsy-fastapi", "linear", decorator.files())
    client = clinic.client("fastapi")
    app.add_middleware(AsgiRequests, client=client, about=about, decides={"POST /score": decide})
    with TestClient(app) as browser:  # starts the client, and closes it
        (row,) = clinic.samples()[0][:1].to_dict("records")
        answer = browser.post("/score", json=row, headers={"Sample": "SAMPLE-1"}).json()
        print(answer)
        clinic.prove(client, answer["number"])


if __name__ == "__main__":
    main()
