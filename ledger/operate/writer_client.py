"""The writer's clients: a web worker's side of the local socket.

One connection for all logs and threads of a process. Requests are numbered, so that
many wait at once; whichever of them the writer commits together is its business.
"""

import itertools
import os
import queue
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.errors import LedgerError, MalformedError, PushbackError
from ledger.operate.group_commit import MAX_WAITING, crowded, weight
from ledger.operate.log_writer import Submission, Written
from ledger.operate.writer_protocol import (
    Answer,
    Frames,
    Request,
    address,
    frame,
    local_socket,
    parse_answer,
)
from ledger.storage.database import RETRY_AFTER_SECONDS

__all__ = ["RemoteWriter", "WriterConnection"]

ANSWER_SECONDS: Final = 30.0  # of waiting for a commit; by then the disk or the database is gone
_READ_BYTES: Final = 1_048_576

_Box = queue.SimpleQueue  # where one request waits for its answer; None: there will be none


class WriterConnection:
    """A process's way to the writer. Connects when it is first needed, and again after a loss."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Two locks: whoever waits for room to send must not keep the reader from making it.
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._pid = os.getpid()
        self._boxes: dict[int, _Box[Answer | None]] = {}
        self._numbers = itertools.count()
        self._weight = 0

    def ask(self, log: str, submission: Submission | None) -> Answer:
        """The writer's answer to a submission, or without one to whether the log can be written.

        Raises:
            MalformedError: the submission is too large.
            PushbackError: the writer is away or does not answer; the submission may have been
                written nevertheless.
        """
        number, box = next(self._numbers), _Box[Answer | None]()
        content = frame(Request(number, log, submission))
        more = weight(submission) if submission is not None else 0
        self._send(number, box, content, more)
        try:
            answer = box.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            answer = None
        finally:
            with self._lock:
                self._boxes.pop(number, None)
                self._weight -= more
        if answer is None:
            raise _away("log: its writer did not answer")
        return answer

    def close(self) -> None:
        """Hang up; whoever waits is told that there is no answer."""
        with self._lock:
            self._hang_up()

    def _send(self, number: int, box: "_Box[Answer | None]", content: bytes, more: int) -> None:
        with self._sending:
            with self._lock:
                if self._weight + more > MAX_WAITING:
                    raise crowded()
                try:
                    connected = self._connected()
                except OSError as error:
                    raise _away("log: its writer is away") from error
                self._boxes[number] = box
                self._weight += more
            try:
                connected.sendall(content)
            except OSError as error:
                with self._lock:
                    self._boxes.pop(number, None)
                    self._weight -= more
                    if self._socket is connected:
                        self._hang_up()
                raise _away("log: its writer is away") from error

    def _connected(self) -> socket.socket:
        if self._pid != os.getpid():  # forked: the connection is the parent's
            self._socket, self._pid, self._boxes, self._weight = None, os.getpid(), {}, 0
        if self._socket is None:
            fresh = local_socket()
            try:
                fresh.settimeout(ANSWER_SECONDS)
                with address(self._path) as place:
                    fresh.connect(place)
            except OSError:
                fresh.close()
                raise
            self._socket = fresh
            threading.Thread(target=self._read, args=(fresh,), daemon=True).start()
        return self._socket

    def _read(self, connected: socket.socket) -> None:
        """Hand out answers until the connection ends."""
        frames = Frames()
        try:
            while True:
                try:
                    data = connected.recv(_READ_BYTES)
                except TimeoutError:
                    continue
                if not data:
                    break
                for content in frames.feed(data):
                    self._hand_out(parse_answer(content))
        except (OSError, MalformedError):
            pass  # the same as its end: whoever waits asks again
        with self._lock:
            if self._socket is connected:
                self._hang_up()

    def _hand_out(self, answer: Answer) -> None:
        with self._lock:
            box = self._boxes.pop(answer.number, None)
        if box is not None:
            box.put(answer)

    def _hang_up(self) -> None:
        """Forget the connection; the lock is held."""
        if self._socket is not None:
            ended, self._socket = self._socket, None
            with suppress(OSError):
                ended.shutdown(socket.SHUT_RDWR)  # wakes the reader
            ended.close()
        for box in self._boxes.values():
            box.put(None)
        self._boxes.clear()


class RemoteWriter:
    """The `LogWriter` of a log whose keys another process holds."""

    def __init__(self, connection: WriterConnection, log: str) -> None:
        """The log is known to the writer by its short name, such as `decisions`."""
        self._connection = connection
        self._log = log

    def write(self, submission: Submission) -> Written:
        """Log what is new of a submission.

        Raises:
            MalformedError, PushbackError, StoppedError: as the port says.
        """
        answer = self._connection.ask(self._log, submission)
        if answer.trouble is not None:
            raise answer.trouble.error()
        if answer.written is None:
            raise LedgerError("writer: it answered another question")
        return answer.written

    def check(self) -> None:
        """Return if the log can, as far as is known, be written.

        Raises:
            PushbackError, StoppedError: as the port says.
        """
        answer = self._connection.ask(self._log, None)
        if answer.trouble is not None:
            raise answer.trouble.error()


def _away(text: str) -> PushbackError:
    return PushbackError(text, retry_after=RETRY_AFTER_SECONDS)
