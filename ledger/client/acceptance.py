"""Accepting a decision: it is written once, counted, and spooled, or its counter is a gap."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Required, TypedDict

from ledger.client.memory_spool import MemorySpool
from ledger.client.options import Options
from ledger.client.segments import SpoolFull
from ledger.client.spool import DiskSpool, Spool
from ledger.client.spooled import Draft
from ledger.errors import LedgerError

__all__ = ["DecisionMembers", "NotAccepted", "Ticket", "accept", "confirmed", "missed"]

CLOSED: Final = "client_closed"
FAILED: Final = "client_failed"
FULL: Final = "spool_full"
NOT_ENCODABLE: Final = "not_encodable"
NOT_SYNCED: Final = "not_synced"
SYNC_SECONDS: Final = 10.0  # that a decision waits for its sync, if the caller wants it to
_MILLION: Final = 1_000_000

_log = logging.getLogger("ledger.client")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What `record` made of a decision.

    Attributes:
        id: the decision's id: `Client.receipt` finds its receipt by it, once there is one.
            Empty if it was never put into words.
        source: the lane in which it was counted; empty if the spool could not be used.
        seq: its counter there; None if it got none.
        failure: None, or a code for why it was not accepted. With `not_synced` it was,
            but the disk did not confirm it in time.
    """

    id: str
    source: str
    seq: int | None
    failure: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the decision is in the spool."""
        return self.failure in (None, NOT_SYNCED)


class NotAccepted(Exception):
    """Why a decision was not accepted, and which counter says so. Never leaves the client."""

    def __init__(
        self, why: Exception, reason: str, source: str = "", seq: int | None = None
    ) -> None:
        super().__init__(reason)
        self.why, self.reason, self.source, self.seq = why, reason, source, seq


class DecisionMembers(TypedDict, total=False):
    """The members of a decision (docs/formats.md §5) but its source, which the client counts."""

    model: Required[str]
    policy: Required[str]
    input: Required[Mapping[str, Any]]
    output: Required[Mapping[str, Any]]
    attributions: Mapping[str, Any] | None
    context: Mapping[str, Any] | None
    subject: str | None
    id: str | None


def accept(
    spool: DiskSpool | MemorySpool,
    options: Options,
    members: Mapping[str, Any],
    name: str,
    nanoseconds: int,
) -> Ticket:
    """Spool the decision of these members under the id `name`, as of `nanoseconds`.

    Raises:
        NotAccepted: and the counter that it would have had is spooled as a gap.
    """
    reason = NOT_ENCODABLE
    try:
        context = {"decided_at": _written(nanoseconds), **(members["context"] or {})}
        draft = Draft.of(name, nanoseconds // _MILLION, {**members, "context": context})
        reason = FAILED
        seq = _append(spool, options, draft)
    except Exception as error:
        reason = FULL if isinstance(error, SpoolFull) else reason
        raise NotAccepted(error, reason, spool.source, _skip(spool, reason)) from error
    return Ticket(name, spool.source, seq)


def missed(spool: DiskSpool | MemorySpool, reason: str) -> Ticket:
    """The ticket of a decision that nobody could put into words: a gap, and its reason."""
    return Ticket("", spool.source, _skip(spool, reason), reason)


def confirmed(spool: DiskSpool | MemorySpool, ticket: Ticket) -> Ticket:
    """The ticket, once what it is for outlives a power cut, or says that it may not."""
    if ticket.seq is None or not isinstance(spool, DiskSpool):
        return ticket
    synced = spool.wait_synced(ticket.seq, SYNC_SECONDS)
    return ticket if synced else replace(ticket, failure=NOT_SYNCED)


def _append(spool: Spool, options: Options, draft: Draft) -> int:
    until = time.monotonic() + options.block_seconds
    while True:
        try:
            return spool.append(draft)
        except SpoolFull:
            left = until - time.monotonic()
            if options.when_full != "block" or left <= 0:
                raise
            spool.wait_for_room(left)


def _skip(spool: Spool, reason: str) -> int | None:
    """Use up a counter, so that the log shows that something is missing, and why."""
    try:
        return spool.skip(reason)
    except (OSError, LedgerError) as error:  # the next decision's counter still shows it
        _log.error("a gap could not be noted down: %s", type(error).__name__)
        return None


def _written(nanoseconds: int) -> str:
    at = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1_000 % _MILLION:06}Z"
