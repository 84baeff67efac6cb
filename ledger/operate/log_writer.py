"""The port through which everything is written to a log, and the values that cross it.

A record is whatever has an entry, with or without a sealed payload and a key. It is
prepared where it arises, which may be another process than the one that writes: what
takes long is done there, and only its place, the proofs and the signatures are left.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from ledger.entries import Body, UnplacedEntry
from ledger.errors import MalformedError
from ledger.operate.published_log import references
from ledger.operate.vault import VaultRow

MAX_RECORDS: Final = 1_000  # of one submission: what a batch over HTTP may have


@dataclass(frozen=True, slots=True)
class Record:
    """An entry to be logged, and everything that is kept because of it.

    Attributes:
        id: the entry's id. A log has it once: submitting it again changes nothing.
        entry: the entry's bytes but for its place.
        references: the ids and digests that it is about (`published_log.references`).
        sealed: its sealed payload, if that is kept beside the log.
        kept: what the vault keeps of it; None for an entry without secrets.
    """

    id: str
    entry: UnplacedEntry
    references: tuple[str, ...] = ()
    sealed: bytes | None = None
    kept: VaultRow | None = None

    @classmethod
    def of(cls, entry_id: str, body: Body) -> "Record":
        """An entry without secrets."""
        return cls(entry_id, UnplacedEntry.of(entry_id, body), references(body))


@dataclass(frozen=True, slots=True)
class Submission:
    """Records for one log, in their order.

    Attributes:
        records: at least one.
        whole: write nothing if one of the ids is in the log already.
    """

    records: tuple[Record, ...]
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse what no writer takes."""
        if not 1 <= len(self.records) <= MAX_RECORDS:
            raise MalformedError(f"submission: not 1 to {MAX_RECORDS:,} records")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands.

    Attributes:
        seq: the entry's index; -1 if it was not written, because the submission was to be
            written whole or not at all.
        raw: its bytes, None if it was there before (or is not there).
        proof: its inclusion proof in the tree of the answer's checkpoint, with `raw`.
    """

    seq: int
    raw: bytes | None = None
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """The places of a submission's records, in its order, and the checkpoint over them."""

    places: tuple[Place, ...]
    note: str


class LogWriter(Protocol):
    """Writes to one log. Safe to share between threads; nothing is acknowledged twice.

    When a method returns, what it says is durable, signed, and remembered by the
    checkpoint lock. Submissions of many callers may share one commit.
    """

    def write(self, submission: Submission) -> Written:
        """Log what is new of a submission.

        Raises:
            MalformedError: an entry is too large.
            ErasedError: a record belongs to one that is gone.
            PushbackError: nothing can be written now. What was submitted may be in the log
                or not; submit the same again later.
            StoppedError: the log has stopped, until its keeper has seen to it.
        """

    def check(self) -> None:
        """Return if the log can, as far as is known, be written.

        Raises:
            PushbackError, StoppedError: as :meth:`write`.
        """
