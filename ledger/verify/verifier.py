"""Checks what one person holds: a receipt of an entry, and openings of its sections.

Everything returns what was proved or raises; nothing returns a yes or no that could be
overlooked. Whole logs are `ledger.verify.audit`. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger import canonical
from ledger.canonical import JsonValue
from ledger.commitments import Opening, verify_opening
from ledger.entries import Entry, parse_entry, parse_id
from ledger.errors import InconsistencyError, MalformedError, VerificationError
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import verify_consistency
from ledger.tlog.policy import Policy
from ledger.tlog.proof import Receipt

MAX_OPENINGS_BYTES = 16 * 1024 * 1024  # four sections of a record of at most 8 MiB, with salts
MAX_OPENINGS = 64  # sections of one entry; a decision has four


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """An entry that stands in a log under a checkpoint that the policy accepts.

    Attributes:
        entry: the entry.
        raw: its bytes, which were proved.
        checkpoint: the signed head under which it stands.
    """

    entry: Entry
    raw: bytes
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class DisclosedSections:
    """A file of openings: which entry they are of, and the openings.

    As JSON: {`decision`: the entry's id, `openings`: [`Opening.to_json`, …]}.
    """

    decision: str
    openings: tuple[Opening, ...]

    def __post_init__(self) -> None:
        parse_id(self.decision)
        if not 1 <= len(self.openings) <= MAX_OPENINGS:
            raise MalformedError("openings: none, or too many")
        if len({opening.section for opening in self.openings}) != len(self.openings):
            raise MalformedError("openings: one section twice")

    def to_json(self) -> dict[str, JsonValue]:
        """The file's content."""
        return {
            "decision": self.decision,
            "openings": [opening.to_json() for opening in self.openings],
        }

    @classmethod
    def parse(cls, data: bytes) -> "DisclosedSections":
        """Read a file of openings, in any layout of JSON.

        Raises:
            MalformedError: it is not one.
        """
        document = canonical.parse(data, max_bytes=MAX_OPENINGS_BYTES)
        if not isinstance(document, Mapping) or document.keys() != {"decision", "openings"}:
            raise MalformedError(
                "openings: not an object of decision and openings alone, as in openings.json"
            )
        decision, openings = document["decision"], document["openings"]
        if not isinstance(decision, str) or not isinstance(openings, list):
            raise MalformedError("openings: decision is not an id or openings not an array")
        return cls(decision, tuple(Opening.from_json(opening) for opening in openings))


def verify_receipt(text: str, policy: Policy) -> VerifiedReceipt:
    """The entry that a receipt proves to be in a log.

    Raises:
        MalformedError: the text is not a receipt.
        SignatureError: the policy does not accept its checkpoint.
        InclusionError, RootMismatchError: the entry is not in the tree that was signed.
        VerificationError: it is, but is not an entry that belongs there.
    """
    receipt = Receipt.parse(text)
    checkpoint = policy.check(receipt.checkpoint_note)
    receipt.verify_inclusion(checkpoint)
    return VerifiedReceipt(logged_entry(receipt.entry, receipt.index), receipt.entry, checkpoint)


def logged_entry(raw: bytes, index: int) -> Entry:
    """The entry of bytes that were proved to be in a log at this index.

    Raises:
        VerificationError: they are not an entry that belongs there.
    """
    try:
        entry = parse_entry(raw)
    except MalformedError as error:  # proved to be in the log: the log is at fault
        raise VerificationError(f"what was logged is not an entry: {error}") from error
    if entry.seq != index:
        raise VerificationError("the entry says that it stands elsewhere in the log", member="seq")
    return entry


def verify_opening_of(entry: Entry, opening: Opening) -> None:
    """Return if the opening opens the entry's own commitment of that section.

    Raises:
        VerificationError: the entry commits to no such section, or to other values.
    """
    commitment = getattr(entry.body, opening.section, None)
    # Commitments are the only members that are bytes.
    if not isinstance(commitment, bytes):
        raise VerificationError(
            f"the entry commits to no section {opening.section}", member=opening.section
        )
    verify_opening(opening, commitment)


def verify_disclosed(entry: Entry, disclosed: DisclosedSections) -> None:
    """Return if every opening of a file opens the entry's own commitments.

    Raises:
        VerificationError: the file is of another entry, or an opening does not fit.
    """
    if disclosed.decision != entry.id:
        raise VerificationError("the openings are of another entry", member="decision")
    for opening in disclosed.openings:
        verify_opening_of(entry, opening)


def verify_growth(older: str, newer: str, proof: tuple[bytes, ...], policy: Policy) -> None:
    """Return if a signed head grew from an older one of the same log: nothing was rewritten.

    Raises:
        MalformedError: a note is not a checkpoint.
        SignatureError: the policy does not accept a note.
        InconsistencyError: no history explains both; the error holds the evidence.
    """
    before, after = policy.check(older), policy.check(newer)
    if before.origin != after.origin:
        raise MalformedError("the two checkpoints are of different logs")
    try:
        verify_consistency(before.size, after.size, before.root_hash, after.root_hash, proof)
    except InconsistencyError as error:
        raise InconsistencyError(str(error), older=older, newer=newer, proof=proof) from error
