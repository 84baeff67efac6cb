"""Legal holds: a named matter keeps its records from destruction, and restricts their use.

Grounds: GDPR Art. 17(3)(e), 18(2). A hold is in force from its row in the vault on, and then
logged: after a crash between the two it holds, and says that it is not on record. It is
released by two people, logged first: a crash leaves it in force. Matter, ground and owner are
sealed; the log has a commitment.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Final

from ledger.canonical import JsonValue
from ledger.commitments import commit, open_section, verify_opening
from ledger.entries import Body, Decision, HoldReleased, HoldSet, parse_entry, parse_id
from ledger.errors import (
    LedgerError,
    MalformedError,
    NotFoundError,
    PushbackError,
    SecondPersonNeeded,
    WrongStage,
)
from ledger.operate.erased_records import check_standing
from ledger.operate.erasure import MAX_TEXT_CHARACTERS, Hold, HoldTerms, Restriction
from ledger.operate.hold_store import HoldStore
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records, attached_id
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.roles import Permission, Principal

__all__ = ["MAX_HELD", "MAX_REVIEW", "Holds"]

MAX_HELD: Final = 1_000  # decisions that one hold names; more is a person, or several holds
MAX_REVIEW: Final = timedelta(days=366)  # until a hold is looked at again

_SECTION: Final = "detail"
_RETENTION_CLASS: Final = "hold"
_SET, _RELEASED = "hold_set", "hold_released"  # what an entry's id is made from


class Holds:
    """The legal holds of one log's decisions."""

    def __init__(
        self, log: PublishedLog, writer: LogWriter, vault: Vault, clock: Clock, random: Random
    ) -> None:
        self._log = log
        self._vault = vault
        self._clock = clock
        self._store = HoldStore(vault.engine)
        self._records = Records(log, writer, vault, clock, random)

    def set(
        self,
        principal: Principal,
        terms: HoldTerms,
        *,
        subject: str | None = None,
        records: Collection[str] = (),
        restriction: Restriction | None = None,
    ) -> Hold:
        """Hold all decisions of a person, later ones too, or these decisions.

        With a `restriction` it is one of their use (GDPR Art. 18(1)), which keeps them as a hold
        does: what may only be stored is not destroyed either.

        Raises:
            PermissionRefused: the caller may not set holds.
            MalformedError: neither a person nor records, or both; too many; a review too far off.
            NotFoundError, ErasedError: there is no such decision (any more), or nothing is known
                of this person.
            ConflictError: a record is being erased.
            PushbackError, RefusedError: it could not be logged; if it may have been, it holds.
        """
        principal.require(Permission.HOLDS_MANAGE)
        now = self._clock()
        ids = tuple(sorted(set(records)))
        if (subject is None) == (not ids) or len(ids) > MAX_HELD:
            raise MalformedError(f"hold: not one person, and not 1 to {MAX_HELD:,} records",
                                 member="records")  # fmt: skip
        if not now < terms.review_at <= now + MAX_REVIEW:
            raise MalformedError("hold: a review that is past, or more than a year off",
                                 member="review_at")  # fmt: skip
        for each in ids:
            self._check_decision(each)
        hold_id = self._records.new_id()
        hold = Hold(hold_id, attached_id(hold_id, _SET, 0), subject is not None, len(ids),
                    principal.id, now, terms.review_at, logged=False, releaser=None,
                    released_at=None, restriction=restriction)  # fmt: skip
        tag = None if subject is None else self._vault.subject_tag(subject)
        self._records.settle()
        self._store.begin(hold, tag, ids)
        detail: dict[str, JsonValue] = {
            "matter": terms.matter,
            "ground": terms.ground,
            "owner": terms.owner,
            "review_at": terms.review_at.isoformat(),
            "scope": "records" if subject is None else "person",
            "records": list(ids),
        }
        if restriction is not None:
            detail["restriction"] = restriction.value
        try:
            self._write(hold.entry_id, detail, lambda c: HoldSet(hold=hold_id, detail=c))
        except PushbackError:
            raise  # it may be in the log: then so it is in force
        except LedgerError:
            self._store.take_back(hold_id)
            raise
        self._store.note_logged(hold_id)
        return self._store.read(hold_id)

    def release(self, principal: Principal, hold_id: str, reason: str) -> Hold:
        """The hold, its release asked for by the first to call this and done by the second.

        Raises:
            PermissionRefused: the caller may not release holds.
            SecondPersonNeeded: the caller asked for it already: another has to agree.
            WrongStage: it is released.
            NotFoundError: there is none with this id.
            MalformedError: no reason, or too long a one.
            PushbackError, RefusedError: it could not be logged; it holds.
        """
        principal.require(Permission.HOLDS_MANAGE)
        if not 1 <= len(reason.strip()) <= MAX_TEXT_CHARACTERS or not reason.isprintable():
            raise MalformedError(f"hold: not 1 to {MAX_TEXT_CHARACTERS} printable characters",
                                 member="reason")  # fmt: skip
        hold = self.read(hold_id)
        if hold.released_at is not None:
            raise WrongStage("hold: it is released already")
        if hold.restriction is not None and hold.informed_at is None:
            raise WrongStage(
                "restriction: the person has to be informed before it is lifted (GDPR Art. 18(3))"
            )
        if hold.releaser is None:
            self._store.ask_release(hold_id, principal.id)
            return self._store.read(hold_id)
        if hold.releaser == principal.id:
            raise SecondPersonNeeded("hold: you asked for its release; another person has to agree")
        if hold.logged:
            entry_id = attached_id(hold_id, _RELEASED, 0)
            detail: dict[str, JsonValue] = {"reason": reason, "role": principal.role.value}
            self._write(entry_id, detail, lambda c: HoldReleased(hold=hold_id, detail=c))
        self._store.end(hold_id, self._clock())
        return self._store.read(hold_id)

    def informed(self, principal: Principal, hold_id: str) -> Hold:
        """The restriction, with a note that the person was told that it is to be lifted.

        Raises:
            PermissionRefused: the caller may not release holds.
            NotFoundError: there is none with this id.
            WrongStage: it is lifted, or is a legal hold, which nobody is told of.
        """
        principal.require(Permission.HOLDS_MANAGE)
        hold = self.read(hold_id)
        if hold.restriction is None or hold.released_at is not None:
            raise WrongStage("hold: it is not a restriction in force")
        self._store.note_informed(hold_id, self._clock())
        return self._store.read(hold_id)

    def read(self, hold_id: str) -> Hold:
        """One hold; whether it is in the log is asked again if that was not known.

        Raises:
            NotFoundError: there is none with this id.
        """
        hold = self._store.read(hold_id)
        if not hold.logged and self._log.locate([hold.entry_id]):
            self._store.note_logged(hold_id)
            return self._store.read(hold_id)
        return hold

    def all(self) -> tuple[Hold, ...]:
        """Every hold, oldest first, also those that were released."""
        return self._store.all()

    def overdue(self, hold: Hold) -> bool:
        """Say whether a hold in force should have been looked at again by now."""
        return hold.released_at is None and hold.review_at <= self._clock()

    def terms(self, hold: Hold) -> Mapping[str, JsonValue] | None:
        """What the hold says, checked against the log; None if it is not on record.

        Raises:
            VerificationError: what is stored is not what was logged.
        """
        if not hold.logged:
            return None
        entry = parse_entry(self._log.entry(hold.entry_id))
        if not isinstance(entry.body, HoldSet):
            raise NotFoundError("hold: the entry with this id is none")
        members, key = self._records.open(hold.entry_id)
        verify_opening(open_section(key, _SECTION, members), entry.body.detail)
        return members

    def of(self, record_ids: Collection[str]) -> Mapping[str, str]:
        """For each of these decisions that a hold in force covers, that hold's id."""
        return self._store.of(record_ids)

    def legal_holds_of(self, record_ids: Collection[str]) -> Mapping[str, str]:
        """As :meth:`of`, of legal holds alone."""
        return self._store.of(record_ids, restriction=False)

    def restrictions_of(self, record_ids: Collection[str]) -> Mapping[str, str]:
        """As :meth:`of`, of restrictions of use alone."""
        return self._store.of(record_ids, restriction=True)

    def restricted_places(self) -> frozenset[int]:
        """The log's indexes of all decisions whose use is restricted now."""
        self._records.settle()
        return self._store.restricted_places()

    def _check_decision(self, record_id: str) -> None:
        entry = parse_entry(self._log.entry(parse_id(record_id)))
        if not isinstance(entry.body, Decision):
            raise NotFoundError("hold: the entry with this id is not a decision")
        check_standing(self._log, record_id)

    def _write(
        self, entry_id: str, detail: Mapping[str, JsonValue], body: Callable[[bytes], Body]
    ) -> None:
        def committed(key: bytes) -> Body:
            return body(commit(key, _SECTION, detail))

        holder = self._vault.period_tag(_RETENTION_CLASS, self._clock())
        self._records.write([NewRecord(entry_id, holder, detail, committed)])
