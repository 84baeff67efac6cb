"""Sends prepared requests over many connections and times each: the load of `ingest`.

A process of its own, one thread, plain sockets: what it takes from the machine is the same
for every service, and little. It is told what to send line by line and answers in kind:

    python -m benchmarks.load PORT KEY DECISIONS
    {"requests": 500, "size": 1, "clients": 64}     ->  {"seconds": …, "latencies": […]}
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SECONDS = 120  # of silence after which a service is taken to hang
_READ_BYTES = 262_144


class _Connection:
    """One kept connection: sends a request, and knows when its answer is whole."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = bytearray()
        self._length = -1
        self.began = 0.0

    def send(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Read what is there; say whether the answer is whole."""
        data = self.socket.recv(_READ_BYTES)
        assert data, "the service hung up"
        self._answer += data
        if self._length < 0:
            head, blank, rest = self._answer.partition(b"\r\n\r\n")
            if not blank:
                return False
            assert bytes(head[9:12]) in {b"200", b"201"}, bytes(self._answer)
            lines = bytes(head).split(b"\r\n")
            (length,) = (line[15:] for line in lines if _is_length(line))
            self._length, self._answer = int(length), rest
        if len(self._answer) < self._length:
            return False
        assert b'"problem"' not in self._answer, bytes(self._answer)
        self._answer, self._length = bytearray(), -1
        return True


def _is_length(line: bytes) -> bool:
    return line[:15].lower() == b"content-length:"


def send(port: int, requests: Sequence[bytes], clients: int) -> tuple[float, list[float]]:
    """Return the seconds for all of these requests, and for each."""
    waiting, latencies = deque(requests), []
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(min(clients, len(waiting))):
            connection = _Connection(port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(waiting.popleft())
        while selector.get_map():
            ready = selector.select(SECONDS)
            assert ready, "the service does not answer"
            for key, _ in ready:
                connection = key.data
                if not connection.answered():
                    continue
                latencies.append(time.perf_counter() - connection.began)
                if waiting:
                    connection.send(waiting.popleft())
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
    return time.perf_counter() - began, latencies


def requests(
    known: Sequence[dict[str, Any]], numbers: Iterator[int], key: str, count: int, size: int
) -> Iterator[bytes]:
    """So many requests of `size` decisions each, no two decisions with the same number."""
    for _ in range(count):
        decisions = [
            known[number % len(known)] | {"source": {"id": "loan-desk", "seq": number}}
            for number in itertools.islice(numbers, size)
        ]
        body = json.dumps(decisions[0] if size == 1 else {"decisions": decisions}).encode()
        yield (
            b"POST /v1/decisions HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer %b\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
        )


def main(port: str, key: str, decisions: str) -> None:
    known = json.loads(Path(decisions).read_bytes())
    numbers = itertools.count(1)
    for line in sys.stdin:
        asked = json.loads(line)
        ready = list(requests(known, numbers, key, asked["requests"], asked["size"]))
        seconds, latencies = send(int(port), ready, asked["clients"])
        print(json.dumps({"seconds": seconds, "latencies": latencies}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
