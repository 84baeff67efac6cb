"""The letter that explains one decision to the person it is about.

Content and order follow GDPR Art. 15(1)(h) and 22(3) as the Court of Justice reads them
(C-203/22, 27 February 2025: the procedure and principles actually applied, in plain words)
and, for United States credit, the adverse action notice of Regulation B (12 CFR 1002.9).
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from explain.explanation import Explanation
from reports.errors import DocumentError
from reports.texts import check_texts

__all__ = [
    "ConsumerReport",
    "Contact",
    "Contacts",
    "DecidedBy",
    "InputUsed",
    "LedgerPlace",
    "LetterDecision",
    "Organisation",
    "Regime",
    "SubjectLetter",
]

MAX_INPUTS: Final = 500  # items in the annex; a model that uses more needs another document
HASH_BYTES: Final = 32


class Regime(StrEnum):
    """The law whose rights a letter states; a letter may serve several."""

    AI_ACT = "ai_act"  # European Union, Regulation (EU) 2024/1689
    CCD2 = "ccd2"  # European Union, Directive (EU) 2023/2225 on consumer credit
    ECOA = "ecoa"  # United States, Equal Credit Opportunity Act and Regulation B
    GDPR = "gdpr"  # European Union, General Data Protection Regulation


class DecidedBy(StrEnum):
    """Who decided: what GDPR Art. 22(1) asks first."""

    ADVISORY = "advisory"  # a person decided and saw the model's score
    DETERMINATIVE = "determinative"  # a person decided, drawing strongly on the score
    SOLE = "sole"  # the model and the rules alone


@dataclass(frozen=True, slots=True)
class Organisation:
    """A body and where it can be written to; `address` is one line of the envelope each."""

    name: str
    address: tuple[str, ...]
    telephone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """An office that answers, by its function and not by a person's name."""

    name: str
    telephone: str = ""
    email: str = ""

    def __post_init__(self) -> None:
        """Hold that there is a way to reach it."""
        if not (self.telephone or self.email):
            raise DocumentError("a contact needs a telephone number or an address", member="email")


@dataclass(frozen=True, slots=True)
class ConsumerReport:
    """The agency whose report on the person was used (15 USC 1681m(a))."""

    agency: Organisation


@dataclass(frozen=True, slots=True)
class Contacts:
    """Everyone a letter names.

    `controller` decided and is the creditor; `review` takes requests for a person to look
    again; `authority` takes complaints about data (GDPR Art. 77); `agency` is the federal
    agency that supervises the creditor under the ECOA.
    """

    controller: Organisation
    review: Contact
    data_protection: Contact | None = None
    authority: Organisation | None = None
    agency: Organisation | None = None
    consumer_report: ConsumerReport | None = None


@dataclass(frozen=True, slots=True)
class LetterDecision:
    """What was decided, when, by what. `adverse` is True for the policy's "fail" outcome."""

    id: str
    case: str
    decided_at: datetime
    decided_by: DecidedBy
    adverse: bool
    model: str
    version: str
    kind: str
    policy: str

    def __post_init__(self) -> None:
        """Hold that the time is a moment and not a guess."""
        if self.decided_at.tzinfo is None:
            raise DocumentError("time has no zone", member="decided_at")


@dataclass(frozen=True, slots=True)
class InputUsed:
    """One item of information that the model was given, and where it came from.

    `feature` is its name in the model; the explanation's contribution has the same.
    """

    feature: str
    label: str
    value_text: str
    source: str


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """Where the decision's entry stands in the log, and the checkpoint that covers it."""

    origin: str
    index: int
    leaf_hash: bytes
    size: int
    root_hash: bytes

    def __post_init__(self) -> None:
        """Hold that the checkpoint covers the entry."""
        if not 0 <= self.index < self.size:
            raise DocumentError("the checkpoint does not cover the entry", member="size")
        for member in ("leaf_hash", "root_hash"):
            if len(getattr(self, member)) != HASH_BYTES:
                raise DocumentError("is not a SHA-256 hash", member=member)


@dataclass(frozen=True, slots=True)
class SubjectLetter:
    """Everything that a letter about one decision says.

    `inputs` are all values that the model was given, in the order of the model's features.
    `proof`, `evidence` and `openings` are the names of the attached files that the reader can
    check, "" if none; `recipients` and `retention` are sentences, "" if there is nothing to
    say. The letter's language is the explanation's.

    Raises:
        DocumentError: a text that cannot be printed; a party that a regime requires is
            missing; or the explanation failed a gate, so that a person has to write.
    """

    reference: str
    issued: date
    regimes: tuple[Regime, ...]
    decision: LetterDecision
    explanation: Explanation
    inputs: tuple[InputUsed, ...]
    contacts: Contacts
    place: LedgerPlace
    proof: str = ""
    evidence: str = ""
    openings: str = ""
    recipients: str = ""
    retention: str = ""

    def __post_init__(self) -> None:
        """Hold what the law and the reader rely on."""
        if self.explanation.failed:
            raise DocumentError("a gate failed: a person writes this letter", member="explanation")
        if not self.regimes or len(set(self.regimes)) != len(self.regimes):
            raise DocumentError("at least one regime, each once", member="regimes")
        if not self.inputs or len(self.inputs) > MAX_INPUTS:
            raise DocumentError("must list every input, at most 500", member="inputs")
        if Regime.GDPR in self.regimes and self.contacts.authority is None:
            raise DocumentError("GDPR needs a supervisory authority", member="contacts.authority")
        if Regime.ECOA in self.regimes:
            self._check_adverse_action()
        check_texts(self)

    def _check_adverse_action(self) -> None:
        if self.contacts.agency is None:
            raise DocumentError("12 CFR 1002.9 needs the agency", member="contacts.agency")
        if self.decision.adverse and not self.explanation.reasons:
            raise DocumentError("12 CFR 1002.9 needs specific reasons", member="explanation")
