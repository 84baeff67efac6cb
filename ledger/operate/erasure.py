"""Erasures and legal holds as values: the closed lists of reasons, and the stages.

An erasure goes from `requested` by one person to `approved` by another. That is the point
of no return: from there it only goes on, over any number of crashes, to `done`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger.errors import MalformedError

METHOD: Final = "key_destroyed"
"""The `method` of our tombstones: key and payload deleted, what is deleted overwritten."""

MAX_TEXT_CHARACTERS: Final = 500  # of a matter or a hold's ground: a sentence or two, sealed
MAX_OWNER_CHARACTERS: Final = 100


class Ground(StrEnum):
    """Why records are erased: a closed list, after GDPR Art. 17(1) and 58(2)(g)."""

    AUTHORITY_ORDER = "authority_order"
    CHILD_INFORMATION_SERVICE = "child_information_service"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    LEGAL_OBLIGATION = "legal_obligation"
    NO_LONGER_NECESSARY = "no_longer_necessary"
    OBJECTION = "objection"
    UNLAWFUL_PROCESSING = "unlawful_processing"


class Ending(StrEnum):
    """Why records expire, each the ground of its tombstones; no person asks for these."""

    ACCESS_LOG_ENDED = "access_log_ended"
    RETENTION_ENDED = "retention_ended"


class Refusal(StrEnum):
    """Why a request comes to nothing: a closed list, after GDPR Art. 17(3) and 12(2), (5), (6)."""

    ARCHIVING_OR_RESEARCH = "archiving_or_research"
    FREEDOM_OF_EXPRESSION = "freedom_of_expression"
    HOLD_IN_FORCE = "hold_in_force"
    IDENTITY_NOT_SHOWN = "identity_not_shown"
    LEGAL_CLAIMS = "legal_claims"
    LEGAL_OBLIGATION_TO_KEEP = "legal_obligation_to_keep"
    MANIFESTLY_UNFOUNDED = "manifestly_unfounded"
    PUBLIC_HEALTH = "public_health"
    WITHDRAWN = "withdrawn"


class Stage(StrEnum):
    """How far an erasure has come."""

    REQUESTED = "requested"
    APPROVED = "approved"
    GATHERED = "gathered"
    DONE = "done"
    REFUSED = "refused"


UNDER_WAY: Final = (Stage.APPROVED, Stage.GATHERED)
"""The stages that a crash can leave behind, from which it goes on by itself."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request to erase, as it stands.

    Attributes:
        id: its id.
        stage: how far it has come.
        ground: why; an `Ending` makes it a run of retention.
        whole_person: whether it is about all that there was of a person, not single records.
        requester: the credential that asked, and `requester_role` its role.
        approver: the credential that agreed (or refused), and its role; None before.
        size: of the log when the records of the person were listed: all decisions below this
            index are covered, none after it. None before, and for single records.
        reason: why it was refused.
        decisions: how many decisions it is about; for a whole person as many as can be found
            now, until they are listed when it is approved.
        attached: how many records that were attached to them, once they are known.
        held: how many decisions stay because of legal holds.
        cleaned_at: when what the databases' files keep of deleted rows was cleaned up.
    """

    id: str
    stage: Stage
    ground: Ground | Ending
    whole_person: bool
    requester: str
    requester_role: str
    requested_at: datetime
    approver: str | None
    approver_role: str | None
    approved_at: datetime | None
    size: int | None
    done_at: datetime | None
    cleaned_at: datetime | None
    reason: str | None
    decisions: int
    attached: int
    held: int


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """What a legal hold says; it is committed to by the log, and sealed.

    Attributes:
        matter: the matter by name or file number: a named one, never "audit".
        ground: why the records are needed, with the act or the claim.
        owner: the function that answers for it.
        review_at: when it has to be looked at again; aware.
    """

    matter: str
    ground: str
    owner: str
    review_at: datetime

    def __post_init__(self) -> None:
        limits = {"matter": MAX_TEXT_CHARACTERS, "ground": MAX_TEXT_CHARACTERS,
                  "owner": MAX_OWNER_CHARACTERS}  # fmt: skip
        for member, limit in limits.items():
            text = getattr(self, member)
            if not 1 <= len(text.strip()) <= limit or not text.isprintable():
                raise MalformedError(f"hold: not 1 to {limit} printable characters", member=member)
        if self.review_at.tzinfo is None:
            raise MalformedError("hold: a time without a zone", member="review_at")


class Restriction(StrEnum):
    """Why the use of data is restricted: the letters of GDPR Art. 18(1)."""

    ACCURACY_CONTESTED = "accuracy_contested"  # (a)
    UNLAWFUL_PROCESSING = "unlawful_processing"  # (b), and the person wants no erasure
    NEEDED_BY_PERSON = "needed_by_person"  # (c), for legal claims of theirs
    OBJECTION = "objection"  # (d), while it is weighed


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold, or a restriction of use, as it stands, without what is sealed.

    Attributes:
        id: its id.
        entry_id: its entry in the log.
        whole_person: whether it covers all decisions of a person, later ones too.
        records: how many single decisions it names.
        setter: the credential that set it.
        review_at: when it has to be looked at again.
        logged: False while it is not known to be in the log: it is in force all the same.
        releaser: the credential that asked for its release, None if nobody has.
        released_at: when a second person released it, None while it is in force.
        restriction: why use is restricted; None: it is a legal hold.
        informed_at: when the person was told that a restriction is to be lifted.
    """

    id: str
    entry_id: str
    whole_person: bool
    records: int
    setter: str
    set_at: datetime
    review_at: datetime
    logged: bool
    releaser: str | None
    released_at: datetime | None
    restriction: Restriction | None = None
    informed_at: datetime | None = None
