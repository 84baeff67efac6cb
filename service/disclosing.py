"""Disclosing chosen fields of chosen records to somebody outside, provably and on record.

The order: it is on the access log, then it is opened, then the log says that it was issued,
then it is handed over. More than a few records take two people: one asks and is given a token,
the other issues the same with it.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.commitments import SECTIONS, Opening
from ledger.entries import parse_entry
from ledger.errors import MalformedError, NotFoundError, SecondPersonNeeded
from ledger.operate.access_log import Manner
from ledger.operate.decision import ABSENT
from ledger.operate.vault import EPOCH, microseconds
from ledger.roles import Permission
from ledger.tlog.proof import Receipt
from ledger.verify.disclosure import (
    EXPORT,
    MANIFEST,
    MAX_DISCLOSED,
    README,
    Ground,
    Manifest,
    Part,
    openings_name,
    pack,
    receipt_name,
)
from ledger.verify.verifier import DisclosedSections
from service.erasing import check_other
from service.reading import EVERYTHING, Caller, Reading
from service.runtime import Runtime

__all__ = ["MAX_ALONE", "Disclosing", "Wanted"]

MAX_ALONE: Final = 20  # records that one person discloses; a case file, not a portfolio
MAX_NAMES: Final = 500  # fields asked for at once
TOKEN_LIFE: Final = timedelta(days=7)  # for the second person to agree


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be disclosed, to whom and why; checked at birth.

    Attributes:
        records: ids of decisions.
        fields: as `input.income`, or a whole section: `output`, `explanation`.
        recipient: who gets it.
        ground: a `Ground`.
        purpose: what for, in a sentence.
    """

    records: tuple[str, ...]
    fields: tuple[str, ...]
    recipient: str
    ground: str
    purpose: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.records) <= MAX_DISCLOSED:
            raise MalformedError(f"not 1 to {MAX_DISCLOSED} records", member="records")
        if not 1 <= len(self.fields) <= MAX_NAMES:
            raise MalformedError(f"not 1 to {MAX_NAMES} fields", member="fields")
        known = {*SECTIONS, Part.EXPLANATION.value}
        if any(each.partition(".")[0] not in known for each in self.fields):
            raise MalformedError(f"a field begins with {', '.join(sorted(known))}", member="fields")
        if self.ground not in set(Ground):
            raise MalformedError("not a code on the list", member="ground")

    def digest(self) -> bytes:
        """What stands for all of it."""
        said = [sorted(self.records), sorted(self.fields)]
        return hashlib.sha256(
            canonical.encode([*said, self.recipient, self.ground, self.purpose])
        ).digest()


class Disclosing:
    """What one caller discloses of one ledger."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime = runtime
        self._caller = caller

    def ask(self, wanted: Wanted) -> str:
        """A token with which another person issues exactly this within a week.

        Raises:
            PermissionRefused: the caller may not disclose.
        """
        me = self._caller.principal
        me.require(Permission.DISCLOSURES_ISSUE)
        self._note(wanted.records, ("disclosure.requested",), Manner.ACT)
        until = microseconds(self._runtime.clock() + TOKEN_LIFE)
        return f"{me.id}.{until}.{self._mac(me.id, until, wanted)}"

    def issue(self, wanted: Wanted, token: str = "") -> tuple[Manifest, bytes]:
        """The package, logged as issued, and what it says of itself.

        Raises:
            PermissionRefused: the caller may not disclose.
            SecondPersonNeeded: it is of many records, and nobody else asked for exactly this.
            MalformedError: a field is not there, it is too large, or a check of an explanation
                that was asked for failed.
            NotFoundError, ErasedError, RestrictedError: a record cannot be disclosed.
        """
        self._caller.principal.require(Permission.DISCLOSURES_ISSUE)
        if len(wanted.records) > MAX_ALONE or token:
            self._check_agreed(wanted, token)
        self._note(wanted.records, wanted.fields, Manner.EXPORT)
        disclosures = self._runtime.disclosures
        files: dict[str, bytes] = {}
        parts = {}
        for record in sorted(set(wanted.records)):
            found = dict(self._parts(record, wanted.fields))
            for part, (receipt, openings) in found.items():
                shown = DisclosedSections(parse_entry(receipt.entry).id, openings)
                files[receipt_name(record, part)] = receipt.format().encode()
                files[openings_name(record, part)] = _readable(shown)
            parts[record] = tuple(sorted(found))
        origin = self._runtime.logs["decisions"].origin
        files[README] = _readme(origin).encode()
        manifest = Manifest(
            id=disclosures.new_id(),
            origin=origin,
            issued_at=f"{self._runtime.clock():%Y-%m-%dT%H:%M:%SZ}",
            recipient=wanted.recipient,
            ground=Ground(wanted.ground),
            purpose=wanted.purpose,
            records=parts,
            files={name: hashlib.sha256(each).hexdigest() for name, each in files.items()},
        )
        pack(files)  # refused before it is logged if it is too large
        files[MANIFEST] = manifest.to_bytes()
        files[EXPORT] = disclosures.issue(manifest).format().encode()
        return manifest, pack(files)

    def choices(self, record: str) -> Mapping[str, Mapping[str, JsonValue]]:
        """What can be shown of a decision: of each section the fields, with their values.

        Raises:
            PermissionRefused: the caller may not disclose.
            NotFoundError, ErasedError, RestrictedError: it cannot be disclosed.
        """
        self._caller.principal.require(Permission.DISCLOSURES_ISSUE)
        self._note((record,), (*EVERYTHING, Part.EXPLANATION.value), Manner.READ)
        decisions = self._runtime.decisions
        found = {each.section: each.disclosed() for each in decisions.openings(record)}
        if found["attributions"] == ABSENT:
            with suppress(NotFoundError):  # they are still to be worked out
                found["attributions"] = self._runtime.attributions.evidence(record)[1].disclosed()
        evidence = decisions.explanation_evidence(record)
        if evidence is not None and _told(evidence[1]):
            found[Part.EXPLANATION.value] = evidence[1].disclosed()
        return found

    def about(self, record: str) -> tuple[tuple[datetime, Manifest], ...]:
        """To whom a decision was disclosed, when and what for, oldest first."""
        self._caller.principal.require(Permission.DISCLOSURES_READ)
        self._note((record,), ("disclosures",), Manner.READ)
        return self._runtime.disclosures.about([record])

    def _note(self, records: Sequence[str], fields: Sequence[str], manner: Manner) -> None:
        Reading(self._runtime, self._caller).note(records, fields, manner=manner)

    def _parts(
        self, record: str, fields: Collection[str]
    ) -> Iterator[tuple[Part, tuple[Receipt, tuple[Opening, ...]]]]:
        decisions, later = self._runtime.decisions, self._runtime.attributions
        opened = {each.section: each for each in decisions.openings(record)}
        wanted = _by_section(fields)
        if Part.EXPLANATION.value in wanted:
            told = wanted.pop(Part.EXPLANATION.value)
            evidence = decisions.explanation_evidence(record)
            if evidence is None:
                raise NotFoundError("no explanation was issued for a decision")
            if not _told(evidence[1]):
                raise MalformedError(
                    "a check of an explanation failed, so a person has to write it:"
                    " disclose without the explanation",
                    member=Part.EXPLANATION.value,
                )
            yield Part.EXPLANATION, (evidence[0], (_narrowed(evidence[1], told),))
        if "attributions" in wanted and opened["attributions"].disclosed() == ABSENT:
            try:
                receipt, opening = later.evidence(record)
            except NotFoundError:
                raise NotFoundError("attributions of a decision are still worked out") from None
            yield Part.ATTRIBUTIONS, (receipt, (_narrowed(opening, wanted.pop("attributions")),))
        if wanted:
            receipt = self._runtime.logs["decisions"].receipt(record)
            narrowed = [_narrowed(opened[name], names) for name, names in wanted.items()]
            yield Part.DECISION, (receipt, tuple(narrowed))

    def _check_agreed(self, wanted: Wanted, token: str) -> None:
        asked_by, _, rest = token.partition(".")
        until, _, mac = rest.partition(".")
        good = until.isascii() and until.isdigit() and len(until) <= _DIGITS
        if not good or self._mac(asked_by, int(until), wanted) != mac:
            raise SecondPersonNeeded(
                f"more than {MAX_ALONE} records: another officer has to ask for exactly this first"
            )
        if EPOCH + timedelta(microseconds=int(until)) < self._runtime.clock():
            raise SecondPersonNeeded("that was asked for too long ago")
        check_other(self._runtime, self._caller.principal, asked_by)

    def _mac(self, asked_by: str, until: int, wanted: Wanted) -> str:
        statement = canonical.encode([asked_by, until, wanted.digest().hex()])
        return self._runtime.disclosures.token(statement)


_DIGITS: Final = 16  # of microseconds until long after any of this


def _by_section(fields: Iterable[str]) -> dict[str, set[str] | None]:
    """The names wanted of each section; None for all of them."""
    found: dict[str, set[str] | None] = {}
    for each in sorted(fields):
        section, dot, name = each.partition(".")
        if not dot:
            found[section] = None
            continue
        names = found.setdefault(section, set())
        if names is not None:
            names.add(name)
    return found


def _narrowed(opening: Opening, names: Collection[str] | None) -> Opening:
    try:
        return opening if names is None else opening.only(names)
    except MalformedError:
        raise MalformedError(
            "a field to disclose is not in one of the records", member=opening.section
        ) from None


def _told(explanation: Opening) -> bool:
    """Whether every check of an explanation passed, so that its words may go out."""
    return explanation.disclosed().get("automatic_text_allowed") is True


def _readable(shown: DisclosedSections) -> bytes:
    return (json.dumps(shown.to_json(), indent=1, ensure_ascii=False) + "\n").encode()


def _readme(origin: str) -> str:
    return _README.format(origin=origin)


_README: Final = """\
A disclosure from the decision log {origin}

These files show chosen fields of chosen decisions, and let you check that exactly these
values were logged, without seeing any others. disclosure.json says who it is for, on which
ground and what for; the log has its digest.

To check it, you need

1. policy.txt: the public keys of the log and of whoever watches it. Get it another way than
   with this file, for instance from the published address of the log.
2. the verifier, which needs Python and nothing of the operator:

       pip install decision-ledger
       python -m ledger.verify THIS-FILE.zip --policy policy.txt

It prints every value that was shown, and what it checked. Exit status: 0 fine, 1 something
does not agree, 2 it could not be checked.

In records/, each .json holds the disclosed fields with their salts; all others are digests,
which say nothing about their values. Each .tlog-proof is the proof of the entry (C2SP
tlog-proof). This is personal data: keep it for the stated purpose, and no longer.
"""
