"""What was attached to decisions after they were logged, opened with its proof.

An explanation, a notice, a correction, an outcome, attributions that came later: each
is an entry of its own that commits to what it says. Here they are all read the same way.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ledger.commitments import Opening, open_section, verify_opening
from ledger.entries import (
    AttributionsAttached,
    Body,
    Correction,
    Entry,
    ExplanationIssued,
    NoticeIssued,
    OutcomeObserved,
    Review,
    parse_entry,
)
from ledger.operate.key_wrapper import Random
from ledger.operate.log_writer import LogWriter
from ledger.operate.published_log import PublishedLog
from ledger.operate.records import Records
from ledger.operate.sequencer import Clock
from ledger.operate.vault import Vault
from ledger.tlog.proof import Receipt

__all__ = ["Attached", "Attachments"]

_SECTIONS: Final = MappingProxyType[type[Body], str](
    {
        AttributionsAttached: "attributions",
        Correction: "correction",
        ExplanationIssued: "explanation",
        NoticeIssued: "notice",
        OutcomeObserved: "outcome",
        Review: "detail",
    }
)
"""Which member of an entry commits to what it says."""


@dataclass(frozen=True, slots=True)
class Attached:
    """Something about a decision: its entry, the proof of it, and what it says, opened."""

    entry: Entry
    receipt: Receipt
    opening: Opening


class Attachments:
    """What is attached to one log's decisions."""

    def __init__(
        self, log: PublishedLog, writer: LogWriter, vault: Vault, clock: Clock, random: Random
    ) -> None:
        self._log = log
        self._records = Records(log, writer, vault, clock, random)

    def of(self, record_id: str, only: type[Body] | None = None) -> tuple[Attached, ...]:
        """Everything that was attached to a decision, or all of one kind, in the log's order.

        Raises:
            ErasedError: it was destroyed, or is being destroyed.
            VerificationError: what is stored is not what was logged.
        """
        entries = map(parse_entry, self._log.referring(record_id))
        kinds = _SECTIONS.keys() if only is None else {only}
        return tuple(self._opened(each) for each in entries if type(each.body) in kinds)

    def _opened(self, entry: Entry) -> Attached:
        section = _SECTIONS[type(entry.body)]
        members, key = self._records.open(entry.id)
        opening = open_section(key, section, members)
        verify_opening(opening, getattr(entry.body, section))
        return Attached(entry, self._log.receipt(entry.id), opening)
