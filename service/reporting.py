"""Documents about one decision: values gathered from ledger and explanation, laid out.

A letter is made from the explanation that was issued, so it says today what it said
then; with it travels the evidence, so that its reader can check it without us.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ledger.entries import ExplanationIssued, parse_entry
from ledger.errors import MalformedError, NotFoundError
from ledger.operate.attachments import Attachments
from ledger.operate.attributions import LaterAttributions
from ledger.operate.decisions import Decisions, DecisionView
from ledger.operate.registry import Registry
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import SignedNote
from ledger.tlog.proof import Receipt
from ledger.verify.verifier import DisclosedSections
from service.explaining import Issued
from service.manifest_texts import spoken
from service.settings import Settings

if TYPE_CHECKING:
    # Imported for real inside the functions: the doors open without them.
    from reports.documents.attachment import Attachment
    from reports.documents.letter import InputUsed, LedgerPlace, LetterDecision, SubjectLetter

__all__ = ["Reporting"]

RECEIPT_NAME: Final = "receipt.tlog-proof"
EVIDENCE_NAME: Final = "evidence.json"
OPENINGS_NAME: Final = "openings.json"
EXPLANATION_RECEIPT_NAME: Final = "explanation.tlog-proof"
EXPLANATION_OPENINGS_NAME: Final = "explanation-openings.json"
LATER_RECEIPT_NAME: Final = "attributions.tlog-proof"
LATER_OPENINGS_NAME: Final = "attributions-openings.json"
# Laws as manifests name them, and the texts that letters have for them.
REGIMES: Final = {
    "ai_act": "ai_act",
    "ccd2": "ccd2",
    "ecoa": "ecoa",
    "gdpr": "gdpr",
    "gdpr_15": "gdpr",
    "us-ecoa": "ecoa",
}


class Reporting:
    """Makes documents; safe to share between threads."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        decisions: Decisions,
        attributions: LaterAttributions,
        attachments: Attachments,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._decisions = decisions
        self._attributions = attributions
        self._attached = attachments

    def evidence(self, decision_id: str) -> dict[str, Any]:
        """Entry, receipt and openings of every section, as JSON: enough to check offline.

        Raises:
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        receipt = self._decisions.read(decision_id).receipt
        return self._evidence(decision_id, receipt)

    def openings(self, decision_id: str) -> bytes:
        """The openings of every section, as the file that the offline verifier reads.

        Raises:
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        openings = DisclosedSections(decision_id, self._decisions.openings(decision_id))
        return _readable(openings.to_json())

    def later_receipt(self, decision_id: str) -> str:
        """The tlog-proof of the entry by which attributions came later; no personal data.

        Raises:
            NotFoundError, ErasedError: none came later, or they are gone.
        """
        return self._attributions.evidence(decision_id)[0].format()

    def later_openings(self, decision_id: str, disclose: Collection[str] | None = None) -> bytes:
        """That entry opened, or some of its fields; the file that the offline verifier reads.

        Raises:
            MalformedError: a field to disclose is not there.
            NotFoundError, ErasedError: as :meth:`later_receipt`.
        """
        receipt, opening = self._attributions.evidence(decision_id, disclose)
        shown = DisclosedSections(parse_entry(receipt.entry).id, (opening,))
        return _readable(shown.to_json())

    def later_evidence(self, decision_id: str) -> dict[str, Any]:
        """Entry, receipt and opening of attributions that came later: as :meth:`evidence`.

        Raises:
            NotFoundError, ErasedError: as :meth:`later_receipt`.
        """
        receipt, opening = self._attributions.evidence(decision_id)
        shown = DisclosedSections(parse_entry(receipt.entry).id, (opening,))
        return {
            "decision": decision_id,
            "entry": json.loads(receipt.entry),
            "receipt": receipt.format(),
            "openings": shown.to_json()["openings"],
        }

    def letter(self, decision_id: str, issued: Issued) -> "SubjectLetter":
        """The letter to the person, as a value.

        Raises:
            DocumentError: a law's requirement is not met, or a gate failed.
            NotFoundError: contacts are not set up; or there is no such decision.
        """
        from reports.documents.letter import SubjectLetter
        from service.contacts import read_contacts

        view = self._decisions.read(decision_id)
        model = self._registry.model(view.payload.model)
        policy = self._registry.policy(view.payload.policy)
        return SubjectLetter(
            reference=decision_id,
            issued=issued.at.date(),
            regimes=_regimes(policy.manifest, model.manifest),
            decision=_decision(view, model.manifest, policy.manifest, issued.explanation.language),
            explanation=issued.explanation,
            inputs=_inputs(issued, model.manifest),
            contacts=read_contacts(self._settings.contacts_path),
            place=_place(view.receipt),
            proof=RECEIPT_NAME,
            evidence=EVIDENCE_NAME,
            openings=OPENINGS_NAME,
        )

    def letter_html(self, decision_id: str, issued: Issued) -> str:
        """The letter as a page. Raises as :meth:`letter`."""
        from reports.html import letter_html

        return letter_html(self.letter(decision_id, issued))

    def letter_pdf(self, decision_id: str, issued: Issued) -> bytes:
        """The letter as PDF/A-3a with its evidence attached. Raises as :meth:`letter`."""
        from reports.html import letter_html
        from reports.pdf import render

        letter = self.letter(decision_id, issued)
        return render(
            letter_html(letter),
            title=letter.explanation.summary,
            created=issued.at,
            author=letter.contacts.controller.name,
            attachments=self._attachments(decision_id, issued),
        )

    def _attachments(self, decision_id: str, issued: Issued) -> "tuple[Attachment, ...]":
        from reports.documents.attachment import Attachment, Relationship
        from reports.wording import load_wording

        say = load_wording(issued.explanation.language).say

        receipt = self._decisions.read(decision_id).receipt
        evidence = self._evidence(decision_id, receipt)
        return (
            Attachment(
                EVIDENCE_NAME,
                say("letter.attachments.evidence"),
                _readable(evidence),
                Relationship.SOURCE,
            ),
            Attachment(
                RECEIPT_NAME,
                say("letter.attachments.receipt"),
                receipt.format().encode(),
                Relationship.SUPPLEMENT,
            ),
            Attachment(
                OPENINGS_NAME,
                say("letter.attachments.openings"),
                self.openings(decision_id),
                Relationship.SUPPLEMENT,
            ),
            *self._later_attachments(decision_id, say),
            *self._explanation_attachments(decision_id, issued, say),
        )

    def _later_attachments(
        self, decision_id: str, say: Callable[[str], str]
    ) -> "tuple[Attachment, ...]":
        """Attributions that came after the decision: their own entry, and that entry opened."""
        from reports.documents.attachment import Attachment, Relationship

        try:
            receipt = self.later_receipt(decision_id)
        except NotFoundError:
            return ()
        return (
            Attachment(
                LATER_RECEIPT_NAME,
                say("letter.attachments.later_receipt"),
                receipt.encode(),
                Relationship.SUPPLEMENT,
            ),
            Attachment(
                LATER_OPENINGS_NAME,
                say("letter.attachments.later_openings"),
                self.later_openings(decision_id),
                Relationship.SUPPLEMENT,
            ),
        )

    def _explanation_attachments(
        self, decision_id: str, issued: Issued, say: Callable[[str], str]
    ) -> "tuple[Attachment, ...]":
        """What the letter says beyond the decision: its own entry, and that entry opened."""
        from reports.documents.attachment import Attachment, Relationship

        attached = self._attached.of(decision_id, ExplanationIssued)
        (told,) = [each for each in attached if each.entry.id == issued.entry_id]
        shown = DisclosedSections(told.entry.id, (told.opening,))
        return (
            Attachment(
                EXPLANATION_RECEIPT_NAME,
                say("letter.attachments.explanation_receipt"),
                told.receipt.format().encode(),
                Relationship.SUPPLEMENT,
            ),
            Attachment(
                EXPLANATION_OPENINGS_NAME,
                say("letter.attachments.explanation_openings"),
                _readable(shown.to_json()),
                Relationship.SUPPLEMENT,
            ),
        )

    def _evidence(self, decision_id: str, receipt: Receipt) -> dict[str, Any]:
        openings = DisclosedSections(decision_id, self._decisions.openings(decision_id))
        return {
            "decision": decision_id,
            "entry": json.loads(receipt.entry),
            "receipt": receipt.format(),
            "openings": openings.to_json()["openings"],
        }


def _readable(value: Mapping[str, Any]) -> bytes:
    """JSON laid out for a person who opens the attachment."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _decision(
    view: DecisionView, model: Mapping[str, Any], policy: Mapping[str, Any], language: str
) -> "LetterDecision":
    from reports.documents.letter import DecidedBy, LetterDecision

    role = view.payload.context.get("decision_role", model.get("legal_role"))
    if role not in list(DecidedBy):
        raise MalformedError(
            "a letter must say who decided: record sole, determinative or advisory",
            member="context.decision_role",
        )
    return LetterDecision(
        id=view.id,
        case=_case(view),
        decided_at=view.payload.decided_at,
        decided_by=DecidedBy(str(role)),
        adverse=view.payload.outcome == policy["outcomes"].get("fail"),
        model=str(model["name"]),
        version=str(model["version"]),
        kind=spoken(model.get("kind"), language),
        policy=f"{policy['name']}@{policy['version']}",
    )


def _case(view: DecisionView) -> str:
    """The person's reference where the fonts can draw it; a letter is not lost to an emoji."""
    from reports.glyphs import drawable

    subject = view.payload.subject or ""
    return subject if subject and {ord(each) for each in subject} <= drawable() else view.id


def _inputs(issued: Issued, model: Mapping[str, Any]) -> "tuple[InputUsed, ...]":
    from reports.documents.letter import InputUsed

    used = {each.feature: each for each in issued.explanation.contributions}
    features: Sequence[Mapping[str, Any]] = model["features"]
    return tuple(
        InputUsed(
            feature["name"],
            used[feature["name"]].label,
            used[feature["name"]].value_text,
            spoken(feature.get("source"), issued.explanation.language),
        )
        for feature in features
    )


def _regimes(*manifests: Mapping[str, Any]) -> tuple[Any, ...]:
    from reports.documents.letter import Regime

    named = {REGIMES.get(name) for each in manifests for name in _names(each, "regimes")}
    return tuple(regime for regime in Regime if regime.value in named)


def _names(manifest: Mapping[str, Any], member: str) -> Sequence[str]:
    from reports.errors import DocumentError

    listed = manifest.get(member, ())
    if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
        raise DocumentError("manifest: not an array of texts", member=member)
    return listed


def _place(receipt: Receipt) -> "LedgerPlace":
    from reports.documents.letter import LedgerPlace

    checkpoint = Checkpoint.parse(SignedNote.parse(receipt.checkpoint_note).text)
    entry = parse_entry(receipt.entry)
    return LedgerPlace(
        origin=checkpoint.origin,
        index=entry.seq,
        leaf_hash=leaf_hash(receipt.entry),
        size=checkpoint.size,
        root_hash=checkpoint.root_hash,
    )
