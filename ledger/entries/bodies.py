"""What each kind of entry says: one frozen type per kind, its members exactly.

The table is `docs/formats.md` §2. A type is never edited once released: a new
meaning is a new kind. Commitments open only with keys that live outside the log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar

from ledger.entries.forms import (
    Code,
    Commitment,
    Count,
    Digest,
    Id,
    Members,
    Moment,
    NestedForm,
    Origin,
    Pseudonym,
    Records,
    Software,
    SourceId,
    TextForm,
    Vkeys,
)
from ledger.entries.kind import Kind
from ledger.errors import MalformedError

Status = Annotated[str, TextForm(re.compile(r"approved|promoted|suspended|retired"))]
"""The stages of a model version's life."""


@dataclass(frozen=True, slots=True)
class Body(Members):
    """What an entry says, without the envelope that every entry has."""

    kind: ClassVar[Kind]


@dataclass(frozen=True, slots=True)
class LogCreated(Body):
    """The log begins: its name, its keys, and the program that writes it. Always index 0."""

    kind: ClassVar[Kind] = Kind.LOG_CREATED
    origin: Origin
    vkeys: Vkeys
    software: Software


@dataclass(frozen=True, slots=True)
class LogKeyRotated(Body):
    """The log changes its keys; checkpoints of the overlap are signed by old and new."""

    kind: ClassVar[Kind] = Kind.LOG_KEY_ROTATED
    old_vkeys: Vkeys
    new_vkeys: Vkeys


@dataclass(frozen=True, slots=True)
class ModelVersionRegistered(Body):
    """A model version exists; `model` is the SHA-256 of its manifest's canonical JSON."""

    kind: ClassVar[Kind] = Kind.MODEL_VERSION_REGISTERED
    model: Digest


@dataclass(frozen=True, slots=True)
class ModelVersionStatus(Body):
    """A model version enters a stage of its life."""

    kind: ClassVar[Kind] = Kind.MODEL_VERSION_STATUS
    model: Digest
    status: Status


@dataclass(frozen=True, slots=True)
class ModelVersionAct(Body):
    """Somebody asked for a stage of a model version, agreed, refused, or put it there.

    Who and why is committed to. An entry of the stage itself is what moves the version.
    """

    kind: ClassVar[Kind] = Kind.MODEL_VERSION_ACT
    model: Digest
    act: Code
    detail: Commitment


@dataclass(frozen=True, slots=True)
class PolicyRegistered(Body):
    """A decision policy exists: SHA-256 of cut-offs, rules and reason-code map."""

    kind: ClassVar[Kind] = Kind.POLICY_REGISTERED
    policy: Digest


@dataclass(frozen=True, slots=True)
class SourceCounter(Members):
    """Which system made a prediction, and its own count of predictions so far.

    The counter rises by one per prediction, so a prediction that was never logged
    leaves a visible gap.
    """

    id: SourceId
    seq: Count


_Source = Annotated[SourceCounter, NestedForm(SourceCounter)]


@dataclass(frozen=True, slots=True)
class Decision(Body):
    """A model decided. The four sections of the payload are there as commitments only."""

    kind: ClassVar[Kind] = Kind.DECISION
    model: Digest
    policy: Digest
    source: _Source
    input: Commitment
    output: Commitment
    attributions: Commitment
    context: Commitment


@dataclass(frozen=True, slots=True)
class AttributionsAttached(Body):
    """Attributions were worked out after the decision was logged."""

    kind: ClassVar[Kind] = Kind.ATTRIBUTIONS_ATTACHED
    decision: Id
    attributions: Commitment


@dataclass(frozen=True, slots=True)
class ExplanationIssued(Body):
    """An explanation was given; the template and the catalogue it was written with."""

    kind: ClassVar[Kind] = Kind.EXPLANATION_ISSUED
    decision: Id
    explanation: Commitment
    template: Digest
    catalogue: Digest


@dataclass(frozen=True, slots=True)
class NoticeIssued(Body):
    """A notice went out; the template and the catalogue it was written with."""

    kind: ClassVar[Kind] = Kind.NOTICE_ISSUED
    decision: Id
    notice: Commitment
    template: Digest
    catalogue: Digest


@dataclass(frozen=True, slots=True)
class Correction(Body):
    """A decision's payload was corrected. The decision itself stays as it was logged."""

    kind: ClassVar[Kind] = Kind.CORRECTION
    decision: Id
    correction: Commitment


@dataclass(frozen=True, slots=True)
class Review(Body):
    """The review of a decision by people reached a state."""

    kind: ClassVar[Kind] = Kind.REVIEW
    decision: Id
    state: Code
    detail: Commitment


@dataclass(frozen=True, slots=True)
class OutcomeObserved(Body):
    """Somebody saw later what became of a decision; which outcome it was is committed to."""

    kind: ClassVar[Kind] = Kind.OUTCOME_OBSERVED
    decision: Id
    outcome: Commitment


@dataclass(frozen=True, slots=True)
class HoldSet(Body):
    """A legal hold begins; its matter, scope and ground are committed to."""

    kind: ClassVar[Kind] = Kind.HOLD_SET
    hold: Id
    detail: Commitment


@dataclass(frozen=True, slots=True)
class HoldReleased(Body):
    """A legal hold ends."""

    kind: ClassVar[Kind] = Kind.HOLD_RELEASED
    hold: Id
    detail: Commitment


@dataclass(frozen=True, slots=True)
class Erased(Body):
    """A tombstone: payloads and keys of these records were destroyed on request."""

    kind: ClassVar[Kind] = Kind.ERASED
    records: Records
    ground: Code
    method: Code
    approver_role: Code


@dataclass(frozen=True, slots=True)
class Expired(Body):
    """A tombstone: payloads and keys of these records were destroyed at the end of their time."""

    kind: ClassVar[Kind] = Kind.EXPIRED
    records: Records
    ground: Code
    method: Code
    approver_role: Code


@dataclass(frozen=True, slots=True)
class SourceRegistered(Body):
    """A source of predictions exists; `first` is the count its first prediction will carry."""

    kind: ClassVar[Kind] = Kind.SOURCE_REGISTERED
    source: SourceId
    first: Count


@dataclass(frozen=True, slots=True)
class SourceGap(Body):
    """A source says which predictions it did not log, first and last included, and why."""

    kind: ClassVar[Kind] = Kind.SOURCE_GAP
    source: SourceId
    first: Count
    last: Count
    reason: Code

    def __post_init__(self) -> None:
        # Not super(): the class that slots=True makes is not the one super() would name.
        Members.__post_init__(self)
        if self.last < self.first:
            raise MalformedError("entry: a gap ends before it begins", member="last")


@dataclass(frozen=True, slots=True)
class SourceTotal(Body):
    """A source says how many predictions carry the counters from `first` to `last`, both included.

    What the log holds of them is worked out by whoever reads it.
    """

    kind: ClassVar[Kind] = Kind.SOURCE_TOTAL
    source: SourceId
    first: Count
    last: Count
    count: Count

    def __post_init__(self) -> None:
        Members.__post_init__(self)
        if self.last < self.first:
            raise MalformedError("entry: a total ends before it begins", member="last")
        if self.count > self.last - self.first + 1:
            raise MalformedError("entry: a total of more than there are counters", member="count")


@dataclass(frozen=True, slots=True)
class SourcePeriodTotal(Body):
    """A source says how many predictions it made from `since` on and before `until`.

    `source` may be the name that several lanes share. When a decision was made is not in
    the log, so only its keeper can compare.
    """

    kind: ClassVar[Kind] = Kind.SOURCE_PERIOD_TOTAL
    source: SourceId
    since: Moment
    until: Moment
    count: Count

    def __post_init__(self) -> None:
        Members.__post_init__(self)
        if self.until <= self.since:
            raise MalformedError("entry: a period ends before it begins", member="until")


@dataclass(frozen=True, slots=True)
class ExportIssued(Body):
    """A bundle was handed over; the SHA-256 of its manifest."""

    kind: ClassVar[Kind] = Kind.EXPORT_ISSUED
    manifest: Digest


@dataclass(frozen=True, slots=True)
class Incident(Body):
    """Something went wrong; a code for what, a commitment to the detail."""

    kind: ClassVar[Kind] = Kind.INCIDENT
    code: Code
    detail: Commitment


@dataclass(frozen=True, slots=True)
class Access(Body):
    """Somebody read records (access log).

    `actor` and `case` are pseudonyms under a key that changes each period, so that
    readers of the log can count and group without learning who or which case.
    `access` commits to the list of records and fields; `size` is how many records.
    """

    kind: ClassVar[Kind] = Kind.ACCESS
    actor: Pseudonym
    role: Code
    purpose: Code
    case: Pseudonym
    access: Commitment
    size: Count


@dataclass(frozen=True, slots=True)
class AccessDenied(Body):
    """Somebody asked for records and was refused (access log); members as in Access."""

    kind: ClassVar[Kind] = Kind.ACCESS_DENIED
    actor: Pseudonym
    role: Code
    purpose: Code
    case: Pseudonym
    access: Commitment
    size: Count


BODIES: Mapping[str, type[Body]] = MappingProxyType(
    {
        str(body.kind): body
        for body in (
            *(LogCreated, LogKeyRotated, ModelVersionRegistered, ModelVersionStatus),
            *(PolicyRegistered, Decision, AttributionsAttached, ExplanationIssued),
            *(NoticeIssued, Correction, Review, HoldSet, HoldReleased, Erased, Expired),
            *(SourceRegistered, SourceGap, SourceTotal, SourcePeriodTotal),
            *(ExportIssued, Incident, Access, AccessDenied, ModelVersionAct, OutcomeObserved),
        )
    }
)
"""Every kind's type, by the text of its `kind`."""
