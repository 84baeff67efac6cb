"""Explaining and replaying a recorded decision: the use-case across ledger and explain.

The model is the archived one, loaded by digest and only used after it reproduced its
golden rows; the attribution is the recorded one. The first explanation that is issued is
stored with the decision and committed to on the log, and every later reader gets that
one: what a person was told does not change under them. Another language is another
explanation, issued beside it, which has to say the same.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ledger import errors
from ledger.entries import ExplanationIssued
from ledger.operate.attachments import Attachments
from ledger.operate.attributions import Attributed, LaterAttributions
from ledger.operate.decision_check import RULE
from ledger.operate.decisions import Decisions, DecisionView
from ledger.operate.registry import ModelVersion, PolicyVersion, Registry
from service.opened_models import opened_models
from service.quarantine import Quarantine, SetApart, guarded

if TYPE_CHECKING:
    # Imported for real inside the functions: numpy and the engines cost a second.
    from explain.attribution import Attribution
    from explain.explanation import Explanation
    from explain.model import Model
    from explain.replay import Replay

__all__ = ["Explaining", "Issued", "NotIssued"]

NEEDED: Final = ("model", "background")  # artefacts that an explanation reads

_WITHOUT: Final = {
    "does_not_add_up": "its contributions do not add up to the model's own score",
    "input_incomplete": "what was recorded of its input is not complete",
    "input_not_kept": "its input was not kept here",
    "not_taken_apart": "its model was registered for scoring only",
    "not_reproduced": "the archived model gives another score than was recorded",
}
"""Why attributions that were to be worked out later are none, by the status that was attached."""


class NotIssued(errors.NotFoundError):
    """No explanation has been issued, and the caller may not issue one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """The explanation that stands for a decision, and the entry that committed to it."""

    explanation: "Explanation"
    entry_id: str
    at: datetime


class Explaining:
    """Explains and replays decisions with the models they were made by.

    Safe to share between threads. Models are opened in processes of their own
    (:mod:`service.opened_models`).
    """

    def __init__(
        self,
        registry: Registry,
        decisions: Decisions,
        attributions: LaterAttributions,
        attachments: Attachments,
        quarantine: Quarantine,
    ) -> None:
        self._registry = registry
        self._decisions = decisions
        self._attributions = attributions
        self._attachments = attachments
        self.quarantine = quarantine
        self._issuing = threading.Lock()

    def issued(self, decision_id: str, language: str = "") -> Issued:
        """The explanation that was issued for the decision.

        Args:
            decision_id: the decision explained.
            language: the one to have it in; by default the one that it was first told in.

        Raises:
            NotIssued: none has been, or none in this language.
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        found = self._all_issued(decision_id)
        if not found:
            raise NotIssued("no explanation has been issued for this decision")
        wanted = language or found[0].explanation.language
        told = [each for each in found if each.explanation.language == wanted]
        if not told:
            raise NotIssued("no explanation has been issued in this language")
        return told[-1]

    def languages(self, decision_id: str) -> tuple[str, ...]:
        """The languages in which the decision was explained, the first one first.

        Raises:
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        found = self._all_issued(decision_id)
        return tuple(dict.fromkeys(each.explanation.language for each in found))

    def issue(self, decision_id: str, language: str) -> Issued:
        """The explanation that stands: the issued one, or a new one, stored and logged.

        Raises:
            ExplainError: the model, the input and the attribution do not fit together.
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        # One at a time: two first readers must not issue two explanations. Where another
        # process was first after all, what it issued stands, in whatever language that is.
        with self._issuing:
            try:
                return self.issued(decision_id)
            except NotIssued:
                self._attach(decision_id, self.explain(decision_id, language))
                return self.issued(decision_id)

    def issue_in(self, decision_id: str, language: str) -> Issued:
        """The explanation in this language: the issued one, or a new one that says the same.

        Raises:
            LanguageMissing: no catalogue, or no text of a manifest, is in this language.
            FactsDiffer: it would say something else than what the person was told first.
            ExplainError, NotFoundError, ErasedError: as :meth:`issue`.
        """
        with self._issuing:
            try:
                return self.issued(decision_id, language)
            except NotIssued:
                explanation = self.explain(decision_id, language)
            for first in self._all_issued(decision_id)[:1]:
                explanation.check_same_facts(first.explanation)
            return self._issue(decision_id, explanation)

    def _issue(self, decision_id: str, explanation: "Explanation") -> Issued:
        self._attach(decision_id, explanation)
        return self.issued(decision_id, explanation.language)

    def _attach(self, decision_id: str, explanation: "Explanation") -> None:
        self._decisions.attach_explanation(
            decision_id,
            explanation.to_json(),
            template=_form_digest(),
            catalogue=_catalogue_digest(explanation.language),
        )

    def _all_issued(self, decision_id: str) -> list[Issued]:
        from explain.explanation import Explanation

        if self._decisions.explanation(decision_id) is None:
            return []
        return [
            Issued(Explanation.from_json(each.opening.disclosed()), each.entry.id, each.entry.at)
            for each in self._attachments.of(decision_id, ExplanationIssued)
        ]

    def explain(self, decision_id: str, language: str) -> "Explanation":
        """The explanation as it would be issued now; nothing is stored.

        Raises:
            ExplainError: the model, the input and the attribution do not fit together.
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        from explain.attribution import Attribution
        from explain.errors import NotAttributed
        from explain.narrative import explain_decision

        view = self._decisions.read(decision_id)
        attributed = self._attributions.of(view)
        if not attributed.complete:
            raise NotAttributed(_without(attributed))
        model, policy = self.versions(view)
        return explain_decision(
            model.manifest,
            policy.manifest,
            view.payload.input,
            Attribution.from_json(attributed.value),
            self.opened(model),
            language=language,
            outcome=view.payload.outcome,
            rule=_stated_rule(view),
            worked_out=attributed.at,
        )

    def replay(self, decision_id: str) -> "Replay":
        """Whether the archived model still says what was recorded.

        What cannot be run again, a file of the model that is gone or is not the registered
        one included, is `impossible`, and why.

        Raises:
            NotFoundError, ErasedError: there is no such decision, or it is gone.
            VerificationError: what is stored of it is not what was logged.
        """
        view = self._decisions.read(decision_id)
        return self.replay_of(view, self._attributions.of(view))

    def replay_of(self, view: DecisionView, attributed: Attributed) -> "Replay":
        """As :meth:`replay`, of a decision that was opened before."""
        from explain.attribution import Attribution
        from explain.errors import ExplainError
        from explain.replay import Replay, replay, replay_margin

        version, policy = self.versions(view)
        margin, values = view.payload.margin, view.payload.input
        try:
            model = self.opened(version)
        except (ExplainError, errors.VerificationError) as error:
            return Replay.impossible(margin, str(error))
        environment = _environment(version.manifest)
        try:
            row = model.schema.row(values)
            if not attributed.complete:
                found = replay_margin(model.predictor, row, margin, model.tolerance)
                return found.within(environment)
            recorded = Attribution.from_json(attributed.value)
            found = replay(
                model.predictor,
                model.attributor,
                row,
                recorded,
                tolerance=model.tolerance,
                ranked=_ranked(view, model, policy, version),
            )
        except ExplainError as error:
            found = Replay.impossible(margin, str(error), model.tolerance)
        return found.within(environment)

    def rescore(self, view: DecisionView, values: Mapping[str, Any]) -> tuple[int, str]:
        """What the archived model gives for other values, and the outcome: not a decision.

        Raises:
            SchemaError: the values, or the policy's rules, do not fit the model; `member` names
                the place.
            AdditivityError: what it gives is no number that can be recorded.
            ModelMismatch, ArtefactRefused: the model file is not the registered one.
        """
        from explain.attribution import to_units
        from explain.policy import Policy
        from explain.rules import check_rules, fired

        version, policy = self.versions(view)
        model = self.opened(version)
        row = model.schema.row(values)
        margin = to_units(float(model.predictor.margin(row[None, :])[0]))
        read = Policy.from_manifests(policy.manifest, version.manifest)
        check_rules(read.rules, model.schema.features)
        return margin, read.outcome(margin, fired(read.rules, values))

    def versions(self, view: DecisionView) -> tuple[ModelVersion, PolicyVersion]:
        """The model and policy versions that the decision's entry names by digest."""
        return (
            self._registry.model(view.payload.model),
            self._registry.policy(view.payload.policy),
        )

    def opened(self, version: ModelVersion) -> "Model":
        """The model version, opened after it reproduced its golden rows; kept for the next time.

        It is set apart as well if a later question finds that it no longer does.

        Raises:
            NotReproduced: it does not, or is set apart because it did not.
            ExplainError: it is not the model that was registered, or took its process down.
            VerificationError: what is set apart cannot be read.
        """
        from explain.errors import NotReproduced

        apart = self.quarantine.of(version.digest)
        if apart is not None:
            raise NotReproduced(f"set apart since {apart.since}: {apart.why}")
        return self._open(version)

    def check(self, version: ModelVersion) -> SetApart | None:
        """Open the model version anew, and use it again if it had been set apart: since when.

        Raises:
            NotReproduced: it does not answer as it was registered, and is set apart.
            ExplainError: as :meth:`opened`.
            PushbackError, RefusedError: that it is used again cannot be put on record now.
        """
        opened_models().forget(version.digest)
        self._open(version)
        apart = self.quarantine.of(version.digest)
        self.quarantine.release(version.digest)
        return apart

    def _open(self, version: ModelVersion) -> "Model":
        from explain.errors import NotReproduced
        from service.sandbox import Opening

        def set_apart(error: NotReproduced) -> None:
            opened_models().forget(version.digest)
            self.quarantine.set_apart(version.digest, str(error))

        try:
            opening = Opening(version.manifest, lambda: self._files(version))
            return guarded(opened_models().model(version.digest, opening), set_apart)
        except NotReproduced as error:
            set_apart(error)
            raise

    def _files(self, version: ModelVersion) -> dict[str, bytes]:
        from explain.errors import ArtefactRefused

        listed = cast("dict[str, Any]", version.manifest["artefacts"])
        wanted = [name for name in NEEDED if name in listed]
        try:
            return {name: self._registry.artefact(listed[name]["sha256"]) for name in wanted}
        except errors.NotFoundError as error:
            # The decision is here; what is gone is what would explain it.
            raise ArtefactRefused("a file of the archived model is not in the archive") from error


def _without(attributed: Attributed) -> str:
    """Why a decision has no contributions that could be explained."""
    status = str(attributed.value.get("status", ""))
    return _WITHOUT.get(status, "its contributions have not been worked out yet; try again later")


def _ranked(
    view: DecisionView, model: "Model", policy: PolicyVersion, version: ModelVersion
) -> "Callable[[Attribution], tuple[str, ...]] | None":
    """Which groups are the decision's reasons, strongest first; None under a policy without any."""
    from explain.errors import SchemaError
    from explain.judgement import judge
    from explain.policy import Policy

    try:
        read = Policy.from_manifests(policy.manifest, version.manifest)
    except SchemaError:
        return None

    def ranked(attribution: "Attribution") -> tuple[str, ...]:
        payload = view.payload
        judged = judge(model.schema, read, payload.input, attribution, payload.outcome)
        return tuple(push.group for push in judged.ranking.reasons)

    return ranked


def _environment(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Which libraries are of another version here than the model was registered with."""
    explainer = manifest.get("explainer")
    versions = explainer.get("versions") if isinstance(explainer, Mapping) else None
    told = []
    for name, registered in sorted(versions.items()) if isinstance(versions, Mapping) else ():
        try:
            here = metadata.version(name)
        except (metadata.PackageNotFoundError, ValueError):
            continue  # a name that this machine does not know says nothing about it
        if here != registered:
            told.append(f"{name}: registered with {registered}, run with {here}")
    return tuple(told)


def _stated_rule(view: DecisionView) -> str:
    """The rule that the source said decided; empty if the score did."""
    stated = view.payload.context.get(RULE)
    return str(stated) if stated else ""


def _form_digest() -> str:
    """The SHA-256 of the code that composes an explanation: its form, as it was then."""
    from explain import narrative, sentences

    digest = hashlib.sha256()
    for module in (narrative, sentences):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def _catalogue_digest(language: str) -> str:
    from explain.catalogue import load_catalogue

    return load_catalogue(language).digest
