"""Records: entries of a log that have a sealed payload, prepared, handed over and opened.

Preparing one needs no database: its key is fresh, its payload is sealed and committed to.
In which order it is then written is the writer's promise (`group_commit`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.commitments import commit
from ledger.entries import UUID7_RANDOM_BYTES, Body, Entry, UnplacedEntry, parse_entry, uuid7
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter, Record, Submission, Written
from ledger.operate.published_log import PublishedLog, references
from ledger.operate.sequencer import Clock
from ledger.operate.vault import IndexRow, Vault, VaultRow, microseconds
from ledger.sealing import MAX_PAYLOAD_BYTES, NONCE_BYTES, seal, unseal


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to write.

    Attributes:
        id: the record's id, which is its entry's.
        holder: whose it is: a data subject's tag, or a period's (`vault.HeldKey`).
        payload: what is sealed; bytes are canonical JSON already.
        body: makes the entry's body, with commitments under the record's key.
        index: what is to be searchable of it, if anything.
        looked_at: of an entry of the access log, the records that it is about.
    """

    id: str
    holder: bytes
    payload: Mapping[str, JsonValue] | bytes
    body: Callable[[bytes], Body]
    index: IndexRow | None = None
    looked_at: tuple[str, ...] = ()


class Records:
    """The records of one log."""

    def __init__(
        self,
        log: PublishedLog,
        writer: LogWriter,
        vault: Vault,
        clock: Clock,
        random: Random,
        *,
        sealed_in_vault: bool = False,
    ) -> None:
        """The records of `log`.

        Args:
            log: where the entries are.
            writer: writes them.
            vault: where the keys go.
            clock: for ids and months.
            random: for keys, nonces and ids.
            sealed_in_vault: keep payloads in the vault instead of beside the log.
        """
        self._log = log
        self._writer = writer
        self._vault = vault
        self._clock = clock
        self._random = random
        self._sealed_in_vault = sealed_in_vault

    def new_id(self) -> str:
        """A fresh id for a record."""
        unix_ms = microseconds(self._clock()) // 1000
        return uuid7(unix_ms, self._random(UUID7_RANDOM_BYTES))

    def write(
        self, new: Sequence[NewRecord], *, whole: bool = False, after: Sequence[Record] = ()
    ) -> Written:
        """Log those of these records that are new.

        Args:
            new: at least one; in the order in which they are to stand.
            whole: write nothing if one of them is in the log already.
            after: entries without secrets that belong to them, in the same commit.

        Raises:
            MalformedError: a payload is not I-JSON, or too large.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        return self._writer.write(Submission((*map(self._prepared, new), *after), whole))

    def attach(
        self,
        record_id: str,
        section: str,
        content: Mapping[str, JsonValue],
        body: Callable[[bytes], Body],
        *,
        count: int,
    ) -> Entry:
        """Seal something about a record under its holder, and log it.

        The `count`th of its kind has one id, whoever attaches it: of two that come at the
        same time, from other processes even, the second is given what the first attached.

        Args:
            record_id: the record that it is about.
            section: the name that it is committed to under.
            content: what is sealed, each member one field.
            body: makes the entry's body from the commitment.
            count: how many things were attached before.

        Raises:
            ErasedError: the record's key is gone.
            PushbackError, StoppedError: as :meth:`LogWriter.write`.
        """
        new = self.attachment(record_id, section, content, body, count=count)
        (place,) = self.write([new]).places
        return parse_entry(place.raw or self._log.entry(new.id))

    def attachment(
        self,
        record_id: str,
        section: str,
        content: Mapping[str, JsonValue],
        body: Callable[[bytes], Body],
        *,
        count: int,
    ) -> NewRecord:
        """What :meth:`attach` logs, for callers that write many at once.

        Raises:
            ErasedError: the record's key is gone.
        """
        holder = self._vault.key_and_holder(record_id)[1]

        def committed(key: bytes) -> Body:
            return body(commit(key, section, content))

        return NewRecord(attached_id(record_id, section, count), holder, content, committed)

    def open(self, record_id: str) -> tuple[dict[str, JsonValue], bytes]:
        """A record's payload and key. What it commits to is for the caller to check.

        Raises:
            ErasedError: payload or key was destroyed.
            VerificationError: what is stored is not what was sealed.
        """
        key = self._vault.key(record_id)
        where = self._vault.detail if self._sealed_in_vault else self._log.sealed
        payload = unseal(key, self._log.origin, record_id, where(record_id))
        opened = canonical.decode(payload, max_bytes=MAX_PAYLOAD_BYTES)
        return cast("dict[str, JsonValue]", opened), key

    def settle(self) -> None:
        """Note in the vault which records are in the log; discard nothing, wait for nobody."""
        self._vault.settle(self._log.locate(self._vault.unsettled(self._log.origin)))

    def _prepared(self, new: NewRecord) -> Record:
        key, held = self._vault.draw_key(new.id, new.holder)
        body = new.body(key)
        given = new.payload
        payload = given if isinstance(given, bytes) else canonical.encode(given)
        sealed = seal(key, self._log.origin, new.id, payload, self._random(NONCE_BYTES))
        here = self._sealed_in_vault
        return Record(
            id=new.id,
            entry=UnplacedEntry.of(new.id, body),
            references=references(body),
            sealed=None if here else sealed,
            kept=VaultRow(new.id, held, new.index, sealed if here else None, new.looked_at),
        )


def attached_id(record_id: str, section: str, count: int) -> str:
    """The id of what is attached to a decision after `count` other things: a UUIDv7 as good."""
    unix_ms = int(record_id.replace("-", "")[:12], 16)
    digest = hashlib.sha256(f"{section}\n{record_id}\n{count}".encode()).digest()
    return uuid7(unix_ms, digest[:UUID7_RANDOM_BYTES])
