"""The writer process: takes submissions from web workers, and commits them together.

One thread. While a commit is under way, what arrives waits in the sockets; afterwards
everything that is there goes into the next commit. A second writer on the same directory
finds the socket's guard taken and does not start.
"""

import fcntl
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from ledger.errors import LedgerError, MalformedError, NotFoundError, RefusedError
from ledger.operate.group_commit import MAX_ROUND, MAX_WAITING, GroupCommit, crowded, weight
from ledger.operate.log_writer import Submission, Written
from ledger.operate.writer_protocol import (
    Answer,
    Frames,
    Request,
    Trouble,
    address,
    frame,
    local_socket,
    parse_request,
)
from ledger.private_files import FILE_MODE, private_directory

__all__ = ["WriterProcess"]

MAX_PEERS: Final = 256  # workers and commands at once
SEND_SECONDS: Final = 5.0  # a worker that does not take its answer in this time is left
POLL_SECONDS: Final = 0.5  # until a request to stop is noticed
_READ_BYTES: Final = 1_048_576


class _Peer:
    """One connected worker."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(SEND_SECONDS)
        self.socket = connected
        self.frames = Frames()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A submission that is to be written."""

    peer: _Peer
    number: int
    log: str
    submission: Submission


class Watch(Protocol):
    """Is told what the writer does. Quick, and raises nothing: the writer waits for it."""

    def committed(self, log: str, records: int, seconds: float, *, well: bool) -> None:
        """A commit of so many records ended, written or not."""

    def waits(self, weight: int) -> None:
        """So much waits to be written now."""

    def crowded(self) -> None:
        """A submission was refused, because too much waits."""


class WriterProcess:
    """Serves the writers of several logs, by short name, at a socket. A context manager."""

    def __init__(
        self, path: Path, writers: Mapping[str, GroupCommit], watch: Watch | None = None
    ) -> None:
        """Listen.

        Raises:
            RefusedError: another writer serves this socket.
            LedgerError: it cannot be listened on.
        """
        self._path = path
        self._writers = writers
        self._watch = watch
        self._guard = _guard(path)
        self._selector = selectors.DefaultSelector()
        self._pending: deque[_Waiting] = deque()
        self._weight = 0
        self._stopping = False
        try:
            self._listener = _listener(path)
        except OSError as error:
            os.close(self._guard)
            raise LedgerError(f"writer: cannot listen at {path.name}") from error
        self._selector.register(self._listener, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # sockets, all of them
        self._selector.close()
        with suppress(OSError):
            self._path.unlink()
        os.close(self._guard)

    def stop(self) -> None:
        """End :meth:`serve` once what has arrived is written and answered."""
        self._stopping = True

    def serve(self, while_true: Callable[[], bool] = lambda: True) -> None:
        """Commit and answer until :meth:`stop`, or until `while_true` is not."""
        while True:
            self._receive(0 if self._pending else POLL_SECONDS)
            if self._pending:
                self._commit()
            elif self._stopping or not while_true():
                return

    def _receive(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._accept()
            else:
                self._read(key.data)

    def _accept(self) -> None:
        with suppress(OSError):
            connected, _ = self._listener.accept()
            if len(self._selector.get_map()) > MAX_PEERS:
                connected.close()
                return
            self._selector.register(connected, selectors.EVENT_READ, _Peer(connected))

    def _read(self, peer: _Peer) -> None:
        try:
            data = peer.socket.recv(_READ_BYTES)
            for content in peer.frames.feed(data):
                self._take(peer, parse_request(content))
        except (OSError, MalformedError):
            data = b""
        if not data:
            self._leave(peer)

    def _take(self, peer: _Peer, request: Request) -> None:
        if request.log not in self._writers:
            self._answer(peer, request.number, NotFoundError("writer: there is no such log"))
        elif request.submission is None:
            self._answer(peer, request.number, self._checked(request.log))
        elif self._weight + weight(request.submission) > MAX_WAITING:
            if self._watch is not None:
                self._watch.crowded()
            self._answer(peer, request.number, crowded())
        else:
            self._weight += weight(request.submission)
            waiting = _Waiting(peer, request.number, request.log, request.submission)
            self._pending.append(waiting)

    def _checked(self, log: str) -> LedgerError | None:
        try:
            self._writers[log].check()
        except LedgerError as error:
            return error
        return None

    def _commit(self) -> None:
        """Write what waits for the log whose turn it is, up to a full commit."""
        log = self._pending[0].log
        taken: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        count = 0
        for each in self._pending:
            more = len(each.submission.records)
            if each.log != log or (taken and count + more > MAX_ROUND):
                left.append(each)
            else:
                taken.append(each)
                count += more
        self._pending = left
        self._weight -= sum(weight(each.submission) for each in taken)
        begun = time.monotonic()
        outcomes = self._writers[log].write_all([each.submission for each in taken])
        if self._watch is not None:
            well = any(isinstance(outcome, Written) for outcome in outcomes)
            self._watch.committed(log, count, time.monotonic() - begun, well=well)
            self._watch.waits(self._weight)
        for each, outcome in zip(taken, outcomes, strict=True):
            self._answer(each.peer, each.number, outcome)

    def _answer(self, peer: _Peer, number: int, outcome: Written | LedgerError | None) -> None:
        if isinstance(outcome, LedgerError):
            answer = Answer(number, trouble=Trouble.of(outcome))
        else:
            answer = Answer(number, outcome)
        try:
            peer.socket.sendall(frame(answer))
        except OSError:
            self._leave(peer)  # it asks again: what was written is known by its id

    def _leave(self, peer: _Peer) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(peer.socket)
        peer.socket.close()


def _guard(path: Path) -> int:
    private_directory(path.parent)
    descriptor = os.open(path.with_suffix(".guard"), os.O_CREAT | os.O_RDWR, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise RefusedError(
            "writer: another one serves this ledger; two would only wait for each other"
        ) from error
    return descriptor


def _listener(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()  # of a writer that was killed: we hold its guard
    listener = local_socket()
    try:
        with address(path) as place:
            listener.bind(place)
        path.chmod(FILE_MODE)
        listener.listen(MAX_PEERS)
    except OSError:
        listener.close()
        raise
    return listener
