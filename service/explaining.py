"""Explaining and replaying a recorded decision: the use-case across ledger and explain.

The model is the archived one, loaded by digest and only used after it reproduced its
golden rows; the attribution is the recorded one. The first explanation that is issued is
stored with the decision and committed to on the log, and every later reader gets that
one: what a person was told does not change under them.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ledger import errors
from ledger.entries import ExplanationIssued
from ledger.operate.attributions import Attributed, LaterAttributions
from ledger.operate.decisions import Decisions, DecisionView
from ledger.operate.registry import ModelVersion, PolicyVersion, Registry
from service.opened_models import opened_models
from service.quarantine import Quarantine, SetApart

if TYPE_CHECKING:
    # Imported for real inside the functions: numpy and the engines cost a second.
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
        quarantine: Quarantine,
    ) -> None:
        self._registry = registry
        self._decisions = decisions
        self._attributions = attributions
        self.quarantine = quarantine
        self._issuing = threading.Lock()

    def issued(self, decision_id: str) -> Issued:
        """The explanation that was issued for the decision.

        Raises:
            NotIssued: none has been.
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        from explain.explanation import Explanation

        stored = self._decisions.explanation(decision_id)
        if stored is None:
            raise NotIssued("no explanation has been issued for this decision")
        entry = next(
            entry
            for entry in reversed(self._decisions.history(decision_id))
            if isinstance(entry.body, ExplanationIssued)
        )
        return Issued(Explanation.from_json(stored), entry.id, entry.at)

    def issue(self, decision_id: str, language: str) -> Issued:
        """The explanation that stands: the issued one, or a new one, stored and logged.

        Raises:
            ExplainError: the model, the input and the attribution do not fit together.
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        # One at a time: two first readers must not issue two explanations.
        with self._issuing:
            try:
                return self.issued(decision_id)
            except NotIssued:
                explanation = self.explain(decision_id, language)
                self._decisions.attach_explanation(
                    decision_id,
                    explanation.to_json(),
                    template=_form_digest(),
                    catalogue=_catalogue_digest(explanation.language),
                )
                return self.issued(decision_id)

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
            worked_out=attributed.at,
        )

    def replay(self, decision_id: str) -> "Replay":
        """Whether the archived model still says what was recorded.

        Raises:
            ModelMismatch, ArtefactRefused: the model file is not the registered one.
            NotFoundError, ErasedError: there is no such decision, or it is gone.
        """
        from explain.attribution import Attribution
        from explain.errors import SchemaError
        from explain.replay import Replay, replay, replay_margin

        view = self._decisions.read(decision_id)
        version, _ = self.versions(view)
        attributed = self._attributions.of(view)
        model = self.opened(version)
        try:
            row = model.schema.row(view.payload.input)
        except SchemaError as error:
            return Replay.impossible(view.payload.margin, str(error), model.tolerance)
        if not attributed.complete:
            return replay_margin(model.predictor, row, view.payload.margin, model.tolerance)
        recorded = Attribution.from_json(attributed.value)
        return replay(model.predictor, model.attributor, row, recorded, tolerance=model.tolerance)

    def rescore(self, view: DecisionView, values: Mapping[str, Any]) -> tuple[int, str]:
        """What the archived model gives for other values, and the outcome: not a decision.

        Raises:
            SchemaError: the values do not fit the model; `member` names the place.
            ModelMismatch, ArtefactRefused: the model file is not the registered one.
        """
        from explain.attribution import to_units
        from explain.policy import Policy

        version, policy = self.versions(view)
        model = self.opened(version)
        row = model.schema.row(values)
        margin = to_units(float(model.predictor.margin(row[None, :])[0]))
        read = Policy.from_manifests(policy.manifest, version.manifest)
        return margin, read.outcome(margin)

    def versions(self, view: DecisionView) -> tuple[ModelVersion, PolicyVersion]:
        """The model and policy versions that the decision's entry names by digest."""
        return (
            self._registry.model(view.payload.model),
            self._registry.policy(view.payload.policy),
        )

    def opened(self, version: ModelVersion) -> "Model":
        """The model version, opened after it reproduced its golden rows; kept for the next time.

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

        try:
            opening = Opening(version.manifest, lambda: self._files(version))
            return opened_models().model(version.digest, opening)
        except NotReproduced as error:
            self.quarantine.set_apart(version.digest, str(error))
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
