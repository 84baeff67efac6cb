"""Records: entries of a log that have a sealed payload, written and opened.

The order of writing is what keeps every logged record openable: keys and index rows
are committed to the vault first, then the entry and the sealed payload to the log. A
crash between the two leaves keys of nothing, which the next start sweeps away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.entries import UUID7_RANDOM_BYTES, Body, uuid7
from ledger.errors import ConflictError
from ledger.operate.key_wrapper import Random
from ledger.operate.sequencer import Appended, Clock, Draft, Sequencer
from ledger.operate.vault import DrawnKeys, IndexRow, KeyRequest, Vault, microseconds
from ledger.sealing import MAX_PAYLOAD_BYTES, NONCE_BYTES, seal, unseal


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to write.

    Attributes:
        id: the record's id, which is its entry's.
        holder: whose key its own key is wrapped under (`vault.KeyRequest`).
        payload: what is sealed.
        body: makes the entry's body, with commitments under the record's key.
        index: what is to be searchable of it, if anything.
    """

    id: str
    holder: bytes
    payload: Mapping[str, JsonValue]
    body: Callable[[bytes], Body]
    index: IndexRow | None = None


class Records:
    """The records of one log."""

    def __init__(
        self,
        log: Sequencer,
        vault: Vault,
        clock: Clock,
        random: Random,
        *,
        sealed_in_vault: bool = False,
    ) -> None:
        """Take up the log; what a crash left in the vault is swept away.

        Args:
            log: where the entries go.
            vault: where the keys go.
            clock: for ids and months.
            random: for keys, nonces and ids.
            sealed_in_vault: keep payloads in the vault instead of beside the log.
        """
        self._log = log
        self._vault = vault
        self._clock = clock
        self._random = random
        self._sealed_in_vault = sealed_in_vault
        self._landed: Mapping[str, int] = {}  # in the log, not yet settled in the vault
        self.sweep()

    def new_id(self) -> str:
        """A fresh id for a record."""
        unix_ms = microseconds(self._clock()) // 1000
        return uuid7(unix_ms, self._random(UUID7_RANDOM_BYTES))

    def write(self, new: Sequence[NewRecord]) -> tuple[Appended, ...]:
        """Append these records, all or none. Their ids must not be in the log.

        Raises:
            MalformedError: a payload is not I-JSON, or too large.
            PushbackError, RefusedError: nothing can be written (`Sequencer.append`).
        """
        with self._log.turn():
            requests = [KeyRequest(record.id, record.holder) for record in new]
            drawn = self._vault.draw_keys(requests)
            drafts = [
                self._draft(record, key.key) for record, key in zip(new, drawn.records, strict=True)
            ]
            details: dict[str, bytes] = {}
            if self._sealed_in_vault:
                details = {draft.id: draft.sealed or b"" for draft in drafts}
                drafts = [replace(draft, sealed=None) for draft in drafts]
            self._keep(new, drawn, details)
            appended = self._log.append(drafts)
            self._landed = {each.entry.id: each.entry.seq for each in appended}
            return appended

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

    def sweep(self) -> int:
        """Settle what is in the log, discard the rest; return how many were discarded.

        Nobody was ever answered for those, so nothing is lost.
        """
        with self._log.turn():  # no writer is between its two commits while we look
            unsettled = self._vault.unsettled(self._log.origin)
            places = self._log.locate(unsettled)
            self._vault.settle(places)
            orphans = set(unsettled) - places.keys()
            self._vault.discard(self._log.origin, orphans)
        return len(orphans)

    def _draft(self, record: NewRecord, key: bytes) -> Draft:
        payload = canonical.encode(record.payload)
        nonce = self._random(NONCE_BYTES)
        sealed = seal(key, self._log.origin, record.id, payload, nonce)
        return Draft(record.id, record.body(key), sealed)

    def _keep(
        self, new: Sequence[NewRecord], drawn: DrawnKeys, details: Mapping[str, bytes]
    ) -> None:
        origin = self._log.origin
        index = [record.index for record in new if record.index is not None]

        def keep() -> None:
            self._vault.keep(origin, drawn, index=index, details=details, settled=self._landed)

        try:
            keep()
        except ConflictError:
            # We hold the turn and the log has none of these: an earlier attempt ended
            # between its two commits, and this is the next one.
            self._vault.discard(origin, [record.id for record in new])
            keep()
