"""Incidents: what went wrong with the ledger itself, as entries of its logs.

The entry holds a code and a commitment; the detail is sealed like any other record, so
that a sentence about people who decided never enters the log. Whoever must be shown it
gets an opening of the section `detail`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from ledger.canonical import JsonValue
from ledger.commitments import Opening, commit, open_section, verify_opening
from ledger.entries import Body, Entry, Incident, parse_entry
from ledger.errors import NotFoundError
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import NewRecord, Records
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault

__all__ = ["IncidentCode", "IncidentDetail", "Incidents"]

_SECTION: Final = "detail"
_RETENTION_CLASS: Final = "incident"
_MARK: Final = b'"kind":"incident"'  # in canonical JSON: spares reading all the other entries


class IncidentCode(StrEnum):
    """What happened: the codes that this software writes."""

    FORK_ACKNOWLEDGED = "fork_acknowledged"
    FORK_DISMISSED = "fork_dismissed"
    HISTORY_LOST = "history_lost"
    KEYS_COMPROMISED = "keys_compromised"
    MODEL_NOT_REPRODUCED = "model_not_reproduced"
    MODEL_REPRODUCED_AGAIN = "model_reproduced_again"
    VAULT_RECORDS_LOST = "vault_records_lost"


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """One incident, its detail opened and checked against the entry."""

    entry: Entry
    code: str
    members: Mapping[str, JsonValue]
    opening: Opening


class Incidents:
    """The incidents of one log."""

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
        """Write to this log; arguments as of `Records`."""
        self._log = log
        self._writer = writer
        self._vault = vault
        self._clock = clock
        self._random = random
        self._sealed_in_vault = sealed_in_vault

    def record(self, code: IncidentCode, detail: Mapping[str, JsonValue]) -> Entry:
        """The entry that says that this happened, durable; the detail is sealed.

        Raises:
            MalformedError: the detail is not I-JSON, or too large.
            PushbackError, RefusedError: nothing can be written.
        """

        def body(key: bytes) -> Body:
            return Incident(code=code.value, detail=commit(key, _SECTION, detail))

        records = self._records()
        holder = self._vault.period_tag(_RETENTION_CLASS, self._clock())
        new = NewRecord(records.new_id(), holder, detail, body)
        (place,) = records.write([new]).places
        return parse_entry(cast("bytes", place.raw))  # the id is fresh, so it was not there

    def open(self, entry_id: str) -> IncidentDetail:
        """An incident with its detail.

        Raises:
            NotFoundError: there is no incident with this id; ErasedError: its detail is gone.
            VerificationError: what is stored is not what was logged.
        """
        entry = parse_entry(self._log.entry(entry_id))
        if not isinstance(entry.body, Incident):
            raise NotFoundError("incidents: the entry with this id is no incident")
        members, key = self._records().open(entry_id)
        opening = open_section(key, _SECTION, members)
        verify_opening(opening, entry.body.detail)
        return IncidentDetail(entry, entry.body.code, members, opening)

    def all(self) -> tuple[Entry, ...]:
        """Every incident of the log, oldest first; reads the whole log."""
        entries = (parse_entry(raw) for raw in self._log.entries() if _MARK in raw)
        return tuple(entry for entry in entries if isinstance(entry.body, Incident))

    def _records(self) -> Records:
        return Records(
            self._log,
            self._writer,
            self._vault,
            self._clock,
            self._random,
            sealed_in_vault=self._sealed_in_vault,
        )
