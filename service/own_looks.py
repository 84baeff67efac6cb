"""Looks at one's own records, or those of people close to one: declared, and found again.

Who has several keys is one person by their name, so that a new key does not lose what was
declared for the old one. The reference is part of a request only: it is not stored, not
logged and never shown again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.errors import ErasedError, NotFoundError
from ledger.operate.access_log import AccessDetail, Manner
from ledger.roles import Permission
from service.erasing import check_other, holder_name
from service.reading import Caller
from service.runtime import Runtime

__all__ = ["Declared", "Declaring", "own_looks"]

_FIELD: Final = "own_reference"


@dataclass(frozen=True, slots=True)
class Declared:
    """How many references are kept of the holder of a key."""

    key: str
    name: str
    count: int


class Declaring:
    """What one caller declares, for the holders of keys, of one ledger."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime = runtime
        self._caller = caller

    def declare(self, key_id: str, reference: str) -> Declared:
        """Keep that a reference is the own one of a key's holder, or of somebody close to them.

        Raises:
            PermissionRefused: the caller may not review accesses.
            NotFoundError: there is no such key.
            MalformedError: not a reference, or one too many.
        """
        self._note("declared")
        self._check_key(key_id)
        self._runtime.own_references.declare(key_id, reference)
        return self._declared(key_id)

    def withdraw(self, key_id: str, reference: str | None = None) -> Declared:
        """Forget a reference of a key's holder, or all of them.

        Raises:
            PermissionRefused: the caller may not review accesses.
            SecondPersonNeeded: they are the caller's own.
            NotFoundError: there is no such key, or no such reference of it.
        """
        self._note("withdrawn")
        self._check_key(key_id)
        check_other(self._runtime, self._caller.principal, key_id, "they are your own references")
        if not self._runtime.own_references.withdraw(key_id, reference):
            raise NotFoundError("own references: nothing of it is kept of this key")
        return self._declared(key_id)

    def all(self) -> tuple[Declared, ...]:
        """The keys of whose holders something is kept, and how much: never what.

        Raises:
            PermissionRefused: the caller may not review accesses.
        """
        self._note("listed")
        return tuple(map(self._declared, sorted(self._runtime.own_references.counts())))

    def _note(self, what: str) -> None:
        me = self._caller.principal
        me.require(Permission.ACCESSES_REVIEW)
        self._runtime.access_log.record(
            me, purpose=self._caller.purpose, case=self._caller.case, records=(),
            fields=(f"{_FIELD}.{what}",), size=0, manner=Manner.ACT,
        )  # fmt: skip

    def _check_key(self, key_id: str) -> None:
        if key_id not in {each.id for each in self._runtime.api_keys.list()}:
            raise NotFoundError("own references: there is no key with this id")

    def _declared(self, key_id: str) -> Declared:
        names = {each.id: each.name for each in self._runtime.api_keys.list()}
        return Declared(
            key_id, names.get(key_id, ""), self._runtime.own_references.counts().get(key_id, 0)
        )


def own_looks(
    runtime: Runtime, month: datetime, looks: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """Those entries of the access log by which somebody looked at records of their own.

    A look counts when all that it was at is theirs, and an officer's act when any of it is:
    that a list of many shows them too is no look at them.

    Args:
        runtime: the ledger.
        month: a moment of the month whose pseudonyms these are.
        looks: pseudonym of an actor to the ids of the entries.

    Raises:
        VerificationError: what is stored is not what was logged.
    """
    found: set[str] = set()
    for actor, key_ids in _declarers(runtime, month).items():
        among = runtime.own_references.among(key_ids, looks.get(actor, ()))
        for entry_id, own in among.items():
            try:
                detail = runtime.access_log.open(entry_id)  # the index is not the evidence
            except ErasedError:  # at the end of its time
                continue
            if _counts(detail, own):
                found.add(entry_id)
    return frozenset(found)


def _counts(detail: AccessDetail, own: Collection[str]) -> bool:
    theirs = [each in own for each in detail.records]
    return any(theirs) if detail.manner is Manner.ACT else bool(theirs) and all(theirs)


def _declarers(runtime: Runtime, month: datetime) -> Mapping[str, frozenset[str]]:
    """The pseudonym of each key whose holder declared something: the keys it was declared for."""
    keys = {each.id: holder_name(each.name) for each in runtime.api_keys.list()}
    declared = runtime.own_references.counts().keys() & keys.keys()
    by_name = {name: _of(name, keys, declared) for name in {keys[each] for each in declared}}
    return {
        runtime.access_log.actor_pseudonym(key_id, month): by_name[name]
        for key_id, name in keys.items()
        if name in by_name
    }


def _of(name: str, keys: Mapping[str, str], declared: Iterable[str]) -> frozenset[str]:
    return frozenset(each for each in declared if keys[each] == name)
