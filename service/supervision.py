"""Keeps the processes of a served ledger: one that writes, and the web server in front.

The web server is started once the writer listens and ended before it, so that what was
accepted is written. A writer that dies is started again; while it is away, requests that
need it are answered as an outage.
"""

import ctypes
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, Self

from ledger.operate.writer_protocol import address, local_socket

__all__ = ["end_with_parent", "supervise"]

START_SECONDS: Final = 60.0  # until the writer listens: a long log's edge is read first
WEB_SECONDS: Final = 40.0  # to answer what is under way; `web.DRAIN_SECONDS` and some
WRITER_SECONDS: Final = 30.0  # to write what it has taken
ASIDE_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0
POLL_SECONDS: Final = 0.2
MAX_RESTARTS: Final = 5  # of a writer within `RESTART_WINDOW` seconds
RESTART_WINDOW: Final = 60.0
FAILED: Final = 2

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_log = logging.getLogger("service.supervision")


def supervise(path: Path, writer: Sequence[str], web: Sequence[str], *asides: Sequence[str]) -> int:
    """Run them until the web server ends or a signal asks to; the exit status.

    Args:
        path: the writer's socket.
        writer: the writer's command.
        web: the web server's command.
        asides: the commands of processes that may end without anybody else noticing; they are
            started again, less and less often.
    """
    with _signals() as asked, _Child(writer, WRITER_SECONDS) as first:
        if not _listens(path, first, asked):
            return FAILED
        with ExitStack() as stack:
            beside = [stack.enter_context(_Aside(each)) for each in asides]
            server = stack.enter_context(_Child(web, WEB_SECONDS))
            return _watch(first, server, beside, asked)


def _watch(writer: "_Child", server: "_Child", beside: Sequence["_Aside"], asked: list[int]) -> int:
    restarts: list[float] = []
    while server.status() is None and not asked:
        for each in beside:
            each.tend()
        status = writer.status()
        if status is not None:
            restarts = [at for at in restarts if at > time.monotonic() - RESTART_WINDOW]
            if len(restarts) >= MAX_RESTARTS:
                _log.error("the writer ended %d times in a row: stopping", len(restarts) + 1)
                return FAILED
            restarts.append(time.monotonic())
            _log.error("the writer ended (status %d) and is started again", status)
            writer.start()
        time.sleep(POLL_SECONDS)
    return server.status() or 0


class _Aside:
    """A process that nobody waits for: started again when it ends, after ever longer pauses."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: _Child | None = None
        self._pause = FIRST_PAUSE
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._child is not None:
            self._child.__exit__(*raised)

    def tend(self) -> None:
        """Start it if that is due; note that it ended if it did."""
        now = time.monotonic()
        if self._child is None:
            if self._command and now >= self._due:
                self._child = _Child(self._command, ASIDE_SECONDS)
                self._due = now + LONGEST_PAUSE
        elif (status := self._child.status()) is not None:
            # One that ran for long before it ended is not failing again and again.
            self._pause = FIRST_PAUSE if now >= self._due else min(2 * self._pause, LONGEST_PAUSE)
            _log.error(
                "%s ended (status %d); next start in %.0f s", self._command[-1], status, self._pause
            )  # fmt: skip
            self._child, self._due = None, now + self._pause


class _Child:
    """A process that is asked to end with the context, and made to after `seconds`."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self._command = command
        self._seconds = seconds
        self.start()

    def start(self) -> None:
        """Start it, also again."""
        # This process has one thread, so running code between fork and exec is safe.
        self._process = subprocess.Popen(self._command, preexec_fn=end_with_parent)  # noqa: PLW1509

    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _listens(path: Path, writer: _Child, asked: list[int]) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and writer.status() is None and not asked:
        with suppress(OSError), local_socket() as probe, address(path) as place:
            probe.connect(place)
            probe.shutdown(socket.SHUT_RDWR)
            return True
        time.sleep(POLL_SECONDS / 4)
    return False


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals to end that came, instead of dying of them."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {each: signal.signal(each, remember) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def end_with_parent() -> None:
    """Have this process asked to end when its parent dies, where the system can (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
