"""The report on one model over one period: what an auditor signs and a regulator reads.

Figures are counts and exact decimals; percentages, intervals and sentences are derived from
them when the page is made, so that no two places of a report can disagree.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from reports.documents.attachment import Attachment
from reports.documents.completeness import Completeness
from reports.documents.model_card import ModelCard
from reports.errors import DocumentError
from reports.texts import check_texts

__all__ = [
    "AuditReport",
    "FairnessTable",
    "FeatureWeight",
    "Finding",
    "GroupOutcome",
    "LogVerification",
    "Month",
    "ReasonCount",
    "Recomputation",
    "RegisterCount",
    "SampledDecision",
    "Signatory",
    "Signature",
]

MAX_SAMPLE: Final = 1_000  # rows of the annex; 19 to a page, more belongs in an attached file
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Month:
    """Decisions of one calendar month; `first` is its first day."""

    first: date
    decisions: int
    approved: int

    def __post_init__(self) -> None:
        """Hold that a part is not more than the whole."""
        if not 0 <= self.approved <= self.decisions:
            raise DocumentError("more approved than decided", member="approved")
        if self.first.day != 1:
            raise DocumentError("is not the first day of a month", member="first")


@dataclass(frozen=True, slots=True)
class FeatureWeight:
    """How far one item moves the score on average: mean absolute contribution, in points."""

    label: str
    points: Decimal


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many adverse decisions gave this reason."""

    code: str
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature on the checkpoint that was found good; `key` is its verifier key's name."""

    key: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class LogVerification:
    """The result of re-deriving the whole log from its entries' bytes.

    `findings` is how many were found; each stands among the report's findings.
    """

    origin: str
    first: int
    last: int
    size: int
    root_hash: bytes
    verified_at: datetime
    signatures: tuple[Signature, ...]
    completeness: Completeness
    findings: int

    def __post_init__(self) -> None:
        """Hold that the range lies under the checkpoint."""
        if not 0 <= self.first <= self.last < self.size:
            raise DocumentError("the checkpoint does not cover the range", member="size")
        if len(self.root_hash) != HASH_BYTES:
            raise DocumentError("is not a SHA-256 hash", member="root_hash")
        if self.verified_at.tzinfo is None:
            raise DocumentError("time has no zone", member="verified_at")


@dataclass(frozen=True, slots=True)
class Recomputation:
    """A random sample of decisions, run again on the archived model.

    `exact` of those that `matched` did so in every digit; `impossible` could not be run.
    `largest` and `tolerance` are in log-odds: the largest difference found between a
    recorded and a recomputed number, and the one that is allowed.
    """

    population: int
    sample: int
    seed: int
    matched: int
    largest: Decimal
    tolerance: Decimal
    exact: int = 0
    impossible: int = 0

    def __post_init__(self) -> None:
        """Hold that a part is not more than the whole."""
        if not 0 <= self.matched <= self.sample <= self.population:
            raise DocumentError("more matched than sampled", member="matched")
        if not 0 <= self.exact <= self.matched <= self.sample - self.impossible:
            raise DocumentError("more identical than matched", member="exact")


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """Decisions about one group of people."""

    group: str
    decisions: int
    approved: int

    def __post_init__(self) -> None:
        """Hold that a part is not more than the whole."""
        if not 0 <= self.approved <= self.decisions:
            raise DocumentError("more approved than decided", member="approved")


@dataclass(frozen=True, slots=True)
class FairnessTable:
    """Outcomes by one trait; `source` says where the trait comes from.

    `reference` is the group that the others are compared with.
    """

    trait: str
    reference: str
    source: str
    groups: tuple[GroupOutcome, ...]

    def __post_init__(self) -> None:
        """Hold that there is exactly one reference group."""
        if [group.group for group in self.groups].count(self.reference) != 1:
            raise DocumentError("reference group is not one of the groups", member="reference")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, who acts on it and by when."""

    code: str
    text: str
    owner: str = ""
    due: date | None = None


@dataclass(frozen=True, slots=True)
class RegisterCount:
    """How often a right was used or granted in the period."""

    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Signatory:
    """A function that signs the report, and its question; the name is written by hand."""

    role: str
    confirms: str


@dataclass(frozen=True, slots=True)
class SampledDecision:
    """One decision of the annex; `reasons` are codes, `leaf_hash` is hexadecimal."""

    index: int
    id: str
    decided_at: datetime
    outcome: str
    score_text: str
    reasons: tuple[str, ...]
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Everything that a report on one model says; `until` is the last day of the period.

    `attachments` are files that go with it.

    Raises:
        DocumentError: a text that cannot be printed, or parts that contradict each other.
    """

    reference: str
    organisation: str
    prepared: date
    since: date
    until: date
    scope: tuple[str, ...]
    card: ModelCard
    months: tuple[Month, ...]
    weights: tuple[FeatureWeight, ...]
    reasons: tuple[ReasonCount, ...]
    verification: LogVerification
    recomputation: Recomputation
    fairness: tuple[FairnessTable, ...]
    findings: tuple[Finding, ...]
    register: tuple[RegisterCount, ...]
    limits: tuple[str, ...]
    signatories: tuple[Signatory, ...]
    sample: tuple[SampledDecision, ...]
    attachments: tuple[Attachment, ...] = ()

    def __post_init__(self) -> None:
        """Hold that the parts agree with each other."""
        if self.since > self.until:
            raise DocumentError("the period ends before it begins", member="until")
        if not self.months or list(self.months) != sorted(self.months, key=lambda m: m.first):
            raise DocumentError("at least one month, in order", member="months")
        if len(self.sample) > MAX_SAMPLE:
            raise DocumentError("sample is too large to print; attach it", member="sample")
        if self.verification.findings > len(self.findings):
            raise DocumentError("findings of the log are not listed", member="findings")
        if any(reason.count > self.declined for reason in self.reasons):
            raise DocumentError("given more often than there were declines", member="reasons")
        check_texts(self)

    @property
    def decisions(self) -> int:
        """How many decisions the period had."""
        return sum(month.decisions for month in self.months)

    @property
    def approved(self) -> int:
        """How many of them were favourable."""
        return sum(month.approved for month in self.months)

    @property
    def declined(self) -> int:
        """How many of them were adverse."""
        return self.decisions - self.approved
