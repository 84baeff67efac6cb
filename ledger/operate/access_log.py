"""The access log: who looked at whose records, and what for.

A log of its own, with its own keys, so that the custodian of one cannot quietly
rewrite the other. Its entries are public, so they hold pseudonyms that change each
month, codes, and a commitment; the list of records and fields is sealed in the
vault. An access is written *before* anything is shown: if it cannot be written, the
error leaves through :meth:`AccessLog.record` and the caller shows nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, cast

from ledger.canonical import JsonValue
from ledger.commitments import commit, open_section, verify_opening
from ledger.entries import Access, AccessDenied, Body, Entry, parse_entry, parse_id
from ledger.errors import ErasedError, MalformedError, NotFoundError
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.roles import Principal

MAX_RECORDS: Final = 100_000  # of one access; an export of more is several
MAX_FIELDS: Final = 1_000  # names in one access
MAX_FIELD_CHARACTERS: Final = 256  # a section, a dot and a member's name
MAX_CASE_CHARACTERS: Final = 200  # the operator's own reference to a case

_SECTION: Final = "access"
_RETENTION_CLASS: Final = "access"


class Purpose(StrEnum):
    """Why somebody looks: a closed list."""

    AUDIT = "audit"
    CASE_HANDLING = "case_handling"
    COMPLAINT = "complaint"
    CONSENT = "consent"
    DATA_SUBJECT_REQUEST = "data_subject_request"
    LEGAL_CLAIMS = "legal_claims"
    MODEL_MONITORING = "model_monitoring"
    PUBLIC_INTEREST = "public_interest"
    REVIEW = "review"
    RIGHTS_OF_ANOTHER = "rights_of_another"
    SUPERVISION = "supervision"


class Manner(StrEnum):
    """How somebody looks: a closed list. That it was denied is the entry's kind."""

    ACT = "act"  # an erasure, a hold: asked for, decided or looked up
    EXPORT = "export"
    PRINT = "print"
    READ = "read"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class AccessDetail:
    """What one entry of the access log is about, opened and checked.

    `records` and `fields` are what was shown, or asked for and denied.
    """

    id: str
    at: datetime
    entry: Entry
    manner: Manner
    records: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """That somebody looked at a person's records, as the person may know it: not who.

    Attributes:
        at: when.
        role: of whoever looked.
        purpose: a `Purpose`.
        manner: how; None if the detail was destroyed at the end of its time.
        denied: whether it was refused.
        records: those of the person's records that were looked at.
        fields: what of them.
    """

    at: datetime
    role: str
    purpose: str
    manner: Manner | None
    denied: bool
    records: tuple[str, ...]
    fields: tuple[str, ...]


class AccessLog:
    """Who read what. `log` is `<base>/log/access`, `writer` writes to it."""

    def __init__(
        self, log: PublishedLog, writer: LogWriter, vault: Vault, clock: Clock, random: Random
    ) -> None:
        self._log = log
        self._vault = vault
        self._clock = clock
        self._records = Records(log, writer, vault, clock, random, sealed_in_vault=True)

    @property
    def log(self) -> PublishedLog:
        """The log itself, for its checkpoint and tiles."""
        return self._log

    def record(
        self,
        principal: Principal,
        *,
        purpose: str,
        case: str,
        records: Sequence[str],
        fields: Sequence[str],
        size: int,
        manner: Manner = Manner.READ,
    ) -> Entry:
        """Log that somebody is about to be shown records. Show nothing unless it returns.

        Args:
            principal: who looks.
            purpose: a `Purpose`.
            case: the operator's reference to the case; "" if there is none.
            records: ids of the records to be shown; () for a search without results.
            fields: what of them is shown, as `input.income`, or whole sections.
            size: how many records the answer has.
            manner: how they look.

        Raises:
            MalformedError: the purpose is not on the list, or a size is out of bounds.
            PushbackError, RefusedError: it could not be written.
        """
        return self._write(
            Access, principal, _Asked(purpose, case, tuple(records), tuple(fields), size, manner)
        )

    def deny(
        self,
        principal: Principal,
        *,
        purpose: str,
        case: str,
        records: Sequence[str],
        fields: Sequence[str],
        manner: Manner = Manner.READ,
    ) -> Entry:
        """Log that somebody asked for records and is refused; arguments as :meth:`record`."""
        return self._write(
            AccessDenied, principal, _Asked(purpose, case, tuple(records), tuple(fields), 0, manner)
        )

    def actor_pseudonym(self, key_id: str, at: datetime) -> str:
        """What entries of the month of `at` call the holder of an API key."""
        return self._vault.pseudonym("actor", key_id, at)

    def case_pseudonym(self, case: str, at: datetime) -> str:
        """What entries of the month of `at` call a case; of "" those that name none."""
        return self._vault.pseudonym("case", case, at)

    def open(self, entry_id: str) -> AccessDetail:
        """What an entry is about, checked against its commitment.

        Raises:
            NotFoundError: there is no such entry.
            ErasedError: the detail was destroyed.
            VerificationError: what is stored is not what was logged.
        """
        entry = parse_entry(self._log.entry(entry_id))
        if not isinstance(entry.body, Access | AccessDenied):
            raise NotFoundError("access log: the entry with this id is not an access")
        members, key = self._records.open(entry_id)
        verify_opening(open_section(key, _SECTION, members), entry.body.access)
        listed = cast("dict[str, list[str]]", members)  # committed to, so as we wrote it
        return AccessDetail(
            entry_id,
            entry.at,
            entry,
            Manner(cast("str", members["manner"])),
            tuple(listed["records"]),
            tuple(listed["fields"]),
        )

    def about(self, record_ids: Collection[str]) -> tuple[Look, ...]:
        """Who looked at these records, oldest first, without saying who: for their person.

        It is found by an index that goes when a record is erased, and each look is checked
        against what was logged. What is shown is for the caller to note, as all else.

        Raises:
            VerificationError: what is stored is not what was logged.
        """
        asked = set(record_ids)
        places = self._log.locate(set(self._vault.looks(asked)))
        looks = (self._look(entry_id, asked) for entry_id in sorted(places, key=places.__getitem__))
        return tuple(look for look in looks if look is not None)

    def _look(self, entry_id: str, asked: Collection[str]) -> Look | None:
        entry = parse_entry(self._log.entry(entry_id))
        body = cast("Access | AccessDenied", entry.body)
        manner, records, fields = None, tuple[str, ...](), tuple[str, ...]()
        try:
            detail = self.open(entry_id)
        except ErasedError:  # at the end of its time
            pass
        else:
            records = tuple(each for each in detail.records if each in asked)
            if not records:  # the index is not the evidence; the entry is
                return None
            manner, fields = detail.manner, detail.fields
        denied = isinstance(body, AccessDenied)
        return Look(entry.at, body.role, body.purpose, manner, denied, records, fields)

    def _write(
        self, kind: type[Access | AccessDenied], principal: Principal, asked: "_Asked"
    ) -> Entry:
        now = self._clock()
        members = asked.members()

        def body(key: bytes) -> Body:
            return kind(
                actor=self._vault.pseudonym("actor", principal.id, now),
                role=principal.role.value,
                purpose=asked.purpose,
                case=self._vault.pseudonym("case", asked.case, now),
                access=commit(key, _SECTION, members),
                size=asked.size,
            )

        holder = self._vault.period_tag(_RETENTION_CLASS, now)
        new = NewRecord(self._records.new_id(), holder, members, body, looked_at=asked.records)
        (place,) = self._records.write([new]).places
        return parse_entry(cast("bytes", place.raw))  # the id is fresh, so it was not there


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody asked to see, and why; checked at birth."""

    purpose: str
    case: str
    records: tuple[str, ...]
    fields: tuple[str, ...]
    size: int
    manner: Manner

    def __post_init__(self) -> None:
        if self.purpose not in set(Purpose):
            raise MalformedError("access log: not a purpose on the list", member="purpose")
        if len(self.case) > MAX_CASE_CHARACTERS:
            raise MalformedError("access log: the case is too long", member="case")
        if len(self.records) > MAX_RECORDS:
            raise MalformedError("access log: too many records", member="records")
        try:
            list(map(parse_id, self.records))
        except MalformedError:
            raise MalformedError("access log: not ids of records", member="records") from None
        longest = max(map(len, self.fields), default=0)
        if len(self.fields) > MAX_FIELDS or longest > MAX_FIELD_CHARACTERS:
            raise MalformedError("access log: too many or too long fields", member="fields")

    def members(self) -> dict[str, JsonValue]:
        """What is committed to and sealed."""
        return {
            "records": list(self.records),
            "fields": list(self.fields),
            "manner": self.manner.value,
        }
