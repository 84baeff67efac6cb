"""Disclosures that were issued: each an entry `export_issued`, its manifest sealed.

The log has the digest of the manifest alone. Who got what is sealed under a key of its month,
and found by record, because the person may ask for the recipients (GDPR Art. 15(1)(c)) and
recipients have to be told of an erasure (Art. 19).
"""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import cast

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.entries import Body, ExportIssued, parse_entry
from ledger.errors import NotFoundError, VerificationError
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.tlog.proof import Receipt
from ledger.verify.disclosure import MAX_MANIFEST_BYTES, Manifest

_RETENTION_CLASS = "disclosure"


class Disclosures:
    """The disclosures of one log's records."""

    def __init__(
        self, log: PublishedLog, writer: LogWriter, vault: Vault, clock: Clock, random: Random
    ) -> None:
        self._log = log
        self._vault = vault
        self._clock = clock
        self._records = Records(log, writer, vault, clock, random)

    def new_id(self) -> str:
        """A fresh id for a disclosure."""
        return self._records.new_id()

    def token(self, statement: bytes) -> str:
        """What shows to us later that we said this, about a disclosure; as `Vault.token`."""
        return self._vault.token(_RETENTION_CLASS, statement)

    def issue(self, manifest: Manifest) -> Receipt:
        """Log that this was issued; hand nothing over unless it returns.

        Raises:
            PushbackError, RefusedError: it could not be written.
        """
        raw = manifest.to_bytes()
        content = cast("dict[str, JsonValue]", canonical.decode(raw, max_bytes=MAX_MANIFEST_BYTES))

        def body(_key: bytes) -> Body:
            return ExportIssued(hashlib.sha256(raw).hexdigest())

        holder = self._vault.period_tag(_RETENTION_CLASS, self._clock())
        looked_at = tuple(manifest.records)
        self._records.write(
            [NewRecord(manifest.id, holder, content, body, looked_at=looked_at)], whole=True
        )
        return self._log.receipt(manifest.id)

    def read(self, disclosure_id: str) -> tuple[datetime, Manifest]:
        """When the log took a disclosure, and its manifest, checked against the log.

        Raises:
            NotFoundError: there is none with this id.
            ErasedError: the manifest was destroyed.
            VerificationError: what is stored is not what was logged.
        """
        entry = parse_entry(self._log.entry(disclosure_id))
        if not isinstance(entry.body, ExportIssued):
            raise NotFoundError("disclosures: the entry with this id is none")
        raw = canonical.encode(self._records.open(disclosure_id)[0])
        if hashlib.sha256(raw).hexdigest() != entry.body.manifest:
            raise VerificationError("disclosures: the manifest is not the one that was logged")
        return entry.at, Manifest.parse(raw)

    def about(self, record_ids: Collection[str]) -> tuple[tuple[datetime, Manifest], ...]:
        """The disclosures of one of these records, oldest first."""
        places = self._log.locate(set(self._vault.looks(record_ids)))
        return tuple(map(self.read, sorted(places, key=places.__getitem__)))

    def recipients(self, record_ids: Collection[str]) -> tuple[str, ...]:
        """To whom something of these records was disclosed, each once, in the order of names."""
        return tuple(sorted({manifest.recipient for _, manifest in self.about(record_ids)}))
