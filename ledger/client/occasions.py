"""What becomes of a decision that is recorded on an occasion: completed, and recorded once."""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger.client.acceptance import Ticket
from ledger.client.counters import Tally
from ledger.client.occasion import Occasion, current
from ledger.entries import UUID7_RANDOM_BYTES, uuid7

__all__ = ["Occasions"]

MAX_REPEATS: Final = 4_096  # decisions of requests that a process remembers
_DAY_MS: Final = 86_400_000
_MILLION: Final = 1_000_000  # nanoseconds
_MARKS: Final = b"decision-ledger/request/1\n"

_log = logging.getLogger("ledger.client")


class Occasions:
    """What one client has recorded on which occasion. Safe between threads."""

    def __init__(self, key: Callable[[], str], tally: Tally, *, strict: bool) -> None:
        self._key = key
        self._tally = tally
        self._strict = strict
        self._secret: bytes | None = None
        self._mutex = threading.Lock()
        self._tickets: OrderedDict[bytes, Ticket] = OrderedDict()

    def completed(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """The members, with `subject` and `context` as the occasion completes them.

        Raises:
            Exception: if the client is strict, whatever the one who was to tell them raised.
        """
        held = current()
        if held is None:
            return members
        try:
            told = held.told()
        except Exception as error:
            if self._strict:
                raise
            self._tally.add(undescribed=1)
            _log.error("an occasion could not be told: %s", type(error).__name__)
            return members
        subject, context = members["subject"], members["context"] or {}
        return {
            **members,
            "subject": told["subject"] if subject is None else subject,
            "context": {**told["context"], **context},
        }

    def record(
        self,
        members: Mapping[str, Any],
        chosen_id: str | None,
        now: Callable[[], int],
        record: Callable[[Mapping[str, Any], str | None], Ticket],
    ) -> Ticket:
        """Record a decision, completed and under its id, unless it was recorded before.

        If a request came again, the decision has the id that it had: this process gives the
        first ticket again, and of two processes the ledger refuses the second.

        Raises:
            Exception: as :meth:`completed`, and what `record` raises.
        """
        held = current()
        if held is None:
            return record(members, chosen_id)
        members = self.completed(members)
        mark = self._mark(held, members) if chosen_id is None else None
        ticket = self._find(mark)
        if ticket is not None:
            self._tally.add(repeated=1)
        elif mark is None:
            ticket = record(members, chosen_id)
        else:
            ticket = record(members, _id_of(mark, now() // _MILLION))
            if ticket.accepted:
                self._keep(mark, ticket)
        held.keep(ticket)
        return ticket

    def _mark(self, held: Occasion, members: Mapping[str, Any]) -> bytes | None:
        """What a repeated request is known by, under a secret that all workers share."""
        if not held.has_request:
            return None
        try:
            if self._secret is None:
                self._secret = hashlib.sha256(_MARKS + self._key().strip().encode()).digest()
            return held.mark(members, self._secret)
        except Exception as error:  # noqa: BLE001  # a key file may be gone for a moment
            _log.error("a request could not be marked: %s", type(error).__name__)
            return None

    def _find(self, mark: bytes | None) -> Ticket | None:
        with self._mutex:
            return None if mark is None else self._tickets.get(mark)

    def _keep(self, mark: bytes, ticket: Ticket) -> None:
        with self._mutex:
            self._tickets[mark] = ticket
            while len(self._tickets) > MAX_REPEATS:
                self._tickets.popitem(last=False)


def _id_of(mark: bytes, unix_ms: int) -> str:
    """The same all day, so that a repeated request finds it."""
    return uuid7(unix_ms - unix_ms % _DAY_MS, mark[:UUID7_RANDOM_BYTES])
