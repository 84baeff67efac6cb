"""The writer of one log: what arrives while a commit is under way shares the next one.

Waiting for the disk costs the same for one entry as for a thousand, so submissions
that arrive together are written together; one that arrives alone is written at once. The
order is what keeps every logged record openable: keys and index rows are committed to
the vault first, then entries and sealed payloads to the log. A crash between the two
leaves keys of nothing, which the next start sweeps away.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import ConflictError, LedgerError, PushbackError, StoppedError
from ledger.operate.erased_records import check_attachable
from ledger.operate.log_writer import Place, Record, Submission, Written
from ledger.operate.sequencer import Appended, Draft, Sequencer
from ledger.operate.vault import Vault, VaultRow
from ledger.storage.database import RETRY_AFTER_SECONDS

__all__ = ["MAX_ROUND", "MAX_WAITING", "GroupCommit", "crowded", "weight"]

MAX_ROUND: Final = 1_024  # records of one commit; more would keep the first of them waiting
MAX_WAITING: Final = 16_384  # weight that may wait (`weight`): some 60 MB, and seconds of work
_WEIGHT_BYTES: Final = 4_096  # of payload that weigh as much as a record


@dataclass(slots=True)
class _Ticket:
    """A submission that waits, and then what came of it."""

    submission: Submission
    outcome: Written | LedgerError | None = None


class GroupCommit:
    """The `LogWriter` in the process that holds the log's keys."""

    def __init__(self, log: Sequencer, vault: Vault) -> None:
        """Take up the log; what a crash left in the vault is swept away."""
        self._log = log
        self._vault = vault
        self._waiting: deque[_Ticket] = deque()
        self._weight = 0
        self._queue = threading.Lock()
        self._turn = threading.Lock()
        self._landed: Mapping[str, int] = {}  # in the log, not yet settled in the vault
        self.sweep()

    def write(self, submission: Submission) -> Written:
        """Log what is new of a submission, together with whatever else is waiting.

        Raises:
            MalformedError, PushbackError, StoppedError: as the port says.
        """
        ticket = _Ticket(submission)
        self._join(ticket)
        while ticket.outcome is None:
            # Whoever gets the turn writes for all who wait; most find it done.
            with self._turn:
                if ticket.outcome is None:
                    self._round(self._next())
        return _said(ticket.outcome)

    def write_all(self, submissions: Sequence[Submission]) -> tuple[Written | LedgerError, ...]:
        """What comes of each of these submissions, all written in one commit if possible."""
        tickets = [_Ticket(each) for each in submissions]
        with self._turn:
            self._round(tickets)
        return tuple(ticket.outcome or _lost() for ticket in tickets)

    def check(self) -> None:
        """Return if the log can, as far as is known, be written.

        Raises:
            StoppedError: an earlier failure was fatal.
            LedgerError: it cannot be read: the database does not answer, say.
        """
        self._log.check_running()

    def sweep(self) -> int:
        """Settle what is in the log, discard the rest; return how many were discarded.

        Nobody was ever answered for those, so nothing is lost.
        """
        origin = self._log.origin
        with self._log.turn():  # no writer is between its two commits while we look
            unsettled = self._vault.unsettled(origin)
            places = self._log.locate(unsettled)
            self._vault.settle(places)
            orphans = set(unsettled) - places.keys()
            self._vault.discard(origin, orphans)
        return len(orphans)

    def _join(self, ticket: _Ticket) -> None:
        more = weight(ticket.submission)
        with self._queue:
            if self._weight + more > MAX_WAITING:
                raise crowded()
            self._weight += more
            self._waiting.append(ticket)

    def _next(self) -> list[_Ticket]:
        """The tickets of the next commit, in the order of their arrival."""
        taken: list[_Ticket] = []
        count = 0
        with self._queue:
            while self._waiting:
                count += len(self._waiting[0].submission.records)
                if taken and count > MAX_ROUND:
                    break
                taken.append(self._waiting.popleft())
                self._weight -= weight(taken[-1].submission)
        return taken

    def _round(self, tickets: Sequence[_Ticket]) -> None:
        """Write all of these in one commit; if that fails for one of them, each by itself."""
        try:
            self._commit(tickets)
        except (PushbackError, StoppedError) as error:
            _fail(tickets, error)
        except LedgerError as error:
            if len(tickets) == 1:
                _fail(tickets, error)
                return
            for ticket in tickets:
                self._round([ticket])
        except BaseException:
            _fail(tickets, _lost())
            raise

    def _commit(self, tickets: Sequence[_Ticket]) -> None:
        with self._log.turn():
            sorted_out = _Sorted(tickets, self._known(tickets))
            appended = self._append(sorted_out.fresh)
            head = self._log.published()
            places = self._places(appended, head.size)
        for ticket in tickets:
            ticket.outcome = Written(sorted_out.places(ticket, places), head.note)

    def _places(self, appended: Sequence[Appended], size: int) -> Mapping[str, Place]:
        if not appended:
            return {}
        proofs = self._log.proofs(appended[0].seq, appended[-1].seq + 1, size)
        return {
            each.id: Place(each.seq, each.raw, proof)
            for each, proof in zip(appended, proofs, strict=True)
        }

    def _known(self, tickets: Sequence[_Ticket]) -> Mapping[str, int]:
        ids = {record.id for ticket in tickets for record in ticket.submission.records}
        return self._log.locate(ids)

    def _append(self, fresh: Sequence[Record]) -> tuple[Appended, ...]:
        if not fresh:
            return ()
        check_attachable(self._log, fresh)
        rows = [record.kept for record in fresh if record.kept is not None]
        if rows:
            self._keep(rows)
        appended = self._log.append(
            [Draft(each.id, each.entry, each.references, each.sealed) for each in fresh]
        )
        if rows:  # else what landed before is still to be settled
            kept = {row.record_id for row in rows}
            self._landed = {each.id: each.seq for each in appended if each.id in kept}
        return appended

    def _keep(self, rows: Sequence[VaultRow]) -> None:
        origin = self._log.origin
        try:
            self._vault.keep(origin, rows, self._landed)
        except ConflictError:
            # We hold the turn and the log has none of these: an earlier attempt ended
            # between its two commits, and this is the next one.
            self._vault.discard(origin, [row.record_id for row in rows])
            self._vault.keep(origin, rows, self._landed)


class _Sorted:
    """Which records of a round are new, and to whom: an id counts the first time it comes."""

    def __init__(self, tickets: Sequence[_Ticket], known: Mapping[str, int]) -> None:
        self._known = known
        self._owner: dict[str, _Ticket] = {}
        self._refused: set[int] = set()  # tickets that are to be written whole, and cannot be
        self.fresh: list[Record] = []
        for ticket in tickets:
            records = ticket.submission.records
            new = {
                each.id: each
                for each in reversed(records)
                if each.id not in known and each.id not in self._owner
            }
            if ticket.submission.whole and len(new) < len({each.id for each in records}):
                self._refused.add(id(ticket))
                continue
            for each in records:
                if new.pop(each.id, None) is not None:
                    self._owner[each.id] = ticket
                    self.fresh.append(each)

    def places(self, ticket: _Ticket, written: Mapping[str, Place]) -> tuple[Place, ...]:
        """Where the ticket's records stand; those that it did not bring, without their bytes."""
        found = []
        seen: set[str] = set()
        for each in ticket.submission.records:
            if each.id in self._known:
                found.append(Place(self._known[each.id]))
            elif each.id not in written:
                found.append(Place(-1))
            elif self._owner[each.id] is ticket and each.id not in seen:
                found.append(written[each.id])
            else:
                found.append(Place(written[each.id].seq))
            seen.add(each.id)
        return tuple(found)


def weight(submission: Submission) -> int:
    """How much of what may wait at once a submission takes up."""
    sealed = (record.sealed for record in submission.records)
    return len(submission.records) + sum(len(each or b"") // _WEIGHT_BYTES for each in sealed)


def crowded() -> PushbackError:
    """What a caller is told for whom there is no room."""
    return PushbackError("log: more waits to be written than fits", retry_after=RETRY_AFTER_SECONDS)


def _fail(tickets: Sequence[_Ticket], error: LedgerError) -> None:
    for ticket in tickets:
        if ticket.outcome is None:
            ticket.outcome = error


def _said(outcome: Written | LedgerError) -> Written:
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


def _lost() -> PushbackError:
    return PushbackError("log: the commit failed", retry_after=RETRY_AFTER_SECONDS)
