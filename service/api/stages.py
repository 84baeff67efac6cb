"""The stages of a model version: proposed by one person, agreed to by another."""

from typing import Any, Final

from flask import Response, request

from ledger.operate.approvals import pending
from ledger.operate.model_stage import StageEvent
from ledger.operate.registry import ModelVersion
from ledger.roles import Permission
from service import auth
from service.api import bodies
from service.api import stage_schemas as forms
from service.api.routes import Routes, answer, runtime
from service.approving import Approver

__all__ = ["routes", "shown_event"]

routes = Routes("stages", "Stages of model versions: propose, agree, promote, suspend.")

_REASON: Final = forms.ReasonSchema()
_PROPOSAL: Final = forms.ProposalSchema()
_STEP: Final = ("not-found", "wrong-stage", "unavailable")


def _approver() -> Approver:
    return Approver(runtime(), auth.caller().principal)


@routes.add(
    "GET", "/v1/models/<reference>/history", Permission.MODELS_READ,
    returns={200: forms.HistorySchema}, problems=("not-found",),
)  # fmt: skip
def history(reference: str) -> Response:
    """Everything that happened to a model version, with who did it and why, oldest first."""
    model = runtime().registry.model(reference)
    events = [shown_event(each) for each in _approver().history(model.digest)]
    return answer(_shown(model) | {"events": events})


@routes.add(
    "POST", "/v1/models/<reference>/proposals", Permission.MODELS_REGISTER,
    body=forms.ProposalSchema, returns={201: forms.StageSchema}, problems=_STEP,
)  # fmt: skip
def propose(reference: str) -> Response:
    """Propose that a version is approved, or retired for good. Another person has to agree.

    It takes the place of an earlier proposal, and stands until something else happens to
    the version.
    """
    read: dict[str, Any] = bodies.checked(_PROPOSAL, bodies.json_body())
    digest = runtime().registry.model(reference).digest
    with bodies.content():
        model = _approver().propose(digest, read["status"], read["reason"])
    where = {"Location": f"{request.script_root}/v1/models/{model.digest}/history"}
    return answer(_shown(model), 201, where)


@routes.add(
    "POST", "/v1/models/<reference>/proposals/<proposal_id>/agree", Permission.MODELS_APPROVE,
    body=forms.ReasonSchema, returns={200: forms.StageSchema}, problems=(*_STEP, "second-person"),
)  # fmt: skip
def agree(reference: str, proposal_id: str) -> Response:
    """Agree to what somebody else proposed: the stage begins."""
    reason, digest = _reason(), runtime().registry.model(reference).digest
    with bodies.content():
        return answer(_shown(_approver().agree(digest, proposal_id, reason)))


@routes.add(
    "POST", "/v1/models/<reference>/proposals/<proposal_id>/refuse", Permission.MODELS_READ,
    body=forms.ReasonSchema, returns={200: forms.StageSchema}, problems=_STEP,
)  # fmt: skip
def refuse(reference: str, proposal_id: str) -> Response:
    """Refuse a proposal, or take it back: for roles that may propose or agree."""
    reason, digest = _reason(), runtime().registry.model(reference).digest
    with bodies.content():
        return answer(_shown(_approver().refuse(digest, proposal_id, reason)))


@routes.add(
    "POST", "/v1/models/<reference>/promote", Permission.MODELS_REGISTER,
    body=forms.ReasonSchema, returns={200: forms.StageSchema}, problems=_STEP,
)  # fmt: skip
def promote(reference: str) -> Response:
    """Say that an approved version is in use from now on."""
    reason, digest = _reason(), runtime().registry.model(reference).digest
    with bodies.content():
        return answer(_shown(_approver().promote(digest, reason)))


@routes.add(
    "POST", "/v1/models/<reference>/suspend", Permission.MODELS_SUSPEND,
    body=forms.ReasonSchema, returns={200: forms.StageSchema}, problems=_STEP,
)  # fmt: skip
def suspend(reference: str) -> Response:
    """Stop a version at once: no decision by it is taken until it is approved again."""
    reason, digest = _reason(), runtime().registry.model(reference).digest
    with bodies.content():
        return answer(_shown(_approver().suspend(digest, reason)))


def _reason() -> str:
    read: dict[str, Any] = bodies.checked(_REASON, bodies.json_body())
    return str(read["reason"])


def _shown(model: ModelVersion) -> dict[str, Any]:
    waits = pending(_approver().history(model.digest))
    return {
        "digest": model.digest,
        "status": model.status,
        "proposal": shown_event(waits) if waits else None,
    }


def shown_event(event: StageEvent) -> dict[str, Any]:
    """An event as JSON."""
    return {
        "id": event.id,
        "seq": event.seq,
        "at": f"{event.at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "act": event.act,
        "status": event.stage,
        "actor": event.actor,
        "role": event.role,
        "reason": event.reason,
        "proposal": event.proposal,
    }
