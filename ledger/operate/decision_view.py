"""A recorded decision as values: what the log says of it, and what opening it gives.

Pure: what is read from where is `decisions`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from ledger.commitments import SECTIONS, open_section, verify_opening
from ledger.entries import Decision as DecisionEntry
from ledger.entries import Entry, parse_entry
from ledger.errors import NotFoundError, VerificationError
from ledger.operate.decision import Decision, section_members
from ledger.tlog.proof import Receipt

Status = Literal["recorded", "duplicate"]
"""In the log since now, or since it was first submitted."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision that is in the log: now, or since it was first submitted.

    Attributes:
        id: the record's id.
        seq: the entry's index.
        status: "recorded", or "duplicate" if it was in the log before.
        receipt: the proof, which stands alone.
    """

    id: str
    seq: int
    status: Status
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision as it was logged, opened and checked.

    Attributes:
        id: the record's id.
        seq: the entry's index.
        at: when the log accepted it.
        entry: the entry.
        raw: its bytes.
        payload: what was decided; `model` and `policy` are digests.
        receipt: the proof that the entry is in the log, verified.
    """

    id: str
    seq: int
    at: datetime
    entry: Entry
    raw: bytes
    payload: Decision
    receipt: Receipt


def decision_entry(raw: bytes) -> Entry:
    """The entry of these bytes, if it is a decision's.

    Raises:
        NotFoundError: it is another kind's.
    """
    entry = parse_entry(raw)
    if not isinstance(entry.body, DecisionEntry):
        raise NotFoundError("decision: the entry with this id is not a decision")
    return entry


def check_payload(payload: Decision, entry: Entry, key: bytes) -> None:
    """Return if the payload is the one that the entry committed to.

    Raises:
        VerificationError: it is not; `member` names the section.
    """
    body = cast("DecisionEntry", entry.body)
    stated = (payload.id, payload.model, payload.policy, payload.source)
    if stated != (entry.id, body.model, body.policy, body.source):
        raise VerificationError("decision: the payload belongs to another entry")
    for section in SECTIONS:
        opening = open_section(key, section, section_members(payload, section))
        verify_opening(opening, getattr(body, section))
