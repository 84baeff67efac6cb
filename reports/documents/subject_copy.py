"""The copy of everything that is held about one person: what GDPR Art. 15 entitles them to.

Values as a page shows them; the same facts, as they are stored, are in the machine-readable
file beside it. The Court of Justice asks for a faithful and intelligible reproduction of all
the data (C-487/21, 4 May 2023), for the actual recipients (C-154/21, 12 January 2023), and for
dates and purposes of consultations without the staff's identity (C-579/21, 22 June 2023).
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from reports.documents.letter import Contacts
from reports.errors import DocumentError
from reports.texts import check_texts

__all__ = [
    "CopiedDecision",
    "CopiedErasure",
    "CopiedEvent",
    "CopiedItem",
    "CopiedLookup",
    "CopiedModel",
    "Held",
    "SubjectCopy",
]


class Held(StrEnum):
    """What there is about the person."""

    DECISIONS = "decisions"
    ERASED = "erased"  # there was something, and it is gone
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class CopiedItem:
    """One item of information: what was used, where from, and to what it was corrected.

    `points` is its share in the score where the decision was explained; "" otherwise.
    """

    name: str
    label: str
    value: str
    source: str = ""
    points: str = ""
    corrected: str = ""


@dataclass(frozen=True, slots=True)
class CopiedEvent:
    """Something that was done about a decision; `kind` is the log's word, `detail` ours."""

    at: datetime
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CopiedDecision:
    """One decision about the person.

    `decided_by` is who decided, "" if that was not recorded. `unexplained` says why there is
    no explanation, "" if there is one. `weights` is since when the shares of the items are
    known: "at_decision", "later", or "none". `hold` is the ground of a legal hold or of a
    restriction, "" without one. `proof` is the name of the file that proves the entry.
    """

    id: str
    decided_at: datetime
    logged_at: datetime
    index: int
    outcome: str
    decided_by: str
    model: str
    policy: str
    summary: str
    paragraphs: tuple[str, ...]
    reasons: tuple[str, ...]
    helped: tuple[str, ...]
    changes: tuple[str, ...]
    method: str
    limits: tuple[str, ...]
    explained_at: datetime | None
    unexplained: str
    weights: str
    items: tuple[CopiedItem, ...]
    recorded: tuple[CopiedItem, ...]
    events: tuple[CopiedEvent, ...]
    hold: str
    proof: str

    def __post_init__(self) -> None:
        """Hold that it can be printed, and is either explained or says why not."""
        if bool(self.summary) == bool(self.unexplained):
            raise DocumentError("explained, or why not", member="unexplained")
        check_texts(self)


@dataclass(frozen=True, slots=True)
class CopiedModel:
    """A model or a policy in plain words; `data` are the items it uses and their sources."""

    name: str
    purpose: str
    kind: str
    retention: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopiedLookup:
    """That somebody looked: when, what for, in which role, at how many of the decisions."""

    at: datetime
    purpose: str
    role: str
    count: int


@dataclass(frozen=True, slots=True)
class CopiedErasure:
    """That decisions about the person were erased: all that is left to say."""

    id: str
    done: date
    ground: str
    count: int


@dataclass(frozen=True, slots=True)
class SubjectCopy:
    """What the first page says around the decisions.

    `gone` is how many decisions were erased while the copy was made. `pages` are the names of
    the further pages with decisions. `lookups` are the newest of `lookup_count`. `withheld` are
    the items that are held back because they are about somebody else (Art. 15(4)). `recipients`
    are those to whom something was disclosed, None where disclosures are not recorded.
    """

    reference: str
    prepared: date
    received: date
    answer_by: date
    extended_by: date
    contacts: Contacts
    held: Held
    count: int
    gone: int
    first: date | None
    last: date | None
    pages: tuple[str, ...]
    models: tuple[CopiedModel, ...]
    lookups: tuple[CopiedLookup, ...]
    lookup_count: int
    recipients: tuple[str, ...] | None
    erasures: tuple[CopiedErasure, ...]
    withheld: tuple[str, ...]

    def __post_init__(self) -> None:
        """Hold that it says what there is, and can be printed."""
        if (self.held is Held.DECISIONS) != (self.count > 0):
            raise DocumentError("decisions, or none", member="held")
        if self.answer_by > self.extended_by or self.received > self.answer_by:
            raise DocumentError("days out of order", member="answer_by")
        check_texts(self)
