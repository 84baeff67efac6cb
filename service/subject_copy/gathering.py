"""Everything about one decision: as it is stored, as a page shows it, and what proves it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ledger.canonical import JsonValue
from ledger.commitments import DisclosedField, Opening
from ledger.entries import Correction, OutcomeObserved, Review
from ledger.errors import LedgerError, MalformedError
from ledger.operate.attachments import Attached
from ledger.operate.attributions import Attributed
from ledger.operate.decision_view import DecisionView
from ledger.operate.erasure import Restriction
from service.explaining import Issued, NotIssued
from service.manifest_texts import spoken
from service.runtime import Runtime
from service.subject_copy.proving import closed, proof, untold

if TYPE_CHECKING:
    # Imported for real inside the functions: the doors open without them.
    from explain.explanation import Explanation
    from reports.documents.subject_copy import CopiedDecision, CopiedItem

__all__ = ["Gathered", "Gathering", "check_withheld", "printable"]

_log = logging.getLogger("service.subject_copy")

MAX_WITHHELD: Final = 100  # names that are held back; a context has a handful
MAX_FRESH: Final = 200  # explanations written for one copy; each costs some 50 ms and an entry
WITHHELD: Final = "context."  # only what an operator adds can be about somebody else
STAFF: Final = frozenset({"actor", "by", "handler", "officer", "reviewer", "staff"})
"""Members of a review that say who of the staff it was (C-579/21: not for the copy)."""
_TOLD_ELSEWHERE: Final = frozenset({"decided_at", "decision_role"})
_WHY_NOT: Final = "ask us for it"


@dataclass(frozen=True, slots=True)
class Gathered:
    """One decision of the copy.

    Attributes:
        stored: as `decisions` of the machine-readable file has it.
        shown: as the page shows it.
        proofs: files by name: receipts and openings.
    """

    stored: Mapping[str, Any]
    shown: "CopiedDecision"
    proofs: Mapping[str, bytes]


def check_withheld(names: Sequence[str]) -> None:
    """Return if these may be held back as being about somebody else.

    Raises:
        MalformedError: too many, or not members of the context.
    """
    wrong = [name for name in names if not name.startswith(WITHHELD) or name == WITHHELD]
    if wrong or len(names) > MAX_WITHHELD:
        raise MalformedError(
            f"copy: only members of the context can be about somebody else, at most {MAX_WITHHELD}",
            member="withhold",
        )


class Gathering:
    """Gathers the decisions of one copy; writes explanations that are missing, so many."""

    def __init__(self, runtime: Runtime, language: str, withheld: Sequence[str]) -> None:
        from reports.html import COPY
        from reports.wording import load_wording

        self._runtime = runtime
        self._language = language
        self._withheld = frozenset(withheld)
        self._words = load_wording(language, COPY)
        self._fresh = MAX_FRESH

    def gather(self, decision_id: str) -> Gathered:
        """One decision, opened and checked.

        Raises:
            ErasedError: it went meanwhile.
            VerificationError: what is stored is not what was logged.
        """
        view = self._runtime.decisions.read(decision_id)
        issued, unexplained = self._explained(decision_id)
        attached = self._runtime.attachments.of(decision_id)
        openings = self._runtime.decisions.openings(decision_id)
        parts = _Parts(
            view=view,
            attributed=self._runtime.attributions.of(view),
            issued=issued,
            unexplained=unexplained or _withheld(issued),
            attached=attached,
            hold=self._hold(decision_id),
        )
        proofs = proof(decision_id, view.receipt.format(), map(self._redacted, openings))
        for each in attached:
            opening = closed(each.opening) if untold(each) else self._redacted(each.opening)
            proofs |= proof(each.entry.id, each.receipt.format(), [opening])
        return Gathered(self._stored(parts, sorted(proofs)), self._shown(parts), proofs)

    def _explained(self, decision_id: str) -> tuple[Issued | None, str]:
        """The explanation that stands, written now if there is none; or why there is none."""
        from explain.errors import ExplainError

        try:
            issued = self._standing(decision_id) or self._fresh_one(decision_id)
        except LedgerError:
            raise
        except ExplainError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  # one decision's words, not the whole copy
            _log.error("a decision of a copy is not explained: %s", type(error).__name__)
            return None, _WHY_NOT
        return issued, "" if issued else _WHY_NOT

    def _standing(self, decision_id: str) -> Issued | None:
        for language in (self._language, ""):  # what was told in another stands, if that is all
            try:
                return self._runtime.explaining.issued(decision_id, language)
            except NotIssued:
                continue
        return None

    def _fresh_one(self, decision_id: str) -> Issued | None:
        from explain.errors import LanguageMissing

        if self._fresh <= 0:
            return None
        self._fresh -= 1
        explaining = self._runtime.explaining
        try:
            return explaining.issue(decision_id, self._language)
        except LanguageMissing:  # of a manifest: then in ours, rather than not at all
            return explaining.issue(decision_id, self._runtime.settings.language)

    def _hold(self, decision_id: str) -> Mapping[str, str] | None:
        holds = self._runtime.holds
        found = holds.of([decision_id]).get(decision_id)
        if found is None:
            return None
        try:
            terms = holds.terms(holds.read(found))
        except LedgerError:  # released meanwhile
            terms = None
        return {"id": found, "ground": str(terms["ground"]) if terms else ""}

    def _restriction(self, hold: Mapping[str, str] | None) -> str:
        """What a person is told of a restriction or a hold: the ground, in words."""
        if hold is None:
            return ""
        ground = hold["ground"] or hold["id"]
        known = f"copy.grounds.{ground}"
        if ground in set(Restriction):
            return self._words.say(known)
        return self._words.say("copy.grounds.legal_hold", ground=printable(ground))

    def _redacted(self, opening: Opening) -> Opening:
        """The opening without what is about somebody else: those fields as bare digests."""
        return Opening(
            opening.section,
            tuple(
                field.digest(opening.section)
                if isinstance(field, DisclosedField) and self._hidden(opening.section, field.name)
                else field
                for field in opening.fields
            ),
        )

    def _hidden(self, section: str, name: str) -> bool:
        if section == "detail":
            return name in STAFF
        full = name if section == "correction" else f"{section}.{name}"
        return full in self._withheld

    def _stored(self, parts: "_Parts", proofs: Sequence[str]) -> dict[str, Any]:
        view, payload = parts.view, parts.view.payload.to_json()
        context = {
            name: value
            for name, value in view.payload.context.items()
            if f"{WITHHELD}{name}" not in self._withheld
        }
        return {
            "id": view.id,
            "index": view.seq,
            "logged_at": _written(view.at),
            **{name: payload[name] for name in ("model", "policy", "source", "subject", "input",
                                                "output")},
            "attributions": {
                "computed": parts.attributed.computed,
                "logged_at": _written(parts.attributed.at) if parts.attributed.at else None,
                "value": dict(parts.attributed.value),
            },
            "context": context,
            "explanation": parts.told.to_json() if parts.told else None,
            "unexplained": parts.unexplained or None,
            "restriction": parts.hold,
            "events": [self._event(each) for each in parts.attached],
            "withheld": sorted(
                f"{WITHHELD}{name}" for name in view.payload.context.keys() - context.keys()
            ),
            "proofs": list(proofs),
        }  # fmt: skip

    def _event(self, each: Attached) -> dict[str, Any]:
        entry, told = each.entry, self._redacted(each.opening).disclosed()
        event: dict[str, Any] = {
            "id": entry.id,
            "kind": str(entry.body.kind),
            "at": _written(entry.at),
        }
        if isinstance(entry.body, Review):
            event["state"] = entry.body.state
        if (
            isinstance(entry.body, Correction | OutcomeObserved | Review)
            or each.opening.section == "notice"
        ):
            event["detail"] = told
        return event

    def _shown(self, parts: "_Parts") -> "CopiedDecision":
        from reports.documents.subject_copy import CopiedDecision, CopiedEvent

        view, issued = parts.view, parts.issued
        model, policy = self._runtime.explaining.versions(view)
        told = parts.told
        role = str(view.payload.context.get("decision_role", ""))
        return CopiedDecision(
            id=view.id,
            decided_at=view.payload.decided_at,
            logged_at=view.at,
            index=view.seq,
            outcome=told.outcome_label if told else view.payload.outcome,
            decided_by=role if role in {"advisory", "determinative", "sole"} else "",
            model=f"{model.name}, version {model.version}",
            policy=policy.reference,
            summary=told.summary if told else "",
            paragraphs=told.paragraphs if told else (),
            reasons=tuple(each.text for each in told.reasons) if told else (),
            helped=tuple(each.text for each in told.helped) if told else (),
            changes=tuple(each.text for each in told.counterfactuals) if told else (),
            method=told.method if told else "",
            limits=told.limits if told else (),
            explained_at=issued.at if issued and told else None,
            unexplained=parts.unexplained,
            weights=parts.attributed.computed if parts.attributed.complete else "none",
            items=self._items(parts, model.manifest),
            recorded=self._recorded(parts),
            events=tuple(
                CopiedEvent(each.entry.at, str(each.entry.body.kind), self._state(each))
                for each in parts.attached
            ),
            hold=self._restriction(parts.hold),
            proof=f"proofs/{view.id}.tlog-proof",
        )

    def _items(self, parts: "_Parts", manifest: Mapping[str, Any]) -> "tuple[CopiedItem, ...]":
        from reports.documents.subject_copy import CopiedItem

        features = {each["name"]: each for each in manifest.get("features", ())}
        used = {each.feature: each for each in (parts.told.contributions if parts.told else ())}
        corrected = parts.corrected("input.")
        return tuple(
            CopiedItem(
                name=name,
                label=used[name].label if name in used else self._label(features, name),
                value=used[name].value_text if name in used else self._value(value),
                source=spoken(features.get(name, {}).get("source"), self._language),
                points=used[name].points_text if name in used else "",
                corrected=self._value(corrected[name]) if name in corrected else "",
            )
            for name, value in parts.view.payload.input.items()
        )

    def _label(self, features: Mapping[str, Mapping[str, Any]], name: str) -> str:
        return printable(spoken(features.get(name, {}).get("label"), self._language) or name)

    def _recorded(self, parts: "_Parts") -> "tuple[CopiedItem, ...]":
        from reports.documents.subject_copy import CopiedItem

        payload, corrected = parts.view.payload, parts.corrected(WITHHELD)
        rows: list[tuple[str, JsonValue]] = [("subject", payload.subject)]
        rows += [(f"output.{name}", value) for name, value in payload.output.items()]
        rows += [
            (f"{WITHHELD}{name}", value)
            for name, value in payload.context.items()
            if name not in _TOLD_ELSEWHERE
        ]
        found = []
        for name, value in rows:
            hidden = name in self._withheld
            text = self._words.say("copy.unknown.withheld") if hidden else self._value(value)
            new = corrected.get(name.removeprefix(WITHHELD))
            changed = "" if new is None or hidden else self._value(new)
            found.append(CopiedItem(name, self._name(name), text, corrected=changed))
        return tuple(found)

    def _name(self, name: str) -> str:
        """What a member is called in words, or as it is where an operator named it."""
        known = f"copy.names.{name.replace('.', '_')}"
        return self._words.say(known) if self._words.has(known) else printable(name)

    def _state(self, each: Attached) -> str:
        """What a review came to, or an outcome says: what, whether, since when, and who says so."""
        body = each.entry.body
        if isinstance(body, Review):
            return body.state.replace("_", " ")
        if not isinstance(body, OutcomeObserved):
            return ""
        told = each.opening.disclosed()
        names = ("event", "occurred", "observed_on", "source")
        return ", ".join(self._value(told.get(name)) for name in names)

    def _value(self, value: JsonValue) -> str:
        if value is None or value == "":
            return self._words.say("copy.unknown.empty")
        if isinstance(value, bool):
            return self._words.say("copy.unknown.yes" if value else "copy.unknown.no")
        return printable(str(value))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What there is about one decision."""

    view: DecisionView
    attributed: Attributed
    issued: Issued | None
    unexplained: str
    attached: tuple[Attached, ...]
    hold: Mapping[str, str] | None

    @property
    def told(self) -> "Explanation | None":
        """The explanation whose words may go to the person without anybody writing them."""
        explanation = self.issued.explanation if self.issued else None
        return explanation if explanation and not explanation.failed else None

    def corrected(self, section: str) -> dict[str, JsonValue]:
        """What is corrected of a section, by name; the last correction of each stands."""
        found: dict[str, JsonValue] = {}
        for each in self.attached:
            if isinstance(each.entry.body, Correction):
                for name, value in each.opening.disclosed().items():
                    if name.startswith(section):
                        found[name.removeprefix(section)] = value
        return found


def _withheld(issued: Issued | None) -> str:
    """Why the words of an explanation are not in the copy: a check failed, so a person writes."""
    return _WHY_NOT if issued is not None and issued.explanation.failed else ""


def printable(text: str) -> str:
    """The text with each character that a document does not carry written as its number."""
    from reports.errors import DocumentError
    from reports.texts import MAX_TEXT, check_text

    written = []
    for character in text[:MAX_TEXT]:
        try:
            check_text(character, "")
            written.append(character)
        except DocumentError:
            written.append(f"[U+{ord(character):04X}]")
    return "".join(written)[:MAX_TEXT]


def _written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
