"""Does the log say that a record is gone? Every door asks before it opens anything.

A tombstone is logged before anything is destroyed, so that from its commit on nobody is
shown what it names, and nothing more can be attached to it.
"""

from collections.abc import Iterable

from ledger.entries import Entry, parse_entry
from ledger.entries.identifiers import UUID7_PATTERN
from ledger.errors import ErasedError
from ledger.operate.log_writer import Record
from ledger.operate.published_log import PublishedLog
from ledger.operate.tombstones import MARKS, entombed

__all__ = ["check_attachable", "check_standing", "tombstone_of"]


def tombstone_of(log: PublishedLog, record_id: str) -> Entry | None:
    """The first entry that says that the record is gone; None if none does.

    Raises:
        VerificationError: what is stored is not what was logged: raise the alarm.
    """
    for raw in log.referring(record_id):
        if any(mark in raw for mark in MARKS):
            entry = parse_entry(raw)
            if record_id in entombed(entry):
                return entry
    return None


def check_standing(log: PublishedLog, record_id: str) -> None:
    """Return if the log does not say that the record is gone.

    Raises:
        ErasedError: it does, with the tombstone.
        VerificationError: what is stored is not what was logged: raise the alarm.
    """
    entry = tombstone_of(log, record_id)
    if entry is None:
        return
    raise ErasedError(
        "this record was erased and its key destroyed",
        tombstone={
            "log": log.origin,
            "seq": entry.seq,
            "id": entry.id,
            "kind": str(entry.body.kind),
            "at": entry.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "ground": str(getattr(entry.body, "ground", "")),
        },
    )


def check_attachable(log: PublishedLog, fresh: Iterable[Record]) -> None:
    """Return if none of these new records belongs to one that is gone.

    Expects the log's turn: a tombstone must not come between this and the commit. Without
    it, what is attached while its decision is being erased would outlive it.

    Raises:
        ErasedError: one does.
    """
    for record in fresh:
        if record.kept is not None:
            for reference in record.references:
                if UUID7_PATTERN.fullmatch(reference):  # others are digests of models
                    check_standing(log, reference)
