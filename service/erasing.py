"""Erasures and holds, for one caller: the access log writes first, then it is done.

Every door asks, agrees and looks through here. What is refused is on the access log too. A
person's reference is part of a request only: it is not stored and not logged.
"""

import logging
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar

from ledger.canonical import JsonValue
from ledger.errors import HoldInForce, LedgerError, MalformedError, SecondPersonNeeded
from ledger.operate.access_log import Manner
from ledger.operate.cleaning import LEDGER_TABLES, VAULT_TABLES, rewrite
from ledger.operate.credentials import invisible
from ledger.operate.erasure import Erasure, Ground, Hold, HoldTerms, Refusal, Restriction, Stage
from ledger.operate.erasure_certificate import Certificate
from ledger.roles import Permission, Principal
from service.reading import Caller
from service.runtime import Runtime

__all__ = ["COMPLAIN", "Officer", "check_other", "clean_up", "go_on", "holder_name"]

_log = logging.getLogger("service.erasing")

COMPLAIN: Final = (
    "The person may complain to a supervisory authority (GDPR Art. 77) or go to court (Art. 79),"
    " and has to be told so, with the reasons, within one month (Art. 12(4))."
)

_Code = TypeVar("_Code", Ground, Refusal, Restriction)


class Officer:
    """What one caller does about the erasures and holds of one ledger."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime = runtime
        self._caller = caller

    @property
    def runtime(self) -> Runtime:
        """The ledger."""
        return self._runtime

    @property
    def caller(self) -> Caller:
        """Who acts, and what for."""
        return self._caller

    def request(
        self, ground: str, *, subject: str | None = None, records: Sequence[str] = ()
    ) -> tuple[Erasure, bool]:
        """A request to erase a person or records, and whether it is new; as `Erasing.request`."""
        known = _listed(Ground, ground, "ground")
        with self.noted(Permission.ERASURES_MANAGE, "erasure.requested", records):
            return self._runtime.erasing.request(
                self._caller.principal, known, subject=subject, records=records
            )

    def approve(self, erasure_id: str) -> Erasure:
        """The erasure, agreed to and done; as `Erasing.approve`.

        Raises:
            SecondPersonNeeded: the key that asked is this caller's, or has the same holder.
        """
        with self.noted(Permission.ERASURES_MANAGE, "erasure.approved"):
            self.check_other(self._runtime.erasing.read(erasure_id).requester)
            return self._runtime.erasing.approve(self._caller.principal, erasure_id)

    def refuse(self, erasure_id: str, reason: str) -> Erasure:
        """The request, refused; as `Erasing.refuse`."""
        known = _listed(Refusal, reason, "reason")
        with self.noted(Permission.ERASURES_MANAGE, "erasure.refused"):
            return self._runtime.erasing.refuse(self._caller.principal, erasure_id, known)

    def resume(self, erasure_id: str) -> Erasure:
        """The erasure, gone on with; as `Erasing.resume`."""
        with self.noted(Permission.ERASURES_MANAGE, "erasure.resumed"):
            erasure = self._runtime.erasing.read(erasure_id)
            return self._runtime.erasing.resume(erasure.id)

    def erasures(self) -> tuple[Erasure, ...]:
        """Every erasure, oldest first."""
        with self.noted(Permission.ERASURES_READ, "erasures"):
            return self._runtime.erasing.all()

    def erasure(self, erasure_id: str) -> tuple[Erasure, tuple[tuple[str, str], ...]]:
        """One erasure, and the decisions that stay with the hold that keeps each."""
        with self.noted(Permission.ERASURES_READ, "erasure"):
            found = self._runtime.erasing.read(erasure_id)
            return found, self._runtime.erasing.kept_by(found.id)

    def certificate(self, erasure_id: str) -> Certificate:
        """The certificate of one that is done; as `Erasing.certificate`."""
        with self.noted(Permission.ERASURES_READ, "erasure.certificate"):
            return self._runtime.erasing.certificate(erasure_id)

    def set_hold(
        self, terms: HoldTerms, *, subject: str | None = None, records: Sequence[str] = ()
    ) -> Hold:
        """A hold in force; as `Holds.set`."""
        with self.noted(Permission.HOLDS_MANAGE, "hold.set", records):
            return self._runtime.holds.set(
                self._caller.principal, terms, subject=subject, records=records
            )

    def restrict(
        self,
        ground: str,
        review_at: datetime,
        *,
        subject: str | None = None,
        records: Sequence[str] = (),
    ) -> Hold:
        """A restriction of use in force (GDPR Art. 18); as `Holds.set`."""
        known = _listed(Restriction, ground, "ground")
        terms = HoldTerms(
            "Restriction of processing (GDPR Art. 18)", known.value, "data protection", review_at
        )
        with self.noted(Permission.HOLDS_MANAGE, "restriction.set", records):
            return self._runtime.holds.set(
                self._caller.principal, terms, subject=subject, records=records, restriction=known
            )

    def informed(self, hold_id: str) -> Hold:
        """The restriction, of which the person was told that it is to be lifted."""
        with self.noted(Permission.HOLDS_MANAGE, "restriction.informed"):
            return self._runtime.holds.informed(self._caller.principal, hold_id)

    def release_hold(self, hold_id: str, reason: str) -> Hold:
        """The hold, its release asked for or done; as `Holds.release`."""
        with self.noted(Permission.HOLDS_MANAGE, "hold.released"):
            releaser = self._runtime.holds.read(hold_id).releaser
            if releaser is not None:
                self.check_other(releaser)
            return self._runtime.holds.release(self._caller.principal, hold_id, reason)

    def holds(self) -> tuple[tuple[Hold, Mapping[str, JsonValue] | None], ...]:
        """Every hold, oldest first, with what it says if that is on record."""
        with self.noted(Permission.HOLDS_READ, "holds"):
            holds = self._runtime.holds
            found = (holds.read(each.id) for each in holds.all())
            return tuple((each, holds.terms(each)) for each in found)

    def hold(self, hold_id: str) -> tuple[Hold, Mapping[str, JsonValue] | None]:
        """One hold, and what it says if that is on record."""
        with self.noted(Permission.HOLDS_READ, "hold"):
            found = self._runtime.holds.read(hold_id)
            return found, self._runtime.holds.terms(found)

    @contextmanager
    def noted(
        self, permission: Permission, field: str, records: Sequence[str] = ()
    ) -> Iterator[None]:
        """Do what is inside only once it is on the access log; note a refusal there as well."""
        caller = self._caller
        caller.principal.require(permission)
        write = self._runtime.access_log
        asked: Mapping[str, Any] = {
            "purpose": caller.purpose,
            "case": caller.case,
            "records": records,
            "fields": (field,),
            "manner": Manner.ACT,
        }
        write.record(caller.principal, **asked, size=len(records))
        try:
            yield
        except (HoldInForce, SecondPersonNeeded):
            write.deny(caller.principal, **asked)
            raise

    def check_other(self, asked_by: str) -> None:
        """As :func:`check_other`."""
        check_other(self._runtime, self._caller.principal, asked_by)


def check_other(
    runtime: Runtime, me: Principal, key_id: str, because: str = "you asked for it"
) -> None:
    """Return if the caller is another person than the holder of this key, as far as is known.

    Two keys with one name are one person's.

    Raises:
        SecondPersonNeeded: it is the same.
    """
    names = {each.id: holder_name(each.name) for each in runtime.api_keys.list()}
    if key_id == me.id or names.get(key_id) == holder_name(me.name):
        raise SecondPersonNeeded(f"{because}; another person has to agree")


def holder_name(name: str) -> str:
    """What a key's name is compared by: two keys with one name are one person's.

    Case, width, how a letter with an accent is composed, what cannot be seen, blanks, and
    punctuation at the end make no other name.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Composed once more: a mark joins its letter when nothing unseen stands between them.
    seen = unicodedata.normalize("NFKC", "".join(c for c in folded if not invisible(c)))
    return _ended(" ".join(seen.split()))


def _ended(name: str) -> str:
    """The name without the blanks and punctuation behind it, unless it is nothing else."""
    end = len(name)
    while end and (name[end - 1].isspace() or unicodedata.category(name[end - 1])[0] == "P"):
        end -= 1
    return name[:end] or name


def go_on(runtime: Runtime) -> threading.Thread | None:
    """Finish, beside whatever else happens, the erasures that were cut short; None if none was.

    What they are about is served to nobody meanwhile. One that cannot go on waits for the
    next start, or for `decision-ledger erasure resume`.
    """
    waiting = [
        (erasing, each) for erasing in runtime.expiring.erasings for each in erasing.under_way()
    ]
    if not waiting:
        return None

    def finish() -> None:
        for erasing, each in waiting:
            try:
                erasing.resume(each.id)
            except LedgerError as error:
                _log.error("an erasure could not go on: %s", type(error).__name__)

    thread = threading.Thread(target=finish, name="erasures", daemon=True)
    thread.start()
    return thread


def clean_up(runtime: Runtime) -> int:
    """Write both databases anew, so that nothing of what was erased is left in their files.

    Returns how many erasures were waiting for it.

    Raises:
        PushbackError: somebody is in the way; RefusedError: the role does not own the tables.
    """
    waiting = [
        (erasing, each)
        for erasing in runtime.expiring.erasings
        for each in erasing.all()
        if each.stage is Stage.DONE and each.cleaned_at is None
    ]
    ledger, vault = runtime.databases
    rewrite(ledger, LEDGER_TABLES)
    rewrite(vault, VAULT_TABLES)
    for erasing, each in waiting:
        erasing.note_clean([each])
    return len(waiting)


def _listed(codes: Callable[[str], _Code], text: str, member: str) -> _Code:
    try:
        return codes(text)
    except ValueError:
        raise MalformedError("not a code on the list", member=member) from None
