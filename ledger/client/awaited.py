"""Callers that wait for news of delivery, and what came of the decisions they wait for."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ledger.client.counters import State, Tally
from ledger.client.spooled import Refusal
from ledger.errors import PushbackError, RefusedError, VerificationError
from ledger.tlog.proof import Receipt

__all__ = ["Awaited"]

LOOK_SECONDS: Final = 0.02  # a gap alone is settled without news


class Awaited:
    """What callers wait for. Safe between threads."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._news = threading.Condition()
        self._results: dict[str, Receipt | Refusal | None] = {}

    @contextmanager
    def expected(self, name: str) -> Iterator[None]:
        """Keep what comes of a decision for whoever waits for it inside."""
        with self._news:
            self._results[name] = None
        try:
            yield
        finally:
            with self._news:
                self._results.pop(name, None)

    def settled(self, results: Sequence[tuple[str, Receipt | Refusal]]) -> None:
        """Tell who waits what became of decisions."""
        with self._news:
            for name, result in results:
                if name in self._results:
                    self._results[name] = result
            self._news.notify_all()

    def stir(self) -> None:
        """Have everyone who waits look again."""
        with self._news:
            self._news.notify_all()

    def until(self, done: Callable[[], bool], timeout: float) -> bool:
        """Wait until this is so, at most so many seconds; say whether it is."""
        end = time.monotonic() + timeout
        with self._news:
            while not done() and (left := end - time.monotonic()) > 0:
                self._news.wait(min(left, LOOK_SECONDS))
        return done()

    def receipt(self, name: str, timeout: float) -> Receipt:
        """The receipt of an expected decision, once it is there.

        Raises:
            RefusedError: the ledger refused it; `member` names the place at fault.
            VerificationError: the ledger's answer proves nothing.
            PushbackError: no answer in time.
        """
        end = time.monotonic() + timeout
        with self._news:
            while (result := self._results[name]) is None:
                left = end - time.monotonic()
                if left <= 0:
                    raise PushbackError("no answer yet; the decision is spooled", retry_after=1)
                counters = self._tally.look()
                if counters.state is State.ALARM:
                    raise VerificationError(counters.reason)
                if counters.state is State.PAUSED:
                    raise PushbackError(counters.reason, retry_after=1)
                self._news.wait(left)
        if isinstance(result, Refusal):
            detail = str(result.problem.get("detail", "the ledger refused it"))
            raise RefusedError(detail, member=result.problem.get("member"))
        return result
