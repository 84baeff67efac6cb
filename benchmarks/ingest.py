"""Recording decisions over HTTP, against a plain Flask service that only inserts them.

Both are served in this process on a loopback port, by the same server, to the same
clients, with the same SQLite settings: an answer means that the commit is on the disk.
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, request
from sqlalchemy import Column, MetaData, Table, Text, insert
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks import lender
from benchmarks.measuring import Measured, at_least, at_most, share_of, time_ratios
from examples.demo import training
from ledger.roles import Role
from ledger.storage.database import open_database
from service.assembly import assemble
from service.founding import found
from service.runtime import Runtime
from service.settings import Settings

CLIENTS = 16
SINGLES = 96  # decisions of one run, one a request
BATCHES = 3  # requests of one run, one after the other
BATCH = 100
RUNS = 5

_plain = Table(
    "decision",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("subject", Text, index=True),
    Column("body", Text),
)


def measure(folder: Path) -> Iterator[Measured]:
    with _ledger(folder / "ledger") as ours, _plain_service(folder / "plain.db") as theirs:
        latencies: dict[str, list[list[float]]] = {ours.key: [], theirs.key: []}

        def singles(service: _Service) -> float:
            seconds, each = service.send(SINGLES, 1, CLIENTS)
            latencies[service.key].append(each)
            return seconds

        def batches(service: _Service) -> float:
            return service.send(BATCHES, BATCH, 1)[0]

        for service in (ours, theirs):
            service.send(2, 10, 1)  # the first requests open models, connections and caches
        times = time_ratios(lambda: singles(ours), lambda: singles(theirs), RUNS)
        slowest = [[share_of(run, 0.99) for run in latencies[s.key]] for s in (ours, theirs)]
        times_100 = time_ratios(lambda: batches(ours), lambda: batches(theirs), RUNS)
    yield Measured("ingest_single_vs_plain", at_least(2.5), tuple(1 / each for each in times))
    yield Measured("ingest_batch_vs_plain", at_least(1.0), tuple(1 / each for each in times_100))
    runs = tuple(first / second for first, second in zip(*slowest, strict=True))
    yield Measured("ingest_p99_vs_plain", at_most(0.5), runs)


@dataclass(frozen=True, slots=True)
class _Service:
    """A service on a loopback port, and what its clients sign in with."""

    port: int
    key: str
    counter: Iterator[int]

    def send(self, requests: int, size: int, clients: int) -> tuple[float, list[float]]:
        """Return the seconds for all of these requests, and for each."""
        bodies = [self._body(size) for _ in range(requests)]
        shares = [bodies[start::clients] for start in range(clients)]
        with ThreadPoolExecutor(clients) as pool:
            began = time.perf_counter()
            each = list(itertools.chain.from_iterable(pool.map(self._post, shares)))
            return time.perf_counter() - began, each

    def _body(self, size: int) -> bytes:
        known = lender.decisions()
        decisions = [
            known[number % len(known)] | {"source": {"id": "loan-desk", "seq": number}}
            for number in itertools.islice(self.counter, size)
        ]
        return json.dumps(decisions[0] if size == 1 else {"decisions": decisions}).encode()

    def _post(self, bodies: Sequence[bytes]) -> list[float]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        seconds = []
        for body in bodies:
            began = time.perf_counter()
            connection.request("POST", "/v1/decisions", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            seconds.append(time.perf_counter() - began)
            assert answer.status in {200, 201}, content
            assert b"problem" not in content, content
        connection.close()
        return seconds


class _KeepsConnections(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Write no line per request."""


@contextmanager
def _served(app: Flask, key: str) -> Iterator[_Service]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_KeepsConnections)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield _Service(server.server_port, key, itertools.count(1))
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def _ledger(folder: Path) -> Iterator[_Service]:
    settings = Settings(data=folder, origin="ledger.example/benchmarks")
    found(settings)
    runtime = Runtime.open(settings)
    try:
        trained = lender.trained()
        runtime.registry.register_model(trained.manifest, trained.artefacts)
        runtime.registry.register_policy(training.policy())
        key = runtime.api_keys.issue("loan desk", Role.SOURCE)[0]
        with _served(assemble(runtime), key) as service:
            yield service
    finally:
        runtime.close()


@contextmanager
def _plain_service(path: Path) -> Iterator[_Service]:
    engine = open_database(f"sqlite:///{path}")
    _plain.metadata.create_all(engine)
    app = Flask("plain")

    @app.post("/v1/decisions")
    def record() -> tuple[dict[str, Any], int]:
        body = request.get_json()
        decisions = body.get("decisions", [body])
        rows = [
            {"id": str(uuid.uuid4()), "subject": each["subject"], "body": json.dumps(each)}
            for each in decisions
        ]
        with engine.begin() as connection:
            connection.execute(insert(_plain), rows)
        return {"results": [{"id": row["id"], "status": "recorded"} for row in rows]}, 201

    try:
        with _served(app, "plain") as service:
            yield service
    finally:
        engine.dispose()
