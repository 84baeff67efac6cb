"""Correcting what was recorded of a person (GDPR Art. 16), and deciding again."""

import re
from typing import Any, Final

from flask import Response, request
from marshmallow import fields, validate

from ledger.operate.corrections import Corrected
from ledger.roles import Permission
from service import auth
from service.api import bodies
from service.api.routes import Routes, answer, runtime
from service.api.schemas import ID_PATTERN, Strict
from service.correcting import Case, Correcting

__all__ = ["routes", "shown_case", "shown_correction"]

routes = Routes("corrections", "Correct what was recorded of a person, and decide again.")

_ID: Final = re.compile(rf"(?:{ID_PATTERN})\Z")
_WHY: Final = validate.Length(1, 500)


class CorrectionSchema(Strict):
    """A correction: the right values beside those that were recorded."""

    id = fields.String(required=True)
    logged_at = fields.String(required=True)
    changes = fields.Dict(required=True)
    why = fields.String(required=True)
    role = fields.String(required=True)
    follow = fields.String(required=True, allow_none=True)
    decision = fields.String(required=True, allow_none=True)


class CorrectionRequestSchema(Strict):
    """The right values, as `input.income` or `context.branch`, and what shows that they are."""

    changes = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 136)),
        values=fields.Raw(allow_none=True),
        required=True,
        validate=validate.Length(1, 512),
    )
    why = fields.String(required=True, validate=_WHY)


class FollowSchema(Strict):
    """How a correction was followed up: with a new decision, or because the old one stands."""

    why = fields.String(required=True, validate=_WHY)
    decision = fields.String(
        validate=validate.Regexp(_ID, error="Give the id of a decision."),
        metadata={"description": "The new decision; absent: the old one stands."},
    )


class RescoredSchema(Strict):
    """What the same model gives for the corrected data. It is information, and no decision."""

    margin = fields.Integer()
    outcome = fields.String()
    why = fields.String(metadata={"description": "Why the model cannot say."})


class CaseSchema(Strict):
    """A decision's corrections, and what it would be with them."""

    decision = fields.String(required=True)
    corrections = fields.List(fields.Nested(CorrectionSchema), required=True)
    current = fields.Dict(required=True, metadata={"description": "`input` and `context` now."})
    rescored = fields.Nested(RescoredSchema, required=True, allow_none=True)
    recipients = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "Who has to be told (Art. 19); null: not recorded here."},
    )


class TasksSchema(Strict):
    """The decisions that are to be decided again."""

    decisions = fields.List(fields.String(), required=True)


class EntrySchema(Strict):
    """The entry of the log that says it."""

    id = fields.String(required=True)
    seq = fields.Integer(required=True)


_REQUEST: Final = CorrectionRequestSchema()
_FOLLOW: Final = FollowSchema()
_GONE: Final = ("not-found", "erased", "unavailable")


def _correcting() -> Correcting:
    return Correcting(runtime(), auth.caller())


@routes.add(
    "POST", "/v1/decisions/<decision_id>/corrections", Permission.CORRECTIONS_MAKE,
    body=CorrectionRequestSchema, returns={201: EntrySchema}, problems=(*_GONE, "conflict"),
)  # fmt: skip
def correct(decision_id: str) -> Response:
    """Set wrong data right. The decision stays as it was logged; both are shown from now on.

    It leaves a task: decide again.
    """
    read: dict[str, Any] = bodies.checked(_REQUEST, bodies.json_body())
    with bodies.content():
        entry = _correcting().correct(decision_id, read["changes"], read["why"])
    where = {"Location": f"{request.script_root}/v1/decisions/{decision_id}/corrections"}
    return answer({"id": entry.id, "seq": entry.seq}, 201, where)


@routes.add(
    "GET", "/v1/decisions/<decision_id>/corrections", Permission.DECISIONS_READ,
    returns={200: CaseSchema}, problems=_GONE,
)  # fmt: skip
def show(decision_id: str) -> Response:
    """The corrections of a decision, and what the archived model gives with them."""
    return answer(shown_case(_correcting().case(decision_id)))


@routes.add(
    "POST", "/v1/decisions/<decision_id>/corrections/<correction_id>/close",
    Permission.CORRECTIONS_MAKE,
    body=FollowSchema, returns={201: EntrySchema}, problems=(*_GONE, "conflict", "wrong-stage"),
)  # fmt: skip
def close(decision_id: str, correction_id: str) -> Response:
    """Close the task of a correction, with the new decision or with why the old one stands."""
    read: dict[str, Any] = bodies.checked(_FOLLOW, bodies.json_body())
    with bodies.content():
        entry = _correcting().close(decision_id, correction_id, read["why"], read.get("decision"))
    return answer({"id": entry.id, "seq": entry.seq}, 201)


@routes.add("GET", "/v1/corrections", Permission.DECISIONS_READ, returns={200: TasksSchema})
def tasks() -> Response:
    """The decisions that rest on corrected data and wait to be decided again, oldest first."""
    return answer({"decisions": list(_correcting().tasks())})


def shown_case(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    found = case.rescored
    rescored: dict[str, Any] | None = None
    if found is not None:
        told = {"margin": found.margin, "outcome": found.outcome}
        rescored = {"why": found.why} if found.why else told
    return {
        "decision": case.view.id,
        "corrections": [shown_correction(each) for each in case.corrections],
        "current": {"input": dict(case.current.input), "context": dict(case.current.context)},
        "rescored": rescored,
        "recipients": list(case.recipients),
    }


def shown_correction(each: Corrected) -> dict[str, Any]:
    """A correction as JSON."""
    return {
        "id": each.id,
        "logged_at": each.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "changes": dict(each.changes),
        "why": each.why,
        "role": each.role,
        "follow": each.follow,
        "decision": each.decision,
    }
