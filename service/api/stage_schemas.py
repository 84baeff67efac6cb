"""Shapes of bodies about the stages of model versions."""

from typing import Final

from marshmallow import fields, validate

from ledger.operate.model_stage import MAX_REASON_CHARACTERS
from service.api.schemas import ID_PATTERN, Strict

__all__ = ["HistorySchema", "ProposalSchema", "ReasonSchema", "StageSchema"]

_REASON: Final = validate.Length(1, MAX_REASON_CHARACTERS)


class ReasonSchema(Strict):
    """Why something is done about a stage; sealed, and committed to by the log."""

    reason: fields.String = fields.String(required=True, validate=_REASON)


class ProposalSchema(ReasonSchema):
    """A stage that another person has to agree to."""

    status = fields.String(required=True, validate=validate.OneOf(["approved", "retired"]))


class EventSchema(Strict):
    """One thing that happened to a model version."""

    id = fields.String(required=True, validate=validate.Regexp(ID_PATTERN))
    seq = fields.Integer(required=True)
    at = fields.String(required=True)
    act = fields.String(required=True)
    status = fields.String(allow_none=True, metadata={"description": "The stage that began."})
    actor = fields.String(allow_none=True, metadata={"description": "The id of a key."})
    role = fields.String()
    reason = fields.String()
    proposal = fields.String(allow_none=True)


class StageSchema(Strict):
    """Where a model version stands; `proposal` is the one that waits, or null."""

    digest = fields.String(required=True)
    status = fields.String(required=True)
    proposal = fields.Nested(EventSchema, allow_none=True)


class HistorySchema(StageSchema):
    """The same with everything that happened, oldest first."""

    events = fields.List(fields.Nested(EventSchema), required=True)
