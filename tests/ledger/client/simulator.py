"""A ledger on the loopback that does what the interface promises, or fails as it is told."""

import base64
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.commitments import SECTIONS, commit
from ledger.entries import (
    Body,
    Decision,
    Entry,
    LogCreated,
    LogKeyRotated,
    SourceCounter,
    SourceGap,
    uuid7,
)
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import (
    EMPTY_ROOT,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
)
from ledger.tlog.note import Ed25519Signer, sign_note
from ledger.tlog.policy import Log, Policy
from ledger.tlog.tile import EntryBundle, Tile, encode_bundle

ORIGIN = "ledger.example/test/log/decisions"
SIGNER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
STRANGER = Ed25519Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
POLICY = Policy((Log(SIGNER.verifier_key),))
KEY = "dl_a-key"
BEGIN = datetime(2026, 5, 14, 9, 0, tzinfo=UTC)
_COMMITTED = {name: commit(bytes(32), name, {"income": 1}) for name in SECTIONS}

Answer = dict[str, Any]
Fault = Callable[["Ledger", Answer], Answer | int | None]
"""What is done to an answer: another one, a status, or None to cut the connection."""


@dataclass
class Ledger:
    """A log in memory, and what happens to the requests that come next."""

    entries: list[bytes] = field(default_factory=list)
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    gaps: list[tuple[str, int, int, str]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)  # subjects of decisions to refuse
    before: deque[int | None] = field(default_factory=deque)  # statuses; None cuts
    totals: deque[tuple[int, bytes]] = field(default_factory=deque)  # answers to totals
    after: deque[Fault] = field(default_factory=deque)  # of answers, once they are recorded
    retry_after: str = "1"
    key: str = KEY
    takes_gaps: bool = True
    refused_gaps: set[str] = field(default_factory=set)  # reasons of gaps to refuse
    most_bytes: int = 5_000_000
    seconds: float = 0.0
    requests: list[tuple[str, int]] = field(default_factory=list)
    signer: Ed25519Signer = SIGNER
    beside: tuple[Ed25519Signer, ...] = ()  # who signs as well
    withheld: set[str] = field(default_factory=set)  # beginnings of addresses that answer 404
    _nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if not self.entries:
            self._log(uuid7(0, bytes(10)), LogCreated(ORIGIN, (SIGNER.verifier_key.vkey(),), "x/1"))

    def node(self, level: int, index: int) -> bytes:
        if (level, index) not in self._nodes:
            if level == 0:
                found = leaf_hash(self.entries[index])
            else:
                below = level - 1
                found = node_hash(self.node(below, 2 * index), self.node(below, 2 * index + 1))
            self._nodes[level, index] = found
        return self._nodes[level, index]

    def note(self, size: int | None = None, signer: Ed25519Signer | None = None) -> str:
        size = len(self.entries) if size is None else size
        root = tree_root(size, self.node) if size else EMPTY_ROOT
        signers = [signer or self.signer, *self.beside]
        return sign_note(Checkpoint(ORIGIN, size, root).format(), signers)

    def rotate(self, new: Ed25519Signer, *, old: Ed25519Signer | None = None) -> None:
        """Log that other keys follow; from now on both sign."""
        keys = (old or self.signer).verifier_key.vkey(), new.verifier_key.vkey()
        with self._mutex:
            body = LogKeyRotated((keys[0],), (keys[1],))
            self._log(uuid7(len(self.entries), bytes(10)), body)
            self.beside = (new,)

    def retire(self) -> None:
        """Only the new keys sign."""
        (self.signer,), self.beside = self.beside, ()

    def tile(self, path: str) -> bytes:
        if path.startswith("tile/entries/"):
            bundle = EntryBundle.parse(path)
            return encode_bundle(self.entries[bundle.start : bundle.start + bundle.width])
        tile = Tile.parse(path)
        first = tile.index * 256
        level = tile.level * 8
        return b"".join(self.node(level, first + at) for at in range(tile.width))

    def counters(self) -> dict[str, list[int]]:
        """Of each source, the counters in the order of the log."""
        found: dict[str, list[int]] = {}
        for each in self.decisions.values():
            found.setdefault(each["source"]["id"], []).append(each["source"]["seq"])
        return found

    def record(self, items: list[dict[str, Any]]) -> Answer:
        with self._mutex:
            results = [self._one(item) for item in items]
            size = len(self.entries)
            for result in results:
                if result["status"] != "refused":
                    proof = inclusion_proof(result["seq"], size, self.node)
                    result["entry"] = _base64(self.entries[result["seq"]])
                    result["proof"] = [_base64(each) for each in proof]
            counted = [result["status"] for result in results]
            return {
                "results": results,
                "checkpoint": self.note(),
                **{name: counted.count(name) for name in ("recorded", "duplicate", "refused")},
            }

    def declare(self, source: str, gap: dict[str, Any]) -> None:
        with self._mutex:
            told = (source, gap["first"], gap["last"], gap["reason"])
            self.gaps.append(told)
            self._log(uuid7(len(self.entries), bytes(10)), SourceGap(*told))

    def total(self, source: str, told: dict[str, Any]) -> tuple[int, bytes]:
        """The answer to a total by counters, or the next of `totals`, whatever it is."""
        if self.totals:
            return self.totals.popleft()
        held = sum(told["first"] <= each <= told["last"] for each in self.counters()[source])
        short = told["count"] - held
        verdict = "agrees" if not short else "short" if short > 0 else "more"
        total = {"held": held, "short": short, "verdict": verdict}
        return 201, json.dumps({"seq": len(self.entries), "total": total}).encode()

    def _one(self, item: dict[str, Any]) -> dict[str, Any]:
        name = item["id"]
        if item.get("subject") in self.refused and item.get("subject") is not None:
            problem = {
                "type": "/problems/invalid",
                "title": "It breaks a rule",
                "status": 422,
                "detail": "no such model",
                "member": "model",
            }
            return {"status": "refused", "problem": problem}
        if name in self.places:
            assert self.decisions[name] == item
            return {"id": name, "status": "duplicate", "seq": self.places[name]}
        self.decisions[name] = item
        counter = SourceCounter(item["source"]["id"], item["source"]["seq"])
        self.places[name] = self._log(name, Decision("ab" * 32, "cd" * 32, counter, **_COMMITTED))
        return {"id": name, "status": "recorded", "seq": self.places[name]}

    def _log(self, name: str, body: Body) -> int:
        index = len(self.entries)
        prev = leaf_hash(self.entries[-1]) if index else None
        at = BEGIN + timedelta(milliseconds=index)
        self.entries.append(Entry(name, index, at, prev, body).format())
        return index


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    ledger: Ledger

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        ledger = self.server.ledger
        if not self._allowed(b""):
            return
        prefix = "/log/decisions/"
        if any(map(self.path.startswith, ledger.withheld)):
            self._answer(404, b"{}")
        elif self.path.startswith(prefix + "tile/"):
            self._answer(200, ledger.tile(self.path.removeprefix(prefix)))
        else:
            self._answer(404, b"{}")

    def do_POST(self) -> None:
        ledger = self.server.ledger
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._allowed(body):
            return
        if self.path.endswith("/totals"):
            self._answer(*ledger.total(self.path.split("/")[3], json.loads(body)))
            return
        if self.path.startswith("/v1/sources/"):
            if not ledger.takes_gaps:
                self._answer(404, b"{}")
                return
            gap = json.loads(body)
            if gap["reason"] in ledger.refused_gaps:
                self._answer(422, b"{}")
                return
            ledger.declare(self.path.split("/")[3], gap)
            self._answer(201, b"{}")
            return
        assert self.path == "/v1/decisions?receipts=compact"
        items = json.loads(body)["decisions"]
        assert len(items) <= 1_000
        answer: Answer | int | None = ledger.record(items)
        if ledger.after:
            answer = ledger.after.popleft()(ledger, answer)  # type: ignore[arg-type]
        if answer is None:
            self._cut()
        elif isinstance(answer, int):
            self._answer(answer, b"{}")
        else:
            self._answer(200, json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        pass

    def _allowed(self, body: bytes) -> bool:
        ledger = self.server.ledger
        ledger.requests.append((self.path, len(body)))
        time.sleep(ledger.seconds)
        if ledger.before:
            status = ledger.before.popleft()
            if status is None:
                self._cut()
            elif status:
                self._answer(status, b'{"detail": "a fault"}')
            if status != 0:
                return False
        if self.headers["Authorization"] != f"Bearer {ledger.key}":
            self._answer(401, b"{}")
            return False
        if len(body) > ledger.most_bytes:
            self._answer(413, b"{}")
            return False
        return True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", self.server.ledger.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        """Reset the connection."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@contextmanager
def serving(ledger: Ledger, port: int = 0) -> Iterator[str]:
    """The address at which the ledger answers."""
    with _Server(("127.0.0.1", port), _Handler) as server:
        server.ledger = ledger
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def decision(**changes: Any) -> dict[str, Any]:
    """The members of a decision, as `record` takes them."""
    return {
        "model": "mortgage-approval@1.0.0",
        "policy": "mortgage-cut-off@1.0.0",
        "input": {"debt_to_income": 47.2, "bankruptcy_on_file": False},
        "output": {"margin": -5, "scale": 6, "space": "log-odds", "outcome": "declined"},
        "attributions": {
            "engine": "leaf-tables",
            "space": "log-odds",
            "scale": 6,
            "base": -5,
            "values": {"debt_to_income": 0, "bankruptcy_on_file": 0},
            "residual": 0,
        },
    } | changes


def swapped(ledger: Ledger, answer: Answer) -> Answer:
    """The first decision's receipt is of another entry."""
    del ledger
    first, *_, last = answer["results"]
    for name in ("entry", "proof", "seq"):
        first[name] = last[name]
    return answer


def cut_proof(ledger: Ledger, answer: Answer) -> Answer:
    """The last proof leads nowhere."""
    del ledger
    answer["results"][-1]["proof"] = answer["results"][-1]["proof"][:-1]
    return answer


def strange_key(ledger: Ledger, answer: Answer) -> Answer:
    """Somebody else signed the head."""
    return answer | {"checkpoint": ledger.note(signer=STRANGER)}


def lost(ledger: Ledger, answer: Answer) -> None:
    """The answer is cut off, after everything was recorded."""
    del ledger, answer
