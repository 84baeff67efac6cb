"""The page of one decision, and what is left of one that was erased.

The access log writes first (`Reading`), then the vault opens, then the page is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from explain.errors import ExplainError
from ledger import entries
from ledger.entries import Entry
from ledger.operate.attributions import Attributed
from ledger.operate.decisions import DecisionView
from ledger.roles import Permission
from service.explaining import NotIssued
from service.reading import EVERYTHING, Caller, Reading
from service.runtime import Runtime
from service.settings import LANGUAGES
from service.ui import detail, proof, wording
from service.ui.corrections import corrected_facts
from service.ui.listing import Scale
from service.ui.views import Choice, DecisionPage, ErasedPage, Fact, InputRow, ProofPanel, WhyPanel

if TYPE_CHECKING:
    from explain.explanation import Explanation

ROLES: Final = {
    "advisory": "as advice to a person",
    "determinative": "with a person who relied on it",
    "sole": "without a person",
}
"""What `decision_role` of the context says, in words."""

PENDING: Final = (
    "The decision came without contributions. They are being worked out from the archived model:"
    " look again in a while."
)


@dataclass(frozen=True, slots=True)
class _Told:
    """An explanation as value and panel, or why there is none; and its letter, once issued."""

    explanation: "Explanation | None" = None
    panel: WhyPanel | None = None
    missing: str = ""
    issued: bool = False
    letter: str = ""
    letters: tuple[Choice, ...] = ()


class Shown:
    """One decision, for one caller.

    `receipt`, `letter` and `issue` are the addresses of those things of this decision.
    """

    def __init__(
        self, runtime: Runtime, caller: Caller, *, receipt: str, letter: str, issue: str
    ) -> None:
        self._runtime = runtime
        self._caller = caller
        self._receipt = receipt
        self._letter = letter
        self._issue = issue

    def decision(self, decision_id: str) -> DecisionPage:
        """Return the page.

        Raises:
            PermissionRefused: the caller may not read decisions.
            NotFoundError, ErasedError: it never was here, or is gone.
            VerificationError: what is stored is not what was logged.
        """
        self._caller.principal.require(Permission.DECISIONS_READ)
        reading = Reading(self._runtime, self._caller)
        reading.note([decision_id], (*EVERYTHING, "explanation"))
        view = self._runtime.decisions.read(decision_id)
        model, policy = self._runtime.explaining.versions(view)
        scale = Scale.of(model.manifest, policy.manifest)
        attributed = self._runtime.attributions.of(view)
        told = self._told(decision_id, attributed)
        outcome, margin = view.payload.outcome, view.payload.margin
        may_issue = self._caller.principal.may(Permission.EXPLANATIONS_ISSUE)
        return DecisionPage(
            id=view.id,
            short_id=wording.short_id(view.id),
            headline=scale.headline(outcome, margin),
            subline=_subline(view, scale.model),
            outcome=scale.tag(outcome),
            scores=_scores(told.explanation, scale, margin),
            why=told.panel,
            why_missing=told.missing,
            inputs=_inputs(view, model.manifest, told.explanation),
            timeline=detail.timeline(self._runtime.decisions.history(decision_id)),
            provenance=(
                *detail.provenance(
                    model.manifest, model.digest, policy.digest, f"{policy.name}, {policy.version}"
                ),
                *self._kept(view),
            ),
            proof=proof.panel(
                view.receipt,
                self._runtime.verifier_keys["decisions"],
                record_id=view.id,
                href=self._receipt,
                openings=self._runtime.decisions.openings(decision_id),
            ),
            letter=told.letter,
            letters=told.letters,
            languages=_languages(self._runtime.settings.language),
            issue=self._issue if may_issue and told.panel and not told.issued else "",
            hold=reading.held(decision_id) or "",
            restricted=reading.is_restricted(decision_id),
            corrected=corrected_facts(self._runtime.corrections.of(decision_id)),
        )

    def erased(self, decision_id: str) -> ErasedPage:
        """Return what is left: entries of the log, which hold no personal data, and a proof."""
        history = self._runtime.decisions.history(decision_id)
        return ErasedPage(
            id=decision_id,
            short_id=wording.short_id(decision_id),
            text=_erased(history),
            timeline=detail.timeline(history),
            proof=self._proof(decision_id),
        )

    def _kept(self, view: DecisionView) -> tuple[Fact, ...]:
        """Until when it is kept, once classes of retention are stated."""
        kept = self._runtime.expiring.standing(view.payload.policy, view.payload.decided_at)
        if kept.class_id is None:
            return ()
        until = "no end is known" if kept.until is None else wording.minute(kept.until)
        return (Fact("Kept until", f"{until}, class {kept.class_id}"),)

    def _told(self, decision_id: str, attributed: Attributed) -> "_Told":
        """What the person was told; or what they would be, if nothing was issued yet."""
        explaining = self._runtime.explaining
        try:
            issued = explaining.issued(decision_id)
        except NotIssued:
            pass
        else:
            written = not issued.explanation.failed
            standing = f"Issued {wording.minute(issued.at)}"
            standing += "" if written else _withheld(issued.explanation)
            panel = detail.why(issued.explanation, standing, attributed)
            sent = written and self._runtime.settings.contacts_path.is_file()
            others = explaining.languages(decision_id)[1:] if sent else ()
            return _Told(
                issued.explanation,
                panel,
                issued=True,
                letter=self._letter if sent else "",
                letters=tuple(Choice(f"{self._letter}?language={each}", each) for each in others),
            )
        if attributed.computed == "pending":
            return _Told(missing=PENDING)
        try:
            explained = explaining.explain(decision_id, self._runtime.settings.language)
        except ExplainError as error:
            return _Told(missing=f"It cannot be explained from what is recorded: {error}.")
        standing = "Worked out now; not issued to the person"
        standing += "" if not explained.failed else _withheld(explained)
        return _Told(explained, detail.why(explained, standing, attributed))

    def _proof(self, decision_id: str) -> ProofPanel:
        return proof.panel(
            self._runtime.logs["decisions"].receipt(decision_id),
            self._runtime.verifier_keys["decisions"],
            record_id=decision_id,
            href=self._receipt,
        )


def _languages(ours: str) -> tuple[Choice, ...]:
    return tuple(Choice(each, each) for each in sorted(LANGUAGES, key=lambda tag: tag != ours))


def _withheld(explained: "Explanation") -> str:
    """That no letter is made of it, and by which checks."""
    names = ", ".join(wording.words(gate.name) for gate in explained.failed)
    return f"; a check failed ({names}), so a person writes the letter"


def _subline(view: DecisionView, model: str) -> str:
    role = view.payload.context.get("decision_role")
    words = ROLES.get(role, "") if isinstance(role, str) else ""
    decided = f"Decided {wording.second(view.payload.decided_at)} by {model}"
    return f"{decided}, {words}." if words else f"{decided}."


def _scores(explained: "Explanation | None", scale: Scale, margin: int) -> tuple[Fact, ...]:
    scores = [
        Fact("Score in points", scale.score(margin)),
        Fact("To the limit", scale.distance(margin)),
    ]
    if explained:
        points = explained.points
        scores = [
            Fact("Score in points", points.score_text),
            Fact("Limit", points.limit_text),
            Fact("Average of the reference group", points.reference_text),
        ]
    return tuple(fact for fact in (*scores, Fact("Model", scale.model)) if fact.text)


def _inputs(
    view: DecisionView, manifest: detail.Manifest, explained: "Explanation | None"
) -> tuple[InputRow, ...]:
    if set(view.payload.input) == {"input_hash"}:
        return ()
    return detail.inputs(manifest, view.payload.input, explained)


def _erased(history: Sequence[Entry]) -> str:
    for entry in reversed(history):
        if isinstance(entry.body, entries.Erased):
            return f"The payload of this decision was erased on {wording.day(entry.at)}."
        if isinstance(entry.body, entries.Expired):
            day = wording.day(entry.at)
            return f"The payload of this decision was erased on {day}, at the end of its time."
    return "The payload of this decision was erased: its key has been destroyed."
