"""Erasing records for good, over any number of crashes.

The order, and what a crash after each step leaves:

1. *approved*: one transaction of the vault lists what is to go, but for what holds keep.
   The intent is durable; nothing is gone yet, and it cannot be taken back.
2. Tombstones of the decisions are logged. From here on every door says that they are
   gone, nothing can be attached to them, and a restored backup destroys them again.
3. *gathered*: what had been attached to them is listed, which is final by step 2, and
   gets its tombstones.
4. Keys, index rows and payloads are destroyed, and missed: the self-test.
5. *done*.

The tombstone comes before the destruction because the log is the only part that no backup
takes back: it is what tells a vault that was put back, and a vault whose newest key is gone,
that this is an erasure and not a loss. Each step is done again after a crash; nothing in it
depends on how far it had come.
"""

from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import Engine

from ledger.entries import MAX_RECORDS, Decision, Erased, Expired, parse_entry, parse_id
from ledger.errors import (
    ErasedError,
    HoldInForce,
    MalformedError,
    NotFoundError,
    SecondPersonNeeded,
    WrongStage,
)
from ledger.operate.cleaning import cut_write_ahead_log
from ledger.operate.destruction import attached_to, check_destroyed, destroy
from ledger.operate.erased_records import check_standing
from ledger.operate.erasure import METHOD, UNDER_WAY, Ending, Erasure, Ground, Refusal, Stage
from ledger.operate.erasure_certificate import Certificate
from ledger.operate.erasure_store import ATTACHED, DECISIONS, ErasureStore
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter, Record, Submission
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import Records, attached_id
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.roles import Permission, Principal

__all__ = ["MAX_NAMED", "Erasing"]

MAX_NAMED: Final = 1_000  # single decisions of one request; a person may have any number
CHUNK: Final = 1_000  # records destroyed before the next look: progress, and short transactions
_ENTRIES_PER_WRITE: Final = 8  # tombstones, some 40 kB each when full


class Erasing:
    """The erasures of one log's decisions."""

    def __init__(
        self,
        log: PublishedLog,
        writer: LogWriter,
        vault: Vault,
        ledger: Engine,
        clock: Clock,
        random: Random,
        *,
        access: bool = False,
    ) -> None:
        """Erase decisions of `log`, whose payloads are in the database `ledger`.

        With `access`, the log is the one of access, and what goes are its details, in the vault.
        """
        self._log = log
        self._writer = writer
        self._vault = vault
        self._ledger = ledger
        self._clock = clock
        self._records = Records(log, writer, vault, clock, random)
        self._store = ErasureStore(vault.engine, access=access)

    def request(
        self,
        principal: Principal,
        ground: Ground,
        *,
        subject: str | None = None,
        records: Collection[str] = (),
    ) -> tuple[Erasure, bool]:
        """A request to erase all decisions of a person, or these; and whether it is new.

        A request about a person that is not decided yet is the answer to the next one.

        Raises:
            PermissionRefused: the caller may not ask for erasures.
            MalformedError: neither a person nor records, or both, or too many.
            NotFoundError: nothing is known of this person, or of a record.
            ErasedError: it is erased already.
        """
        principal.require(Permission.ERASURES_MANAGE)
        ids = frozenset(records)
        if (subject is None) == (not ids) or len(ids) > MAX_NAMED:
            raise MalformedError(
                f"erasure: not one person, and not 1 to {MAX_NAMED:,} records", member="records"
            )
        tag = None if subject is None else self._vault.subject_tag(subject)
        if tag is not None:
            found = self._open_request(tag)
            if found is not None:
                return found, False
        for each in ids:
            self._check_decision(each)
        return self._asked(principal, self._records.new_id(), ground, tag, ids), True

    def plan(
        self, principal: Principal, erasure_id: str, ending: Ending, records: Collection[str]
    ) -> Erasure:
        """A run of retention over these records, as it would be; nothing is erased yet.

        What makes them due is the caller's to know. Later :meth:`carry_out` goes through with it.

        Raises:
            PermissionRefused: the caller may not ask for erasures.
        """
        principal.require(Permission.ERASURES_MANAGE)
        return self._asked(principal, erasure_id, ending, None, records)

    def carry_out(
        self, principal: Principal, erasure_id: str, spared: Collection[str] = ()
    ) -> Erasure:
        """The run of retention, done but for what is spared; raises as :meth:`approve`."""
        return self._agreed(principal, self.read(erasure_id), spared)

    def approve(self, principal: Principal, erasure_id: str) -> Erasure:
        """The erasure, done: agreed to by a second person and gone through with.

        When the same person approves again after an answer was lost, it goes on.

        Raises:
            PermissionRefused: the caller may not approve erasures.
            SecondPersonNeeded: the caller asked for it.
            HoldInForce: legal holds keep all of it; the request is refused.
            WrongStage: it was decided already, or its records are being erased.
            NotFoundError: there is no such request.
            PushbackError, RefusedError, VerificationError: it could not go on; it will.
        """
        principal.require(Permission.ERASURES_MANAGE)
        erasure = self.read(erasure_id)
        if isinstance(erasure.ground, Ending):
            raise WrongStage("erasure: it is a run of retention: decision-ledger retention run")
        return self._agreed(principal, erasure)

    def _agreed(
        self, principal: Principal, erasure: Erasure, spared: Collection[str] = ()
    ) -> Erasure:
        principal.require(Permission.ERASURES_MANAGE)
        if erasure.requester == principal.id:
            raise SecondPersonNeeded("erasure: you asked for it; another person has to agree")
        if erasure.stage in (Stage.REQUESTED, Stage.REFUSED) or erasure.approver != principal.id:
            # In this order: everything below `size` is then settled, so that none is missed.
            size = self._log.size()
            self._records.settle()
            kept = self._store.approve(
                erasure.id, principal.id, principal.role.value, self._clock(), size, spared
            )
            if kept:
                raise HoldInForce(
                    f"erasure: refused, because legal holds keep all of it: {', '.join(kept)}",
                    holds=kept,
                )
        return self.resume(erasure.id)

    def refuse(self, principal: Principal, erasure_id: str, reason: Refusal) -> Erasure:
        """The request, refused for a reason on the list.

        Raises:
            PermissionRefused: the caller may not decide on erasures.
            WrongStage: it was decided already.
            NotFoundError: there is no such request.
        """
        principal.require(Permission.ERASURES_MANAGE)
        now = self._clock()
        role = principal.role.value
        self._store.refuse(erasure_id, principal.id, role, now, reason.value)
        return self._store.read(erasure_id)

    def resume(self, erasure_id: str) -> Erasure:
        """The erasure, gone on with from wherever it stands; done, if it was approved.

        Raises:
            NotFoundError: there is no such request.
            PushbackError, RefusedError, VerificationError: it could not go on; call it again.
        """
        erasure = self._store.read(erasure_id)
        if erasure.stage is Stage.APPROVED:
            self._entomb(erasure, DECISIONS)
            self._store.gathered(erasure_id, self._attached(erasure))
            erasure = self._store.read(erasure_id)
        if erasure.stage is Stage.GATHERED:
            self._entomb(erasure, ATTACHED)
            for part in (DECISIONS, ATTACHED):
                for ids in self._store.records(erasure_id, part, CHUNK):
                    destroy(self._vault.engine, self._ledger, ids)
            self._check_gone(erasure_id)
            self._store.finish(erasure_id, self._clock())
            for engine in (self._vault.engine, self._ledger):
                cut_write_ahead_log(engine)  # if a reader is in the way, the clean-up does it
        return self._store.read(erasure_id)

    def under_way(self) -> tuple[Erasure, ...]:
        """The erasures that were cut short, or are being done by somebody just now."""
        return tuple(each for each in self.all() if each.stage in UNDER_WAY)

    def read(self, erasure_id: str) -> Erasure:
        """One erasure as it stands.

        Raises:
            NotFoundError: there is none with this id.
        """
        return self._store.read(erasure_id)

    def all(self) -> tuple[Erasure, ...]:
        """Every erasure, oldest first."""
        return self._store.find()

    def of_person(self, subject: str) -> tuple[Erasure, ...]:
        """The erasures of everything about a person, by your reference, oldest first."""
        return self._store.of_person(self._vault.subject_tag(subject))

    def kept_by(self, erasure_id: str) -> tuple[tuple[str, str], ...]:
        """The decisions of an erasure that stay, each with the hold that keeps it."""
        return self._store.held(erasure_id)

    def certificate(self, erasure_id: str) -> Certificate:
        """What shows that it was done, with a receipt for each tombstone.

        Raises:
            WrongStage: it is not done.
            NotFoundError: there is none with this id.
        """
        erasure = self.read(erasure_id)
        if erasure.stage is not Stage.DONE:
            raise WrongStage(f"erasure: it is {erasure.stage}, so there is no certificate")
        return Certificate(
            erasure=erasure,
            origin=self._log.origin,
            decisions=self._every(erasure_id, DECISIONS),
            attached=self._every(erasure_id, ATTACHED),
            kept=self._store.held(erasure_id),
            receipts=tuple(map(self._log.receipt, self._entries_of(erasure))),
        )

    def tombstones(self, erasure: Erasure) -> tuple[int, ...]:
        """Where the tombstones of an erasure are in the log, as far as they are logged."""
        return tuple(sorted(self._log.locate(self._entries_of(erasure)).values()))

    def settle(self) -> None:
        """Note in the vault which of its newest records are in the log."""
        self._records.settle()

    def new_id(self) -> str:
        """A fresh id for a run of retention."""
        return self._records.new_id()

    def listed(self, erasure_id: str) -> Iterator[tuple[str, ...]]:
        """The decisions, or accesses, that an erasure names and no hold keeps, in chunks."""
        return self._store.records(erasure_id, DECISIONS, CHUNK)

    def note_clean(self, erasures: Collection[Erasure]) -> None:
        """Note that the databases' files were cleaned up after these were done."""
        self._store.note_clean(self._clock(), [each.id for each in erasures])

    def _asked(
        self,
        principal: Principal,
        erasure_id: str,
        ground: Ground | Ending,
        tag: bytes | None,
        ids: Collection[str],
    ) -> Erasure:
        new = Erasure(
            id=erasure_id,
            stage=Stage.REQUESTED,
            ground=ground,
            whole_person=tag is not None,
            requester=principal.id,
            requester_role=principal.role.value,
            requested_at=self._clock(),
            approver=None,
            approver_role=None,
            approved_at=None,
            size=None,
            done_at=None,
            cleaned_at=None,
            reason=None,
            decisions=len(ids),
            attached=0,
            held=0,
        )
        self._store.add(new, tag, ids)
        return self._store.read(new.id)

    def _entries_of(self, erasure: Erasure) -> list[str]:
        """The ids of all its tombstones."""
        parts = (DECISIONS, ATTACHED)
        return [each.id for part in parts for each in self._tombstones(erasure, part)]

    def _open_request(self, tag: bytes) -> Erasure | None:
        """The request about this person that is not decided or not done yet.

        Raises:
            ErasedError: everything of the person is erased; NotFoundError: there was nothing.
        """
        self._records.settle()
        earlier = self._store.of_person(tag)
        for each in earlier:
            if each.stage in (Stage.REQUESTED, *UNDER_WAY):
                return each
        if self._store.known(tag):
            return None
        done = [each for each in earlier if each.stage is Stage.DONE]
        if done:
            raise ErasedError("erasure: everything of this person is erased", erasure=done[-1].id)
        raise NotFoundError("erasure: nothing is known of this person")

    def _check_decision(self, record_id: str) -> None:
        entry = parse_entry(self._log.entry(parse_id(record_id)))
        if not isinstance(entry.body, Decision):
            raise NotFoundError("erasure: the entry with this id is not a decision")
        try:
            check_standing(self._log, record_id)
        except ErasedError as error:
            begun = self._store.of_record(record_id)
            error.erasure = begun[-1].id if begun else None
            raise

    def _tombstones(self, erasure: Erasure, part: int) -> Iterator[Record]:
        """The tombstones of a part: the same, under the same ids, whenever they are asked for."""
        listed = self._store.records(erasure.id, part, MAX_RECORDS)
        for count, ids in enumerate(listed):
            kind = Expired if isinstance(erasure.ground, Ending) else Erased
            body = kind(
                records=tuple(sorted(ids)),  # a database may sort otherwise
                ground=erasure.ground.value,
                method=METHOD,
                approver_role=erasure.approver_role or "",
            )
            yield Record.of(attached_id(erasure.id, f"erased {part}", count), body)

    def _entomb(self, erasure: Erasure, part: int) -> None:
        """Log the tombstones of a part; those that are in the log already stay as they are."""
        waiting: list[Record] = []
        for record in self._tombstones(erasure, part):
            waiting.append(record)
            if len(waiting) == _ENTRIES_PER_WRITE:
                self._writer.write(Submission(tuple(waiting)))
                waiting.clear()
        if waiting:
            self._writer.write(Submission(tuple(waiting)))

    def _attached(self, erasure: Erasure) -> frozenset[str]:
        """What is attached to the decisions; final, since their tombstones are logged."""
        found: frozenset[str] = frozenset()
        for ids in self._store.records(erasure.id, DECISIONS, CHUNK):
            found |= attached_to(self._ledger, self._log.origin, ids)
        return found

    def _check_gone(self, erasure_id: str) -> None:
        for part in (DECISIONS, ATTACHED):
            for ids in self._store.records(erasure_id, part, CHUNK):
                check_destroyed(self._vault.engine, self._ledger, ids)

    def _every(self, erasure_id: str, part: int) -> tuple[str, ...]:
        return tuple(each for ids in self._store.records(erasure_id, part, CHUNK) for each in ids)
